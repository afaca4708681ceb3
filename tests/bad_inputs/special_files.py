"""What is no regular file, is not there, or may not be read."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from tests.bad_inputs.good import zip_bytes
from tests.bad_inputs.kind import Family

__all__ = ["SPECIAL_FILES"]

SPECIAL_FILES = Family("no ordinary file")
_NOTHING = 3


def _is_root() -> str:
    return "root may read everything" if os.geteuid() == 0 else ""


def _no_proc() -> str:
    return "" if sys.platform == "linux" else "there is no /proc"


@SPECIAL_FILES.kind("", "no such file", "", _NOTHING)
def missing_path(path: Path) -> None:
    pass


@SPECIAL_FILES.kind("", "nothing matches", "", _NOTHING)
def glob_that_matches_nothing(path: Path) -> Path:
    return path.with_name("epoch_*.pth")


@SPECIAL_FILES.kind("", "no checkpoint in", "", _NOTHING)
def empty_folder(path: Path) -> None:
    path.mkdir()


@SPECIAL_FILES.kind("", "no checkpoint in", "", _NOTHING)
def folder_of_other_files(path: Path) -> None:
    path.mkdir()
    (path / "train.py").write_text("import torch\n")


@SPECIAL_FILES.kind("", "no checkpoint in", "", _NOTHING)
def folder_named_like_a_checkpoint(path: Path) -> Path:
    (path.parent / "run" / "best.pth").mkdir(parents=True)
    return path.parent / "run"


@SPECIAL_FILES.kind("CD108", "No such file or directory")
def dangling_link(path: Path) -> None:
    path.symlink_to("nowhere.pth")


@SPECIAL_FILES.kind("CD108", "Too many levels of symbolic links")
def link_loop(path: Path) -> None:
    path.symlink_to(path.name)


@SPECIAL_FILES.kind("CD101", "not a checkpoint but a FIFO")
def fifo(path: Path) -> None:
    os.mkfifo(path)


@SPECIAL_FILES.kind("CD101", "not a checkpoint but a socket")
def unix_socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(before)


@SPECIAL_FILES.kind("CD101", "not a checkpoint but a device")
def device(path: Path) -> Path:
    return Path("/dev/null")


@SPECIAL_FILES.kind("CD101", "not a checkpoint but a device")
def endless_device(path: Path) -> Path:
    return Path("/dev/zero")


@SPECIAL_FILES.kind("CD101", "not a checkpoint but a device")
def link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@SPECIAL_FILES.kind("CD108", "Permission denied", why_not=_is_root)
def no_permission(path: Path) -> None:
    path.write_bytes(zip_bytes())
    path.chmod(0)


@SPECIAL_FILES.kind("CD108", "Input/output error", why_not=_no_proc)
def file_that_gives_an_input_output_error(path: Path) -> None:
    path.symlink_to("/proc/self/mem")


@SPECIAL_FILES.kind("", "no such file", "", _NOTHING)
def path_through_a_file(path: Path) -> Path:
    path.write_bytes(zip_bytes())
    return path / "best.pth"


@SPECIAL_FILES.kind("", "no such file", "", _NOTHING)
def name_that_is_too_long(path: Path) -> Path:
    return path.with_name("x" * 300 + ".pth")


@SPECIAL_FILES.kind("CD101", "an empty file")
def name_with_control_characters_and_markup(path: Path) -> Path:
    strange = path.with_name("a\x1b[2J\r\n[bold]|b`<i>.pth")
    strange.write_bytes(b"")
    return strange


@SPECIAL_FILES.kind("CD101", "an empty file", why_not=_no_proc)
def name_that_is_no_text(path: Path) -> Path:
    raw = os.fsencode(path.parent) + b"/\xff\xfe.pth"
    Path(os.fsdecode(raw)).write_bytes(b"")
    return Path(os.fsdecode(raw))


@SPECIAL_FILES.kind("CD101", "starts with zeros", why_not=_no_proc)
def a_terabyte_of_hole(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)
