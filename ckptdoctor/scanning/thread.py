"""What one thread of a scan does: fill its buffer, check what lies in it, and measure it."""

from __future__ import annotations

import mmap
import os
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from zlib_ng import zlib_ng

from ckptdoctor.dtypes import DType
from ckptdoctor.scanning.kernels import EMPTY, Extremes, Measurement, Worker, merge
from ckptdoctor.scanning.plan import CHUNK_NBYTES, Piece, StorageScan, sample_step
from ckptdoctor.scanning.reading import read_into
from ckptdoctor.scanning.rows import RowKind, Rows, note_finite
from ckptdoctor.scanning.spelled import spelled
from ckptdoctor.sources.descriptors import pread

__all__ = ["InflateError", "ThreadState", "decode"]

_PRIVATE: dict[str, int] = (
    {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if os.name == "posix" else {}
)

_UNSIGNED: dict[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}


class InflateError(Exception):
    """A deflated record is damaged; the message names it."""


class ThreadState:
    """The buffer and the worker of one thread."""

    def __init__(self, worker: Worker, serial: threading.Lock | None) -> None:
        self._worker = worker
        self._serial = serial
        # Aligned to pages, private so that it counts as ours, and given back at once.
        self._buffer = mmap.mmap(-1, CHUNK_NBYTES, **_PRIVATE)
        self.view = memoryview(self._buffer)
        self._rows = Rows()

    def fill(self, fd: int, offset: int, nbytes: int) -> None:
        """Read into the start of the buffer.

        Raises:
            FileShrankError: the file ends first.
        """
        read_into(self.view[:nbytes], fd, offset)

    def measure(self, piece: Piece, start: int, byteorder: str, *, check: bool) -> None:
        """Check and measure a piece that lies in the buffer; destroys it."""
        view = self._checked(piece, start, byteorder, check=check)
        if piece.dtype is not None:
            self._measure(piece, view, byteorder)

    def measure_all(self, pieces: Sequence[tuple[Piece, int, bool]], byteorder: str) -> None:
        """As :meth:`measure`, the short ones of a kind together.

        Args:
            pieces: each with its place in the buffer, and whether to check it.
            byteorder: of their elements.
        """
        if len(pieces) == 1 or byteorder == "big":
            for piece, start, check in pieces:
                self.measure(piece, start, byteorder, check=check)
            return
        for piece, start, check in pieces:
            view = self._checked(piece, start, byteorder, check=check)
            if piece.dtype is not None and not self._rows.take(piece, view):
                self._measure(piece, view, byteorder)
        for kind, rows in self._rows.batches():
            matrix = self._rows.matrix(kind, rows)
            found = None if matrix is None else self._ask_rows(matrix, kind, len(rows))
            for piece, view in rows if found is None else note_finite(kind, rows, found):
                self._measure(piece, view, byteorder)

    def _checked(self, piece: Piece, start: int, byteorder: str, *, check: bool) -> memoryview:
        """The bytes of a piece, once checksum and sample were taken of them."""
        view = self.view[start : start + piece.nbytes]
        if check:
            piece.crc32 = zlib_ng.crc32(view)
        if piece.sampled:
            piece.sample = self._sample(view, piece, byteorder)
        return view

    def _measure(self, piece: Piece, view: memoryview, byteorder: str) -> None:
        if piece.dtype is not None:
            piece.measurement = self.ask(view, piece.dtype, byteorder)
            piece.saturated = self._saturated(view, piece.dtype, piece.measurement)

    def _ask_rows(self, matrix: memoryview, kind: RowKind, count: int) -> Extremes:
        if self._serial is None:
            return self._worker.rows(matrix, kind.dtype, count, kind.width)
        with self._serial:
            return self._worker.rows(matrix, kind.dtype, count, kind.width)

    @staticmethod
    def _sample(view: memoryview, piece: Piece, byteorder: str) -> bytes:
        """A few elements of what lies in the buffer, evenly spaced."""
        if not piece.sampled or byteorder == "big" or piece.dtype is None:
            return b""
        step = sample_step(len(view) // piece.dtype.itemsize, piece.sampled)
        if step == 1:
            return view.tobytes()
        return view.cast(_UNSIGNED[piece.dtype.itemsize])[::step].tobytes()

    def _saturated(self, view: memoryview, dtype: DType, found: Measurement) -> int:
        """How many elements are as large as can be; they are counted only if the largest one is."""
        if not dtype.saturations or found.min is None or found.max is None:
            return 0
        magnitude = dtype.saturations.get(max(found.max, -found.min))
        return 0 if magnitude is None else self._worker.count_magnitude(view, dtype, magnitude)

    def measure_long(
        self, piece: Piece, fd: int, offset: int, byteorder: str, *, check: bool
    ) -> None:
        """Read, check and measure a piece that is longer than the buffer, chunk by chunk."""
        total, crc32 = EMPTY, 0
        samples = []
        for done in range(0, piece.nbytes, CHUNK_NBYTES):
            nbytes = min(CHUNK_NBYTES, piece.nbytes - done)
            self.fill(fd, offset + done, nbytes)
            view = self.view[:nbytes]
            if check:
                crc32 = zlib_ng.crc32(view, crc32)
            if piece.dtype is not None:
                samples.append(self._sample(view, piece, byteorder))
                found = self.ask(view, piece.dtype, byteorder)
                piece.saturated += self._saturated(view, piece.dtype, found)
                total = merge(total, found, done // piece.dtype.itemsize) if done else found
        piece.measurement, piece.crc32, piece.sample = total, crc32, b"".join(samples)

    def ask(self, view: memoryview, dtype: DType, byteorder: str) -> Measurement:
        """Measure, one thread at a time where the backend spreads a call over the cores itself."""
        if byteorder == "big":
            _swap(view, dtype.itemsize // (2 if dtype.component else 1))
        if self._serial is None:
            return self._worker.measure(view, dtype)
        with self._serial:
            return self._worker.measure(view, dtype)

    def asker(self, piece: Piece, byteorder: str) -> Callable[[memoryview], Measurement]:
        """:meth:`ask` for elements of one type, the largest counted in the piece."""

        def ask(view: memoryview) -> Measurement:
            dtype = piece.dtype
            if dtype is None:
                return EMPTY
            found = self.ask(view, dtype, byteorder)
            piece.saturated += self._saturated(view, dtype, found)
            return found

        return ask


def _swap(view: memoryview, itemsize: int) -> None:
    """Reverse the bytes of every item in place."""
    if itemsize > 1:
        plain = bytes(view)
        for byte in range(itemsize):
            view[byte::itemsize] = plain[itemsize - 1 - byte :: itemsize]


def decode(scan: StorageScan, fd: int, state: ThreadState, byteorder: str) -> None:
    """Measure a storage that the file holds deflated, or that its pickle held encoded."""
    chunks = _decoded(scan, fd)
    held = b""
    done = 0
    for piece in scan.pieces:
        parts = [held]
        have = len(held)
        while have < piece.nbytes:
            chunk = next(chunks, b"")
            if not chunk:
                raise InflateError(scan.ref.key)
            parts.append(chunk)
            have += len(chunk)
        joined = b"".join(parts)
        held = joined[piece.nbytes :]
        done += piece.nbytes
        state.view[: piece.nbytes] = joined[: piece.nbytes]
        state.measure(piece, 0, byteorder, check=scan.check_crc)
    if done == scan.ref.nbytes and (held or next(chunks, b"")):
        raise InflateError(scan.ref.key)  # it goes on behind its size: torch refuses it too


def _decoded(scan: StorageScan, fd: int) -> Iterator[bytes]:
    """The plain bytes of a storage, in chunks.

    Raises:
        InflateError: the stream is damaged, or has no end.
    """
    ref = scan.ref
    if ref.inline is not None:
        yield ref.inline
        return
    if ref.text_nbytes is not None:
        try:
            yield from spelled(fd, ref)
        except ValueError as error:
            raise InflateError(ref.key) from error
        return
    inflate = zlib.decompressobj(-15)
    at, end = ref.offset, ref.offset + (ref.deflated_nbytes or 0)
    packed = b""
    while not inflate.eof:
        if not packed and at < end:
            packed = pread(fd, min(CHUNK_NBYTES // 4, end - at), at)
            at += len(packed)
        try:
            plain = inflate.decompress(packed, CHUNK_NBYTES)
        except zlib.error as error:
            raise InflateError(ref.key) from error
        packed = inflate.unconsumed_tail
        if not plain and not packed and at >= end and not inflate.eof:
            raise InflateError(ref.key)
        if plain:
            yield plain
