"""What a start costs, and what is kept of files, measured in one run.

    python -m tests.benchmarks.lean            a minute; files in a temporary folder
    python -m tests.benchmarks.lean --many     1,000 files of 1,000 tensors too: 300 MB, minutes

Seconds are those of processors, the median of rounds in which the candidates take turns: others who
use the machine change them less than those of a clock. Bytes are counted by ``tracemalloc``.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import torch

from ckptdoctor.diagnose import Examination
from ckptdoctor.measure import measure
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules import Case
from ckptdoctor.runs.discover import discover
from ckptdoctor.shelf import Folded, Shelf
from tests.benchmarks.scan_processes import as_installed, peak_anonymous
from tests.benchmarks.scan_shapes import SHAPES

_OURS = [sys.executable, "-m", "ckptdoctor"]


def main() -> None:
    """Make the files, measure, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--many", action="store_true", help="1,000 files of 1,000 tensors too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ckptdoctor-bench-") as folder:
        root = Path(folder)
        _starts(root / "run", options.rounds)
        for name in ("vit", "llm", "lora"):
            _kept(root / name, name)
        if options.many:
            _many(root / "many")


def _starts(folder: Path, rounds: int) -> None:
    folder.mkdir()
    state = {f"{at}.weight": torch.randn(8, 8) for at in range(24)}
    torch.save({"model_state_dict": state, "epoch": 3}, folder / "one.pth")
    commands = {
        "import torch": [sys.executable, "-c", "import torch"],
        "scan of a file of 12 kB": [*_OURS, "scan", "--no-cache", str(folder)],
        "--version": [*_OURS, "--version"],
        "--help": [*_OURS, "--help"],
    }
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds + 1):  # the first one writes bytecode
        for name, command in commands.items():
            took[name].append(_run(command))
    print("seconds of processors")
    torch_takes = statistics.median(took["import torch"][1:])
    for name, found in took.items():
        seconds = statistics.median(found[1:])
        print(f"  {name:<25} {seconds:7.3f} s  {seconds / torch_takes:5.2f} of import torch")
    nbytes = peak_anonymous([str(folder)])
    print(f"  anonymous memory of the scan at most {nbytes / 1e6:.0f} MB\n", flush=True)


def _run(command: Sequence[str]) -> float:
    """Seconds of processors that a command took."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=as_installed()) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return usage.ru_utime + usage.ru_stime


def _kept(folder: Path, name: str) -> None:
    """Print what is kept of a tensor, in full and put away, in each further file of a structure."""
    shape, count = SHAPES[name], 16
    folder.mkdir()
    paths = list(shape.files(folder, count))
    told = []
    for away in (False, True):
        few, all_of_them = (_bytes_kept(some, away=away) for some in (paths[: count // 2], paths))
        told.append((all_of_them - few) / (count - count // 2) / shape.tensors)
    print(
        f"{shape.what}, {shape.tensors} tensors: {told[0]:.0f} bytes a tensor as objects, "
        f"{told[1]:.0f} put away",
        flush=True,
    )


def _bytes_kept(paths: Sequence[Path], *, away: bool) -> int:
    """What is kept of files once they are read, in bytes."""

    shelf = Shelf()

    def kept(case: Case | CheckpointReport) -> Case | Folded:
        assert isinstance(case, Case)
        return shelf.folded(case) if away else case

    found = discover(paths).checkpoints
    gc.collect()
    tracemalloc.start()
    try:
        every = measure(found, Examination(jobs=1), kept)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] * bool(every)
    finally:
        tracemalloc.stop()


def _many(folder: Path) -> None:
    """Print what a scan of a million tensors takes."""
    folder.mkdir()
    for epoch in range(1000):
        chance = torch.Generator().manual_seed(epoch)
        state = {
            f"layers.{at}.weight": torch.rand(4, 4, generator=chance) * 0.02 + 0.5
            for at in range(1000)
        }
        torch.save({"model": state, "epoch": epoch}, folder / f"checkpoint_epoch_{epoch}.pth")
    nbytes = peak_anonymous([str(folder)], runs=1)
    print(f"1,000 files of 1,000 tensors: anonymous memory at most {nbytes / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
