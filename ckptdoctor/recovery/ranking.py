"""Which checkpoint to go on from: by verdict, then by its own score, then by epoch.

A running best is no score of the file that holds it: it survives a collapse unchanged. The earliest
checkpoint that holds a value is the one that scored it; those after it scored no more.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ckptdoctor.diagnose import judge_history
from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.metadata import MetricKind, Mode, count_text, plain_name
from ckptdoctor.natural import natural_key
from ckptdoctor.report import CheckpointReport, LastGood, Place, Report
from ckptdoctor.runs.join import Wish, join_logs
from ckptdoctor.runs.order import in_order

__all__ = ["rank", "with_last_good"]

_USABLE = (Verdict.HEALTHY, Verdict.SUSPECT, Verdict.SALVAGEABLE)
_NEVER = frozenset({"CD106", "CD107"})  # whoever loads such a file has worse worries than NaN


@dataclass(frozen=True, slots=True)
class _Score:
    """How good a checkpoint is known to be; ``tier`` 0 known, 1 bounded from above, 2 unknown."""

    tier: int
    goodness: float
    reason: str


def rank(
    reports: Sequence[CheckpointReport],
    speaks_against: Callable[[CheckpointReport], str] = lambda _: "",
) -> list[Place]:
    """Every checkpoint, best first; those that cannot be used come last and say why.

    Args:
        reports: with their own scores, where they are known.
        speaks_against: why a score cannot be relied on, such as a decline; "" where nothing does.
    """
    ordered = in_order(reports)
    scores = _scores(ordered)

    def key(report: CheckpointReport) -> tuple[object, ...]:
        score = scores[id(report)]
        epoch = report.metadata.epoch or 0
        return (
            not _is_usable(report),
            report.verdict.rank,
            bool(speaks_against(report)),
            score.tier,
            -score.goodness,
            epoch if score.tier == 1 else -epoch,
            -(report.metadata.global_step or 0),
            natural_key(report.path),
        )

    return [
        Place(
            rank=number,
            report=report,
            usable=_is_usable(report),
            reason=_reason(report, scores[id(report)], speaks_against(report)),
            caution=speaks_against(report),
        )
        for number, report in enumerate(sorted(ordered, key=key), start=1)
    ]


def with_last_good(report: Report, wish: Wish | None = None) -> Report:
    """The report in the order of the run, with scores from logs, its ranking and ``last_good``.

    Raises:
        OSError: a log that the user named cannot be read.
    """
    joined = join_logs(report.checkpoints, wish)
    places = rank(joined.reports, joined.speaks_against)
    best = next((place for place in places if place.usable), None)
    last_good = None
    if best is not None:
        last_good = LastGood(
            path=best.report.path, epoch=best.report.metadata.epoch, reason=best.reason
        )
    findings, crashes = judge_history(joined.histories)
    return replace(
        report,
        checkpoints=tuple(in_order(joined.reports)),
        last_good=last_good,
        ranking=tuple(places),
        findings=tuple(sorted((*findings, *report.findings), key=lambda f: -f.severity)),
        crashes=(*report.crashes, *crashes),
        histories=joined.histories,
    )


def _is_usable(report: CheckpointReport) -> bool:
    hostile = any(finding.code in _NEVER for finding in report.findings)
    return report.verdict in _USABLE and not hostile and report.tensors.count > 0


def _reason(report: CheckpointReport, score: _Score, against: str) -> str:
    if not _is_usable(report):
        worst = report.findings[0] if report.findings else None
        if worst is None or (worst.severity is Severity.INFO and not report.tensors.count):
            return f"{report.verdict.value}: it holds no tensors"
        return f"{report.verdict.value}: {worst.code} {worst.message}"
    return f"{report.verdict.value}, {score.reason}" + (f", {against}" if against else "")


def _scores(ordered: Sequence[CheckpointReport]) -> dict[int, _Score]:
    """The score of each report, by identity, on the metric that most of them hold."""
    name = _common_metric(ordered)
    scores: dict[int, _Score] = {}
    reached: dict[float, int | float | None] = {}  # a best, and the epoch that first held it
    for report in ordered:
        metric = report.metadata.metric
        if metric is None or plain_name(metric) != name or not math.isfinite(metric.value):
            scores[id(report)] = _Score(2, 0.0, _by_epoch(report))
            continue
        goodness = -metric.value if metric.mode is Mode.MIN else metric.value
        shown = f"{metric.name} {metric.value:.4g}"
        if metric.mode is None:
            scores[id(report)] = _Score(2, 0.0, f"{shown}, direction unknown")
        elif metric.kind is MetricKind.SCORE:
            scores[id(report)] = _Score(0, goodness, shown)
        elif reached.setdefault(metric.value, report.metadata.epoch) != report.metadata.epoch or (
            report.metadata.epoch is None
        ):
            scores[id(report)] = _Score(1, goodness, f"scored no more than {shown}")
        else:
            scores[id(report)] = _Score(0, goodness, f"the first to hold {shown}")
    return scores


def _by_epoch(report: CheckpointReport) -> str:
    epoch = report.metadata.epoch
    if epoch is None:
        return "no epoch or score known"
    return f"epoch {count_text(epoch)}, no score known"


def _common_metric(reports: Sequence[CheckpointReport]) -> str | None:
    names = Counter(
        plain_name(report.metadata.metric)
        for report in reports
        if report.metadata.metric is not None
    )
    return names.most_common(1)[0][0] if names else None
