"""Struck at every call that changes a file: the destination is absent, the old file, or the new.

A small library is loaded before libc, so that it is the real program, with its real system calls,
that is killed (SIGKILL) or told that the disk is full, broken or read-only. Needs a C compiler.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.builders import save, training_checkpoint

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler"),
    pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and /proc are Linux's"),
]

KILLED = 0
ERRORS = {
    "SIGKILL": KILLED,
    "ENOSPC": errno.ENOSPC,
    "EIO": errno.EIO,
    "EROFS": errno.EROFS,
    "EDQUOT": errno.EDQUOT,
    "EINTR": errno.EINTR,
}
_AGAIN_EVERY = 6  # after every sixth strike the same is done once more, undisturbed
OLD = b"what was there before"


@functools.cache
def shim() -> Path:
    """The library, compiled once."""
    folder = Path(tempfile.mkdtemp(prefix="ckptdoctor-shim-"))
    library = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    flags = ["-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run([str(COMPILER), *flags], check=True)
    return library


@functools.cache
def source_bytes() -> bytes:
    """The checkpoint to restore from, made once: two threads would share torch's random numbers."""
    with tempfile.TemporaryDirectory() as folder:
        return save(Path(folder, "a.pth"), training_checkpoint()).read_bytes()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A restore to be struck."""

    name: str
    options: tuple[str, ...]
    replaces: bool

    def prepare(self, folder: Path) -> None:
        """Make the folder as it is before."""
        folder.mkdir(parents=True)
        (folder / "checkpoint_epoch_88.pth").write_bytes(source_bytes())
        if self.replaces:
            (folder / "best_model_clean.pth").write_bytes(OLD)
            (folder / "best_model_clean.pth.json").write_text("{}")

    def run(self, folder: Path, at: int = 0, error: int = 0) -> tuple[int, int, str]:
        """Exit code, calls counted, and what was said."""
        log = folder.with_suffix(".calls")
        command = [sys.executable, "-m", "ckptdoctor", "restore", "--epoch", "88", str(folder)]
        environment = os.environ | {
            "LD_PRELOAD": str(shim()),
            "SHIM_FOLDER": f"{folder}/",
            "SHIM_AT": str(at),
            "SHIM_ERROR": str(error),
            "SHIM_LOG": str(log),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        environment.pop("COVERAGE_PROCESS_CONFIG", None)
        finished = subprocess.run(
            [*command, *self.options],
            env=environment,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )
        calls = log.stat().st_size if log.exists() else 0
        return finished.returncode, calls, finished.stderr.decode()


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("copy", (), replaces=False),
        Scenario("copy over another", ("--force",), replaces=True),
        Scenario("edit", ("--scale-lr", "0.75"), replaces=False),
        Scenario("edit over another", ("--scale-lr", "0.75", "--force"), replaces=True),
    )
}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def reference(name: str) -> tuple[str, str, int]:
    """What an undisturbed run leaves: hash of the source, hash of the result, number of calls."""
    scenario = SCENARIOS[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "run")
        scenario.prepare(folder)
        code, calls, said = scenario.run(folder)
        assert code == 0, said
        source = digest(folder / "checkpoint_epoch_88.pth")
        return source, digest(folder / "best_model_clean.pth"), calls


def strike(name: str, at: int, error: int) -> str:
    """Strike one call; what is wrong afterwards, "" if nothing is."""
    scenario = SCENARIOS[name]
    source, complete, _ = reference(name)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "run")
        scenario.prepare(folder)
        code, _, said = scenario.run(folder, at, error)
        destination = folder / "best_model_clean.pth"
        found = destination.read_bytes() if destination.exists() else None
        allowed = [OLD if scenario.replaces else None]
        new = found is not None and digest(destination) == complete
        if not (new or found in allowed):
            return f"{at}: the destination is neither old nor new ({code}): {said}"
        if digest(folder / "checkpoint_epoch_88.pth") != source:
            return f"{at}: the source changed"
        if error == KILLED and code != -9:
            return f"{at}: not killed but {code}: {said}"
        if error != KILLED and (code not in (0, 4) or "Traceback" in said):
            return f"{at}: exit code {code}: {said}"
        if error != KILLED and code == 4 and not said.strip():
            return f"{at}: refused without a word"
        if code == 0 and not new:
            return f"{at}: said to be done, and it is not"
        if at % _AGAIN_EVERY:
            return ""
        again = Scenario("again", (*scenario.options, "--force"), replaces=True)
        code, _, said = again.run(folder)
        if code != 0 or digest(destination) != complete:
            return f"{at}: cannot be done again ({code}): {said}"
    return ""


def strikes(name: str, points: Iterator[int], error: int) -> list[str]:
    reference(name)
    with ThreadPoolExecutor(2) as pool:
        return [wrong for wrong in pool.map(lambda at: strike(name, at, error), points) if wrong]


def test_there_is_something_to_strike() -> None:
    assert reference("copy")[2] >= 8
    assert reference("edit")[2] >= 20


@pytest.mark.parametrize("kind", ["SIGKILL", "ENOSPC"])
def test_a_few_points(kind: str) -> None:
    calls = reference("copy")[2]
    assert strikes("copy", iter(range(2, calls + 1, 6)), ERRORS[kind]) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_point(name: str, kind: str) -> None:
    calls = reference(name)[2]
    step = 1 if kind in ("SIGKILL", "ENOSPC", "EIO") else 3
    assert strikes(name, iter(range(1, calls + 1, step)), ERRORS[kind]) == []
