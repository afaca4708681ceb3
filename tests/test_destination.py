"""Where a file may be written, and what is left alone."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ckptdoctor.destination import (
    in_the_way,
    opened_for_reading,
    opened_for_writing,
    refuse_what_is_no_file,
)
from ckptdoctor.errors import DestinationError


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def listening(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket has room for 108 bytes
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def link(path: Path, to: Path | str) -> Path:
    path.symlink_to(to)
    return path


def unreachable(path: Path) -> Path:
    return link(path, path.name)


NO_FILES: dict[str, Callable[[Path], Path]] = {
    "a FIFO": fifo,
    "a socket": listening,
    "a folder": folder,
    "a link to a FIFO": lambda path: link(path, fifo(path.with_name("other"))),
    "a link to a socket": lambda path: link(path, listening(path.with_name("other"))),
    "a link to a folder": lambda path: link(path, path.parent),
    "a link that cannot be followed (Too many levels of symbolic links)": unreachable,
}


@pytest.fixture(params=NO_FILES)
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Something that is no file, in a folder of its own; it must stay what it is."""
    path = NO_FILES[request.param](tmp_path / "place")
    before = path.lstat()
    yield path, request.param
    after = path.lstat()
    assert (after.st_mode, after.st_ino, after.st_mtime) == (
        before.st_mode,
        before.st_ino,
        before.st_mtime,
    )


def test_what_is_no_file_is_named_and_never_opened(no_file: tuple[Path, str]) -> None:
    path, kind = no_file
    assert in_the_way(path) == kind
    with pytest.raises(DestinationError) as caught:
        refuse_what_is_no_file(path)
    assert str(caught.value).startswith(f"{path} is {kind}: nothing was written")
    for append in (False, True):
        with pytest.raises(DestinationError):
            opened_for_writing(path, append=append)
    with pytest.raises(OSError):  # noqa: PT011  (a socket is refused by the system)
        opened_for_reading(path)


def test_a_file_is_written_where_one_is_or_none(tmp_path: Path) -> None:
    there, new = tmp_path / "there", tmp_path / "new"
    there.write_text("what was there, and longer")
    dangling = link(tmp_path / "dangling", "target")
    to_file = link(tmp_path / "to_file", there)
    for path in (there, new, dangling, to_file):
        assert in_the_way(path) == ""
        with os.fdopen(opened_for_writing(path), "wb") as file:
            file.write(b"one")
        with os.fdopen(opened_for_writing(path, append=True), "ab") as file:
            file.write(b"two")
        with os.fdopen(opened_for_reading(path), "rb") as file:
            assert file.read() == b"onetwo"
    assert (tmp_path / "target").read_bytes() == b"onetwo"
    assert dangling.is_symlink()


def test_a_place_that_cannot_be_reached_is_told_by_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "gone" / "x", tmp_path / "file" / "x"):
        assert in_the_way(path) == ""
        with pytest.raises(OSError, match=r"No such file|Not a directory"):
            opened_for_writing(path)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_the_permissions_are_those_of_open(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        os.close(opened_for_writing(tmp_path / "ours"))
        (tmp_path / "theirs").write_text("")
    finally:
        os.umask(before)
    ours, theirs = ((tmp_path / name).stat().st_mode for name in ("ours", "theirs"))
    assert stat.S_IMODE(ours) == stat.S_IMODE(theirs) == 0o666 & ~umask


def test_a_fifo_that_takes_the_place_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the opening: it is opened without waiting, and let go."""
    path = fifo(tmp_path / "place")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setattr("ckptdoctor.destination.refuse_what_is_no_file", lambda _: None)
    try:
        with pytest.raises(DestinationError, match="is a FIFO by now"):
            opened_for_writing(path)
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)
