"""Whether the tests notice a broken line: mutants of the code, each judged by the tests beside it.

    python -m tests.benchmarks.mutants                        a sample of every room
    python -m tests.benchmarks.mutants rules layouts/find     of a room, and of a module
    python -m tests.benchmarks.mutants --sample 0             all there are; hours
    python -m tests.benchmarks.mutants --since main           those of changed lines first
    python -m tests.benchmarks.mutants rules --line fsync     those of lines that hold a text
    python -m tests.benchmarks.mutants --again                those that were not noticed so far
    python -m tests.benchmarks.mutants --write                and the table into docs/reliability.md

What was judged is kept in a JSON file (``--results``), and is not judged again while module and
tests are the same. ``--minutes`` ends a run; the next goes on where it was. What no test can notice
stands in ``mutants_equivalent.txt``, with the reason.

The operators are those of mutmut 3, which is kept well and whose mutants read as a person would
break a line; they are taken as a library (`mutants_made.py`). Its runner does not fit: it rewrites
the whole package with every mutant of a function behind a switch, and so leaves out what stands at
a module's own level (our tables and keys), and tests that read sources or start commands see
another package. cosmic-ray mutates the working tree in place, starts a process of Python and torch
for each mutant, and brings a web client, SQLAlchemy and Git along.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from tests.benchmarks.mutants_judge import Bench, tests_of
from tests.benchmarks.mutants_made import Module, Mutant
from tests.benchmarks.mutants_ran import (
    Chosen,
    FileRan,
    Records,
    chosen_tests,
    is_run_by_import,
    lines_around,
)
from tests.benchmarks.page import RELIABILITY, find_place, markdown, put

ROOT = Path(__file__).parents[2]
ROOMS: Mapping[str, tuple[str, ...]] = {
    "rules": ("rules/**/*.py",),
    "runs": ("runs/**/*.py",),
    "recovery": ("recovery/*.py", "recovery/[!pr]*/**/*.py"),
    "recovery/repair": ("recovery/repair/*.py", "recovery/parity/*.py"),
    "layouts": ("layouts/**/*.py",),
    "formats/pickle": tuple(f"formats/pickle/{name}.py" for name in ("names", "machine", "writer")),
    "formats/zip": ("formats/zip/**/*.py",),
    "scanning": tuple(f"scanning/{name}.py" for name in ("kernels", "plan", "scanner")),
    "cli/exits": ("cli/exits.py",),
    "guard": ("guard/steps/verdict.py", "guard/saving/keeper.py", "guard/saving/saver.py"),
}
ABOVE: Mapping[str, tuple[str, ...]] = {
    "rules": ("tests/test_diagnose.py", "tests/test_diagnose_parts.py", "tests/cli/test_scan.py"),
    "runs": ("tests/rules/test_in_a_run.py", "tests/recovery/test_ranking.py"),
    "recovery": ("tests/cli/test_rank.py", "tests/cli/test_plan.py", "tests/cli/test_repair.py"),
    "layouts": ("tests/rules/test_parts.py", "tests/recovery/folders/test_restore_folder.py"),
    "formats/pickle": (
        "tests/formats/test_torch_zip.py",
        "tests/rules/test_judgement.py",
        "tests/bad_inputs/test_catalogue.py",
        "tests/bad_inputs/test_nothing_runs.py",
    ),
    "formats/zip": (
        "tests/formats/test_torch_zip.py",
        "tests/formats/test_repeats.py",
        "tests/bad_inputs/test_catalogue.py",
        "tests/recovery/repair/test_repair.py",
    ),
    "scanning": ("tests/rules/test_rules.py", "tests/test_diagnose.py"),
    "cli/exits": ("tests/test_api.py",),
    "guard": ("tests/recovery/test_publish.py",),
}
"""What else is asked, of the rooms above, where no test of the mirrored folder notices."""
EQUIVALENT = Path(__file__).with_name("mutants_equivalent.txt")
RESULTS = Path(tempfile.gettempdir()) / "ckptdoctor-mutants.json"
HEAD = ("room", "judged", "noticed", "equivalent", "not noticed", "% noticed")


def main() -> int:
    """Judge them and show the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--sample", type=int, default=20, help="of each room; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", type=float, default=10.0, help="seconds of tests a stage")
    parser.add_argument("--files", type=int, default=0, help="ask so many near ones; 0 for all")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--since", metavar="REV", help="mutants of lines changed since, first")
    parser.add_argument("--line", default="", metavar="TEXT", help="of lines that hold this")
    parser.add_argument("--again", action="store_true", help="those not noticed so far alone")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    options = parser.parse_args()
    if options.write:
        find_place(RELIABILITY, "mutants")
    until = time.monotonic() + 60 * options.minutes
    equivalent = equivalents()
    changed = changed_lines(options.since) if options.since else frozenset()
    known: dict[str, Known] = (
        json.loads(options.results.read_text(encoding="utf-8")) if options.results.is_file() else {}
    )
    modules = chosen(options.rooms)
    seen: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="ckptdoctor-mutants-") as folder:
        bench = Bench(ROOT, Path(folder))
        records = Records(ROOT, options.results.with_suffix(".ran.json"))
        judges = {
            room: Judge(bench, records, room, options.each, options.files) for room in modules
        }
        for room, mutant in in_turn(modules, known, changed, options):
            seen.add(mutant.key)
            judge = judges[room]
            if mutant.key in equivalent or judge.is_known(mutant, known.get(mutant.key)):
                continue
            if time.monotonic() > until:
                print("the time is over; the next run goes on here", file=sys.stderr)
                break
            known[mutant.key] = judge.judge(mutant, known.get(mutant.key))
            options.results.write_text(json.dumps(known, indent=0), encoding="utf-8")
            print(told(mutant, known[mutant.key]["by"]), file=sys.stderr, flush=True)
    judged = known.keys() | seen
    by_room = {room: _of(paths, judged) for room, paths in modules.items()}
    rows = [row(room, keys, known, equivalent) for room, keys in by_room.items() if keys]
    table = markdown(HEAD, rows)
    print(table)
    for key in sorted(judged - equivalent.keys()):
        if known.get(key, _UNKNOWN)["by"] == "" and _of(itertools.chain(*modules.values()), {key}):
            path, where, before, after = key.split("\t")
            print(f"NOT NOTICED: {path} {where}: {before} → {after}")
    if options.write:
        put(RELIABILITY, "mutants", table)
    return 0


class Known(TypedDict):
    """What is known of a mutant: of which source, who noticed ("" for none), who was asked."""

    source: str
    by: str
    asked: dict[str, str]


_UNKNOWN: Known = {"source": "", "by": "?", "asked": {}}


class Judge:
    """Asks the tests of a room, and none twice."""

    def __init__(
        self, bench: Bench, records: Records, room: str, most_s: float, files: int
    ) -> None:
        self._bench = bench
        self._records = records
        self._modules = chosen([room])[room]
        self._above = [path for path in ABOVE.get(room, ()) if (ROOT / path).is_file()]
        self._most_s = most_s
        self._files = files

    def is_known(self, mutant: Mutant, known: Known | None) -> bool:
        """Whether module and tests are as they were when it was judged."""
        if known is None or known["source"] != _hash(mutant.source.encode()):
            return False
        if known["by"]:
            return all(_hash_of(path) == state for path, state in known["asked"].items())
        return not any(self._not_asked(stage, known) for stage, _ in self._stages(mutant))

    def judge(self, mutant: Mutant, known: Known | None) -> Known:
        """What became of it; files that were asked before, and did not notice, are left out."""
        source = _hash(mutant.source.encode())
        if known is None or known["by"] or known["source"] != source:
            known = {"source": source, "by": "", "asked": {}}
        original = (ROOT / mutant.path).read_text(encoding="utf-8")
        lines = lines_around(original, mutant.line)
        every: dict[str, FileRan] = {}
        for stage, unseen in self._stages(mutant):
            files = self._not_asked(stage, known)
            records = self._recorded(files)
            other = unseen or (is_run_by_import(original, mutant.line) and not every)
            tests = chosen_tests(mutant.path, lines, records, self._most_s, unseen=other)
            if by := self._bench.judge(mutant, tests):
                return _noticed(source, by, tests)
            every |= records
            known["asked"] |= {path: _hash_of(path) for path in files}
        # A line that is run once, as what it gives is kept, is run by whichever test comes first.
        whole = range(1, original.count("\n") + 2)
        tests = chosen_tests(mutant.path, whole, every, self._most_s)
        if by := self._bench.judge(mutant, tests):
            return _noticed(source, by, tests)
        return known

    def _stages(self, mutant: Mutant) -> list[tuple[list[str], bool]]:
        """The test files to ask in turn, and whether tests that start processes are asked too."""
        stages = [*((stage, False) for stage in tests_of(ROOT, mutant.path)), (self._above, True)]
        left = self._files or sys.maxsize
        asked = []
        for stage, unseen in stages:
            asked.append((stage[:left], unseen))
            left -= len(asked[-1][0])
        return [(stage, unseen) for stage, unseen in asked if stage]

    def _not_asked(self, stage: Iterable[str], known: Known) -> list[str]:
        return [path for path in stage if known["asked"].get(path) != _hash_of(path)]

    def _recorded(self, files: Sequence[str]) -> dict[str, FileRan]:
        new = [path for path in files if self._records.of(path, self._modules) is None]
        if new:
            self._records.keep(self._modules, self._bench.record(new, self._modules))
        found = ((path, self._records.of(path, self._modules)) for path in files)
        return {path: ran for path, ran in found if ran is not None}


def chosen(names: Sequence[str]) -> dict[str, list[str]]:
    """The modules by room: of all rooms, of those named, or those named themselves.

    Raises SystemExit where there is no such room or module.
    """
    every = {
        room: sorted(
            {
                str(path.relative_to(ROOT))
                for one in globs
                for path in (ROOT / "ckptdoctor").glob(one)
            }
        )
        for room, globs in ROOMS.items()
    }
    if not names:
        return every
    found: dict[str, list[str]] = {}
    for name in names:
        if name in every:
            found[name] = every[name]
            continue
        path = f"ckptdoctor/{name.removesuffix('.py')}.py"
        room = next((room for room, paths in every.items() if path in paths), None)
        if room is None:
            raise SystemExit(f"there is no room or module '{name}'; rooms: {', '.join(ROOMS)}")
        found.setdefault(room, []).append(path)
    return found


def in_turn(
    modules: Mapping[str, Sequence[str]],
    known: Mapping[str, Known],
    changed: frozenset[tuple[str, int]],
    options: argparse.Namespace,
) -> Iterator[tuple[str, Mutant]]:
    """What is to be judged, with its room: changed lines of all rooms, then room by room.

    They are made as they are asked for: to make all takes minutes.
    """
    rooms = [*modules]
    random.Random(options.seed).shuffle(rooms)
    if not options.again:
        for room in rooms:
            lines = [pair for pair in sorted(changed) if pair[0] in modules[room]]
            for one in of_lines(lines, options.sample, random.Random(options.seed)):
                yield room, one
    for room in rooms:
        seed = f"{options.seed} {room}"
        for one in (
            unnoticed(modules[room], known)
            if options.again
            else drawn(modules[room], options.sample, seed, options.line)
        ):
            yield room, one


def of_lines(
    lines: Sequence[tuple[str, int]], count: int, chance: random.Random
) -> Iterator[Mutant]:
    """Mutants of some lines, one of each line that has any; so many at most, 0 for all."""
    modules: dict[str, Module] = {}
    many = 0
    for path, line in chance.sample(lines, len(lines)):
        module = modules.setdefault(path, Module(ROOT, path))
        if near := module.near([line]):
            yield chance.choice(near)
            many += 1
        if many == count:
            return


def drawn(paths: Sequence[str], count: int, seed: str, line: str) -> Iterator[Mutant]:
    """Mutants drawn by the seed: the same, as long as the modules are the same.

    Args:
        paths: of the modules; one is drawn from as often as it is long.
        count: how many; 0 for all.
        seed: of the draw.
        line: what the line holds; then there is no drawing.
    """
    if line or not count:
        every = (one for path in paths for one in Module(ROOT, path).all() if line in one.before)
        yield from itertools.islice(every, count or None)
        return
    sizes = [(ROOT / path).stat().st_size for path in paths]
    times = Counter(random.Random(seed).choices(paths, sizes, k=count))
    for path, many in sorted(times.items()):
        yield from Module(ROOT, path).draw(many, random.Random(f"{seed} {path}"))


def changed_lines(revision: str) -> frozenset[tuple[str, int]]:
    """Path and number of each line of the package that is new since a revision.

    None, and a word on it, where Git does not know the revision, as in a shallow clone.
    """
    command = ["git", "diff", "-U0", "--no-ext-diff", revision, "--", "ckptdoctor"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        print(f"no changed lines: {done.stderr.strip()}", file=sys.stderr)
    told = done.stdout
    lines: set[tuple[str, int]] = set()
    path = ""
    for line in told.splitlines():
        if line.startswith("+++ "):
            path = line.removeprefix("+++ b/")
        elif hunk := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            start, count = int(hunk[1]), int(hunk[2] or 1)
            lines |= {(path, at) for at in range(start, start + count)}
    return frozenset(lines)


def equivalents() -> dict[str, str]:
    """By key, why no test can notice a mutant."""
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines()
    entries = (line.rpartition("\t") for line in lines if line and not line.startswith("#"))
    return {key: why for key, _, why in entries}


def unnoticed(paths: Iterable[str], known: Mapping[str, Known]) -> list[Mutant]:
    """Those that no test noticed when they were judged."""
    wanted = {key for key, one in known.items() if not one["by"]}
    modules = sorted({key.partition("\t")[0] for key in _of(paths, wanted)})
    every = (one for path in modules for one in Module(ROOT, path).all())
    return [one for one in every if one.key in wanted]


def row(
    room: str, keys: Collection[str], known: Mapping[str, Known], equivalent: Mapping[str, str]
) -> tuple[str, ...]:
    """A row of the table: on all that were judged, whenever they were drawn."""
    count = Counter(
        "equivalent" if key in equivalent else "noticed" if known[key]["by"] else "not"
        for key in keys
        if key in equivalent or key in known
    )
    able = count["noticed"] + count["not"]
    return (
        f"`{room}`",
        f"{count.total()}",
        f"{count['noticed']}",
        f"{count['equivalent']}",
        f"{count['not']}",
        f"{100 * count['noticed'] / able:.0f}" if able else "—",
    )


def _of(paths: Iterable[str], keys: Iterable[str]) -> list[str]:
    """Those keys that are of modules of these paths."""
    wanted = set(paths)
    return [key for key in keys if key.partition("\t")[0] in wanted]


def told(mutant: Mutant, by: str) -> str:
    """A line on a mutant and what became of it."""
    place = f"{mutant.path}:{mutant.line} {mutant.where}"
    return f"{by or 'NOT NOTICED'}: {place}: {mutant.before} → {mutant.after}"


def _noticed(source: str, by: str, tests: Chosen) -> Known:
    """By the test that failed; by all that were asked where none could say so."""
    first = by.removeprefix("FAILED ").removeprefix("ERROR ").partition("::")[0]
    files = [first] if first in tests.files else tests.files
    return {"source": source, "by": by, "asked": {path: _hash_of(path) for path in files}}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _hash_of(path: str) -> str:
    return _hash((ROOT / path).read_bytes())


if __name__ == "__main__":
    sys.exit(main())
