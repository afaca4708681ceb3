"""A million inputs that nobody would write, through every reader.

    python -m tests.benchmarks.fuzz             a million executions, a quarter of an hour
    python -m tests.benchmarks.fuzz --quick     20,000, to see that it works
    python -m tests.benchmarks.fuzz --write     and puts the table into docs/reliability.md

The promise: none takes more than 5 s, none more than 256 MB above its start, and each is answered
by what it holds or by an error of ours. Inputs that break it are kept with ``--keep FOLDER``; input
``n`` of a target is the same in every run with the same seed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bad_inputs.execution import TARGETS, Tally, run_target
from tests.benchmarks.page import RELIABILITY, find_place, markdown, put

__all__ = ["main", "table_of"]

HEAD = ("target", "executions", "s", "refused", "read", "slowest, ms", "most, MB", "crashed")
_SHOWN = 20


def main() -> int:
    """Run it; 1 where the promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--executions", type=int, default=1_000_000, help="of all targets together")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="at most, all together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    parser.add_argument("--target", choices=TARGETS, action="append")
    parser.add_argument("--quick", action="store_true", help="20,000 executions")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    parser.add_argument("--keep", type=Path, help="a folder for the inputs that break the promise")
    options = parser.parse_args()
    if options.write:
        find_place(RELIABILITY, "fuzz")
    targets = options.target or list(TARGETS)
    share = (20_000 if options.quick else options.executions) // len(targets)
    seconds = options.seconds / len(targets)
    tallies = []
    for target in targets:
        tally = run_target(target, share, seed=options.seed, seconds=seconds, first=options.first)
        tallies.append(tally)
        tell(tally)
        if options.keep:
            keep(tally, options.keep)
    table = table_of(tallies)
    print(table)
    if options.write:
        put(RELIABILITY, "fuzz", table)
    return int(any(tally.offences for tally in tallies))


def table_of(tallies: Sequence[Tally]) -> str:
    """The table."""
    total = Tally(
        "**together**",
        sum(one.executions for one in tallies),
        sum(one.seconds for one in tallies),
        sum(one.refused for one in tallies),
        sum(one.read for one in tallies),
        max(one.slowest_s for one in tallies),
        max(one.most_mb for one in tallies),
        [offence for one in tallies for offence in one.offences],
    )
    return markdown(HEAD, [_row(one) for one in (*tallies, total)])


def _row(tally: Tally) -> tuple[str, ...]:
    return (
        tally.target,
        f"{tally.executions:,}",
        f"{tally.seconds:.0f}",
        f"{tally.refused:,}",
        f"{tally.read:,}",
        f"{tally.slowest_s * 1000:.0f}",
        f"{tally.most_mb:.0f}",
        str(len(tally.offences)),
    )


def tell(tally: Tally) -> None:
    """Print how a target went, and what broke the promise."""
    print(", ".join(_row(tally)), file=sys.stderr, flush=True)
    for offence in tally.offences[:_SHOWN]:
        print(f"{tally.target} {offence.number}: {offence.why[:300]}", file=sys.stderr)
    more = len(tally.offences) - _SHOWN
    if more > 0:
        print(f"{tally.target}: {more} more", file=sys.stderr)


def keep(tally: Tally, folder: Path) -> None:
    """Write what broke the promise into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for offence in tally.offences:
        (folder / f"{tally.target}-{offence.number}").write_bytes(offence.data)


if __name__ == "__main__":
    sys.exit(main())
