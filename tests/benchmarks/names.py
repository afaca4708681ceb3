"""Whether a pickle can name code that we hold as plain.

    python -m tests.benchmarks.names --walk                 all modules that are installed
    python -m tests.benchmarks.names --walk --top json --top numpy
    python -m tests.benchmarks.names --mutants 1000000 --seed 0

The walk goes over the attributes of every module that can be imported here, four deep, and holds
each path against our tables: none that we hold as plain may reach code. Imports are contained: in a
process of their own, in a folder that is thrown away, without network.

The mutants are real pickles, changed: frames, memo, protocols, cuts, joins. Python's own unpickler,
the one in C, reads each with a ``find_class`` that notes the name and answers with a dummy. Every
name that it asks for must be among ours.
"""

from __future__ import annotations

import argparse
import sys

from tests.benchmarks.names_mutants import Outcome, run_mutants
from tests.benchmarks.names_walk import Walk, walked
from tests.benchmarks.page import RELIABILITY, find_place, markdown, put

__all__ = ["main", "table_of"]

_SHOWN = 200


def main() -> int:
    """Run it; 1 where code was reached."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--walk", action="store_true", help="over the modules that are installed")
    parser.add_argument("--top", action="append", default=[], help="only this top-level module")
    parser.add_argument("--paths", type=int, default=2000, help="from one module, at most")
    parser.add_argument("--mutants", type=int, default=0, help="pickles to be changed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    options = parser.parse_args()
    if not (options.walk or options.mutants):
        parser.error("choose --walk or --mutants N")
    if options.write:
        find_place(RELIABILITY, "names-walk")
        find_place(RELIABILITY, "names-mutants")
    failed = False
    if options.walk:
        walk = walked(options.top, paths_each=options.paths, seed=options.seed)
        tell(walk)
        if options.write:
            put(RELIABILITY, "names-walk", table_of(walk))
        failed |= bool(walk.wrong)
    if options.mutants:
        outcome = run_mutants(options.mutants, options.seed)
        tell_mutants(outcome)
        if options.write:
            put(RELIABILITY, "names-mutants", mutants_table(outcome))
        failed |= bool(outcome.missed)
    return int(failed)


def tell(walk: Walk) -> None:
    """Print the table, and what was wrong."""
    print(table_of(walk))
    # What is code beyond doubt first: one line of it says more than a module's whole contents.
    ordered = sorted(walk.wrong, key=lambda one: one[2].startswith(("goes", "the module")))
    for module, name, why in ordered[:_SHOWN]:
        print(f"{module}: {name}: {why}", file=sys.stderr)
    if len(walk.wrong) > _SHOWN:
        print(f"and {len(walk.wrong) - _SHOWN} more", file=sys.stderr)


def table_of(walk: Walk) -> str:
    """The table."""
    head = ("modules", "paths", "held as plain", "that reach code", "s")
    row = (walk.modules, walk.paths, walk.plain, len(walk.wrong), round(walk.seconds))
    return markdown(head, [tuple(f"{one:,}" for one in row)])


def tell_mutants(outcome: Outcome) -> None:
    """Print the table, and what was missed."""
    print(mutants_table(outcome))
    for seed, pair in outcome.missed[:_SHOWN]:
        print(f"pickle {seed}: {pair}", file=sys.stderr)


def mutants_table(outcome: Outcome) -> str:
    """The table."""
    head = ("mutated pickles", "that name anything", "names asked for", "missed", "s")
    counts = (outcome.pickles, outcome.with_names, outcome.names, len(outcome.missed))
    return markdown(head, [(*(f"{one:,}" for one in counts), f"{outcome.seconds:.0f}")])


if __name__ == "__main__":
    sys.exit(main())
