"""What to free, and how. Nothing here ends a process: it only says which command would."""

from __future__ import annotations

from ckptdoctor.gpu.report import Activity, Gpu, GpuProcess, GpuReport, ProcessState
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Advice", "advise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One thing to do.

    Attributes:
        gpus: the labels of the GPUs that it concerns.
        pid: the process that it concerns; None for memory that no process owns.
        text: what is so, and what to do where no command does it.
        command: to be typed, or put in a cell; "" if there is none.
    """

    gpus: tuple[str, ...]
    pid: int | None = None
    text: str
    command: str = ""


def advise(report: GpuReport) -> tuple[Advice, ...]:
    """What to do about each process that holds memory, the surest first, and about the rest."""
    found: dict[int, tuple[GpuProcess, list[str], int]] = {}
    for gpu, process in report.processes():
        first, labels, held = found.get(process.pid, (process, [], 0))
        held += process.used_bytes or 0
        busier = min(first, process, key=lambda one: _URGENCY.index(one.activity))
        found[process.pid] = (busier, [*labels, gpu.label], held)
    ordered = sorted(found.values(), key=_order)
    advice = [
        Advice(gpus=tuple(labels), pid=process.pid, text=text, command=command)
        for process, labels, _ in ordered
        if not process.is_self
        for text, command in [_about(process)]
    ]
    return (*advice, *(_unowned(gpu) for gpu in report.gpus if gpu.unowned_bytes))


# On two GPUs, a process is what it is on the busier one.
_URGENCY = (
    Activity.ZOMBIE,
    Activity.STOPPED,
    Activity.COMPUTING,
    Activity.BUSY,
    Activity.UNKNOWN,
    Activity.IDLE,
)
_AT_REST = frozenset({Activity.ZOMBIE, Activity.STOPPED, Activity.IDLE})


def _order(entry: tuple[GpuProcess, list[str], int]) -> tuple[bool, bool, bool, int]:
    process, _, held = entry
    mine = process.is_own or process.is_ancestor
    return (not process.is_ancestor, not mine, process.activity not in _AT_REST, -held)


def _about(process: GpuProcess) -> tuple[str, str]:
    """What to say of a process, and the command that frees its memory."""
    if process.state is ProcessState.HIDDEN:
        return "cannot be seen from here: in another container, on the host, or gone by now", ""
    if process.is_zombie:
        return _about_zombie(process)
    if process.is_notebook and (process.is_own or process.is_ancestor):
        whose = "this notebook" if process.is_ancestor else "a notebook of yours"
        return f"{whose}: interrupt its cell, then run in one", "ckptdoctor.free_gpu_memory()"
    if process.is_own:
        return _about_own(process)
    if process.state is ProcessState.UNKNOWN:
        return "end it if you know it, and it is yours", ""
    return f"belongs to {process.user}: ask before anything else", ""


def _about_zombie(process: GpuProcess) -> tuple[str, str]:
    if process.parent is None or process.parent <= 1:
        return "has ended and is still listed: restart the container or the machine", ""
    if not process.is_own:
        return f"has ended; belongs to {process.user}, who must end its parent", ""
    return "has ended, and its parent keeps it listed: end the parent", f"kill {process.parent}"


def _about_own(process: GpuProcess) -> tuple[str, str]:
    command = f"kill {process.pid}"
    match process.activity:
        case Activity.IDLE:
            return "yours, holds memory and computes nothing", command
        case Activity.STOPPED:  # it hears the signal when it goes on
            return "yours, was stopped (Ctrl-Z, a debugger)", f"{command}; kill -CONT {process.pid}"
        case _ if process.state is ProcessState.BLOCKED:
            return "yours, waits inside the driver, where no signal reaches it; try", command
        case Activity.COMPUTING | Activity.BUSY:
            return "yours, and at work; if it is the run that hangs", command
        case _:
            return "yours; if it is the run that died or hangs", command


def _unowned(gpu: Gpu) -> Advice:
    if gpu.processes and any(process.used_bytes is None for process in gpu.processes):
        text = "is in use; the driver does not say how much of it each process holds"
    elif gpu.processes:
        text = (
            "more is in use than these processes hold: by another container, or left by a "
            "process that died; if it stays when they are gone, restart the machine"
        )
    else:
        text = (
            "is in use by no process seen here: in a container that is mostly this session's own "
            "notebook, so restart its kernel; else another container, or a process that died"
        )
    return Advice(gpus=(gpu.label,), text=text)
