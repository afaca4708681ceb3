"""Flips every single bit of a small file of each format, and counts what is noticed.

    python -m tests.benchmarks.flips            every bit: eight minutes
    python -m tests.benchmarks.flips --quick    a few hundred of each, drawn by chance
    python -m tests.benchmarks.flips --write    and puts the table into docs/reliability.md

"Changed" is a value, a shape, a name, or that the file is refused: by our reader, and, wherever we
report nothing, by torch or safetensors. The exit code is 1 if a flip crashes us, or if one that
changes something passes unseen in a file with checksums.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.bad_inputs.each_format import EACH_FORMAT
from tests.bad_inputs.flipping import Outcome, Tally, every_bit, tallied
from tests.benchmarks.page import RELIABILITY, find_place, markdown, put

HEAD = (
    *("format", "file bytes", "flips", "no value changed", "of these reported"),
    *("changed and reported", "changed and silent", "crashed", "seconds"),
)
QUICK = 400


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} flips of each file")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    options = parser.parse_args()
    if options.write:
        find_place(RELIABILITY, "flips")
    rows, fallen = [], []
    for sample in EACH_FORMAT:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            tally = tallied(sample, Path(folder), every_bit(sample, QUICK if options.quick else 0))
        rows.append(_row(tally, time.perf_counter() - start))
        fallen += [
            f"{sample.name}: byte {flip.at}, bit {flip.bit}: {flip.outcome.value} {flip.says}"
            for flip in tally.worst
            if sample.checked or flip.outcome is Outcome.CRASHED
        ]
        print(f"{sample.name} done", file=sys.stderr, flush=True)
    table = markdown(HEAD, rows)
    print(table)
    print(*fallen, sep="\n")
    if options.write:
        put(RELIABILITY, "flips", table)
    return 1 if fallen else 0


def _row(tally: Tally, seconds: float) -> list[str]:
    counts = tally.counts
    figures = (
        len(tally.sample.data),
        tally.flips,
        counts[Outcome.UNCHANGED] + counts[Outcome.NOTED],
        counts[Outcome.NOTED],
        counts[Outcome.REPORTED],
        counts[Outcome.SILENT],
        counts[Outcome.CRASHED],
    )
    return [tally.sample.name, *(f"{figure:,}" for figure in figures), f"{seconds:.0f}"]


if __name__ == "__main__":
    sys.exit(main())
