"""Bytes that a parity gives back, as long as it is the parity of this very checkpoint.

A parity that is older or newer than the file is told by the checksums that the file stores: they
are those of another save, and fit each other. Where the directory itself is lost, they tell
nothing; then the damage must be one run, which two saves do not differ by.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from ckptdoctor.formats import OpenFile
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.zip.directory import read_directory
from ckptdoctor.formats.zip.records import ZipDirectory
from ckptdoctor.formats.zip.serialization_id import folded
from ckptdoctor.recovery.parity.form import Parity, digest_of_records, parity_path, read_parity
from ckptdoctor.recovery.parity.rebuilt import Rebuilt, lost_blocks, rebuilt, widened
from ckptdoctor.recovery.repair.flip import Certainty, GivenBack, Repaired
from ckptdoctor.recovery.repair.found import Found, find_flips
from ckptdoctor.recovery.repair.witness import Digest, sha256_of_source

__all__ = ["find_damage"]

_ID, _FOLD_NBYTES = "serialization_id", 20


def find_damage(
    file: OpenFile, empty: Repaired, digests: Sequence[Digest], *, accept_odds: bool
) -> Found:
    """What is wrong in a file, by its parity where it has one, else by its checksums.

    Args:
        file: it.
        empty: a result with its paths.
        digests: what is known of its bytes when it was whole.
        accept_odds: whether what is only likely is put right.

    Raises:
        OSError: it cannot be read.
    """
    place = parity_path(file.path)
    parity = read_parity(place)
    if parity is None:
        return find_flips(file, empty, digests, accept_odds=accept_odds)
    source = widened(file.source, parity)
    lost = lost_blocks(source, parity)
    if not lost and source.nbytes == parity.description.nbytes:
        return find_flips(file, empty, digests, accept_odds=accept_odds)
    aside = _why_not_used(file, source, parity, lost)
    view = None if aside else rebuilt(source, parity, lost)
    if view is None:
        most = parity.description.run_nbytes
        aside = aside or f"more is lost than the {most} bytes that it gives back"
        found = find_flips(file, empty, digests, accept_odds=accept_odds)
        refused = found.result.refused
        if refused:
            refused = (*refused, f"{place} was not used: {aside}.")
        return replace(found, result=replace(found.result, refused=refused))
    return _given_back(file, view, empty, digests)


def _given_back(file: OpenFile, view: Rebuilt, empty: Repaired, digests: Sequence[Digest]) -> Found:
    """The file as its parity knows it; where that is one bit, the bit."""
    sha256 = sha256_of_source(view)
    wrong = next((one for one in digests if one.is_whole and not one.fits(sha256)), None)
    if wrong is not None:
        says = f"with what the parity gives back, the SHA-256 is not that of {wrong.said_by}"
        refused = (f"{file.path}: nothing was written: {says}",)
        return Found(replace(empty, refused=refused))
    if file.nbytes == view.nbytes and len(view.blocks) == 1:
        known = [Digest(sha256, "what its parity gives back"), *digests]
        with contextlib.suppress(OSError):
            flips = find_flips(file, empty, known, accept_odds=False)
            if flips.result.certainty is Certainty.PROVED:
                return flips
    blocks = len(view.blocks)
    says = f"the parity beside it: the checksums of {view.description.blocks} blocks fit"
    result = replace(
        empty,
        spans=tuple(_spans(view)),
        certainty=Certainty.PROVED,
        witnesses=(f"{says}, {blocks} of them given back",),
    )
    return Found(result, view)


def _spans(view: Rebuilt) -> list[GivenBack]:
    """The blocks that are given back, neighbours together."""
    spans: list[GivenBack] = []
    size = view.description.block_nbytes
    for number in sorted(view.blocks):
        start, nbytes = number * size, len(view.blocks[number])
        if spans and spans[-1].start + spans[-1].nbytes == start:
            spans[-1] = replace(spans[-1], nbytes=spans[-1].nbytes + nbytes)
        else:
            spans.append(GivenBack(start=start, nbytes=nbytes))
    return spans


# -- whose parity it is --------------------------------------------------------------------------


def _why_not_used(file: OpenFile, source: ByteSource, parity: Parity, lost: Sequence[int]) -> str:
    """Why a parity is not believed; "" where it is that of this checkpoint."""
    if source.nbytes != parity.description.nbytes:
        return "it is of a checkpoint of another size"
    directory = None
    with contextlib.suppress(OSError):  # where the disk no longer gives it, it is lost too
        directory = read_directory(file.source, Limits.for_file(file.nbytes))
    if directory is not None:
        digest = digest_of_records((r.name, r.nbytes, r.crc32) for r in directory.records)
        if digest == parity.digest:
            return ""
        if _fits_itself(file.source, directory):
            return "it is of another save: the checkpoint has other checksums"
    run = lost[-1] - lost[0] + 1 == len(lost)
    return (
        "" if run else "what is damaged is no one run, and the directory does not tell whose it is"
    )


def _fits_itself(source: ByteSource, directory: ZipDirectory) -> bool:
    """Whether the checksums of an archive and the fold of them agree."""
    if not directory.records or not directory.records[-1].name.endswith(_ID):
        return not directory.problems
    *others, last = directory.records
    text = source.read(last.offset + last.nbytes - _FOLD_NBYTES, _FOLD_NBYTES)
    return text == folded(record.crc32 for record in others)
