"""What is wrong with a file, and how it reads with that put right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.errors import CheckpointError
from ckptdoctor.formats import OpenFile, read_checkpoint
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.torch_zip import MAGIC
from ckptdoctor.formats.zip.flipped_bit import MOST_ODDS
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.repair.flip import Certainty, Repaired
from ckptdoctor.recovery.repair.judge import Verdict, judged
from ckptdoctor.recovery.repair.sums import with_bits
from ckptdoctor.recovery.repair.suspicion import inquire
from ckptdoctor.recovery.repair.witness import Digest, sha256_of_source
from ckptdoctor.recovery.repair.words import no_checksum, told, why_undecided

__all__ = ["Found", "find_flips"]

_ANOTHER = (
    "Copy it again from where it was written, or use an earlier checkpoint: ckptdoctor scan "
    "lists them."
)
_OF_DCP = ".distcp"
_ARCHIVES = (
    "a file of a distributed checkpoint holds an archive for each piece of a tensor, one behind "
    "the other, and repair looks into a file that is one archive"
)
_NAMES = {"torch-legacy": "torch's format before 1.6", "torch-tar": "torch's format of 2016"}


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong, and the bytes as they were written.

    Attributes:
        result: what is wrong, or why nothing can be done.
        view: how the file reads with it put right; None where nothing is written.
    """

    result: Repaired
    view: ByteSource | None = None


def find_flips(
    file: OpenFile, empty: Repaired, digests: Sequence[Digest], *, accept_odds: bool
) -> Found:
    """What single bits are wrong in a file, by its checksums.

    Args:
        file: it.
        empty: a result with its paths.
        digests: what is known of its bytes when it was whole.
        accept_odds: whether what is only likely is put right.

    Raises:
        OSError: it cannot be read.
    """
    path = file.path
    if file.source.read(0, 2) != MAGIC[:2] and not _is_zip_but_for_a_bit(file):
        return Found(replace(empty, refused=no_checksum(path, _format_of(file))))
    inquiry = inquire(file)
    if inquiry.reason and path.suffix == _OF_DCP:
        return Found(
            replace(empty, refused=(f"{path}: nothing was written: {_ARCHIVES}", _ANOTHER))
        )
    if inquiry.reason:
        return Found(replace(empty, refused=_hopeless(path, inquiry.reason)))
    if not inquiry.suspicions:
        return Found(_sound(file, empty, digests, inquiry.unchecked))
    verdicts = [judged(file, one, digests) for one in inquiry.suspicions]
    verdict = _chosen(verdicts)
    if verdict is None:
        return Found(replace(empty, refused=_several(path, verdicts)))
    result = replace(
        empty,
        flips=verdict.flips,
        certainty=verdict.certainty,
        odds=verdict.odds,
        witnesses=verdict.witnesses,
    )
    undecided = verdict.certainty is Certainty.LIKELY and not accept_odds
    if verdict.doubts or undecided:
        return Found(replace(result, refused=why_undecided(result, verdict.doubts)))
    return Found(result, with_bits(file.source, verdict.bits))


def _chosen(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The one that is right; None where several may be."""
    proved = [one for one in verdicts if one.proved]
    if proved:
        return proved[0]
    without = [one for one in verdicts if not one.doubts] or list(verdicts)
    decided = [one for one in without if one.odds <= MOST_ODDS]
    if len(decided) == 1:
        return decided[0]
    return without[0] if len(without) == 1 else None


def _several(path: Path, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    return (
        f"{path}: nothing was written: each of {len(verdicts)} single bits would make it fit",
        *(f"  {told(flip)}" for one in verdicts for flip in one.flips),
        "If you know its SHA-256, it decides: give it with --sha256.",
    )


def _hopeless(path: Path, reason: str) -> tuple[str, ...]:
    return (
        f"{path}: nothing was written: {reason}",
        _ANOTHER,
    )


def _sound(file: OpenFile, empty: Repaired, digests: Sequence[Digest], unchecked: int) -> Repaired:
    """Nothing is wrong, or there is nothing by which it could be seen."""
    whole = [one for one in digests if one.is_whole]
    if whole and not any(one.fits(sha256_of_source(file.source)) for one in whole):
        says = f"but its SHA-256 is not that of {whole[0].said_by}: it is another file"
        return replace(empty, refused=(f"{file.path}: every checksum in it fits, {says}",))
    if unchecked:
        says = f"{unchecked} records of it store no checksum, so damage to them cannot be found"
        return replace(empty, refused=(f"{file.path}: nothing was written: {says}",))
    return empty


def _is_zip_but_for_a_bit(file: OpenFile) -> bool:
    """Whether one of the first two bytes is one bit off those of an archive."""
    head = file.source.read(0, 2)
    wrong = sum((one ^ other).bit_count() for one, other in zip(head, MAGIC, strict=False))
    return len(head) == 2 and wrong <= 1


def _format_of(file: OpenFile) -> str:
    try:
        found = read_checkpoint(file).format
    except CheckpointError:
        return "this kind of file"
    return _NAMES.get(found, found)
