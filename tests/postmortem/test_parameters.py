"""Which parameter a state is of: by order, by names that groups or states have, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ckptdoctor.formats import opened, read_checkpoint
from ckptdoctor.postmortem.parameters import States, states_of
from tests.builders import save


def stored(folder: Path, net: nn.Module, optimizer: Any) -> States:
    """What is found in a file with both."""
    path = save(folder / "a.pth", {"model": net.state_dict(), "optimizer": optimizer})
    with opened(path) as file:
        return states_of(read_checkpoint(file))


def stepped(net: nn.Module, make: Callable[[nn.Module], torch.optim.Optimizer]) -> Any:
    optimizer = make(net)
    net(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))


def test_by_order(tmp_path: Path) -> None:
    model = net()
    found = stored(tmp_path, model, stepped(model, lambda m: torch.optim.AdamW(m.parameters())))
    assert [name for name, _ in found.tensors] == [
        f"model.{name}" for name, _ in model.named_parameters()
    ]
    assert found.counter is not None
    assert found.betas2 == frozenset({0.999})
    assert set(found.rates.values()) == {1e-3}


def test_of_groups_in_another_order_nothing_is_said(tmp_path: Path) -> None:
    def make(model: nn.Module) -> torch.optim.Optimizer:
        decayed = [one for one in model.parameters() if one.ndim > 1]
        others = [one for one in model.parameters() if one.ndim < 2]
        return torch.optim.AdamW([{"params": decayed}, {"params": others}])

    found = stored(tmp_path, model := net(), stepped(model, make))
    assert [name for name, _ in found.tensors] == [tensor.fqn for _, tensor in found.tensors]
    assert found.rates == {}


def test_by_the_names_that_groups_list(tmp_path: Path) -> None:
    model = net()
    state = stepped(model, lambda m: torch.optim.AdamW(reversed(list(m.parameters()))))
    names = [name for name, _ in model.named_parameters()]
    state["param_groups"][0]["param_names"] = names[::-1]
    found = stored(tmp_path, model, state)
    assert [name for name, _ in found.tensors] == [f"model.{name}" for name in names[::-1]]


def test_by_the_names_of_states(tmp_path: Path) -> None:
    model = net()
    state = {"state": {"2.weight": {"exp_avg_sq": torch.ones(2, 5)}}}
    found = stored(tmp_path, model, state)
    assert [name for name, _ in found.tensors] == ["model.2.weight"]


@pytest.mark.parametrize("momentum", [0.9])
def test_momentum(momentum: float, tmp_path: Path) -> None:
    model = net()
    make = lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=momentum)  # noqa: E731
    found = stored(tmp_path, model, stepped(model, make))
    assert [tensor.fqn.rpartition(".")[2] for _, tensor in found.tensors] == ["momentum_buffer"] * 6
    assert (found.counter, found.steps, found.betas2) == (None, None, frozenset())
