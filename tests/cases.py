"""Checkpoints as a reader describes them, without files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ckptdoctor.checkpoint import (
    CallUse,
    Checkpoint,
    FileIdentity,
    GlobalUse,
    Problem,
    Role,
    Scalar,
    StorageRef,
    TensorRecord,
    TensorStats,
)
from ckptdoctor.dtypes import BY_NAME
from ckptdoctor.finding import Finding, Severity
from ckptdoctor.metadata import Metadata
from ckptdoctor.rules import Case

IDENTITY = FileIdentity(device=1, inode=2, nbytes=3, mtime_ns=4)


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a tensor without gaps."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.insert(0, step)
        step *= size
    return tuple(strides)


def record(
    fqn: str,
    shape: tuple[int, ...] = (4,),
    *,
    dtype: str = "float32",
    role: Role = Role.MODEL,
    stride: tuple[int, ...] | None = None,
    storage_offset: int = 0,
    storage: StorageRef | None = None,
    lost: bool = False,
) -> TensorRecord:
    """A tensor; by default it fills a storage of its own."""
    stride = contiguous(shape) if stride is None else stride
    reach = 1 + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    nbytes = (storage_offset + reach) * BY_NAME[dtype].itemsize if 0 not in shape else 0
    return TensorRecord(
        fqn=fqn,
        dtype=dtype,
        shape=shape,
        stride=stride,
        storage_offset=storage_offset,
        storage=storage or StorageRef(key=fqn, offset=64, nbytes=nbytes),
        role=role,
        lost=lost,
    )


def checkpoint(
    tensors: Iterable[TensorRecord] = (),
    *,
    path: str = "model.pth",
    scalars: Mapping[str, Scalar] | None = None,
    records: Iterable[StorageRef] = (),
    globals_: Iterable[GlobalUse] = (),
    calls: Iterable[CallUse] = (),
) -> Checkpoint:
    """A checkpoint."""
    return Checkpoint(
        path=Path(path),
        format="torch-zip",
        nbytes=3,
        tensors=tuple(tensors),
        scalars=dict(scalars or {}),
        globals=tuple(globals_),
        calls=tuple(calls),
        records=tuple(records),
        identity=IDENTITY,
    )


def case(
    *measured: tuple[TensorRecord, TensorStats],
    tensors: Iterable[TensorRecord] = (),
    problems: Iterable[Problem] = (),
    unchecked: int = 0,
    globals_: Iterable[GlobalUse] = (),
    calls: Iterable[CallUse] = (),
) -> Case:
    """What a rule looks at: tensors with what was measured in them, and tensors without."""
    return Case(
        checkpoint=checkpoint(
            [*(tensor for tensor, _ in measured), *tensors], globals_=globals_, calls=calls
        ),
        stats={tensor.fqn: stats for tensor, stats in measured},
        problems=tuple(problems),
        unchecked=unchecked,
        metadata=Metadata(),
    )


def measured(
    fqn: str,
    role: Role = Role.MODEL,
    *,
    nan: int = 0,
    posinf: int = 0,
    neginf: int = 0,
    dtype: str = "float32",
) -> tuple[TensorRecord, TensorStats]:
    """A tensor of twelve elements and what is in it."""
    bad = nan + posinf + neginf
    stats = TensorStats(
        fqn=fqn,
        numel=12,
        nan=nan,
        posinf=posinf,
        neginf=neginf,
        min=-1.0,
        max=1.0,
        first_bad_index=(1, 2) if bad else None,
    )
    return record(fqn, (3, 4), role=role, dtype=dtype), stats


def problem(code: str, subject: str = "file", severity: Severity = Severity.ERROR) -> Problem:
    """Damage that a reader met."""
    return Problem(code=code, severity=severity, subject=subject, message=f"{code} happened")


def finding(code: str, severity: Severity = Severity.ERROR, **evidence: object) -> Finding:
    """Something that a rule noticed."""
    return Finding(
        code=code, severity=severity, subject="x", message=f"{code} happened", evidence=evidence
    )
