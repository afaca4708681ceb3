"""How many cores this process may use: those it is bound to, and what its container is granted."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

__all__ = ["available_cores"]

_GROUPS = Path("/sys/fs/cgroup")
"""Where Linux shows a container what it is granted: as ``man 7 cgroups`` has it."""


def available_cores(groups: Path = _GROUPS) -> int:
    """How many cores this process may use, at least one.

    A container on a machine with many cores is often granted the time of few of them: more threads
    than that stand in each other's way, and each has its buffers.

    Args:
        groups: the folder of control groups.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    granted = _granted(groups)
    cores = bound or 1
    return cores if granted is None else max(1, min(cores, math.ceil(granted)))


def _granted(groups: Path) -> float | None:
    """The time that the container is granted, in cores; None where it is not bounded."""
    with contextlib.suppress(OSError, ValueError):  # version 2: "max 100000"
        quota, period = (groups / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else _cores(int(quota), int(period))
    with contextlib.suppress(OSError, ValueError):  # version 1: -1 for none
        quota, period = (
            (groups / "cpu" / f"cpu.cfs_{name}_us").read_text(encoding="ascii")
            for name in ("quota", "period")
        )
        return _cores(int(quota), int(period))
    return None


def _cores(quota: int, period: int) -> float | None:
    return quota / period if quota > 0 and period > 0 else None
