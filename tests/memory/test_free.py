"""Giving GPU memory back: without CUDA truly, with CUDA where there is some, else made up."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import ckptdoctor
from ckptdoctor import DeviceMemory, FreedMemory, HeldName
from ckptdoctor.memory import free, leftovers
from tests.cli.support import run

has_cuda = torch.cuda.is_available()
needs_cuda = pytest.mark.skipif(not has_cuda, reason="needs a CUDA device")
MB = 10**6


class Batch:
    """What a frame of a training loop holds."""


def fail(made: list[weakref.ref[Batch]]) -> None:
    batch = Batch()
    made.append(weakref.ref(batch))
    raise ValueError("loss is NaN")


def die() -> weakref.ref[Batch]:
    """Leave an error that is over and was shown: ``sys.last_value`` keeps its frames."""
    made: list[weakref.ref[Batch]] = []
    try:
        try:
            fail(made)
        except ValueError as error:
            raise RuntimeError("epoch 98") from error
    except RuntimeError as error:
        shown: Any = sys
        shown.last_exc = shown.last_value = error
        shown.last_type, shown.last_traceback = type(error), error.__traceback__
    return made[0]


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    for name in ("last_exc", "last_value", "last_type", "last_traceback"):
        vars(sys).pop(name, None)


# -- without CUDA --------------------------------------------------------------------------------


def test_without_torch_it_does_nothing_and_says_so() -> None:
    code = (
        "import sys, ckptdoctor; print(ckptdoctor.free_gpu_memory());"
        "print([m for m in ('torch', 'rich', 'IPython', 'pynvml') if m in sys.modules])"
    )
    outcome = run(code=code)
    assert outcome.stdout == "nothing to free: this process has not used CUDA\n[]\n"
    assert outcome.stderr == ""


def test_without_cuda_nothing_is_started_or_let_go(
    capsys: pytest.CaptureFixture[str],
) -> None:
    if free._has_cuda(torch):
        pytest.skip("CUDA is in use in this process")
    died = die()
    result = ckptdoctor.free_gpu_memory(verbose=True)
    assert result == FreedMemory(note="nothing to free: this process has not used CUDA")
    assert capsys.readouterr().out == f"{result.note}\n"
    assert not free._has_cuda(torch)
    assert died() is not None


# -- with a CUDA that is made up -----------------------------------------------------------------


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two GPUs, of which torch uses the first; what was called, in order."""
    called: list[str] = []

    def emptied() -> bool:
        return "empty_cache" in called

    def allocated(index: int) -> int:
        return 0 if index else 40 * MB if emptied() else 900 * MB

    def reserved(index: int) -> int:
        return 0 if index else 60 * MB if emptied() else 1000 * MB

    for name, answer in {
        "is_initialized": lambda: True,
        "device_count": lambda: 2,
        "memory_allocated": allocated,
        "memory_reserved": reserved,
        "empty_cache": lambda: called.append("empty_cache"),
        "ipc_collect": lambda: called.append("ipc_collect"),
    }.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    return called


def test_the_last_errors_frames_are_let_go(cuda: list[str]) -> None:
    died = die()
    error = sys.last_value
    result = ckptdoctor.free_gpu_memory()
    assert died() is None  # the frame was reached through the cause of the error
    assert result.dropped == ("the traceback of RuntimeError",)
    assert cuda == ["empty_cache", "ipc_collect"]
    assert sys.last_value is None
    assert isinstance(error, RuntimeError)
    assert str(error.__cause__) == "loss is NaN"  # the user's error itself stays


def test_it_tells_before_and_after(cuda: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    result = ckptdoctor.free_gpu_memory(verbose=True)
    assert result.devices == (
        DeviceMemory(
            device="cuda:0",
            allocated_before=900 * MB,
            allocated_after=40 * MB,
            reserved_before=1000 * MB,
            reserved_after=60 * MB,
        ),
    )
    assert result.freed_bytes == 940 * MB
    assert capsys.readouterr().out == f"{result}\n"


def test_an_error_that_is_being_handled_is_left_alone(
    cuda: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    died, traces = SimpleNamespace(), []
    with pytest.raises(KeyError) as caught:  # noqa: PT012  (it is handled within)
        try:
            vars(died)["x"]
        except KeyError as error:
            monkeypatch.setattr(sys, "last_value", error, raising=False)
            found = ckptdoctor.free_gpu_memory()
            traces.append(error.__traceback__)
            raise
    assert caught.value.__traceback__ is not None
    assert traces != [None]
    assert found.dropped == ()


def test_a_broken_cuda_is_reported_and_not_raised(
    cuda: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("CUDA error: device-side assert triggered\nCompile with ...")

    monkeypatch.setattr(torch.cuda, "empty_cache", broken)
    result = ckptdoctor.free_gpu_memory()
    assert result.note == (
        "CUDA no longer works here, restart the kernel: CUDA error: device-side assert triggered"
    )


def test_groups_and_cycles_of_errors() -> None:
    inner = ValueError("inner")
    try:
        raise inner
    except ValueError:
        pass
    group = ExceptionGroup("several", [inner])
    inner.__context__ = group
    leftovers._strip(group)
    assert inner.__traceback__ is None


def test_half_imported_torch_is_no_torch() -> None:
    assert not free._has_cuda(None)
    assert not free._has_cuda(SimpleNamespace())


# -- in a real IPython ---------------------------------------------------------------------------

IPYTHON = """
import gc, weakref
from IPython.core.interactiveshell import InteractiveShell
import torch
from ckptdoctor.memory import held, leftovers

shell = InteractiveShell.instance(colors="NoColor", xmode="Minimal")
shell.user_ns["made"] = made = []
leftovers.holding = lambda value, torch: held.holding(value, torch, "cpu")

def alive():
    gc.collect()
    return [one() is not None for one in made]

shell.run_cell('''
import torch, weakref
class Batch: pass
def step():
    batch = Batch()
    made.append(weakref.ref(batch))
    raise KeyboardInterrupt
''')
shell.run_cell("step()")
print(alive())
shell.run_cell("shown = weakref.ref(torch.zeros(9)); torch.zeros(25)", store_history=True)
shell.run_cell("model = torch.zeros(10); 'text'", store_history=True)
shell.run_cell("step()")
print(leftovers.drop_leftovers(torch), alive())
print([(one.name, one.nbytes) for one in held.held_names(torch, "cpu")])
print(sorted(shell.user_ns["Out"].values()))
"""


@pytest.mark.slow
def test_a_real_ipython_lets_go() -> None:
    pytest.importorskip("IPython")
    outcome = run(code=IPYTHON)
    assert outcome.code == 0, outcome.stderr
    lines = outcome.stdout.splitlines()
    ours = [line for line in lines if line.startswith(("[", "("))]
    assert ours[0] == "[True]"  # what IPython keeps
    assert ours[1].startswith("('the traceback of KeyboardInterrupt', 'Out[1]'"), ours
    assert ours[1].endswith("[False, False]"), ours
    assert ours[2:] == ["[('model', 40)]", "['text']"]


# -- what it says --------------------------------------------------------------------------------


def result(**more: Any) -> FreedMemory:
    device = DeviceMemory(
        device="cuda:0",
        allocated_before=9 * MB,
        allocated_after=3 * MB,
        reserved_before=20 * MB,
        reserved_after=8 * MB,
    )
    return FreedMemory(**{"devices": (device,)} | more)


def test_it_reads_well() -> None:
    held = (
        HeldName(name="model", nbytes=2 * MB),
        HeldName(name="loss", nbytes=4, keeps_graph=True),
    )
    shown = result(held=held, dropped=("Out[3]",))
    assert str(shown).splitlines() == [
        "cuda:0: freed 12 MB, 3.0 MB still in tensors",
        "let go of: Out[3]",
        "still held by: model (2.0 MB), loss (4 B and its graph)",
        "to free them: del model, loss",
        "if it is still held after that: restart the kernel",
    ]
    assert repr(shown).startswith("<FreedMemory: cuda:0: freed 12 MB")
    assert repr(shown).count("\n") == 0
    parts: list[str] = []
    shown._repr_pretty_(SimpleNamespace(text=parts.append), cycle=False)
    assert parts == [str(shown)]


def test_a_cache_that_grew_meanwhile_freed_nothing() -> None:
    device = DeviceMemory(
        device="cuda:0",
        allocated_before=0,
        allocated_after=0,
        reserved_before=1,
        reserved_after=2,
    )
    assert device.freed_bytes == 0


# -- with a real CUDA device ---------------------------------------------------------------------


@pytest.fixture
def on_gpu() -> Iterator[None]:
    torch.zeros(1, device="cuda")
    yield
    gc.collect()
    torch.cuda.empty_cache()


@needs_cuda
@pytest.mark.usefixtures("on_gpu")
def test_a_real_tensor_in_a_dead_frame_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    def step() -> None:
        batch = torch.zeros(64 << 20, dtype=torch.uint8, device="cuda")
        raise ValueError(batch.shape)

    try:
        step()
    except ValueError as error:
        monkeypatch.setattr(sys, "last_value", error, raising=False)
    held = torch.cuda.memory_allocated()
    assert held >= 64 << 20
    found = ckptdoctor.free_gpu_memory()
    assert found.freed_bytes >= 64 << 20
    assert torch.cuda.memory_allocated() <= held - (64 << 20)


@needs_cuda
@pytest.mark.usefixtures("on_gpu")
def test_a_real_variable_is_named_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = torch.zeros(1 << 20, dtype=torch.uint8, device="cuda")
    monkeypatch.setattr(sys.modules["__main__"], "kept_by_me", kept, raising=False)
    found = ckptdoctor.free_gpu_memory()
    assert [held.nbytes for held in found.held if held.name == "kept_by_me"] == [1 << 20]
    assert kept.sum() == 0
