"""Damages every single part of every layout of checkpoints, and looks at what is said of it.

    python -m tests.benchmarks.parts                   every layout, every part, every fault
    python -m tests.benchmarks.parts --quick           the first part of each kind of each layout
    python -m tests.benchmarks.parts --layout dcp      one layout; several times for several
    python -m tests.benchmarks.parts --restore         restore the damaged folder, too
    python -m tests.benchmarks.parts --show            each failure, and the command that repeats it
    python -m tests.benchmarks.parts --keep FOLDER --only "NaN optimizer.pt"    leave them there
    python -m tests.benchmarks.parts --strict          exit code 1 where anything falls short
    python -m tests.benchmarks.parts --write           puts the table into docs/reliability.md

A series of three checkpoints is built as its framework writes it. In the newest, one part is
deleted, or gets NaN, is cut to its half, is exchanged for that of the checkpoint before, or has one
bit of tensor data flipped. Asked is the command line alone. "named": a finding names the part or
its tensor. What has no witness (``tests/layouts/folders``: each says why) is counted apart.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.page import RELIABILITY, find_place, markdown, put
from tests.benchmarks.parts_verdict import Shortfall, judge, judge_healthy, judge_restored, scan
from tests.layouts.folders import TWINS
from tests.layouts.folders.faults import Fault, Injury, copy, inflict, injuries
from tests.layouts.folders.truth import Layout, Series

SHOWN = (Shortfall.VERDICT, Shortfall.LAST_GOOD, Shortfall.ALARM, Shortfall.CAUTION)
HEAD = ("layout", "parts", *Fault, "no witness", *SHOWN)


@dataclass(slots=True)
class Row:
    """What came of all faults of a layout: of each, how many could be noticed, and were named."""

    layout: str
    parts: int
    noticeable: Counter[Fault] = field(default_factory=Counter)
    named: Counter[Fault] = field(default_factory=Counter)
    silent: int = 0
    wrong: Counter[Shortfall] = field(default_factory=Counter)

    def add(self, injury: Injury, shortfalls: list[tuple[Shortfall, str]]) -> None:
        """Count one."""
        kinds = {kind for kind, _ in shortfalls}
        self.wrong.update(kinds)
        if injury.unseen:
            self.silent += 1
            return
        self.noticeable[injury.fault] += 1
        self.named[injury.fault] += not kinds & {Shortfall.UNNAMED, Shortfall.CRASH}

    @property
    def cells(self) -> list[str]:
        """For the table."""
        faults = [
            f"{self.named[fault]} of {self.noticeable[fault]}" if self.noticeable[fault] else "-"
            for fault in Fault
        ]
        figures = (self.silent, *(self.wrong[kind] for kind in SHOWN))
        return [self.layout, str(self.parts), *faults, *map(str, figures)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Something that fell short."""

    layout: str
    injury: str
    kind: Shortfall
    text: str

    @property
    def command(self) -> str:
        """What repeats it."""
        only = f' --only "{self.injury}"' if self.injury else ""
        more = " --restore" if self.kind is Shortfall.RESTORE else ""
        return f"python -m tests.benchmarks.parts --layout {self.layout}{only}{more} --show"


def main() -> int:
    """Run it."""
    options = _options()
    if options.write:
        find_place(RELIABILITY, "parts")
    chosen = [layout for layout in TWINS if not options.layout or layout.name in options.layout]
    if not chosen:
        print("layouts:", *(layout.name for layout in TWINS))
        return 2
    rows: list[list[str]] = []
    failures: list[Failure] = []
    with tempfile.TemporaryDirectory() as temporary:
        for layout in chosen:
            start = time.perf_counter()
            rows.append(_examine(layout, Path(temporary), options, failures).cells)
            print(f"{layout.name}: {time.perf_counter() - start:.1f} s", file=sys.stderr)
    table = markdown(HEAD, rows)
    print(table)
    for kind in Shortfall:
        those = [failure for failure in failures if failure.kind is kind]
        print(f"\n{kind.value}: {len(those)}")
        for failure in those if options.show else ():
            print(f"  {failure.layout}: {failure.injury or 'sound'}: {failure.text}")
            print(f"      {failure.command}")
    if options.write:
        put(RELIABILITY, "parts", table)
    hard = [failure for failure in failures if failure.kind is not Shortfall.CAUTION]
    return 1 if hard and options.strict else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one part of each kind")
    parser.add_argument("--layout", action="append", help="by name; none: all of them")
    parser.add_argument("--only", default="", help="injuries whose name holds this")
    parser.add_argument("--restore", action="store_true", help="and restore each folder")
    parser.add_argument("--show", action="store_true", help="list what falls short")
    parser.add_argument("--strict", action="store_true", help="exit code 1 if anything does")
    parser.add_argument("--keep", type=Path, help="leave the damaged folders there")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    return parser.parse_args()


def _examine(
    layout: Layout, temporary: Path, options: argparse.Namespace, failures: list[Failure]
) -> Row:
    sound = temporary / layout.name / "sound"
    sound.mkdir(parents=True)
    series = layout.build(sound)
    row = Row(layout.name, len(series.parts))

    def note(injury: str, shortfalls: list[tuple[Shortfall, str]]) -> None:
        failures.extend(
            Failure(layout=layout.name, injury=injury, kind=kind, text=text)
            for kind, text in shortfalls
        )

    if not options.only:
        shortfalls = judge_healthy(series, scan(series.root))
        row.wrong.update({kind for kind, _ in shortfalls})
        note("", shortfalls)
    for at, injury in enumerate(_chosen(series, options)):
        place = temporary / layout.name / "run"
        damaged = copy(series, place)
        inflict(damaged, injury)
        answer = scan(damaged.root)
        shortfalls = judge(damaged, injury, answer)
        if options.restore:
            shortfalls += judge_restored(damaged, injury, answer)
        if options.keep:
            shutil.copytree(place, options.keep / layout.name / f"{at:03}", dirs_exist_ok=True)
            print(f"{options.keep / layout.name / f'{at:03}'}: {injury.name}")
        row.add(injury, shortfalls)
        note(injury.name, shortfalls)
    return row


def _chosen(series: Series, options: argparse.Namespace) -> Iterator[Injury]:
    seen = set()
    for injury in injuries(series):
        if options.only and options.only not in injury.name:
            continue
        key = (injury.fault, injury.kind, injury.part.kind)
        if not (options.quick and key in seen):
            seen.add(key)
            yield injury


if __name__ == "__main__":
    sys.exit(main())
