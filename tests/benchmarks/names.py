"""Whether a pickle can name code that we hold as plain.

    python -m tests.benchmarks.names --walk                 all modules that are installed
    python -m tests.benchmarks.names --walk --top json --top numpy
    python -m tests.benchmarks.names --mutants 1000000 --seed 0

The walk goes over the attributes of every module that can be imported here, four deep, and holds
each path against our tables: none that we hold as plain may reach code. Imports are contained: in a
process of their own, in a folder that is thrown away, without network.
"""

from __future__ import annotations

import argparse
import sys

from tests.benchmarks.names_walk import Walk, walked
from tests.benchmarks.page import markdown

__all__ = ["main", "table_of"]

_SHOWN = 200


def main() -> int:
    """Run it; 1 where code was reached."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--walk", action="store_true", help="over the modules that are installed")
    parser.add_argument("--top", action="append", default=[], help="only this top-level module")
    parser.add_argument("--paths", type=int, default=4000, help="from one module, at most")
    parser.add_argument("--mutants", type=int, default=0, help="pickles to be changed")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not (options.walk or options.mutants):
        parser.error("choose --walk or --mutants N")
    failed = False
    if options.walk:
        walk = walked(options.top, paths_each=options.paths, seed=options.seed)
        tell(walk)
        failed |= bool(walk.wrong)
    if options.mutants:
        failed |= bool(missed_in_mutants(options.mutants, options.seed))
    return int(failed)


def tell(walk: Walk) -> None:
    """Print the table, and what was wrong."""
    print(table_of(walk))
    for module, name, why in walk.wrong[:_SHOWN]:
        print(f"{module}: {name}: {why}", file=sys.stderr)
    if len(walk.wrong) > _SHOWN:
        print(f"and {len(walk.wrong) - _SHOWN} more", file=sys.stderr)


def table_of(walk: Walk) -> str:
    """The table."""
    head = ("modules", "paths", "held as plain", "that reach code", "s")
    row = (walk.modules, walk.paths, walk.plain, len(walk.wrong), round(walk.seconds))
    return markdown(head, [tuple(f"{one:,}" for one in row)])


def missed_in_mutants(number: int, seed: int) -> int:
    """How many names that the C unpickler asks for are not among ours."""
    raise SystemExit(f"{number} mutants with seed {seed}: not written yet")


if __name__ == "__main__":
    sys.exit(main())
