"""GPUs as the NVIDIA driver shows them, asked through NVML (the package ``nvidia-ml-py``).

A driver answers what it can: on a laptop, in a container, under MIG or on Windows a good many
questions get "not supported". Each answer that is missing leaves its field at None.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from ckptdoctor.gpu.proc import Seen, ancestors, cuda_pids, look_at
from ckptdoctor.gpu.report import Activity, Gpu, GpuProcess, GpuReport, ProcessState
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["activity_of", "read_gpus"]

_NO_PACKAGE = "the package that asks the NVIDIA driver is missing: pip install nvidia-ml-py"
_NO_DRIVER = "no NVIDIA driver on this machine, so no GPU to examine (only NVIDIA's can be)"
_NOT_LOADED = "the NVIDIA driver is installed and not loaded; is there a GPU? Try nvidia-smi"
_MISMATCH = "the NVIDIA driver was updated under way and no longer matches its library: reboot"
_NO_PERMISSION = "this user may not ask the NVIDIA driver"
_NO_GPU = "there is an NVIDIA driver, and no GPU that this process may see"
_INIT_ERRORS = {
    "NVML_ERROR_LIBRARY_NOT_FOUND": _NO_DRIVER,
    "NVML_ERROR_DRIVER_NOT_LOADED": _NOT_LOADED,
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH": _MISMATCH,
    "NVML_ERROR_NO_PERMISSION": _NO_PERMISSION,
}
_LOOK_BACK_S = 3.0  # the driver samples a few times a second, and keeps some seconds
_BUSY_SHARE = 0.05


def read_gpus(*, sample_s: float = 0.3) -> GpuReport:
    """Every GPU with the processes on it; never raises for what a driver lacks.

    No CUDA context is made: asking takes no memory on the GPU.

    Args:
        sample_s: how long processor time is watched, in seconds.
    """
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return GpuReport(unavailable=_NO_PACKAGE)
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return GpuReport(unavailable=_why(nvml, error))
    try:
        return _report(_Driver(nvml=nvml), sample_s)
    finally:
        _Driver(nvml=nvml).ask("nvmlShutdown")


def _why(nvml: Any, error: Exception) -> str:
    value = getattr(error, "value", None)
    for constant, sentence in _INIT_ERRORS.items():
        if value is not None and value == getattr(nvml, constant, None):
            return sentence
    return f"the NVIDIA driver does not answer: {error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Driver:
    """The library, with every failure to answer turned into None."""

    nvml: Any

    def ask(self, question: str, *arguments: object) -> Any:
        """The answer, or None: not supported, not permitted, not known to this version."""
        function = getattr(self.nvml, question, None)
        if function is None:
            return None
        try:
            return function(*arguments)
        except self.nvml.NVMLError:
            return None

    def handle(self, index: int) -> tuple[Any, str]:
        """A GPU, or None and why it cannot be asked."""
        try:
            return self.nvml.nvmlDeviceGetHandleByIndex(index), ""
        except self.nvml.NVMLError as error:
            return None, str(error)


def _report(driver: _Driver, sample_s: float) -> GpuReport:
    count = driver.ask("nvmlDeviceGetCount") or 0
    version = _text(driver.ask("nvmlSystemGetDriverVersion"))
    if not count:
        return GpuReport(driver=version, unavailable=_NO_GPU)
    gpus = [gpu for index in range(count) for gpu in _read(driver, index)]
    pids = {process.pid for gpu in gpus for process in gpu.processes}
    people = _People.watch(pids, sample_s)
    return GpuReport(gpus=tuple(people.introduce(gpu) for gpu in gpus), driver=version)


def _read(driver: _Driver, index: int) -> Iterator[Gpu]:
    """A GPU, or its MIG instances where it is divided."""
    handle, problem = driver.handle(index)
    if handle is None:
        yield Gpu(index=index, problem=problem)
        return
    instances = list(_instances(driver, handle))
    for number, instance in instances:
        yield _gpu(driver, instance, index, number)
    if not instances:
        whole = _gpu(driver, handle, index, None)
        minor = driver.ask("nvmlDeviceGetMinorNumber", handle)
        yield _with_unlisted(whole, index if minor is None else minor)


def _instances(driver: _Driver, handle: Any) -> Iterator[tuple[int, Any]]:
    mode = driver.ask("nvmlDeviceGetMigMode", handle)
    if not mode or not mode[0]:
        return
    for number in range(driver.ask("nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
        instance = driver.ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, number)
        if instance is not None:
            yield number, instance


def _gpu(driver: _Driver, handle: Any, index: int, instance: int | None) -> Gpu:
    # The second version of the answer leaves out what the driver keeps for itself.
    version = getattr(driver.nvml, "nvmlMemory_v2", None)
    memory = driver.ask("nvmlDeviceGetMemoryInfo", handle, version) if version else None
    memory = memory or driver.ask("nvmlDeviceGetMemoryInfo", handle)
    rates = driver.ask("nvmlDeviceGetUtilizationRates", handle)
    return Gpu(
        index=index,
        instance=instance,
        name=_text(driver.ask("nvmlDeviceGetName", handle)),
        total_bytes=None if memory is None else int(memory.total),
        used_bytes=None if memory is None else int(memory.used),
        utilisation=None if rates is None else int(rates.gpu),
        processes=tuple(_processes(driver, handle)),
    )


def _text(answer: Any) -> str:
    """A name; old versions of the package give bytes."""
    if isinstance(answer, bytes):
        return answer.decode("utf-8", "replace")
    return "" if answer is None else str(answer)


def _processes(driver: _Driver, handle: Any) -> Iterator[GpuProcess]:
    used: dict[int, int | None] = {}
    for kind in ("Compute", "Graphics", "MPSCompute"):
        for info in driver.ask(f"nvmlDeviceGet{kind}RunningProcesses", handle) or ():
            held, known = info.usedGpuMemory, used.get(info.pid)
            # One that computes and draws is in both lists, with the same figure.
            used[info.pid] = known if held is None else max(held, known or 0)
    shares = _sm_shares(driver, handle)
    for pid, held in used.items():
        name = _text(driver.ask("nvmlSystemGetProcessName", pid))
        share = None if shares is None else shares.get(pid, 0)
        short = Path(name).name
        yield GpuProcess(pid=pid, name=short, used_bytes=held, sm_utilisation=share)


def _sm_shares(driver: _Driver, handle: Any) -> Mapping[int, int] | None:
    """The use of the multiprocessors by process; one that did nothing is not in it."""
    nvml = driver.nvml
    since = int((time.time() - _LOOK_BACK_S) * 1e6)
    try:
        samples = nvml.nvmlDeviceGetProcessUtilization(handle, since)
    except nvml.NVMLError as error:
        nothing = getattr(nvml, "NVML_ERROR_NOT_FOUND", object())
        return {} if getattr(error, "value", None) == nothing else None
    except AttributeError:  # an old version of the package
        return None
    shares: dict[int, int] = {}
    for sample in samples:
        if 0 <= sample.smUtil <= 100:  # some drivers leave the fields of dead samples unset
            shares[sample.pid] = max(shares.get(sample.pid, 0), int(sample.smUtil))
    return shares


def _with_unlisted(gpu: Gpu, minor: int) -> Gpu:
    """The GPU with those that have it open for CUDA, where the driver lists nobody."""
    if gpu.processes or not gpu.used_bytes:
        return gpu
    found = tuple(
        GpuProcess(pid=pid)
        for pid in sorted(cuda_pids())
        if (seen := look_at(pid)) is not None and minor in seen.gpus
    )
    return replace(gpu, processes=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _People:
    """Who the processes are, and how busy their processor was."""

    seen: Mapping[int, Seen]
    cpu_share: Mapping[int, float]
    above: frozenset[int]
    listed: bool  # whether this system lists its processes at all

    @classmethod
    def watch(cls, pids: Iterable[int], sample_s: float) -> _People:
        first = {pid: seen for pid in pids if (seen := look_at(pid)) is not None}
        started = time.monotonic()
        if first:
            time.sleep(sample_s)
        second = {pid: seen for pid in first if (seen := look_at(pid)) is not None}
        elapsed = time.monotonic() - started
        shares = {
            pid: max(0.0, seen.cpu_s - before) / elapsed
            for pid, seen in second.items()
            if elapsed > 0 and seen.cpu_s is not None and (before := first[pid].cpu_s) is not None
        }
        ours = os.getpid()
        listed = look_at(ours) is not None
        return cls(seen=second, cpu_share=shares, above=ancestors(ours), listed=listed)

    def introduce(self, gpu: Gpu) -> Gpu:
        known = [self._introduce(process, gpu) for process in gpu.processes]
        known.sort(key=lambda process: (-(process.used_bytes or 0), process.pid))
        return replace(gpu, processes=tuple(known))

    def _introduce(self, process: GpuProcess, gpu: Gpu) -> GpuProcess:
        seen = self.seen.get(process.pid)
        if seen is None or _is_another(seen):
            state = ProcessState.HIDDEN if self.listed else ProcessState.UNKNOWN
            activity = activity_of(state, process.sm_utilisation, None, gpu.utilisation)
            return replace(process, state=state, activity=activity)
        share = self.cpu_share.get(process.pid)
        return replace(
            process,
            name=seen.name or process.name,
            user=seen.user,
            state=seen.state,
            parent=seen.parent,
            cpu_share=share,
            activity=activity_of(seen.state, process.sm_utilisation, share, gpu.utilisation),
            is_self=process.pid == os.getpid(),
            is_ancestor=process.pid in self.above,
            is_own=seen.uid == os.getuid(),
            is_notebook=seen.is_notebook,
        )


def _is_another(seen: Seen) -> bool:
    """Whether it cannot be the one that the driver means.

    In a container the driver may count in the numbers of the host; here the number is then
    somebody's who has no GPU open, and must not be told to end it.
    """
    return seen.state is not ProcessState.ZOMBIE and seen.opens_gpu is False


def activity_of(
    state: ProcessState, sm: int | None, cpu_share: float | None, gpu_utilisation: int | None
) -> Activity:
    """What a process seems to be doing.

    Args:
        state: by the operating system.
        sm: its use of the multiprocessors in percent; None if unknown.
        cpu_share: cores kept busy; None if unknown.
        gpu_utilisation: of the whole GPU in percent; None if unknown.
    """
    if state is ProcessState.ZOMBIE:
        return Activity.ZOMBIE
    if state is ProcessState.STOPPED:
        return Activity.STOPPED
    if sm:
        return Activity.COMPUTING
    if cpu_share is not None and cpu_share >= _BUSY_SHARE:
        return Activity.BUSY
    if sm == 0 or gpu_utilisation == 0:
        # Without a look at its processor it may still be loading data.
        return Activity.UNKNOWN if cpu_share is None else Activity.IDLE
    return Activity.UNKNOWN  # a process that waits for the GPU uses no processor either
