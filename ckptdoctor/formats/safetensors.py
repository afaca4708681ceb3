"""safetensors files: a length, a JSON header, and the payload.

Source: the format section of the safetensors README, and ``safetensors/src/tensor.rs`` for the
rules of validation.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
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
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.roles import role_of_key
from ckptdoctor.formats.source import FileSource
from ckptdoctor.formats.tree import Harvest

__all__ = ["is_safetensors", "read_safetensors"]

MAX_HEADER_NBYTES = 100_000_000
_MAX_DIMENSIONS = 128
_PROMISED = "the file is cut: {whole} of {all} tensors are whole"


def is_safetensors(head: bytes) -> bool:
    """Whether the first 9 bytes are a plausible header length and the start of a JSON object."""
    return len(head) >= 9 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] < 1 << 40


def read_safetensors(file: OpenFile, limits: Limits) -> Checkpoint:
    """The checkpoint in a safetensors file.

    Raises:
        LimitExceededError: a header longer, or of more tensors, than allowed.
        TruncatedCheckpointError: cut inside the header.
        CorruptCheckpointError: the header is no JSON object of tensors.
    """
    source = FileSource(file.fd, file.nbytes)
    header, start = _header(file, source)
    if len(header) > limits.leaves:
        raise LimitExceededError(file.path, f"a header of more than {limits.leaves} tensors")
    found = Harvest()
    problems: list[Problem] = []
    refs: list[StorageRef] = []
    metadata = header.pop("__metadata__", None)
    if isinstance(metadata, dict):
        found.scalars.update({f"__metadata__.{k}": _scalar(v) for k, v in metadata.items()})
    for name, entry in header.items():
        record, problem = _tensor(name, entry, start, file.nbytes)
        if problem is not None:
            problems.append(problem)
        if record is not None:
            found.tensors.append(record)
            if record.storage is not None:
                refs.append(record.storage)
    problems += _cut(found.tensors)
    problems += _coverage(refs, start, file.nbytes)
    return assemble(file, "safetensors", found, problems=problems, records=tuple(refs))


def _header(file: OpenFile, source: FileSource) -> tuple[dict[str, Any], int]:
    """The JSON header, and the offset of the payload."""
    length = struct.unpack("<Q", source.read(0, 8))[0]
    if length > MAX_HEADER_NBYTES:
        raise LimitExceededError(
            file.path, f"a header of {length} bytes, and safetensors allows {MAX_HEADER_NBYTES}"
        )
    raw = source.read(8, length)
    if len(raw) < length:
        raise TruncatedCheckpointError(
            file.path,
            f"the file ends inside its header: {len(raw)} of {length} bytes",
            remedy="Download it again.",
        )
    try:
        header = json.loads(raw, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError too
        raise CorruptCheckpointError(
            file.path, f"its header is no JSON: {error}", offset=8
        ) from error
    if not isinstance(header, dict):
        raise CorruptCheckpointError(file.path, "its header is no JSON object", offset=8)
    return header, 8 + length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands in it twice")
    return found


def _scalar(value: object) -> Scalar:
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)


def _tensor(
    name: str, entry: Any, start: int, file_nbytes: int
) -> tuple[TensorRecord | None, Problem | None]:
    """One entry of the header; a problem where it contradicts itself."""
    try:
        dtype, shape, first, last = _fields(entry)
    except UnsupportedCheckpointError as error:
        return None, _problem(name, error.message)
    except (KeyError, TypeError, ValueError):
        return None, _problem(name, "its entry in the header describes no tensor")
    record = TensorRecord(
        fqn=name,
        dtype=dtype.name,
        shape=shape,
        stride=_strides(shape),
        storage_offset=0,
        storage=StorageRef(key=name, offset=start + first, nbytes=last - first),
        role=_role(name),
        lost=start + last > file_nbytes,
    )
    if record.nbytes != last - first:
        return record, _problem(
            name, f"its shape takes {record.nbytes} bytes, its place is {last - first}"
        )
    return record, None


def _fields(entry: Any) -> tuple[DType, tuple[int, ...], int, int]:
    dtype = SAFETENSORS.get(entry["dtype"])
    if dtype is None:
        raise UnsupportedCheckpointError("", f"dtype {str(entry['dtype'])[:40]!r} is unknown")
    shape = entry["shape"]
    first, last = entry["data_offsets"]
    sizes = [*shape, first, last]
    if any(type(size) is not int or not 0 <= size < 1 << 63 for size in sizes) or last < first:
        raise ValueError("not a size")
    if len(shape) > _MAX_DIMENSIONS:
        raise ValueError("too many dimensions")
    return dtype, tuple(shape), first, last


def _role(name: str) -> Role:
    role = role_of_key(name.partition(".")[0]) if "." in name else None
    return role if role in (Role.OPTIMIZER, Role.EMA) else Role.MODEL


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


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


def _coverage(refs: list[StorageRef], start: int, file_nbytes: int) -> Iterable[Problem]:
    """The payload must be covered without a hole and without an overlap."""
    at = start
    for ref in sorted(refs, key=lambda ref: (ref.offset, ref.nbytes)):
        if ref.offset != at:
            how = "overlaps the tensor before it" if ref.offset < at else "leaves a hole before it"
            yield _problem(ref.key, f"its place {how}")
            return
        at = ref.offset + ref.nbytes
    if at < file_nbytes:
        yield _problem("file", f"{file_nbytes - at} bytes follow the last tensor")


def _problem(subject: str, message: str) -> Problem:
    return Problem(code="CD104", severity=Severity.ERROR, subject=subject, message=message)
