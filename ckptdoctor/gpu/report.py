"""What is known of the GPUs and of the processes on them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Activity", "Gpu", "GpuProcess", "GpuReport", "ProcessState"]

# The driver, page tables and contexts take memory that no process is charged with: some hundred
# megabytes on a large card. Less than this is not worth a line.
_OVERHEAD_BYTES = 500_000_000
_OVERHEAD_SHARE = 0.02


class ProcessState(Enum):
    """What the operating system says of a process."""

    RUNNING = "running"
    SLEEPING = "sleeping"
    BLOCKED = "blocked"  # in the kernel, where no signal reaches it
    STOPPED = "stopped"  # Ctrl-Z, or a debugger
    ZOMBIE = "zombie"
    HIDDEN = "hidden"  # not in this system's list: another container's, or gone
    UNKNOWN = "unknown"


class Activity(Enum):
    """What a process that holds memory seems to be doing."""

    COMPUTING = "computing"  # on the GPU
    BUSY = "busy"  # on the processor
    IDLE = "idle"
    STOPPED = "stopped"
    ZOMBIE = "zombie"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcess:
    """A process that has memory on a GPU.

    Attributes:
        pid: as the driver says; a process that is hidden may have another one here.
        name: program and script, without other arguments, which may hold secrets; "" if unknown.
        user: who runs it; "" if unknown.
        used_bytes: on this GPU; None where the driver does not tell.
        sm_utilisation: of this GPU's multiprocessors over the last seconds, 0 to 100; None where
            the driver does not tell.
        cpu_share: cores kept busy over a short sample; None if unknown.
        state: by the operating system.
        activity: what it adds up to.
        parent: the process that started it; None if unknown.
        is_self: whether it is this process.
        is_ancestor: whether it started this process, as a notebook does that runs a command.
        is_own: whether it is this user's, so that this user may end it.
        is_notebook: whether it is a kernel of Jupyter, Kaggle or Colab.
    """

    pid: int
    name: str = ""
    user: str = ""
    used_bytes: int | None = None
    sm_utilisation: int | None = None
    cpu_share: float | None = None
    state: ProcessState = ProcessState.UNKNOWN
    activity: Activity = Activity.UNKNOWN
    parent: int | None = None
    is_self: bool = False
    is_ancestor: bool = False
    is_own: bool = False
    is_notebook: bool = False

    @property
    def is_zombie(self) -> bool:
        """Whether it has ended, and its parent has not asked how."""
        return self.state is ProcessState.ZOMBIE


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU, or an instance of one that is divided (MIG).

    Attributes:
        index: as the driver counts, whatever ``CUDA_VISIBLE_DEVICES`` says.
        instance: the number of the MIG instance; None for a whole GPU.
        name: of the product; "" if unknown.
        total_bytes: its memory; None if the driver does not tell.
        used_bytes: by all processes; None if the driver does not tell.
        utilisation: of its multiprocessors, 0 to 100; None if the driver does not tell.
        processes: the largest first.
        problem: why nothing is known of it; "" if there is no problem.
    """

    index: int
    instance: int | None = None
    name: str = ""
    total_bytes: int | None = None
    used_bytes: int | None = None
    utilisation: int | None = None
    processes: tuple[GpuProcess, ...] = ()
    problem: str = ""

    @property
    def label(self) -> str:
        """``0``, or ``0:1`` for a MIG instance."""
        return str(self.index) if self.instance is None else f"{self.index}:{self.instance}"

    @property
    def unowned_bytes(self) -> int:
        """Memory in use that is charged to no process listed; 0 if it is too little to mind."""
        if self.used_bytes is None:
            return 0
        owned = sum(process.used_bytes or 0 for process in self.processes)
        left = self.used_bytes - owned
        least = max(_OVERHEAD_BYTES, int((self.total_bytes or 0) * _OVERHEAD_SHARE))
        return left if left > least else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuReport:
    """Every GPU of this machine.

    Attributes:
        gpus: in the driver's order.
        driver: the version of the driver; "" if unknown.
        unavailable: why there is no GPU to examine, and what to do, a sentence; "" if there is one.
    """

    gpus: tuple[Gpu, ...] = ()
    driver: str = ""
    unavailable: str = ""

    def processes(self) -> Iterator[tuple[Gpu, GpuProcess]]:
        """Every process with the GPU it is on; one on two GPUs comes twice."""
        for gpu in self.gpus:
            for process in gpu.processes:
                yield gpu, process
