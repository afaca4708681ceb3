"""Which single bit of a compressed record explains that it is not what was packed.

The checksum of a record is that of its plain bytes, and one bit of the compressed ones changes
many of these or all that follow: no logarithm leads to its place. So each bit is tried. Inflating
goes on from a copy of its state before the bit, and often ends soon, at a code that means nothing.

Source: RFC 1951; PKWARE APPNOTE 4.4.7.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator

from zlib_ng import zlib_ng

from ckptdoctor.formats.zip.flipped_bit import Suspects

__all__ = [
    "MOST_TRIED_NBYTES",
    "TRIED_BESIDE_NBYTES",
    "SearchEndedError",
    "packed_suspects",
    "suspects_beside",
    "tried_nbytes",
]

MOST_TRIED_NBYTES = 1 << 33
"""So much is moved in search of a bit at most: some 15 s of the processor."""
TRIED_BESIDE_NBYTES = 1 << 28
"""The same where the bit is said beside something else, as a scan does: half a second."""
MOST_S = 60.0
"""Of the processor, for one record: of bytes that were made for it the work cannot be foretold."""
_BESIDE_S = 2.0
_CALL_NBYTES = 2048
_RAW = -15  # a window of 32 kB, and no header


class SearchEndedError(Exception):
    """Not every bit was tried: that takes more of the processor than is given to it."""


def tried_nbytes(stored_nbytes: int, nbytes: int) -> int:
    """How many bytes are moved, at most, until each bit of a record was tried: half, each time.

    Those that are inflated, those that are read, and as many as the time of a call is worth: a
    record of many bytes that inflates to few takes its time as well.

    Args:
        stored_nbytes: size of the record in the archive.
        nbytes: of its plain bytes.
    """
    return 8 * stored_nbytes * (stored_nbytes + nbytes + _CALL_NBYTES) // 2


def packed_suspects(
    packed: bytes, crc32: int, nbytes: int, most_s: float | None = None
) -> Suspects:
    """The single bits, each of which alone explains the difference; none where several are wrong.

    Args:
        packed: the compressed bytes as they are.
        crc32: that the plain bytes had.
        nbytes: how many those were.
        most_s: how much of the processor it may take; by default :data:`MOST_S`.

    Raises:
        SearchEndedError: it takes more.
    """
    until = time.thread_time() + (MOST_S if most_s is None else most_s)
    computed = _inflated(packed, nbytes)
    if computed == crc32:
        return Suspects()
    difference = 0 if computed is None else computed ^ crc32
    in_checksum = difference.bit_length() - 1 if difference.bit_count() == 1 else None
    fitting = tuple(_fitting(packed, crc32, nbytes, until))
    return Suspects(tuple(n for n in fitting if _ends_clean(packed, n, nbytes)), in_checksum)


def suspects_beside(
    read: Callable[[int], bytes], stored_nbytes: int, crc32: int, nbytes: int
) -> Suspects:
    """As :func:`packed_suspects`, by whoever has else to do; nothing where it would take long.

    Args:
        read: gives so many compressed bytes; not called where they are too many.
        stored_nbytes: how many they are.
        crc32: that the plain bytes had.
        nbytes: how many those were.
    """
    if tried_nbytes(stored_nbytes, nbytes) > TRIED_BESIDE_NBYTES:
        return Suspects()
    try:
        return packed_suspects(read(stored_nbytes), crc32, nbytes, _BESIDE_S)
    except SearchEndedError:
        return Suspects()


def _ends_clean(packed: bytes, number: int, nbytes: int) -> bool:
    """Whether the bits behind the last code are zero once a bit is put right.

    Every writer fills its last byte with zeros; where there are others, more than the one is wrong.
    """
    right = bytearray(packed)
    right[number // 8] ^= 1 << number % 8
    last, known = right[-1], _inflated(bytes(right), nbytes)
    for bit in range(7, -1, -1):
        right[-1] = last ^ 1 << bit
        if _inflated(bytes(right), nbytes) != known:
            return True  # a bit of the last code
        if last & 1 << bit:
            return False
    return True


def _inflated(packed: bytes, nbytes: int) -> int | None:
    """The CRC32 of all plain bytes; None where it does not inflate to so many."""
    inflater = zlib.decompressobj(_RAW)
    try:
        plain = inflater.decompress(packed, nbytes + 1)
    except zlib.error:
        return None
    whole = inflater.eof and not inflater.unused_data and len(plain) == nbytes
    return zlib_ng.crc32(plain) if whole else None


def _fitting(packed: bytes, crc32: int, nbytes: int, until: float) -> Iterator[int]:
    before, sum_before, left = zlib.decompressobj(_RAW), 0, nbytes
    for at, byte in enumerate(packed):
        if time.thread_time() > until:
            raise SearchEndedError
        behind = packed[at + 1 :]
        for bit in range(8):
            inflater = before.copy()
            try:
                plain = inflater.decompress(bytes((byte ^ 1 << bit,)) + behind, left + 1)
            except zlib.error:
                continue
            whole = inflater.eof and not inflater.unused_data and len(plain) == left
            if whole and zlib_ng.crc32(plain, sum_before) == crc32:
                yield 8 * at + bit
        try:
            plain = before.decompress(packed[at : at + 1])
        except zlib.error:
            return  # a bit behind one that is wrong does not put it right
        left -= len(plain)
        if before.eof or left < 0:
            return
        sum_before = zlib_ng.crc32(plain, sum_before)
