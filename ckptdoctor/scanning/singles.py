"""Tensors that have a small storage to themselves, as nearly all have: planned by the thousand.

What has to be read of a checkpoint, and how, follows from its structure; where it lies and what its
checksums are is its own. So of checkpoints of one structure the first is planned tensor by tensor,
and the others from what came of that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import Self

from ckptdoctor.bulk import instances
from ckptdoctor.checkpoint import Checkpoint, StorageRef, TensorRecord, TensorStats
from ckptdoctor.dtypes import DType
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.scanning.kernels import EMPTY
from ckptdoctor.scanning.plan import (
    CHUNK_NBYTES,
    Extent,
    Piece,
    StorageScan,
    Task,
    make_scans,
    make_tasks,
)
from ckptdoctor.scanning.stats import index_of

__all__ = ["Singles", "Template"]

_STORAGE, _CRC, _OFFSET = attrgetter("storage"), attrgetter("crc32"), attrgetter("offset")
_MEASUREMENT, _FQN = attrgetter("measurement"), attrgetter("fqn")
_FIRST = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Singles:
    """Tensors of one file that each have a storage to themselves, and that storage in one piece."""

    tensors: Sequence[TensorRecord]
    refs: Sequence[StorageRef]
    pieces: Sequence[Piece]
    numels: Sequence[int]

    def placed(self) -> Iterator[tuple[int, Piece, bool]]:
        """The pieces with their place in the file, and whether to check them."""
        return zip(
            map(_OFFSET, self.refs), self.pieces, map(bool, map(_CRC, self.refs)), strict=True
        )

    def damaged(self) -> list[StorageScan]:
        """Those whose checksum is another one, as scans of storages."""
        return [
            StorageScan(ref, piece.dtype, True, [piece], [tensor], [Extent.of(tensor)])  # noqa: FBT003
            for ref, piece, tensor in zip(self.refs, self.pieces, self.tensors, strict=True)
            if ref.crc32 and ref.crc32 != piece.crc32
        ]

    def stats(self) -> dict[str, TensorStats]:
        """The statistics of each, by fqn."""
        names = list(map(_FQN, self.tensors))
        if not names:
            return {}
        found = list(map(_MEASUREMENT, self.pieces))
        nan, posinf, neginf, low, high, first = zip(*found, strict=True)
        made = instances(
            TensorStats,
            len(names),
            fqn=names,
            numel=self.numels,
            nan=nan,
            posinf=posinf,
            neginf=neginf,
            min=low,
            max=high,
            first_bad_index=[
                None if bad is None else index_of(tensor, bad)
                for bad, tensor in zip(first, self.tensors, strict=True)
            ],
            saturated=map(attrgetter("saturated"), self.pieces),
            sample=map(attrgetter("sample"), self.pieces),
        )
        return dict(zip(names, made, strict=True))


@dataclass(frozen=True, slots=True)
class Template:
    """What plans of checkpoints of one structure have in common.

    Attributes:
        singles: which of the tensors are such.
        others: which are not.
        records: which of the records hold no tensor.
        nbytes: of the singles' storages.
        dtypes: theirs.
        sampled: how many elements of each are kept at most.
        most: the same of any weight.
        numels: how many elements they have.
        listed: how many records there are.
    """

    singles: tuple[int, ...]
    others: tuple[int, ...]
    records: tuple[int, ...]
    nbytes: tuple[int, ...]
    dtypes: tuple[DType | None, ...]
    sampled: tuple[int, ...]
    most: int
    numels: tuple[int, ...]
    listed: int

    @classmethod
    def of(cls, checkpoint: Checkpoint, scans: Sequence[StorageScan]) -> Self:
        """What is to be learnt of a plan that was made tensor by tensor."""
        place = {id(tensor): index for index, tensor in enumerate(checkpoint.tensors)}
        views: dict[int, int] = {}
        for scan in scans:
            views[id(scan.ref)] = views.get(id(scan.ref), 0) + len(scan.tensors)
        found = {
            place[id(scan.tensors[0])]: scan
            for scan in scans
            if views[id(scan.ref)] == 1 and _is_single(scan)
        }
        single = sorted(found.items(), key=_FIRST)
        places = tuple(at for at, _ in single)
        taken = set(places)
        viewed = {id(scan.ref) for scan in scans if scan.tensors}
        return cls(
            singles=places,
            others=tuple(at for at in range(len(checkpoint.tensors)) if at not in taken),
            records=tuple(at for at, ref in enumerate(checkpoint.records) if id(ref) not in viewed),
            nbytes=tuple(scan.ref.nbytes for _, scan in single),
            dtypes=tuple(scan.dtype for _, scan in single),
            sampled=tuple(scan.pieces[0].sampled for _, scan in single),
            most=max((piece.sampled for scan in scans for piece in scan.pieces), default=0),
            numels=tuple(checkpoint.tensors[at].numel for at in places),
            listed=len(checkpoint.records),
        )

    def fits(self, checkpoint: Checkpoint) -> bool:
        """Whether nobody has taken anything from the checkpoint, or added to it, since."""
        count = len(self.singles) + len(self.others)
        return len(checkpoint.tensors) == count and len(checkpoint.records) == self.listed

    def plan(self, checkpoint: Checkpoint) -> tuple[Singles, list[StorageScan], list[Task]]:
        """The plan of a checkpoint of this structure: as if it were made tensor by tensor."""
        tensors, records = checkpoint.tensors, checkpoint.records
        own = [tensors[at] for at in self.singles]
        pieces = instances(
            Piece,
            len(own),
            start=repeat(0),
            nbytes=self.nbytes,
            dtype=self.dtypes,
            sampled=self.sampled,
            measurement=repeat(EMPTY),
            crc32=repeat(0),
            saturated=repeat(0),
            sample=repeat(b""),
        )
        singles = Singles(own, list(map(_STORAGE, own)), pieces, self.numels)
        scans = make_scans(
            [tensors[at] for at in self.others],
            [records[at] for at in self.records],
            self.most,
        )
        return singles, scans, list(make_tasks(scans, singles.placed()))


def _is_single(scan: StorageScan) -> bool:
    """Whether a storage is one piece, and all of it one tensor that repeats nothing."""
    total = scan.ref.nbytes
    return (
        len(scan.tensors) == len(scan.pieces) == 1
        and scan.ref.is_plain
        and scan.extents[0] == Extent(0, total, dense=True)
        and total <= CHUNK_NBYTES
        and scan.pieces[0].nbytes == total
        and 0 not in scan.tensors[0].stride
    )
