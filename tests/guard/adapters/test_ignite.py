"""The guard in the real Ignite, whose update function steps by itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch

ignite = pytest.importorskip("ignite.engine")

from ckptdoctor.errors import NonFiniteError  # noqa: E402
from ckptdoctor.guard.adapters.ignite import attach  # noqa: E402
from tests.guard.adapters.data import BAD, is_finite, rows  # noqa: E402

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore"),  # of Ignite
]


def trainer() -> tuple[Any, torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 1)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    engine = ignite.create_supervised_trainer(net, optimizer, torch.nn.functional.mse_loss)
    return engine, net, optimizer


def loader() -> Any:
    return torch.utils.data.DataLoader(rows(bad=True), batch_size=8)


def test_without_it_the_net_dies() -> None:
    engine, net, _ = trainer()
    engine.run(loader(), max_epochs=1)
    assert not is_finite(net)


def test_with_it_the_net_lives() -> None:
    engine, net, optimizer = trainer()
    guard = attach(engine, net, optimizer, max_norm=1.0)
    engine.run(loader(), max_epochs=2)
    assert is_finite(net)
    assert (guard.skipped, guard.steps) == (2, 2 * BAD.batches)


def test_the_optimizer_is_left_as_it_was() -> None:
    engine, net, optimizer = trainer()
    guard = attach(engine, net, optimizer)
    engine.run(loader(), max_epochs=1)
    optimizer.step()
    assert guard.steps == BAD.batches, "nobody looks once the engine has stopped"


def test_raise_ends_the_engine() -> None:
    engine, net, optimizer = trainer()
    guard = attach(engine, net, optimizer, action="raise")
    with pytest.raises(NonFiniteError, match=r"0\.weight"):
        engine.run(loader(), max_epochs=1)
    assert (guard.skipped, guard.steps) == (1, BAD.at + 1)
    assert is_finite(net)
    with pytest.raises(TypeError, match="give that to the update function"):
        attach(engine, net, optimizer, scaler=None)
