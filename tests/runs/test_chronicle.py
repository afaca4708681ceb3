"""Histories: checkpoints and logs put together, and what became of every alarm."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ckptdoctor.diagnose import judge_history
from ckptdoctor.finding import Severity
from ckptdoctor.histories import AlarmKind, Clock, History
from ckptdoctor.metadata import Metric, MetricKind, Mode, Source, read_metadata
from ckptdoctor.runs.chronicle import chronicle, clock_of
from ckptdoctor.runs.clock import course_of
from ckptdoctor.runs.form import form_runs
from ckptdoctor.runs.logs import LogReading, Row
from ckptdoctor.runs.member import Member
from ckptdoctor.runs.metric import Choice
from ckptdoctor.runs.run import Run
from ckptdoctor.runs.wish import Wish
from tests.cases import checkpoint
from tests.each import each
from tests.reports import metric, score
from tests.runs.members import holding


def formed(members: Sequence[Member], wish: Wish | None = None) -> Run:
    (run,) = form_runs(members, wish or Wish()).runs
    return run


def history(folder: Path, text: str, *members: Member) -> History:
    (folder / "train.log").write_text(text)
    return formed(members or [entry(folder, "a.pth")]).history


def entry(
    folder: Path,
    name: str,
    epoch: int | None = None,
    found: Metric | None = None,
    step: int | None = None,
) -> Member:
    held = {"epoch": epoch, "global_step": step}
    one = holding(folder / name, {key: value for key, value in held.items() if value is not None})
    if found is None:
        return one
    return replace(one, metadata=replace(one.metadata, metric=found, metrics=(found,)))


def history_of_logs(logs: Sequence[Path]) -> History:
    (run,) = form_runs([], Wish(logs=tuple(logs))).runs
    return run.history


def lines(*values: float, first: int = 80, name: str = "IoU") -> str:
    return "".join(f"Epoch {e}: {name}: {v}\n" for e, v in enumerate(values, start=first))


def test_points_name_their_source(tmp_path: Path) -> None:
    found = history(
        tmp_path,
        lines(0.5, 0.6),
        entry(tmp_path, "a.pth", 80, score(0.4)),
        entry(tmp_path, "b.pth", 90, score(0.7)),
        entry(tmp_path, "c.pth", 91, metric(0.7, name="best_iou")),
    )
    assert [(p.epoch, p.value, p.source, p.kind) for p in found.points] == [
        (80, 0.5, Source.LOG, MetricKind.SCORE),
        (81, 0.6, Source.LOG, MetricKind.SCORE),
        (90, 0.7, Source.CONTENTS, MetricKind.SCORE),
        (91, 0.7, Source.CONTENTS, MetricKind.RUNNING_BEST),
    ]
    assert found.points[0].path == tmp_path / "train.log"
    assert found.best is not None
    assert (found.best.epoch, found.mode) == (90, Mode.MAX)


def test_a_named_log_that_gave_nothing_is_none_that_was_believed(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("nothing is told here\n")
    (tmp_path / "b.log").write_text(lines(0.5, 0.6))
    found = history_of_logs([tmp_path / "a.log", tmp_path / "b.log"])
    assert found.logs == (tmp_path / "b.log",)
    assert [log.path.name for log in found.readings] == ["a.log", "b.log"]


def test_where_only_a_best_is_carried_along_the_first_to_hold_it_counts(tmp_path: Path) -> None:
    carried = [entry(tmp_path, f"{e}.pth", e, metric(v)) for e, v in ((1, 0.3), (2, 0.5), (3, 0.5))]
    found = history(tmp_path, "", *carried)
    assert found.best is not None
    assert found.best.epoch == 2
    assert found.decline is None
    assert found.collapse is None


@pytest.mark.parametrize(
    ("text", "kind", "lasting"),
    [
        (lines(0.5, math.nan, 0.6), AlarmKind.NON_FINITE, False),
        (lines(0.5, 0.6, math.nan), AlarmKind.NON_FINITE, True),
        (lines(0.5, 0.1, 0.6), AlarmKind.COLLAPSE, False),
        (lines(0.5, 0.1, 0.2), AlarmKind.COLLAPSE, True),
        (lines(0.5, 9.0, 0.6, name="loss"), AlarmKind.EXPLOSION, False),
        (lines(0.5, 9.0, 8.0, name="loss"), AlarmKind.EXPLOSION, True),
        (lines(*[0.1234] * 7), AlarmKind.FROZEN, True),
        (lines(*[0.1234] * 7, 0.2), AlarmKind.FROZEN, False),
        (lines(0.5, 0.49, 0.48, 0.47), AlarmKind.DECLINE, True),
        (lines(0.5, 0.49, 0.48, 0.47, 0.51), AlarmKind.DECLINE, False),
    ],
)
def test_an_alarm_knows_whether_it_lasts(
    text: str, kind: AlarmKind, lasting: bool, tmp_path: Path
) -> None:
    found = [alarm for alarm in history(tmp_path, text).alarms if alarm.kind is kind]
    assert [alarm.lasting for alarm in found] == [lasting]


def test_a_restart_speaks_against_the_files_it_left_behind(tmp_path: Path) -> None:
    first = lines(0.50, 0.52, 0.54, 0.56, 0.01, 0.01)
    again = lines(0.57, 0.58, first=82)
    (tmp_path / "train.log").write_text(first + again)
    files = [entry(tmp_path, f"{e}.pth", e) for e in (81, 82, 83, 84, 85)]
    run = formed(files)
    found = run.history
    assert [p.epoch for p in found.superseded] == [84, 85]
    assert found.collapse is None, "the attempt that stands has not collapsed"
    assert [run.speaks_against(one.path) for one in files[:3]] == ["", "", ""]
    assert run.speaks_against(files[3].path) == "since the collapse at 84"


def test_a_checkpoint_without_an_epoch_gets_that_of_its_step(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,step,val_iou\n0,99,0.3\n1,199,0.4\n")
    run = formed([entry(tmp_path, "a.pt", step=150)])
    (one,) = run.members
    assert (one.metadata.epoch, one.metadata.epoch_source) == (1, Source.LOG)
    assert one.metadata.metric is not None
    assert one.metadata.metric.value == 0.4
    assert run.history.points[-1].source is Source.LOG


def test_time_of_an_epoch(tmp_path: Path) -> None:
    text = "".join(f"2024-01-01 1{e}:00:00 Epoch {e}: IoU: 0.5\n" for e in range(5))
    assert history(tmp_path, text).epoch_s == 3600
    assert history(tmp_path, lines(0.5, 0.6)).epoch_s is None


def test_logs_alone_have_a_history(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("Epoch 1: loss: 0.5\nEpoch 2: loss: 0.4\n")
    found = history_of_logs([tmp_path / "a.log"])
    assert (found.metric, found.mode, found.last_at) == ("loss", Mode.MIN, 2)
    assert found.value_at(2) == 0.4
    assert found.value_at(3) is None
    (tmp_path / "b.log").write_text("nothing\n")
    empty = history_of_logs([tmp_path / "b.log"])
    assert (empty.points, empty.last_at, empty.best) == ((), None, None)


def test_a_log_that_vanishes_while_it_is_read_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.log").write_text(lines(0.5))
    gone = tmp_path / "gone.log"
    monkeypatch.setattr("ckptdoctor.runs.form.logs_beside", lambda *_: [gone, tmp_path / "a.log"])
    files = [entry(tmp_path, "a.pth")]
    assert formed(files).history.logs == (tmp_path / "a.log",)


def test_a_log_that_the_user_names_and_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        form_runs([entry(tmp_path, "a.pth")], Wish(logs=(tmp_path / "gone.log",)))


def test_a_log_beside_that_cannot_be_read_is_an_error_where_the_user_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone.log"
    monkeypatch.setattr("ckptdoctor.runs.form.logs_beside", lambda *_: [gone])
    with pytest.raises(FileNotFoundError):
        form_runs([entry(tmp_path, "a.pth")], Wish(logs=(gone,)))


@pytest.mark.parametrize(
    ("name", "metric_name", "value"),
    [
        ("epoch=88-val_iou=0.6413.ckpt", "val_iou", 0.6413),
        ("model_iou_0.64.pth", "model_iou", 0.64),
        ("best-val_loss=1.5e-3.ckpt", "val_loss", 0.0015),
        ("resnet50_v1.5.pth", None, None),
    ],
)
def test_a_score_in_the_name(name: str, metric_name: str | None, value: float | None) -> None:
    found = read_metadata(checkpoint(path=name)).metric
    if metric_name is None or value is None:
        assert found is None
    else:
        assert found is not None
        assert found.name.endswith(metric_name.split("_")[-1])
        assert found.value == pytest.approx(value)
        assert (found.source, found.kind) == (Source.FILENAME, MetricKind.SCORE)


# -- what logs count and what is no value --------------------------------------------------------


def clock(reading: LogReading, *members: Member) -> Clock:
    return clock_of(course_of(list(members)), reading)


def rows(*places: tuple[int | None, int | None], name: str = "val_iou") -> LogReading:
    """A log that tells a value of these epochs and steps."""
    return LogReading(rows=tuple(Row(epoch=e, step=s, values={name: 0.5}) for e, s in places))


BY_STEP = rows(*((None, 100 * n) for n in range(1, 6)))
BY_EPOCH = rows(*((n, None) for n in range(1, 6)))
BY_BOTH = rows(*((n, 100 * n) for n in range(1, 6)))


def test_without_checkpoints_the_clock_is_that_of_the_logs() -> None:
    assert clock(BY_STEP) is Clock.STEP
    assert clock(BY_EPOCH) is Clock.EPOCH
    assert clock(BY_STEP, holding("a.pth", {})) is Clock.STEP


def test_logs_that_know_nothing_of_the_steps_of_the_checkpoints_are_joined_by_epoch() -> None:
    files = [holding(f"{n}.pth", {"epoch": 1, "global_step": n}) for n in (100, 200, 300)]
    assert clock(BY_EPOCH, *files) is Clock.EPOCH
    assert clock(BY_STEP, *files) is Clock.STEP
    assert clock(BY_BOTH, *files) is Clock.STEP
    assert clock(LogReading(), *files) is Clock.STEP


def test_checkpoints_that_know_only_one_of_the_two_are_counted_by_it() -> None:
    stepped = [holding(f"step_{n}.pth", {"global_step": n}) for n in (100, 200)]
    assert clock(BY_BOTH, *stepped) is Clock.STEP
    named = [holding(f"epoch_{n}.pth", {"epoch": n}) for n in (1, 2)]
    assert clock(BY_BOTH, *named) is Clock.EPOCH


def test_a_loss_that_is_suddenly_exactly_0_is_not_the_best(tmp_path: Path) -> None:
    """Trainers leave NaN out of the mean that they print."""
    found = history(tmp_path, lines(0.9, 0.8, 0.7, 0.0, 0.0, name="loss"))
    assert found.best is not None
    assert (found.best.at, found.best.value) == (82, 0.7)
    assert AlarmKind.NON_FINITE in {alarm.kind for alarm in found.alarms}


def test_a_loss_that_went_down_to_0_is_the_best(tmp_path: Path) -> None:
    found = history(tmp_path, lines(0.9, 0.1, 0.01, 0.0005, 0.0, name="loss"))
    assert found.best is not None
    assert found.best.value == 0.0
    assert found.alarms == ()


def test_an_error_of_0_is_a_score_like_any_other(tmp_path: Path) -> None:
    found = history(tmp_path, lines(0.5, 0.4, 0.3, 0.0, name="val_wer"))
    assert found.best is not None
    assert found.best.value == 0.0


def codes(*values: float, name: str) -> set[str]:
    reading = LogReading(
        rows=tuple(
            Row(epoch=at, values={name: value, "lr": 0.1}) for at, value in enumerate(values)
        )
    )
    course = course_of([])
    found = chronicle(Path("runs"), course, Choice(), reading, ())
    run = Run(name="a", folder=Path("runs"), choice=Choice(), history=found)
    (report,), _ = judge_history([run])
    return {finding.code for finding in report.findings}


def test_a_name_that_says_nothing_and_is_nan_for_good_is_told() -> None:
    assert codes(0.3, 0.4, 0.5, math.nan, math.nan, name="G_GAN") == {"CD404"}
    assert codes(0.3, 0.4, 0.5, math.inf, name="G_GAN") == {"CD404"}


@pytest.mark.parametrize(
    "values",
    [
        (0.3, 0.4, 0.5, math.nan, 0.5),  # it came back
        (0.3, 0.4, math.nan, math.nan),  # too short to be known
        (math.nan,) * 5,
        (0.3, 0.4, math.nan, 0.5, 0.6, math.nan),  # of now and then
        (0.3, 0.4, 0.5, 0.6),
    ],
)
def test_a_name_that_says_nothing_may_be_nan_now_and_then(values: tuple[float, ...]) -> None:
    assert codes(*values, name="G_GAN") == set()


NAN = math.nan


@each(
    ("log", "severity"),
    [
        ({7: {"val_iou": NAN}}, Severity.ERROR),  # all that it says
        ({7: {"val_iou": NAN}, 8: {"val_iou": NAN}}, Severity.ERROR),
        (
            {6: {"loss": 0.5}, 7: {"val_iou": NAN, "loss": 0.4}},
            Severity.ERROR,
        ),  # printed once known
        ({7: {"val_iou": NAN, "loss": NAN}}, Severity.ERROR),
        ({7: {"val_iou": NAN}, 8: {"val_iou": 0.5}}, Severity.WARNING),
        ({7: {"val_iou": NAN}, 8: {"val_iou": 0.5}, 9: {"val_iou": NAN}}, Severity.ERROR),
        ({1: {"val_iou": NAN}, 2: {"val_iou": 0.5}}, None),  # of the first epochs
        ({7: {"val_iou": NAN}, 8: {"val_iou": NAN}, 9: {"val_iou": 0.5}}, None),  # every third
        ({at: {"val_iou": NAN, "loss": 0.5} for at in range(7, 20)}, None),  # never computed
    ],
)
def test_a_metric_that_is_nan_from_its_first_value_is_told_if_it_was_computed(
    log: dict[int, dict[str, float]], severity: Severity | None
) -> None:
    reading = LogReading(rows=tuple(Row(epoch=at, values=values) for at, values in log.items()))
    found = chronicle(
        Path("runs"),
        course_of([]),
        Choice(name="val_iou", mode=Mode.MAX, in_logs="val_iou"),
        reading,
        (),
    )
    run = Run(name="a", folder=Path("runs"), choice=Choice(), history=found)
    (report,), _ = judge_history([run])
    told = [finding.severity for finding in report.findings if finding.code == "CD404"]
    assert told == ([] if severity is None else [severity])


def test_a_score_that_the_run_is_not_judged_by_may_end_in_nan() -> None:
    assert codes(0.3, 0.4, 0.5, math.nan, name="val_dice") == set()


def test_a_rate_that_many_lines_print_is_known_at_each_of_them(tmp_path: Path) -> None:
    """It is set, and holds until it is set anew: what it did to the run is told all the same."""
    noise, text = random.Random(0), ""
    for at in range(360):
        epoch = at // 10
        rate = 1e-3 * (0.5 + 0.5 * math.cos(math.pi * (epoch % 9) / 9)) + 1e-6
        restarted = 0.35 * math.exp(-(at % 90) / 15) if epoch >= 9 else 0.0
        loss = 0.4 + 1.6 * math.exp(-at / 60) + restarted + noise.gauss(0.0, 0.01)
        text += f"step {100 * at + 100} | loss {loss:.5f} | lr {rate:.6e}\n"
    log = tmp_path / "train.log"
    log.write_text(text)
    reports, _ = judge_history(form_runs([], Wish(logs=(log,))).runs)
    (jump,) = [one for one in reports[0].findings if one.code == "CD411"]
    assert "at step 9100" in jump.message
