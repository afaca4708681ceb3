"""The last loss, for a thread that must not wait for the GPU that computes it."""

from __future__ import annotations

from typing import SupportsFloat

import torch

__all__ = ["LastValue"]


class LastValue:
    """Holds a number, or a copy of one that a GPU sends when it gets there."""

    def __init__(self) -> None:
        self._value: float | None = None
        self._copy: torch.Tensor | None = None  # pinned; the GPU writes to it
        self._arrived: torch.cuda.Event | None = None  # of the first copy into it

    def put(self, value: SupportsFloat | None) -> None:
        """Keep a value; never waits. A tensor on a device other than a GPU is left alone."""
        if isinstance(value, torch.Tensor):
            if value.device.type == "cpu":
                self._value, self._copy = float(value.detach()), None
            elif value.device.type == "cuda":
                self._from_cuda(value.detach().reshape(()))
        elif value is not None:
            self._value, self._copy = float(value), None

    def get(self) -> float | None:
        """The last value that has arrived; None where none has."""
        copy, arrived = self._copy, self._arrived
        if copy is None or (arrived is not None and not arrived.query()):  # type: ignore[no-untyped-call]
            return self._value
        return float(copy)

    def _from_cuda(self, value: torch.Tensor) -> None:
        """Ask the GPU for a copy; until it comes, the one before is the last that is known."""
        if self._copy is not None and self._copy.dtype is value.dtype:
            self._copy.copy_(value, non_blocking=True)
            return
        copy = torch.empty((), dtype=value.dtype, pin_memory=True)
        copy.copy_(value, non_blocking=True)
        self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._arrived.record(torch.cuda.current_stream(value.device))
        self._copy = copy
