"""How sure it is that a suspected bit is what is wrong, and all that is wrong.

A checksum of 32 bits fits one flipped bit of n bytes by chance in 8n of 2^32 cases, whatever the
damage was. So a small record is decided by it alone, a large one is not: there it takes a second
witness. Of all bytes: a SHA-256, or the same record in another file. Of the one element: that it is
among the most extreme of its record and is not with the bit as it was, which other damage brings
about as rarely as there are such elements. Of the pickle: that it cannot be read, and can with the
bit as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Severity
from ckptdoctor.formats import OpenFile, read_checkpoint
from ckptdoctor.formats.zip.flipped_bit import MOST_ODDS, ORDER, odds_of_chance
from ckptdoctor.formats.zip.records import ZipRecord
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.repair.flip import Certainty, Flip, FlipIn
from ckptdoctor.recovery.repair.likeness import Crowd, Range, odd_zeros
from ckptdoctor.recovery.repair.sums import with_bits
from ckptdoctor.recovery.repair.suspicion import Suspicion
from ckptdoctor.recovery.repair.twin import twin_of
from ckptdoctor.recovery.repair.witness import Digest, sha256_of_source
from ckptdoctor.scanning.flipped import Element, Part, element_at, value_of

__all__ = ["Verdict", "judged"]

_EXPONENT_NBITS = {"float64": 11, "float16": 5, "float8_e5m2": 5, "float8_e5m2fnuz": 5}
_EXPONENT_NBITS |= {"float8_e4m3fn": 4, "float8_e4m3fnuz": 4}
_USUAL_EXPONENT_NBITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to be thought of one suspicion.

    Attributes:
        bits: file offset and mask of each byte that is wrong.
        flips: the same, explained.
        odds: the probability that any other damage looks like this.
        witnesses: what speaks for it.
        doubts: what speaks against it: nothing is written while there are any.
        proved: whether a SHA-256 of all bytes fits.
    """

    bits: tuple[tuple[int, int], ...]
    flips: tuple[Flip, ...]
    odds: float
    witnesses: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    proved: bool = False

    @property
    def certainty(self) -> Certainty:
        """How sure it is, doubts aside."""
        if self.proved:
            return Certainty.PROVED
        return Certainty.DECIDED if self.odds <= MOST_ODDS else Certainty.LIKELY


def judged(file: OpenFile, suspicion: Suspicion, digests: Iterable[Digest]) -> Verdict:
    """What is to be thought of a suspicion.

    Args:
        file: as it is.
        suspicion: which bits of it are wrong.
        digests: what is known of its bytes when it was whole.

    Raises:
        OSError: it cannot be read.
    """
    view = file.through(with_bits(file.source, suspicion.bits))
    checkpoint, trouble = _read(view)
    flips = tuple(_flips(file, view, suspicion, checkpoint))
    verdict = Verdict(
        bits=suspicion.bits,
        flips=flips,
        odds=suspicion.odds,
        witnesses=suspicion.witnesses,
        doubts=suspicion.doubts,
    )
    if trouble:
        return replace(verdict, doubts=(*verdict.doubts, f"with it put right, {trouble}"))
    verdict = _witnessed(file, view, suspicion, checkpoint, verdict)
    return _compared(view, _beside_twin(view, suspicion, verdict), tuple(digests))


def _beside_twin(view: OpenFile, suspicion: Suspicion, verdict: Verdict) -> Verdict:
    """The same once a record that is only likely was held against a twin in another file."""
    if verdict.odds <= MOST_ODDS or verdict.doubts or len(suspicion.records) != 1:
        return verdict
    twin = twin_of(view.path, suspicion.records[0], view.source)
    if twin is None:
        return verdict
    where = f"{twin.name} of {twin.path.name}, which has the same checksum"
    if not twin.equal:
        return replace(verdict, doubts=(f"with it put right, it still differs from {where}",))
    witnesses = (*verdict.witnesses, f"its bytes are those of {where}")
    return replace(verdict, witnesses=witnesses, odds=0.0, proved=True)


def _compared(view: OpenFile, verdict: Verdict, digests: Sequence[Digest]) -> Verdict:
    """The same once the bytes were held against what is known of them."""
    if not digests:
        return verdict
    sha256 = sha256_of_source(view.source)
    fitting = next((one for one in digests if one.fits(sha256)), None)
    if fitting is not None:
        witnesses = (*verdict.witnesses, f"the SHA-256 is that of {fitting.said_by}")
        return replace(verdict, witnesses=witnesses, odds=0.0, doubts=(), proved=True)
    whole = [one for one in digests if one.is_whole]
    if not whole:
        return verdict
    says = f"with it put right, the SHA-256 is still not that of {whole[0].said_by}"
    return replace(verdict, doubts=(*verdict.doubts, says))


def _read(file: OpenFile) -> tuple[Checkpoint | None, str]:
    """The checkpoint, and why it is none, or not whole."""
    try:
        checkpoint = read_checkpoint(file)
    except CheckpointError as error:
        return None, f"it cannot be read: {error.message}"
    worst = next((p for p in checkpoint.problems if p.severity is Severity.ERROR), None)
    return checkpoint, "" if worst is None else f"{worst.subject}: {worst.message}"


# -- what the bits are ---------------------------------------------------------------------------


def _flips(
    file: OpenFile, view: OpenFile, suspicion: Suspicion, checkpoint: Checkpoint | None
) -> Iterator[Flip]:
    for offset, mask in suspicion.bits:
        bit = mask.bit_length() - 1
        record = _record_of(suspicion.records, offset, suspicion.place)
        flip = Flip(
            byte=file.start + offset,
            bit=bit,
            place=suspicion.place if record is not None else FlipIn.HEADER,
            record="" if record is None else record.name,
        )
        element = _element(checkpoint, record, suspicion.place, offset, bit)
        yield (
            flip
            if element is None or record is None
            else _explained(flip, element, _values(file, view, record, element, checkpoint))
        )


def _record_of(records: Sequence[ZipRecord], offset: int, place: FlipIn) -> ZipRecord | None:
    if place is not FlipIn.DATA:
        return records[0] if records else None
    for record in records:
        if record.offset <= offset < record.offset + record.stored_nbytes:
            return record
    return None


def _element(
    checkpoint: Checkpoint | None, record: ZipRecord | None, place: FlipIn, offset: int, bit: int
) -> Element | None:
    if checkpoint is None or record is None or place is not FlipIn.DATA:
        return None
    on = [
        tensor
        for tensor in checkpoint.tensors
        if tensor.storage is not None
        and tensor.storage.is_plain
        and tensor.storage.offset == record.offset
    ]
    return element_at(on, offset - record.offset, bit, checkpoint.byteorder)


def _values(
    file: OpenFile,
    view: OpenFile,
    record: ZipRecord,
    element: Element,
    checkpoint: Checkpoint | None,
) -> tuple[float | int | None, float | int | None]:
    byteorder = "little" if checkpoint is None else checkpoint.byteorder
    start, nbytes = record.offset + element.start, element.dtype.itemsize
    old, new = (one.source.read(start, nbytes) for one in (file, view))
    return value_of(element.dtype, old, byteorder), value_of(element.dtype, new, byteorder)


def _explained(
    flip: Flip, element: Element, values: tuple[float | int | None, float | int | None]
) -> Flip:
    return replace(
        flip,
        tensor=element.tensor.fqn,
        index=element.index,
        dtype=element.tensor.dtype,
        part=element.part,
        old=values[0],
        new=values[1],
        others=element.others,
    )


# -- what bears witness --------------------------------------------------------------------------


def _witnessed(
    file: OpenFile,
    view: OpenFile,
    suspicion: Suspicion,
    checkpoint: Checkpoint | None,
    verdict: Verdict,
) -> Verdict:
    """The same once the elements and the pickle were asked."""
    if suspicion.place is not FlipIn.DATA or checkpoint is None:
        return verdict
    for record in suspicion.records:
        where = Range(record.offset, record.stored_nbytes)
        if (zeros := odd_zeros(view.source, where)) is not None:
            says = f"{zeros[1]} bytes from byte {zeros[0]} on are zero, as a lost page leaves them"
            verdict = replace(verdict, doubts=(*verdict.doubts, says))
    if len(suspicion.records) > 1:
        return verdict
    if verdict.odds > MOST_ODDS and _read(file)[1]:
        says = "the file cannot be read as it is, and is whole with this bit put right"
        return replace(verdict, odds=odds_of_chance(0), witnesses=(*verdict.witnesses, says))
    return _beside_others(file, view, suspicion, checkpoint, verdict)


def _beside_others(
    file: OpenFile,
    view: OpenFile,
    suspicion: Suspicion,
    checkpoint: Checkpoint,
    verdict: Verdict,
) -> Verdict:
    """The same once an element was held against all others of its record."""
    (record,), ((offset, mask),) = suspicion.records, suspicion.bits
    bit = mask.bit_length() - 1
    element = _element(checkpoint, record, suspicion.place, offset, bit)
    if element is None:
        return verdict
    where = Range(record.offset, record.nbytes - record.nbytes % element.dtype.itemsize)
    crowd = Crowd.of(view.source, where, element.dtype, checkpoint.byteorder)
    if crowd is None:
        return verdict
    top = record.offset + element.start
    top += 0 if checkpoint.byteorder == "big" else element.dtype.itemsize - 1
    old, new = (one.source.read(top, 1)[0] for one in (file, view))
    extreme = crowd.as_extreme(old, new) if element.part is Part.EXPONENT else None
    if extreme is not None:
        nbits = _EXPONENT_NBITS.get(element.dtype.name, _USUAL_EXPONENT_NBITS)
        odds = (2 * nbits * extreme + 32) / ORDER
        if odds < verdict.odds:
            numel = where.nbytes // element.dtype.itemsize
            says = f"as extreme as it is in the file: {extreme} of {numel} elements, it included"
            return replace(verdict, odds=odds, witnesses=(*verdict.witnesses, says))
    if wild := crowd.wild():
        says = f"{wild} other elements of the record are NaN, infinite or out of all proportion"
        return replace(verdict, doubts=(*verdict.doubts, says))
    return verdict
