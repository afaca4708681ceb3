"""What a real process does: it computes, it sleeps, it has ended, it was never there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ckptdoctor.watch import process
from ckptdoctor.watch.process import has_ended, look_at

BUSY = "print('ready', flush=True)\ndef train_step():\n    while True: pass\ntrain_step()"
SLEEPING = "import time; print('ready', flush=True); time.sleep(60)"
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', {BUSY!r}])
time.sleep(60)
"""


@contextmanager
def running(code: str) -> Iterator[int]:
    """A process that runs this and has begun to."""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == b"ready\n"
        yield child.pid
    finally:
        for below in psutil.Process(child.pid).children(recursive=True):
            below.kill()
        child.kill()
        child.communicate()


@pytest.fixture
def no_spy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)


@pytest.mark.usefixtures("no_spy")
def test_a_loop_without_an_end_computes() -> None:
    with running(BUSY) as pid:
        state = look_at(pid)
        assert not has_ended(pid)
    assert state.alive
    assert state.cpu_percent is not None
    assert f"process {pid} computes" in state.message
    assert ("NaN" in state.message) == (state.cpu_percent >= 20)
    assert state.stack == ""


@pytest.mark.usefixtures("no_spy")
def test_what_others_leave_no_core_does_not_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil.Process, "cpu_percent", lambda *_: 3.0)
    with running(BUSY) as pid:
        assert f"process {pid} computes as far as others let it (3 %" in look_at(pid).message


@pytest.mark.usefixtures("no_spy")
def test_a_process_that_waits_sleeps() -> None:
    with running(SLEEPING) as pid:
        state = look_at(pid)
    assert state.alive
    assert state.cpu_percent is not None
    assert state.cpu_percent < 15
    assert f"process {pid} sleeps" in state.message


@pytest.mark.usefixtures("no_spy")
def test_what_its_children_do_counts() -> None:
    with running(PARENT) as pid:
        assert "computes" in look_at(pid).message


def test_a_process_that_was_not_waited_for_has_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    state = look_at(child.pid)
    assert (state.alive, state.cpu_percent) == (False, 0.0)
    assert "has ended (a zombie)" in state.message
    assert has_ended(child.pid)
    child.wait()
    state = look_at(child.pid)
    assert (state.alive, state.cpu_percent) == (False, None)
    assert state.message == f"process {child.pid} is gone"
    assert has_ended(child.pid)


def test_a_process_that_may_not_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> None:
        raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", refuse)
    state = look_at(1)
    assert (state.alive, state.cpu_percent) == (True, None)
    assert "may not be looked at" in state.message
    assert not has_ended(1)


def test_a_child_that_ends_meanwhile_counts_for_nothing() -> None:
    class Gone:
        def cpu_percent(self, _: None) -> float:
            raise psutil.NoSuchProcess(1)

    assert process._cpu_percent(Gone()) == 0.0


@pytest.mark.skipif(shutil.which("py-spy") is None, reason="py-spy is not installed")
def test_its_python_stack_where_py_spy_is_installed() -> None:
    with running(BUSY) as pid:
        stack = look_at(pid).stack
    if not stack:
        pytest.skip("py-spy may not look at other processes here")
    assert "train_step" in stack
    assert len(stack.splitlines()) <= 40


def spy(folder: Path, script: str) -> str:
    path = folder / "py-spy"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "stack"),
    [
        ("echo train_step; test $3 = 42", "train_step"),
        ("echo no permission; exit 1", ""),
        ("for i in $(seq 100); do echo $i; done", "\n".join(map(str, range(1, 41)))),
        ("exec sleep 60", ""),
    ],
)
@pytest.mark.one_in(2)
def test_what_py_spy_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, stack: str
) -> None:
    path = spy(tmp_path, script)
    monkeypatch.setattr(shutil, "which", lambda _: path)
    if "sleep" in script:  # one that ends at all may take as long as it gets
        monkeypatch.setattr(process, "_STACK_TIMEOUT_S", 1.0)
    assert process._python_stack(42) == stack


def test_a_py_spy_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/nowhere/py-spy")
    assert process._python_stack(42) == ""
