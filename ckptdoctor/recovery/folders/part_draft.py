"""One part of a checkpoint on its way to become another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from ckptdoctor.checkpoint import Checkpoint, Role, TensorRecord, TensorStats
from ckptdoctor.errors import CheckpointError, RestoreError
from ckptdoctor.finding import Severity
from ckptdoctor.formats.open_file import OpenFile, opened
from ckptdoctor.formats.saved_object import SavedObject, bytes_alone, read_object
from ckptdoctor.layouts.files import Form
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.recovery.draft import Draft
from ckptdoctor.report import CheckpointReport, PartReport

__all__ = ["PartView", "is_patched", "part_draft", "view_of"]


class PartView:
    """A part as its file names things, with what the checkpoint says of them.

    Attributes:
        report: of the part.
        tensors: by the names of the file, with the roles that they have in the checkpoint.
        stats: by the names of the file.
        meant: those that are infinite by design.
        damaged: those whose bytes are not what was written.
    """

    def __init__(self, whole: CheckpointReport, report: PartReport) -> None:
        self.report = report
        by_design = {one.subject for one in whole.findings if one.code == "CD203"}
        tensors: list[TensorRecord] = []
        self.stats: dict[str, TensorStats] = {}
        self.meant: set[str] = set()
        for tensor in report.checkpoint.tensors if report.checkpoint is not None else ():
            name = self._in_file(tensor.fqn)
            tensors.append(replace(tensor, fqn=name))
            if tensor.fqn in report.stats:
                self.stats[name] = report.stats[tensor.fqn]
            if tensor.fqn in by_design:
                self.meant.add(name)
        self.tensors = tuple(tensors)
        self.damaged = _damaged(whole, report, self.tensors)

    def _in_file(self, name: str) -> str:
        part = self.report.part
        return name.removeprefix(f"{part.name}:").removeprefix(part.prefix)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """What the reader returned, its tensors with their roles in the whole."""
        read = self.report.checkpoint
        if read is None:
            raise RestoreError(f"{self.report.part.path} cannot be read")
        scalars = {self._in_file(name): value for name, value in read.scalars.items()}
        return replace(read, tensors=self.tensors, scalars=scalars)

    def roles(self) -> set[Role]:
        """What its tensors are."""
        return {tensor.role for tensor in self.tensors}

    def bad(self) -> Iterator[TensorRecord]:
        """Tensors that are lost, damaged, or hold NaN or Inf that is not meant."""
        for tensor in self.tensors:
            if 0 not in tensor.shape and self._is_bad(tensor):
                yield tensor

    def _is_bad(self, tensor: TensorRecord) -> bool:
        stats = self.stats.get(tensor.fqn)
        if tensor.lost or stats is None or tensor.fqn in self.damaged:
            return True
        return stats.non_finite > 0 and tensor.fqn not in self.meant


def _damaged(
    whole: CheckpointReport, report: PartReport, tensors: tuple[TensorRecord, ...]
) -> frozenset[str]:
    """Tensors on records whose bytes are not what torch wrote."""
    part, names = report.part, set[object]()
    for finding in whole.findings:
        ours = finding.evidence.get("part") in (None, part.name)
        if ours and finding.code in ("CD103", "CD104") and finding.severity > Severity.INFO:
            names |= {finding.subject, finding.evidence.get("record")}
            listed = finding.evidence.get("tensors")
            names.update(listed if isinstance(listed, list) else ())
    return frozenset(
        tensor.fqn
        for tensor in tensors
        if {tensor.fqn, part.prefix + tensor.fqn} & names
        or (tensor.storage is not None and tensor.storage.key in names)
    )


def view_of(whole: CheckpointReport, report: PartReport) -> PartView:
    """A part as its file names things."""
    return PartView(whole, report)


def is_patched(report: PartReport) -> bool:
    """Whether only bytes of a part can be changed where they lie, and nothing of its structure."""
    return report.part.form is Form.DCP or report.format == "safetensors"


@contextlib.contextmanager
def part_draft(view: PartView, copied: RestoredFrom | None) -> Iterator[Draft]:
    """A part, open, to be changed.

    Args:
        view: the part.
        copied: what the manifest beside the checkpoint says, where it is a copy itself.

    Raises:
        RestoreError: it changed meanwhile, or cannot be written again.
    """
    report = view.report
    checkpoint = view.checkpoint
    with opened(report.part.path) as file:
        if file.identity != checkpoint.identity:
            raise RestoreError(f"{report.part.path} changed while it was examined: try again")
        yield Draft(
            file,
            checkpoint,
            view.stats,
            _structure(file, report),
            damaged=view.damaged,
            meant=frozenset(view.meant),
            copied=copied,
        )


def _structure(file: OpenFile, report: PartReport) -> SavedObject:
    """The tree of a part; an empty one where only bytes can be changed."""
    if is_patched(report):
        return bytes_alone(file)
    try:
        return read_object(file)
    except CheckpointError as error:
        raise RestoreError(str(error)) from error
