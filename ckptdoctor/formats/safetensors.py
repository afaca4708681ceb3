"""safetensors files: a length, a JSON header, and the payload.

Source: the format section of the safetensors README, and ``safetensors/src/tensor.rs`` for the
rules of validation.
"""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ckptdoctor.checkpoint import Checkpoint, Problem, Role, Scalar, StorageRef, TensorRecord
from ckptdoctor.dtypes import SAFETENSORS, DType
from ckptdoctor.errors import (
    CorruptCheckpointError,
    LimitExceededError,
    TruncatedCheckpointError,
    UnsupportedCheckpointError,
)
from ckptdoctor.finding import Severity
from ckptdoctor.formats.assemble import assemble
from ckptdoctor.formats.json_stream import JsonError, JsonStream, TooLongError
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.stray import code_in_noise
from ckptdoctor.formats.roles import Unsettled, role_of_key, settle_roles
from ckptdoctor.formats.source import FileSource
from ckptdoctor.formats.tree import Harvest

__all__ = ["is_safetensors", "read_safetensors"]

MAX_HEADER_NBYTES = 100_000_000
_MAX_DIMENSIONS = 128
_METADATA = "__metadata__"
_EVERY_ENTRY = b"{"  # no escape spells it; in texts it stands as well, so that too many are counted
_WINDOW_NBYTES = 1 << 20
_ENTRY_CHARS = 1_000_000  # 128 dimensions take 3 kB
_KEY_CHARS = 40
_MAX_KEYS = 3
_NO_TENSOR = "its entry in the header describes no tensor"
_PROMISED = "the file is cut: {whole} of {all} tensors are whole"


def is_safetensors(head: bytes) -> bool:
    """Whether the first 9 bytes are a plausible header length and the start of a JSON object."""
    return len(head) >= 9 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] < 1 << 40


def read_safetensors(file: OpenFile, limits: Limits) -> Checkpoint:
    """The checkpoint in a safetensors file.

    Raises:
        LimitExceededError: a header longer than allowed.
        TruncatedCheckpointError: cut inside the header.
        CorruptCheckpointError: the header is no JSON object of tensors.
    """
    return _Safetensors(file, limits).read()


class _Safetensors:
    """One file, its header read entry by entry."""

    def __init__(self, file: OpenFile, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._start = 0  # of the payload
        self._end = file.start + file.nbytes
        self._found = Harvest()
        self._refs: list[StorageRef] = []

    def read(self) -> Checkpoint:
        """The checkpoint."""
        found, header = self._found, self._header()
        most = self._limits.tensors
        if _count(header, _EVERY_ENTRY) > most + 2:  # the header itself, and its metadata
            most = min(most, self._limits.tensors_of_more)
        try:
            rest = self._read_entries(JsonStream(header), most)
        except JsonError as error:
            raise CorruptCheckpointError(
                self._file.path,
                f"its header is no JSON: {error.message}",
                offset=(header.file_offset or 0) + error.offset,
            ) from error
        found.tensors = _settled(found.tensors)
        found.problems += _cut(found.tensors)
        if rest:
            found.problems.append(_unexamined(rest))
        else:
            found.problems += _coverage(self._refs, self._start, self._end)
        return assemble(
            self._file,
            "safetensors",
            found,
            code_in_noise(self._file.source, self._limits),
            records=tuple(self._refs),
        )

    def _header(self) -> FileSource:
        """The JSON header."""
        file = self._file
        length = struct.unpack("<Q", file.source.read(0, 8))[0]
        if length > MAX_HEADER_NBYTES:
            raise LimitExceededError(
                file.path, f"a header of {length} bytes, and safetensors allows {MAX_HEADER_NBYTES}"
            )
        if length > file.nbytes - 8:
            raise TruncatedCheckpointError(
                file.path,
                f"the file ends inside its header: {file.nbytes - 8} of {length} bytes",
                remedy="Download it again.",
            )
        self._start = file.start + 8 + length
        return FileSource(file.fd, length, file.start + 8)

    def _read_entries(self, header: JsonStream, most: int) -> str:
        """Read the entries, so many at most; why those that are left were not, or ""."""
        found = self._found
        for name in header.members():
            if name == _METADATA:
                rest = self._read_metadata(header)
                if rest:
                    return rest
                continue
            if len(found.tensors) + len(found.problems) >= most:
                return f"more tensors than a file can need, of which {most} were read"
            try:
                entry = header.value(_ENTRY_CHARS)
            except TooLongError:
                found.problems.append(_problem(name, _NO_TENSOR))
                return "an entry of more than a million characters"
            record, problem = _tensor(name, entry, self._start, self._end)
            if problem is not None:
                found.problems.append(problem)
            if record is not None:
                found.tensors.append(record)
                if record.storage is not None:
                    self._refs.append(record.storage)
        header.finish()
        return ""

    def _read_metadata(self, header: JsonStream) -> str:
        """Read ``__metadata__``, which has to hold texts; why there is a rest, or ""."""
        bad: list[str] = []
        rest = ""
        if not header.begins_with("{"):
            try:
                if header.value(_ENTRY_CHARS) is None:
                    return ""
            except TooLongError:
                rest = "metadata of more than a million characters"
            self._found.problems.append(_bad_metadata("is no object of texts"))
            return rest
        for count, key in enumerate(header.members()):
            if count >= self._limits.scalars:
                rest = f"more than {count} entries of metadata"
                break
            most = MAX_HEADER_NBYTES if header.begins_with('"') else _ENTRY_CHARS
            try:
                value = header.value(most)
            except TooLongError:
                bad.append(key)
                rest = "metadata of more than a million characters"
                break
            if type(value) is not str:
                bad.append(key)
            self._found.scalars[f"{_METADATA}.{key}"] = _scalar(value)
        if bad:
            few = ", ".join(repr(key[:_KEY_CHARS]) for key in bad[:_MAX_KEYS])
            more = f" and {len(bad) - _MAX_KEYS} more" if len(bad) > _MAX_KEYS else ""
            self._found.problems.append(
                _bad_metadata(f"holds values that are no texts: {few}{more}")
            )
        return rest


def _count(header: FileSource, text: bytes) -> int:
    """How often a text stands in a header, without holding it."""
    return sum(
        header.read(at, _WINDOW_NBYTES + len(text) - 1).count(text)
        for at in range(0, header.nbytes, _WINDOW_NBYTES)
    )


def _bad_metadata(what: str) -> Problem:
    return Problem(
        code="CD104",
        severity=Severity.ERROR,
        subject=_METADATA,
        message=f"{what}; the safetensors library refuses the file",
        remedy="Save it again with metadata of str to str.",
    )


def _unexamined(why: str) -> Problem:
    return Problem(
        code="CD107",
        severity=Severity.ERROR,
        subject="file",
        message=f"{why}: the rest of the file was not examined",
        remedy="Treat the file as hostile unless you made it yourself; save what you made in "
        "several files.",
    )


def _scalar(value: object) -> Scalar:
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)


def _tensor(
    name: str, entry: Any, start: int, end: int
) -> tuple[TensorRecord | None, Problem | None]:
    """One entry of the header; a problem where it contradicts itself."""
    try:
        dtype, shape, first, last = _fields(entry)
    except UnsupportedCheckpointError as error:
        return None, _problem(name, error.message)
    except (KeyError, TypeError, ValueError):
        return None, _problem(name, _NO_TENSOR)
    record = TensorRecord(
        fqn=name,
        dtype=dtype.name,
        shape=shape,
        stride=_strides(shape),
        storage_offset=0,
        storage=StorageRef(key=name, offset=start + first, nbytes=last - first),
        role=_role(name.partition(".")[0]) if "." in name else Role.MODEL,
        lost=start + last > end,
    )
    nbytes = record.nbytes
    if nbytes != last - first:
        return record, _problem(
            name, f"its shape takes {nbytes} bytes, its place is {last - first}"
        )
    if not nbytes and _overflows(shape, dtype):
        return record, _problem(name, "its shape overflows before its 0 is reached")
    return record, None


def _fields(entry: Any) -> tuple[DType, tuple[int, ...], int, int]:
    if type(entry) is not dict:
        raise TypeError("no object")
    dtype = SAFETENSORS.get(entry["dtype"])
    if dtype is None:
        raise UnsupportedCheckpointError("", f"dtype {str(entry['dtype'])[:40]!r} is unknown")
    shape = entry["shape"]
    first, last = entry["data_offsets"]
    if type(shape) is not list or len(shape) > _MAX_DIMENSIONS:
        raise TypeError("no shape")
    for size in (*shape, first, last):
        if type(size) is not int or not 0 <= size < 1 << 63:
            raise ValueError("not a size")
    if last < first:
        raise ValueError("offsets in reverse")
    return dtype, tuple(shape), first, last


@functools.lru_cache(maxsize=1024)
def _role(first_part: str) -> Role:
    role = role_of_key(first_part)
    return role if role in (Role.OPTIMIZER, Role.EMA) else Role.MODEL


def _settled(tensors: list[TensorRecord]) -> list[TensorRecord]:
    """The tensors, an average that is all the weights there are as the model."""
    roles = settle_roles([Unsettled(tensor.role, "") for tensor in tensors], is_object=False)
    return [
        tensor if tensor.role is role else replace(tensor, role=role)
        for tensor, role in zip(tensors, roles, strict=True)
    ]


@functools.lru_cache(maxsize=1024)
def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def _overflows(shape: tuple[int, ...], dtype: DType) -> bool:
    """Whether the library, which multiplies in 64 bits, cannot tell the size of a shape."""
    numel = 1
    for size in shape:
        numel *= size
        if numel >= 1 << 64:
            return True
    return numel * dtype.itemsize * 8 >= 1 << 64


def _cut(tensors: list[TensorRecord]) -> Iterable[Problem]:
    lost = [tensor.fqn for tensor in tensors if tensor.lost]
    if lost:
        yield Problem(
            code="CD102",
            severity=Severity.ERROR,
            subject="file",
            message=_PROMISED.format(whole=len(tensors) - len(lost), all=len(tensors)),
            evidence={"lost": len(lost), "first_lost": lost[0]},
            remedy="Download or copy it again.",
        )


def _coverage(refs: list[StorageRef], start: int, end: int) -> Iterable[Problem]:
    """The payload must be covered without a hole and without an overlap."""
    at = start
    for ref in sorted(refs, key=lambda ref: (ref.offset, ref.nbytes)):
        if ref.offset != at:
            how = "overlaps the tensor before it" if ref.offset < at else "leaves a hole before it"
            yield _problem(ref.key, f"its place {how}")
            return
        at = ref.offset + ref.nbytes
    if at < end:
        yield _problem("file", f"{end - at} bytes follow the last tensor")


def _problem(subject: str, message: str) -> Problem:
    return Problem(code="CD104", severity=Severity.ERROR, subject=subject, message=message)
