"""Which checkpoints are averaged: the last good ones of a run, or those of a range."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.errors import RestoreError, UsageError
from ckptdoctor.recovery.average_choice import (
    Averaging,
    Chosen,
    choose_average,
    read_averaging,
)
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey
from tests.builders import save
from tests.each import each


def put(folder: Path, epoch: int, *, name: str = "", nan: bool = False, **more: Any) -> Path:
    """A checkpoint of an epoch; weights move a little each time."""
    torch.manual_seed(epoch)
    weight = torch.linspace(1, 2, 64) + 0.001 * epoch
    if nan:
        weight[3] = math.nan
    state = {"epoch": epoch, "model": {"layer.weight": weight}} | more
    return save(folder / (name or f"checkpoint_epoch_{epoch}.pth"), state)


def chosen(folder: Path, text: str, **options: Any) -> Chosen:
    """What is averaged of the run in a folder."""
    (run,) = survey(discover([folder])).runs
    return choose_average(run, read_averaging(text, **options))


def names(found: Chosen) -> list[int]:
    """The epochs, the newest last."""
    rows = (*found.others, found.newest)
    return [int(row.metadata.epoch or 0) for row in rows]


# -- the words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", Averaging(count=5)),
        ("70-88", Averaging(first=70, last=88)),
        ("70..88", Averaging(first=70, last=88)),
        (" 0 - 9 ", Averaging(first=0, last=9)),
    ],
)
def test_a_number_or_a_range(text: str, expected: Averaging) -> None:
    assert read_averaging(text) == expected


@each("text", ["", "0", "1", "five", "-3", "3.5", "88-70", "7-7", "1-2-3"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--average"):
        read_averaging(text)


def test_a_range_says_itself_where_it_ends() -> None:
    with pytest.raises(UsageError, match="both say where to end"):
        read_averaging("70-88", until=80)


# -- the choice ----------------------------------------------------------------------------------


def test_the_last_so_many_in_the_order_of_the_run(tmp_path: Path) -> None:
    for epoch in (9, 10, 11, 12):
        put(tmp_path, epoch)
    assert names(chosen(tmp_path, "3")) == [10, 11, 12]


def test_those_of_a_range_and_no_others(tmp_path: Path) -> None:
    for epoch in range(1, 9):
        put(tmp_path, epoch)
    assert names(chosen(tmp_path, "3-6")) == [3, 4, 5, 6]


def test_the_last_so_many_up_to_an_epoch(tmp_path: Path) -> None:
    for epoch in range(1, 9):
        put(tmp_path, epoch)
    assert names(chosen(tmp_path, "2", until=5)) == [4, 5]


def test_nan_is_left_out_and_said(tmp_path: Path) -> None:
    for epoch in range(1, 6):
        put(tmp_path, epoch, nan=epoch == 4)
    found = chosen(tmp_path, "3")
    assert names(found) == [2, 3, 5]
    (note,) = found.notes
    assert note.startswith("left out: checkpoint_epoch_4.pth: corrupt: CD201")


def test_what_the_run_speaks_against_is_left_out(tmp_path: Path) -> None:
    scores = [0.5, 0.55, 0.6, 0.62, 0.64, 0.65, 0.6, 0.55, 0.5]
    for epoch, score in enumerate(scores, start=1):
        put(tmp_path, epoch, val_iou=score)
    found = chosen(tmp_path, "3")
    assert names(found) == [4, 5, 6]
    assert any("declin" in note for note in found.notes)


def test_fewer_than_were_asked_for_is_said(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        put(tmp_path, epoch)
    found = chosen(tmp_path, "7")
    assert names(found) == [1, 2, 3]
    assert found.notes == ("7 were asked for, 3 are good: these are averaged",)


def test_one_good_file_is_too_few(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        put(tmp_path, epoch, nan=epoch > 1)
    with pytest.raises(RestoreError, match="one checkpoint alone is good") as refused:
        chosen(tmp_path, "3")
    assert "checkpoint_epoch_2.pth" in str(refused.value)


def test_a_copy_under_another_name_counts_once(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        put(tmp_path, epoch)
    shutil.copy(tmp_path / "checkpoint_epoch_2.pth", tmp_path / "checkpoint_epoch_2_copy_7.pth")
    put(tmp_path, 3, name="last.pth")
    assert names(chosen(tmp_path, "3")) == [1, 2, 3]


def test_best_and_last_do_not_count_beside_numbered_files(tmp_path: Path) -> None:
    for epoch in (10, 20, 30):
        put(tmp_path, epoch)
    put(tmp_path, 27, name="best.pth")
    put(tmp_path, 34, name="last.pth")
    assert names(chosen(tmp_path, "3")) == [10, 20, 30]


def test_without_numbers_the_files_count_that_there_are(tmp_path: Path) -> None:
    put(tmp_path, 27, name="best.pth")
    put(tmp_path, 34, name="last.pth")
    assert names(chosen(tmp_path, "2")) == [27, 34]


def test_weights_that_lie_far_from_the_others_are_left_out(tmp_path: Path) -> None:
    for epoch in range(1, 8):
        path = put(tmp_path, epoch)
        if epoch == 6:
            save(path, {"epoch": 6, "model": {"layer.weight": torch.randn(64) * 100}})
    found = chosen(tmp_path, "3")
    assert names(found) == [4, 5, 7]
    assert any("CD410" in note for note in found.notes)


def test_what_is_odd_in_all_of_them_is_no_reason(tmp_path: Path) -> None:
    for epoch in range(1, 5):
        put(tmp_path, epoch, name=f"checkpoint_epoch_{epoch}.pth")
        path = tmp_path / f"checkpoint_epoch_{epoch}.pth"
        dead = {"layer.weight": torch.linspace(1, 2, 64) + epoch, "w.weight": torch.zeros(64, 64)}
        dead["half.weight"] = torch.full((64,), 65504.0).half()
        save(path, {"epoch": epoch, "model": dead})
    assert names(chosen(tmp_path, "3")) == [2, 3, 4]


def test_what_was_restored_is_never_averaged(tmp_path: Path) -> None:
    from ckptdoctor.recovery.edits import Edits
    from ckptdoctor.recovery.restore import restore

    for epoch in (1, 2, 3):
        put(tmp_path, epoch)
    restore(tmp_path / "checkpoint_epoch_3.pth", tmp_path / "checkpoint_epoch_4.pth", Edits())
    assert names(chosen(tmp_path, "3")) == [1, 2, 3]


def test_steps_count_where_the_run_counts_steps(tmp_path: Path) -> None:
    for step in (1000, 2000, 3000):
        torch.manual_seed(step)
        state = {
            "global_step": step,
            "model": {"layer.weight": torch.linspace(1, 2, 64) + step / 1e6},
        }
        save(tmp_path / f"step_{step}.pth", state)
    found = chosen(tmp_path, "1500-3000")
    assert [row.metadata.global_step for row in (*found.others, found.newest)] == [2000, 3000]


def test_there_may_be_no_run() -> None:
    with pytest.raises(RestoreError, match="no run here"):
        choose_average(None, Averaging(count=3))
