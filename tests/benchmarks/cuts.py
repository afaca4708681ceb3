"""Cuts a small file of each format at every length, and counts what is rescued.

    python -m tests.benchmarks.cuts            every length: a minute
    python -m tests.benchmarks.cuts --quick    a few hundred of each, drawn by chance
    python -m tests.benchmarks.cuts --write    and puts the table into docs/reliability.md

Storages are counted over all lengths. One is rescued if its tensor is listed as whole, and verified
if that tensor has the name, dtype, shape and bytes that it has in the sound file. The exit code is
1 if a cut crashes us or passes as healthy, or if a storage that is there is not rescued.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.bad_inputs.cutting import Cuts, cut, every_length
from tests.bad_inputs.each_format import EACH_FORMAT
from tests.benchmarks.page import RELIABILITY, find_place, markdown, put

HEAD = (
    *("format", "lengths", "crashed", "healthy", "storages wholly present"),
    *("rescued", "verified", "seconds"),
)
QUICK = 200


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} lengths of each file")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    options = parser.parse_args()
    if options.write:
        find_place(RELIABILITY, "cuts")
    rows, fallen = [], []
    for sample in EACH_FORMAT:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            cuts = cut(sample, Path(folder), every_length(sample, QUICK if options.quick else 0))
        rows.append(_row(cuts, time.perf_counter() - start))
        fallen += list(cuts.fallen())
    table = markdown(HEAD, rows)
    print(table)
    print(*fallen, sep="\n")
    if options.write:
        put(RELIABILITY, "cuts", table)
    return 1 if fallen else 0


def _row(cuts: Cuts, seconds: float) -> list[str]:
    figures = (
        cuts.lengths,
        len(cuts.crashed),
        len(cuts.healthy),
        cuts.present,
        cuts.rescued,
        cuts.verified,
    )
    return [cuts.sample.name, *(f"{figure:,}" for figure in figures), f"{seconds:.0f}"]


if __name__ == "__main__":
    sys.exit(main())
