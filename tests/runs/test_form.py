"""Folders on disk to runs: with their logs, their scores, and nothing of another run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptdoctor.finding import Verdict
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.metadata import Mode, Source
from ckptdoctor.report import CheckpointReport, Report
from ckptdoctor.runs.discover import discover
from ckptdoctor.runs.form import form_runs
from ckptdoctor.runs.logs import compile_pattern
from ckptdoctor.runs.member import Member
from ckptdoctor.runs.notes import notes_of
from ckptdoctor.runs.run import Run
from ckptdoctor.runs.wish import Wish
from ckptdoctor.survey import survey
from tests.builders import save
from tests.reports import metric, report, score, with_last_good
from tests.runs.members import OTTER, holding, member

UP = [0.31, 0.42, 0.50, 0.55, 0.58, 0.60]
FALLEN = [*UP[:4], 0.02, 0.01]


def told(values: Sequence[float], name: str = "IoU", first: int = 1) -> str:
    return "".join(f"Epoch {e}: {name}: {v}\n" for e, v in enumerate(values, start=first))


def laid(folder: Path, count: int = 6, **scalars: Callable[[int], float]) -> list[Member]:
    """Checkpoints that are there, as far as their names go."""
    folder.mkdir(parents=True, exist_ok=True)
    members = []
    for e in range(1, count + 1):
        path = folder / f"epoch_{e}.pth"
        path.touch()
        members.append(holding(path, {"epoch": e} | {key: of(e) for key, of in scalars.items()}))
    return members


def only(members: Sequence[Member], **wish: object) -> Run:
    (run,) = form_runs(members, Wish(**wish)).runs  # type: ignore[arg-type]
    return run


def scores(run: Run) -> list[tuple[str, float, Source] | None]:
    found = [one.metadata.metric for one in run.members]
    return [None if m is None else (m.name, m.value, m.source) for m in found]


# -- scores from logs ----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder beside a log of eight epochs."""
    (tmp_path / "training.log").write_text(
        "".join(f"Epoch {e}: Loss: {1 / e:.4f} | IoU: {e / 100:.4f}\n" for e in range(1, 9))
    )
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def test_a_running_best_gives_way_to_the_logs_value(folder: Path) -> None:
    run = only([member(folder / "a.pth", epoch=3, best_iou=0.05)])
    assert scores(run) == [("IoU", 0.03, Source.LOG)]


def test_one_value_of_a_log_does_not_overrule_the_best_that_the_files_store(tmp_path: Path) -> None:
    files = laid(tmp_path / "runs", best_iou=lambda e: e / 10)
    (tmp_path / "runs/train.log").write_text("Epoch 3: IoU: 0.95\n")
    run = only(files)
    assert [one.path.name for one in run.aside] == ["train.log"]
    assert scores(run)[2] == ("best_iou", 3 / 10, Source.CONTENTS)


def test_its_own_score_and_an_unknown_epoch_stay(folder: Path) -> None:
    files = [
        member(folder / "own.pth", epoch=3, iou=0.7),
        member(folder / "later.pth", epoch=99),
        member(folder / "nameless.pth"),
    ]
    run = only(files)
    by_name = {one.path.name: one.metadata.metric for one in run.members}
    assert by_name["own.pth"] == files[0].metadata.metric
    assert by_name["later.pth"] is by_name["nameless.pth"] is None


def test_the_user_names_metric_mode_and_log(folder: Path, tmp_path: Path) -> None:
    files = [member(folder / "a.pth", epoch=3, iou=0.7)]
    assert scores(only(files, metric="loss", mode=Mode.MIN)) == [("Loss", 0.3333, Source.LOG)]
    turned = only(files, mode=Mode.MIN).members[0].metadata.metric
    assert turned is not None
    assert turned.mode is Mode.MIN
    other = tmp_path / "elsewhere/other.txt"
    other.parent.mkdir()
    other.write_text("Epoch 3: IoU: 0.5\n")
    fresh = [member(folder / "a.pth", epoch=3)]
    assert scores(only(fresh, logs=(other,))) == [("IoU", 0.5, Source.LOG)]
    with pytest.raises(FileNotFoundError, match="no such log file"):
        form_runs(fresh, Wish(logs=(tmp_path / "gone.log",)))


def test_folders_have_their_own_logs(tmp_path: Path) -> None:
    for name, value in (("one", 0.1), ("two", 0.2)):
        (tmp_path / name / "ckpt").mkdir(parents=True)
        (tmp_path / name / "train.log").write_text(f"Epoch 1: IoU: {value}\n")
    formed = form_runs(
        [
            member(tmp_path / name / f"ckpt/e{n}.pth", epoch=n)
            for name in ("one", "two")
            for n in (1, 2)
        ],
        Wish(),
    )
    assert [scores(run) for run in formed.runs] == [
        [("IoU", 0.1, Source.LOG), None],
        [("IoU", 0.2, Source.LOG), None],
    ]


def test_no_log_changes_nothing(tmp_path: Path) -> None:
    files = [member(tmp_path / "x/a.pth", epoch=1, iou=0.5)]
    run = only(files)
    assert list(run.members) == files
    assert run.speaks_against(files[0].path) == ""


# -- whose log -----------------------------------------------------------------------------------


def test_the_log_of_a_sibling_is_not_believed_of_the_only_one_examined(tmp_path: Path) -> None:
    mine = laid(tmp_path / "runs/plain")
    laid(tmp_path / "runs/idea")
    (tmp_path / "runs/plain.log").write_text(told(UP))
    (tmp_path / "runs/idea.log").write_text(told(FALLEN))
    (tmp_path / "runs/pip.log").write_text("Collecting torch\n" + told([0.9, 0.9]))
    run = only(mine)
    assert [log.name for log in run.history.logs] == ["plain.log"]
    assert run.history.collapse is None
    assert [value for _, value, _ in filter(None, scores(run))] == UP


def test_of_siblings_examined_together_only_one_has_collapsed(tmp_path: Path) -> None:
    members = [*laid(tmp_path / "runs/plain"), *laid(tmp_path / "runs/idea")]
    (tmp_path / "runs/plain.log").write_text(told(UP))
    (tmp_path / "runs/idea.log").write_text(told(FALLEN))
    formed = form_runs(members, Wish())
    assert {run.name: run.history.collapse for run in formed.runs} == {"plain": None, "idea": 5}


def test_a_log_that_contradicts_the_files_is_set_aside_and_named(tmp_path: Path) -> None:
    mine = laid(tmp_path / "ckpt", val_iou=lambda e: UP[e - 1])
    (tmp_path / "ckpt/stale.log").write_text(told(FALLEN[::-1], "val_iou"))
    formed = form_runs(mine, Wish())
    (run,) = formed.runs
    assert [one.path.name for one in run.aside] == ["stale.log"]
    assert run.history.logs == ()
    (note,) = notes_of(formed)
    assert "stale.log" in note
    assert "set aside" in note


def test_of_two_logs_that_disagree_the_one_that_says_what_the_files_say(tmp_path: Path) -> None:
    mine = laid(tmp_path / "ckpt", val_iou=lambda e: UP[e - 1])
    (tmp_path / "ckpt/a_first.log").write_text(told(UP, "val_iou"))
    (tmp_path / "ckpt/b_second.log").write_text(told([v - 0.2 for v in UP], "val_iou"))
    run = only(mine)
    assert [log.name for log in run.history.logs] == ["a_first.log"]
    assert [one.path.name for one in run.aside] == ["b_second.log"]


def test_of_two_logs_that_disagree_one_is_believed_where_the_files_say_nothing(
    tmp_path: Path,
) -> None:
    mine = laid(tmp_path / "ckpt")
    (tmp_path / "ckpt/one.log").write_text(told(UP, "val_iou"))
    (tmp_path / "ckpt/two.log").write_text(told([v - 0.2 for v in UP], "val_iou"))
    formed = form_runs(mine, Wish())
    (run,) = formed.runs
    assert len(run.history.logs) == len(run.aside) == 1
    (note,) = notes_of(formed)
    assert run.aside[0].path.name in note


@pytest.mark.parametrize(("name", "are_rivals"), [("val_iou", True), ("IoU", False)])
def test_a_log_called_after_a_set_of_data_is_no_other_training_unless_its_metrics_say_so(
    name: str, are_rivals: bool, tmp_path: Path
) -> None:
    """`IoU` may be of either set; `val_iou` is of one."""
    members = laid(tmp_path)
    (tmp_path / "train.log").write_text(told([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], name))
    (tmp_path / "z.log").write_text(told([0.9, 0.8, 0.7, 0.65, 0.55, 0.45], name))
    run = only(members)
    assert len(run.aside) == are_rivals
    assert len(run.history.logs) == 2 - are_rivals


def test_a_log_that_the_user_names_is_believed_and_its_silence_told(tmp_path: Path) -> None:
    mine = laid(tmp_path / "ckpt", val_iou=lambda e: UP[e - 1])
    stale, empty = tmp_path / "x/stale.log", tmp_path / "x/empty.log"
    stale.parent.mkdir()
    stale.write_text(told(FALLEN, "val_iou"))
    empty.write_text("nothing of an epoch\n")
    formed = form_runs(mine, Wish(logs=(stale, empty)))
    assert formed.runs[0].history.logs == (stale,)
    assert formed.silent == (empty,)
    assert any("empty.log" in note and "--log-pattern" in note for note in notes_of(formed))


def test_a_pattern_that_fits_no_line_of_what_lies_there_is_told(tmp_path: Path) -> None:
    """It may come from a settings file, and takes from a run what its log would tell."""
    mine = laid(tmp_path / "ckpt", val_iou=lambda e: UP[e - 1])
    log = tmp_path / "ckpt" / "train.log"
    log.write_text(told(FALLEN, "val_iou"))
    formed = form_runs(mine, Wish(pattern=compile_pattern("(?P<epoch>[0-9]+)(?P<iou>Q)")))
    assert formed.unmatched == (log,)
    assert any("train.log: no line of it fits" in note for note in notes_of(formed))
    assert not form_runs(mine, Wish()).unmatched


# -- second trainings in one folder --------------------------------------------------------------


def in_steps(folder: Path, rows: Sequence[tuple[int, int]]) -> list[Member]:
    return [member(folder / f"ckpt_{step}.pt", epoch=e, global_step=step) for e, step in rows]


def test_a_second_training_in_the_folder_is_a_second_run(tmp_path: Path) -> None:
    rows = [(0, 500), (1, 700), (2, 880), (0, 1010), (1, 1240), (2, 1480)]
    formed = form_runs(in_steps(tmp_path, rows), Wish())
    assert [[m.metadata.global_step for m in run.members] for run in formed.runs] == [
        [500, 700, 880],
        [1010, 1240, 1480],
    ]
    assert len({run.name for run in formed.runs}) == 2


def test_two_logs_that_disagree_about_the_same_step_are_two_runs(tmp_path: Path) -> None:
    """The files of the first training are those that its log tells of."""
    for name, values in (("a", UP), ("b", [v - 0.25 for v in UP])):
        (tmp_path / f"{name}.log").write_text(told(values, "val_iou"))
    first = [member(tmp_path / f"ckpt_{e}.pt", epoch=e, val_iou=UP[e - 1]) for e in (1, 2, 3)]
    second = [
        member(tmp_path / f"ckpt_{e}b.pt", epoch=e, val_iou=UP[e - 1] - 0.25) for e in (1, 2, 3)
    ]
    formed = form_runs([*first, *second], Wish())
    found = [[m.path.name for m in run.members] for run in formed.runs]
    assert sorted(found) == [
        ["ckpt_1.pt", "ckpt_2.pt", "ckpt_3.pt"],
        ["ckpt_1b.pt", "ckpt_2b.pt", "ckpt_3b.pt"],
    ]


# -- which wins ----------------------------------------------------------------------------------


def last_good(*rows: CheckpointReport) -> str | None:
    found = with_last_good(Report(checkpoints=rows)).last_good
    return None if found is None else found.path.name


def test_the_last_number_wins_where_nothing_else_is_known() -> None:
    rows = [report(f"unet_{n}.pth") for n in (1, 2, 3, 4, 5)]
    assert last_good(*rows, report("unet_6.pth", verdict=Verdict.CORRUPT)) == "unet_5.pth"
    rows = [report(f"{n}.pth") for n in range(1, 12)]
    assert last_good(*rows, report("12.pth", verdict=Verdict.CORRUPT)) == "11.pth"


def test_the_best_score_wins() -> None:
    rows = [report(f"e_{e}.pth", e, score(v)) for e, v in ((1, 0.4), (2, 0.7), (3, 0.6))]
    assert last_good(*rows) == "e_2.pth"
    rows = [
        report(f"e_{e}.pth", e, score(v, name="val_loss", mode=Mode.MIN))
        for e, v in ((1, -0.4), (2, -0.7), (3, -0.6))
    ]
    assert last_good(*rows) == "e_2.pth"


def test_the_first_to_hold_the_running_best_is_the_one_that_scored_it() -> None:
    rows = [report(f"e_{e}.pth", e, metric(v)) for e, v in ((1, 0.4), (2, 0.7), (3, 0.7), (4, 0.7))]
    assert last_good(*rows) == "e_2.pth"


def test_a_salvageable_file_with_a_much_better_score_wins() -> None:
    sound = [report(f"e_{e}.pth", e, score(0.80 + e / 500)) for e in range(1, 5)]
    rest = [
        report(f"e_{e}.pth", e, score(0.82 + e / 100), Verdict.SALVAGEABLE) for e in range(5, 13)
    ]
    assert last_good(*sound, *rest) == "e_12.pth"


def test_a_salvageable_file_within_the_noise_does_not() -> None:
    wobble = [0.80, 0.83, 0.79, 0.82, 0.80, 0.83, 0.81]
    sound = [report(f"e_{e}.pth", e, score(v)) for e, v in enumerate(wobble, start=1)]
    rest = report("e_8.pth", 8, score(0.835), Verdict.SALVAGEABLE)
    assert last_good(*sound, rest) == "e_6.pth"


def test_a_file_without_weights_is_never_last_good() -> None:
    rows = [report(f"e_{e}.pth", e, score(0.5 + e / 100)) for e in (1, 2)]
    assert last_good(*rows, report("e_3.pth", 3, score(0.9), tensors=0)) == "e_2.pth"
    assert last_good(report("optimizer.pth", 3, score(0.9), tensors=0)) is None


verdicts = st.sampled_from([Verdict.HEALTHY, Verdict.SUSPECT, Verdict.SALVAGEABLE, Verdict.CORRUPT])


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0, 1), verdicts), min_size=2, max_size=6),
    st.sampled_from(["resnet50_pretrained.pth", "export for phone.pt", "teacher.pth"]),
    st.one_of(st.none(), st.floats(0, 1)),
    st.one_of(st.none(), st.integers(0, 400)),
    verdicts,
)
def test_a_stray_changes_nothing_of_the_run_beside_it(
    course: list[tuple[float, Verdict]],
    name: str,
    value: float | None,
    epoch: int | None,
    verdict: Verdict,
) -> None:
    rows = [report(f"e_{at}.pth", at, score(v), verdict) for at, (v, verdict) in enumerate(course)]
    beside = report(name, epoch, None if value is None else score(value), verdict)
    alone = with_last_good(Report(checkpoints=tuple(rows)))
    both = with_last_good(Report(checkpoints=(*rows, beside)))
    assert both.last_good == alone.last_good
    assert [run.name for run in both.runs] == [run.name for run in alone.runs]
    assert [row.path.name for row in both.strays] == [name]
    assert both.next == alone.next


def test_a_restored_copy_is_no_candidate_whatever_it_scores(tmp_path: Path) -> None:
    mine = laid(tmp_path, 4, val_iou=lambda e: UP[e - 1])
    origin = RestoredFrom(
        source=mine[2].path, epoch=3, scale=0.75, set_lr=None, actions=("scale_lr",)
    )
    copy = member(tmp_path / "best_model_clean.pth", epoch=3, val_iou=0.99, restored=origin)
    run = only([*mine, copy])
    assert run.copies == (copy,) or [one.path for one in run.copies] == [copy.path]
    assert copy.path not in {one.path for one in run.course}


# -- real files ----------------------------------------------------------------------------------


def state(epoch: int, **more: object) -> dict[str, object]:
    torch.manual_seed(7)
    net = {f"block{n}.weight": torch.randn(6, 5) + 0.001 * epoch for n in range(4)}
    return {"epoch": epoch, "model": net, **more}


def test_a_pretrained_file_beside_a_run_is_a_stray_and_never_wins(tmp_path: Path) -> None:
    for e in (1, 2, 3):
        save(tmp_path / f"bird_{e}.pth", state(e, val_iou=0.4 + e / 20))
    teacher = {f"layer{n}.conv.weight": torch.randn(3, 3) for n in range(5)}
    save(tmp_path / "vgg11-8a719046.pth", {"epoch": 90, "val_iou": 0.99, "model": teacher})
    found = survey(discover([tmp_path]))
    assert [run.path for run in found.runs] == [tmp_path]
    assert [row.path.name for row in found.strays] == ["vgg11-8a719046.pth"]
    assert found.last_good is not None
    assert found.last_good.path.name == "bird_3.pth"
    assert next(row for row in found.strays).verdict is Verdict.HEALTHY


def test_several_runs_have_no_last_good_together(tmp_path: Path) -> None:
    for stage in ("stage1", "stage2"):
        (tmp_path / stage).mkdir()
        for e in (1, 2):
            save(tmp_path / stage / f"epoch_{e}.pth", state(e, val_iou=e / 10))
    found = survey(discover([tmp_path]))
    assert found.last_good is None
    assert found.next == ""
    assert [run.name for run in found.runs] == ["stage1", "stage2"]
    goods = [run.last_good and run.last_good.path for run in found.runs]
    assert goods == [tmp_path / stage / "epoch_2.pth" for stage in ("stage1", "stage2")]


def test_files_named_one_by_one_are_one_run(tmp_path: Path) -> None:
    paths = []
    for at, name in enumerate(("x/monday.pth", "y/tuesday.pth"), start=1):
        (tmp_path / name).parent.mkdir()
        paths.append(save(tmp_path / name, state(at, val_iou=at / 10)))
    found = survey(discover(paths))
    assert len(found.runs) == 1
    assert found.last_good is not None
    assert found.last_good.path == paths[1]


def test_what_is_unlike_in_name_and_model_has_no_say_on_the_history(tmp_path: Path) -> None:
    mine = laid(tmp_path, val_iou=lambda e: UP[e - 1])
    beside = member(tmp_path / "teacher.pth", OTTER, epoch=40, val_iou=0.99)
    run = only([*mine, beside])
    assert run.history.last_at == 6
    assert all(not math.isclose(point.value, 0.99) for point in run.history.points)
