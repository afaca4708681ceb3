"""Which checkpoint of a run to go on from: by verdict, then by its own score, then by its place.

A running best is no score of the file that holds it: it survives a collapse unchanged. The earliest
checkpoint that holds a value is the one that scored it; those after it scored no more. A file whose
weights are sound, and something beside them is not, wins over a healthy one where it scored better
by more than the noise: what is broken can be reset, what was learned cannot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import MetricKind, Mode, count_text
from ckptdoctor.natural import natural_key
from ckptdoctor.recovery.next_step import Asked, next_command
from ckptdoctor.report import CheckpointReport, LastGood, Place, Report, findings_of
from ckptdoctor.runs.run import Run
from ckptdoctor.runs.trend.noise import noise_of

__all__ = ["rank", "ranked"]

_USABLE = (Verdict.HEALTHY, Verdict.SUSPECT, Verdict.SALVAGEABLE)
_NEVER = frozenset({"CD106", "CD107"})  # whoever loads such a file has worse worries than NaN
_LEAST_NOISE = 0.005
"""Of the best score, where too few are known to tell how much they jump about."""


@dataclass(frozen=True, slots=True)
class _Score:
    """How good a checkpoint is known to be; ``tier`` 0 known, 1 bounded from above, 2 unknown."""

    tier: int
    goodness: float
    reason: str


def ranked(report: Report, asked: Asked | None = None) -> Report:
    """The report run by run in the order of each, with its rankings, and what to go on with.

    Args:
        report: on files and runs.
        asked: what the user asked, so that the next command asks the same.
    """
    asked = asked or Asked()
    several = report.has_several
    runs = []
    for run in report.runs:
        places = rank(run.checkpoints, run.run)
        best = next((place for place in places if place.usable), None)
        told = replace(run, ranking=tuple(places), last_good=_last_good(best))
        runs.append(replace(told, next=next_command(told, asked, several=several)))
    strays = sorted(report.strays, key=lambda row: natural_key(row.path))
    beside = [
        Place(rank=number, report=row, usable=False, reason=_beside(row))
        for number, row in enumerate(
            strays, start=1 + max((len(r.ranking) for r in runs), default=0)
        )
    ]
    return replace(
        report,
        runs=tuple(runs),
        checkpoints=(*(row for run in runs for row in run.checkpoints), *strays),
        last_good=runs[0].last_good if runs and not several else None,
        ranking=(*(place for run in runs for place in run.ranking), *beside),
        findings=findings_of(runs, several=several),
    )


def _last_good(best: Place | None) -> LastGood | None:
    if best is None:
        return None
    data = best.report.metadata
    return LastGood(path=best.report.path, epoch=data.epoch, reason=best.reason)


def rank(rows: Sequence[CheckpointReport], run: Run) -> list[Place]:
    """Every checkpoint of a run, best first; those that cannot be used come last and say why.

    Args:
        rows: the reports on its files.
        run: with their scores, and what speaks against them.
    """
    order = {member.path: at for at, member in enumerate(run.course)}
    scores = _scores(rows, run, order)
    never = {member.path for member in (*run.copies, *run.sides)}
    against = {row.path: run.speaks_against(row.path) for row in rows}
    lifted = _lifted([row for row in rows if row.path not in never], scores, against, run)

    def key(row: CheckpointReport) -> tuple[object, ...]:
        score, at = scores[row.path], order.get(row.path, -1)
        healthy = row.path in lifted
        return (
            not _is_usable(row) or row.path in never,
            Verdict.HEALTHY.rank if healthy else row.verdict.rank,
            bool(against[row.path]),
            score.tier,
            -score.goodness,
            at if score.tier == 1 else -at,
            natural_key(row.path),
        )

    return [
        Place(
            rank=number,
            report=row,
            usable=_is_usable(row) and row.path not in never,
            reason=_reason(row, scores[row.path], against[row.path])
            if row.path not in never
            else _no_candidate(row),
            caution=against[row.path],
        )
        for number, row in enumerate(sorted(rows, key=key), start=1)
    ]


def _is_usable(row: CheckpointReport) -> bool:
    hostile = any(finding.code in _NEVER for finding in row.findings)
    return row.verdict in _USABLE and not hostile and row.has_weights


def _lifted(
    rows: Sequence[CheckpointReport],
    scores: Mapping[Path, _Score],
    against: Mapping[Path, str],
    run: Run,
) -> frozenset[Path]:
    """The salvageable files whose own score beats that of every healthy one by more than noise.

    Not folders: what they lack a framework starts afresh, without a word, and a resume goes on from
    the folder as it stands.
    """
    known = [
        row
        for row in rows
        if _is_usable(row) and scores[row.path].tier == 0 and not against[row.path]
    ]
    sound = [scores[r.path].goodness for r in known if r.verdict is not Verdict.SALVAGEABLE]
    usable = [row for row in rows if _is_usable(row) and row.verdict is not Verdict.SALVAGEABLE]
    if not sound and usable:
        return frozenset()
    best = max(sound, default=-math.inf)
    noise = _noise(run, best)
    return frozenset(
        row.path
        for row in known
        if row.verdict is Verdict.SALVAGEABLE
        and not row.parts
        and scores[row.path].goodness > best + noise
    )


def _noise(run: Run, best: float) -> float:
    """How much the metric jumps about by chance."""
    if not math.isfinite(best):
        return 0.0
    collapse = run.history.collapse
    values = [
        point.value
        for point in run.history.points
        if point.kind is MetricKind.SCORE
        and math.isfinite(point.value)
        and (collapse is None or point.at < collapse)
    ]
    known = noise_of(values) or 0.0
    return max(2 * known, _LEAST_NOISE * abs(best))


# -- reasons -------------------------------------------------------------------------------------


def _reason(row: CheckpointReport, score: _Score, against: str) -> str:
    if not _is_usable(row):
        return _why_not(row)
    return f"{row.verdict.value}, {score.reason}" + (f", {against}" if against else "")


def _why_not(row: CheckpointReport) -> str:
    worst = row.findings[0] if row.findings else None
    if not row.tensors.count and (worst is None or worst.severity is Severity.INFO):
        return f"{row.verdict.value}: it holds no tensors"
    if not row.has_weights and row.verdict in _USABLE:
        return f"{row.verdict.value}: it holds no model weights"
    if worst is None:
        return row.verdict.value
    return f"{row.verdict.value}: {worst.code} {worst.message}"


def _no_candidate(row: CheckpointReport) -> str:
    """Why a file of the run is none to go on from, sound as it may be."""
    made = row.restored
    if made is not None and made.averaged:
        return f"{row.verdict.value}: mean of {len(made.averaged)}, the newest {made.source.name}"
    if made is not None:
        scaled = "" if made.scale in (None, 1.0) else f", rates × {made.scale:g}"
        return f"{row.verdict.value}: restored from {made.source.name}{scaled}"
    return f"{row.verdict.value}: it holds no model weights"


def _beside(row: CheckpointReport) -> str:
    if not _is_usable(row):
        return _why_not(row)
    return f"{row.verdict.value}: it lies beside and belongs to no run"


def _scores(
    rows: Sequence[CheckpointReport], run: Run, order: Mapping[Path, int]
) -> dict[Path, _Score]:
    """The score of each checkpoint on the metric that the run is judged by."""
    scores: dict[Path, _Score] = {}
    reached: dict[float, object] = {}  # a running best, and the place that first held it
    for row in sorted(rows, key=lambda row: order.get(row.path, len(order))):
        metric = row.metadata.metric
        if metric is None or not run.choice.is_of(metric) or not math.isfinite(metric.value):
            scores[row.path] = _Score(2, 0.0, _by_place(row))
            continue
        goodness = -metric.value if metric.mode is Mode.MIN else metric.value
        shown = f"{metric.name} {metric.value:.4g}"
        place = row.metadata.epoch if row.metadata.epoch is not None else row.metadata.global_step
        if metric.mode is None:
            scores[row.path] = _Score(2, 0.0, f"{shown}, direction unknown")
        elif metric.kind is MetricKind.SCORE:
            scores[row.path] = _Score(0, goodness, shown)
        elif reached.setdefault(metric.value, place) != place or place is None:
            scores[row.path] = _Score(1, goodness, f"scored no more than {shown}")
        else:
            scores[row.path] = _Score(0, goodness, f"the first to hold {shown}")
    return scores


def _by_place(row: CheckpointReport) -> str:
    data = row.metadata
    if data.epoch is not None:
        return f"epoch {count_text(data.epoch)}, no score known"
    if data.global_step is not None:
        return f"step {data.global_step}, no score known"
    return "no epoch or score known"
