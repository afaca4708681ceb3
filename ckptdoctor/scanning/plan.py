"""What to read, in which order, and which bytes belong to which tensor.

A storage is read once however many tensors view it. It is cut at the borders of those views, so
that each view is a whole number of pieces, and at chunk borders, so that a piece fits the cache.
Pieces that lie close together in the file are read by one call.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from ckptdoctor.checkpoint import Checkpoint, Role, StorageRef, TensorRecord
from ckptdoctor.dtypes import DType, Kind
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.scanning.kernels import EMPTY, Measurement

__all__ = [
    "CHUNK_NBYTES",
    "Extent",
    "Piece",
    "Read",
    "StorageScan",
    "Task",
    "make_plan",
    "make_scans",
    "make_tasks",
    "sample_step",
]

CHUNK_NBYTES = 2 << 20
"""Bytes that one call reads, checks and measures.

Smaller chunks lose more time between the calls than they win by staying in a nearer cache, larger
ones cost memory; docs/performance.md has the figures.
"""

PIECE_NBYTES = 8 * CHUNK_NBYTES
"""The longest piece, read in chunks by one thread that adds up what it finds, so that little has
to be kept of a large file."""

_TASK_NBYTES = 16 << 20  # enough to keep a thread busy, little enough to share a file out
_GAP_NBYTES = 1 << 14  # reading over a gap is cheaper than another call
_SAMPLED = (Role.MODEL, Role.EMA)
_MOST_SAMPLED, _FEWEST_SAMPLED = 32, 8  # of a chunk
_SAMPLED_OF_A_FILE = 20_000  # no more are compared of two checkpoints: see runs/samples.py
_MAX_SHARED = 2_000_000  # pieces that its tensors have together, counted for each of them
_MAX_CUTS = 50_000  # a storage viewed in more ways than this is measured as a whole


@dataclass(slots=True)
class Piece:
    """A run of bytes of one storage, longer than a chunk or not, and what was found in it."""

    start: int
    nbytes: int
    dtype: DType | None
    sampled: int = 0  # the most elements that are kept of a chunk
    measurement: Measurement = EMPTY
    crc32: int = 0
    saturated: int = 0
    sample: bytes = b""


@dataclass(slots=True)
class StorageScan:
    """One storage read as one element type.

    Attributes:
        ref: where it lies.
        dtype: how to measure it; None to check its checksum only.
        check_crc: whether to compute the checksum as well.
        pieces: in order, without gaps.
        tensors: those that view it as this type.
        extents: the run that each of them reaches.
        views: what was found in those tensors that leave gaps in the run they reach.
    """

    ref: StorageRef
    dtype: DType | None
    check_crc: bool
    pieces: list[Piece] = field(default_factory=list)
    tensors: list[TensorRecord] = field(default_factory=list)
    extents: list[Extent] = field(default_factory=list)
    views: dict[str, Piece] = field(default_factory=dict)

    @property
    def sampled(self) -> bool:
        """Whether to keep a few elements: weights are compared from one checkpoint to the next."""
        return (
            self.dtype is not None
            and self.dtype.kind is Kind.FLOAT
            and any(tensor.role in _SAMPLED for tensor in self.tensors)
        )

    def add(self, tensor: TensorRecord) -> None:
        """Another tensor that views the storage."""
        self.tensors.append(tensor)
        self.extents.append(Extent.of(tensor))


@dataclass(slots=True)
class Read:
    """Pieces that one call to ``preadv`` brings in, or one piece that takes several."""

    offset: int
    nbytes: int
    pieces: list[tuple[Piece, int, bool]]  # the piece, where it starts in the buffer, check its CRC


@dataclass(slots=True)
class Task:
    """What one thread does in one go: reads, one storage to decode, or one view with gaps."""

    reads: list[Read] = field(default_factory=list)
    decode: StorageScan | None = None
    view: tuple[StorageScan, TensorRecord] | None = None
    nbytes: int = 0


@dataclass(frozen=True, slots=True)
class Extent:
    """The run of a storage that a tensor reaches, in bytes from its start.

    Attributes:
        start: first byte.
        nbytes: up to and including the last element.
        dense: whether every element of the run belongs to the tensor; dimensions that are
            expanded (a step of 0) repeat them and do not count.
    """

    start: int
    nbytes: int
    dense: bool

    @classmethod
    def of(cls, tensor: TensorRecord) -> Extent:
        """The run of a tensor with at least one element."""
        itemsize = tensor.dtype_info.itemsize
        reach = 1
        for size, step in zip(reversed(tensor.shape), reversed(tensor.stride), strict=True):
            if size == 1:
                continue
            if step != reach:
                break
            reach *= size
        else:  # contiguous, as nearly all are
            return cls(tensor.storage_offset * itemsize, reach * itemsize, dense=True)
        dims = sorted(
            (step, size)
            for size, step in zip(tensor.shape, tensor.stride, strict=True)
            if size > 1 and step > 0
        )
        reach, dense = 1, True
        for step, size in dims:
            dense = dense and step == reach
            reach += (size - 1) * step
        return cls(tensor.storage_offset * itemsize, reach * itemsize, dense)


def make_plan(checkpoint: Checkpoint) -> tuple[list[StorageScan], list[Task]]:
    """Every storage of the checkpoint to measure or check, and the work in file order."""
    scans = make_scans(checkpoint.tensors, checkpoint.records)
    return scans, list(make_tasks(scans))


def make_scans(
    tensors: Iterable[TensorRecord], records: Iterable[StorageRef], most: int | None = None
) -> list[StorageScan]:
    """Every storage of these tensors, and every record with a checksum, cut into pieces.

    Args:
        tensors: to be measured.
        records: to be checked.
        most: elements to keep of a chunk; None where the tensors are all of a file, and say it.
    """
    scans = _storages(tensors, records)
    most = _sampled_of_each(scans) if most is None else most
    for scan in scans:
        scan.pieces = _cut(scan, most)
    return scans


def _sampled_of_each(scans: Iterable[StorageScan]) -> int:
    """How many elements to keep of a chunk: fewer where there are many weights.

    An EMA is compared with the model tensor by tensor, so that one role counts, not both.
    """
    roles = Counter(tensor.role for scan in scans if scan.sampled for tensor in scan.tensors)
    weights = max((roles[role] for role in _SAMPLED), default=0)
    share = _SAMPLED_OF_A_FILE // max(1, weights)
    return min(_MOST_SAMPLED, max(_FEWEST_SAMPLED, share))


def _storages(tensors: Iterable[TensorRecord], records: Iterable[StorageRef]) -> list[StorageScan]:
    """One entry for each storage and element type; those without a tensor for their checksum."""
    by_ref: dict[tuple[str, int, int], list[StorageScan]] = {}
    for tensor in tensors:
        ref = tensor.storage
        if ref is None or tensor.lost or 0 in tensor.shape:
            continue
        scans = by_ref.setdefault((ref.key, ref.offset, id(ref.inline)), [])
        for scan in scans:
            if scan.dtype is tensor.dtype_info:
                break
        else:
            scan = StorageScan(ref, tensor.dtype_info, bool(ref.crc32) and not scans)
            scans.append(scan)
        scan.add(tensor)
    for ref in records:
        if ref.crc32 and ref.nbytes:
            by_ref.setdefault(
                (ref.key, ref.offset, id(ref.inline)),
                [StorageScan(ref, None, check_crc=True)],
            )
    return list(itertools.chain.from_iterable(by_ref.values()))


@functools.lru_cache(maxsize=1 << 12)
def sample_step(numel: int, most: int) -> int:
    """Every so many elements of a chunk are kept.

    Of every other file of the run so many are kept, or twice, four times as many, and then these
    are among them: :func:`ckptdoctor.runs.samples.alike` finds them.
    """
    step = -(-numel // _MOST_SAMPLED)
    kept = -(-numel // max(1, step))
    while kept > most:
        step, kept = 2 * step, -(-kept // 2)
    return step


def _cut(scan: StorageScan, most: int) -> list[Piece]:
    """The pieces of a storage: no view starts or ends inside one."""
    total = scan.ref.nbytes
    sampled = most if scan.sampled else 0
    if [(e.start, e.nbytes) for e in scan.extents] == [(0, total)] and total <= CHUNK_NBYTES:
        return [Piece(0, total, scan.dtype, sampled)]  # one tensor on a storage of its own
    if scan.dtype is not None:
        total -= total % scan.dtype.itemsize
    cuts = {0, total}
    measured_start, measured_end = 0, total
    if scan.tensors:
        measured_start = min(extent.start for extent in scan.extents)
        measured_end = max(extent.start + extent.nbytes for extent in scan.extents)
        for extent in scan.extents:
            cuts.update((extent.start, extent.start + extent.nbytes))
        if len(cuts) > _MAX_CUTS or _shared(scan.extents, cuts) > _MAX_SHARED:
            cuts = {0, total, measured_start, measured_end}
    borders = sorted(cut for cut in cuts if cut <= total)
    if scan.ref.nbytes > total:
        borders.append(scan.ref.nbytes)  # a tail shorter than an element: for the checksum only
    pieces: list[Piece] = []
    decoded = not scan.ref.is_plain
    step = CHUNK_NBYTES if decoded else PIECE_NBYTES
    for start, end in itertools.pairwise(borders):
        inside = measured_start <= start and end <= measured_end and end <= total
        dtype = scan.dtype if inside else None
        if dtype is None and not scan.check_crc:
            continue
        pieces.extend(
            Piece(at, min(step, end - at), dtype, sampled if inside else 0)
            for at in range(start, end, step)
        )
    return pieces


def _shared(extents: Sequence[Extent], cuts: Iterable[int]) -> int:
    """How many pieces the tensors take, each counted as often as it is shared."""
    borders = sorted(cuts)
    return sum(
        bisect.bisect_left(borders, extent.start + extent.nbytes)
        - bisect.bisect_left(borders, extent.start)
        for extent in extents
    )


Placed = tuple[int, Piece, bool]
"""A piece, where it lies in the file, and whether to check it."""


def make_tasks(scans: Sequence[StorageScan], singles: Iterable[Placed] = ()) -> Iterator[Task]:
    """The work that scans are, in the order of the file.

    Args:
        scans: storages that are cut into pieces.
        singles: pieces beside those of the scans.
    """
    plain: list[StorageScan] = []
    for scan in scans:
        if not scan.ref.is_plain:
            yield Task(decode=scan, nbytes=scan.ref.nbytes)
        else:
            plain.append(scan)
            for tensor, extent in zip(scan.tensors, scan.extents, strict=True):
                if not extent.dense:
                    yield Task(view=(scan, tensor))
    plain.sort(key=lambda scan: scan.ref.offset)
    task = Task()
    placed = _placed(plain)
    beside = list(singles)
    for read in _reads(sorted([*placed, *beside], key=_OFFSET) if beside else placed):
        if task.reads and task.nbytes + read.nbytes > _TASK_NBYTES:
            yield task
            task = Task()
        task.reads.append(read)
        task.nbytes += read.nbytes
    if task.reads:
        yield task


_OFFSET = operator.itemgetter(0)


def _placed(scans: Iterable[StorageScan]) -> Iterator[Placed]:
    for scan in scans:
        base, check = scan.ref.offset, scan.check_crc
        for piece in scan.pieces:
            yield base + piece.start, piece, check


def _reads(placed: Iterable[Placed]) -> Iterator[Read]:
    """Neighbouring pieces together, as long as they fit one buffer."""
    read: Read | None = None
    start = end = 0
    pieces: list[tuple[Piece, int, bool]] = []
    for offset, piece, check in placed:
        reach = offset + piece.nbytes
        if read is not None:
            if -1 < offset - end <= _GAP_NBYTES and reach - start <= CHUNK_NBYTES:
                pieces.append((piece, offset - start, check))
                end = reach
                continue
            read.nbytes = end - start
            yield read
        start, end, pieces = offset, reach, [(piece, 0, check)]
        read = Read(offset, 0, pieces)
    if read is not None:
        read.nbytes = end - start
        yield read
