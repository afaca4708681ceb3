"""Whether an element is like all others of its record, and whether other damage shows.

Ranks, not distances: of n elements m are at least as extreme as one. Damage of another kind puts
the suspected bit anywhere in the record, so it would hit one of these m by chance alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ckptdoctor.dtypes import DType, Kind
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Crowd", "Range", "odd_zeros"]

_CHUNK_NBYTES = 1 << 22
_SECTOR_NBYTES = 512
_ELEMENT_NBYTES = 8  # zeros beside a lost page that were there before it
_ZEROS = bytes(_SECTOR_NBYTES)
_MAGNITUDE = 0x7F
_PROPORTION_BITS = 64  # second moments of one tensor span 2^40 and more
_OF_E4M3 = 3
_LEFT_OUT_BITS = {"float16": 2, "float8_e5m2": 2, "float8_e5m2fnuz": 2}
_LEFT_OUT_BITS |= {"float8_e4m3fn": _OF_E4M3, "float8_e4m3fnuz": _OF_E4M3}


@dataclass(frozen=True, slots=True)
class Range:
    """Some bytes of a source."""

    offset: int
    nbytes: int

    def pieces(self, source: ByteSource) -> Iterator[bytes]:
        """Its bytes, whole elements and whole sectors at a time."""
        for start in range(0, self.nbytes, _CHUNK_NBYTES):
            yield source.read(self.offset + start, min(_CHUNK_NBYTES, self.nbytes - start))


@dataclass(frozen=True, slots=True)
class Crowd:
    """How large the elements of a record are, by the upper bits of their exponents.

    Attributes:
        counts: how many there are of each class of magnitude; class 0 holds the zeros.
        left_out: bits of the highest byte that are none of the exponent.
    """

    counts: Counter[int]
    left_out: int

    @classmethod
    def of(cls, source: ByteSource, where: Range, dtype: DType, byteorder: str) -> Crowd | None:
        """The elements in a range; None where they are no floats."""
        if dtype.kind is not Kind.FLOAT:
            return None
        top = 0 if byteorder == "big" else dtype.itemsize - 1
        counts: Counter[int] = Counter()
        for piece in where.pieces(source):
            counts.update(piece[top :: dtype.itemsize])
        left_out = _LEFT_OUT_BITS.get(dtype.name, 0)
        folded: Counter[int] = Counter()
        for byte, many in counts.items():
            folded[(byte & _MAGNITUDE) >> left_out] += many
        return cls(folded, left_out)

    def class_of(self, top: int) -> int:
        """The class of an element, by its highest byte."""
        return (top & _MAGNITUDE) >> self.left_out

    def as_extreme(self, old: int, new: int) -> int | None:
        """How many elements are as extreme as the old one, it included; None if the new one is too.

        On the side on which it is: as large or as small. These are at most twice as many.

        Args:
            old: the highest byte of the element as it is in the file.
            new: the same as it was.
        """
        before = self._beyond(self.class_of(old)) + 1
        return before if self._beyond(self.class_of(new)) > before else None

    def _beyond(self, own: int) -> int:
        """How many elements are as large as one of a class, or as small, whichever are fewer."""
        larger = sum(many for of, many in self.counts.items() if of >= own)
        smaller = sum(many for of, many in self.counts.items() if 0 < of <= own)
        return min(larger, smaller)

    def wild(self) -> int:
        """Elements that are NaN, infinite, or out of all proportion to the others."""
        classes = sorted(of for of, many in self.counts.items() if of and many)
        if not classes:
            return 0
        usual = max(classes, key=lambda of: self.counts[of])
        step = 1 if self.left_out else 2  # bits of the exponent that one class is
        top = -1 if self.left_out == _OF_E4M3 else _MAGNITUDE >> self.left_out
        return sum(
            self.counts[of] for of in classes if of == top or (of - usual) * step > _PROPORTION_BITS
        )


def odd_zeros(source: ByteSource, where: Range) -> tuple[int, int] | None:
    """Start and size of zeros as a lost page leaves them; None where there are none.

    Whole sectors of the file, with other bytes right before and behind. A record of nothing else
    is a tensor of zeros.
    """
    run = -1
    for at, zero in _sectors(source, where):
        if zero and run < 0:
            run = at
        elif not zero and run >= 0:
            if _is_cut_out(source, where, run, at):
                return where.offset + run, at - run
            run = -1
    return None


def _sectors(source: ByteSource, where: Range) -> Iterator[tuple[int, bool]]:
    """Whether each whole sector in a range is zero, and at last one behind it that is not."""
    first = -where.offset % _SECTOR_NBYTES
    end = where.nbytes - (where.nbytes - first) % _SECTOR_NBYTES
    for start in range(first, end, _CHUNK_NBYTES):
        piece = source.read(where.offset + start, min(_CHUNK_NBYTES, end - start))
        for at in range(0, len(piece), _SECTOR_NBYTES):
            yield start + at, piece[at : at + _SECTOR_NBYTES] == _ZEROS
    yield max(first, end), False


def _is_cut_out(source: ByteSource, where: Range, start: int, end: int) -> bool:
    """Whether zeros begin and end with their sectors, or with the record, but are not all of it."""
    reach = min(start, _SECTOR_NBYTES)
    before = source.read(where.offset + start - reach, reach)
    behind = source.read(where.offset + end, min(_SECTOR_NBYTES, where.nbytes - end))
    left = len(before) - len(before.rstrip(b"\0"))
    right = len(behind) - len(behind.lstrip(b"\0"))
    from_start, to_end = left == start, end + right == where.nbytes
    if from_start and to_end:
        return False
    return (left < _ELEMENT_NBYTES or from_start) and (right < _ELEMENT_NBYTES or to_end)
