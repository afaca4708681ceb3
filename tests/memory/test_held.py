"""What a value holds, found on the CPU with the same walk; nothing of the user's is run."""

from __future__ import annotations

import sys
from collections import OrderedDict, defaultdict, deque
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import torch

from ckptdoctor.memory import held
from ckptdoctor.memory.held import HeldName, held_names
from ckptdoctor.memory.leftovers import drop_leftovers
from tests.each import each


def holding(value: Any) -> held.Holding:
    return held.holding(value, torch, "cpu")


def tensor(elements: int = 25) -> torch.Tensor:
    return torch.zeros(elements)


class Trainer:
    """An object of the user's, with code that must not run."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.again = self

    @property
    def loud(self) -> NoReturn:
        raise AssertionError("a property was asked")

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"{name} was asked for")

    def __iter__(self) -> NoReturn:
        raise AssertionError("it was iterated")


class LoudTensor(torch.Tensor):
    """A tensor of the user's own class, whose hook must not run."""

    @classmethod
    def __torch_function__(cls, *arguments: Any, **more: Any) -> NoReturn:
        raise AssertionError("the hook ran")


class LoudDict(dict[str, Any]):
    """A dictionary of the user's own class."""

    def values(self) -> NoReturn:
        raise AssertionError("values was called")


@each(
    "value",
    [
        tensor(),
        [tensor()],
        (1, "x", {"a": {tensor()}}),
        deque([tensor()]),
        OrderedDict(a=tensor()),
        defaultdict(list, a=[tensor()]),
        LoudDict(a=tensor()),
        SimpleNamespace(batch=tensor()),
        Trainer(tensor()),
        torch.nn.Parameter(tensor()),
        tensor().as_subclass(LoudTensor),
    ],
)
def test_tensors_are_found_wherever_they_are(value: Any) -> None:
    assert holding(value).nbytes == 100


@each(
    "value",
    [None, 1, "x", torch, torch.Tensor, lambda: 0, [], Trainer(3)],
)
def test_the_rest_holds_nothing(value: Any) -> None:
    assert holding(value).nbytes == 0


def test_modules_optimizers_and_gradients() -> None:
    model = torch.nn.Linear(4, 6, bias=False)
    assert holding(model).nbytes == 96
    model(torch.ones(1, 4)).sum().backward()
    assert holding(model).nbytes == 192
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    optimizer.step()
    assert holding(optimizer).nbytes == 288  # parameters, their gradients, and the momentum


def test_memory_that_is_shared_counts_once_and_whole() -> None:
    base = tensor(100)
    assert holding([base[:2], base[50:], base]).nbytes == 400


def test_a_loss_that_keeps_a_graph() -> None:
    weight = torch.ones(3, requires_grad=True)
    assert holding((weight * 2).sum()).keeps_graph
    assert not holding(weight).keeps_graph
    assert holding(weight).nbytes == 12


def test_sparse_and_meta_tensors_do_no_harm() -> None:
    assert holding(torch.eye(3).to_sparse()).nbytes > 0
    assert holding(torch.zeros(3, device="meta")).nbytes == 0


def test_other_devices_do_not_count() -> None:
    assert held.holding(tensor(), torch, "cuda").nbytes == 0


def test_a_list_without_end_ends() -> None:
    endless: list[Any] = [tensor()]
    endless.append(endless)
    assert holding(endless).nbytes == 100


def test_names_of_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"__doc__": tensor(), "small": tensor(1), "big": [tensor()], "lr": 0.1}
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(**names))
    monkeypatch.setattr(held, "shell", lambda: None)
    assert held_names(torch, "cpu") == (
        HeldName(name="big", nbytes=100),
        HeldName(name="small", nbytes=4),
    )


# -- IPython -------------------------------------------------------------------------------------


@pytest.fixture
def ipython(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The parts of IPython's shell that matter; CPU tensors stand for those on a GPU."""
    shown, mine = tensor(), tensor()
    outputs = {3: shown, 4: "text"}
    names = {"_oh": outputs, "Out": outputs, "_3": shown, "_4": "text", "_": shown, "__": mine}
    shell = SimpleNamespace(
        user_ns=names | {"model": mine},
        user_ns_hidden={"_oh": outputs, "Out": outputs},
        displayhook=SimpleNamespace(_=shown, __="text", ___=shown),
        InteractiveTB=SimpleNamespace(tb=None, etype=ValueError, value=ValueError("x")),
        last_execution_result=SimpleNamespace(error_in_exec=None),
    )
    monkeypatch.setitem(
        sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell)
    )  # fmt: skip
    monkeypatch.setattr("ckptdoctor.memory.leftovers.holding", lambda value, _: holding(value))
    return shell


def test_outputs_are_let_go_and_variables_stay(ipython: Any) -> None:
    for name in ("last_exc", "last_value"):
        assert getattr(sys, name, None) is None
    assert drop_leftovers(torch) == ("Out[3]", "_", "___")
    names = ipython.user_ns
    assert names["Out"] == {4: "text"}
    assert "_3" not in names
    assert names["_4"] == "text"
    assert names["_"] == ""
    assert names["__"] is names["model"]  # the user's: it is not what was shown
    assert ipython.displayhook.___ == ""
    assert ipython.InteractiveTB.value is None
    assert [one.name for one in held_names(torch, "cpu")] == ["__", "model"]


def test_the_error_of_the_last_cell_loses_its_frames(ipython: Any) -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        raise KeyboardInterrupt
    ipython.last_execution_result.error_in_exec = caught.value
    assert drop_leftovers(torch)[0] == "the traceback of KeyboardInterrupt"
    assert ipython.last_execution_result.error_in_exec.__traceback__ is None


def test_outside_of_ipython_there_is_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace())
    assert held.shell() is None
