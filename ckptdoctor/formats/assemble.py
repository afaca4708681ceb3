"""The last step of every pickle reader: from a harvest to a Checkpoint, extents checked."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ckptdoctor.checkpoint import (
    CallUse,
    Checkpoint,
    GlobalUse,
    Problem,
    Role,
    Scalar,
    StorageRef,
    TensorRecord,
)
from ckptdoctor.errors import LimitExceededError, UnknownFormatError
from ckptdoctor.finding import Severity
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.names import is_allowed, misspelt
from ckptdoctor.formats.pickle.nodes import DictNode, Instance, Node, PersistentId
from ckptdoctor.formats.pickle.stray import BESIDE, not_looked_through
from ckptdoctor.formats.tree import Harvest
from ckptdoctor.sources.descriptors import pread

__all__ = [
    "assemble",
    "calls_of",
    "check_extents",
    "globals_of",
    "misspelt_globals",
    "refuse_single_value",
    "scalar_tensors",
]

_MAX_SCALAR_TENSORS = 1000
_MAX_EXTENT_PROBLEMS = 20
_MAX_MISSPELT = 1000  # globals that are looked at; a checkpoint names some dozens
_READ_OVER = 8  # types and views of one storage that are read one by one
_SPARE_NBYTES = 512 << 20  # what inflates in a second

_STRUCT = {
    "bfloat16": "f",  # once it has the lower half of a float32
    "float64": "d",
    "float32": "f",
    "float16": "e",
    "int64": "q",
    "int32": "i",
    "int16": "h",
    "int8": "b",
    "uint8": "B",
    "bool": "?",
}


def assemble(
    file: OpenFile,
    kind: str,
    harvest: Harvest,
    machines: Iterable[PickleMachine] = (),
    *,
    problems: Iterable[Problem] = (),
    records: Sequence[StorageRef] = (),
    byteorder: str = "little",
    calls: Iterable[CallUse] = (),
) -> Checkpoint:
    """The checkpoint that a reader found.

    Args:
        file: the open file.
        kind: the value of ``Checkpoint.format``.
        harvest: tensors, scalars and problems of the tree.
        machines: the pickle machines that ran, for the globals they saw.
        problems: what the container's reader met.
        records: every storage, and every other range with a checksum.
        byteorder: of the storages.
        calls: that run code, beside those of the machines.

    Raises:
        LimitExceededError: the storages together are larger than the file explains.
    """
    _check_reading(file, harvest.tensors, records)
    tensors, lost = check_extents(harvest.tensors)
    scalars = harvest.scalars
    scalars.update(scalar_tensors(file, tensors, byteorder))
    machines = list(machines)
    uses = globals_of(machines, is_expected=_own_types if kind == "torchscript" else None)
    return Checkpoint(
        path=file.path,
        format=kind,
        nbytes=file.nbytes,
        tensors=tuple(tensors),
        scalars=scalars,
        globals=uses,
        calls=(*calls_of(machines), *calls),
        problems=(*problems, *harvest.problems, *lost, *misspelt_globals(uses), *_unseen(machines)),
        records=records,
        byteorder=byteorder,
        identity=file.identity,
    )


def _check_reading(
    file: OpenFile, tensors: Iterable[TensorRecord], records: Iterable[StorageRef]
) -> None:
    """Refuse a file whose storages share their bytes, or are deflated, beyond all measure.

    Raises:
        LimitExceededError: scanning it would take far longer than its size explains.
    """
    used = {
        (t.storage.key, t.storage.offset, id(t.storage.inline), t.dtype): t.storage.nbytes
        for t in tensors
        if t.storage is not None
    }
    named = {key[:2] for key in used}
    nbytes = sum(used.values())
    nbytes += sum(ref.nbytes for ref in records if (ref.key, ref.offset) not in named)
    if nbytes > _READ_OVER * file.nbytes + _SPARE_NBYTES:
        raise LimitExceededError(
            file.path,
            f"{file.nbytes} bytes that claim to hold {nbytes}",
            remedy="Treat the file as hostile unless you made it yourself.",
        )


def refuse_single_value(path: Path, root: Node) -> None:
    """Refuse a number or a text, which no checkpoint is.

    Raises:
        UnknownFormatError: ``root`` is no container, object or storage.
    """
    if not isinstance(root, DictNode | Instance | PersistentId | list | tuple):
        raise UnknownFormatError(
            path,
            "not a checkpoint but a pickle of a single value",
            remedy="Look at what the script gives to torch.save.",
        )


def _own_types(name: str) -> bool:
    """Whether an archive of TorchScript brings what is named itself."""
    return name.startswith(("__torch__.", "torch.jit._pickle."))


def globals_of(
    machines: Iterable[PickleMachine], *, is_expected: Callable[[str], bool] | None = None
) -> tuple[GlobalUse, ...]:
    """What the pickles name, in the order of first use.

    Args:
        machines: that ran them.
        is_expected: whether a name is no reason for a remark in files of this kind.
    """
    merged: dict[str, GlobalUse] = {}
    for machine in machines:
        for name, seen in machine.globals.items():
            before = merged.get(name)
            expected = is_expected is not None and is_expected(name)
            merged[name] = GlobalUse(
                name=name,
                count=seen.count + (before.count if before else 0),
                offset=before.offset if before else (machine.file_offset or 0) + seen.offset,
                runs_code=seen.ref.runs_code,
                allowed=is_allowed(name) or expected,
                known=seen.ref.use.is_known or expected,
            )
    return tuple(merged.values())


def calls_of(machines: Iterable[PickleMachine]) -> Iterator[CallUse]:
    """The calls in the pickles that run code."""
    for machine in machines:
        start = machine.file_offset or 0
        for call in machine.calls:
            yield CallUse(name=call.name, call=call.call, offset=start + call.offset)


def _unseen(machines: Iterable[PickleMachine]) -> Iterator[Problem]:
    """That there are pickles beside the one that was read which nobody has seen the end of."""
    if any(machine.gave_up for machine in machines):
        yield not_looked_through("file", BESIDE)


def misspelt_globals(uses: Iterable[GlobalUse]) -> Iterator[Problem]:
    """Globals that damage made of others; where there are checksums, those tell too."""
    for use in islice(uses, _MAX_MISSPELT):
        meant = misspelt(use.name)
        if meant:
            yield Problem(
                code="CD104",
                severity=Severity.ERROR,
                subject="pickle",
                message=f"names {use.name}, which is {meant} with one bit flipped",
                evidence={"global": use.name, "meant": meant, "offset": use.offset},
                remedy="Copy the file again, or use another checkpoint.",
            )


def check_extents(tensors: Sequence[TensorRecord]) -> tuple[list[TensorRecord], list[Problem]]:
    """The tensors, those that reach beyond their storage marked as lost, and the problems."""
    checked: list[TensorRecord] = []
    problems: list[Problem] = []
    for tensor in tensors:
        if tensor.storage is None or 0 in tensor.shape:
            checked.append(tensor)
            continue
        last = tensor.storage_offset + sum(
            (size - 1) * step for size, step in zip(tensor.shape, tensor.stride, strict=True)
        )
        needed = (last + 1) * tensor.dtype_info.itemsize
        if needed <= tensor.storage.nbytes:
            checked.append(tensor)
            continue
        checked.append(replace(tensor, lost=True))
        problems.append(
            Problem(
                code="CD104",
                severity=Severity.ERROR,
                subject=tensor.fqn,
                message=f"needs {needed} bytes of a storage that holds {tensor.storage.nbytes}",
                evidence={"needed_nbytes": needed, "storage_nbytes": tensor.storage.nbytes},
            )
        )
    if len(problems) > _MAX_EXTENT_PROBLEMS:
        more = len(problems) - _MAX_EXTENT_PROBLEMS
        problems[_MAX_EXTENT_PROBLEMS:] = [
            replace(
                problems[0], subject="tensors", message=f"{more} more reach beyond their storage"
            )
        ]
    return checked, problems


def scalar_tensors(
    file: OpenFile, tensors: Iterable[TensorRecord], byteorder: str
) -> dict[str, Scalar]:
    """The values of one-element tensors beside weights and optimizer: an epoch, a best score."""
    values: dict[str, Scalar] = {}
    order = "<" if byteorder == "little" else ">"
    for tensor in tensors:
        layout = _STRUCT.get(tensor.dtype)
        if (
            tensor.role is not Role.OTHER
            or layout is None
            or tensor.storage is None
            or not (tensor.storage.is_plain or tensor.storage.inline is not None)
            or tensor.lost
            or tensor.numel != 1
            or len(values) >= _MAX_SCALAR_TENSORS
        ):
            continue
        nbytes = tensor.dtype_info.itemsize
        at = tensor.storage_offset * nbytes
        if tensor.storage.inline is not None:
            raw = tensor.storage.inline[at : at + nbytes]
        else:
            raw = pread(file.fd, nbytes, tensor.storage.offset + at)
        if len(raw) == nbytes:
            if tensor.dtype == "bfloat16":
                raw = bytes(2) + raw if order == "<" else raw + bytes(2)
            values[tensor.fqn] = struct.unpack(order + layout, raw)[0]
    return values
