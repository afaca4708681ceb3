from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.layouts.files import CheckpointFiles, Form, PartRole
from ckptdoctor.layouts.frameworks.accelerate import LAYOUT
from tests.each import each
from tests.layouts.folders_of_names import claimed, claims, folder_of, prefixes, roles

STATE = (
    *("model.safetensors", "optimizer.bin", "scheduler.bin", "scaler.pt", "sampler.bin"),
    *("random_states_0.pkl", "custom_checkpoint_0.pkl"),
)


def saved(path: Path, *names: str, without: tuple[str, ...] = ()) -> CheckpointFiles:
    kept = [name for name in (*STATE, *names) if name not in without]
    return claimed(LAYOUT, folder_of(path, *kept))


def absent(files: CheckpointFiles) -> dict[str, PartRole]:
    return {one.name: one.role for one in files.absent}


def test_one_checkpoint_with_a_role_for_each_file(tmp_path: Path) -> None:
    files = saved(tmp_path / "checkpoint_3")
    assert roles(files) == {
        "model.safetensors": PartRole.MODEL,
        "optimizer.bin": PartRole.OPTIMIZER,
        "scaler.pt": PartRole.SCALER,
        "scheduler.bin": PartRole.SCHEDULER,
        "random_states_0.pkl": PartRole.RNG,
        "custom_checkpoint_0.pkl": PartRole.CUSTOM,
        "sampler.bin": PartRole.STATE,
    }
    assert not files.absent
    assert not files.scalars  # the fourth save, not the third step
    assert files.finished == "custom_checkpoint_0.pkl"


def test_values_of_parts_do_not_meet(tmp_path: Path) -> None:
    further = ("model_1.safetensors", "optimizer_1.bin", "scheduler_1.bin", "random_states_1.pkl")
    files = saved(tmp_path, *further)
    tensors = [part for part in files.parts if part.form is Form.TENSORS]
    assert len({part.prefix for part in tensors}) == len(tensors)
    assert prefixes(files)["model.safetensors"] == ""
    assert prefixes(files)["model_1.safetensors"] == "model_1."
    assert prefixes(files)["custom_checkpoint_0.pkl"] == "custom_checkpoint_0."


@each(
    ("further", "gone", "role"),
    [
        ("random_states_2.pkl", "random_states_1.pkl", PartRole.RNG),
        ("custom_checkpoint_2.pkl", "custom_checkpoint_1.pkl", PartRole.CUSTOM),
        ("optimizer_2.bin", "optimizer_1.bin", PartRole.OPTIMIZER),
        ("scheduler_2.bin", "scheduler_1.bin", PartRole.SCHEDULER),
        ("model_2.safetensors", "model_1.safetensors", PartRole.MODEL),
        ("pytorch_model_2.bin", "pytorch_model_1.bin", PartRole.MODEL),
        ("optimizer_0_rank2.bin", "optimizer_0_rank1.bin", PartRole.OPTIMIZER),
    ],
)
def test_what_comes_before_the_highest_number_is_missed(
    tmp_path: Path, further: str, gone: str, role: PartRole
) -> None:
    files = saved(tmp_path, further, "optimizer_0_rank0.bin")
    assert absent(files) == {gone: role}


def test_the_first_has_no_number(tmp_path: Path) -> None:
    names = ("model_1.safetensors", "optimizer_1.bin")
    files = saved(tmp_path, *names, without=("model.safetensors", "optimizer.bin"))
    assert absent(files) == {
        "model.safetensors": PartRole.MODEL,
        "optimizer.bin": PartRole.OPTIMIZER,
    }


def test_weights_that_are_gone(tmp_path: Path) -> None:
    assert absent(saved(tmp_path, without=("model.safetensors",))) == {
        "model.safetensors": PartRole.MODEL
    }


def test_weights_that_a_script_saved_itself_are_not_missed(tmp_path: Path) -> None:
    files = saved(tmp_path, "my_model.pt", without=("model.safetensors",))
    assert not files.absent
    assert roles(files)["my_model.pt"] is PartRole.CUSTOM


def test_ranks_of_fsdp_that_talk_to_nobody(tmp_path: Path) -> None:
    names = [
        f"{start}_0_rank{rank}.bin"
        for start in ("pytorch_model_fsdp", "optimizer")
        for rank in (0, 1)
    ]
    files = saved(tmp_path, *names, without=("model.safetensors", "optimizer.bin"))
    assert roles(files)["pytorch_model_fsdp_0_rank1.bin"] is PartRole.MODEL
    assert roles(files)["optimizer_0_rank1.bin"] is PartRole.OPTIMIZER
    assert not files.absent


def test_deepspeed(tmp_path: Path) -> None:
    of_ranks = (
        "pytorch_model/mp_rank_00_model_states.pt",
        "pytorch_model/zero_pp_rank_0_mp_rank_00_optim_states.pt",
    )
    path = folder_of(tmp_path, *of_ranks, "random_states_0.pkl", "scheduler.bin")
    files = claimed(LAYOUT, path)
    assert roles(files)[of_ranks[0]] is PartRole.MODEL
    assert roles(files)[of_ranks[1]] is PartRole.OPTIMIZER
    assert not files.absent


@pytest.mark.parametrize(
    "inside",
    [
        "pytorch_model_fsdp_0/__0_0.distcp",
        "pytorch_model/mp_rank_00_model_states.pt",
        "unet/diffusion_pytorch_model.safetensors",
    ],
)
def test_a_state_without_its_random_states(tmp_path: Path, inside: str) -> None:
    assert claims(LAYOUT, folder_of(tmp_path, inside, "scheduler.bin"))
    assert not claims(LAYOUT, folder_of(tmp_path / "other", inside))


def test_models_of_a_diffusers_script(tmp_path: Path) -> None:
    models = ("unet/diffusion_pytorch_model.safetensors", "unet/config.json")
    averaged = ("unet_ema/diffusion_pytorch_model.safetensors", "unet_ema/config.json")
    files = saved(tmp_path / "checkpoint-500", *models, *averaged, without=("model.safetensors",))
    assert roles(files)[models[0]] is PartRole.MODEL
    assert roles(files)[averaged[0]] is PartRole.EMA
    assert prefixes(files)[averaged[0]] == "unet_ema."
    assert files.scalars == {"global_step": 500}
    assert not files.absent


@pytest.mark.parametrize(
    "names",
    [
        ("model.safetensors",),
        ("model.safetensors", "model_1.safetensors"),
        ("optimizer.bin",),
        ("optimizer.bin", "unet.pth"),
        ("optimizer.bin", "pytorch_model.bin", "trainer_state.json"),
    ],
)
def test_what_is_no_state_of_it(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert not claims(LAYOUT, folder_of(tmp_path, *names))
