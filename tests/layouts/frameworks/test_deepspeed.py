from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.checkpoint import Role
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks.deepspeed.names import TagNames, names_in
from ckptdoctor.layouts.frameworks.deepspeed.tags import LAYOUT, parts_of
from tests.each import each
from tests.layouts.claims import absent, claim, claims, prefixes, roles, touch

EMPTY = torch.empty(0)


def model_file(path: Path, *, dp: int = 2, mp: int = 1, zero: bool = True, **more: Any) -> Path:
    """What ``engine._common_checkpoint_state`` gives, as far as anything asks for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shapes = [{"fc.weight": torch.Size([2, 3]), "fc.bias": torch.Size([2])}] if zero else None
    state = {
        "module": {"fc.weight": torch.zeros(2, 3), "fc.bias": torch.zeros(2)},
        "param_shapes": shapes,
        "global_steps": 5,
        "dp_world_size": dp,
        "mp_world_size": mp,
        "ds_version": "0.19.8",
    }
    torch.save(state | more, path)
    return path


def optimizer_file(path: Path, *, stage: int = 2, count: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    group = "fp32_flat_groups" if stage == 3 else "single_partition_of_fp32_groups"
    state = {
        "zero_stage": stage,
        "partition_count": count if stage == 3 else [count],
        group: [torch.zeros(4)],
    }
    torch.save({"optimizer_state_dict": state}, path)
    return path


def optimizer_name(dp: int, mp: int = 0, before: str = "") -> str:
    return f"{before}zero_pp_rank_{dp}_mp_rank_{mp:02d}_optim_states.pt"


@pytest.fixture
def zero_2(tmp_path: Path) -> Path:
    """A tag folder of ZeRO 2 in two processes."""
    tag = tmp_path / "global_step5"
    model_file(tag / "mp_rank_00_model_states.pt")
    for dp in range(2):
        optimizer_file(tag / optimizer_name(dp))
    return tag


@pytest.fixture
def zero_3(tmp_path: Path) -> Path:
    """A tag folder of ZeRO 3 in two processes."""
    tag = tmp_path / "global_step5"
    for dp in range(2):
        name = f"zero_pp_rank_{dp}_mp_rank_00_model_states.pt"
        model_file(tag / name, module={"fc.weight": EMPTY, "fc.bias": EMPTY})
        optimizer_file(tag / optimizer_name(dp), stage=3)
    return tag


def test_a_tag_folder_is_one_checkpoint(zero_2: Path) -> None:
    found = claim(LAYOUT, zero_2)
    assert found.path == zero_2
    assert found.layout == "deepspeed"
    assert found.scalars == {"global_step": 5}
    assert found.finished == optimizer_name(0)
    assert roles(found) == {
        "mp_rank_00_model_states.pt": "model",
        optimizer_name(0): "optimizer",
        optimizer_name(1): "optimizer",
    }
    assert absent(found) == {}


def test_names_of_ranks_are_kept_apart(zero_2: Path) -> None:
    assert prefixes(claim(LAYOUT, zero_2)) == {
        "mp_rank_00_model_states.pt": "",
        optimizer_name(0): "zero_pp_rank_0.",
        optimizer_name(1): "zero_pp_rank_1.",
    }


def test_the_weights_in_full_precision_are_weights(zero_2: Path, tmp_path: Path) -> None:
    part = claim(LAYOUT, zero_2).parts[1]
    assert part.role_of is not None
    state = "optimizer_state_dict"
    assert part.role_of(f"{state}.single_partition_of_fp32_groups.0") is Role.MODEL
    assert part.role_of(f"{state}.fp32_flat_groups.0") is Role.MODEL
    assert part.role_of(f"{state}.base_optimizer_state.state.0.exp_avg") is Role.OPTIMIZER


def test_frozen_parameters_are_weights(zero_2: Path) -> None:
    part = claim(LAYOUT, zero_2).parts[0]
    assert part.role_of is not None
    assert part.role_of("frozen_param_fragments.fc.weight") is Role.MODEL
    assert part.role_of("module.fc.weight") is None


@pytest.mark.parametrize("rank", [0, 1])
def test_each_rank_of_the_optimizer_is_missed(zero_2: Path, rank: int) -> None:
    (zero_2 / optimizer_name(rank)).unlink()
    found = claim(LAYOUT, zero_2)
    assert absent(found) == {optimizer_name(rank): "optimizer"}
    expected = "files of other ranks" if rank == 0 else "says dp_world_size 2"
    assert expected in found.absent[0].because


def test_all_ranks_of_the_optimizer_are_missed(zero_2: Path) -> None:
    for dp in range(2):
        (zero_2 / optimizer_name(dp)).unlink()
    found = claim(LAYOUT, zero_2)
    assert absent(found) == {optimizer_name(0): "optimizer", optimizer_name(1): "optimizer"}
    assert found.finished == optimizer_name(0)


def test_without_zero_the_optimizer_has_no_file(tmp_path: Path) -> None:
    model_file(tmp_path / "mp_rank_00_model_states.pt", dp=8, zero=False)
    found = claim(LAYOUT, tmp_path)
    assert absent(found) == {}
    assert found.finished == "mp_rank_00_model_states.pt"


def test_the_model_is_missed(zero_2: Path) -> None:
    (zero_2 / "mp_rank_00_model_states.pt").unlink()
    (zero_2 / optimizer_name(1)).unlink()
    found = claim(LAYOUT, zero_2)
    assert absent(found) == {
        "mp_rank_00_model_states.pt": "model",
        optimizer_name(1): "optimizer",
    }
    assert "says partition_count 2" in found.absent[1].because


def test_a_model_parallel_rank_is_missed(tmp_path: Path) -> None:
    model_file(tmp_path / "mp_rank_00_model_states.pt", mp=2, zero=False)
    found = claim(LAYOUT, tmp_path)
    assert absent(found) == {"mp_rank_01_model_states.pt": "model"}
    assert "mp_world_size 2" in found.absent[0].because


def test_model_parallel_ranks_have_names_of_their_own(tmp_path: Path) -> None:
    for mp in range(2):
        model_file(tmp_path / f"mp_rank_{mp:02d}_model_states.pt", dp=1, mp=2)
        optimizer_file(tmp_path / optimizer_name(0, mp, "bf16_"), count=1)
    found = claim(LAYOUT, tmp_path)
    assert absent(found) == {}
    assert prefixes(found) == {
        "mp_rank_00_model_states.pt": "",
        "mp_rank_01_model_states.pt": "mp_rank_01.",
        optimizer_name(0, 0, "bf16_"): "zero_pp_rank_0_mp_rank_00.",
        optimizer_name(0, 1, "bf16_"): "zero_pp_rank_0_mp_rank_01.",
    }


def test_the_missing_is_named_in_the_same_flavour(tmp_path: Path) -> None:
    model_file(tmp_path / "mp_rank_00_model_states.pt", dp=3)
    optimizer_file(tmp_path / optimizer_name(0, before="bf16_"), count=3)
    optimizer_file(tmp_path / optimizer_name(2, before="bf16_"), count=3)
    assert absent(claim(LAYOUT, tmp_path)) == {optimizer_name(1, before="bf16_"): "optimizer"}


def test_with_zero_3_the_optimizers_files_are_the_model(zero_3: Path) -> None:
    assert set(roles(claim(LAYOUT, zero_3)).values()) == {"model"}
    (zero_3 / optimizer_name(1)).unlink()
    (zero_3 / "zero_pp_rank_1_mp_rank_00_model_states.pt").unlink()
    assert absent(claim(LAYOUT, zero_3)) == {
        "zero_pp_rank_1_mp_rank_00_model_states.pt": "model",
        optimizer_name(1): "model",
    }


def test_a_file_that_cannot_be_read_says_nothing(zero_2: Path) -> None:
    (zero_2 / "mp_rank_00_model_states.pt").write_bytes(b"")
    (zero_2 / optimizer_name(0)).unlink()
    assert absent(claim(LAYOUT, zero_2)) == {optimizer_name(0): "optimizer"}


def experts(tag: Path, layers: int = 2, count: int = 2) -> None:
    model_file(tag / "mp_rank_00_model_states.pt", dp=1, zero=False, num_experts=[count] * layers)
    names = [
        f"layer_{layer}_expert_{expert}_mp_rank_00_model_states.pt"
        for layer in range(layers)
        for expert in range(count)
    ]
    touch(tag, [*names, "expp_rank_0_mp_rank_00_optim_states.pt"])


def test_experts_are_the_model(tmp_path: Path) -> None:
    experts(tmp_path)
    found = claim(LAYOUT, tmp_path)
    assert absent(found) == {}
    assert [*roles(found).values()] == ["model"] * 5 + ["optimizer"]
    # Their names are numbered through, so that they need no prefix but that of the model.
    assert prefixes(found)["layer_1_expert_0_mp_rank_00_model_states.pt"] == "module."


@pytest.mark.parametrize("name", ["layer_0_expert_0", "layer_0_expert_1", "layer_1_expert_1"])
def test_an_expert_is_missed(tmp_path: Path, name: str) -> None:
    experts(tmp_path)
    (tmp_path / f"{name}_mp_rank_00_model_states.pt").unlink()
    assert absent(claim(LAYOUT, tmp_path)) == {f"{name}_mp_rank_00_model_states.pt": "model"}


def test_an_optimizer_of_experts_is_missed(tmp_path: Path) -> None:
    experts(tmp_path)
    touch(tmp_path, ["expp_rank_2_mp_rank_00_optim_states.pt"])
    assert absent(claim(LAYOUT, tmp_path)) == {
        "expp_rank_1_mp_rank_00_optim_states.pt": "optimizer"
    }


def test_layers_of_a_pipeline_are_the_model(tmp_path: Path) -> None:
    model_file(tmp_path / "mp_rank_00_model_states.pt", mp=1, zero=False, module=None)
    # Layers 2 and 4 have no parameters.
    touch(
        tmp_path,
        [f"layer_{n:02d}-model_{m:02d}-model_states.pt" for n in (1, 3, 5) for m in (0, 1)],
    )
    found = claim(LAYOUT, tmp_path)
    assert absent(found) == {}
    assert prefixes(found)["layer_03-model_00-model_states.pt"] == "layer_03."
    assert prefixes(found)["layer_03-model_01-model_states.pt"] == "model_01.layer_03."
    (tmp_path / "layer_03-model_01-model_states.pt").unlink()
    assert absent(claim(LAYOUT, tmp_path)) == {"layer_03-model_01-model_states.pt": "model"}


def universal(tag: Path) -> Path:
    model_file(tag / "mp_rank_00_model_states.pt", dp=4)
    states = ("fp32", "exp_avg", "exp_avg_sq")
    touch(tag, [f"zero/{name}/{state}.pt" for name in ("fc.weight", "fc.bias") for state in states])
    return touch(tag, ["zero/frozen/fp32.pt", "zero/optimizer_state.pt"])


def test_a_universal_checkpoint_has_a_folder_for_each_parameter(tmp_path: Path) -> None:
    found = claim(LAYOUT, universal(tmp_path))
    assert absent(found) == {}
    assert roles(found)["zero/fc.weight/fp32.pt"] == "model"
    assert roles(found)["zero/fc.weight/exp_avg.pt"] == "optimizer"
    assert prefixes(found)["zero/fc.weight/exp_avg.pt"] == "zero.fc.weight.exp_avg."
    assert roles(found)["zero/optimizer_state.pt"] == "optimizer"
    assert prefixes(found)["zero/optimizer_state.pt"] == "zero."
    assert found.finished == "mp_rank_00_model_states.pt"
    assert claims(LAYOUT, tmp_path / "zero") == []


@pytest.mark.parametrize(
    ("lost", "role"),
    [
        ("zero/fc.bias/fp32.pt", "model"),
        ("zero/frozen/fp32.pt", "model"),  # though the model's file does not name it
        ("zero/fc.bias/exp_avg_sq.pt", "optimizer"),
        ("zero/optimizer_state.pt", "optimizer"),
    ],
)
def test_a_state_of_a_parameter_is_missed(tmp_path: Path, lost: str, role: str) -> None:
    (universal(tmp_path) / lost).unlink()
    assert absent(claim(LAYOUT, tmp_path)) == {lost: role}


def test_a_parameter_of_the_model_is_missed(tmp_path: Path) -> None:
    for file in (universal(tmp_path) / "zero/fc.bias").iterdir():
        file.unlink()
    (tmp_path / "zero/fc.bias").rmdir()
    assert absent(claim(LAYOUT, tmp_path)) == {"zero/fc.bias/fp32.pt": "model"}


def test_a_tag_folder_stands_within_another_checkpoint(zero_2: Path) -> None:
    (zero_2 / optimizer_name(1)).unlink()
    found = parts_of(Folder(zero_2), "global_step5")
    assert found is not None
    assert found.parts[0].name == "global_step5/mp_rank_00_model_states.pt"
    assert found.parts[0].sibling == "global_step/mp_rank_00_model_states.pt"
    assert absent(found) == {f"global_step5/{optimizer_name(1)}": "optimizer"}
    assert found.finished == f"global_step5/{optimizer_name(0)}"


def test_two_models_of_one_checkpoint_are_kept_apart(zero_2: Path) -> None:
    found = parts_of(Folder(zero_2), "pytorch_model_1")
    assert found is not None
    assert found.parts[0].sibling == "pytorch_model_1/mp_rank_00_model_states.pt"


def test_lightnings_folder_is_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "epoch=3-step=40.ckpt"
    model_file(path / "checkpoint/mp_rank_00_model_states.pt", dp=1)
    optimizer_file(path / "checkpoint" / optimizer_name(0))
    found = claim(LAYOUT, path)
    assert found.path == path
    assert "checkpoint/mp_rank_00_model_states.pt" in roles(found)


@pytest.mark.parametrize(
    "names",
    [
        ["pytorch_model.bin", "optimizer.pt"],
        ["epoch_1.pt"],
        ["optim_states.pt", "model_states.pt"],
        ["layer_03-model_states.pt.bak"],
        [],
    ],
)
def test_other_folders_are_left_alone(tmp_path: Path, names: list[str]) -> None:
    assert claims(LAYOUT, touch(tmp_path, names)) == []
    assert parts_of(Folder(tmp_path), "x") is None


@each(
    "name",
    [
        "mp_rank_00_model_states.pt",
        "zero_pp_rank_3_mp_rank_12_model_states.pt",
        "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt",
        "zero_pp_rank_1_mp_rank_00optim_states.pt",
        "expp_rank_1_mp_rank_00_optim_states.pt",
        "expert_7_mp_rank_00_model_states.pt",
        "layer_0_expert_7_mp_rank_01_model_states.pt",
        "layer_03-model_states.pt",
        "layer_03-model_01-model_states.pt",
        "layer_112-model_01-model_states.pt",
    ],
)
def test_what_is_missed_would_have_the_name_that_deepspeed_gives_it(
    name: str, tmp_path: Path
) -> None:
    found = names_in(Folder(touch(tmp_path, [name])))
    kinds = (
        *(found.models, found.optimizers, found.expert_optimizers),
        *(found.experts, found.layers),
    )
    assert [one.file for kind in kinds for one in kind] == [name]


def test_names_of_no_rank_tell_of_none() -> None:
    assert (TagNames().mp_count, TagNames().dp_count) == (0, 0)
    assert not TagNames()
    assert not TagNames().stage_3
