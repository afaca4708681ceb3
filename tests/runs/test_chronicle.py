"""Histories: checkpoints and logs put together, and what became of every alarm."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from ckptdoctor.runs.join import Wish, history_of_logs, join_entries, join_logs

from ckptdoctor.history import AlarmKind, History
from ckptdoctor.metadata import Metadata, MetricKind, Mode, Source, read_metadata
from ckptdoctor.runs.chronicle import Entry
from tests.cases import checkpoint
from tests.reports import metric, report, score


def history(folder: Path, text: str, *entries: Entry) -> History:
    (folder / "train.log").write_text(text)
    found, _ = join_entries(folder, list(entries) or [entry(folder, "a.pth")], Wish())
    return found


def entry(folder: Path, name: str, epoch: int | None = None, **data: object) -> Entry:
    return Entry(path=folder / name, metadata=Metadata(epoch=epoch, **data))  # type: ignore[arg-type]


def lines(*values: float, first: int = 80, name: str = "IoU") -> str:
    return "".join(f"Epoch {e}: {name}: {v}\n" for e, v in enumerate(values, start=first))


def test_points_name_their_source(tmp_path: Path) -> None:
    found = history(
        tmp_path,
        lines(0.5, 0.6),
        entry(tmp_path, "a.pth", 80, metric=score(0.4)),
        entry(tmp_path, "b.pth", 90, metric=score(0.7)),
        entry(tmp_path, "c.pth", 91, metric=metric(0.7, kind=MetricKind.RUNNING_BEST)),
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


def test_where_only_a_best_is_carried_along_the_first_to_hold_it_counts(tmp_path: Path) -> None:
    carried = [
        entry(tmp_path, f"{e}.pth", e, metric=metric(v, kind=MetricKind.RUNNING_BEST))
        for e, v in ((1, 0.3), (2, 0.5), (3, 0.5))
    ]
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
    files = [report(str(tmp_path / f"{e}.pth"), e, None) for e in (81, 82, 83, 84, 85)]
    joined = join_logs(files)
    (found,) = joined.histories
    assert [p.epoch for p in found.superseded] == [84, 85]
    assert found.collapse is None, "the attempt that stands has not collapsed"
    assert [joined.speaks_against(one) for one in joined.reports[:3]] == ["", "", ""]
    assert joined.speaks_against(joined.reports[3]) == "since the collapse at 84"


def test_a_checkpoint_without_an_epoch_gets_that_of_its_step(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,step,val_iou\n0,99,0.3\n1,199,0.4\n")
    found, joined = join_entries(tmp_path, [entry(tmp_path, "a.pt", global_step=150)], Wish())
    (one,) = joined
    assert (one.metadata.epoch, one.metadata.epoch_source) == (1, Source.LOG)
    assert one.metadata.metric is not None
    assert one.metadata.metric.value == 0.4
    assert found.points[1].source is Source.LOG


def test_time_of_an_epoch(tmp_path: Path) -> None:
    text = "".join(f"2024-01-01 1{e}:00:00 Epoch {e}: IoU: 0.5\n" for e in range(5))
    assert history(tmp_path, text).epoch_s == 3600
    assert history(tmp_path, lines(0.5, 0.6)).epoch_s is None


def test_logs_alone_have_a_history(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("Epoch 1: loss: 0.5\nEpoch 2: loss: 0.4\n")
    found = history_of_logs([tmp_path / "a.log"], Wish())
    assert (found.metric, found.mode, found.last_at) == ("loss", Mode.MIN, 2)
    assert found.value_at(2) == 0.4
    assert found.value_at(3) is None
    (tmp_path / "b.log").write_text("nothing\n")
    empty = history_of_logs([tmp_path / "b.log"], Wish())
    assert (empty.points, empty.last_at, empty.best) == ((), None, None)


def test_a_log_that_vanishes_while_it_is_read_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.log").write_text(lines(0.5))
    gone = tmp_path / "gone.log"
    monkeypatch.setattr("ckptdoctor.runs.join.find_logs", lambda _: [gone, tmp_path / "a.log"])
    found, _ = join_entries(tmp_path, [entry(tmp_path, "a.pth")], Wish())
    assert found.logs == (tmp_path / "a.log",)
    with pytest.raises(FileNotFoundError):
        join_entries(tmp_path, [entry(tmp_path, "a.pth")], Wish(logs=(gone,)))


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
