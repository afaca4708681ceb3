"""How fast two checkpoints are compared, and in how much memory, against the usual script.

    python -m tests.benchmarks.diff            two files of 1 GB in a temporary folder
    python -m tests.benchmarks.diff --quick    a tenth of it, to see that it works

Whole processes that take turns, files in the page cache; medians, and ratios within one run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

USUAL_SCRIPT = """
import sys, torch
a, b = (torch.load(path, weights_only=True)["model_state_dict"] for path in sys.argv[1:])
for name in a:
    moved = b[name] - a[name]
    print(name, (moved.norm() / a[name].norm()).item(), moved.abs().max().item())
"""


MAKE_SCRIPT = """
import sys, torch
folder, rows = sys.argv[1], int(sys.argv[2])
torch.manual_seed(0)
state = {f"layers.{at}.weight": torch.randn(rows, 4000) for at in range(25)}
for epoch in (1, 2):
    torch.save({"epoch": epoch, "model_state_dict": state}, f"{folder}/epoch_{epoch}.pth")
    for tensor in state.values():
        tensor.add_(torch.randn(1, 4000), alpha=0.01)
"""


def make(folder: str, nbytes: int) -> list[str]:
    """Two neighbours of a run, made by a process of its own.

    A child starts with the memory of its parent on its account, so that this one has to stay small.
    """
    rows = nbytes // 25 // 4000 // 4
    script = [sys.executable, "-W", "ignore", "-c", MAKE_SCRIPT, folder, str(rows)]
    subprocess.run(script, check=True)
    return [f"{folder}/epoch_{epoch}.pth" for epoch in (1, 2)]


def measured(command: list[str]) -> tuple[float, float]:
    """Seconds, and the largest resident set in MB."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        raise SystemExit(f"{command} ended with {child.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1000


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    nbytes = 100_000_000 if options.quick else 1_000_000_000
    with tempfile.TemporaryDirectory() as folder:
        paths = make(folder, nbytes)
        candidates = {
            "ckptdoctor diff": [sys.executable, "-m", "ckptdoctor", "diff", *paths],
            "torch.load + norms": [sys.executable, "-W", "ignore", "-c", USUAL_SCRIPT, *paths],
        }
        rounds = [
            {name: measured(command) for name, command in candidates.items()}
            for _ in range(options.rounds)
        ]
    ours = statistics.median(one["ckptdoctor diff"][0] for one in rounds)
    print(f"two checkpoints of {nbytes / 1e6:.0f} MB, whole processes")
    for name in candidates:
        seconds = statistics.median(one[name][0] for one in rounds)
        memory = statistics.median(one[name][1] for one in rounds)
        ratio = seconds / ours
        print(f"  {name:<22} {seconds:6.2f} s  {ratio:5.2f} x our time  {memory:7.0f} MB at most")


if __name__ == "__main__":
    main()
