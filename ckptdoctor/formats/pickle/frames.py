"""A pickle as Python's reader in C takes it, where its frames do not end where opcodes do.

That reader asks its file for a whole frame and works in that buffer. An argument that does not fit
into the rest of the buffer is read from the file, behind the frame, and the rest is dropped. What
is dropped differs with the file: one that can be peeked into keeps small reads together.

Source: ``_Unpickler_ReadImpl``, ``_Unpickler_ReadFromFile``, ``_Unpickler_ReadInto`` and
``_Unpickler_Readline`` in ``Modules/_pickle.c`` of CPython 3.11.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

from ckptdoctor.formats.source import ByteSource

__all__ = ["other_readings"]

_MOST_NBYTES = 64 << 20
_PREFETCH_NBYTES = 128 << 10
_FILE_BUFFERS = (4096, 8192, 128 << 10)  # what `open` gives, by the version and the file system

_STOP = ord(".")
_FRAME = 0x95
_READ_INTO = frozenset(b"BC\x8e\x96")  # byte strings are read across a border
_TWO_LINES = frozenset(b"ci")
_COUNTS = {-2: "<B", -3: "<i", -4: "<I", -5: "<Q"}  # pickletools' kinds of counted arguments


class _EndsError(Exception):
    """The pickle ends too early."""


class _BufferedReads:
    """The buffer of the reader in C, over a file with or without ``peek``."""

    def __init__(self, file: io.BytesIO | io.BufferedReader, nbytes: int) -> None:
        self._file = file
        self._nbytes = nbytes  # of the file: no more is asked of it
        self._peek: Callable[[int], bytes] | None = getattr(file, "peek", None)
        self._buffer = b""
        self._next = 0
        self._prefetched = 0

    def read(self, nbytes: int) -> bytes:
        """The next bytes; what is left of the buffer is dropped where it does not hold them."""
        if nbytes > len(self._buffer) - self._next:
            self._from_file(min(nbytes, self._nbytes + 1))
            if len(self._buffer) < nbytes:
                raise _EndsError
        return self._take(self._next + nbytes)

    def read_into(self, nbytes: int) -> bytes:
        """The next bytes, what is left of the buffer first."""
        head = self._take(min(self._next + nbytes, len(self._buffer)))
        if len(head) == nbytes:
            return head
        self._skip_consumed()
        tail = self._file.read(min(nbytes - len(head), self._nbytes))
        if len(head) + len(tail) < nbytes:
            raise _EndsError
        return head + tail

    def line(self) -> bytes:
        """A line with its end, from the buffer if it holds a whole one."""
        end = self._buffer.find(b"\n", self._next)
        if end >= 0:
            return self._take(end + 1)
        self._skip_consumed()
        self._fill(self._file.readline())
        if not self._buffer.endswith(b"\n"):
            raise _EndsError
        return self._take(len(self._buffer))

    def open_frame(self, nbytes: int) -> None:
        """Have a frame in the buffer."""
        self.read(nbytes)
        self._next -= nbytes

    def _take(self, end: int) -> bytes:
        taken = self._buffer[self._next : end]
        self._next = end
        return taken

    def _from_file(self, nbytes: int) -> None:
        self._skip_consumed()
        if self._peek is not None and nbytes < _PREFETCH_NBYTES:
            self._fill(self._peek(_PREFETCH_NBYTES))
            self._prefetched = 0
            if nbytes <= len(self._buffer):
                return
        self._fill(self._file.read(nbytes))

    def _fill(self, data: bytes) -> None:
        self._buffer, self._next, self._prefetched = data, 0, len(data)

    def _skip_consumed(self) -> None:
        consumed = self._next - self._prefetched
        if consumed > 0:
            self._file.read(consumed)
            self._prefetched = self._next


def other_readings(source: ByteSource, start: int) -> list[bytes]:
    """What other readers take of a pickle: its opcodes and their arguments in a row, unframed.

    Args:
        source: where the pickle lies; its first 64 MB are read.
        start: of the pickle.
    """
    data = source.read(start, _MOST_NBYTES)
    files: list[io.BytesIO | io.BufferedReader] = [io.BytesIO(data)]
    for nbytes in _FILE_BUFFERS:
        raw: io.RawIOBase = io.BytesIO(data)  # type: ignore[assignment]
        files.append(io.BufferedReader(raw, nbytes))
    return list(dict.fromkeys(_unframed(_BufferedReads(file, len(data))) for file in files))


def _unframed(reads: _BufferedReads) -> bytes:
    found = bytearray()
    try:
        while not _next_opcode(reads, found):
            pass
    except (_EndsError, KeyError, struct.error, OverflowError):
        pass
    return bytes(found)


def _next_opcode(reads: _BufferedReads, found: bytearray) -> bool:
    """Append an opcode with its argument; whether it was STOP."""
    import pickletools  # 10 ms, for the few files whose frames lie

    code = reads.read(1)
    if code[0] == _FRAME:
        reads.open_frame(struct.unpack("<Q", reads.read(8))[0])
        return False
    argument = pickletools.code2op[code.decode("latin-1")].arg  # type: ignore[attr-defined]
    found += code
    if argument is None:
        return code[0] == _STOP
    if argument.n >= 0:
        found += reads.read(argument.n)
    elif argument.n == pickletools.UP_TO_NEWLINE:
        for _ in range(2 if code[0] in _TWO_LINES else 1):
            found += reads.line()
    else:
        layout = _COUNTS[argument.n]
        count = reads.read(struct.calcsize(layout))
        nbytes = struct.unpack(layout, count)[0]
        if nbytes < 0:
            raise _EndsError
        found += count
        found += reads.read_into(nbytes) if code[0] in _READ_INTO else reads.read(nbytes)
    return False
