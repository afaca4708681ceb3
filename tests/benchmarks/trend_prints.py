"""How often a healthy run is alarming because of the digits that its log prints.

    python -m tests.benchmarks.trend_prints            500 runs in each print; some minutes
    python -m tests.benchmarks.trend_prints --seed 7   other runs

The runs are those of `trend_forms`, which raise no alarm where every value is known. Here they are
rounded as logs round them and given to the rules, without a log being written and read: what is
left is what rounding does, in a tenth of the time.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Callable, Sequence

from ckptdoctor.histories import Clock
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.standstill import Standstill
from ckptdoctor.runs.trend.trend import Beside, trend_of
from tests.benchmarks.trend_forms import healthy_courses
from tests.runs.logs.forms import Moment

Print = tuple[Mode, Callable[[Moment], float], Callable[[Moment], float]]
"""The direction that is better, the metric, and the loss beside it, as they are printed."""

PRINTS: dict[str, Print] = {
    "score %.2f": (Mode.MAX, lambda m: round(m.score, 2), lambda m: round(m.val, 2)),
    "score %.3f": (Mode.MAX, lambda m: round(m.score, 3), lambda m: round(m.val, 3)),
    "score %.4f": (Mode.MAX, lambda m: round(m.score, 4), lambda m: round(m.val, 4)),
    "percent %.1f": (Mode.MAX, lambda m: round(100 * m.score, 1), lambda m: round(m.val, 3)),
    "percent %.2f": (Mode.MAX, lambda m: round(100 * m.score, 2), lambda m: round(m.val, 4)),
    "error %.1f": (Mode.MIN, lambda m: round(100 - 100 * m.score, 1), lambda m: round(m.val, 3)),
    "loss %.2f": (Mode.MIN, lambda m: round(m.train, 2), lambda m: round(m.val, 2)),
    "loss %.3f": (Mode.MIN, lambda m: round(m.val, 3), lambda m: round(m.train, 3)),
    "loss %.4f": (Mode.MIN, lambda m: round(m.val, 4), lambda m: round(m.train, 4)),
    "loss %.3g": (Mode.MIN, lambda m: float(f"{m.train:.3g}"), lambda m: float(f"{m.val:.3g}")),
    "perplexity %.2f": (Mode.MIN, lambda m: round(math.exp(m.val), 2), lambda m: round(m.val, 2)),
}


def alarms(course: Sequence[Moment], how: Print) -> set[str]:
    """The codes of what is told of a course that is printed so.

    Args:
        course: a healthy one.
        how: it is printed.
    """
    mode, metric, loss = how
    values = {at: metric(moment) for at, moment in enumerate(course, start=1)}
    trend = trend_of(values, mode, Clock.EPOCH, Beside(metric="x"))
    watch = Standstill("x", Clock.EPOCH)
    beside = map(loss, course)
    rows = ({"x": value, "val loss": of} for value, of in zip(values.values(), beside, strict=True))
    stood = [watch.update(row) for row in rows]
    told = {
        "CD401": trend.decline is not None,
        "CD402": trend.collapse is not None,
        "CD409": any(stood),
        "CD412": trend.shift is not None,
    }
    return {code for code, is_told in told.items() if is_told}


def main() -> None:
    """Round, judge, count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0, help="another seed, other runs")
    options = parser.parse_args()
    courses = healthy_courses(options.runs, options.seed)
    print(f"{len(courses)} healthy runs in each of {len(PRINTS)} prints")
    for name, how in PRINTS.items():
        told = Counter(code for course in courses for code in alarms(course, how))
        if told:
            print(f"  {name:<18}" + ", ".join(f"{code} in {n}" for code, n in sorted(told.items())))


if __name__ == "__main__":
    main()
