"""Processes as /proc shows them, on a tree that is made up: device files need a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.gpu import ProcessState, proc


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty /proc."""
    monkeypatch.setattr(proc, "PROC", tmp_path)
    return tmp_path


def add(tree: Path, pid: int, *opened: str, stat: str = "", command: bytes = b"") -> None:
    folder = tree / str(pid)
    (folder / "fd").mkdir(parents=True)
    numbers = "1 2 3 4 5 6 7 8 9 10"  # what follows the parent, up to utime
    text = stat or f"{pid} (py) thon) D 1 {numbers[:-3]} 150 50 0 0"
    (folder / "stat").write_text(text)
    (folder / "cmdline").write_bytes(command)
    for number, target in enumerate(opened):
        (folder / "fd" / str(number)).symlink_to(target)


def test_open_devices_tell_who_computes(tree: Path) -> None:
    cuda = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidia12", "/dev/null")
    add(tree, 5, *cuda, command=b"/usr/bin/python3\0-m\0ipykernel_launcher\0-f\0secret.json\0")
    add(tree, 6, "/dev/nvidiactl", "/dev/nvidia0")
    add(tree, 7, "/dev/null", "socket:[7]")
    (tree / "self").mkdir()
    assert list(proc.cuda_pids()) == [5]
    first, second, third = (proc.look_at(pid) for pid in (5, 6, 7))
    assert first is not None
    assert (first.gpus, first.has_cuda, first.opens_gpu) == (frozenset({0, 12}), True, True)
    assert (first.is_notebook, first.name) == (True, "python3 -m ipykernel_launcher")
    assert second is not None
    assert (second.gpus, second.has_cuda, second.opens_gpu) == (frozenset({0}), False, True)
    assert third is not None
    assert third.opens_gpu is False


def test_a_name_with_brackets_is_read_to_its_end(tree: Path) -> None:
    add(tree, 5)
    found = proc.look_at(5)
    assert found is not None
    assert (found.name, found.parent, found.state) == ("py) thon", 1, ProcessState.BLOCKED)
    assert found.cpu_s is not None
    assert found.cpu_s > 0


def test_what_cannot_be_read_is_unknown(tree: Path) -> None:
    add(tree, 5)
    (tree / "5" / "fd").rmdir()
    (tree / "5" / "cmdline").unlink()
    found = proc.look_at(5)
    assert found is not None
    assert (found.opens_gpu, found.gpus, found.has_cuda) == (None, frozenset(), False)
    assert found.name == "py) thon"
    add(tree, 6, stat="6 (cut) S 1")
    assert proc.look_at(6) is None


def test_a_system_without_proc_lists_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proc, "PROC", tmp_path / "gone")
    assert list(proc.cuda_pids()) == []
    assert proc.ancestors(1) == frozenset()


def test_an_owner_without_a_name_is_a_number() -> None:
    assert proc._user(2**31 - 7) == str(2**31 - 7)
