"""What repairing found and did."""

from __future__ import annotations

import enum
from pathlib import Path

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.scanning.flipped import Part

__all__ = ["Certainty", "Flip", "FlipIn", "GivenBack", "Repaired"]


class FlipIn(enum.Enum):
    """What a flipped bit belongs to."""

    DATA = "data"
    CHECKSUM = "checksum"
    HEADER = "header"


class Certainty(enum.Enum):
    """How sure it is that the bytes are now those that were written, surest first."""

    PROVED = "proved"  # by a witness of all bytes: a SHA-256, the parity
    DECIDED = "decided"  # any other damage would look like this in less than one of 10,000 cases
    LIKELY = "likely"  # the checksum fits, and other damage makes it fit more often than that


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """One bit that is not as it was written.

    Attributes:
        byte: in the file.
        bit: of that byte, 0 for the lowest.
        place: what it belongs to.
        record: of the archive; "" where it belongs to none.
        tensor: its fqn; "" where no tensor lies there.
        index: of the element, one number a dimension; None where no tensor lies there.
        dtype: of the element, or "".
        part: what the bit is in the element; None where no tensor lies there.
        old: the element as the file has it; None where it is no number.
        new: the element as it was written, likewise.
        others: other tensors on the same bytes.
    """

    byte: int
    bit: int
    place: FlipIn
    record: str = ""
    tensor: str = ""
    index: tuple[int, ...] | None = None
    dtype: str = ""
    part: Part | None = None
    old: float | int | None = None
    new: float | int | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """Bytes that the parity gave back."""

    start: int
    nbytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What was found wrong in a file, and the file in which it is right.

    Attributes:
        source: the damaged file; it is never changed.
        destination: the file that was written, or would be.
        flips: the bits that are wrong; () where nothing is, or bytes are lost.
        spans: the bytes that the parity gave back; () where it was not needed.
        certainty: how sure it is; None where nothing is wrong, or nothing explains it.
        odds: the probability that any other damage looks like this; 0.0 where it is proved.
        witnesses: what speaks for it, each a clause.
        refused: why nothing was written, in lines; () where it was, or nothing is wrong.
        written: whether the file was written, read back and scanned.
        sha256: of it; "" where it was not written.
        manifest: the note beside it; None where it was not written.
    """

    source: Path
    destination: Path
    flips: tuple[Flip, ...] = ()
    spans: tuple[GivenBack, ...] = ()
    certainty: Certainty | None = None
    odds: float = 0.0
    witnesses: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    written: bool = False
    sha256: str = ""
    manifest: Path | None = None

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with the file, as far as its checksums tell."""
        return not (self.flips or self.spans or self.refused)
