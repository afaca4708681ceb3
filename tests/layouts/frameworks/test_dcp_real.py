"""Folders that ranks of their own wrote together, held against what torch loads of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.costs import growth
from tests.formats.dcp.folders import read_by_torch, save, seen
from tests.formats.test_torch_dcp import assert_as_torch_reads

pytestmark = pytest.mark.real
ROOT = Path(__file__).parents[3]

TWO_RANKS = """
import os, sys, warnings
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from tests.leaving import leave

warnings.simplefilter("ignore")
dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (dist.get_world_size(),))
torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Linear(8, 15), torch.nn.BatchNorm1d(15), torch.nn.Linear(15, 1)
)
for layer in model:
    fully_shard(layer, mesh=mesh)
fully_shard(model, mesh=mesh)
optimizer = torch.optim.AdamW(model.parameters())
model(torch.randn(5, 8)).sum().backward()
optimizer.step()
weights, state = get_state_dict(model, optimizer)
together = sys.argv[2] == "together"
dcp.save(
    {"model": weights, "optim": state, "epoch": 7},
    checkpoint_id=sys.argv[1],
    **({} if together else {"use_collectives": False}),
)
dist.barrier()
dist.destroy_process_group()
leave()
"""


def saved_by_two(folder: Path, how: str) -> Path:
    """What two gloo processes write, each its half of a model under FSDP2."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", TWO_RANKS, str(folder), how],
            env=os.environ
            | {"RANK": str(rank), "WORLD_SIZE": "2"}
            | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
            cwd=ROOT,
        )
        for rank in range(2)
    ]
    assert [rank.wait(timeout=240) for rank in ranks] == [0, 0]
    return folder


def test_halves_of_two_ranks_are_what_torch_joins_them_to(tmp_path: Path) -> None:
    folder = saved_by_two(tmp_path / "step-7", "together")
    found = seen(folder)
    assert found.is_sound
    assert any(len(pieces) == 2 for pieces in found.joined.pieces.values())
    assert_as_torch_reads(found, read_by_torch(folder, tmp_path / "torch.pt"))


def test_ranks_that_do_not_talk_are_put_together(tmp_path: Path) -> None:
    folder = saved_by_two(tmp_path / "step-7", "apart")
    assert {path.name for path in folder.glob("*.metadata")} == {"__0.metadata", "__1.metadata"}
    found = seen(folder)
    assert found.is_sound
    weight = found.tensors["model.0.weight"]
    assert (weight.shape, weight.lost) == ((15, 8), False)


def test_a_thousand_items_cost_about_what_they_cost_torch(tmp_path: Path) -> None:
    state = {f"model.layers.{number}.w": torch.randn(16, 16) for number in range(1000)}
    folder = save(tmp_path / "d", state)
    assert seen(folder).is_sound

    def work(read: Callable[[], object]) -> None:
        read()

    ours = growth(
        work, lambda: read_by_torch(folder, tmp_path / "torch.pt"), lambda: seen(folder), enough=5
    )
    assert ours < 5
    print(f"1,000 items: read and scanned in {ours:.2f} of the time that torch loads and saves in")
