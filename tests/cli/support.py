"""Runs the command as a user would: another process, no standard input.

Most of them are forked, see :mod:`tests.cli.forking`; the others start anew.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.builders import save
from tests.cli.forking import CAN_FORK, run_forked

ANSI = re.compile(r"\x1b\[[0-9;]*m|\x1b")
_BUG = 70
_ROOT = Path(__file__).parents[2]
_OF_A_START = re.compile("PYTHON(?!PATH$)|LANG|LC_|LD_|HOME|COVERAGE")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Standard output as JSON; a NaN token is an error."""

        def refuse(token: str) -> None:
            raise AssertionError(f"{token} is no JSON")

        return json.loads(self.stdout, parse_constant=refuse)


def run(
    *arguments: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    code: str | None = None,
    anew: bool = False,
) -> Outcome:
    """Run ``ckptdoctor`` with these arguments, or a piece of Python instead.

    Args:
        arguments: of the command.
        cwd: its folder. Of one that is forked it is never ours, whose settings it would look for.
        env: set in its environment.
        code: a piece of Python to run with the arguments instead.
        anew: whether Python is to start anew. It does for ``code``, and where ``env`` has a word
            for Python's start, but for more places to import from.

    Raises:
        AssertionError: it ends as a bug of ours does, and neither ``code`` nor a package that is
            put into ``PYTHONPATH`` can be why.
    """
    head = ["-c", code] if code is not None else ["-m", "ckptdoctor"]
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("FORCE_COLOR", "NO_COLOR", "CKPTDOCTOR_DIR", "COLUMNS", "TERM")
    }
    whole = clean | dict(env or {})
    if CAN_FORK and code is None and not anew and not any(map(_OF_A_START.match, env or {})):
        if cwd is None and Path.cwd() == _ROOT:
            cwd = _nowhere()
        ended, out, err = run_forked([*map(str, arguments)], cwd=cwd, env=whole, timeout_s=120)
        outcome = Outcome(ended, out.decode(), err.decode())
        return outcome if "PYTHONPATH" in (env or {}) else _sound(outcome)
    finished = subprocess.run(
        [sys.executable, *head, *map(str, arguments)],
        cwd=cwd,
        env=whole,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    outcome = Outcome(finished.returncode, finished.stdout.decode(), finished.stderr.decode())
    return outcome if code is not None or "PYTHONPATH" in (env or {}) else _sound(outcome)


@functools.cache
def _nowhere() -> Path:
    """An empty folder, below none that has settings."""
    folder = tempfile.mkdtemp(prefix="ckptdoctor-nowhere-")
    atexit.register(os.rmdir, folder)
    return Path(folder)


def _sound(outcome: Outcome) -> Outcome:
    """Of a command as it is, to which no test added a rule: no bug of ours showed itself."""
    assert outcome.code != _BUG, outcome.stderr
    return outcome


def training_state(epoch: int, *, best: float = 0.5, fill: float = 0.25) -> dict[str, Any]:
    """What a training script saves."""
    return {
        "epoch": epoch,
        "model_state_dict": {
            "conv.weight": torch.full((4, 3), fill),
            "bn.running_var": torch.ones(4),
            "bn.num_batches_tracked": torch.tensor(epoch),
        },
        "best_iou": best,
    }


def make_sparse(folder: Path, count: int = 5) -> None:
    """Checkpoints of 8 GB each that are all hole and take no room on the disk."""
    with torch.serialization.skip_data():
        for epoch in range(count):
            save(folder / f"epoch_{epoch}.pth", {"w": torch.empty(2_000_000_000)})


def make_run(folder: Path) -> Path:
    """Three healthy epochs, a fourth full of NaN, and a file that is no checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    for epoch, best in ((8, 0.55), (9, 0.61), (10, 0.61)):
        save(folder / f"checkpoint_epoch_{epoch}.pth", training_state(epoch, best=best))
    broken = training_state(11, best=0.61, fill=float("nan"))
    save(folder / "checkpoint_epoch_11.pth", broken)
    (folder / "download.pth").write_text("<html><title>404 Not Found</title></html>")
    return folder
