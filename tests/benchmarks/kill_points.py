"""What is left of a checkpoint when a system call of its writing fails, for every call.

    python -m tests.benchmarks.kill_points            prints the table
    python -m tests.benchmarks.kill_points --quick    every seventh call alone
    python -m tests.benchmarks.kill_points --write    and puts it into docs/reliability.md

Needs Linux and a C compiler. What counts as wrong is the same as in the tests
(``tests/recovery/write_paths.py``); the exit code is 1 where something was.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.benchmarks.page import RELIABILITY, find_place, markdown, put
from tests.recovery.strikes import COMPILER, Fault
from tests.recovery.write_paths import Aftermath, calls_of, strike_all

HEAD = ("writing", "fault", "points", "source whole", "target whole", "left behind", "told")
_QUICK = 7

# Each with and without a file that is there before.
WRITINGS = {
    "`restore`, a copy": ("copy", "copy over another"),
    "`restore`, edited": ("edit", "edit over another"),
    "`restore --to safetensors`": ("safetensors", "safetensors over another"),
    "`safe_save`": ("safe_save", "safe_save over another"),
}
FAULTS = {
    Fault.SIGKILL: "SIGKILL before the call",
    Fault.ENOSPC: "ENOSPC, once",
    Fault.STAYS_FULL: "ENOSPC from then on",
    Fault.EIO: "EIO, once",
    Fault.EIO_ON_READ: "EIO on a read",
    Fault.EDQUOT: "EDQUOT, once",
    Fault.EROFS: "EROFS, once",
    Fault.STAYS_READ_ONLY: "EROFS from then on",
    Fault.EINTR: "EINTR, once",
    Fault.SHORT_WRITE: "half of a write is done",
}


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    parser.add_argument("--quick", action="store_true", help="every seventh call alone")
    options = parser.parse_args()
    if COMPILER is None or sys.platform != "linux":
        parser.error("it needs Linux and a C compiler")
    if options.write:
        find_place(RELIABILITY, "kills")
    started = time.perf_counter()
    lines, wrong = measured(_QUICK if options.quick else 1)
    table = markdown(HEAD, lines)
    print(table)
    print(f"\n{time.perf_counter() - started:.0f} s, {len(wrong)} wrong")
    for one in wrong:
        print(one, file=sys.stderr)
    if options.write:
        put(RELIABILITY, "kills", table)
    return 1 if wrong else 0


def measured(step: int) -> tuple[list[tuple[str, ...]], list[str]]:
    """The lines of the table, and what was wrong."""
    lines: list[tuple[str, ...]] = []
    wrong: list[str] = []
    for writing, names in WRITINGS.items():
        for fault, words in FAULTS.items():
            found: list[Aftermath] = []
            for name in names:
                calls = calls_of(name, reads=fault.reads)
                found += strike_all(name, range(1, len(calls) + 1, step), fault)
            wrong += [f"{writing}, {words}: {one.wrong}" for one in found if one.wrong]
            lines.append((writing, words, *counted(found, fault)))
    return lines, wrong


def counted(found: Sequence[Aftermath], fault: Fault) -> tuple[str, ...]:
    """The figures of one line."""
    whole = sum(one.source_whole for one in found)
    old = sum(one.target == "old" for one in found)
    new = sum(one.target == "new" for one in found)
    neither = len(found) - old - new
    targets = f"{old} old, {new} new" + (f", **{neither} neither**" if neither else "")
    left = sum(one.leftovers > 0 for one in found)
    told = sum(one.told for one in found)
    done = len(found) - told
    words = "killed" if fault.kills else f"{told}" + (f", {done} done all the same" if done else "")
    return (str(len(found)), _of(whole, len(found)), targets, str(left), words)


def _of(count: int, total: int) -> str:
    return str(count) if count == total else f"**{count} of {total}**"


if __name__ == "__main__":
    sys.exit(main())
