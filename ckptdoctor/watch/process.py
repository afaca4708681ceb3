"""What a training process is doing: computing, sleeping, or gone; and where in its Python code."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["ProcessState", "has_ended", "look_at"]

_SAMPLE_S = 0.5
_LOOKS = 5
_BUSY_PERCENT = 20.0
_STACK_TIMEOUT_S = 20.0
_MOST_LINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessState:
    """What was seen of a process and its children.

    Attributes:
        pid: of the process.
        alive: whether it is there.
        cpu_percent: of one core, over half a second, children included; None where it is gone.
        message: a sentence.
        stack: its Python stacks as py-spy shows them; "" where that cannot be had.
    """

    pid: int
    alive: bool
    cpu_percent: float | None
    message: str
    stack: str = ""


def look_at(pid: int) -> ProcessState:
    """What the process does now. Takes half a second, more where py-spy is asked."""
    import psutil

    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        for one in family:
            one.cpu_percent(None)
        is_ready = _is_always_ready(family)
        cpu = sum(_cpu_percent(one) for one in family)
        status = process.status()
    except psutil.NoSuchProcess:
        return ProcessState(
            pid=pid, alive=False, cpu_percent=None, message=f"process {pid} is gone"
        )
    except psutil.AccessDenied:
        return ProcessState(
            pid=pid, alive=True, cpu_percent=None, message=f"process {pid} may not be looked at"
        )
    if status == psutil.STATUS_ZOMBIE:
        return ProcessState(
            pid=pid, alive=False, cpu_percent=0.0, message=f"process {pid} has ended (a zombie)"
        )
    doing = (
        f"computes ({cpu:.0f} % of a core): it may loop for ever, on NaN for instance"
        if cpu >= _BUSY_PERCENT
        else f"computes as far as others let it ({cpu:.0f} % of a core): too much runs beside it"
        if is_ready
        else f"sleeps ({cpu:.0f} % of a core): it waits, for data, a lock, a disk or another rank"
    )
    return ProcessState(
        pid=pid,
        alive=True,
        cpu_percent=cpu,
        message=f"process {pid} {doing}",
        stack=_python_stack(pid),
    )


def has_ended(pid: int) -> bool:
    """Whether the process is gone, or has ended and waits to be noticed by its parent."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:  # it may not be looked at, so it is there
        return False


def _is_always_ready(family: Sequence[object]) -> bool:
    """Whether one of them runs, or waits for nothing but a core, each time it is looked at."""
    import psutil

    ready = set(family)
    for _ in range(_LOOKS):
        time.sleep(_SAMPLE_S / _LOOKS)
        ready = {one for one in ready if _status(one) == psutil.STATUS_RUNNING}
    return bool(ready)


def _status(process: object) -> str:
    import psutil

    try:
        return str(process.status())  # type: ignore[attr-defined]
    except psutil.Error:
        return ""


def _cpu_percent(process: object) -> float:
    import psutil

    try:
        return float(process.cpu_percent(None))  # type: ignore[attr-defined]
    except psutil.Error:
        return 0.0


def _python_stack(pid: int) -> str:
    """What ``py-spy dump`` says; "" where it is not installed or may not look."""
    spy = shutil.which("py-spy")
    if spy is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603  (a program of the user's, with a number)
            [spy, "dump", "--pid", str(pid)],
            capture_output=True,
            text=True,
            timeout=_STACK_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "\n".join(done.stdout.splitlines()[:_MOST_LINES]) if done.returncode == 0 else ""
