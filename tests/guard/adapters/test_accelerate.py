"""The guard in loops that the real Accelerate drives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

accelerate = pytest.importorskip("accelerate")

from ckptdoctor.guard.adapters.accelerate import AccelerateGuard  # noqa: E402
from tests.guard.adapters.data import BAD, is_finite, rows  # noqa: E402

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore"),  # of Accelerate and what it brings along
]


def train(*, guarded: bool, accumulate: int = 1, **options: Any) -> tuple[torch.nn.Module, Any]:
    torch.manual_seed(0)
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 1)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    loader = torch.utils.data.DataLoader(rows(bad=True), batch_size=8)
    net, optimizer, loader = accelerator.prepare(net, optimizer, loader)
    guard = AccelerateGuard(accelerator, net, optimizer, **options) if guarded else None
    for x, y in loader:
        with accelerator.accumulate(net):
            loss = torch.nn.functional.mse_loss(net(x), y)
            accelerator.backward(loss)
            if guard is not None:
                guard.step(loss)
            else:
                optimizer.step()
            optimizer.zero_grad()
    return net, guard


def test_without_it_the_net_dies() -> None:
    assert not is_finite(train(guarded=False)[0])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_with_it_the_net_lives(accumulate: int) -> None:
    net, guard = train(guarded=True, accumulate=accumulate, max_norm=1.0)
    assert is_finite(net)
    assert (guard.guard.skipped, guard.guard.steps) == (1, BAD.batches // accumulate)


def test_rollback_and_state(tmp_path: Path) -> None:
    net, guard = train(guarded=True, action="rollback", snapshot_every=1)
    assert is_finite(net)
    assert guard.guard.rollbacks == 1
    again = train(guarded=True)[1]
    again.load_state_dict(guard.state_dict())
    assert again.guard.rollbacks == 1
    accelerator = accelerate.Accelerator(cpu=True)
    accelerator.register_for_checkpointing(guard)
    accelerator.save_state(str(tmp_path / "state"))
    accelerator.load_state(str(tmp_path / "state"))
    with pytest.raises(TypeError, match="Accelerate's own business"):
        train(guarded=True, scaler=None)
