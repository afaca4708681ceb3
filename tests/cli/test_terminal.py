"""In a real terminal of 80x24, and as a notebook cell runs it."""

from __future__ import annotations

import os
import pty
import struct
import subprocess
import sys
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest

from tests.cli.support import ANSI, make_run, make_sparse, run


def in_terminal(*arguments: str | Path) -> tuple[int, str]:
    """The exit code, and what a terminal of 80x24 was sent."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
    with subprocess.Popen(
        [sys.executable, "-m", "ckptdoctor", *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment | {"TERM": "xterm-256color"},
    ) as child:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux says EIO when the other side is closed
                break
            if not part:
                break
            shown += part
    os.close(ours)
    return child.returncode, shown.decode()


def test_the_screen_is_coloured_and_fits(tmp_path: Path) -> None:
    code, shown = in_terminal("scan", make_run(tmp_path / "c"))
    assert code == 1
    assert ANSI.search(shown)
    lines = ANSI.sub("", shown).splitlines()
    assert len(lines) <= 24
    table = [line for line in lines if not line.startswith(("Next:", "Last good:"))]
    assert all(len(line) <= 80 for line in table)


@pytest.mark.slow
def test_a_long_scan_shows_a_bar_and_takes_it_away(tmp_path: Path) -> None:
    make_sparse(tmp_path)
    code, shown = in_terminal("scan", tmp_path)
    assert code == 0
    assert "scanning" in shown
    assert "\nLast good:" in ANSI.sub("", shown).replace("\r", "")


def test_a_notebook_cell_gets_colour_and_80_columns(tmp_path: Path) -> None:
    outcome = run("scan", make_run(tmp_path / "c"), env={"FORCE_COLOR": "1"})
    assert outcome.code == 1
    assert ANSI.search(outcome.stdout)
    plain = ANSI.sub("", outcome.stdout).splitlines()
    table = [line for line in plain if not line.startswith(("Next:", "Last good:"))]
    assert max(map(len, table)) <= 80
