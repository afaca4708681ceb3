"""The single bits, each of which alone would make every checksum and header of an archive fit."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ckptdoctor.finding import Severity
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.zip.directory import read_directory
from ckptdoctor.formats.zip.flipped_bit import odds_of_chance, suspects_of
from ckptdoctor.formats.zip.packed_bit import (
    MOST_TRIED_NBYTES,
    SearchEndedError,
    packed_suspects,
    tried_nbytes,
)
from ckptdoctor.formats.zip.patching import placed_records
from ckptdoctor.formats.zip.records import DEFLATED, STORED, ZipDirectory, ZipRecord
from ckptdoctor.formats.zip.serialization_id import folded
from ckptdoctor.formats.zip.skeleton import Skeleton, skeletons
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.repair.flip import FlipIn
from ckptdoctor.recovery.repair.sums import Sums, with_bits

__all__ = ["Inquiry", "Suspicion", "inquire"]

_MOST_CANDIDATES = 64
_MOST_NAMED = 3
_NONE = "no single flipped bit explains the damage"
_ID, _ID_NBYTES, _FOLD_NBYTES = "serialization_id", 40, 20
_CRC_NBYTES = 4
_METHODS = STORED, DEFLATED
_OWN = frozenset(
    {b"data.pkl", b"constants.pkl", b"version", b"byteorder", b".format_version"}
    | {b".storage_alignment", b".data/serialization_id"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """Bits that alone explain what does not fit.

    Attributes:
        bits: file offset and mask of each byte that is wrong.
        place: what they belong to.
        records: those that they lie in.
        odds: the probability that any other damage looks like this, by the checksums alone.
        witnesses: what speaks for it beside the checksums.
        doubts: what speaks against it.
    """

    bits: tuple[tuple[int, int], ...]
    place: FlipIn
    records: tuple[ZipRecord, ...] = ()
    odds: float
    witnesses: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What the checksums and headers of an archive say.

    Attributes:
        suspicions: each alone explains all; nothing is wrong where there are none, and no reason.
        reason: why nothing explains it; "" where something does, or all is well.
        unchecked: records without a checksum.
    """

    suspicions: tuple[Suspicion, ...] = ()
    reason: str = ""
    unchecked: int = 0


def inquire(file: OpenFile) -> Inquiry:
    """What single bits explain what is wrong with a zip archive.

    Raises:
        OSError: it cannot be read.
    """
    source = file.source
    sums = Sums(source)
    directory = read_directory(source, Limits.for_file(source.nbytes))
    found = list(skeletons(source))
    fitting = [one for one in found if _is_one_bit(one) and sums.fit_all(one.bones)]
    if fitting:
        return Inquiry(suspicions=tuple(_of_header(source, one) for one in _named_well(fitting)))
    if directory is None:
        return Inquiry(
            reason=f"{_NONE}: the archive has no end: it is cut, or more than one is wrong"
        )
    broken = [one for one in directory.problems if one.severity is Severity.ERROR]
    if broken or (found and all(one.by_program and one.differing for one in found)):
        what = f": {broken[0].subject}: {broken[0].message}" if broken else ""
        return Inquiry(reason=f"{_NONE}: more than one bit of its headers is wrong{what}")
    return _in_records(source, directory, sums)


# -- in headers ----------------------------------------------------------------------------------


def _is_one_bit(one: Skeleton) -> bool:
    return len(one.differing) == 1 and one.differing[0][1].bit_count() == 1


def _named_well(fitting: Sequence[Skeleton]) -> list[Skeleton]:
    """Those with the most names that torch gives: a name that is wrong stands in two places."""
    by_bit = {one.differing: one for one in fitting}
    names = {bit: _known_names(one) for bit, one in by_bit.items()}
    return [one for bit, one in by_bit.items() if names[bit] == max(names.values())]


def _known_names(one: Skeleton) -> int:
    """How many records have names of torch's own, in the folder of the first."""
    folder = one.bones[0].name.partition(b"/")[0]
    known = {bone.name for bone in one.bones if _is_known(bone.name, folder)}
    return len(known)


def _is_known(name: bytes, folder: bytes) -> bool:
    first, _, inner = name.partition(b"/")
    return first == folder and (inner in _OWN or inner.removeprefix(b"data/").isdigit())


def _of_header(source: ByteSource, one: Skeleton) -> Suspicion:
    ((at, _),) = one.differing
    placed = placed_records(with_bits(source, one.differing), _METHODS)
    of = next(
        (p for p in placed for start in p.places if start <= at < start + _CRC_NBYTES),
        None,
    )
    bone = next((b for b in one.bones if of is not None and b.offset == of.offset), None)
    bone = bone or next((b for b in one.bones if b.header <= at < b.end), None)
    records: tuple[ZipRecord, ...] = ()
    if bone is not None:
        name = bone.name.decode("utf-8", "replace")
        sizes = bone.stored_nbytes, bone.nbytes
        records = (ZipRecord(name, bone.method, bone.crc32, *sizes, bone.offset),)
    what = "checksum" if of is not None else "header"
    return Suspicion(
        bits=one.differing,
        place=FlipIn.HEADER if of is None else FlipIn.CHECKSUM,
        records=records,
        odds=odds_of_chance(0),
        witnesses=(f"what stands twice in the archive agrees but for this bit of a {what}",),
    )


# -- in records ----------------------------------------------------------------------------------


def _in_records(source: ByteSource, directory: ZipDirectory, sums: Sums) -> Inquiry:
    unchecked = sum(record.crc32 == 0 and record.nbytes > 0 for record in directory.records)
    bad = [record for record in directory.records if not sums.fits(record)]
    if not bad:
        return Inquiry(unchecked=unchecked)
    packed = [record for record in bad if record.method == DEFLATED]
    if sum(tried_nbytes(r.stored_nbytes, r.nbytes) for r in packed) > MOST_TRIED_NBYTES:
        return Inquiry(unchecked=unchecked, reason=_too_large(packed))
    each = []
    for record in bad:
        try:
            ways = list(_of_record(source, record, sums))
        except SearchEndedError:
            return Inquiry(unchecked=unchecked, reason=_too_large([record]))
        if not ways:
            return Inquiry(unchecked=unchecked, reason=_why_none(record, len(bad)))
        each.append(ways)
    choices = itertools.islice(itertools.product(*each), _MOST_CANDIDATES)
    joined = tuple(_folded(source, directory, _joined(one)) for one in choices)
    return Inquiry(suspicions=joined, unchecked=unchecked)


def _why_none(record: ZipRecord, damaged: int) -> str:
    more = f"; {damaged} records are damaged" if damaged > 1 else ""
    return f"{_NONE}: more than one bit is wrong in {record.name!r}{more}"


def _too_large(packed: Sequence[ZipRecord]) -> str:
    """Why the bits of compressed records are not tried."""
    names = ", ".join(repr(record.name) for record in packed[:_MOST_NAMED])
    nbits = 8 * sum(record.stored_nbytes for record in packed)
    are = "is" if len(packed) == 1 else "are"
    return f"{names} {are} compressed, and {nbits:,} bits are too many to try each of them"


def _of_record(source: ByteSource, record: ZipRecord, sums: Sums) -> Iterator[Suspicion]:
    """The bits of one record, or of its checksum."""
    witnesses: tuple[str, ...] = ()
    if record.method == DEFLATED:
        packed = source.read(record.offset, record.stored_nbytes)
        suspects = packed_suspects(packed, record.crc32, record.nbytes)
        if len(suspects.bits) == 1:
            says = "inflates to as many bytes, with this checksum"
            witnesses = (
                f"of the {8 * len(packed):,} bits of a compressed record this alone {says}",
            )
    else:
        suspects = suspects_of(record.crc32, sums.of(record.offset, record.nbytes), record.nbytes)
    for number in suspects.bits:
        yield Suspicion(
            bits=((record.offset + number // 8, 1 << number % 8),),
            place=FlipIn.DATA,
            records=(record,),
            odds=odds_of_chance(record.stored_nbytes),
            witnesses=witnesses,
        )
    if suspects.checksum_bit is None:
        return
    at, bit = divmod(suspects.checksum_bit, 8)
    for placed in placed_records(source, _METHODS):
        if placed.offset == record.offset:
            stored = struct.pack("<I", record.crc32)
            hit = [one for one in placed.places if source.read(one, len(stored)) == stored]
            yield Suspicion(
                bits=tuple((place + at, 1 << bit) for place in hit),
                place=FlipIn.CHECKSUM,
                records=(record,),
                odds=odds_of_chance(0),
            )


def _joined(ways: Sequence[Suspicion]) -> Suspicion:
    """One bit in each of several records."""
    if len(ways) == 1:
        return ways[0]
    in_data = any(one.place is FlipIn.DATA for one in ways)
    return Suspicion(
        bits=tuple(bit for one in ways for bit in one.bits),
        place=FlipIn.DATA if in_data else FlipIn.CHECKSUM,
        records=tuple(record for one in ways for record in one.records),
        odds=math.prod(one.odds for one in ways),
        doubts=(f"{len(ways)} records are damaged at once: one flipped bit does not do that",),
    )


def _folded(source: ByteSource, directory: ZipDirectory, one: Suspicion) -> Suspicion:
    """The same with what torch's id of the archive says of the stored checksums."""
    last = directory.records[-1]
    known = all(record.crc32 for record in directory.records)
    if not known or not last.name.endswith(_ID) or last.stored_nbytes != _ID_NBYTES:
        return one
    view = with_bits(source, one.bits)
    right = {}
    if one.place is FlipIn.CHECKSUM:
        sums = Sums(view)
        right = {record.offset: sums.now(record) or 0 for record in one.records}
    fold = folded(right.get(r.offset, r.crc32) for r in directory.records[:-1])
    if view.read(last.offset + _ID_NBYTES - _FOLD_NBYTES, _FOLD_NBYTES) == fold:
        says = "the id of the archive, a fold of all checksums, agrees"
        return replace(one, witnesses=(*one.witnesses, says))
    says = "the id of the archive, a fold of all checksums, says otherwise"
    return replace(one, doubts=(*one.doubts, says))
