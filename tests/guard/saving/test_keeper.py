"""The keeper leaves sound files behind, whatever training, the disk or a kill does."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.diagnose import examine
from ckptdoctor.errors import DestinationError, NonFiniteError, SaveError, UsageError
from ckptdoctor.finding import Verdict
from ckptdoctor.guard.saving import keeper as keeper_module
from ckptdoctor.guard.saving import ledger as ledger_module
from ckptdoctor.guard.saving.keeper import CheckpointKeeper
from ckptdoctor.guard.saving.saver import safe_save, save_snapshot
from tests.builders import data_span, load, patched, save
from tests.each import each

NAN, INF = float("nan"), float("inf")


def state_of(epoch: int, value: float | None = None) -> dict[str, Any]:
    weight = torch.full((64,), 0.01 * epoch)
    if value is not None:
        weight[3] = value
    return {"epoch": epoch, "model_state_dict": {"fc.weight": weight}}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".pth")


def run(keeper: CheckpointKeeper, epochs: range, first: float = 0.5) -> None:
    for epoch in epochs:
        keeper.save(state_of(epoch), epoch=epoch, metric=first + 0.001 * epoch)


def damage(path: Path) -> None:
    """One bit of a weight."""
    at, _ = data_span(path, "archive/data/0")
    patched(path, at + 5, bytes([path.read_bytes()[at + 5] ^ 4]))


def healthy(folder: Path) -> int:
    found = examine(sorted(folder.glob("*.pth"))).checkpoints
    return sum(report.verdict is Verdict.HEALTHY for report in found)


# -- what is saved -------------------------------------------------------------------------------


def test_every_fifth_and_the_best(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    with CheckpointKeeper(folder) as keeper:
        scores = {1: 0.2, 2: 0.4, 3: 0.3, 4: 0.3, 5: 0.1, 6: 0.5, 7: 0.4, 10: 0.45}
        did = {
            epoch: keeper.save(state_of(epoch), epoch=epoch, metric=score)
            for epoch, score in scores.items()
        }
    assert {epoch for epoch, kept in did.items() if kept.is_best} == {1, 2, 6}
    assert did[3].saved == ()
    assert did[5].saved == (folder / "checkpoint_epoch_5.pth",)
    assert names(folder) == ["best_model.pth", "checkpoint_epoch_10.pth", "checkpoint_epoch_5.pth"]
    assert load(folder / "best_model.pth")["epoch"] == 6
    assert keeper.best() == folder / "best_model.pth"
    assert keeper.latest_good() == folder / "checkpoint_epoch_10.pth"


def test_less_can_be_better(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path, metric="val_loss", mode="min", every=1, keep_last=9)
    for epoch, loss in enumerate((0.9, 0.5, 0.7, -0.1, 0.0), start=1):
        keeper.save(state_of(epoch), epoch=epoch, metric=torch.tensor(loss))
    assert load(tmp_path / "best_model.pth")["epoch"] == 4
    damage(tmp_path / "best_model.pth")
    assert keeper.best() == tmp_path / "checkpoint_epoch_4.pth"


def test_old_ones_go_and_the_last_stay(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path, keep_last=3)
    run(keeper, range(5, 41, 5))
    assert names(tmp_path) == [
        "best_model.pth",
        *(f"checkpoint_epoch_{epoch}.pth" for epoch in (30, 35, 40)),
    ]
    kept = keeper.save(state_of(45), epoch=45, metric=0.1)
    assert kept.deleted == (tmp_path / "checkpoint_epoch_30.pth",)


def test_without_a_metric_there_is_no_best(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path, keep_last=1)
    for epoch in range(1, 21):
        keeper.save(state_of(epoch), epoch=epoch)
    # two sound ones stay, although one was asked for
    assert names(tmp_path) == ["checkpoint_epoch_15.pth", "checkpoint_epoch_20.pth"]
    assert keeper.best() is None
    assert keeper.latest_good() == tmp_path / "checkpoint_epoch_20.pth"


def test_an_epoch_that_is_as_good_as_the_best_is_no_better(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path)
    assert keeper.save(state_of(1), epoch=1, metric=0.5).is_best
    assert not keeper.save(state_of(2), epoch=2, metric=0.5).is_best
    assert load(tmp_path / "best_model.pth")["epoch"] == 1


def test_the_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "7" / "checkpoints"
    assert CheckpointKeeper(folder).save(state_of(5), epoch=5).saved == (
        folder / "checkpoint_epoch_5.pth",
    )


@pytest.mark.parametrize("background", [False, True])
def test_what_may_be_infinite_is_named(tmp_path: Path, background: bool) -> None:
    state = state_of(5)
    state["model_state_dict"]["slopes"] = torch.full((2,), -INF)
    for allow in ((), ("*.slopes",)):
        folder = tmp_path / str(len(allow))
        with CheckpointKeeper(folder, allow=allow, background=background) as keeper:
            if allow:
                keeper.save(state, epoch=5)
            else:
                with pytest.raises(NonFiniteError, match="slopes"):
                    keeper.save(state, epoch=5)
        assert names(folder) == (["checkpoint_epoch_5.pth"] if allow else [])
        assert (keeper.latest_good() is not None) == bool(allow)


def test_the_best_is_read_once_and_not_before_every_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(CheckpointKeeper(tmp_path), range(1, 4))
    read: list[str] = []
    is_good = ledger_module.Ledger.is_good

    def counted(self: ledger_module.Ledger, entry: ledger_module.Entry) -> bool:
        read.append(entry.name)
        return is_good(self, entry)

    monkeypatch.setattr(ledger_module.Ledger, "is_good", counted)
    keeper = CheckpointKeeper(tmp_path)
    for epoch in (4, 6, 7, 8):
        keeper.save(state_of(epoch), epoch=epoch, metric=0.1)
    assert read == ["best_model.pth"]
    read.clear()
    keeper = CheckpointKeeper(tmp_path / "new")
    for epoch, metric in ((10, 0.5), (11, 0.1), (12, 0.6), (13, 0.2)):  # saved by itself
        keeper.save(state_of(epoch), epoch=epoch, metric=metric)
    assert read == []


def test_an_empty_folder_has_nothing_good(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path)
    assert (keeper.best(), keeper.latest_good()) == (None, None)


@pytest.mark.parametrize("options", [{"every": 0}, {"keep_last": 0}])
def test_nonsense_is_refused(tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        CheckpointKeeper(tmp_path, **options)  # type: ignore[arg-type]


# -- NaN -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_hundred_epochs_with_nan_at_some(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path)
    refused, most_sound = [], 0
    for epoch in range(1, 101):
        bad_weights = epoch in (30, 31, 60) or epoch > 88
        metric = NAN if epoch in (25, 45, 50, 55) else 0.5 + 0.001 * epoch
        metric = INF if epoch == 70 else metric
        try:
            state = state_of(epoch, NAN if bad_weights else None)
            keeper.save(state, epoch=epoch, metric=metric)
        except NonFiniteError:
            refused.append(epoch)
        if epoch % 5 and epoch < 95:
            continue
        sound = healthy(tmp_path)
        assert sound == len(names(tmp_path))
        assert sound >= min(2, most_sound)
        most_sound = max(sound, most_sound)
    assert refused == [30, 31, 60, *range(89, 101)]
    assert load(tmp_path / "best_model.pth")["epoch"] == 88
    assert keeper.best() == tmp_path / "best_model.pth"
    assert keeper.latest_good() == tmp_path / "best_model.pth"
    assert {"checkpoint_epoch_80.pth", "checkpoint_epoch_85.pth"} <= set(names(tmp_path))


@pytest.mark.parametrize("metric", [NAN, INF, -INF])
@pytest.mark.one_in(3)
def test_a_metric_that_is_no_number_evicts_nothing_sound(
    tmp_path: Path, metric: float, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = CheckpointKeeper(tmp_path)
    run(keeper, range(5, 21, 5))
    for epoch in range(25, 51, 5):
        kept = keeper.save(state_of(epoch), epoch=epoch, metric=metric)
        assert not kept.is_best
        assert {"checkpoint_epoch_15.pth", "checkpoint_epoch_20.pth"} <= set(names(tmp_path))
    assert "never the best" in caplog.text
    assert len(names(tmp_path)) == 5  # the best, two sound ones, two others
    assert keeper.latest_good() == tmp_path / "checkpoint_epoch_20.pth"
    for name in ("best_model.pth", "checkpoint_epoch_15.pth", "checkpoint_epoch_20.pth"):
        damage(tmp_path / name)
    assert keeper.latest_good() == tmp_path / "checkpoint_epoch_50.pth"
    assert "its metric was not" in caplog.text


def test_a_first_metric_of_nan_is_no_bar(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path)
    keeper.save(state_of(1), epoch=1, metric=NAN)
    assert keeper.save(state_of(2), epoch=2, metric=0.1).is_best


def test_a_broken_optimizer_is_refused_unless_told_otherwise(tmp_path: Path) -> None:
    state = state_of(5) | {
        "optimizer_state_dict": {
            "state": {0: {"exp_avg": torch.full((64,), NAN)}},
            "param_groups": [{"lr": 0.1, "params": [0]}],
        }
    }
    with pytest.raises(NonFiniteError, match="exp_avg"):
        CheckpointKeeper(tmp_path / "a").save(state, epoch=5, metric=0.5)
    assert CheckpointKeeper(tmp_path / "b", check="model").save(state, epoch=5).saved


# -- damage --------------------------------------------------------------------------------------


def test_damage_since_is_seen_and_passed_over(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path, keep_last=3)
    run(keeper, range(5, 21, 5))
    damage(tmp_path / "best_model.pth")
    assert keeper.best() == tmp_path / "checkpoint_epoch_20.pth"
    damage(tmp_path / "checkpoint_epoch_20.pth")
    assert keeper.best() == keeper.latest_good() == tmp_path / "checkpoint_epoch_15.pth"
    whole = (tmp_path / "checkpoint_epoch_15.pth").read_bytes()
    (tmp_path / "checkpoint_epoch_15.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "checkpoint_epoch_10.pth").unlink()
    assert (keeper.best(), keeper.latest_good()) == (None, None)


def test_with_damaged_ones_about_older_ones_stay(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path, keep_last=2)
    for epoch in (5, 10):
        keeper.save(state_of(epoch), epoch=epoch)
    damage(tmp_path / "checkpoint_epoch_10.pth")
    keeper.save(state_of(15), epoch=15)  # 10 and 15 are the last two, and only one is sound
    assert names(tmp_path) == [f"checkpoint_epoch_{epoch}.pth" for epoch in (10, 15, 5)]
    keeper.save(state_of(20), epoch=20)
    assert names(tmp_path) == ["checkpoint_epoch_15.pth", "checkpoint_epoch_20.pth"]


def test_a_damaged_best_is_no_bar_after_a_restart(tmp_path: Path) -> None:
    run(CheckpointKeeper(tmp_path), range(1, 9))
    damage(tmp_path / "best_model.pth")
    keeper = CheckpointKeeper(tmp_path)
    assert keeper.save(state_of(9), epoch=9, metric=0.3).is_best
    assert keeper.best() == tmp_path / "best_model.pth"
    assert not keeper.save(state_of(11), epoch=11, metric=0.2).is_best


# -- what others wrote ---------------------------------------------------------------------------


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    for name in ("mine.pth", "checkpoint_88.pth", "notes.txt", "best_model_clean.pth"):
        (tmp_path / name).write_bytes(b"precious")
    run(CheckpointKeeper(tmp_path), range(5, 41, 5))
    for name in ("mine.pth", "checkpoint_88.pth", "notes.txt", "best_model_clean.pth"):
        assert (tmp_path / name).read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["best_model.pth", "checkpoint_epoch_88.pth"])
def test_files_of_others_under_its_names_are_seen_at_the_start(tmp_path: Path, name: str) -> None:
    save(tmp_path / name, state_of(88))
    with pytest.raises(FileExistsError, match="choose another folder") as caught:
        CheckpointKeeper(tmp_path)
    assert caught.value.filename == str(tmp_path / name)


def test_files_that_others_put_in_later_are_left_alone(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path)
    run(keeper, range(5, 11, 5))
    put = save(tmp_path / "best_model.pth", state_of(88))  # by hand, from another run
    with pytest.raises(FileExistsError, match="somebody else"):
        keeper.save(state_of(11), epoch=11, metric=0.9)
    save(tmp_path / "checkpoint_epoch_15.pth", state_of(88))
    with pytest.raises(FileExistsError, match="did not write it"):
        keeper.save(state_of(15), epoch=15, metric=0.1)
    save(tmp_path / "checkpoint_epoch_5.pth", state_of(77))
    for epoch in (20, 25, 30):
        keeper.save(state_of(epoch), epoch=epoch, metric=0.1)
    assert load(put)["epoch"] == load(tmp_path / "checkpoint_epoch_15.pth")["epoch"] == 88
    assert load(tmp_path / "checkpoint_epoch_5.pth")["epoch"] == 77
    assert not (tmp_path / "checkpoint_epoch_10.pth").exists()
    assert keeper.best() == tmp_path / "checkpoint_epoch_25.pth"


def test_what_is_no_file_is_neither_replaced_nor_deleted(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path)
    run(keeper, range(5, 11, 5))
    for name in ("best_model.pth", "checkpoint_epoch_5.pth"):
        (tmp_path / name).unlink()
        os.mkfifo(tmp_path / name)
    with pytest.raises(FileExistsError, match="somebody else"):
        keeper.save(state_of(11), epoch=11, metric=0.9)
    for epoch in (20, 25, 30):
        keeper.save(state_of(epoch), epoch=epoch, metric=0.1)
    for name in ("best_model.pth", "checkpoint_epoch_5.pth"):
        assert (tmp_path / name).is_fifo()
    (tmp_path / "keeper.json").unlink()
    os.mkfifo(tmp_path / "keeper.json")
    with pytest.raises(DestinationError, match="is a FIFO"):
        CheckpointKeeper(tmp_path)


def test_a_half_written_file_of_a_kill_is_cleared_away(tmp_path: Path) -> None:
    old, new = tmp_path / ".ckptdoctor-old.tmp", tmp_path / ".ckptdoctor-new.tmp"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    CheckpointKeeper(tmp_path)
    assert not old.exists()
    assert new.exists()


def test_one_that_cannot_be_cleared_away_is_told_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left = tmp_path / ".ckptdoctor-old.tmp"
    left.write_bytes(b"half")
    os.utime(left, (1000, 1000))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        keeper = CheckpointKeeper(tmp_path)
    assert f"{left} could not be removed: Permission denied" in caplog.text
    assert keeper.save(state_of(5), epoch=5).saved


# -- restarts ------------------------------------------------------------------------------------


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    run(CheckpointKeeper(tmp_path), range(5, 21, 5))
    keeper = CheckpointKeeper(tmp_path)
    assert keeper.latest_good() == tmp_path / "checkpoint_epoch_20.pth"
    assert not keeper.save(state_of(21), epoch=21, metric=0.515).is_best
    run(keeper, range(25, 31, 5))
    assert names(tmp_path) == [
        "best_model.pth",
        "checkpoint_epoch_25.pth",
        "checkpoint_epoch_30.pth",
    ]


def test_going_back_to_an_earlier_epoch(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path)
    run(keeper, range(80, 99, 5))
    keeper = CheckpointKeeper(tmp_path)  # resumed from 88: 90 and 95 of the lost branch are old
    kept = keeper.save(state_of(90) | {"lr": 0.1}, epoch=90, metric=0.4)
    assert kept.saved == (tmp_path / "checkpoint_epoch_90.pth",)
    assert keeper.latest_good() == tmp_path / "checkpoint_epoch_90.pth"
    assert load(tmp_path / "checkpoint_epoch_90.pth")["lr"] == 0.1
    keeper.save(state_of(100), epoch=100, metric=0.4)
    assert "checkpoint_epoch_90.pth" in names(tmp_path)
    assert "checkpoint_epoch_95.pth" not in names(tmp_path)


def test_a_note_of_another_metric_is_refused(tmp_path: Path) -> None:
    run(CheckpointKeeper(tmp_path), range(1, 6))
    with pytest.raises(SaveError, match="iou"):
        CheckpointKeeper(tmp_path, metric="dice")


@each("text", ["", "{", "[]", "{}", '{"schema_version": 1}', "\xff"])
def test_a_note_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "keeper.json").write_text(text, encoding="latin-1")
    with pytest.raises(SaveError, match="cannot be understood"):
        CheckpointKeeper(tmp_path)


def test_a_note_cannot_point_outside_the_folder(tmp_path: Path) -> None:
    run(CheckpointKeeper(tmp_path), range(1, 6))
    note = tmp_path / "keeper.json"
    note.write_text(note.read_text().replace("checkpoint_epoch_5.pth", "../precious.pth"))
    with pytest.raises(SaveError, match="no name of a file"):
        CheckpointKeeper(tmp_path)


def test_the_note_is_plain_json(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path)
    keeper.save(state_of(5), epoch=5, metric=NAN)
    keeper.save(state_of(6), epoch=6, metric=0.5)

    def refuse(token: str) -> None:
        raise AssertionError(token)

    note = json.loads((tmp_path / "keeper.json").read_text(), parse_constant=refuse)
    assert [(item["epoch"], item["metric"], item["sound"]) for item in note["files"]] == [
        (5, None, False),
        (6, 0.5, True),
    ]


def test_a_file_is_announced_before_it_is_written_and_noted_when_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending: list[str] = []

    def noted() -> Any:
        return json.loads((tmp_path / "keeper.json").read_text())

    def look(state: object, path: Path, **options: Any) -> Any:
        pending.append(noted()["pending"]["name"])
        return safe_save(state, path, **options)

    monkeypatch.setattr(keeper_module, "safe_save", look)
    keeper = CheckpointKeeper(tmp_path)
    run(keeper, range(5, 26, 5))
    assert pending[:2] == ["best_model.pth", "checkpoint_epoch_5.pth"]
    assert noted()["pending"] is None
    assert sorted(item["name"] for item in noted()["files"]) == names(tmp_path)
    monkeypatch.setattr(keeper_module, "safe_save", full_disk)
    with pytest.raises(OSError, match="No space"):
        keeper.save(state_of(30), epoch=30)
    assert keeper._ledger.pending is None
    assert sorted(entry.name for entry in keeper._ledger.entries) == names(tmp_path)


def test_a_file_that_the_user_deleted_is_not_missed(tmp_path: Path) -> None:
    keeper = CheckpointKeeper(tmp_path, keep_last=2)
    run(keeper, range(5, 11, 5))
    (tmp_path / "checkpoint_epoch_5.pth").unlink()
    run(keeper, range(15, 26, 5))
    assert names(tmp_path) == [
        "best_model.pth",
        "checkpoint_epoch_20.pth",
        "checkpoint_epoch_25.pth",
    ]


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("at", ["announced", "written"])
@pytest.mark.one_in(4)
def test_a_kill_between_the_file_and_the_note(tmp_path: Path, at: str, before: bool) -> None:
    keeper = CheckpointKeeper(tmp_path)
    keeper.save(state_of(4), epoch=4, metric=0.4)
    if before:
        keeper.save(state_of(5) | {"old": True}, epoch=5, metric=0.3)
    known = keeper._ledger.find("checkpoint_epoch_5.pth")
    entry = ledger_module.Entry(name="checkpoint_epoch_5.pth", epoch=5, metric=0.5)
    keeper._ledger.pending = entry
    keeper._ledger.store()
    if at == "written":
        save(tmp_path / entry.name, state_of(5))
    after = CheckpointKeeper(tmp_path)
    found = after._ledger.find(entry.name)
    if at == "announced":
        assert found == known
    else:
        assert found is not None
        assert found.metric == 0.5
    assert after._ledger.pending is None
    assert after.latest_good() is not None
    run(after, range(5, 16, 5))
    assert after.latest_good() == tmp_path / "checkpoint_epoch_15.pth"


_TRAINING = """
import sys, torch
from ckptdoctor.guard.saving.keeper import CheckpointKeeper
torch.set_num_threads(1)
keeper = CheckpointKeeper(sys.argv[1], every=2, background=sys.argv[2] == "True")
last = keeper.latest_good()
epoch = torch.load(last, weights_only=True)["epoch"] if last else 0
print(epoch, flush=True)
while True:
    epoch += 1
    state = {"epoch": epoch, "weight": torch.full((50_000,), float(epoch))}
    keeper.save(state, epoch=epoch, metric=0.001 * epoch)
"""


def wait_for_epoch(folder: Path, wanted: int, seconds: float = 60) -> None:
    """Wait until a checkpoint of that epoch or a later one is there."""
    deadline = time.monotonic() + seconds
    while all(int("".join(filter(str.isdigit, name)) or 0) < wanted for name in names(folder)):
        assert time.monotonic() < deadline, "it makes no headway"
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("background", [False, True])
def test_killed_and_started_again_it_always_goes_on(tmp_path: Path, background: bool) -> None:
    reached = 0
    for kill in range(12):
        command = [sys.executable, "-c", _TRAINING, str(tmp_path), str(background)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as training:
            try:
                assert training.stdout is not None
                start = int(training.stdout.readline())
                assert start >= reached
                wait_for_epoch(tmp_path, start + 1)
                time.sleep(0.037 * kill)
            finally:
                training.kill()
        reached = start
        assert healthy(tmp_path) == len(names(tmp_path)) >= 2
    assert reached > 20


# -- failing disks, ranks, threads ---------------------------------------------------------------


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("background", [False, True])
def test_a_full_disk_costs_no_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, background: bool
) -> None:
    keeper = CheckpointKeeper(tmp_path, background=background)
    run(keeper, range(5, 11, 5))
    keeper.wait()
    before = names(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("ckptdoctor.guard.saving.saver._check_space", full_disk)
        with pytest.raises(OSError, match="No space"):  # noqa: PT012
            keeper.save(state_of(15), epoch=15, metric=0.6)
            keeper.wait()
    assert names(tmp_path) == before
    assert load(tmp_path / "best_model.pth")["epoch"] == 10
    keeper.save(state_of(20), epoch=20, metric=0.55)  # still better than the best on the disk
    keeper.close()
    assert load(tmp_path / "best_model.pth")["epoch"] == 20


def test_only_the_first_rank_writes(tmp_path: Path) -> None:
    others = CheckpointKeeper(tmp_path / "run", rank=1)
    assert not (tmp_path / "run").exists()
    assert others.save(state_of(5), epoch=5, metric=0.5).saved == ()
    run(CheckpointKeeper(tmp_path / "run", rank=0), range(5, 11, 5))
    assert others.latest_good() == tmp_path / "run" / "checkpoint_epoch_10.pth"
    assert others.best() == tmp_path / "run" / "best_model.pth"


def test_the_background_saves_what_was_there_at_the_call(tmp_path: Path) -> None:
    model = torch.nn.Linear(300, 300)
    with CheckpointKeeper(tmp_path, background=True, every=1, keep_last=20) as keeper:
        for epoch in range(1, 11):
            with torch.no_grad():
                model.weight.fill_(epoch)
            state = {"epoch": epoch, "model_state_dict": model.state_dict()}
            kept = keeper.save(state, epoch=epoch, metric=epoch)
            assert kept.is_best
            with torch.no_grad():
                model.weight.fill_(-1.0)  # training goes on while the file is written
    for epoch in range(1, 11):
        found = load(tmp_path / f"checkpoint_epoch_{epoch}.pth")
        assert torch.equal(
            found["model_state_dict"]["weight"], torch.full((300, 300), float(epoch))
        )
    assert keeper.latest_good() == tmp_path / "checkpoint_epoch_10.pth"
    assert not any(thread.name.startswith("ckptdoctor-keeper") for thread in threading.enumerate())


def test_who_asks_for_the_latest_or_the_best_waits_for_what_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.05)
        return save_snapshot(*arguments, **options)

    monkeypatch.setattr(keeper_module, "save_snapshot", slow)
    with CheckpointKeeper(tmp_path, background=True, every=1) as keeper:
        keeper.save(state_of(1), epoch=1, metric=0.5)
        assert keeper.latest_good() == tmp_path / "checkpoint_epoch_1.pth"
        keeper.save(state_of(2), epoch=2, metric=0.4)
        assert keeper.best() == tmp_path / "best_model.pth"
        assert names(tmp_path)[-1] == "checkpoint_epoch_2.pth"


def test_errors_of_the_background_come_up_at_the_next_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = CheckpointKeeper(tmp_path, background=True)
    with monkeypatch.context() as patch:
        patch.setattr("ckptdoctor.guard.saving.saver._check_space", full_disk)
        keeper.save(state_of(5), epoch=5, metric=0.5)
        while keeper._saving is not None and not keeper._saving.done():
            time.sleep(0.01)
    assert "saving in the background failed: [Errno 28] No space" in caplog.text  # for the log
    with pytest.raises(OSError, match="No space"):
        keeper.save(state_of(10), epoch=10, metric=0.6)
    keeper.wait()  # said once, and what came after it was saved
    assert keeper.best() == tmp_path / "best_model.pth"
    assert load(tmp_path / "checkpoint_epoch_10.pth")["epoch"] == 10
    keeper.close()


def test_errors_of_the_background_come_up_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ckptdoctor.guard.saving.saver._check_space", full_disk)
    with (
        pytest.raises(OSError, match="No space"),
        CheckpointKeeper(tmp_path, background=True) as keeper,
    ):
        keeper.save(state_of(5), epoch=5)
    with (  # noqa: PT012  (training's own error is not hidden by it)
        caplog.at_level(logging.ERROR),
        pytest.raises(ZeroDivisionError),
        CheckpointKeeper(tmp_path, background=True) as keeper,
    ):
        keeper.save(state_of(5), epoch=5)
        raise ZeroDivisionError
    assert "the last save in the background failed" in caplog.text


def test_nan_in_the_background_is_told_at_once(tmp_path: Path) -> None:
    with (
        CheckpointKeeper(tmp_path, background=True) as keeper,
        pytest.raises(NonFiniteError, match=r"fc\.weight"),
    ):
        keeper.save(state_of(5, math.inf), epoch=5, metric=0.5)
    assert names(tmp_path) == []
