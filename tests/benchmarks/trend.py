"""How well detectors find what goes wrong in training curves, on runs whose fault is known.

    python -m tests.benchmarks.trend            680 runs of 17 kinds, in equal shares
    python -m tests.benchmarks.trend --quick    170 runs, to see that it works

What counts: every detector is told one epoch after another. A fault is found if there is an alarm
at its onset or later, before the run ends; the delay is counted from the onset in epochs, 0 at the
onset itself. A false alarm is an epoch with an alarm in a healthy run, or before the onset. A
spike that recovers is healthy, and so is other data for a while; an alarm while they last is no
false one and is shown apart.

The settings of the z-score and of ruptures are tuned on half of the runs and measured on the other
half, then the other way round: of those with at most 0.05 false alarms a healthy run the one that
finds most, and of these the quickest. The other detectors have nothing that is tuned here. What
the rivals are and what they see stands in `trend_rivals.py`, how runs are made in
`tests/runs/curves.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from ckptdoctor.runs.trend.monitor import Monitor
from tests.benchmarks.trend_rivals import (
    ChangePoints,
    Detector,
    Kernel,
    NonFinite,
    Signal,
    ThreeInARow,
    ZScore,
    alarm_epochs,
    change_point_alarms,
)
from tests.benchmarks.trend_score import Alarms, Outcome, Score, score, tune
from tests.benchmarks.trend_shift import shift_lines
from tests.runs.curves import Curve, CurveKind, make_curves

OURS = "ckptdoctor"
HEALTHY, FAULTY = "all healthy", "all with a fault"
FINITE_FAULTS = frozenset(
    {
        CurveKind.DECLINE,
        CurveKind.COLLAPSE,
        CurveKind.DECLINE_COLLAPSE,
        CurveKind.SHIFT,
        CurveKind.EXPLOSION,
    }
)
PENALTIES = {
    Kernel.L2: (5, 10, 15, 20, 30, 45, 70, 100, 150, 250, 400),
    Kernel.RBF: (0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 14),
}


# -- the detectors -------------------------------------------------------------------------------


def alarms_of(make: Callable[[Curve], Detector]) -> Alarms:
    """How a detector that is made for a run answers to it."""
    return lambda curve: alarm_epochs(make(curve), curve)


def ours() -> Alarms:
    """The monitor of the package."""
    return alarms_of(lambda curve: Monitor(curve.metric, curve.mode))


def z_scores() -> dict[str, Alarms]:
    """The candidates: setting -> alarms."""

    def one(alpha: float, threshold: float) -> Alarms:
        return alarms_of(lambda curve: ZScore(curve.metric, curve.mode, alpha, threshold))

    return {
        f"alpha {alpha:g}, {threshold:g} deviations": one(alpha, threshold)
        for alpha in (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7)
        for threshold in (0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8, 10, 14, 20)
    }


def change_points() -> dict[str, Alarms]:
    """The candidates: setting -> alarms; empty where ruptures is not installed."""
    if importlib.util.find_spec("ruptures") is None:
        return {}

    def one(setting: ChangePoints) -> Alarms:
        return lambda curve: change_point_alarms(setting, curve)

    settings = [
        ChangePoints(kernel=kernel, signal=signal, penalty=penalty)
        for kernel, signal in itertools.product(Kernel, Signal)
        for penalty in PENALTIES[kernel]
    ]
    return {str(setting): one(setting) for setting in settings}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Everything that one start of the benchmark found.

    Attributes:
        scores: by detector, then by kind.
        notes: settings that were chosen, and detectors that are missing.
    """

    runs: int
    seed: int
    scores: dict[str, list[Score]]
    notes: dict[str, str]


def measure(curves: Sequence[Curve], seed: int) -> Result:
    """All detectors on the same runs.

    Args:
        curves: as `make_curves` deals them out.
        seed: what they were made from.
    """
    plain: dict[str, Alarms] = {
        OURS: ours(),
        "isfinite": alarms_of(lambda curve: NonFinite()),
        "3 in a row": alarms_of(lambda curve: ThreeInARow(curve.metric, curve.mode)),
    }
    outcomes: dict[str, list[Outcome]] = {}
    notes: dict[str, str] = {}
    for name, alarms in plain.items():
        outcomes[name] = [Outcome(curve=curve, alarms=alarms(curve)) for curve in curves]
    for name, candidates in {"EMA z-score": z_scores(), "ruptures": change_points()}.items():
        if not candidates:
            notes[name] = "not installed: pip install ruptures"
            continue
        tuned = tune(candidates, curves)
        outcomes[name] = tuned.outcomes
        notes[name] = "; ".join(dict.fromkeys(tuned.settings))
    scores = {name: _scores(name, ones) for name, ones in outcomes.items()}
    return Result(runs=len(curves), seed=seed, scores=scores, notes=notes)


def _scores(name: str, outcomes: list[Outcome]) -> list[Score]:
    groups = {kind.value: [one for one in outcomes if one.curve.kind is kind] for kind in CurveKind}
    groups[HEALTHY] = [one for one in outcomes if one.curve.healthy]
    groups["all finite faults"] = [one for one in outcomes if one.curve.kind in FINITE_FAULTS]
    groups[FAULTY] = [one for one in outcomes if not one.curve.healthy]
    return [score(name, kind, ones) for kind, ones in groups.items() if ones]


# -- the output ----------------------------------------------------------------------------------


def as_json(result: Result) -> str:
    """One object; a figure that does not exist is null."""
    scores = [asdict(one) for ones in result.scores.values() for one in ones]
    document = {"runs": result.runs, "seed": result.seed, "notes": result.notes, "scores": scores}
    return json.dumps(document, indent=1, allow_nan=False)


def as_text(result: Result) -> str:
    """Two tables and the notes."""
    sick = [one.kind for one in next(iter(result.scores.values())) if not one.healthy]
    sound = [one.kind for one in next(iter(result.scores.values())) if one.healthy]
    found = [(kind, _found) for kind in sick if kind != FAULTY]
    found.insert(found.index((CurveKind.DECLINE_COLLAPSE.value, _found)) + 1, (_BEFORE, _warned))
    lines = [
        f"{result.runs} runs, seed {result.seed}",
        "",
        "faults found, and after how many epochs: median and 95th percentile",
        *_table(result, found),
        "",
        "false alarms a run",
        *_table(result, [(kind, _false) for kind in sound]),
        *_table(result, [(FAULTY, _false)], "before the onset")[1:],
        *_table(result, [(HEALTHY, _runs_with)], "healthy runs with any")[1:],
        *_table(result, [(CurveKind.SPIKE.value, _found)], "alarms at the spike")[1:],
        *_table(result, [(CurveKind.OTHER_DATA.value, _found)], "… at the other data")[1:],
        "",
        *(f"{name}: {note}" for name, note in result.notes.items()),
    ]
    return "\n".join(line.rstrip() for line in lines)


_BEFORE = "  … before the fall"


def _table(
    result: Result, rows: Iterable[tuple[str, Callable[[Score], str]]], label: str = ""
) -> list[str]:
    lines = [f"  {'':<24}" + "".join(f"{name:>15}" for name in result.scores)]
    for kind, cell in rows:
        of_kind = CurveKind.DECLINE_COLLAPSE.value if kind == _BEFORE else kind
        cells = [
            cell(next(one for one in scores if one.kind == of_kind))
            for scores in result.scores.values()
        ]
        lines.append(f"  {label or kind:<24}" + "".join(f"{cell:>15}" for cell in cells))
    return lines


def _found(one: Score) -> str:
    delays = "" if one.delay_median is None else f" {one.delay_median:4.3g} /{one.delay_p95:3}"
    return f"{one.found or 0.0:4.0%}{delays or ' ' * 10}"


def _warned(one: Score) -> str:
    return f"{one.warned or 0.0:4.0%}{' ' * 10}"


def _false(one: Score) -> str:
    return f"{one.false_alarms:.2f}"


def _runs_with(one: Score) -> str:
    return f"{one.runs_with_false_alarm:.0%}"


def main() -> None:
    """Make the runs, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="170 runs in place of 680")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other runs")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    result = measure(make_curves(170 if options.quick else 680, options.seed), options.seed)
    if options.json:
        print(as_json(result))
        return
    lines = shift_lines(10 if options.quick else 100, options.seed)
    print("\n".join([as_text(result), "", *lines]))


if __name__ == "__main__":
    main()
