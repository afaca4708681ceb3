"""Mirrors that killed processes left are taken away, and those of processes that live are not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.support import run

pytestmark = [
    pytest.mark.slow,  # starts Python
    pytest.mark.skipif(sys.platform == "win32", reason="no locks on folders there"),
]

MIRRORS = """
import sys, time, fsspec
from ckptdoctor.sources import path_of
fsspec.filesystem("memory").pipe("/run/a.pth", b"0" * 1000)
assert path_of("memory://run/a.pth").stat().st_size == 1000
print("there", flush=True)
time.sleep(600)
"""


@contextmanager
def mirroring(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A process with a mirror in a folder, and where that lies; the process ends by SIGKILL."""
    before = set(folder.iterdir())
    process = subprocess.Popen(
        [sys.executable, "-c", MIRRORS],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"there\n"
        (mirror,) = set(folder.iterdir()) - before
        yield process, mirror
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def grown_old(folder: Path) -> None:
    os.utime(folder, (time.time() - 3600,) * 2)


def test_the_next_process_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    env = {"TMPDIR": str(tmp_path)}
    with mirroring(tmp_path) as (_, killed), mirroring(tmp_path) as (_, living):
        grown_old(killed)
        grown_old(living)
        run("scan", "memory://nothing/x.pth", env=env, anew=True)
        assert killed.is_dir()
        assert living.is_dir()
        with mirroring(tmp_path) as (process, young):
            process.send_signal(signal.SIGKILL)
            process.wait()
            run("scan", "memory://nothing/x.pth", env=env, anew=True)
            assert young.is_dir()  # as long as its owner may not have locked it yet
            grown_old(young)
            run("scan", "memory://nothing/x.pth", env=env, anew=True)
            assert not young.exists()
        assert living.is_dir()
    grown_old(killed)
    grown_old(living)
    somebody = tmp_path / "ckptdoctor-far-link"
    somebody.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    grown_old(tmp_path / "elsewhere")
    run("scan", "memory://nothing/x.pth", env=env, anew=True)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["ckptdoctor-far-link", "elsewhere"]
