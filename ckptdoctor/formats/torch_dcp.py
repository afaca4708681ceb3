"""A file of torch.distributed.checkpoint: what ``torch.save`` wrote for each item, end to end.

``__0_0.distcp`` has no directory of its own: the folder's ``.metadata`` says which tensor, or which
part of one, lies where in it. So reading takes three steps: :func:`read_metadata` and
:func:`~ckptdoctor.formats.dcp.slices.slices_by_file` once, :func:`read_slices` a file, and, when
all files of the folder were scanned, :func:`~ckptdoctor.formats.dcp.joined.joined`.

Source: ``filesystem.py`` in ``torch/distributed/checkpoint`` of PyTorch 2.13.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ckptdoctor.checkpoint import (
    CallUse,
    Checkpoint,
    GlobalUse,
    Problem,
    Scalar,
    StorageRef,
    TensorRecord,
)
from ckptdoctor.errors import CheckpointError, UnknownFormatError, UnsupportedCheckpointError
from ckptdoctor.finding import Severity
from ckptdoctor.formats.dcp.described import DcpMetadata
from ckptdoctor.formats.dcp.metadata import read_metadata
from ckptdoctor.formats.dcp.slices import FileSlices, Slice
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.stray import Strays, code_spelled
from ckptdoctor.formats.torch_zip import MAGIC, read_object_in_zip
from ckptdoctor.shell import command_line

__all__ = ["FORMAT", "read_description", "read_slices", "refuse_alone"]

FORMAT = "torch-dcp"

_SMALL_NBYTES = 1 << 16
_AHEAD_NBYTES = 1 << 20
_MAX_PROBLEMS = 100
_MAX_CALLS = 100
_COPY = "Copy the file again from where it was written, or use an earlier checkpoint."
_DESCRIBES = b"torch.distributed.checkpoint"
_CUT = "CD102"
_CODES = (_CUT, "CD107")


def refuse_alone(file: OpenFile, head: bytes) -> None:
    """Refuse a file that is a checkpoint only together with the others of its folder.

    Args:
        file: what somebody named.
        head: its first bytes.

    Raises:
        UnknownFormatError: it is a ``.distcp`` or a ``.metadata``.
    """
    is_description = file.path.name.endswith(".metadata") and _DESCRIBES in head
    if is_description or file.path.suffix == ".distcp":
        raise UnknownFormatError(
            file.path,
            "a part of a distributed checkpoint: its folder is the checkpoint",
            remedy=f"Name the folder: {command_line('ckptdoctor', 'scan', file.path.parent)}",
        )


def read_description(file: OpenFile, known: DcpMetadata | None = None) -> Checkpoint:
    """What is wrong with a ``.metadata``, and what it names; it holds no tensor itself.

    Args:
        file: the file.
        known: what was read of it before; read again where it changed.

    Raises:
        CheckpointError: as from :func:`~ckptdoctor.formats.dcp.metadata.read_metadata`.
    """
    if known is None or known.identity != file.identity:
        known = read_metadata(file)
    return Checkpoint(
        path=file.path,
        format=FORMAT,
        nbytes=file.nbytes,
        tensors=(),
        scalars={},
        globals=known.globals,
        calls=known.calls,
        problems=known.problems,
        identity=file.identity,
    )


def read_slices(file: OpenFile, slices: FileSlices, limits: Limits | None = None) -> Checkpoint:
    """What one file holds: its tensors under the names of the slices, and its values.

    Places count in the file, so that it is scanned like any other. A slice that cannot be read, or
    that the file does not hold, is a problem, and its tensor is lost.

    Args:
        file: the file.
        slices: what its ``.metadata`` says that it holds.
        limits: bounds on the work for each slice; by default what its size explains.

    Raises:
        UnsupportedCheckpointError: it was written through a transform, such as compression.
    """
    _refuse_transforms(file, slices.items)
    found = _Found(file)
    end = 0
    for item in slices.items:
        if item.start + item.nbytes > file.nbytes:
            found.lose(item, "", code=_CUT)
            found.look_through(item, but_zips=True)  # torch loads no zip that is cut
        elif item.start < end and item.nbytes:
            found.lose(item, "its place in the file is that of another item too")
            found.look_through(item)
        else:
            found.add(item, limits)
        end = max(end, item.start + item.nbytes)
    return found.checkpoint(end)


def _refuse_transforms(file: OpenFile, items: Sequence[Slice]) -> None:
    for item in items:
        if item.transforms:
            raise UnsupportedCheckpointError(
                file.path,
                f"{item.name} and others were written through {', '.join(item.transforms)}, "
                "and cannot be read in place",
                remedy="Load it with torch.distributed.checkpoint, and save it without extensions.",
            )


class _Found:
    """What was found in one file."""

    def __init__(self, file: OpenFile) -> None:
        self._file = file
        self._tensors: list[TensorRecord] = []
        self._scalars: dict[str, Scalar] = {}
        self._globals: dict[str, GlobalUse] = {}
        self._calls: list[CallUse] = []
        self._problems: list[Problem] = []
        self._records: list[StorageRef] = []
        self._cut: list[Slice] = []
        self._noted = 0
        self._strays = Strays(Limits.for_file(file.nbytes))
        self._byteorder = ""
        self._ahead, self._ahead_at = b"", 0

    def add(self, item: Slice, limits: Limits | None) -> None:
        """A slice that lies in the file."""
        window = self._window(item)
        if window.source.read(0, len(MAGIC)) != MAGIC:
            self.lose(item, "nothing that torch.save wrote lies where it should")
            self.look_through(item)
            return
        try:
            within = limits or Limits.for_file(item.nbytes)
            checkpoint = read_object_in_zip(window, within, item.name, item.role)
        except CheckpointError as error:
            self._call(error.runs, item)
            self.lose(item, error.message, code=error.code)
            return
        self._calls += checkpoint.calls
        for use in checkpoint.globals:
            known = self._globals.get(use.name)
            count = use.count + (known.count if known else 0)
            self._globals[use.name] = replace(known or use, count=count)
        self._take(item, checkpoint)

    def look_through(self, item: Slice, *, but_zips: bool = False) -> None:
        """Whether a slice that is lost would run code: ``torch.load`` tries it as any pickle."""
        source = self._window(item).source
        if but_zips and source.read(0, len(MAGIC)) == MAGIC:
            return
        before = len(self._strays.code)
        self._strays.look_through(source)
        self._call(code_spelled(self._strays.code[before:]), item)

    def _call(self, runs: Iterable[tuple[str, str]], item: Slice) -> None:
        self._calls += [
            CallUse(name=name, call=call or name, offset=self._file.start + item.start)
            for name, call in runs
        ]

    def _window(self, item: Slice) -> OpenFile:
        """The slice as a file; small ones are read many at once."""
        if item.nbytes > _SMALL_NBYTES:
            return self._file.window(item.start, item.nbytes)
        at = item.start - self._ahead_at
        if at < 0 or at + item.nbytes > len(self._ahead):
            self._ahead = self._file.source.read(item.start, _AHEAD_NBYTES)
            self._ahead_at, at = item.start, 0
        return self._file.window(item.start, item.nbytes, self._ahead[at : at + item.nbytes])

    def _take(self, item: Slice, checkpoint: Checkpoint) -> None:
        fault = _fault(item, checkpoint, self._byteorder)
        if fault:
            self.lose(item, fault)
            return
        self._byteorder = checkpoint.byteorder
        self._tensors += checkpoint.tensors
        self._scalars.update(checkpoint.scalars)
        self._records += checkpoint.records
        for problem in checkpoint.problems:
            message = problem.message
            if problem.subject != item.name:
                message = f"{problem.subject}: {message}"
            self._note(replace(problem, subject=item.name, message=message))

    def lose(self, item: Slice, why: str, *, code: str = "CD104") -> None:
        """A slice that is not there, where ``why`` is empty, or is not what it should be."""
        if item.shape is not None:
            self._tensors.append(_lost(item, item.shape))
        if not why:
            self._cut.append(item)
            return
        self._note(
            Problem(
                code=code if code in _CODES else "CD104",
                severity=Severity.ERROR,
                subject=item.name,
                message=why,
                evidence={"role": item.role.value, "offset": item.start, "nbytes": item.nbytes},
                remedy=_COPY,
            )
        )

    def _note(self, problem: Problem) -> None:
        self._noted += 1
        if self._noted <= _MAX_PROBLEMS:
            self._problems.append(problem)

    def checkpoint(self, end: int) -> Checkpoint:
        """All of it.

        Args:
            end: where the last slice ends.
        """
        return Checkpoint(
            path=self._file.path,
            format=FORMAT,
            nbytes=self._file.nbytes,
            tensors=tuple(self._tensors),
            scalars=self._scalars,
            globals=tuple(self._globals.values()),
            calls=tuple(self._calls[:_MAX_CALLS]),
            problems=(
                *self._ends(end),
                *self._problems,
                *self._unnoted(),
                *self._strays.problems(),
            ),
            records=tuple(self._records),
            byteorder=self._byteorder or "little",
            identity=self._file.identity,
        )

    def _ends(self, end: int) -> Iterator[Problem]:
        """That the file is shorter or longer than its slices."""
        if self._cut:
            first = self._cut[0]
            yield Problem(
                code=_CUT,
                severity=Severity.ERROR,
                subject="file",
                message=f"the file is cut: it has {self._file.nbytes} of {end} bytes, and "
                f"{len(self._cut)} of its items are not whole, {first.name} the first",
                evidence={
                    "nbytes": self._file.nbytes,
                    "needed_nbytes": end,
                    "lost": len(self._cut),
                    "first_lost": first.name,
                },
                remedy=_COPY,
            )
        elif self._file.nbytes > end:
            yield Problem(
                code="CD104",
                severity=Severity.WARNING,
                subject="file",
                message=f"{self._file.nbytes - end} bytes follow the last item that .metadata "
                "places in it",
                evidence={"nbytes": self._file.nbytes - end},
            )
        roles = dict.fromkeys(item.role for item in self._cut if item.shape is None)
        for role in roles:
            yield Problem(
                code="CD104",
                severity=Severity.ERROR,
                subject="file",
                message=f"values of {role.value} lie behind the cut",
                evidence={"role": role.value},
                remedy=_COPY,
            )

    def _unnoted(self) -> Iterator[Problem]:
        if self._noted > _MAX_PROBLEMS:
            yield Problem(
                code="CD104",
                severity=Severity.ERROR,
                subject="file",
                message=f"{self._noted - _MAX_PROBLEMS} more problems of its items",
                remedy=_COPY,
            )


def _fault(item: Slice, checkpoint: Checkpoint, byteorder: str) -> str:
    """Why a slice is not the item that is said to lie there; "" where it is."""
    if any(problem.code == _CUT for problem in checkpoint.problems):
        return "what torch.save wrote for it has lost its end"
    if byteorder not in ("", checkpoint.byteorder):
        return f"its bytes are in {checkpoint.byteorder} order, and others in {byteorder}"
    if item.shape is None:
        return ""
    if not checkpoint.tensors:
        return "no tensor lies where it should"
    only = checkpoint.tensors[0]
    if len(checkpoint.tensors) > 1 or only.fqn != item.name:
        return ""  # made of several, as sparse ones are
    if only.shape != item.shape:
        return f"its shape in the file is {list(only.shape)}, and in .metadata {list(item.shape)}"
    if item.dtype and only.dtype != item.dtype:
        return f"it is {only.dtype} in the file, and {item.dtype} in .metadata"
    return ""


def _lost(item: Slice, shape: tuple[int, ...]) -> TensorRecord:
    stride = tuple(math.prod(shape[dim + 1 :]) for dim in range(len(shape)))
    return TensorRecord(
        fqn=item.name,
        dtype=item.dtype or "uint8",
        shape=shape,
        stride=stride,
        storage_offset=0,
        storage=None,
        role=item.role,
        lost=True,
    )
