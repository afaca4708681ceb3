"""``safe_save`` struck at every call that changes a file: the old checkpoint stays, or the new one.

The same small library as for ``restore`` kills the process, or has a system call fail.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.builders import load
from tests.recovery.test_kill_points import COMPILER, ERRORS, KILLED, shim

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler"),
    pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and /proc are Linux's"),
]

REFUSED = 4
_PROGRAM = """
import sys, torch
from ckptdoctor.errors import CkptDoctorError
from ckptdoctor.guard.saver import safe_save
torch.set_num_threads(1)
path, epoch = sys.argv[1], int(sys.argv[2])
state = {"epoch": epoch, "weight": torch.full((3000,), float(epoch)), "bias": torch.ones(7)}
try:
    safe_save(state, path, jobs=1)
except (CkptDoctorError, OSError) as error:
    print(error, file=sys.stderr)
    sys.exit(4)
"""


def run(path: Path, epoch: int, at: int = 0, error: int = 0) -> tuple[int, int, str]:
    """Exit code, calls counted, and what was said."""
    log = path.with_suffix(".calls")
    environment = os.environ | {
        "LD_PRELOAD": str(shim()),
        "SHIM_FOLDER": f"{path.parent}/",
        "SHIM_AT": str(at),
        "SHIM_ERROR": str(error),
        "SHIM_LOG": str(log),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    environment.pop("COVERAGE_PROCESS_CONFIG", None)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(path), str(epoch)],
        env=environment,
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, log.stat().st_size if log.exists() else 0, done.stderr


@functools.cache
def reference() -> tuple[bytes, int]:
    """The checkpoint of epoch 1, and how many calls an undisturbed save over it makes."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "run", "a.pth")
        path.parent.mkdir()
        assert run(path, 1)[0] == 0
        old = path.read_bytes()
        path.with_suffix(".calls").unlink()
        code, calls, said = run(path, 2)
        assert code == 0, said
        return old, calls


def strike(at: int, error: int) -> str:
    """Strike one call; what is wrong afterwards, "" if nothing is."""
    old, _ = reference()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "run", "a.pth")
        path.parent.mkdir()
        path.write_bytes(old)
        code, _, said = run(path, 2, at, error)
        is_old = path.read_bytes() == old
        if not is_old and load(path)["weight"].tolist() != [2.0] * 3000:
            return f"{at}: neither old nor new ({code}): {said}"
        if code == 0 and is_old:
            return f"{at}: said to be done, and it is not"
        if error == KILLED:
            return "" if code == -9 else f"{at}: not killed but {code}: {said}"
        if code not in (0, REFUSED) or "Traceback" in said:
            return f"{at}: exit code {code}: {said}"
        if code == REFUSED and os.strerror(error) not in said:
            return f"{at}: the reason is lost: {said}"
        left = [name for name in os.listdir(path.parent) if name.endswith(".tmp")]
        return f"{at}: {left} is left" if left and is_old and "unlink" not in said else ""


def strikes(points: Iterable[int], error: int) -> list[str]:
    reference()
    with ThreadPoolExecutor(2) as pool:
        return [wrong for wrong in pool.map(lambda at: strike(at, error), points) if wrong]


def test_there_is_something_to_strike() -> None:
    assert reference()[1] >= 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", ERRORS)
def test_every_point(kind: str) -> None:
    calls = reference()[1]
    step = 1 if kind in ("SIGKILL", "ENOSPC", "EIO") else 5
    assert strikes(range(1, calls + 1, step), ERRORS[kind]) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["SIGKILL", "ENOSPC"])
def test_a_few_points(kind: str) -> None:
    calls = reference()[1]
    assert strikes((3, calls // 2, calls - 1), ERRORS[kind]) == []
