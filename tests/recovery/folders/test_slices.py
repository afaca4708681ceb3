"""Distributed checkpoints changed where they lie: torch loads them, and nothing else is touched."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch.distributed.checkpoint.state_dict import get_state_dict
from torch.distributed.checkpoint.state_dict_loader import load as dcp_load

from ckptdoctor.diagnose import examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Verdict
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.named import checkpoint_named
from ckptdoctor.recovery.restore import restore
from tests.formats.dcp.folders import grid, read_by_torch, save, write
from tests.recovery.folders.builders import LEARNING_RATE, digests, small_model, trained

State = dict[str, Any]


def flattened(model: Any, optimizer: Any) -> tuple[State, State]:
    """The state as torch names it for distributed checkpoints."""
    weights, moments = get_state_dict(model, optimizer)
    return cast("State", weights), cast("State", moments)


def saved(folder: Path, *, nan: bool = False, **more: Any) -> Path:
    """A model, its optimizer as torch flattens it, its scheduler."""
    model, optimizer, scheduler = trained()
    weights, moments = flattened(model, optimizer)
    if nan:
        moments["state"]["0.weight"]["exp_avg"][0, 0] = float("nan")
    state = {"model": weights, "optim": moments, "sched": scheduler.state_dict(), "step": 3}
    return save(folder, state | more)


def restored(folder: Path, edits: Edits | None = None) -> tuple[Path, State]:
    """The copy, and what torch reads of it."""
    before = digests(folder)
    done = restore(checkpoint_named(folder), folder.with_name("clean"), edits)
    assert digests(folder) == before
    copy = done.destination / folder.name if (done.destination / folder.name).is_dir() else None
    copy = copy or done.destination
    (report,) = examine([checkpoint_named(copy)]).checkpoints
    assert report.verdict is Verdict.HEALTHY, report.findings
    return copy, read_by_torch(copy, folder.with_name("torch.pt"))


def loaded_by_torch(folder: Path) -> State:
    """What ``dcp.load`` puts into a fresh model and optimizer, in place."""
    model = small_model()
    optimizer = torch.optim.AdamW(model.parameters())
    weights, moments = flattened(model, optimizer)
    state = {"model": weights, "optim": moments}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp_load(state, checkpoint_id=folder, no_dist=True)
    return state


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return bool(one.equal(other))
    if isinstance(one, dict):
        return set(one) == set(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def test_a_copy_is_the_folder_and_torch_loads_it(tmp_path: Path) -> None:
    folder = saved(tmp_path / "step-3")
    copy, state = restored(folder)
    assert digests(copy) == digests(folder)
    assert copy.parent.name == "clean"  # torchtitan finds a step by the name of its folder
    assert same(state, read_by_torch(folder, tmp_path / "source.pt"))


def test_a_rate_is_scaled_and_nothing_else_is_changed(tmp_path: Path) -> None:
    folder = saved(tmp_path / "step-3")
    before = read_by_torch(folder, tmp_path / "source.pt")
    copy, after = restored(folder, Edits(scale_lr=0.5))
    (group,) = after["optim"]["param_groups"]
    assert group["initial_lr"] == LEARNING_RATE / 2
    assert group["lr"] == before["optim"]["param_groups"][0]["lr"] / 2
    assert after["sched"]["base_lrs"] == [LEARNING_RATE / 2]
    assert after["sched"]["_last_lr"] == [group["lr"]]
    group = dict(group)
    for state in (before, after):
        state["optim"]["param_groups"][0].update(lr=0, initial_lr=0)
        state["sched"].update(base_lrs=0, _last_lr=0)
    assert same(before, after)
    assert loaded_by_torch(copy)["optim"]["param_groups"][0]["lr"] == group["lr"]
    assert (copy / ".metadata").read_bytes() == (folder / ".metadata").read_bytes()


def test_a_rate_is_set(tmp_path: Path) -> None:
    _, after = restored(saved(tmp_path / "step-3"), Edits(set_lr=1e-5))
    assert after["optim"]["param_groups"][0]["lr"] == pytest.approx(1e-5)
    assert after["sched"]["base_lrs"] == [pytest.approx(1e-5)]


def test_a_rate_that_is_a_tensor_is_scaled_where_it_lies(tmp_path: Path) -> None:
    groups = [{"lr": torch.tensor(0.25), "params": ["w"]}]
    state = {"model": {"w.weight": torch.ones(3)}, "optim": {"state": {}, "param_groups": groups}}
    _, after = restored(save(tmp_path / "step-3", state), Edits(scale_lr=0.5))
    assert after["optim"]["param_groups"][0]["lr"] == 0.125


def test_a_rate_that_is_an_integer_is_refused_in_a_clear_sentence(tmp_path: Path) -> None:
    groups = [{"lr": 1, "params": ["w"]}]
    state = {"model": {"w.weight": torch.ones(3)}, "optim": {"state": {}, "param_groups": groups}}
    folder = save(tmp_path / "step-3", state)
    with pytest.raises(RestoreError, match="stored as an integer"):
        restored(folder, Edits(scale_lr=0.5))
    assert not (tmp_path / "clean").exists()


def test_poisoned_moments_are_zeros_and_the_weights_stay(tmp_path: Path) -> None:
    folder = saved(tmp_path / "step-3", nan=True)
    copy, after = restored(folder)
    assert same(after["model"], trained()[0].state_dict())
    for moments in after["optim"]["state"].values():
        assert not any(tensor.any() for tensor in moments.values())
    state = loaded_by_torch(copy)
    assert same(state["model"], after["model"])


def test_moments_in_boxes_of_several_files_are_reset(tmp_path: Path) -> None:
    moments = torch.randn(8, 6)
    moments[7, 5] = float("inf")
    tensors = {"model.w.weight": torch.randn(8, 6), "optim.state.w.weight.exp_avg": moments}
    boxes = dict.fromkeys(tensors, grid((8, 6), (2, 3)))
    folder = write(tmp_path / "step-3", tensors, boxes=boxes, files=3)
    _, after = restored(folder)
    assert after["model.w.weight"].equal(tensors["model.w.weight"])
    assert not after["optim.state.w.weight.exp_avg"].any()


def test_nan_in_a_weight_is_refused(tmp_path: Path) -> None:
    bad = torch.ones(4)
    bad[2] = float("nan")
    folder = save(tmp_path / "step-3", {"model": {"w.weight": bad}})
    with pytest.raises(RestoreError, match="is corrupt"):
        restored(folder)


def test_a_schedule_that_raises_the_rate_is_told_to_lower_it(tmp_path: Path) -> None:
    grows = {"gamma": 8.0, "step_size": 3, "last_epoch": 3}
    folder = saved(tmp_path / "run", later=grows, loss={"gamma": 2.0})
    _, state = restored(folder, Edits(lr_decay=0.3))
    assert state["later"]["gamma"] == 0.3
    assert state["loss"]["gamma"] == 2.0
    assert state["later"]["step_size"] == 3
