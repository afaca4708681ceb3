"""How long a log takes to read, and how much memory, whatever its size.

    python -m tests.benchmarks.logs            100 MB of each kind
    python -m tests.benchmarks.logs --quick    5 MB, to see that it works
    python -m tests.benchmarks.logs --kind nanoGPT --kind MMEngine
    python -m tests.benchmarks.logs --form torchvision-detection    any of tests/runs/logs/forms

Held against a loop over the lines that does nothing, and against the usual script: two regular
expressions on every line. Each runs in a process of its own, so that memory can be told apart.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.logs_kinds import KINDS
from tests.runs.logs.forms import FORMS, CourseKind, make_course

CANDIDATES = {
    "ckptdoctor": (
        "from pathlib import Path; from ckptdoctor.runs.logs import read_logs; f = Path(path)\n"
        "def work(): return len(read_logs([f]).epochs)"
    ),
    "two regular expressions a line": (
        "import re\n"
        "a = re.compile(r'[Ee]poch\\W*(\\d+)')\n"
        "b = re.compile(r'(\\w+)\\W+([\\d.e-]+)')\n"
        "def work():\n"
        "    seen = {}\n"
        "    for line in open(path, newline=None):\n"
        "        if m := a.search(line): seen.setdefault(m[1], {}).update(b.findall(line))\n"
        "    return len(seen)"
    ),
    "the lines alone": "def work(): return sum(1 for line in open(path, newline=None))",
}
PROGRAM = (
    "import sys, time, resource; path = sys.argv[1]\n{setup}\n"
    "start = time.perf_counter(); work(); took = time.perf_counter() - start\n"
    "print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
)


def write(path: Path, line: Callable[[int], str], nbytes: int) -> None:
    """A log of about so many bytes."""
    with path.open("w") as file:
        written = at = 0
        while written < nbytes:
            text = "".join(line(n) for n in range(at, at + 1000))
            written += file.write(text)
            at += 1000


def write_form(path: Path, name: str, nbytes: int) -> None:
    """A log of about so many bytes in a form: one very long run."""
    form = next(form for form in FORMS if form.name == name)
    moments = make_course(CourseKind.HEALTHY, name).moments
    share = len(form.write(moments).encode())
    with path.open("w", newline="") as file:
        file.write(form.write(moments * (nbytes // share + 1)))


def measure(setup: str, path: Path) -> tuple[float, float]:
    """Seconds, and the most memory in MB."""
    program = PROGRAM.format(setup=setup)
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], check=True, capture_output=True, text=True
    )
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", action="append", choices=KINDS, help="this kind alone")
    parser.add_argument(
        "--form", action="append", default=[], choices=[one.name for one in FORMS], metavar="NAME"
    )
    options = parser.parse_args()
    megabytes = 5 if options.quick else 100
    with tempfile.TemporaryDirectory() as folder:
        for kind in [*(options.kind or ([] if options.form else KINDS)), *options.form]:
            path = Path(folder, KINDS[kind][0] if kind in KINDS else "train.log")
            if kind in KINDS:
                write(path, KINDS[kind][1], megabytes * 1_000_000)
            else:
                write_form(path, kind, megabytes * 1_000_000)
            print(f"{kind}, {megabytes} MB; medians of {options.rounds} rounds")
            took: dict[str, list[tuple[float, float]]] = {name: [] for name in CANDIDATES}
            for _ in range(options.rounds):
                for candidate, setup in CANDIDATES.items():
                    took[candidate].append(measure(setup, path))
            ours = statistics.median(seconds for seconds, _ in took["ckptdoctor"])
            for candidate, figures in took.items():
                seconds = statistics.median(one for one, _ in figures)
                memory = max(one for _, one in figures)
                print(f"  {candidate:32}{seconds:7.2f} s {seconds / ours:6.2f} x {memory:6.0f} MB")
            path.unlink()


if __name__ == "__main__":
    main()
