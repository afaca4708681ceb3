"""What ``torch.save`` writes to: a file whose errors are told, or memory; checksums always on."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

import torch

__all__ = ["FileSink", "MemorySink", "Sink", "torch_save"]

_PIECE_NBYTES = 1 << 18


class Sink:
    """Where the bytes go.

    torch hides an error of the system behind one of its own, or loses it: the first one is kept.
    """

    def __init__(self) -> None:
        self.error: OSError | None = None

    def write(self, data: bytes | memoryview) -> int:
        """Takes all of the bytes; after an error it drops them."""
        raise NotImplementedError

    def flush(self) -> None:
        """Nothing is held back."""


class FileSink(Sink):
    """An open file, written without a buffer.

    A tensor is written in pieces: of 4 MB at a time Linux took two to five times as long for
    256 MB in its page cache, 170 to 460 ms of the processor for 90.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd

    def write(self, data: bytes | memoryview) -> int:
        """Write all of the bytes."""
        rest = memoryview(data)
        try:
            while self.error is None and rest:
                rest = rest[os.write(self._fd, rest[:_PIECE_NBYTES]) :]
        except OSError as error:
            self.error = error
        return len(data)


class MemorySink(Sink):
    """Copies of the pieces; torch lends them for the length of the call."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, data: bytes | memoryview) -> int:
        """Keep the bytes."""
        self.pieces.append(bytes(data))
        return len(data)


def torch_save(obj: object, sink: Sink) -> None:
    """``torch.save`` with a checksum for every record."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_checksums())
        torch.save(obj, _Starting(sink, stack.close))  # type: ignore[arg-type]


class _Starting(Sink):
    """Passes on what is written, and tells of the first piece."""

    def __init__(self, sink: Sink, started: Callable[[], None]) -> None:
        super().__init__()
        self._sink = sink
        self._started: Callable[[], None] | None = started

    def write(self, data: bytes | memoryview) -> int:
        """Pass on the bytes."""
        if self._started is not None:
            self._started()
            self._started = None
        return self._sink.write(data)


_SWITCHING = threading.RLock()


@contextlib.contextmanager
def _checksums() -> Iterator[None]:
    """Checksums switched on in torch, and the switch put back.

    There is one switch for all threads in some versions of torch, and it is looked at only before
    the first byte is written: it is held until then and no longer.
    """
    get = getattr(torch.serialization, "get_crc32_options", None)
    put = getattr(torch.serialization, "set_crc32_options", None)
    if get is None or put is None:  # before torch 2.6 they are always on
        yield
        return
    with _SWITCHING:
        was_on = get()
        try:
            if not was_on:
                put(compute_crc32=True)
            yield
        finally:
            if not was_on:
                put(compute_crc32=False)
