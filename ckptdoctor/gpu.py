"""GPU memory by process, as the driver tells it, and how to free it from a notebook.

NVML, the driver's management library, is asked through ``nvidia-ml-py``. torch is not imported, and
CUDA is never initialised: that would take memory itself.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ckptdoctor.errors import UsageError

__all__ = ["FreedMemory", "Gpu", "GpuProcess", "NoGpuError", "free_gpu_memory", "read_gpus"]

_SAMPLE_S = 0.5
_IDLE_PERCENT = 1
_INSTALL = "pip install 'ckptdoctor[gpu]'"
_MOST_NAMES = 20


class NoGpuError(UsageError):
    """There is no GPU to ask, or nothing to ask it with; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcess:
    """A process that holds memory of a GPU.

    Attributes:
        pid: as this system counts; 0 where it lies outside of our container.
        name: of the program; "" where it cannot be seen.
        user: whose it is; "" where it cannot be seen.
        used_nbytes: None where the driver does not tell.
        gpu_percent: how busy it kept the GPU lately; None where the driver does not tell.
        cpu_percent: of one core, over half a second; None where it cannot be seen.
        is_self: whether it is this process.
    """

    pid: int
    name: str = ""
    user: str = ""
    used_nbytes: int | None = None
    gpu_percent: int | None = None
    cpu_percent: float | None = None
    is_self: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether it holds memory and does not compute, as far as can be seen."""
        known = [value for value in (self.gpu_percent, self.cpu_percent) if value is not None]
        return bool(known) and max(known) < _IDLE_PERCENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU.

    Attributes:
        index: as the driver counts.
        name: of the model.
        total_nbytes, used_nbytes: of its memory.
        percent: how busy it is; None where the driver does not tell.
        processes: those that hold memory, most first.
    """

    index: int
    name: str
    total_nbytes: int
    used_nbytes: int
    percent: int | None
    processes: tuple[GpuProcess, ...]

    @property
    def hidden_nbytes(self) -> int:
        """Memory that is held by nobody we can see."""
        held = sum(process.used_nbytes or 0 for process in self.processes)
        return max(0, self.used_nbytes - held)


def read_gpus() -> tuple[Gpu, ...]:
    """Every GPU with the processes that hold its memory.

    Raises:
        NoGpuError: there is none, or ``nvidia-ml-py`` is not installed.
    """
    try:
        import pynvml
    except ImportError as error:
        raise NoGpuError(f"asking the GPU needs nvidia-ml-py: {_INSTALL}") from error
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NoGpuError(f"no NVIDIA GPU or no driver here ({error})") from error
    try:
        count = pynvml.nvmlDeviceGetCount()
        found = tuple(_read_gpu(pynvml, index) for index in range(count))
    except pynvml.NVMLError as error:
        raise NoGpuError(f"the GPU cannot be asked ({error})") from error
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
    if not found:
        raise NoGpuError("the driver is there, and no GPU")
    return found


def _read_gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    rates = _optional(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    held: dict[int, int | None] = {}
    for ask in (
        nvml.nvmlDeviceGetComputeRunningProcesses,
        nvml.nvmlDeviceGetGraphicsRunningProcesses,
    ):
        for process in _optional(nvml, lambda ask=ask: ask(handle)) or ():
            held.setdefault(process.pid, process.usedGpuMemory)
    busy = {
        sample.pid: sample.smUtil
        for sample in _optional(nvml, lambda: nvml.nvmlDeviceGetProcessUtilization(handle, 0)) or ()
    }
    processes = [_describe(pid, used, busy.get(pid)) for pid, used in held.items()]
    name = nvml.nvmlDeviceGetName(handle)
    return Gpu(
        index=index,
        name=name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name),
        total_nbytes=int(memory.total),
        used_nbytes=int(memory.used),
        percent=None if rates is None else int(rates),
        processes=tuple(sorted(processes, key=lambda one: -(one.used_nbytes or 0))),
    )


def _optional(nvml: Any, ask: Any) -> Any:
    """The answer, or None: older cards, MIG and virtual machines do not answer everything."""
    try:
        return ask()
    except nvml.NVMLError:
        return None


def _describe(pid: int, used: int | None, gpu_percent: int | None) -> GpuProcess:
    import os

    import psutil

    name = user = ""
    cpu: float | None = None
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        name = process.name()
        before = sum(process.cpu_times()[:2])
        time.sleep(_SAMPLE_S)
        cpu = 100 * (sum(process.cpu_times()[:2]) - before) / _SAMPLE_S
        user = process.username()
    return GpuProcess(
        pid=pid,
        name=name,
        user=user,
        used_nbytes=None if used is None else int(used),
        gpu_percent=None if gpu_percent is None else int(gpu_percent),
        cpu_percent=cpu,
        is_self=pid == os.getpid(),
    )


# -- from a notebook -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FreedMemory:
    """What :func:`free_gpu_memory` did.

    Attributes:
        devices: index -> bytes that torch held before, and after.
        holders: names in the notebook that still hold GPU memory, with their bytes, most first.
        note: why nothing could be freed, or "".
    """

    devices: dict[int, tuple[int, int]]
    holders: tuple[tuple[str, int], ...] = ()
    note: str = ""

    @property
    def freed_nbytes(self) -> int:
        """On all devices."""
        return sum(before - after for before, after in self.devices.values())

    def __str__(self) -> str:
        if self.note:
            return self.note
        lines = [f"freed {self.freed_nbytes / 2**20:.0f} MiB of GPU memory"]
        lines += [
            f"  cuda:{index}: {before / 2**20:.0f} -> {after / 2**20:.0f} MiB"
            for index, (before, after) in self.devices.items()
        ]
        if self.holders:
            lines.append("still held by: (del NAME frees it)")
            lines += [f"  {name}: {nbytes / 2**20:.1f} MiB" for name, nbytes in self.holders]
        return "\n".join(lines)

    __repr__ = __str__


def free_gpu_memory() -> FreedMemory:
    """Give the GPU memory back that nothing needs any more, and name what still holds some.

    For a notebook's cell, after an interrupt. A traceback that was kept holds every local variable
    of the code that failed, so the last one is dropped; IPython's ``Out`` and ``_`` as far as they
    hold GPU tensors. Variables of yours are named and never deleted. Neither imports torch nor
    initialises CUDA.
    """
    torch = sys.modules.get("torch")
    for name in ("last_traceback", "last_value", "last_exc", "last_type"):
        if hasattr(sys, name):
            delattr(sys, name)
    namespace = _notebook_namespace()
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        gc.collect()
        return FreedMemory(devices={}, note="torch holds no GPU memory in this process")
    before = {index: torch.cuda.memory_reserved(index) for index in _devices(torch)}
    _drop_outputs(namespace, torch)
    gc.collect()
    for index in before:
        with torch.cuda.device(index):
            torch.cuda.empty_cache()
            torch.cuda.ipc_collect()
    after = {index: torch.cuda.memory_reserved(index) for index in before}
    held = [
        (name, nbytes)
        for name, value in namespace.items()
        if not name.startswith("_") and (nbytes := _cuda_nbytes(value, torch))
    ]
    return FreedMemory(
        devices={index: (before[index], after[index]) for index in before},
        holders=tuple(sorted(held, key=lambda one: -one[1])[:_MOST_NAMES]),
    )


def _devices(torch: Any) -> Iterator[int]:
    return iter(range(torch.cuda.device_count()))


def _notebook_namespace() -> dict[str, Any]:
    """The variables of the notebook; those of the main module elsewhere."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None:
        shell.last_execution_result = None
        return dict(shell.user_ns)
    return dict(vars(sys.modules["__main__"])) if "__main__" in sys.modules else {}


def _drop_outputs(namespace: dict[str, Any], torch: Any) -> None:
    """What IPython keeps of earlier cells, as far as it holds GPU tensors."""
    outputs = namespace.get("Out")
    if isinstance(outputs, dict):
        for key in [key for key, value in outputs.items() if _cuda_nbytes(value, torch)]:
            del outputs[key]
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None:
        for name in [n for n in shell.user_ns if n.startswith("_") and n.strip("_").isdigit()]:
            if _cuda_nbytes(shell.user_ns[name], torch):
                del shell.user_ns[name]
        for name in ("_", "__", "___"):
            if _cuda_nbytes(shell.user_ns.get(name), torch):
                shell.user_ns[name] = ""


def _cuda_nbytes(value: object, torch: Any, depth: int = 0) -> int:
    """Bytes of GPU memory that a value holds: a tensor, a module, an optimizer, a container."""
    if isinstance(value, torch.Tensor):
        own = value.untyped_storage().nbytes() if value.is_cuda else 0
        return own + (_cuda_nbytes(value.grad, torch) if value.is_leaf and depth < 3 else 0)
    if depth >= 3:
        return 0
    if isinstance(value, torch.nn.Module):
        inside: Any = [*value.parameters(), *value.buffers()]
    elif isinstance(value, torch.optim.Optimizer):
        inside = [state for states in value.state.values() for state in states.values()]
    elif isinstance(value, dict):
        inside = list(value.values())
    elif isinstance(value, list | tuple | set):
        inside = list(value)
    else:
        return 0
    return sum(_cuda_nbytes(one, torch, depth + 1) for one in inside)
