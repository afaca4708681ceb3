"""GPU memory: what the driver answers, and what a notebook can give back.

There is no GPU where these tests usually run: the driver is stood in for by a module that answers
with the types of nvidia-ml-py. The last tests run where there is one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

import ckptdoctor
from ckptdoctor.gpu import FreedMemory, Gpu, GpuProcess, NoGpuError, free_gpu_memory, read_gpus
from ckptdoctor.render.console_gpu import gpu_json, gpu_text
from ckptdoctor.render.screen import Screen

GIB = 2**30
has_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


class NVMLError(Exception):
    """As nvidia-ml-py raises it."""


def refuse(*_: object) -> Any:
    raise NVMLError("Not Supported")


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A driver with one GPU that this process computes on; the answers can be changed."""
    module = ModuleType("pynvml")
    answers: dict[str, Callable[..., Any]] = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda handle: b"Tesla T4",
        "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(total=16 * GIB, used=9 * GIB),
        "nvmlDeviceGetUtilizationRates": lambda handle: SimpleNamespace(gpu=97),
        "nvmlDeviceGetComputeRunningProcesses": lambda handle: [
            SimpleNamespace(pid=os.getpid(), usedGpuMemory=6 * GIB),
            SimpleNamespace(pid=2**22 + 1, usedGpuMemory=None),
        ],
        "nvmlDeviceGetGraphicsRunningProcesses": lambda handle: [
            SimpleNamespace(pid=os.getpid(), usedGpuMemory=6 * GIB)
        ],
        "nvmlDeviceGetProcessUtilization": lambda handle, since: [
            SimpleNamespace(pid=os.getpid(), smUtil=0)
        ],
    }
    for name, answer in answers.items():
        setattr(module, name, answer)
    module.NVMLError = NVMLError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pynvml", module)
    return module


def test_what_the_driver_says_is_read(driver: ModuleType) -> None:
    (gpu,) = read_gpus()
    assert (gpu.name, gpu.total_nbytes, gpu.used_nbytes, gpu.percent) == (
        "Tesla T4",
        16 * GIB,
        9 * GIB,
        97,
    )
    mine, other = gpu.processes
    assert mine.is_self
    assert mine.used_nbytes == 6 * GIB
    assert mine.name
    assert mine.gpu_percent == 0
    assert (other.name, other.used_nbytes, other.is_idle) == ("", None, False)
    assert gpu.hidden_nbytes == 3 * GIB


def test_a_card_that_does_not_answer_everything(
    driver: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ComputeRunningProcesses", "GraphicsRunningProcesses", "ProcessUtilization"):
        monkeypatch.setattr(driver, f"nvmlDeviceGet{name}", refuse)
    monkeypatch.setattr(driver, "nvmlDeviceGetUtilizationRates", refuse)
    (gpu,) = read_gpus()
    assert (gpu.processes, gpu.percent, gpu.hidden_nbytes) == ((), None, 9 * GIB)


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        ("nvmlInit", refuse, "no NVIDIA GPU or no driver"),
        ("nvmlDeviceGetCount", lambda: 0, "and no GPU"),
        ("nvmlDeviceGetMemoryInfo", refuse, "cannot be asked"),
    ],
)
def test_where_there_is_none_it_is_said(
    name: str,
    answer: Callable[..., Any],
    words: str,
    driver: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver, name, answer)
    with pytest.raises(NoGpuError, match=words):
        read_gpus()


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(NoGpuError, match=r"pip install 'ckptdoctor\[gpu\]'"):
        read_gpus()


def test_who_only_holds_memory_is_named_with_the_command_to_end_it() -> None:
    idle = GpuProcess(pid=77, name="py\x1b[31mthon", user="me", used_nbytes=GIB, gpu_percent=0)
    busy = GpuProcess(pid=78, name="python", used_nbytes=GIB, gpu_percent=90, cpu_percent=100.0)
    gpu = Gpu(
        index=0,
        name="A\x1b100",
        total_nbytes=16 * GIB,
        used_nbytes=9 * GIB,
        percent=None,
        processes=(idle, busy),
    )
    text = gpu_text([gpu], Screen(width=80, colour=False))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "\x1b" not in text
    assert "kill 77" in text
    assert "kill 78" not in text
    assert "held by nobody who can be seen" in text
    assert "ckptdoctor.free_gpu_memory()" in text
    assert '"hidden_bytes": 7516192768' in gpu_json([gpu])


def test_free_without_a_gpu_drops_the_last_traceback_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sys.last_traceback = None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    done = ckptdoctor.free_gpu_memory()
    assert not hasattr(sys, "last_traceback")
    assert str(done) == "torch holds no GPU memory in this process"
    assert done.freed_nbytes == 0


def test_what_was_freed_reads_well() -> None:
    done = FreedMemory(devices={0: (3 * GIB, GIB)}, holders=(("model", GIB),))
    assert str(done).splitlines() == [
        "freed 2048 MiB of GPU memory",
        "  cuda:0: 3072 -> 1024 MiB",
        "still held by: (del NAME frees it)",
        "  model: 1024.0 MiB",
    ]
    assert repr(done) == str(done)


@has_gpu
def test_memory_is_freed_and_its_holders_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # pragma: no cover
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "kept", torch.ones(2**20, device="cuda"), raising=False)
    gone = torch.ones(2**28, device="cuda")
    del gone
    done = free_gpu_memory()
    assert done.freed_nbytes >= 2**30
    assert "kept" in dict(done.holders)
