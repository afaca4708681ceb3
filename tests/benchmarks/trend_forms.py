"""How often a healthy run is alarming because of the form in which its log is written.

    python -m tests.benchmarks.trend_forms            500 runs in each form; two hours
    python -m tests.benchmarks.trend_forms --quick    2 runs in each form
    python -m tests.benchmarks.trend_forms --form nanogpt --form keras-2
    python -m tests.benchmarks.trend_forms --runs 100 --first 200    another share of them

The runs are the healthy ones of `tests/runs/curves.py`, of seven kinds in equal shares; those whose
values alone would raise an alarm are left out (`tests.benchmarks.trend` counts these). Each is
written in each form of `tests/runs/logs/forms` and read back through what `history` uses. An alarm
then comes from the reading: a number that was taken for another, a wrong metric, a wrong epoch.
What a log says of none of its values is counted as well, since it raises no alarm either.
"""

from __future__ import annotations

import argparse
import functools
import gc
import itertools
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ckptdoctor.finding import Severity
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.monitor import Monitor
from ckptdoctor.runs.wish import Wish
from ckptdoctor.survey import chronicles
from tests.runs.curves import CurveKind, make_curve
from tests.runs.logs.forms import FORMS, Form, Moment

_PASSING = (CurveKind.SPIKE, CurveKind.OTHER_DATA)
_HEALTHY = tuple(kind for kind in CurveKind if kind.healthy and kind not in _PASSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What came of the runs in a form.

    Attributes:
        form: its name.
        runs: how many were read back.
        unread: of how many nothing was read.
        alarms: what was told of the others, and how often.
    """

    form: str
    runs: int
    unread: int
    alarms: Counter[str]


@functools.lru_cache(maxsize=1)
def healthy_courses(count: int, seed: int = 0) -> tuple[tuple[Moment, ...], ...]:
    """Healthy trainings of 60 to 140 moments that raise no alarm where every value is known.

    Args:
        count: how many.
        seed: another one, other trainings.
    """
    silent = (course for course in _courses(seed) if _is_silent(course))
    return tuple(itertools.islice(silent, count))


def _courses(seed: int) -> Iterator[tuple[Moment, ...]]:
    for index in itertools.count():
        for kind in _HEALTHY:
            rising = make_curve(kind, 2 * index, seed)
            falling = make_curve(kind, 2 * index + 1, seed)
            pairs = zip(rising.values.values(), falling.values.values(), strict=False)
            yield tuple(
                Moment(
                    score=score[rising.metric],
                    train=loss.get("loss", loss[falling.metric]),
                    val=loss[falling.metric] * 1.07,
                    lr=3e-4,
                )
                for score, loss in pairs
            )


def _is_silent(course: Sequence[Moment]) -> bool:
    series = {
        Mode.MAX: [[one.score for one in course]],
        Mode.MIN: [[one.train for one in course], [one.val for one in course]],
    }
    return not any(
        alarm
        for mode, ones in series.items()
        for values in ones
        for monitor in [Monitor("x", mode)]
        for at, value in enumerate(values, start=1)
        for alarm in monitor.update(at, {"x": value})
    )


def tally(form: Form, courses: Sequence[Sequence[Moment]]) -> Tally:
    """What is told of healthy runs in a form.

    Args:
        form: how each is written.
        courses: that raise no alarm by their values.
    """
    alarms: Counter[str] = Counter()
    unread = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, form.file)
        for course in courses:
            path.write_text(form.write(course), encoding="utf-8", newline="")
            found = chronicles([], Wish(logs=(path,)))
            unread += not found.histories
            alarms.update({one.code for one in found.findings if one.severity is not Severity.INFO})
    return Tally(form=form.name, runs=len(courses), unread=unread, alarms=alarms)


def _tally_named(name: str, first: int, count: int, seed: int) -> Tally:
    gc.collect()
    gc.disable()  # an eighth of the time; what one form leaves goes before the next
    form = next(form for form in FORMS if form.name == name)
    return tally(form, healthy_courses(first + count, seed)[first:])


def as_text(tallies: Sequence[Tally]) -> str:
    """The forms with an alarm, and a line on all of them."""
    loud = [one for one in tallies if one.alarms]
    dumb = [one for one in tallies if one.unread]
    runs = max((one.runs for one in tallies), default=0)
    lines = [f"{runs} healthy runs in each of {len(tallies)} forms"]
    lines += [
        f"  {one.form:<28}" + ", ".join(f"{code} in {n}" for code, n in sorted(one.alarms.items()))
        for one in loud
    ]
    lines.append(f"forms with a false alarm: {len(loud)}")
    lines.append(f"forms of which nothing is read: {len(dumb)}")
    return "\n".join(lines)


def main() -> None:
    """Write, read, count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 runs in each form")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="so many of the runs are passed over")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--form", action="append", choices=[one.name for one in FORMS])
    parser.add_argument("--strict", action="store_true", help="exit 1 where there is an alarm")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other runs")
    options = parser.parse_args()
    names = options.form or [form.name for form in FORMS]
    count = 2 if options.quick else options.runs
    with ProcessPoolExecutor(options.processes) as pool:
        every = [
            pool.submit(_tally_named, name, options.first, count, options.seed) for name in names
        ]
        tallies = []
        for at, one in enumerate(every, start=1):
            tallies.append(one.result())
            if tallies[-1].alarms or tallies[-1].unread or at % 20 == 0:  # what takes hours, told
                print(f"{at} of {len(names)}: {tallies[-1]}", file=sys.stderr, flush=True)
    print(as_text(tallies))
    if options.strict and any(one.alarms for one in tallies):
        sys.exit(1)


if __name__ == "__main__":
    main()
