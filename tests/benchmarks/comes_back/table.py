"""The outcomes as a table, and what they add up to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tests.benchmarks.comes_back.case import Kind
from tests.benchmarks.comes_back.play import LIVED, TWIN_DIED, Outcome
from tests.benchmarks.page import markdown

__all__ = ["HEAD", "cases_table", "row", "summary", "summary_table"]

HEAD = (
    "case", "seed", "died at", "right file", "factor", "rate seen", "strict", "end", "healthy",
    "back", "alarm after", "how it failed",
)  # fmt: skip
_PAGE = (
    "case", "cause", "factor", "right file", "resumes", "end of healthy", "back", "alarm after",
)  # fmt: skip
_SUMS = ("cause", "trainings", "right file", "resumes strictly", "back", "alarm within 1 epoch")


def _number(value: float | None, form: str = ".3f") -> str:
    if value is None or math.isnan(value):
        return "–"
    return format(value, form) if math.isfinite(value) else "NaN"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def row(one: Outcome) -> tuple[str, ...]:
    """One case with one seed."""
    given = "–" if one.resumed is None else str(one.resumed.epoch)
    return (
        one.case.name,
        str(one.seed),
        _number(one.died, "d"),
        f"{_yes(one.is_right_file)} ({given})",
        "–" if one.factor is None else f"×{one.factor:.3g}",
        "–" if math.isnan(one.seen) else f"×{one.seen:.3g}",
        _yes(one.is_strict) if one.exit in (0, None) else f"no (exit {one.exit})",
        _number(one.end),
        _number(one.healthy),
        _yes(one.is_back),
        "n/a" if one.case.cuts else _number(one.alarm, "d"),
        "; ".join([one.again, *one.notes]).strip("; ").replace("|", "/"),
    )


def cases_table(outcomes: Sequence[Outcome]) -> str:
    """A row for each case, its seeds together, for the page."""
    shown = [one for one in outcomes if _shows(one)]
    names = dict.fromkeys(one.case.name for one in shown)
    return markdown(
        _PAGE, [_together([one for one in shown if one.case.name == name]) for name in names]
    )


def _shows(one: Outcome) -> bool:
    """Whether it died of its cause: not where it lived, nor where its healthy twin died too."""
    return {TWIN_DIED, LIVED}.isdisjoint(one.notes)


def _together(seeds: Sequence[Outcome]) -> tuple[str, ...]:
    case = seeds[0].case
    factors = dict.fromkeys("–" if one.factor is None else f"×{one.factor:.3g}" for one in seeds)
    ends = ", ".join(f"{_number(one.end)} of {_number(one.healthy)}" for one in seeds)
    alarms = ", ".join("–" if case.cuts else _number(one.alarm, "d") for one in seeds)
    return (
        case.name,
        case.kind.value,
        ", ".join(factors),
        _share(lambda one: one.is_right_file, seeds),
        _share(lambda one: one.is_strict, seeds),
        ends,
        _share(lambda one: one.is_back, seeds),
        alarms,
    )


def _share(count: Callable[[Outcome], bool], of: Sequence[Outcome]) -> str:
    return f"{sum(map(count, of))} of {len(of)}"


def summary(outcomes: Sequence[Outcome], kind: Kind) -> tuple[str, ...]:
    """What those of one kind add up to, of all that died of their cause."""
    those = [one for one in outcomes if one.case.kind is kind and _shows(one)]
    alarmed = [one for one in those if not one.case.cuts]
    return (
        kind.value,
        str(len(those)),
        _share(lambda one: one.is_right_file, those),
        _share(lambda one: one.is_strict, those),
        _share(lambda one: one.is_back, those),
        _share(lambda one: one.alarm is not None and one.alarm <= 1, alarmed),
    )


def summary_table(outcomes: Sequence[Outcome]) -> str:
    """A row for each kind of cause."""
    return markdown(_SUMS, [summary(outcomes, kind) for kind in Kind])
