"""``scan --format jsonl`` as others see it: each run is there before the last file can be read."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.builders import save
from tests.cli.support import run, training_state
from tests.sources.servers import Site, serving

pytestmark = pytest.mark.slow  # starts Python

BAD = float("nan")


def of_runs(root: Path, fill: float = 0.25) -> Path:
    """Two runs of two files; the elements of the first file are as given."""
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for epoch in range(2):
            first = (name, epoch) == ("a", 0)
            state = training_state(epoch, fill=fill if first else 0.25 + epoch)
            save(root / name / f"unet_{epoch}.pth", state)
    return root


@contextlib.contextmanager
def held(root: Path) -> Iterator[Site]:
    """A server of the folder above, which holds back the last file for a minute at most."""
    pytest.importorskip("aiohttp")
    with serving(root.parent) as site:
        site.held = f"/{root.name}/b/unet_1.pth"
        late = threading.Timer(60, site.release.set)
        late.start()
        try:
            yield site
        finally:
            late.cancel()


def scanning(url: str, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ckptdoctor", "scan", url, "--format", "jsonl", "--no-cache"]
    return subprocess.Popen(
        [*command, *more],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )


def objects(text: bytes) -> list[dict[str, Any]]:
    assert text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines()]


def until_run(stream: IO[bytes] | None) -> list[dict[str, Any]]:
    assert stream is not None
    found: list[dict[str, Any]] = []
    while not found or found[-1]["type"] != "run":
        found += objects(stream.readline())
    return found


def test_a_run_is_there_before_the_last_file_can_be_read(tmp_path: Path) -> None:
    root = of_runs(tmp_path / "all")
    with held(root) as site, scanning(f"{site.url}/all/") as scan:
        first = until_run(scan.stdout)
        assert not site.release.is_set()
        site.release.set()
        rest, told = scan.communicate()
    assert [one["type"] for one in first] == ["checkpoint", "checkpoint", "run"]
    assert first[-1]["name"] == "a"
    kinds = [one["type"] for one in objects(rest)]
    assert kinds == ["checkpoint", "checkpoint", "run", "summary"]
    assert (scan.returncode, told) == (0, b"")


def test_a_file_grows_as_well(tmp_path: Path) -> None:
    root, out = of_runs(tmp_path / "all", BAD), tmp_path / "out.jsonl"
    out.write_text("before\n" * 1000)
    with held(root) as site, scanning(f"{site.url}/all/", "-o", str(out)) as scan:
        while b'"run"' not in out.read_bytes() and not site.release.is_set():
            time.sleep(0.01)
        early = out.read_bytes()
        assert not site.release.is_set()
        site.release.set()
        scan.communicate()
    assert [one["type"] for one in objects(early)[:3]] == ["checkpoint", "checkpoint", "run"]
    assert scan.returncode == 1
    here = run("scan", root, "--format", "jsonl", "--no-cache")
    there = out.read_text().replace(f"{site.url}/all", str(root))
    assert here.stdout == there.replace(f"{root}/ ", f"{root} ")


def test_what_came_before_ctrl_c_stands(tmp_path: Path) -> None:
    root = of_runs(tmp_path / "all")
    with held(root) as site, scanning(f"{site.url}/all/") as scan:
        until_run(scan.stdout)
        scan.send_signal(signal.SIGINT)
        time.sleep(0.5)  # it is put off for a moment where it would leave a lock taken
        site.release.set()  # a request under way is waited for
        rest, _ = scan.communicate()
    assert scan.returncode == 130
    assert not rest or "summary" not in {one["type"] for one in objects(rest)}


@pytest.mark.parametrize(("fill", "code"), [(0.25, 130), (BAD, 1)])
def test_who_has_seen_enough_ends_it(tmp_path: Path, fill: float, code: int) -> None:
    root = of_runs(tmp_path / "all", fill)
    with held(root) as site, scanning(f"{site.url}/all/") as scan:
        until_run(scan.stdout)
        assert scan.stdout is not None
        scan.stdout.close()  # as head does
        site.release.set()
        assert scan.stderr is not None
        assert scan.stderr.read() == b""
        assert scan.wait() == code


def test_settings_and_a_baseline_hold(tmp_path: Path) -> None:
    root, accepted = of_runs(tmp_path / "all", BAD), tmp_path / "accepted.json"
    words = ("scan", root, "--no-cache", "--format", "jsonl")
    found = run(*words)
    assert found.code == 1
    written = run(*words, "--write-baseline", accepted)
    assert (written.code, len(written.stdout.splitlines())) == (0, len(found.stdout.splitlines()))
    again = run(*words, "--baseline", accepted)
    assert again.code == 0
    assert again.stdout == written.stdout
    assert objects(again.stdout.encode())[-1]["ignored"]["why"]["accepted"] > 0
    (root / "a" / "unet_0.pth").unlink()
    stale = run(*words, "--baseline", accepted)
    assert "stale" in objects(stale.stdout.encode())[-1]["notes"][0]
    ignoring = run(*words, "--ignore", "CD2,CD4")
    assert ignoring.code == 0


def test_nothing_to_examine_is_a_summary_alone(tmp_path: Path) -> None:
    nothing = run("scan", tmp_path, "--format", "jsonl")
    assert nothing.code == 3
    assert [one["type"] for one in objects(nothing.stdout.encode())] == ["summary"]


def test_a_second_answer_is_the_first(tmp_path: Path) -> None:
    root = of_runs(tmp_path / "all", BAD)
    time.sleep(2.1)  # what was written a moment ago is not remembered
    env = {"CKPTDOCTOR_NO_CACHE": "", "CKPTDOCTOR_CACHE_DIR": str(tmp_path / "cache")}
    told = [run("scan", root, "--format", "jsonl", env=env) for _ in range(3)]
    assert len({(one.code, one.stdout) for one in told}) == 1
    assert "4 of 4" in told[-1].stderr
