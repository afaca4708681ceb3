"""CD413: a module leaves its own past, before the metric or the loss tells of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ckptdoctor.finding import Finding, Severity
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules.base import Rule
from ckptdoctor.runs.departure.course import Trait
from ckptdoctor.runs.departure.words import in_words, told_of
from ckptdoctor.runs.run import Run

__all__ = ["ModuleLeavesPast"]


class ModuleLeavesPast(Rule):
    """A module is leaving its past.

    From one checkpoint to the next the weights of one module moved much farther than they ever
    did, or their norm or largest element grew beyond all that it was, and the others did nothing
    like it; or the running statistics of one norm stand still while its weights and the other
    norms go on. A schedule, a warm restart or a raised learning rate moves all modules alike and
    is none of that. It is what a rate of one group, a bad batch, a flipped bit or an overflow
    leaves behind, often some epochs before the metric falls. Judged from the sixth checkpoint on,
    by a sample of every tensor, each in units of what it and its neighbours did before.

    What to do: look at this module with ``ckptdoctor autopsy``, which says in what order the others
    followed and whether the optimizer knew before; if the metric falls as well, go on from the
    checkpoint before.
    """

    code = "CD413"
    severity = Severity.WARNING
    label = "leaves its past"

    def check_run(self, run: Run, rows: Sequence[CheckpointReport]) -> Iterator[Finding]:  # noqa: ARG002
        """At most one finding, on the module that it began in."""
        left = [one for one in run.departures if one.trait is not Trait.NON_FINITE]
        if not left or left[0].place != run.departures[0].place:  # NaN came first: CD201 tells
            return
        first, course = left[0], run.figures
        told, at = told_of(course, first), course.moments[first.place].at
        others = {one.module for one in left} - {first.module}
        followed = f"; {len(others)} other modules followed" if others else ""
        where = course.say(first.place)
        yield self.finding(
            first.module,
            f"at {where} {first.name} {in_words(course, first)}{followed}",
            tensor=first.name,
            trait=first.trait.value,
            value=told.value,
            usual=told.usual,
            checkpoint=course.moments[first.place].name,
            position=at,
            modules_that_followed=len(others),
        )
