"""From bytes to a result. What comes from the disk is not trusted.

Whatever is not exactly what :class:`~ckptdoctor.cache.packing.Packer` writes is a ``ValueError``: a
result that was tampered with may be wrong, as a file may lie about itself, and can do nothing else.
"""

from __future__ import annotations

import json
import math
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ckptdoctor.cache.packing import NONE, Packed
from ckptdoctor.cache.result import FileState, Result
from ckptdoctor.checkpoint import (
    Checkpoint,
    FileIdentity,
    GlobalUse,
    Problem,
    Role,
    StorageRef,
    TensorRecord,
    TensorStats,
    ZeroTail,
)
from ckptdoctor.dtypes import BY_NAME
from ckptdoctor.finding import Severity

__all__ = ["Structures"]

_T = TypeVar("_T")
_ROLES = {role.value: role for role in Role}


class Structures:
    """From bytes to results; a structure that many files share is read once."""

    def __init__(self) -> None:
        self._known: dict[bytes, _Structure] = {}

    def unpacked(self, found: Packed, path: Path, state: FileState) -> Result:
        """The result that a packer was given.

        Args:
            found: it as bytes.
            path: the file.
            state: what it is now.

        Raises:
            ValueError: the bytes are not what a packer writes.
        """
        try:
            structure = self._known.get(found.structure)
            if structure is None:
                structure = self._known[found.structure] = _Structure(json.loads(found.structure))
            return structure.result(json.loads(found.details), found.figures, path, state)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
            raise ValueError(f"not a result: {error}") from error


class _Structure:
    """What files of a run have in common, checked once."""

    def __init__(self, told: Any) -> None:
        self._refs = [
            (_a(str, key), None if text is None else _size(text)) for key, text in told["refs"]
        ]
        self._tensors = [self._tensor(row) for row in told["tensors"]]
        self._records = [self._ref(at) for at in told["records"]]
        self._scalars = [_a(str, path) for path in told["scalars"]]
        self._samples = [None if one is None else _size(one) for one in told["samples"]]
        own, others = [(row[0], row[6]) for row in self._tensors], told["scanned"]
        if others is not None:
            own = [(_a(str, name), _ROLES[role]) for name, role in others]
        self._scanned = tuple(own)
        self._names = [name for name, _ in own]
        if {len(self._tensors)} != {len(own), len(self._samples)}:
            raise ValueError("lists of different lengths")
        if len({*self._names}) != len(own) or len({*self._scalars}) != len(self._scalars):
            raise ValueError("a name twice")

    def _ref(self, at: object) -> int:
        if not 0 <= (place := _a(int, at)) < len(self._refs):
            raise ValueError("a storage that is not listed")
        return place

    def _tensor(self, row: Any) -> tuple[Any, ...]:
        fqn, dtype, shape, stride, offset, storage, role, lost = row
        if _a(str, dtype) not in BY_NAME:
            raise ValueError("a type of elements that is not known")
        return (
            _a(str, fqn),
            sys.intern(dtype),
            tuple(map(_size, shape)),
            tuple(_a(int, one) for one in stride),
            _a(int, offset),
            None if storage == NONE else self._ref(storage),
            _ROLES[role],
            _a(bool, lost),
        )

    def result(self, told: Any, figures: bytes, path: Path, state: FileState) -> Result:
        """A file of this structure."""
        reader = _Columns(figures)
        refs = list(self._storages(reader, _a(str, told["folder"])))
        stats = dict(self._stats(reader, told["odd"]))
        values = told["scalars"]
        if not all(value is None or isinstance(value, str | int | float) for value in values):
            raise ValueError("a value that is none")
        zeros = told["zero_tail"]
        checkpoint = Checkpoint(
            path=path,
            format=_a(str, told["format"]),
            nbytes=_size(told["nbytes"]),
            tensors=tuple(_records(self._tensors, refs)),
            scalars=dict(zip(self._scalars, values, strict=True)),
            globals=tuple(map(_global, told["globals"])),
            problems=tuple(map(_problem, told["problems"])),
            records=[refs[at] for at in self._records],
            byteorder=_a(str, told["byteorder"]),
            identity=FileIdentity(
                device=state.device,
                inode=state.inode,
                nbytes=state.nbytes,
                mtime_ns=state.mtime_ns,
            ),
        )
        return Result(
            checkpoint=checkpoint,
            scanned=self._scanned,
            stats=stats,
            problems=tuple(map(_problem, told["scan_problems"])),
            unchecked=_size(told["unchecked"]),
            zero_tail=None
            if zeros is None
            else ZeroTail(start=_size(zeros[0]), filled=_a(float, zeros[1])),
        )

    def _storages(self, reader: _Columns, folder: str) -> Iterator[StorageRef]:
        count = len(self._refs)
        columns = [reader.numbers("q", count) for _ in range(4)]
        if any(min(column, default=0) < NONE for column in columns):
            raise ValueError("a place that is none")
        for (key, text), offset, nbytes, crc, deflated in zip(self._refs, *columns, strict=True):
            yield StorageRef(
                key=folder + key,
                offset=offset,
                nbytes=nbytes,
                crc32=None if crc == NONE else crc,
                deflated_nbytes=None if deflated == NONE else deflated,
                text_nbytes=text,
            )

    def _stats(self, reader: _Columns, odd: Mapping[str, Any]) -> Iterator[tuple[str, TensorStats]]:
        found = [at for at, size in enumerate(self._samples) if size is not None]
        low, high = reader.numbers("d", len(found)), reader.numbers("d", len(found))
        for at, least, most in zip(found, low, high, strict=True):
            name, row = self._names[at], self._tensors[at]
            sample = reader.raw(self._samples[at] or 0)
            numel = math.prod(row[2])
            if (told := odd.get(str(at))) is None:
                if math.isnan(least) or math.isnan(most):
                    raise ValueError("an extreme that is none")
                stats = TensorStats(fqn=name, numel=numel, min=least, max=most, sample=sample)
            else:
                stats = _odd_stats(told, name, numel, sample)
            yield name, stats
        reader.end()


class _Columns:
    """The columns of a file's figures, one after another."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._at = raw, 0

    def raw(self, nbytes: int) -> bytes:
        """The next bytes."""
        self._at += nbytes
        if self._at > len(self._raw):
            raise ValueError("figures that end too early")
        return self._raw[self._at - nbytes : self._at]

    def numbers(self, code: str, count: int) -> Sequence[Any]:
        """The next column."""
        column: array[Any] = array(code)
        column.frombytes(self.raw(count * column.itemsize))
        if sys.byteorder == "big":
            column.byteswap()
        return column

    def end(self) -> None:
        """Nothing follows."""
        if self._at != len(self._raw):
            raise ValueError("figures that nobody asks for")


def _records(rows: Iterable[tuple[Any, ...]], refs: Sequence[StorageRef]) -> Iterator[TensorRecord]:
    for fqn, dtype, shape, stride, offset, storage, role, lost in rows:
        yield TensorRecord(
            fqn=fqn,
            dtype=dtype,
            shape=shape,
            stride=stride,
            storage_offset=offset,
            storage=None if storage is None else refs[storage],
            role=role,
            lost=lost,
        )


def _odd_stats(told: Any, name: str, numel: int, sample: bytes) -> TensorStats:
    nan, posinf, neginf, saturated, least, most, index = told
    for extreme in (least, most):
        if not (extreme is None or type(extreme) in (int, float)):
            raise ValueError("an extreme that is none")
    return TensorStats(
        fqn=name,
        numel=numel,
        nan=_size(nan),
        posinf=_size(posinf),
        neginf=_size(neginf),
        min=least,
        max=most,
        first_bad_index=None if index is None else tuple(map(_size, index)),
        saturated=_size(saturated),
        sample=sample,
    )


def _global(row: Any) -> GlobalUse:
    name, count, offset, runs_code, allowed, known = row
    return GlobalUse(
        name=_a(str, name),
        count=_size(count),
        offset=_size(offset),
        runs_code=_a(bool, runs_code),
        allowed=_a(bool, allowed),
        known=_a(bool, known),
    )


def _problem(row: Any) -> Problem:
    code, severity, subject, message, evidence, remedy = row
    return Problem(
        code=_a(str, code),
        severity=Severity(severity),
        subject=_a(str, subject),
        message=_a(str, message),
        evidence=_a(dict, evidence),
        remedy=_a(str, remedy),
    )


def _a(kind: type[_T], value: object) -> _T:
    if type(value) is not kind:
        raise TypeError(f"{kind.__name__} expected")
    return value


def _size(value: object) -> int:
    if (size := _a(int, value)) < 0:
        raise ValueError("a size below zero")
    return size
