"""What becomes of a training into which a fault is put, without the guard and with it.

    python -m tests.benchmarks.guard_faults            prints the table
    python -m tests.benchmarks.guard_faults --write    and puts it into docs/guard.md

Small nets, CPU, seeds fixed: a minute in all. Faults of a save are put into processes of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.page import find_place, markdown, put
from tests.guard.faulty import CASES, Case, Fault, Net, Outcome, train

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guard.md"
HEAD = ("training", "fault", "without the guard", "with the guard", "no fault")
SEEDS = (0, 1, 2)
SAVER = """
import resource, signal, sys, warnings
warnings.simplefilter("ignore")
import torch
from ckptdoctor.guard import safe_save
how, path, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
state = {"model_state_dict": {str(at): torch.full((1 << 20,), 2.0) for at in range(16)}}
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
print("ready", flush=True)
torch.save(state, path) if how == "torch" else safe_save(state, path)
"""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/guard.md")
    options = parser.parse_args()
    if options.write:
        find_place(PAGE, "faults")
    torch.set_num_threads(1)
    lines = [*(trained(case) for case in CASES), one_rank(), *saves()]
    table = markdown(HEAD, lines)
    print(table)
    if options.write:
        put(PAGE, "faults", table)


def trained(case: Case) -> tuple[str, ...]:
    """One line: the fault within a training."""
    alone = [train(case, guarded=False, seed=seed) for seed in SEEDS]
    guarded = [train(case, guarded=True, seed=seed) for seed in SEEDS]
    calm = [train(case.without_fault, guarded=False, seed=seed) for seed in SEEDS]
    what = ", ".join(f"{key}={value}" for key, value in case.options.items())
    fault = f"{case.fault.value}{f' ({what})' if what else ''}"
    return (case.net.value, fault, told(alone), told(guarded), told(calm))


def told(outcomes: list[Outcome]) -> str:
    """Of all seeds: the state of the weights, the loss, the accuracy and what the guard did."""
    dead = sum(one.dead for one in outcomes)
    state = "finite" if not dead else f"**not finite** ({dead} of {len(outcomes)})"
    loss = statistics.median(one.loss for one in outcomes)
    accuracy = statistics.median(one.accuracy for one in outcomes)
    done = ""
    if any(one.skipped for one in outcomes):
        done = f", {max(one.skipped for one in outcomes)} skipped"
    if any(one.rollbacks for one in outcomes):
        done += f", {max(one.rollbacks for one in outcomes)} rolled back"
    return f"{state}, loss {loss:.3g}, accuracy {accuracy:.3f}{done}"


def one_rank() -> tuple[str, ...]:
    """One line: two processes, a bad batch in one of them."""
    found = []
    for flags in (("0", "1"), ("1", "1"), ("0", "0")):  # guarded, faulty
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "tests.guard.faulty"]
            children = [
                subprocess.Popen(
                    [*command, str(rank), f"{folder}/store", *flags],
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
                for rank in range(2)
            ]
            outs = [child.communicate(timeout=300)[0] for child in children]
        found.append(told([Outcome(**json.loads(out.splitlines()[-1])) for out in outs]))
    return (f"{Net.CONV_BN.value}, DDP", Fault.ONE_RANK.value, *found)


def saves() -> list[tuple[str, ...]]:
    """Two lines: a save that finds no room, and one that is killed."""
    faults: list[tuple[str, Callable[[str, Path], None]]] = [
        ("no room left for the file", full),
        ("SIGKILL during the save", killed),
    ]
    lines = []
    for name, fault in faults:
        states = []
        for how in ("torch", "safe"):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "last.pth"
                torch.save({"model_state_dict": {"0": torch.ones(4)}}, path)
                fault(how, path)
                states.append(state_of(path))
        lines.append(("`torch.save` or `safe_save`", name, *states, "the new file is whole"))
    return lines


def full(how: str, path: Path) -> None:
    """A process may write no file beyond 10 MB; the checkpoint needs 67."""
    command = [sys.executable, "-c", SAVER, how, str(path), "10000000"]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)


def killed(how: str, path: Path) -> None:
    """A process is killed as soon as 8 MB of the new file are there."""
    old = path.stat().st_ino, path.stat().st_size
    child = subprocess.Popen(
        [sys.executable, "-c", SAVER, how, str(path), "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    while child.poll() is None:
        sizes = [
            entry.stat().st_size
            for entry in os.scandir(path.parent)
            if (entry.inode(), entry.stat().st_size) != old
        ]
        if any(size > 8_000_000 for size in sizes):
            child.send_signal(signal.SIGKILL)
            break
        time.sleep(0.0005)
    child.communicate()


def state_of(path: Path) -> str:
    """What a restart finds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            state: Any = torch.load(path, weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError) as error:
            return f"**no checkpoint at all** ({type(error).__name__})"
    values = set(torch.cat([one.flatten() for one in state["model_state_dict"].values()]).tolist())
    return {1.0: "the old file is whole", 2.0: "the new file is whole"}[values.pop()]


if __name__ == "__main__":
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    main()
