"""Small trainings that really die, restarted to the letter as ``plan`` says: do they come back?

    python -m tests.benchmarks.comes_back                 all cases, two seeds each
    python -m tests.benchmarks.comes_back --quick         four of them with one seed
    python -m tests.benchmarks.comes_back --case NAME     those whose name has NAME in it
    python -m tests.benchmarks.comes_back --show          commands and reasons as well
    python -m tests.benchmarks.comes_back --sweep         which factors would have brought it back
    python -m tests.benchmarks.comes_back --healthy       thirty healthy runs: no alarm
    python -m tests.benchmarks.comes_back --list          the cases, and why they are as they are
    python -m tests.benchmarks.comes_back --write         and the table into docs/plan.md

A restart gets the exact command, runs option A in a shell, and is judged by evaluating the files.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch

from tests.benchmarks.comes_back.case import Case
from tests.benchmarks.comes_back.cases import CASES
from tests.benchmarks.comes_back.healthy import HEALTHY, alarms
from tests.benchmarks.comes_back.play import LIVED, Outcome, Stage
from tests.benchmarks.comes_back.sweep import sweep
from tests.benchmarks.comes_back.table import HEAD, cases_table, row, summary_table
from tests.benchmarks.page import find_place, put

__all__ = ["main"]

PAGE = Path(__file__).parents[3] / "docs" / "plan.md"
MARK = "comes back"
A = TypeVar("A")
B = TypeVar("B")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 1 where a run did not die, or, with ``--strict``, did not come back as it should."""
    options = options_of(arguments)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if options.write:
        find_place(PAGE, MARK)
    cases = [one for one in CASES if options.case in one.name and (one.quick or not options.quick)]
    if options.list:
        for one in cases:
            print(f"{one.name} ({one.kind}): {one.why}")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if options.healthy:
            return healthy(folder, options.jobs)
        pairs = [(one, seed) for one in cases for seed in options.seeds]
        if options.sweep:
            for line in each(lambda pair: sweep(folder, *pair), pairs, options.jobs):
                print(line, flush=True)
            return 0
        return play(folder, pairs, options)


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", default="", metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="N")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    parser.add_argument("--strict", action="store_true", help="exit 1 where one is not back")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--healthy", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the trainings here")
    parser.add_argument(
        "--resume-flag", metavar="FLAG", help="told to plan where a command has none"
    )
    options = parser.parse_args(arguments)
    options.seeds = options.seeds or ([0] if options.quick else [0, 1])
    return options


def each(function: Callable[[A], B], things: Sequence[A], jobs: int) -> Iterator[B]:
    """In order, as they are ready."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(function, things)


def play(folder: Path, pairs: Sequence[tuple[Case, int]], options: argparse.Namespace) -> int:
    """All cases, a line each as it is done; then what they add up to."""
    stage, begin = Stage(folder=folder), time.monotonic()

    def one(pair: tuple[Case, int]) -> Outcome:
        case, seed = pair
        hinted = options.resume_flag and not case.stage
        return stage.play(
            case, seed, hints=["--resume-flag", options.resume_flag] if hinted else []
        )

    outcomes: list[Outcome] = []
    print(" | ".join(HEAD))
    for outcome in each(one, pairs, options.jobs):
        outcomes.append(outcome)
        print(" | ".join(row(outcome)), flush=True)
        if options.show:
            show(outcome)
    print(f"\n{summary_table(outcomes)}")
    print(f"{time.monotonic() - begin:.0f} s, {processor_time():.0f} s of one core's time")
    if options.write:
        put(PAGE, MARK, f"{summary_table(outcomes)}\n\n{cases_table(outcomes)}")
    if any(LIVED in one.notes for one in outcomes):
        return 1
    good = all(one.is_right_file and one.is_strict and one.is_back for one in outcomes)
    return 0 if good or not options.strict else 1


def processor_time() -> float:
    """Seconds that this process and all it started have kept a core busy."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def show(outcome: Outcome) -> None:
    """What the case is, what was planned, and why."""
    print(f"  {outcome.case.why}")
    print(f"  was: python train.py {outcome.case.arguments(outcome.seed)}")
    for line in outcome.command.splitlines():
        print(f"  A:   {line}")
    print(f"  why: {outcome.reason}")


def healthy(folder: Path, jobs: int) -> int:
    """Thirty runs that deserve no alarm; 1 where there was one."""
    numbered = list(enumerate(HEALTHY))
    found = each(lambda one: alarms(folder / f"run-{one[0]}", one[1], one[0]), numbered, jobs)
    total = 0
    for line, epochs in zip(HEALTHY, found, strict=True):
        total += bool(epochs)
        print(
            f"{'alarm at ' + ', '.join(map(str, epochs)) if epochs else 'silent'}: {line}",
            flush=True,
        )
    print(f"{len(HEALTHY)} healthy runs, {total} with a false alarm")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
