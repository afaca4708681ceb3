"""What is kept of checkpoints until all of their run are read."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ckptdoctor.checkpoint import Role
from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.manifests import Manifests
from ckptdoctor.measure import Examination
from ckptdoctor.metadata import Metadata, Source
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules import Case
from ckptdoctor.rules.base import PartCase
from ckptdoctor.rules.parts import is_needed
from ckptdoctor.runs.member import Layout, Member, PartContents, contents_id
from ckptdoctor.shelf import Folded, Shelf

__all__ = ["Keeper", "Kept", "unfolded"]

_TENSORS_IN_FULL = 20_000
"""So many are kept as they are, some 12 MB: putting away takes a fifth of the time of a scan."""

Kept = Case | Folded | CheckpointReport
"""What a checkpoint is judged by; its report, where nothing of it could be read."""


def unfolded(case: Case | Folded) -> Case:
    """A case as it was before it was put away."""
    return case.unfolded() if isinstance(case, Folded) else case


class Keeper:
    """Puts checkpoints away, and what several of them share once.

    Args:
        how: options.
        layouts: the models that were met, shared with other keepers; None for those of its own.
        one_of_many: whether there are other keepers, so that all is put away from the start.
    """

    def __init__(
        self,
        how: Examination,
        layouts: dict[Layout, Layout] | None = None,
        *,
        one_of_many: bool = False,
    ) -> None:
        self._layouts: dict[Layout, Layout] = {} if layouts is None else layouts
        self._manifests = Manifests()
        self._shelf = Shelf()
        self._in_full = how.keep_details
        self._room = 0 if one_of_many else _TENSORS_IN_FULL

    def kept(self, case: Case | CheckpointReport) -> tuple[Member, Kept]:
        """What the others of its run need to know of a checkpoint, and what it is judged by."""
        member = _member_of(case, self._layouts, self._manifests)
        if isinstance(case, CheckpointReport):
            return member, case
        self._room -= len(case.checkpoint.tensors)
        if self._in_full or self._room >= 0:
            return member, case
        folded = self._shelf.folded(case)
        figures = self._shelf.figures_of(folded, member.stats, member.layout)
        return replace(member, stats=figures), folded


def _member_of(
    case: Case | CheckpointReport, layouts: dict[Layout, Layout], manifests: Manifests
) -> Member:
    if isinstance(case, Case):
        restored = manifests.restored_from(case.checkpoint.path)
        data = _with_kept_epoch(case.metadata, restored)
        member = Member.of(case.checkpoint, case.stats, data, layouts, restored)
        if any(p.code == "CD103" and p.severity is Severity.ERROR for p in case.problems):
            # What a flipped bit made of the weights says nothing about those that were saved.
            member = replace(member, stats={}, weights_id="")
        if case.files is None:
            return member
        is_known = member.has_weights or not case.lacks_weights
        return replace(
            member,
            is_folder=case.files.is_folder,
            parts=_contents_of_parts(case),
            layout=member.layout if is_known else None,
            has_weights=member.has_weights or not is_known,
        )
    return Member(path=case.path, metadata=case.metadata)


def _contents_of_parts(case: Case) -> dict[str, PartContents]:
    """By the name that siblings share, what tells whether two checkpoints have the same file."""
    told = {one.part.sibling or one.part.name: _contents_of(one) for one in case.parts}
    return {name: contents for name, contents in told.items() if contents is not None}


def _contents_of(one: PartCase) -> PartContents | None:
    """What a part holds, where it differs in every checkpoint, or says of how many steps it is."""
    part, case = one.part, one.case
    if case is not None and is_needed(part.role) and case.stats:
        found = contents_id(case.checkpoint.tensors, case.stats)
        return PartContents(name=part.name, contents_id=found, steps=_steps(case))
    if part.is_unique:
        text = Folder(part.path.parent).text(part.path.name)
        return (
            None
            if text is None
            else PartContents(name=part.name, contents_id=_id_of(text.encode()))
        )
    steps = one.values.get("last_epoch") if part.role is PartRole.SCHEDULER else None
    if isinstance(steps, int):
        found = _id_of(repr(sorted(one.values.items())).encode())
        return PartContents(name=part.name, contents_id=found, steps=steps, changes=False)
    return None


def _id_of(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _steps(case: Case) -> float | None:
    """The steps that the optimizer in a file took."""
    counts = [
        case.stats[tensor.fqn].max
        for tensor in case.checkpoint.tensors
        if tensor.role is Role.OPTIMIZER
        and tensor.fqn.endswith(".step")
        and tensor.fqn in case.stats
    ]
    return max((count for count in counts if count is not None), default=None)


def _with_kept_epoch(data: Metadata, restored: RestoredFrom | None) -> Metadata:
    """The epoch of a copy whose source had it in its name alone."""
    if data.epoch is not None or restored is None or restored.epoch is None:
        return data
    return replace(data, epoch=restored.epoch, epoch_source=Source.FILENAME)
