"""The last twenty digits of the id that torch writes into an archive: a fold of its checksums.

Source: ``writeSerializationId`` in ``caffe2/serialize/inline_container.cc``.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["folded"]


def folded(crc32s: Iterable[int]) -> bytes:
    """Twenty digits that stand for the CRC32 of every earlier record, in their order."""
    combined = 0
    for crc32 in crc32s:
        combined ^= crc32 + 0x9E3779B9 + (combined << 6) + (combined >> 2)
        combined &= (1 << 64) - 1
    return b"%020d" % combined
