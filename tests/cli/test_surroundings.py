"""What the system does not give: no fault of a file, and no verdict on one."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import ckptdoctor
from ckptdoctor.cli.failures import failed
from ckptdoctor.errors import ExhaustedError
from ckptdoctor.guard import safe_save
from ckptdoctor.sources import descriptors
from tests.cli.support import make_run
from tests.each import each


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sound checkpoints, and damaged ones."""
    make_run(tmp_path / "run")
    return tmp_path / "run"


def with_room_for(count: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Have no more than so many checkpoint files open at once; says how many were."""
    real_open, real_close = descriptors.open_readable, descriptors.close
    held: set[int] = set()
    most = [0]

    def limited(path: Path, flags: int) -> int:
        if len(held) >= count:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
        fd = real_open(path, flags)
        held.add(fd)
        most[0] = max(most[0], len(held))
        return fd

    def close(fd: int) -> None:
        held.discard(fd)
        real_close(fd)

    monkeypatch.setattr("ckptdoctor.formats.open_file.open_readable", limited)
    monkeypatch.setattr("ckptdoctor.formats.open_file.close", close)
    return lambda: most[0]


@each("count", [1, 2, 5])
def test_where_few_files_may_be_open_all_are_read_all_the_same(
    count: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ckptdoctor.scan(folder)
    with monkeypatch.context() as patch:
        most = with_room_for(count, patch)
        scarce = ckptdoctor.scan(folder)
        assert 0 < most() <= count
    told = [(one.path, one.verdict) for one in whole.checkpoints]
    assert [(one.path, one.verdict) for one in scarce.checkpoints] == told


def test_where_none_may_be_open_nothing_is_said_of_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_room_for(0, monkeypatch)
    with pytest.raises(ExhaustedError, match="no more files may be open at once") as raised:
        ckptdoctor.scan(folder)
    assert not isinstance(raised.value, OSError)  # or it would be taken for a fault of the file
    assert failed(raised.value) == 3
    assert "ulimit -n" in capsys.readouterr().err


@each(
    "error",
    [RuntimeError("can't start new thread"), BlockingIOError(errno.EAGAIN, "try again", None)],
)
def test_where_no_thread_may_be_started_it_is_said_so(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failed(error) == 3
    told = capsys.readouterr().err
    assert "ulimit -u" in told
    assert "Traceback" not in told


def test_in_a_folder_that_is_gone_it_is_said_so(tmp_path: Path, folder: Path) -> None:
    """Torch's library would end the program, with words of its own."""
    code = (
        "import os, sys; from ckptdoctor.__main__ import run\n"
        f"os.mkdir({str(tmp_path / 'gone')!r}); os.chdir({str(tmp_path / 'gone')!r})\n"
        f"os.rmdir({str(tmp_path / 'gone')!r})\n"
        f"assert run(['explain', 'CD404']) == 0; sys.exit(run(['scan', {str(folder)!r}]))"
    )
    command = [sys.executable, "-c", code]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 2
    assert outcome.stderr == (
        "ckptdoctor: the folder that you are in is gone; cd to one that exists, and ask again\n"
    )


def test_a_save_that_cannot_be_read_back_is_refused_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_room_for(0, monkeypatch)
    with pytest.raises(ckptdoctor.SaveError, match="could not be verified"):
        safe_save({"epoch": 1, "model": {"w": torch.ones(3)}}, tmp_path / "a.pth")
    assert list(tmp_path.iterdir()) == []
