"""A run without a log is told by what its checkpoints keep of all their epochs."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.histories import AlarmKind
from ckptdoctor.metadata import Source
from ckptdoctor.runs.form import form_runs
from ckptdoctor.runs.kept import kept_by
from ckptdoctor.runs.member import Member
from ckptdoctor.runs.run import Run
from ckptdoctor.runs.wish import Wish
from tests.runs.members import holding

IOU = [0.50 + at / 100 for at in range(12)]


def keeping(
    folder: Path | str, values: list[float], epoch: int | None = None, name: str = "last.pth"
) -> Member:
    """A checkpoint of so many epochs, counted from 0, with a score of each."""
    kept = {f"history.val_iou.{at}": value for at, value in enumerate(values)}
    at = len(values) - 1 if epoch is None else epoch
    return holding(Path(folder) / name, {"epoch": at, **kept})


def formed(*members: Member) -> Run:
    (run,) = form_runs(list(members), Wish()).runs
    return run


def test_each_value_is_of_its_epoch_and_the_last_of_the_checkpoints_own() -> None:
    found = kept_by([keeping("a", IOU)])
    assert {at: values["val_iou"] for at, values in found.epochs.items()} == dict(enumerate(IOU))
    from_1 = kept_by([keeping("a", IOU, len(IOU))])
    assert list(from_1.epochs) == list(range(1, 13))


def test_the_longest_memory_counts() -> None:
    short, long = keeping("a", IOU[:4], name="a.pth"), keeping("a", IOU, name="b.pth")
    for members in ([short, long], [long, short]):
        found = kept_by(members)
        assert len(found.epochs) == 12
        assert {row.source for row in found.rows} == {long.path}


def test_values_that_a_file_has_of_fewer_epochs_are_missing_from_the_last() -> None:
    member = keeping("a", IOU)
    more = {f"history.val_loss.{at}": 1.0 for at in range(12)}
    held = {f"history.val_iou.{at}": value for at, value in enumerate(IOU)}
    member = holding("a/b.pth", {"epoch": 11, **held, **more})
    assert set(kept_by([member]).epochs[11]) == {"val_iou", "val_loss"}


def test_where_no_file_keeps_any_nothing_is_said() -> None:
    assert not kept_by([]).says_something
    assert not kept_by([holding("a.pth", {"epoch": 3, "val_iou": 0.5})]).says_something


def test_the_history_of_a_run_comes_from_its_checkpoint(tmp_path: Path) -> None:
    collapsed = [*IOU, 0.002, 0.001, 0.001]
    history = formed(keeping(tmp_path, collapsed)).history
    assert [point.value for point in history.points] == collapsed
    assert {point.source for point in history.points} == {Source.CONTENTS}
    assert history.best is not None
    assert (history.best.at, history.collapse) == (11, 12)
    assert AlarmKind.COLLAPSE in {alarm.kind for alarm in history.alarms}
    assert history.logs == ()


def test_a_log_is_believed_before_what_a_checkpoint_keeps(tmp_path: Path) -> None:
    text = "".join(f"Epoch {at}: val_iou: {value:.4f}\n" for at, value in enumerate(IOU[:5]))
    (tmp_path / "train.log").write_text(text)
    history = formed(keeping(tmp_path, IOU)).history
    told = [point for point in history.points if point.source is Source.LOG]
    assert [point.at for point in told] == [0, 1, 2, 3, 4]
    assert 5 not in history.values, "nothing of the checkpoint's is mixed into it"
