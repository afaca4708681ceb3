"""Every kind of bad input: what it is and what to do is said, nothing falls, nothing changes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_inputs.catalogue import ALL_KINDS
from tests.bad_inputs.good import zip_bytes
from tests.bad_inputs.kind import Kind
from tests.bad_inputs.page import PAGE, row, without_numbers
from tests.bad_inputs.running import Answer, answer_to, called, made

CRASHED = 70
OTHER_COMMANDS = ("inspect", "rank", "history", "restore --from")


def place(folder: Path) -> Path:
    """A folder whose parent is empty as well: no log of another test lies beside it."""
    inside = folder / "outputs" / "checkpoints"
    inside.mkdir(parents=True)
    return inside


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of every file below a folder; holes of a terabyte are not read."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        small = stat.S_ISREG(status.st_mode) and status.st_size < 1 << 30
        found[str(path)] = status.st_mode, path.read_bytes() if small else b""
    return found


def skip_what_cannot_be_made(kind: Kind) -> None:
    if why := kind.why_not():
        pytest.skip(why)


def test_the_catalogue_is_long_and_no_name_is_there_twice() -> None:
    names = [kind.name for kind in ALL_KINDS]
    assert len(names) >= 120
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.name)
@pytest.mark.one_in(4)
def test_what_it_is_and_what_to_do_is_said(kind: Kind, tmp_path: Path) -> None:
    skip_what_cannot_be_made(kind)
    answer = answer_to(kind, place(tmp_path))
    assert (verdict_in(answer), answer.exit_code) == (kind.verdict, kind.exit_code)
    assert "Traceback" not in answer.notes
    assert answer.neighbour == "healthy"
    if not kind.verdict:
        assert kind.says in answer.notes
        assert len(answer.notes.splitlines()) == 1
    assert without_numbers(row(kind, answer)) in without_numbers(PAGE.read_text("utf-8"))
    if kind.verdict and kind.code:
        finding = answer.finding(kind.code, kind.says)
        assert finding, (answer.checkpoint or {})["findings"]
        for line in (finding["message"], finding["remedy"]):
            assert line
            assert line.isprintable()  # in one line too
    elif kind.verdict:
        assert not [f for f in (answer.checkpoint or {})["findings"] if f["severity"] != "info"]


def test_the_page_tells_each() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    told = {
        kind.name: [line for line in lines if line.startswith(f"| {kind.name} |")]
        for kind in ALL_KINDS
    }
    untold = {
        kind.name: told[kind.name]
        for kind in ALL_KINDS
        if len(told[kind.name]) != 1
        or not told[kind.name][0].endswith(f"| {kind.verdict} | {kind.exit_code} |")
    }
    assert not untold


def verdict_in(answer: Answer) -> str:
    return str(answer.checkpoint["verdict"]) if answer.checkpoint else ""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.name)
def test_no_command_falls_and_no_source_changes(kind: Kind, tmp_path: Path) -> None:
    skip_what_cannot_be_made(kind)
    folder = place(tmp_path)
    path = made(kind, folder)
    before = contents(folder)
    for command in OTHER_COMMANDS:
        output = ["--output", str(tmp_path / "out.pth")] if "restore" in command else []
        code, out, err = called(*command.split(), path, *output)
        assert code != CRASHED, (command, out, err)
        assert "Traceback" not in out + err
        assert out or err
    assert contents(folder) == before


@pytest.mark.slow
def test_one_folder_of_them_all_gets_all_the_verdicts(tmp_path: Path) -> None:
    folder = place(tmp_path)
    wanted = {}
    for number, kind in enumerate(ALL_KINDS):
        if kind.why_not() or kind.meddle or not kind.verdict:
            continue
        inside = folder / f"{number:03}"
        inside.mkdir()
        path = made(kind, inside)
        if path.parent == inside:
            wanted[path] = kind.verdict
    code, out, _ = called("scan", *wanted, "--format", "csv", "--quiet")
    rows = [line for line in out.splitlines()[1:] if line]
    assert code == 1
    assert len(rows) >= len(wanted) - 1  # a name with a line break takes two
    seen = [verdict for verdict in wanted.values() if any(f",{verdict}," in row for row in rows)]
    assert len(seen) == len(wanted)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user may enter; those of pytest are closed."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no permissions of this kind")
@pytest.mark.slow
def test_a_file_that_may_not_be_read_leaves_the_others_their_verdicts(open_folder: Path) -> None:
    folder = open_folder
    (folder / "secret.pth").write_bytes(zip_bytes())
    (folder / "secret.pth").chmod(0)
    (folder / "sound.pth").write_bytes(zip_bytes())
    command = [
        sys.executable,
        "-m",
        "ckptdoctor",
        "scan",
        str(folder),
        "--format",
        "csv",
        "--quiet",
    ]
    if os.geteuid() == 0:  # who may read everything: be somebody else
        somebody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        try:
            subprocess.run([*somebody, *command[:3], "--version"], capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("nobody else can run this Python")
        command = [*somebody, *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "Permission denied" in done.stdout
    assert "healthy" in done.stdout
    assert done.returncode == 1
