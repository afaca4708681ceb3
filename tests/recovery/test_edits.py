"""What can be mended and changed on the way: grafts, running statistics, names, formats."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from ckptdoctor.diagnose import examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Verdict
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.restore import Restored, restore
from tests.builders import load, patched, save, small_model, training_checkpoint

NAN, INF = math.nan, math.inf
State = dict[str, Any]


def restored(source: Path, **edits: Any) -> tuple[Restored, Any]:
    """What was done, and what torch loads of it."""
    target = source.with_name(f"{source.stem}_clean.pth")
    before = source.read_bytes()
    done = restore(source, target, Edits(**edits))
    assert source.read_bytes() == before
    assert done.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    (report,) = examine([target]).checkpoints
    assert report.verdict is Verdict.HEALTHY, report.findings
    return done, load(target)


def poisoned(folder: Path, *names: str, value: float = NAN) -> Path:
    """A training checkpoint in which some weights are bad."""
    state = training_checkpoint()
    for name in names:
        state["model_state_dict"][name].view(-1)[0] = value
    return save(folder / "bad.pth", state)


def healthy(folder: Path) -> tuple[Path, State]:
    state = training_checkpoint()
    return save(folder / "good.pth", state), state


# -- bare pickles --------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(5))
def test_a_bare_pickle_that_was_changed_is_loaded_by_python(protocol: int, tmp_path: Path) -> None:
    state = {
        "model": {"w": np.ones((3, 3), np.float32)},
        "optimizer": {"param_groups": [{"lr": 0.1, "params": [0]}], "state": {}},
        "epoch": 3,
        "seen": {1, 2},
        "args": argparse.Namespace(scale=1 + 2j),
    }
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(state, protocol))
    restore(path, tmp_path / "clean.pkl", Edits(scale_lr=0.5))
    loaded = pickle.loads((tmp_path / "clean.pkl").read_bytes())
    assert loaded["optimizer"]["param_groups"] == [{"lr": 0.05, "params": [0]}]
    assert np.array_equal(loaded["model"]["w"], state["model"]["w"])  # type: ignore[index]
    assert (loaded["seen"], loaded["args"]) == (state["seen"], state["args"])


# -- scaler --------------------------------------------------------------------------------------


def scaled(folder: Path, scale: float) -> Path:
    scaler = {"scale": scale, "growth_factor": 2.0, "backoff_factor": 0.5, "_growth_tracker": 7}
    state = training_checkpoint() | {"scaler": scaler, "notes": {"scale": 0.0}}
    state["optimizer_state_dict"]["state"][0]["exp_avg"].view(-1)[0] = NAN
    return save(folder / "bad.pth", state)


@pytest.mark.parametrize("scale", [0.0, 0.5, NAN, INF])
def test_a_loss_scale_that_fell_to_its_end_is_that_of_a_start(scale: float, tmp_path: Path) -> None:
    done, loaded = restored(scaled(tmp_path, scale))
    assert loaded["scaler"] == {
        "scale": 65536.0,
        "growth_factor": 2.0,
        "backoff_factor": 0.5,
        "_growth_tracker": 0,
    }
    assert loaded["notes"] == {"scale": 0.0}
    (action,) = [one for one in done.actions if one.name == "reset-scaler"]
    assert action.message == "scaler: loss scale set to 65536, as at the start"
    assert "skipped until the scale has settled" in action.notice


@pytest.mark.parametrize("scale", [1024.0])
def test_one_that_is_sound_stays(scale: float, tmp_path: Path) -> None:
    done, loaded = restored(scaled(tmp_path, scale))
    assert (loaded["scaler"]["scale"], loaded["scaler"]["_growth_tracker"]) == (scale, 7)
    assert "reset-scaler" not in [action.name for action in done.actions]


# -- graft ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("legacy", [False, True])
def test_a_graft_takes_the_bad_tensors_and_no_others(legacy: bool, tmp_path: Path) -> None:
    donor_state = training_checkpoint() | {"epoch": 85}
    for tensor in donor_state["model_state_dict"].values():
        if tensor.is_floating_point():
            tensor.mul_(2)
    kind = {"_use_new_zipfile_serialization": not legacy}
    donor = save(tmp_path / "donor.pth", donor_state, **kind)
    bad = poisoned(tmp_path, "0.weight", value=-INF)
    done, loaded = restored(bad, graft=donor)
    good = training_checkpoint()["model_state_dict"]
    for name, tensor in loaded["model_state_dict"].items():
        expected = donor_state["model_state_dict"][name] if name == "0.weight" else good[name]
        assert tensor.equal(expected), name
    assert done.actions[0].name == "graft"
    assert "1 bad tensors of the model are those of donor.pth, epoch 85" in done.actions[0].message
    small_model().load_state_dict(loaded["model_state_dict"], strict=True)


def test_a_graft_of_tied_weights_reaches_both_names(tmp_path: Path) -> None:
    donor, state = healthy(tmp_path)
    _, loaded = restored(poisoned(tmp_path, "2.weight"), graft=donor)
    weights = loaded["model_state_dict"]
    assert weights["2.weight"].equal(state["model_state_dict"]["2.weight"])
    assert weights["4.weight"].data_ptr() == weights["2.weight"].data_ptr()


def test_a_graft_brings_back_what_a_cut_took(tmp_path: Path) -> None:
    weights = {f"l{at}.weight": torch.full((4000,), float(at)) for at in range(5)}
    donor = save(tmp_path / "donor.pth", {"epoch": 1, "model": weights})
    whole = save(tmp_path / "whole.pth", {"epoch": 2, "model": weights})
    cut = tmp_path / "cut.pth"
    cut.write_bytes(whole.read_bytes()[:60_000])
    _, loaded = restored(cut, graft=donor)
    assert all(loaded["model"][name].equal(tensor) for name, tensor in weights.items())
    assert loaded["epoch"] == 2


@pytest.mark.parametrize(
    ("donor", "words"),
    [
        ({"model_state_dict": {"0.weight": torch.full((2, 1, 3, 3), NAN)}}, "no sound"),
        ({"model_state_dict": {"0.weight": torch.ones(3, 3)}}, "another shape or type"),
        ({"model_state_dict": {"else": torch.ones(2, 1, 3, 3)}}, "no sound"),
    ],
)
def test_a_donor_that_cannot_give(donor: State, words: str, tmp_path: Path) -> None:
    path = save(tmp_path / "donor.pth", donor)
    with pytest.raises(RestoreError, match=words):
        restored(poisoned(tmp_path, "0.weight"), graft=path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.pth", "donor.pth"]


def test_a_donor_whose_tensor_was_cut_off_gives_nothing(tmp_path: Path) -> None:
    weights = {"0.weight": torch.ones(2, 1, 3, 3), "large": torch.ones(40_000)}
    donor = save(tmp_path / "donor.pth", {"model_state_dict": {"large": weights["large"]}})
    save(donor, {"model_state_dict": dict(reversed(weights.items()))})
    bad = save(
        tmp_path / "bad.pth", {"model_state_dict": {"0.weight": torch.full((2, 1, 3, 3), NAN)}}
    )
    donor.write_bytes(donor.read_bytes()[:100_000])
    with pytest.raises(
        RestoreError, match=r"donor.pth: it has no sound model_state_dict\.0\.weight"
    ):
        restored(bad, graft=donor)


def test_a_donor_whose_elements_lie_in_another_order_gives_nothing(tmp_path: Path) -> None:
    bad = save(tmp_path / "bad.pth", {"model": {"w": torch.full((3, 3), NAN)}})
    for tensor in (torch.ones(3, 3).t(), torch.ones(3, 3).double()):
        donor = save(tmp_path / "donor.pth", {"model": {"w": tensor}})
        with pytest.raises(RestoreError, match="another shape or type"):
            restored(bad, graft=donor)


def test_sound_weights_need_no_graft(tmp_path: Path) -> None:
    donor, _ = healthy(tmp_path)
    other = save(tmp_path / "other.pth", training_checkpoint())
    with pytest.raises(RestoreError, match="nothing to graft"):
        restored(other, graft=donor)


# -- statistics, zeros ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.one_in(2)
def test_running_statistics_are_those_of_a_new_layer(dtype: torch.dtype, tmp_path: Path) -> None:
    state = training_checkpoint()
    weights = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in state["model_state_dict"].items()
    }
    weights["1.running_var"][0] = NAN
    weights["1.num_batches_tracked"] = torch.tensor(77)
    path = save(tmp_path / "bn.pth", state | {"model_state_dict": weights})
    done, loaded = restored(path, reset_bn=True)
    found = loaded["model_state_dict"]
    assert found["1.running_mean"].eq(0).all()
    assert found["1.running_var"].eq(1).all()
    assert found["1.num_batches_tracked"] == 0
    assert found["0.weight"].equal(weights["0.weight"])
    assert done.actions[0].name == "reset-bn"


def test_a_model_without_norms_has_nothing_to_reset(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {"model": {"w": torch.ones(3)}})
    with pytest.raises(RestoreError, match="no running_var"):
        restored(path, reset_bn=True)


def test_bad_weights_beside_bad_statistics_stay_refused(tmp_path: Path) -> None:
    with pytest.raises(RestoreError, match=r"0\.weight is not sound"):
        restored(poisoned(tmp_path, "0.weight", "1.running_var"), reset_bn=True)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64", "float8_e5m2"])
def test_zeros_in_place_of_nan_are_marked_as_not_to_be_trusted(dtype: str, tmp_path: Path) -> None:
    values = torch.tensor([1.0, NAN, -INF, 2.0, INF]).to(getattr(torch, dtype))
    path = save(tmp_path / "a.pth", {"model": {"w": values, "b": torch.ones(2)}})
    target = tmp_path / "b.pth"
    done = restore(path, target, Edits(zero_nonfinite=True))
    assert load(target)["model"]["w"].float().tolist() == [1.0, 0.0, 0.0, 2.0, 0.0]
    assert "NOT TO BE TRUSTED" in done.actions[0].message
    assert done.manifest is not None
    assert json.loads(done.manifest.read_text())["trusted"] is False
    (report,) = examine([target]).checkpoints
    assert report.verdict is Verdict.SUSPECT
    assert {finding.code for finding in report.findings} == {"CD206"}


# -- other formats -------------------------------------------------------------------------------


def to_safetensors(source: Path, **edits: Any) -> Path:
    target = source.with_suffix(".safetensors")
    restore(source, target, Edits(to_safetensors=True, **edits))
    return target


def test_safetensors_hold_the_weights_by_the_models_own_names(tmp_path: Path) -> None:
    source, state = healthy(tmp_path)
    target = to_safetensors(source)
    loaded = load_file(target)
    assert set(loaded) == set(state["model_state_dict"])
    assert all(loaded[name].equal(tensor) for name, tensor in state["model_state_dict"].items())
    small_model().load_state_dict(loaded, strict=True)
    with safe_open(target, "pt") as file:
        metadata = file.metadata()
    assert (metadata["epoch"], metadata["best_iou"]) == ("88", "0.6413")


def test_safetensors_of_views_turned_and_expanded(tmp_path: Path) -> None:
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    tensors = {
        "turned": base.t(),
        "columns": base[:, 1:3],
        "expanded": base[:, :1].expand(4, 5),
        "last": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
        "scalar": torch.tensor(5),
        "empty": base[:0],
    }
    target = to_safetensors(save(tmp_path / "a.pth", tensors))
    loaded = load_file(target)
    assert all(loaded[name].equal(tensor) for name, tensor in tensors.items())


def test_safetensors_after_another_edit(tmp_path: Path) -> None:
    state = training_checkpoint()
    weights = {f"module.{name}": tensor for name, tensor in state["model_state_dict"].items()}
    source = save(tmp_path / "ddp.pth", state | {"model_state_dict": weights})
    assert "0.weight" in load_file(to_safetensors(source, strip_prefix="module."))


def test_what_safetensors_does_not_know_is_refused(tmp_path: Path) -> None:
    source = save(tmp_path / "a.pth", {"model": {"w": torch.ones(2, dtype=torch.complex128)}})
    with pytest.raises(RestoreError, match="complex128, which safetensors does not know"):
        to_safetensors(source)
    assert [p.name for p in tmp_path.iterdir()] == ["a.pth"]


# -- damage --------------------------------------------------------------------------------------


def flipped(folder: Path, prefix: str) -> Path:
    """A checkpoint in which one bit of one tensor fell over."""
    from ckptdoctor.formats import open_checkpoint

    path, _ = healthy(folder)
    tensor = next(t for t in open_checkpoint(path).tensors if t.fqn.startswith(prefix))
    assert tensor.storage is not None
    at = tensor.storage.offset
    return patched(path, at, bytes([path.read_bytes()[at] ^ 1]))


def test_damaged_moments_are_dropped_and_damaged_weights_refused(tmp_path: Path) -> None:
    done, loaded = restored(flipped(tmp_path, "optimizer_state_dict.state.0.exp_avg"))
    assert loaded["optimizer_state_dict"]["state"] == {}
    assert "damaged" in done.actions[0].message
    (tmp_path / "good_clean.pth").unlink()
    with pytest.raises(RestoreError, match="checksum mismatch"):
        restored(flipped(tmp_path, "model_state_dict.0.weight"))


def test_a_damaged_pickle_is_not_passed_off_as_clean(tmp_path: Path) -> None:
    path, _ = healthy(tmp_path)
    at = path.read_bytes().index(b"best_iou") + 7
    patched(path, at, b"x")
    with pytest.raises(RestoreError, match=r"damaged where no tensor lies: .*data\.pkl"):
        restore(path, tmp_path / "x.pth")


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    source, _ = healthy(tmp_path)
    done = restore(source, tmp_path / "x.pth", Edits(scale_lr=0.5), dry_run=True)
    assert not done.verified
    assert done.actions[0].name == "scale-lr"
    assert [p.name for p in tmp_path.iterdir()] == ["good.pth"]


@pytest.mark.parametrize(
    ("schedule", "leads"),
    [
        (lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.01, total_steps=50), True),
        (lambda o: torch.optim.lr_scheduler.CyclicLR(o, 1e-3, 0.06, cycle_momentum=False), True),
        (lambda o: torch.optim.lr_scheduler.StepLR(o, 10), False),
    ],
)
def test_a_schedule_that_leads_back_over_the_rate_that_is_set_is_told(
    schedule: Any, leads: bool, tmp_path: Path
) -> None:
    """As torch's own schedules do at their next step: the oracle beside the words."""
    model = small_model()
    adam = torch.optim.AdamW(model.parameters(), lr=1e-3)
    stored = schedule(adam)
    for _ in range(7):
        adam.step()
        stored.step()
    state = {"model": model.state_dict(), "optimizer": adam.state_dict()}
    source = save(tmp_path / "a.pth", state | {"scheduler": stored.state_dict()})
    done, loaded = restored(source, set_lr=1e-5)
    adam.load_state_dict(loaded["optimizer"])
    stored.load_state_dict(loaded["scheduler"])
    for _ in range(12):
        adam.step()
        stored.step()
    assert (adam.param_groups[0]["lr"] > 1e-4) is leads
    assert ("lead there. --scale-lr" in done.actions[-1].notice) is leads


def test_groups_keep_their_proportions_when_a_rate_is_set(tmp_path: Path) -> None:
    model = small_model()
    groups = [
        {"params": list(model.parameters())[:2], "lr": 1e-4},
        {"params": list(model.parameters())[2:], "lr": 1e-3},
    ]
    adam = torch.optim.AdamW(groups)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 10)
    state = {"model": model.state_dict(), "optimizer": adam.state_dict()}
    source = save(tmp_path / "a.pth", state | {"scheduler": scheduler.state_dict()})
    _, loaded = restored(source, set_lr=5e-4)
    rates = [(group["lr"], group["initial_lr"]) for group in loaded["optimizer"]["param_groups"]]
    assert rates == [(pytest.approx(5e-5), pytest.approx(5e-5)), (5e-4, 5e-4)]
    assert loaded["scheduler"]["base_lrs"] == [pytest.approx(5e-5), 5e-4]
