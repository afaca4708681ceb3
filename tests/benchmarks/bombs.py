"""What files cost that ask for much: each through the command line, in a process of its own.

    python -m tests.benchmarks.bombs                    every bomb, some minutes
    python -m tests.benchmarks.bombs --quick            a few of them
    python -m tests.benchmarks.bombs --write            and puts the table into docs/reliability.md
    python -m tests.benchmarks.bombs --command rank     another command over the same files

The promise: a verdict in under 2 s and 200 MB more than a sound small file takes. A process may
take 8 GB of addresses and a minute; what needs more is killed and told.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bad_inputs.bombs import BOMBS, Bomb
from tests.bad_inputs.good import zip_bytes
from tests.benchmarks.page import RELIABILITY, find_place, markdown, put

ROOT = Path(__file__).parents[2]
HEAD = ("bomb", "bytes", "on disk", "s", "s of CPU", "MB", "exit code", "what it says")
LIMIT_S, LIMIT_MB = 2.0, 200.0
ADDRESSES = 8 << 30
PATIENCE_S = 60
_QUICK = 12
LAUNCHER = """
import json, os, resource, signal, sys, time
addresses, patience, out, err, *command = sys.argv[1:]
start = time.perf_counter()
child = os.fork()
if not child:
    resource.setrlimit(resource.RLIMIT_AS, (int(addresses), int(addresses)))
    for path, number in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    signal.alarm(int(patience))  # outlives exec, and kills
    os.execv(command[0], command)
_, status, usage = os.wait4(child, 0)
took = time.perf_counter() - start
cpu_s = usage.ru_utime + usage.ru_stime
print(json.dumps([took, cpu_s, usage.ru_maxrss, os.waitstatus_to_exitcode(status)]))
"""
"""Starts the command from a small process: a child keeps the high-water mark of who forked it."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: from start to end.
        cpu_s: of all its threads; on a machine that does other things too, the truer figure.
        mb: the most memory.
        code: its exit code; negative for the signal that ended it.
        says: the verdict and the first finding, or the last line on standard error.
    """

    seconds: float
    cpu_s: float
    mb: float
    code: int
    says: str


def main() -> int:
    """Run it; 1 where the promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="every few bombs")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    parser.add_argument("--command", choices=("rank", "inspect", "restore"))
    parser.add_argument("--only", default="", help="bombs whose names hold this")
    parser.add_argument("--rounds", type=int, default=1, help="the fastest counts")
    options = parser.parse_args()
    if options.write:
        find_place(RELIABILITY, "bombs")
    chosen = [bomb for bomb in BOMBS if options.only in bomb.name]
    if options.command:
        chosen = [bomb for bomb in chosen if bomb.command == "scan"]
    chosen = chosen[::_QUICK] if options.quick else chosen
    sound = baseline(options.command)
    rows = []
    for bomb in chosen:
        with tempfile.TemporaryDirectory() as folder:
            path = bomb.build(Path(folder, "model.pth")) or Path(folder, "model.pth")
            status = path.stat()
            costs = [cost_of(bomb, path, options.command) for _ in range(options.rounds)]
            best = min(costs, key=lambda cost: cost.seconds)
            rows.append((bomb, status.st_size, status.st_blocks * 512, best))
            print(told(rows[-1], sound), file=sys.stderr, flush=True)
    table = table_of(rows, sound)
    print(table)
    if options.write:
        put(RELIABILITY, "bombs", table)
    return int(any(is_broken(cost, sound) for *_, cost in rows))


Row = tuple[Bomb, int, int, Cost]


def baseline(command: str | None) -> Cost:
    """What a sound small file takes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.pth")
        path.write_bytes(zip_bytes())
        costs = [run(arguments("scan", path, command)) for _ in range(5)]
    return Cost(
        statistics.median(one.seconds for one in costs),
        statistics.median(one.cpu_s for one in costs),
        statistics.median(one.mb for one in costs),
        costs[0].code,
        costs[0].says,
    )


def cost_of(bomb: Bomb, path: Path, command: str | None) -> Cost:
    """What the command takes with a bomb."""
    own = () if command else bomb.options
    return run([*arguments(bomb.command, path, command), *own])


def arguments(usual: str, path: Path, command: str | None) -> list[str]:
    """The command line."""
    match command or usual:
        case "restore":
            return [
                "restore",
                str(path),
                "--output",
                str(path.with_name("restored.pth")),
                "--force",
            ]
        case "rank":
            return ["rank", str(path), "--format", "json"]
        case name:
            return [name, str(path), "--format", "json"]


def run(options: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """A command in a process of its own, with bounds on addresses and time."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        command = [sys.executable, "-m", "ckptdoctor", *options]
        limits = (str(ADDRESSES), str(PATIENCE_S), str(out), str(err))
        started = subprocess.run(
            [sys.executable, "-S", "-E", "-c", LAUNCHER, *limits, *command],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        seconds, cpu_s, kilobytes, code = json.loads(started.stdout)
        says = _says(out.read_bytes(), err.read_bytes())
        return Cost(seconds, cpu_s, kilobytes / 1024, code, says)


def _says(out: bytes, err: bytes) -> str:
    """Verdict, code and message of the first finding; or the last line of a note."""
    try:
        report = json.loads(out)
    except ValueError:
        lines = (err or out).decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:100] if lines else ""
    checkpoints = report.get("checkpoints") or [report.get("checkpoint") or {}]
    verdict = checkpoints[0].get("verdict", "")
    findings = checkpoints[0].get("findings") or [{}]
    first = f"{findings[0].get('code', '')} {findings[0].get('message', '')}".strip()
    return f"{verdict}: {first}"[:100] if first else verdict


def is_broken(cost: Cost, sound: Cost) -> bool:
    """Whether a bomb took more than it may; where the machine was busy, its share of it counts."""
    return (
        min(cost.seconds - sound.seconds, cost.cpu_s - sound.cpu_s) > LIMIT_S
        or cost.mb - sound.mb > LIMIT_MB
        or cost.code not in (0, 1, 3, 4)  # 3: a log in which there is nothing
    )


def told(row: Row, sound: Cost) -> str:
    """A line for the eye."""
    bomb, nbytes, _, cost = row
    mark = "!!" if is_broken(cost, sound) else "  "
    return (
        f"{mark} {bomb.name:50.50} {nbytes:>11,} {cost.seconds:6.2f} s {cost.cpu_s:6.2f} s "
        f"{cost.mb:6.0f} MB {cost.code:>3} {cost.says}"
    )


def table_of(rows: Sequence[Row], sound: Cost) -> str:
    """The table, and under it the worst of each column."""
    lines = [_cells("a sound small file", len(zip_bytes()), 4096, sound)]
    lines += [_cells(bomb.name, nbytes, held, cost) for bomb, nbytes, held, cost in rows]
    broken = [bomb.name for bomb, _, _, cost in rows if is_broken(cost, sound)]
    slowest = max(cost.cpu_s for *_, cost in rows)
    most = max(cost.mb for *_, cost in rows)
    return (
        f"{markdown(HEAD, lines)}\n\n{len(rows)} bombs. "
        f"The most: {slowest:.2f} s of CPU and {most:.0f} MB, which is "
        f"{slowest - sound.cpu_s:.2f} s and {most - sound.mb:.0f} MB above the sound file. "
        f"Beyond the promise: {', '.join(broken) or 'none'}."
    )


def _cells(name: str, nbytes: int, held: int, cost: Cost) -> tuple[str, ...]:
    says = cost.says.replace("|", "\\|").replace("\n", " ")
    times = f"{cost.seconds:.2f}", f"{cost.cpu_s:.2f}"
    return name, f"{nbytes:,}", f"{held:,}", *times, f"{cost.mb:.0f}", str(cost.code), says


if __name__ == "__main__":
    sys.exit(main())
