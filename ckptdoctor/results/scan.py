"""What ``scan`` and ``rank`` return."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ckptdoctor.finding import Verdict
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.report import CheckpointReport, Place, Report
from ckptdoctor.results.result import ResultOfRuns, named_one

if TYPE_CHECKING:
    from ckptdoctor.render.html.blocks import Block

__all__ = ["RankReport", "ScanReport"]

_MOST_RUNS = 5
"""Runs that are named at a prompt."""
_COLUMNS = (
    *("path", "run", "verdict", "epoch", "global_step", "metric", "value"),
    *("tensors", "nan", "inf", "nbytes", "format", "findings"),
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ScanReport(ResultOfRuns, Report):
    """A verdict for every checkpoint: a line a run at a prompt, a table in a notebook.

    It has a length and is iterated over: its checkpoints. ``report["epoch_88.pth"]`` is the
    checkpoint with this path, or with this name where only one has it.
    """

    def __repr__(self) -> str:
        return f"<ScanReport: {'; '.join(self._lines())}>"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __len__(self) -> int:
        return len(self.checkpoints)

    def __iter__(self) -> Iterator[CheckpointReport]:
        return iter(self.checkpoints)

    def __getitem__(self, name: str) -> CheckpointReport:
        return _called(name, self.checkpoints)

    def _lines(self) -> Iterator[str]:
        from ckptdoctor.render.text import plural, printable

        counts = [
            f"{count} {verdict.value}" for verdict in Verdict if (count := self.count(verdict))
        ]
        yield f"{plural(len(self.checkpoints), 'checkpoint')}: {', '.join(counts)}"
        if len(self.runs) > 1:
            for run in self.runs[:_MOST_RUNS]:
                good = "none" if run.last_good is None else printable(run.last_good.path)
                yield f"last good of {printable(run.name)}: {good}"
            if len(self.runs) > _MOST_RUNS:
                yield f"… and {len(self.runs) - _MOST_RUNS} more runs"
        elif self.last_good is None:
            yield "none is fit to go on from"
        else:
            yield f"last good: {printable(self.last_good.path)}"

    def to_html(self) -> str:
        """What ``--format html`` writes."""
        from ckptdoctor.render.html.report import scan_html

        return scan_html(self)

    def _repr_html_(self) -> str:
        """The table that a notebook shows."""
        from ckptdoctor.render.html.notebook import report_fragment

        return report_fragment(self)

    def _json(self) -> str:
        from ckptdoctor.render.machine.as_json import scan_json

        return scan_json(self)

    def _columns(self) -> tuple[str, ...]:
        return _COLUMNS

    def _records(self) -> list[dict[str, Any]]:
        return [_record(row) for row in self.checkpoints]

    def _title(self) -> str:
        return "Checkpoints"

    def _blocks(self) -> Iterable[Block]:
        from ckptdoctor.render.html.small import rank_blocks

        return rank_blocks(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RankReport(ResultOfRuns, Report):
    """Checkpoints from best to worst: a line each at a prompt, a table in a notebook.

    It has a length and is iterated over: the places of its ranking. ``report["epoch_88.pth"]`` is
    the place of the checkpoint with this path, or with this name where only one has it.
    """

    def __repr__(self) -> str:
        return f"<RankReport: {'; '.join(self._lines())}>"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __len__(self) -> int:
        return len(self.ranking)

    def __iter__(self) -> Iterator[Place]:
        return iter(self.ranking)

    def __getitem__(self, name: str) -> Place:
        row = _called(name, [place.report for place in self.ranking])
        return next(place for place in self.ranking if place.report is row)

    def _lines(self) -> Iterator[str]:
        from ckptdoctor.render.text import printable

        for place in self.ranking[:_MOST_RUNS]:
            yield printable(f"{place.rank} {place.report.path}: {place.reason}")
        if len(self.ranking) > _MOST_RUNS:
            yield f"… and {len(self.ranking) - _MOST_RUNS} more"

    def _json(self) -> str:
        from ckptdoctor.render.machine.rank import rank_json

        return rank_json(self)

    def _columns(self) -> tuple[str, ...]:
        return ("rank", *_COLUMNS, "usable", "reason")

    def _records(self) -> list[dict[str, Any]]:
        return [
            {
                "rank": place.rank,
                **_record(place.report),
                "usable": place.usable,
                "reason": place.reason,
            }
            for place in self.ranking
        ]

    def _title(self) -> str:
        return "Checkpoints from best to worst"

    def _blocks(self) -> Iterable[Block]:
        from ckptdoctor.render.html.small import rank_blocks

        return rank_blocks(self)


def _called(name: str, rows: Iterable[CheckpointReport]) -> CheckpointReport:
    """The checkpoint with this path, else the only one with this name.

    Raises:
        KeyError: there is none, or there are several; the message names them, or the nearest.
    """
    known: dict[str, list[CheckpointReport]] = {}
    for row in rows:
        for said in dict.fromkeys((str(row.path), row.path.name)):
            known.setdefault(said, []).append(row)
    return named_one(name, known, "checkpoint")


def _record(row: CheckpointReport) -> dict[str, Any]:
    data, metric, totals = row.metadata, row.metadata.metric, row.tensors
    return {
        "path": str(row.path),
        "run": row.run,
        "verdict": row.verdict.value,
        "epoch": data.epoch,
        "global_step": data.global_step,
        "metric": None if metric is None else metric.name,
        "value": None if metric is None else metric.value,
        "tensors": totals.count,
        "nan": totals.nan,
        "inf": totals.inf,
        "nbytes": row.nbytes,
        "format": row.format,
        "findings": ", ".join(finding.code for finding in row.findings),
    }
