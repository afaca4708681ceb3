"""What a whole process takes: seconds, seconds of processors, and memory at most."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.scan_shapes import USUAL_SCRIPT, Shape

__all__ = ["as_installed", "measure_shape", "peak_anonymous"]

_MOST_BY_SCRIPT = 1_000_000  # tensors that the usual script is made to go through
_MOST_NAMED = 10_000  # files; a command line has room for so many names
_OURS = "ckptdoctor scan, CRC too"
_IMPORT = "python -c 'import torch'"
_SCRIPT = "the usual script"
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def measure_shape(root: Path, shape: Shape, counts: Sequence[int], rounds: int) -> None:
    """Print what files of a shape take, a few and many, and what each further one costs a tensor.

    Args:
        root: where they may be written.
        shape: of the files.
        counts: how many of them.
        rounds: of which the least counts; before several there is one that does not.
    """
    ended: list[tuple[int, float]] = []
    for count in counts:
        folder = root / "shape"
        folder.mkdir()
        paths = list(shape.files(folder, count))
        commands = {
            _OURS: [sys.executable, "-m", "ckptdoctor", "scan", "--no-cache", str(folder)],
            _IMPORT: [sys.executable, "-c", "import torch"],
        }
        if count * shape.tensors < _MOST_BY_SCRIPT and count <= _MOST_NAMED:
            commands[_SCRIPT] = [sys.executable, "-c", USUAL_SCRIPT, *map(str, paths)]
        nbytes = sum(path.stat().st_size for path in paths)
        print(f"{count} x {shape.what}, {shape.tensors} tensors, {nbytes / 1e6:.1f} MB")
        seconds, processors = _least(commands, rounds)
        for what, took in seconds.items():
            ratio = f"  {seconds[_OURS] / took:5.2f} {processors[_OURS] / processors[what]:5.2f}"
            told = "" if what == _OURS else f"  ours are{ratio} of these"
            print(f"  {what:<25} {took:8.3f} s {processors[what]:8.3f} s of processors{told}")
        print(f"  anonymous memory at most {peak_anonymous([str(folder)], runs=1) / 1e6:.0f} MB")
        ended.append((count, processors[_OURS]))
        shutil.rmtree(folder)
    if len(ended) > 1:
        (few, first), (many, last) = ended[0], ended[-1]
        each = (last - first) / (many - few) / shape.tensors * 1e6
        print(f"  each further file takes {each:.1f} us of processors a tensor")
    print(flush=True)


def _least(
    commands: dict[str, list[str]], rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """The fewest seconds of each command, and of processors, over rounds in which they take turns.

    Those of processors say more where others use the machine as well.
    """
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(rounds + (rounds > 1)):
        for name, command in commands.items():
            found = _run(command)
            if number or rounds == 1:
                took[name].append(found)
    seconds = {name: min(one for one, _ in found) for name, found in took.items()}
    return seconds, {name: min(one for _, one in found) for name, found in took.items()}


def _run(command: Sequence[str]) -> tuple[float, float]:
    """Seconds that a command took, and seconds of processors."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=as_installed()) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def as_installed() -> dict[str, str]:
    """An environment in which bytecode is kept, as it is of a package that pip installed."""
    return {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}


def peak_anonymous(arguments: Sequence[str], runs: int = 3) -> int:
    """The most ``RssAnon`` that was seen in the process, in bytes, over so many runs."""
    command = [sys.executable, "-m", "ckptdoctor", "scan", "--no-cache", *arguments]
    peak = 0
    for _ in range(runs):
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=as_installed()
        ) as child:
            while child.poll() is None:
                peak = max(peak, _anonymous(child.pid))
                time.sleep(0.0005)
    return peak


def _anonymous(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0
