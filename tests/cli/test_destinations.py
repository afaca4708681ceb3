"""No command writes to, waits for, or replaces what is no file."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bad_inputs.running import called
from tests.builders import save
from tests.cli.support import Outcome, run, training_state
from tests.each import each
from tests.test_destination import NO_FILES

WITH_OUTPUT = {
    "scan": ["scan", "run"],
    "scan, html": ["scan", "run", "-f", "html"],
    "inspect": ["inspect", "run/epoch_1.pth"],
    "rank": ["rank", "run"],
    "diff": ["diff", "run/epoch_1.pth", "run/epoch_2.pth"],
    "history": ["history", "run"],
    "plan": ["plan", "run"],
    "watch": ["watch", "run", "--once"],
    "explain": ["explain", "CD201"],
    "gpu": ["gpu", "-f", "json"],
    "restore": ["restore", "run"],
    "restore --force": ["restore", "run", "--force"],
    "restore --to": ["restore", "run", "--force", "--to", "safetensors"],
}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    for epoch in (1, 2):
        save(tmp_path / "run" / f"epoch_{epoch}.pth", training_state(epoch, best=epoch / 10))
    return tmp_path


def refused(outcome: Outcome, kind: str) -> None:
    assert (outcome.code, outcome.stdout) == (4, "")
    assert f"is {kind}" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("command", WITH_OUTPUT)
@pytest.mark.parametrize("kind", ["a FIFO", "a link to a FIFO", "a folder"])
@pytest.mark.one_in(8)
def test_no_output_goes_there(kind: str, command: str, here: Path) -> None:
    place = NO_FILES[kind](here / "place")
    before = sorted(here.iterdir())
    refused(run(*WITH_OUTPUT[command], "-o", "place", cwd=here), kind)
    assert sorted(here.iterdir()) == before
    assert stat.S_IFMT(place.stat().st_mode) in (stat.S_IFIFO, stat.S_IFDIR)


def test_a_socket_stays_where_restore_is_to_replace_it(here: Path) -> None:
    place = NO_FILES["a socket"](here / "place")
    refused(run("restore", "run", "-o", "place", "--force", cwd=here), "a socket")
    assert stat.S_ISSOCK(place.stat().st_mode)


@pytest.mark.slow
def test_a_device_stays_in_a_namespace_of_its_own(here: Path) -> None:
    """A file over which the null device is mounted, seen by this command alone."""
    unshare = shutil.which("unshare")
    (here / "device").touch()
    script = f"""
        mount --bind /dev/null device || exit 77
        {sys.executable} -m ckptdoctor restore run -o device --force; echo $?
        {sys.executable} -m ckptdoctor scan run -o device; echo $?
        test -c device && echo still there
    """
    if unshare is None:
        pytest.skip("there is no unshare")
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", script], cwd=here, capture_output=True, text=True, check=False
    )
    if done.returncode in (1, 77) and "still" not in done.stdout:
        pytest.skip(f"no namespace, or no mount in it: {done.stderr.strip()}")
    assert done.stdout.split("\n")[:3] == ["4", "4", "still there"]
    assert done.stderr.count("device is a device") == 2


def test_a_link_to_a_file_is_replaced_by_restore_and_its_target_stays(here: Path) -> None:
    (here / "target").write_text("theirs")
    (here / "link").symlink_to("target")
    (here / "dangling").symlink_to("nothing")
    for name in ("link", "dangling"):
        assert run("restore", "run", "-o", name, cwd=here).code == 4
        assert run("restore", "run", "-o", name, "--force", cwd=here).code == 0
        assert not (here / name).is_symlink()
    assert (here / "target").read_text() == "theirs"
    assert not (here / "nothing").exists()


@pytest.mark.parametrize("kind", NO_FILES)
def test_a_manifest_that_is_none_stays_and_is_not_waited_for(kind: str, here: Path) -> None:
    note = NO_FILES[kind](here / "run" / "clean.pth.json")
    outcome = run("restore", "run", "-o", "run/clean.pth", "--force", cwd=here)
    assert outcome.code == 4
    assert os.path.lexists(note)
    assert not (here / "run" / "clean.pth").exists()


def test_a_scan_does_not_wait_for_a_fifo_in_the_place_of_a_manifest(here: Path) -> None:
    os.mkfifo(here / "run" / "epoch_1.pth.json")
    assert run("scan", "run", cwd=here).code == 0


def test_the_summary_of_a_job_does_not_wait(here: Path) -> None:
    os.mkfifo(here / "summary")
    env = {"GITHUB_STEP_SUMMARY": str(here / "summary")}
    outcome = run("scan", "run", "-f", "github", cwd=here, env=env)
    assert outcome.code == 0
    assert "the summary of the job was not written" in outcome.stderr
    assert "is a FIFO" in outcome.stderr


def test_the_demo_writes_to_none(here: Path) -> None:
    (here / "demo" / "checkpoints").mkdir(parents=True)
    (here / "demo" / ".ckptdoctor-demo").touch()
    os.mkfifo(here / "demo" / "checkpoints" / "best_model_clean.pth")
    outcome = run("demo", "demo", cwd=here)
    refused(outcome, "a FIFO")
    assert not (here / "demo" / "training.log").exists()


def test_a_name_makes_no_line_of_its_own(here: Path) -> None:
    os.mkfifo(here / "a\n::error::x")
    for command in ("scan", "restore --force"):
        outcome = run(*WITH_OUTPUT[command], "-o", "a\n::error::x", cwd=here)
        assert outcome.code == 4
        assert len(outcome.stderr.splitlines()) == 1
        assert "a\\n::error::x is a FIFO" in outcome.stderr


def test_restore_says_what_it_keeps_free(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Disk:
        f_blocks, f_frsize, f_bavail, f_bfree = 1000, 1000, 500, 500

    monkeypatch.setattr(os, "statvfs", lambda _: Disk)
    monkeypatch.chdir(here)
    code, _, said = called("restore", "run")
    assert code == 4
    assert "0.5 MB are free, 0.0 MB are needed and a reserve of 1.0 MB is kept free" in said
    assert not (here / "run" / "best_model_clean.pth").exists()


@each(("name", "there"), [("report.json", ""), ("link.json", "what was there")])
def test_a_full_disk_leaves_what_was_there(name: str, there: str, here: Path) -> None:
    """As far as the file goes: here the system refuses to let it grow."""
    place = here / "report.json"
    place.unlink(missing_ok=True)
    (here / "link.json").unlink(missing_ok=True)
    if there:
        place.write_text(there)
    (here / "link.json").symlink_to(place)
    before = sorted(here.iterdir())
    command = f"ulimit -f 1; exec {sys.executable} -m ckptdoctor scan run -f json -o {name}"
    outcome = subprocess.run(
        ["bash", "-c", command], cwd=here, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 4
    assert (
        f"{name}: file too large; the result was not written; nothing was changed" in outcome.stderr
    )
    assert sorted(here.iterdir()) == before
    assert not there or place.read_text() == there


def test_a_report_replaces_what_a_link_leads_to_and_keeps_its_permissions(here: Path) -> None:
    (here / "target").write_text("old")
    (here / "target").chmod(0o640)
    (here / "link").symlink_to("target")
    assert run("scan", "run", "-f", "json", "-o", "link", cwd=here).code == 0
    assert (here / "link").is_symlink()
    assert json.loads((here / "target").read_text())["schema_version"] == 1
    assert stat.S_IMODE((here / "target").stat().st_mode) == 0o640


def test_a_report_with_two_names_stays_one_file(here: Path) -> None:
    (here / "one").write_text("old")
    os.link(here / "one", here / "two")
    assert run("scan", "run", "-f", "json", "-o", "one", cwd=here).code == 0
    assert (here / "two").read_text() == (here / "one").read_text() != "old"


def test_standard_output_by_its_name_is_the_file_that_it_goes_to(here: Path) -> None:
    with (here / "out.txt").open("wb") as out:
        subprocess.run(
            [sys.executable, "-m", "ckptdoctor", "scan", "run", "-f", "json", "-o", "/dev/stdout"],
            cwd=here,
            stdout=out,
            check=True,
        )
        assert os.fstat(out.fileno()).st_ino == (here / "out.txt").stat().st_ino
    assert json.loads((here / "out.txt").read_text())["schema_version"] == 1
