"""What is restored from far files is written here, and nothing is written there."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

import ckptdoctor
from ckptdoctor.manifest import manifest_path
from ckptdoctor.render.console.screen import Screen
from ckptdoctor.render.repaired import repaired_text
from tests.builders import load
from tests.cli.support import run
from tests.sources.servers import Site


def test_a_copy_of_a_far_checkpoint_is_written_here(
    site: Site, tmp_path: Path, run_folder: Path
) -> None:
    outcome = run("restore", f"{site.url}/run/", "--format", "json", cwd=tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["source"] == f"{site.url}/run/unet_epoch_1.pth"
    copy, source = tmp_path / "best_model_clean.pth", run_folder / "unet_epoch_1.pth"
    assert copy.read_bytes() == source.read_bytes()
    assert load(copy)["epoch"] == 1
    noted = manifest_path(copy).read_text()
    assert "/ckptdoctor-" not in noted
    assert {method for method, *_ in site.asked} == {"HEAD", "GET"}


def test_a_repaired_copy_of_a_far_checkpoint_is_written_here(
    tmp_path: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside it, nothing is written unless that is asked for."""
    good = (run_folder / "unet_epoch_1.pth").read_bytes()
    bad = bytearray(good)
    bad[good.index(b"data/3") + 20_000] ^= 4
    memory = fsspec.filesystem("memory")
    memory.pipe("/flipped/unet.pth", bytes(bad))
    monkeypatch.chdir(tmp_path)
    done = ckptdoctor.repair("memory://flipped/unet.pth")
    assert done.written
    assert (tmp_path / "unet_repaired.pth").read_bytes() == good
    assert memory.find("/flipped") == ["/flipped/unet.pth"]
    assert "mv " not in repaired_text(done, Screen()), "no such command takes a URL"


def test_a_web_server_takes_nothing(site: Site, run_folder: Path) -> None:
    far = f"{site.url}/run/clean.pth"
    refused = run("restore", "--from", run_folder / "unet_epoch_0.pth", "-o", far)
    assert refused.code == 4
    assert f"{far}: a web server takes no files" in refused.stderr
    report = run("scan", run_folder, "-o", f"{site.url}/run/report.txt")
    assert report.code == 4
