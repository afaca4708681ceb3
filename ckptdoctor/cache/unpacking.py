"""From bytes to a result. What comes from the disk is not trusted.

Whatever is not exactly what :class:`~ckptdoctor.cache.packing.Packer` writes is a ``ValueError``: a
result that was tampered with may be wrong, as a file may lie about itself, and can do nothing else.
"""

from __future__ import annotations

import json
import math
import sys
from array import array
from collections.abc import Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, TypeVar

from ckptdoctor.bulk import instances
from ckptdoctor.cache.packing import NONE, Packed
from ckptdoctor.cache.result import FileState, Result
from ckptdoctor.checkpoint import (
    Checkpoint,
    FileIdentity,
    GlobalUse,
    Problem,
    Role,
    StorageRef,
    Structure,
    TensorRecord,
    TensorStats,
    ZeroTail,
)
from ckptdoctor.dtypes import BY_NAME
from ckptdoctor.finding import Severity

__all__ = ["Structures"]

_T = TypeVar("_T")
_TENSOR = ("fqn", "dtype", "shape", "stride", "storage_offset", "storage", "role", "lost")
_MOST_ALIKE = 64
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
        self._keys = [_a(str, key) for key, _ in told["refs"]]
        self._texts = [None if text is None else _size(text) for _, text in told["refs"]]
        self._tensors = [self._tensor(row) for row in told["tensors"]]
        self._columns = list(zip(*self._tensors, strict=True)) or [()] * len(_TENSOR)
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
        self._found = [at for at, size in enumerate(self._samples) if size is not None]
        self._numels = [math.prod(self._tensors[at][2]) for at in self._found]
        self._alike: dict[bytes, Structure] = {}
        if len({*self._names}) != len(own) or len({*self._scalars}) != len(self._scalars):
            raise ValueError("a name twice")

    def _ref(self, at: object) -> int:
        if not 0 <= (place := _a(int, at)) < len(self._keys):
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
        refs, structure = self._storages(reader, _a(str, told["folder"]))
        stats = self._stats(reader, told["odd"])
        values = told["scalars"]
        if not all(value is None or isinstance(value, str | int | float) for value in values):
            raise ValueError("a value that is none")
        zeros = told["zero_tail"]
        checkpoint = Checkpoint(
            path=path,
            format=_a(str, told["format"]),
            nbytes=_size(told["nbytes"]),
            tensors=tuple(self._records_of(refs)),
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
            structure=structure,
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

    def _storages(self, reader: _Columns, folder: str) -> tuple[list[StorageRef], Structure | None]:
        """The storages, and what files share whose storages are of the same sizes as well."""
        count = len(self._keys)
        offsets, sizes, crcs, deflated = (reader.numbers("q", count) for _ in range(4))
        if any(min(column, default=0) < NONE for column in (offsets, sizes, crcs, deflated)):
            raise ValueError("a place that is none")
        sized = sizes.tobytes() + deflated.tobytes()
        structure = self._alike.get(sized)
        if structure is None and len(self._alike) < _MOST_ALIKE:
            structure = self._alike[sized] = Structure()
        made = instances(
            StorageRef,
            count,
            key=map(folder.__add__, self._keys),
            offset=offsets,
            nbytes=sizes,
            crc32=_or_none(crcs),
            deflated_nbytes=_or_none(deflated),
            inline=repeat(None),
            text_nbytes=self._texts,
        )
        return made, structure

    def _records_of(self, refs: Sequence[StorageRef]) -> list[TensorRecord]:
        columns: dict[str, Sequence[Any]] = dict(zip(_TENSOR, self._columns, strict=True))
        columns["storage"] = [None if at is None else refs[at] for at in columns["storage"]]
        return instances(TensorRecord, len(self._tensors), **columns)

    def _stats(self, reader: _Columns, odd: Mapping[str, Any]) -> dict[str, TensorStats]:
        count = len(self._found)
        low, high = reader.numbers("d", count), reader.numbers("d", count)
        names = [self._names[at] for at in self._found]
        made = instances(
            TensorStats,
            count,
            fqn=names,
            numel=self._numels,
            nan=repeat(0),
            posinf=repeat(0),
            neginf=repeat(0),
            min=low,
            max=high,
            first_bad_index=repeat(None),
            saturated=repeat(0),
            sample=[reader.raw(self._samples[at] or 0) for at in self._found],
        )
        reader.end()
        if odd or any(map(math.isnan, low)) or any(map(math.isnan, high)):
            for place, at in enumerate(self._found):
                if (told := odd.get(str(at))) is not None:
                    plain = made[place]
                    made[place] = _odd_stats(told, plain.fqn, plain.numel, plain.sample)
                elif math.isnan(low[place]) or math.isnan(high[place]):
                    raise ValueError("an extreme that is none")
        return dict(zip(names, made, strict=True))


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

    def numbers(self, code: str, count: int) -> array[Any]:
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


def _or_none(column: Sequence[int]) -> Sequence[int | None]:
    """A column with what stands for no value as None."""
    return column if NONE not in column else [None if one == NONE else one for one in column]


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
