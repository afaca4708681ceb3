"""The mean of the weights of several folders, a file of weights at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from ckptdoctor.checkpoint import Role
from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Verdict
from ckptdoctor.formats.open_file import opened
from ckptdoctor.layouts.files import CheckpointFiles, Form
from ckptdoctor.manifest import MeanOf
from ckptdoctor.recovery.average import Averaged, average_actions, average_weights
from ckptdoctor.recovery.draft import Action, Draft
from ckptdoctor.recovery.folders.part_draft import PartView, view_of
from ckptdoctor.recovery.weights.zero import is_zero
from ckptdoctor.report import CheckpointReport

__all__ = ["Means"]


class Means:
    """The files of weights of several checkpoints that are to become one mean.

    Args:
        report: of the newest.
        others: the rest; () where nothing is averaged.

    Attributes:
        of: what the weights are the mean of, the newest last; () where nothing is averaged.

    Raises:
        RestoreError: one is not sound, or its weights are shared out among ranks.
    """

    def __init__(self, report: CheckpointReport, others: Sequence[CheckpointFiles]) -> None:
        self._newest = report
        examined = examine(others, Examination(keep_details=True)).checkpoints if others else ()
        whole = (*examined, report) if others else ()
        self._views = [_sound_views(one) for one in whole][:-1]
        if whole:
            _sound_views(report)
        self.of = tuple(MeanOf(path=one.path, epoch=one.metadata.epoch) for one in whole)
        self._names: set[str] = set()

    def concern(self, view: PartView) -> bool:
        """Whether weights lie in a part that are to be averaged."""
        return bool(self._views) and Role.MODEL in view.roles()

    def put(
        self, draft: Draft, view: PartView, held: contextlib.ExitStack, *, statistics: bool
    ) -> None:
        """Average what a part holds of the model.

        Args:
            draft: the part, changed in place.
            view: the same.
            held: keeps the others open until it is written and compared.
            statistics: whether running statistics are averaged as well.

        Raises:
            RestoreError: another has no such part, or other tensors in it.
        """
        if not self.concern(view):
            return
        others = [self._namesake(view, views, held) for views in self._views]
        average_weights(draft, others, statistics=statistics)
        self._names |= {view.report.part.prefix + fqn for fqn in draft.means}

    def _namesake(
        self, view: PartView, views: Sequence[PartView], held: contextlib.ExitStack
    ) -> Averaged:
        """The part of another checkpoint that is called alike, open."""
        name = view.report.part.sibling or view.report.part.name
        for other in views:
            part = other.report.part
            if (part.sibling or part.name) != name:
                continue
            file = held.enter_context(opened(part.path))
            if file.identity != other.checkpoint.identity:
                raise RestoreError(f"{part.path} changed while it was examined: try again")
            return Averaged(file, other.checkpoint)
        raise RestoreError(
            f"{views[0].report.part.path.parent} has no {name}: only checkpoints that lie in the "
            "same files are averaged"
        )

    def actions(self) -> Iterator[Action]:
        """What was averaged, once all parts were."""
        if self._views and self._newest.checkpoint is not None:
            of = [one.path for one in self.of]
            yield from average_actions(self._names, self._newest.checkpoint, of)


def _sound_views(report: CheckpointReport) -> list[PartView]:
    """The parts of a checkpoint of which a mean can be made.

    Raises:
        RestoreError: its weights are not sound, or shared out among ranks.
    """
    if report.verdict in (Verdict.CORRUPT, Verdict.UNREADABLE):
        raise RestoreError(f"{report.path} is {report.verdict.value}: it is no part of a mean")
    views = [view_of(report, one) for one in report.parts if one.checkpoint is not None]
    if not views:
        raise RestoreError(f"{report.path} is a file, and is not averaged with a folder")
    if is_zero(views) or any(view.report.part.form is Form.DCP for view in views):
        raise RestoreError(
            f"{report.path}: its weights are shared out among ranks, and a resume takes them from "
            "the optimizer's files: --average does not reach those. Write the weights of each with "
            "restore --from FOLDER --to safetensors, into one folder, and average these files"
        )
    return views
