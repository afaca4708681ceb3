"""What ``history`` returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.report import RunReport
from ckptdoctor.results.result import ResultOfRuns, named_one
from ckptdoctor.survey import Chronicles

if TYPE_CHECKING:
    from ckptdoctor.render.html.blocks import Block

__all__ = ["HistoryReport"]

_COLUMNS = "run metric at epoch step value kind source superseded path".split()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HistoryReport(ResultOfRuns, Chronicles):
    """Runs over their time, the one with the most points first.

    It has a length and is iterated over: the runs; ``run.history`` has the points. With a name it
    gives the run that is called so. The data frame has a row a point.
    """

    def __repr__(self) -> str:
        return f"<HistoryReport: {'; '.join(self._lines())}>"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[RunReport]:
        return iter(self.runs)

    def __getitem__(self, name: str) -> RunReport:
        known: dict[str, list[RunReport]] = {}
        for run in self.runs:
            known.setdefault(run.name, []).append(run)
        return named_one(name, known, "run")

    def _lines(self) -> Iterator[str]:
        from ckptdoctor.render.text import number, plural, printable

        if not self.runs:
            yield "no epoch of a metric is known"
        for run in self.runs:
            one = run.history
            best = one.best
            said = (
                "" if best is None else f", best {number(best.value)} at {one.clock.say(best.at)}"
            )
            fell = "" if one.collapse is None else f", collapsed at {one.clock.say(one.collapse)}"
            points = plural(len(one.points), one.clock.word)
            yield printable(f"{run.name}: {one.metric} of {points}{said}{fell}")

    def to_html(self) -> str:
        """What ``--format html`` writes."""
        from ckptdoctor.render.html.history import history_html

        return history_html(self)

    def _json(self) -> str:
        from ckptdoctor.render.machine.history import history_json

        return history_json(self)

    def _columns(self) -> list[str]:
        return _COLUMNS

    def _records(self) -> list[dict[str, Any]]:
        return [
            {
                "run": run.name,
                "metric": run.history.metric,
                "at": point.at,
                "epoch": point.epoch,
                "step": point.step,
                "value": point.value,
                "kind": point.kind.value,
                "source": point.source.value,
                "superseded": old,
                "path": None if point.path is None else str(point.path),
            }
            for run in self.runs
            for old, points in ((False, run.history.points), (True, run.history.superseded))
            for point in points
        ]

    def _title(self) -> str:
        return "Training history"

    def _blocks(self) -> Iterable[Block]:
        from ckptdoctor.render.html.small import history_blocks

        return history_blocks(self)
