"""The chunks of each tensor as one, once all files of a distributed checkpoint were scanned."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace

from zlib_ng import zlib_ng

from ckptdoctor.checkpoint import Problem, Role, StorageRef, TensorRecord, TensorStats
from ckptdoctor.formats.dcp.described import Chunk, WholeTensor
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Joined", "Piece", "joined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A chunk of a tensor, and where it lies."""

    chunk: Chunk
    record: TensorRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The tensors of all files, each once and as large as it was.

    Attributes:
        tensors: those of one chunk as they were; of others, the storage tells the sum of their
            bytes, and lies where the first chunk does.
        stats: by fqn; none for those that lack a chunk.
        pieces: the chunks of those that have several, by fqn.
        names: of the tensor, by that of each of its chunks.
        roles: of the tensors that have several chunks.
    """

    tensors: tuple[TensorRecord, ...]
    stats: dict[str, TensorStats] = field(repr=False)
    pieces: dict[str, tuple[Piece, ...]] = field(repr=False)
    names: dict[str, str] = field(repr=False)
    roles: dict[str, Role] = field(repr=False)

    def told(self, problem: Problem) -> Problem:
        """A problem of a chunk as one of its tensor."""
        subject = self.names.get(problem.subject, problem.subject)
        evidence = problem.evidence
        listed = evidence.get("tensors")
        if isinstance(listed, list):
            names = dict.fromkeys(self.names.get(name, name) for name in listed)
            evidence = {**evidence, "tensors": list(names)}
        if subject == problem.subject and evidence is problem.evidence:
            return problem
        at = "" if subject == problem.subject else f"{problem.subject[len(subject) :]}: "
        role = self.roles.get(subject)
        if at and role is not None:
            evidence = {"role": role.value, **evidence}
        return replace(
            problem, subject=subject, evidence=evidence, message=f"{at}{problem.message}"
        )

    def followed_by(self, more: Joined) -> Joined:
        """With what was joined of the tensors here, where two folders hold one checkpoint."""
        return replace(
            more,
            pieces=self.pieces | more.pieces,
            names=self.names | more.names,
            roles=self.roles | more.roles,
        )


def joined(
    whole: Mapping[str, WholeTensor],
    tensors: Sequence[TensorRecord],
    stats: Mapping[str, TensorStats],
    *,
    prefix: str = "",
) -> Joined:
    """The tensors of all files, their chunks put together.

    Args:
        whole: the tensors of the checkpoint, as its ``.metadata`` describes them.
        tensors: those of all files, as the reader named them; others pass through.
        stats: of those that were scanned, likewise.
        prefix: what was put before their names.
    """
    found = {record.fqn: record for record in tensors}
    owners = {
        prefix + name: tensor
        for tensor in whole.values()
        if len(tensor.chunks) > 1
        for name in tensor.chunk_names
    }
    result: list[TensorRecord] = []
    measured = {fqn: one for fqn, one in stats.items() if fqn not in owners}
    pieces: dict[str, tuple[Piece, ...]] = {}
    for record in tensors:
        tensor = owners.get(record.fqn)
        if tensor is None:
            result.append(record)
            continue
        fqn = prefix + tensor.fqn
        if fqn in pieces:
            continue
        own = pieces[fqn] = tuple(_pieces(tensor, found, prefix))
        result.append(_whole_record(tensor, fqn, own or (_nothing(record),)))
        merged = _merged(tensor, result[-1], own, stats)
        if merged is not None:
            measured[fqn] = merged
    return Joined(
        tensors=tuple(result),
        stats=measured,
        pieces=pieces,
        names={name: prefix + tensor.fqn for name, tensor in owners.items()},
        roles={record.fqn: record.role for record in result if record.fqn in pieces},
    )


def _pieces(tensor: WholeTensor, found: Mapping[str, TensorRecord], prefix: str) -> Iterator[Piece]:
    """The chunks that hold something and were found, in the order of the ``.metadata``."""
    for chunk, name in zip(tensor.chunks, tensor.chunk_names, strict=True):
        record = found.get(prefix + name)
        if record is not None and chunk.numel:
            yield Piece(chunk=chunk, record=record)


def _nothing(record: TensorRecord) -> Piece:
    """A chunk of no elements, where a tensor has no other."""
    return Piece(chunk=Chunk(offsets=(0,) * len(record.shape), sizes=record.shape), record=record)


def _whole_record(tensor: WholeTensor, fqn: str, pieces: Sequence[Piece]) -> TensorRecord:
    first = pieces[0].record
    size = tensor.size
    held = sum(piece.chunk.numel for piece in pieces if not piece.record.lost)
    return replace(
        first,
        fqn=fqn,
        shape=size,
        stride=tuple(math.prod(size[dim + 1 :]) for dim in range(len(size))),
        storage_offset=0,
        storage=_storage(fqn, [piece.record.storage for piece in pieces]),
        lost=held < math.prod(size),
    )


def _storage(fqn: str, storages: Sequence[StorageRef | None]) -> StorageRef | None:
    """All of them as one, with the checksum that their bytes have one behind the other."""
    known = [storage for storage in storages if storage is not None]
    if not known or len(known) < len(storages):
        return None
    crc32: int | None = 0
    for storage in known:
        if not storage.crc32 or crc32 is None:
            crc32 = None
        else:
            crc32 = zlib_ng.crc32_combine(crc32, storage.crc32, storage.nbytes)
    return StorageRef(
        key=fqn,
        offset=known[0].offset,
        nbytes=sum(storage.nbytes for storage in known),
        crc32=crc32,
    )


def _merged(
    tensor: WholeTensor,
    record: TensorRecord,
    pieces: Sequence[Piece],
    stats: Mapping[str, TensorStats],
) -> TensorStats | None:
    """The statistics of all chunks; None where one of them has none."""
    measured = [(piece.chunk, stats.get(piece.record.fqn)) for piece in pieces]
    known = [(chunk, one) for chunk, one in measured if one is not None]
    if record.lost or not known or len(known) < len(measured):
        return None
    every = [one for _, one in known]
    return TensorStats(
        fqn=record.fqn,
        numel=record.numel,
        nan=sum(one.nan for one in every),
        posinf=sum(one.posinf for one in every),
        neginf=sum(one.neginf for one in every),
        min=min((one.min for one in every if one.min is not None), default=None),
        max=max((one.max for one in every if one.max is not None), default=None),
        first_bad_index=min(
            (
                _shifted(one.first_bad_index, chunk)
                for chunk, one in known
                if one.first_bad_index is not None
            ),
            default=None,
        ),
        saturated=sum(one.saturated for one in every),
        sample=b"".join(one.sample for one in every) if _in_order(tensor, pieces) else b"",
    )


def _shifted(index: tuple[int, ...], chunk: Chunk) -> tuple[int, ...]:
    return tuple(at + start for at, start in zip(index, chunk.offsets, strict=True))


def _in_order(tensor: WholeTensor, pieces: Sequence[Piece]) -> bool:
    """Whether the chunks lie one behind the other in the tensor.

    Samples are compared place by place with those of another checkpoint; those of a tensor that is
    cut across its rows could lie elsewhere there, and be as many.
    """
    at = 0
    for piece in pieces:
        chunk = piece.chunk
        if chunk.sizes[1:] != tensor.size[1:] or chunk.offsets[:1] != (at,):
            return False
        at += chunk.sizes[0]
    return True
