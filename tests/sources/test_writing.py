"""What is restored from far files is written here, and nothing is written there."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.manifest import manifest_path
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


def test_a_web_server_takes_nothing(site: Site, run_folder: Path) -> None:
    far = f"{site.url}/run/clean.pth"
    refused = run("restore", "--from", run_folder / "unet_epoch_0.pth", "-o", far)
    assert refused.code == 4
    assert f"{far}: a web server takes no files" in refused.stderr
    report = run("scan", run_folder, "-o", f"{site.url}/run/report.txt")
    assert report.code == 4
