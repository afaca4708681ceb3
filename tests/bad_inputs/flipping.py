"""Flips single bits of a file and sorts what becomes of each flip.

"Changed" means that a training would get something else back: another value, shape or name, or
nothing at all. For flips that are reported, our own reader says so. Every flip that is not reported
is put to whoever defines the format as well, because a reader cannot vouch for itself.
"""

from __future__ import annotations

import enum
import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bad_inputs.damaging import Contents, examined, loaded, one_backend
from tests.bad_inputs.each_format import Sample

__all__ = ["Flip", "Outcome", "Tally", "every_bit", "flipped", "tallied"]


class Outcome(enum.Enum):
    """What becomes of a flip."""

    UNCHANGED = "no value changed"
    NOTED = "no value changed, reported"
    REPORTED = "changed and reported"
    SILENT = "changed and silent"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Flip:
    """One flip.

    Attributes:
        at: of the byte.
        bit: 0 for the lowest.
        outcome: what became of it.
        says: the codes of the findings, or the traceback.
    """

    at: int
    bit: int
    outcome: Outcome
    says: str


@dataclass(slots=True)
class Tally:
    """How many flips of a file became what, and those that should not have."""

    sample: Sample
    counts: Counter[Outcome] = field(default_factory=Counter)
    worst: list[Flip] = field(default_factory=list)

    @property
    def flips(self) -> int:
        """How many there were."""
        return self.counts.total()


def every_bit(sample: Sample, most: int = 0, seed: int = 0) -> list[int]:
    """The numbers of the bits of a file; ``most`` of them, drawn by chance, where that is less."""
    bits = range(8 * len(sample.data))
    if not most or most >= len(bits):
        return list(bits)
    return sorted(random.Random(seed).sample(bits, most))


def tallied(sample: Sample, folder: Path, bits: Iterable[int]) -> Tally:
    """How often a flip became what.

    Args:
        sample: the sound file.
        folder: an empty one.
        bits: the numbers of those to flip, one at a time.
    """
    tally = Tally(sample)
    for flip in flipped(sample, folder, bits):
        tally.counts[flip.outcome] += 1
        if flip.outcome in (Outcome.SILENT, Outcome.CRASHED):
            tally.worst.append(flip)
    return tally


def flipped(sample: Sample, folder: Path, bits: Iterable[int]) -> Iterator[Flip]:
    """What became of each flip."""
    path = folder / "model.pth"
    path.write_bytes(sample.data)
    with one_backend(), path.open("r+b", buffering=0) as file:
        before = examined(path, sample.data)
        assert not before.reported, before
        assert before.contents is not None
        reference = None if sample.load is None else loaded(sample, path)
        for number in bits:
            at, bit = divmod(number, 8)
            data = bytearray(sample.data)
            data[at] ^= 1 << bit
            os.pwrite(file.fileno(), data[at : at + 1], at)
            yield _sorted(sample, path, bytes(data), (at, bit), (before.contents, reference))
            os.pwrite(file.fileno(), sample.data[at : at + 1], at)


def _sorted(
    sample: Sample,
    path: Path,
    data: bytes,
    place: tuple[int, int],
    sound: tuple[Contents, Contents | None],
) -> Flip:
    """What became of the flip that the file holds now."""
    found = examined(path, data)
    ours, reference = sound
    if found.crash:
        return Flip(*place, Outcome.CRASHED, found.crash)
    changed = found.contents != ours
    if not found.reported and reference is not None:
        changed = changed or loaded(sample, path) != reference
    outcomes = {
        (False, False): Outcome.UNCHANGED,
        (False, True): Outcome.NOTED,
        (True, False): Outcome.SILENT,
        (True, True): Outcome.REPORTED,
    }
    return Flip(*place, outcomes[changed, found.reported], ", ".join(sorted(found.codes)))
