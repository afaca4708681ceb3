"""The cache is never a reason to fail, and never believed where it is not whole and ours."""

from __future__ import annotations

import json
import os
import random
import resource
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.cache.database import Database, Row
from ckptdoctor.cache.file import NAME, set_aside
from ckptdoctor.cache.packing import Packed
from ckptdoctor.cache.result import FileState
from tests.bad_inputs.running import called
from tests.builders import save
from tests.cache.support import counted, no_answers, settled
from tests.cli.support import make_run, run

STATE = FileState(device=1, inode=2, nbytes=3, mtime_ns=4, ctime_ns=5)


def row(key: int, nbytes: int = 10, state: FileState = STATE) -> Row:
    found = Packed(structure=b"s", details=b"{}", figures=bytes(nbytes))
    return Row(key=bytes([key]) * 16, program=b"p", state=state, found=found, read_at=1)


def filled(folder: Path) -> Path:
    """A database in which something is kept."""
    database = Database(folder)
    database.keep(row(1))
    database.close()
    return folder / NAME


def kept(folder: Path, key: int = 1) -> Row | None:
    database = Database(folder)
    try:
        return database.row(bytes([key]) * 16, b"p", STATE)
    finally:
        database.close()


def test_a_row_comes_back_for_the_same_file_and_program_alone(cache: Path) -> None:
    filled(cache)
    assert kept(cache) == row(1)
    database = Database(cache)
    key = row(1).key
    for field in ("inode", "nbytes", "mtime_ns", "ctime_ns"):
        other = FileState(
            **{
                name: getattr(STATE, name) + (name == field)
                for name in ("device", "inode", "nbytes", "mtime_ns", "ctime_ns")
            }
        )
        assert database.row(key, b"p", other) is None
        assert not database.holds(key, b"p", other)
    assert database.row(key, b"another program", STATE) is None
    assert database.holds(key, b"p", STATE)
    database.close()


def test_a_number_of_a_file_may_have_all_its_bits(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite keeps 63 of them and a sign; FUSE, overlays and ReFS have more."""
    (tmp_path / "f").write_bytes(b"x")
    reduced: Any = os.stat(tmp_path / "f").__reduce__()
    content, more = reduced[1]
    numbers = (0, 1, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1, 2**64, 2**127 + 2**20)
    states = []
    for number in numbers:
        status = os.stat_result((content[0], number, *content[2:]), more)
        with monkeypatch.context() as patched:
            patched.setattr(os, "stat", lambda _, status=status: status)
            states.append(FileState.of(Path("f")))
    database = Database(cache)
    for at, state in enumerate(states):
        database.keep(row(at, state=state))
    database.close()
    database = Database(cache)
    for at, state in enumerate(states):
        assert database.row(row(at).key, b"p", state) == row(at, state=state)
        other = states[at ^ 1]
        assert database.row(row(at).key, b"p", other) is None
    database.close()


def test_it_is_this_users_alone(cache: Path) -> None:
    old = os.umask(0)
    try:
        path = filled(cache)
    finally:
        os.umask(old)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert kept(cache) is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def _noise(path: Path) -> None:
    data = bytearray(path.read_bytes())
    generator = random.Random(3)
    for at in range(100, len(data)):
        data[at] = generator.randrange(256)
    path.write_bytes(data)


def _garbage(path: Path) -> None:
    path.write_bytes(b"no database at all\n" * 400)


def _link(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "in it").touch()


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _another_schema(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=77")


def _another_program(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")


def _trigger(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TRIGGER t AFTER UPDATE ON file BEGIN DELETE FROM structure; END")


DAMAGE: tuple[Callable[[Path], None], ...] = (
    *(_truncate, _noise, _garbage, _link, _folder, _fifo),
    *(_another_schema, _another_program, _trigger),
)


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda one: one.__name__)
@pytest.mark.one_in(3)
def test_what_is_damaged_or_foreign_is_set_aside_and_said(
    damage: Callable[[Path], None], cache: Path, tmp_path: Path
) -> None:
    save(tmp_path / "model_1.pth", {"model": {"w": torch.ones(3)}})
    with settled(), no_answers():
        assert called("scan", tmp_path)[0] == 0
        path = cache / NAME
        damage(path)
        fresh = called("scan", tmp_path, "--format", "json", "--no-cache")[1]
        with counted() as reads:
            code, out, err = called("scan", tmp_path, "--format", "json")
        assert (code, out) == (0, fresh)
        assert len(reads) == 1
        assert "remembered is damaged, or not ours: moved to" in err
        assert f"{path}.aside" in err
        with counted() as again:
            assert called("scan", tmp_path, "--format", "json")[1] == fresh
        assert again == []
    assert path.is_file()


@pytest.mark.slow
def test_every_flipped_byte_is_noticed_or_does_not_matter(
    cache: Path, tmp_path: Path, stride: int
) -> None:
    save(tmp_path / "model_1.pth", {"epoch": 1, "model": {"w": torch.ones(3)}})
    with settled(), no_answers():
        assert called("scan", tmp_path)[0] == 0
        fresh = called("scan", tmp_path, "--format", "json")[1]
        path = cache / NAME
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
        whole = path.read_bytes()
        generator = random.Random(5)
        for _ in range(130 // stride):
            data = bytearray(whole)
            data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
            path.write_bytes(data)
            code, out, _ = called("scan", tmp_path, "--format", "json")
            assert (code, out) == (0, fresh)


def test_a_row_whose_bytes_decayed_is_not_believed(cache: Path) -> None:
    path = filled(cache)
    for column in ("details", "figures", "structure", "read_at", "digest"):
        filled(cache)
        with sqlite3.connect(path) as connection:
            connection.execute(f"UPDATE file SET {column} = x'00'")
        assert kept(cache) is None


HOSTILE = (
    *(b"", b"{", b"[" * 100_000, b"null", b"[]", b'"text"', b"1e999", b"\xff\xfe", b"{}" * 9),
    b'{"tensors": [], "scanned": null, "refs": [], "records": [0], "samples": [], "scalars": []}',
    (
        b'{"tensors": [["w","float32",[-1],[1],0,-1,"model",false]], "scanned": null, "refs": [],'
        b'"records": [], "samples": [9], "scalars": []}'
    ),
    (
        b'{"tensors": [["w","float32",[1],[1],0,7,"model",false]], "scanned": null, "refs": [],'
        b'"records": [], "samples": [9999999999], "scalars": []}'
    ),
)


@pytest.mark.parametrize("where", ["structure", "details", "figures"])
@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.one_in(8)
def test_a_hostile_result_leads_to_a_reading_and_to_nothing_else(
    where: str, hostile: bytes, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a digest that fits, as somebody would write it who knows how."""
    save(tmp_path / "model_1.pth", {"epoch": 1, "model": {"w": torch.ones(3)}})
    written = Database._insert

    def meddled(self: Database, connection: sqlite3.Connection, rows: list[Row], now: int) -> None:
        parts = {name: getattr(rows[0].found, name) for name in Packed.__slots__}
        found = Packed(**(parts | {where: hostile}))
        one = rows[0]
        bad = Row(
            key=one.key, program=one.program, state=one.state, found=found, read_at=one.read_at
        )
        written(self, connection, [bad], now)

    with settled(), no_answers():
        with monkeypatch.context() as patch:
            patch.setattr(Database, "_insert", meddled)
            assert called("scan", tmp_path)[0] == 0
        with counted() as reads:
            code, _, err = called("scan", tmp_path)
    assert code == 0
    assert "Traceback" not in err
    assert len(reads) == 1


@pytest.mark.parametrize("variable", ["HOME", "CKPTDOCTOR_CACHE_DIR"])
@pytest.mark.one_in(2)
def test_a_user_without_a_home_or_a_cache_that_cannot_be_made(
    variable: str, tmp_path: Path
) -> None:
    save(tmp_path / "model_1.pth", {"model": {"w": torch.ones(3)}})
    environment = {name: value for name, value in os.environ.items() if "CACHE" not in name}
    environment.pop("HOME")
    if variable == "CKPTDOCTOR_CACHE_DIR":
        environment[variable] = "/proc/1/nowhere"
    else:
        environment["XDG_CACHE_HOME"] = ""
    code = (
        "import pwd, sys; pwd.getpwuid = {}.__getitem__;"
        "import ckptdoctor.__main__ as m; sys.exit(m.run(['scan', sys.argv[1]]))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        env=environment, capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (finished.returncode, finished.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model_1.pth"]


def test_a_folder_that_others_may_write_to_is_not_used(cache: Path, tmp_path: Path) -> None:
    cache.mkdir()
    cache.chmod(0o777)
    save(tmp_path / "model_1.pth", {"model": {"w": torch.ones(3)}})
    with settled(), no_answers():
        assert called("scan", tmp_path)[0::2] == (0, "")
    assert list(cache.iterdir()) == []
    assert "may be written by others" in called("cache")[1] or not list(cache.iterdir())


def test_a_locked_database_is_gone_without(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ckptdoctor.cache.file._PATIENCE_S", 0.05)
    save(tmp_path / "model_1.pth", {"model": {"w": torch.ones(3)}})
    path = filled(cache)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA locking_mode=EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    holder.execute("DELETE FROM file")
    with settled(), no_answers():
        assert called("scan", tmp_path)[0::2] == (0, "")
    holder.execute("ROLLBACK")
    holder.close()
    assert kept(cache) is not None


@pytest.mark.slow
def test_a_full_disk_is_no_failure(cache: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    time.sleep(2.1)
    code = (
        "import resource, sys; from ckptdoctor.__main__ import run;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY));"
        "sys.exit(run(['scan', '--fail-on', 'never', '--format', 'json', sys.argv[2]]))"
    )
    # What measures coverage writes a file of its own at the end, and would tell that it cannot.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    told = set()
    for nbytes in (0, 4096, 20_000, resource.RLIM_INFINITY):
        finished = subprocess.run(
            [sys.executable, "-c", code, str(nbytes), tmp_path / "run"],
            capture_output=True, text=True, check=False, env=env,
        )  # fmt: skip
        assert (finished.returncode, finished.stderr) == (0, "")
        told.add(finished.stdout)
    assert len(told) == 1
    assert "4 of 5 files remembered" in run("scan", tmp_path / "run").stderr


@pytest.mark.slow
def test_many_processes_at_once(cache: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    time.sleep(2.1)
    command = [sys.executable, "-m", "ckptdoctor", "scan", "-f", "json", str(tmp_path / "run")]
    first = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    told = {process.communicate(timeout=120)[0] for process in first}
    assert len(told) == 1
    assert {process.returncode for process in first} == {1}
    assert not list(cache.glob("*.aside*"))
    assert "4 of 5 files remembered" in run("scan", tmp_path / "run").stderr


def test_the_oldest_go_when_it_is_full(cache: Path) -> None:
    database = Database(cache, most_nbytes=2_000_000)
    for key in range(200):
        database.keep(row(key, nbytes=40_000))
    database.close()
    path = cache / NAME
    assert path.stat().st_size < 3_500_000  # and one transaction
    assert kept(cache, 0) is None
    assert kept(cache, 199) is not None


def test_nothing_is_set_aside_over_a_folder(cache: Path) -> None:
    path = filled(cache)
    path.with_name(f"{NAME}.aside").mkdir()
    assert set_aside(path) == path.with_name(f"{NAME}.aside-2")


def test_cache_shows_and_clears(cache: Path, tmp_path: Path) -> None:
    nothing = json.loads(called("cache", "--format", "json")[1])
    assert (nothing["nbytes"], nothing["results"], nothing["folder"]) == (0, 0, str(cache))
    assert not cache.exists()
    path = filled(cache)
    path.with_name(f"{NAME}.aside").mkdir()
    told = json.loads(called("cache", "--format", "json")[1])
    assert told["results"] == 1
    assert told["nbytes"] >= path.stat().st_size
    assert told["aside"] == [f"{path}.aside"]
    assert str(cache) in called("cache")[1]
    assert "cleared: " in called("cache", "--clear")[1]
    assert list(cache.iterdir()) == []
    assert json.loads(called("cache", "--format", "json")[1])["results"] == 0
