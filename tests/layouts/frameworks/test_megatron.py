from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.checkpoint import Role
from ckptdoctor.layouts.frameworks.megatron.iterations import LAYOUT
from tests.layouts.claims import absent, claim, claims, prefixes, roles, touch

MODEL = "model_optim_rng.pt"


def model_file(path: Path, *, tp: int = 1, pp: int = 1, **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    args = Namespace(tensor_model_parallel_size=tp, pipeline_model_parallel_size=pp, **more)
    torch.save({"args": args, "iteration": 50, "model": {"w": torch.zeros(2)}}, path)


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """Two tensor ranks by two stages of a pipeline, with the distributed optimizer."""
    for tp in range(2):
        for pp in range(2):
            home = tmp_path / f"iter_0000050/mp_rank_{tp:02d}_{pp:03d}"
            model_file(home / MODEL, tp=2, pp=2)
            touch(home, ["distrib_optim.pt"])
    return tmp_path / "iter_0000050"


def test_an_iteration_is_one_checkpoint(grid: Path) -> None:
    found = claim(LAYOUT, grid)
    assert (found.path, found.layout) == (grid, "megatron")
    assert found.scalars == {"global_step": 50}
    assert found.finished == f"mp_rank_00_000/{MODEL}"
    assert absent(found) == {}
    assert [*roles(found).values()] == ["model"] * 4 + ["optimizer"] * 4
    assert claims(LAYOUT, grid / "mp_rank_00_000") == []


def test_names_of_ranks_are_kept_apart(grid: Path) -> None:
    found = prefixes(claim(LAYOUT, grid))
    assert found[f"mp_rank_00_000/{MODEL}"] == ""
    assert found[f"mp_rank_01_000/{MODEL}"] == "mp_rank_01_000."
    assert found["mp_rank_00_000/distrib_optim.pt"] == "distrib_optim."
    assert found["mp_rank_00_001/distrib_optim.pt"] == "mp_rank_00_001.distrib_optim."


def test_the_weights_in_full_precision_are_weights(grid: Path) -> None:
    model, *_, optimizer = claim(LAYOUT, grid).parts
    assert model.role_of is not None
    assert optimizer.role_of is not None
    assert model.role_of("optimizer.fp32_from_fp16_params.0.0") is Role.MODEL
    assert model.role_of("optimizer.optimizer.state.0.exp_avg") is None
    assert optimizer.role_of("0.(torch.bfloat16, torch.float32).param") is Role.MODEL
    assert optimizer.role_of("0.(torch.bfloat16, torch.float32).exp_avg") is Role.OPTIMIZER


@pytest.mark.parametrize("rank", ["00_000", "00_001", "01_000", "01_001"])
@pytest.mark.parametrize(("file", "role"), [(MODEL, "model"), ("distrib_optim.pt", "optimizer")])
def test_each_file_of_a_rank_is_missed(grid: Path, rank: str, file: str, role: str) -> None:
    (grid / f"mp_rank_{rank}" / file).unlink()
    assert absent(claim(LAYOUT, grid)) == {f"mp_rank_{rank}/{file}": role}


def test_the_arguments_tell_of_ranks_that_no_name_tells_of(tmp_path: Path) -> None:
    model_file(tmp_path / "mp_rank_00" / MODEL, tp=2)
    found = claim(LAYOUT, tmp_path)
    assert absent(found) == {f"mp_rank_01/{MODEL}": "model"}
    assert found.absent[0].because == f"mp_rank_00/{MODEL} tells of this rank"


def test_experts_have_ranks_of_their_own(tmp_path: Path) -> None:
    for ep in range(2):
        model_file(tmp_path / f"mp_rank_00_{ep:03d}" / MODEL, expert_model_parallel_size=3)
    assert absent(claim(LAYOUT, tmp_path)) == {f"mp_rank_00_002/{MODEL}": "model"}


def test_experts_do_not_meet_every_tensor_rank(tmp_path: Path) -> None:
    for tp, ep in ((0, 0), (1, 1), (2, 0), (3, 1)):
        home = tmp_path / f"mp_rank_{tp:02d}_{ep:03d}"
        model_file(home / MODEL, tp=4, expert_model_parallel_size=2, expert_tensor_parallel_size=1)
    assert absent(claim(LAYOUT, tmp_path)) == {}


def test_the_old_optimizer_lies_in_folders_of_its_own(tmp_path: Path) -> None:
    for tp in range(2):
        model_file(tmp_path / f"mp_rank_{tp:02d}/model_rng.pt", tp=2)
        touch(tmp_path, [f"mp_rank_{tp:02d}_{dp:03d}/optim.pt" for dp in range(2)])
    assert absent(claim(LAYOUT, tmp_path)) == {}
    (tmp_path / "mp_rank_01_000/optim.pt").unlink()
    (tmp_path / "mp_rank_01/model_rng.pt").unlink()
    assert absent(claim(LAYOUT, tmp_path)) == {
        "mp_rank_01/model_rng.pt": "model",
        "mp_rank_01_000/optim.pt": "optimizer",
    }


def test_a_model_is_missed_beside_its_optimizer(tmp_path: Path) -> None:
    touch(tmp_path, ["mp_rank_00/distrib_optim.pt"])
    assert absent(claim(LAYOUT, tmp_path)) == {f"mp_rank_00/{MODEL}": "model"}


def test_a_release_has_no_iteration(tmp_path: Path) -> None:
    model_file(tmp_path / "release/mp_rank_00" / MODEL)
    assert claim(LAYOUT, tmp_path / "release").scalars == {}


@pytest.mark.parametrize(
    "names",
    [
        ["mp_rank_00_model_states.pt"],
        ["mp_rank_00/model_weights.ckpt"],
        ["rank_00/model_optim_rng.pt"],
        ["model_optim_rng.pt"],
    ],
)
def test_other_folders_are_left_alone(tmp_path: Path, names: list[str]) -> None:
    assert claims(LAYOUT, touch(tmp_path, names)) == []
