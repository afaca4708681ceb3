"""What a copy goes without: parts that are not asked for, cannot be read, or cannot be mended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ckptdoctor.checkpoint import Role
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Verdict
from ckptdoctor.layouts.files import Form, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.texts.json_object import is_json
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.draft import Action
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.folders.frameworks import framework_of
from ckptdoctor.recovery.folders.part_draft import PartView
from ckptdoctor.report import CheckpointReport
from ckptdoctor.shell import command_line

__all__ = ["Omissions", "omissions_of"]

_KEPT = (PartRole.MODEL, PartRole.STATE)
_OF_TRAINING = frozenset({Role.OPTIMIZER, Role.SCHEDULER, Role.SCALER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Omissions:
    """Which parts a copy goes without.

    Attributes:
        names: of the parts.
        actions: what is said of them.
    """

    names: frozenset[str]
    actions: tuple[Action, ...]


def omissions_of(
    report: CheckpointReport, views: Mapping[str, PartView], edits: Edits
) -> Omissions:
    """What a copy of a checkpoint goes without.

    Args:
        report: of the checkpoint, its files known.
        views: its parts that could be read, by name.
        edits: what the user wants.

    Raises:
        RestoreError: its framework does not go on without a part that is lost, or a file holds
            weights and something else.
    """
    if edits.weights_only:
        return _weights_only(report, views)
    out: dict[str, Action] = {}
    for name, role, why in (*_absent(report), *_unreadable(report), *_averages(views)):
        out[name] = _left_out(report, name, role, why)
    return Omissions(names=frozenset(out), actions=tuple(out.values()))


def _absent(report: CheckpointReport) -> Iterator[tuple[str, PartRole, str]]:
    for one in report.files.absent if report.files is not None else ():
        yield one.name, one.role, one.problem or f"it is missing: {one.because}"


def _unreadable(report: CheckpointReport) -> Iterator[tuple[str, PartRole, str]]:
    for one in report.parts:
        part = one.part
        if part.form is Form.TEXT:
            lost = part.role is PartRole.STATE and _is_broken_json(part.path)
        else:
            lost = one.verdict is Verdict.UNREADABLE
        if lost:
            yield part.name, part.role, "it cannot be read"


def _is_broken_json(path: Path) -> bool:
    return path.suffix == ".json" and not is_json(Folder(path.parent), path.name)


def _averages(views: Mapping[str, PartView]) -> Iterator[tuple[str, PartRole, str]]:
    """Averaged weights that are not sound: all files of the average go, one is no use."""
    own = {name: view for name, view in views.items() if view.report.part.role is PartRole.EMA}
    bad = [name for name, view in own.items() if next(view.bad(), None) is not None]
    for name in own if bad else ():
        yield name, PartRole.EMA, f"{bad[0]} holds NaN or Inf, or is damaged"


def _left_out(report: CheckpointReport, name: str, role: PartRole, why: str) -> Action:
    files = report.files
    cost = None if files is None else framework_of(files).does_without.get(role)
    if cost is None:
        raise RestoreError(
            f"{report.path}: {name}: {why}, and the checkpoint does not load without it. "
            "Take another checkpoint, or the weights alone:",
            "  " + _weights_of(report.path),
        )
    return Action(name="leave-out", message=f"{name}: {why}", notice=cost)


def _weights_of(path: Path) -> str:
    return command_line("ckptdoctor", "restore", "--from", path, "--to", "safetensors")


def _weights_only(report: CheckpointReport, views: Mapping[str, PartView]) -> Omissions:
    out: set[str] = set()
    for one in report.parts:
        part, view = one.part, views.get(one.part.name)
        roles = set() if view is None else view.roles()
        if Role.MODEL in roles and (roles & _OF_TRAINING or part.role is not PartRole.MODEL):
            raise RestoreError(
                f"{report.path}: {part.name} holds weights together with the optimizer, so the "
                "files that hold weights are all of it. For the weights alone:",
                "  " + _weights_of(report.path),
            )
        if part.form is not Form.TEXT and part.role not in _KEPT:
            out.add(part.name)
    if not out:
        message = "it holds nothing but weights and texts"
    else:
        message = f"kept the weights and the texts; left out: {', '.join(sorted(out))}"
    action = Action(
        name="weights-only",
        message=message,
        notice="optimizer, scheduler and scaler start afresh" if out else "",
    )
    return Omissions(names=frozenset(out), actions=(action,))
