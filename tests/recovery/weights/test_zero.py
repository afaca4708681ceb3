"""ZeRO checkpoints: weights in full precision, rates and moments in the files of all ranks."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from safetensors.torch import load_file

from ckptdoctor.errors import RestoreError
from ckptdoctor.manifest import check_folder
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.named import checkpoint_named
from ckptdoctor.recovery.restore import restore
from tests.builders import load, save
from tests.recovery.folders.builders import trainer_checkpoint
from tests.recovery.weights.test_consolidated import same
from tests.recovery.weights.zero_folders import LEARNING_RATE, zero_folder


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("stage", [1, 2, 3])
@pytest.mark.one_in(3)
def test_the_weights_are_those_that_were_shared_out(stage: int, ranks: int, tmp_path: Path) -> None:
    expected = zero_folder(tmp_path / "global_step3", stage, ranks)
    target = tmp_path / "clean.safetensors"
    restore(checkpoint_named(tmp_path / "global_step3"), target, Edits(to_safetensors=True))
    assert same(load_file(target), expected)


@pytest.mark.real
@pytest.mark.parametrize("stage", [2, 3])
def test_the_weights_are_those_of_zero_to_fp32(
    stage: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    script = pytest.importorskip("deepspeed.utils.zero_to_fp32")
    zero_folder(tmp_path / "global_step3", stage, 3)
    target = tmp_path / "clean.safetensors"
    restore(checkpoint_named(tmp_path / "global_step3"), target, Edits(to_safetensors=True))
    assert same(load_file(target), script.get_fp32_state_dict_from_zero_checkpoint(str(tmp_path)))


def test_a_rank_that_is_missing_is_refused(tmp_path: Path) -> None:
    zero_folder(tmp_path / "global_step3", 2, 3)
    (tmp_path / "global_step3" / "zero_pp_rank_2_mp_rank_00_optim_states.pt").unlink()
    files = checkpoint_named(tmp_path / "global_step3")
    for edits, target in ((Edits(to_safetensors=True), "clean.safetensors"), (Edits(), "clean")):
        with pytest.raises(RestoreError):
            restore(files, tmp_path / target, edits)
        assert not (tmp_path / target).exists()


@pytest.mark.parametrize("stage", [2, 3])
def test_a_rate_is_scaled_in_the_file_of_every_rank_and_in_the_schedule(
    stage: int, tmp_path: Path
) -> None:
    zero_folder(tmp_path / "run" / "global_step3", stage, 3)
    files = checkpoint_named(tmp_path / "run" / "global_step3")
    done = restore(files, tmp_path / "run" / "clean", Edits(scale_lr=0.5))
    assert (done.destination / "latest").read_text() == "global_step3"
    copy = done.destination / "global_step3"
    key = "optimizer_state_dict" if stage == 3 else "base_optimizer_state"
    for rank in range(3):
        name = f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
        before = load(files.path / name)["optimizer_state_dict"]
        after = load(copy / name)["optimizer_state_dict"]
        rates = [group["lr"] for group in after[key]["param_groups"]]
        assert rates == [pytest.approx(LEARNING_RATE * 0.45)] * 2
        for at, moments in before[key]["state"].items():
            assert all(t.equal(after[key]["state"][at][name]) for name, t in moments.items())
    for path in copy.glob("*model_states.pt"):
        assert load(path)["lr_scheduler"]["base_lrs"] == [LEARNING_RATE / 2]


def test_a_schedule_that_lies_in_the_configuration_is_told(tmp_path: Path) -> None:
    zero_folder(tmp_path / "global_step3", 2, 2)
    path = tmp_path / "global_step3" / "mp_rank_00_model_states.pt"
    model = load(path)
    save(path, model | {"lr_scheduler": {"last_batch_iteration": 3}})
    done = restore(
        checkpoint_named(tmp_path / "global_step3"), tmp_path / "clean", Edits(scale_lr=0.5)
    )
    assert "in the DeepSpeed configuration" in done.actions[0].notice


@pytest.mark.parametrize("stage", [2, 3])
def test_poisoned_moments_are_zeros_where_they_lie_and_weights_stay(
    stage: int, tmp_path: Path
) -> None:
    expected = zero_folder(tmp_path / "global_step3", stage, 2, nan_in="moments")
    files = checkpoint_named(tmp_path / "global_step3")
    done = restore(files, tmp_path / "clean")
    key = "optimizer_state_dict" if stage == 3 else "base_optimizer_state"
    for rank in range(2):  # all of an optimizer begins anew, or its steps would differ
        name = f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
        after = load(done.destination / "global_step3" / name)["optimizer_state_dict"]
        before = load(files.path / name)["optimizer_state_dict"]
        for at, moments in after[key]["state"].items():
            for what, tensor in moments.items():
                assert tensor.shape == before[key]["state"][at][what].shape
                assert not tensor.any()
    again = checkpoint_named(done.destination / "global_step3")
    restore(again, tmp_path / "clean.safetensors", Edits(to_safetensors=True))
    assert same(load_file(tmp_path / "clean.safetensors"), expected)


def test_the_weights_alone_are_no_folder_of_zero(tmp_path: Path) -> None:
    zero_folder(tmp_path / "global_step3", 2, 2)
    files = checkpoint_named(tmp_path / "global_step3")
    with pytest.raises(RestoreError, match="--to safetensors"):
        restore(files, tmp_path / "clean", Edits(weights_only=True))


def test_a_pointer_within_the_copy_is_written_right(tmp_path: Path) -> None:
    trainer_checkpoint(tmp_path / "checkpoint-3")
    zero_folder(tmp_path / "checkpoint-3" / "global_step3", 2, 2)
    (tmp_path / "checkpoint-3" / "latest").write_text("global_step9")
    done = restore(checkpoint_named(tmp_path / "checkpoint-3"), tmp_path / "clean")
    assert (done.destination / "latest").read_text() == "global_step3"
    assert (tmp_path / "checkpoint-3" / "latest").read_text() == "global_step9"
    assert "global_step9" in done.actions[0].message
    assert list(check_folder(done.destination)) == []


@pytest.mark.parametrize("ranks", [2, 3, 5])
@pytest.mark.one_in(3)
def test_padding_that_holds_nan_is_no_hindrance(ranks: int, tmp_path: Path) -> None:
    expected = zero_folder(tmp_path / "global_step3", 3, ranks, padding=math.nan)
    files = checkpoint_named(tmp_path / "global_step3")
    restore(files, tmp_path / "clean.safetensors", Edits(to_safetensors=True))
    assert same(load_file(tmp_path / "clean.safetensors"), expected)
    restore(files, tmp_path / "scaled", Edits(scale_lr=0.5))
    done = restore(files, tmp_path / "reset", Edits(reset_optimizer=True))
    for path in (done.destination / "global_step3").glob("*optim_states.pt"):
        for moments in load(path)["optimizer_state_dict"]["optimizer_state_dict"]["state"].values():
            assert not any(tensor.any() for tensor in moments.values())  # padding included


def test_a_bad_parameter_of_a_share_is_taken_from_another_checkpoint(tmp_path: Path) -> None:
    expected = zero_folder(tmp_path / "good" / "global_step2", 3, 2, padding=math.nan)
    zero_folder(tmp_path / "bad" / "global_step3", 3, 2, padding=math.nan, nan_in="weights")
    files = checkpoint_named(tmp_path / "bad" / "global_step3")
    done = restore(files, tmp_path / "clean", Edits(graft=tmp_path / "good" / "global_step2"))
    again = checkpoint_named(done.destination / "global_step3")
    restore(again, tmp_path / "clean.safetensors", Edits(to_safetensors=True))
    found = load_file(tmp_path / "clean.safetensors")
    assert all(found[name].equal(expected[name]) for name in ("emb.weight", "out.weight"))
