"""Which tensor is called what, and what part of the training state it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ckptdoctor.checkpoint import Role
from ckptdoctor.formats.dcp.slices import roles_of, slices_by_file
from tests.formats.dcp.folders import described, grid, write

TITAN = """
    tok_embeddings.weight layers.0.attention.wq.weight norm.weight
    optimizer.state.norm.weight.exp_avg optimizer.param_groups.norm.weight.step
    lr_scheduler.last_epoch train_state.step
""".split()


def roles(tmp_path: Path, *names: str) -> dict[str, Role]:
    return roles_of(described(write(tmp_path, {name: torch.ones(2) for name in names})))


def test_weights_at_the_root_are_a_model_as_torchtitan_saves_them(tmp_path: Path) -> None:
    found = roles(tmp_path, *TITAN)
    assert [found[name] for name in TITAN] == [
        *[Role.MODEL] * 3,
        *[Role.OPTIMIZER] * 2,
        Role.SCHEDULER,
        Role.OTHER,
    ]


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("app.optim.state.w.exp_avg", Role.OPTIMIZER),
        ("app.model.w", Role.MODEL),
        ("optimizer_0.state.w.exp_avg", Role.OPTIMIZER),
        ("ema.w.weight", Role.EMA),
        ("scaler.scale", Role.SCALER),
    ],
)
def test_keys_near_the_root_tell_the_part(tmp_path: Path, name: str, role: Role) -> None:
    assert roles(tmp_path, name, "model.w.weight", "model.v.weight")[name] is role


def test_chunks_are_named_by_their_place(tmp_path: Path) -> None:
    boxes = {"w": grid((4, 2), (2, 1))}
    metadata = described(write(tmp_path, {"w": torch.ones(4, 2)}, boxes=boxes))
    by_file = slices_by_file(metadata)
    names = [item.name for slices in by_file.values() for item in slices.items]
    assert names == ["w[0:2, 0:2]", "w[2:4, 0:2]"]
    assert all(slices.tensors == ("w",) for slices in by_file.values())
