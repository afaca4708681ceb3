"""What remembering is worth: a run read, remembered file by file, and answered as a whole.

    python -m tests.benchmarks.remembered            500 files of 60 tensors
    python -m tests.benchmarks.remembered --quick    50 of them

CPU seconds of whole processes, the least of the rounds, in which the candidates take turns: on a
machine that others use too, the time on the clock says more about them.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

SETTLED_S = 2.1
_MUTE = subprocess.DEVNULL


def main() -> None:
    """Make the files, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few files, few rounds")
    options = parser.parse_args()
    count, rounds = (50, 2) if options.quick else (500, 3)
    with tempfile.TemporaryDirectory(prefix="ckptdoctor-bench-") as root:
        run, one = Path(root, "files", "run"), Path(root, "files", "one")
        _make(run, count)
        _make(one, 1)
        time.sleep(SETTLED_S)
        told = _measured(run, one, Path(root, "cache"), rounds)
        print(f"{count} files of 60 tensors; the least of {rounds} rounds, CPU seconds")
        for what, took in told.items():
            print(
                f"  {what:<34} {took:7.3f}  {took / told['--version']:6.2f} x --version"
                f"  {took / told['import torch']:6.2f} x import torch"
            )


def _measured(run: Path, one: Path, cache: Path, rounds: int) -> dict[str, float]:
    program = [sys.executable, "-m", "ckptdoctor"]
    kept = {"CKPTDOCTOR_CACHE_DIR": str(cache), "CKPTDOCTOR_NO_CACHE": ""}
    least: dict[str, float] = {}
    for at in range(rounds):
        other = {**kept, "COLUMNS": str(80 + at)}  # another screen: the whole answer is none
        takes: dict[str, tuple[list[str], Mapping[str, str]]] = {
            "import torch": ([sys.executable, "-c", "import torch"], {}),
            "--version": ([*program, "--version"], {}),
            "--help": ([*program, "--help"], {}),
            "scan, one file": ([*program, "scan", "--no-cache", str(one)], kept),
            "scan, nothing remembered": ([*program, "scan", "--no-cache", str(run)], kept),
            "scan, and remember": ([*program, "scan", str(run)], kept),
            "scan, every file remembered": ([*program, "scan", str(run)], other),
            "scan, answered again": ([*program, "scan", str(run)], kept),
            "history, every file remembered": ([*program, "history", str(run)], other),
        }
        subprocess.run(
            [*program, "cache", "--clear"], env=os.environ | kept, check=True, stdout=_MUTE
        )
        for what, (command, environment) in takes.items():
            took = _cpu_s(command, environment)
            least[what] = min(took, least.get(what, took))
    return least


def _cpu_s(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """What a process takes of the processors."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    every = os.environ | dict(environment)
    subprocess.run(command, env=every, check=False, stdout=_MUTE, stderr=_MUTE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _make(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(60, 4, 100, generator=generator).mul_(0.02)
    for epoch in range(count):
        noise += torch.randn(60, 4, 100, generator=generator).mul_(0.0001)
        weights = {f"layer{i}.weight": noise[i].clone() for i in range(60)}
        state = {"epoch": epoch, "model_state_dict": weights}
        torch.save(state, folder / f"checkpoint_epoch_{epoch}.pth")


if __name__ == "__main__":
    main()
