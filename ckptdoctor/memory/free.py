"""Giving GPU memory back from inside the process that holds it: for a notebook's cell.

torch is not imported and CUDA is not started: where they are not in use, there is nothing to free.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import Any

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.memory.held import HeldName, held_names
from ckptdoctor.memory.leftovers import drop_leftovers
from ckptdoctor.render.text import bytes_text, printable

__all__ = ["DeviceMemory", "FreedMemory", "free_gpu_memory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMemory:
    """What this process holds of one GPU, before and after.

    Attributes:
        device: ``cuda:0``.
        allocated_before, allocated_after: bytes in tensors.
        reserved_before, reserved_after: bytes that torch keeps, tensors included.
    """

    device: str
    allocated_before: int
    allocated_after: int
    reserved_before: int
    reserved_after: int

    @property
    def freed_bytes(self) -> int:
        """What other processes can use now; never negative."""
        return max(0, self.reserved_before - self.reserved_after)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FreedMemory:
    """What was freed, and what still holds memory; shows itself at the end of a cell.

    Attributes:
        devices: those on which this process has memory, or had.
        dropped: what was let go: the last error's traceback, outputs of cells.
        held: your own variables that hold GPU memory, the largest first; none was deleted. They
            may share memory, so their bytes need not add up.
        note: why nothing could be done, or what went wrong; "" if all went well.
    """

    devices: tuple[DeviceMemory, ...] = ()
    dropped: tuple[str, ...] = ()
    held: tuple[HeldName, ...] = ()
    note: str = ""

    @property
    def freed_bytes(self) -> int:
        """On all devices together."""
        return sum(device.freed_bytes for device in self.devices)

    def __repr__(self) -> str:
        return f"<FreedMemory: {'; '.join(self._lines())}>"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002, FBT001
        """The lines that a notebook shows."""
        printer.text(str(self))

    def _lines(self) -> Iterator[str]:
        for device in self.devices:
            yield (
                f"{device.device}: freed {bytes_text(device.freed_bytes)}, "
                f"{bytes_text(device.allocated_after)} still in tensors"
            )
        if self.dropped:
            yield f"let go of: {', '.join(printable(name) for name in self.dropped)}"
        if self.held:
            yield "still held by: " + ", ".join(
                f"{printable(held.name)} ({bytes_text(held.nbytes)}"
                f"{' and its graph' if held.keeps_graph else ''})"
                for held in self.held
            )
            yield f"to free them: del {', '.join(printable(held.name) for held in self.held)}"
        if any(device.allocated_after for device in self.devices):
            yield "if it is still held after that: restart the kernel"
        if self.note:
            yield printable(self.note)


def free_gpu_memory(*, verbose: bool = False) -> FreedMemory:
    """Give the GPU memory back that this process no longer needs, and name what still holds some.

    Lets go of the last error's traceback, whose frames keep a training loop's tensors alive, and in
    a notebook of outputs (``_``, ``Out[3]``) that hold CUDA tensors; then collects garbage and
    empties torch's cache. Your variables are not touched: they are named, with what they hold.
    torch is not imported and CUDA is not started.

    Call it in a cell of its own, not inside ``except``: there the error is still alive.

    Args:
        verbose: print the result as well.
    """
    result = _free()
    if verbose:
        sys.stdout.write(f"{result}\n")
    return result


def _free() -> FreedMemory:
    torch = sys.modules.get("torch")
    if not _has_cuda(torch):
        return FreedMemory(note="nothing to free: this process has not used CUDA")
    cuda: Any = torch.cuda  # type: ignore[union-attr]
    try:
        before = _measure(cuda)
        dropped = drop_leftovers(torch)
        gc.collect()  # first: only what nothing refers to can be given back
        cuda.empty_cache()
        cuda.ipc_collect()
        after = _measure(cuda)
        held = held_names(torch)
    except RuntimeError as error:  # after an illegal access or a failed assert, every call fails
        return FreedMemory(note=f"CUDA no longer works here, restart the kernel: {_first(error)}")
    devices = tuple(
        DeviceMemory(
            device=f"cuda:{index}",
            allocated_before=old[0],
            allocated_after=new[0],
            reserved_before=old[1],
            reserved_after=new[1],
        )
        for index, (old, new) in enumerate(zip(before, after, strict=True))
        if any((*old, *new))
    )
    note = "" if devices else "torch holds no GPU memory in this process"
    return FreedMemory(devices=devices, dropped=dropped, held=held, note=note)


def _has_cuda(torch: Any) -> bool:
    """Whether CUDA was started; asking does not start it."""
    started = getattr(getattr(torch, "cuda", None), "is_initialized", None)
    return started is not None and bool(started())


def _measure(cuda: Any) -> list[tuple[int, int]]:
    """Bytes in tensors and bytes reserved, by device."""
    return [
        (cuda.memory_allocated(index), cuda.memory_reserved(index))
        for index in range(cuda.device_count())
    ]


def _first(error: BaseException) -> str:
    return str(error).partition("\n")[0]
