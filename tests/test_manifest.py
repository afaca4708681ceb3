"""The note beside a restored file, and what a scan makes of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.diagnose import examine
from ckptdoctor.finding import Verdict
from ckptdoctor.manifest import manifest_path, manifest_text
from tests.builders import save


def restored(folder: Path, *, trusted: bool = True) -> tuple[Path, Path]:
    """A checkpoint and its manifest."""
    path = save(folder / "best_model_clean.pth", {"model": {"w": torch.ones(3)}})
    manifest = manifest_path(path)
    manifest.write_text(
        manifest_text(
            source=Path("checkpoint_epoch_88.pth"),
            source_sha256="0" * 64,
            destination=path,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            nbytes=path.stat().st_size,
            epoch=88,
            actions=[{"name": "copy", "message": "copied", "notice": ""}],
            trusted=trusted,
        )
    )
    return path, manifest


def codes(path: Path) -> set[str]:
    return {finding.code for finding in examine([path]).checkpoints[0].findings}


def test_a_file_that_is_what_was_restored_raises_nothing(tmp_path: Path) -> None:
    path, manifest = restored(tmp_path)
    assert codes(path) == set()
    assert manifest.name == "best_model_clean.pth.json"
    content = json.loads(manifest.read_text())
    assert content["schema_version"] == 1
    assert content["file"]["nbytes"] == path.stat().st_size


def test_a_later_change_is_noticed(tmp_path: Path) -> None:
    path, _ = restored(tmp_path)
    save(path, {"model": {"w": torch.ones(4)}})
    (report,) = examine([path]).checkpoints
    assert [finding.code for finding in report.findings] == ["CD110"]
    assert report.verdict is Verdict.SUSPECT


def test_a_file_that_is_not_to_be_trusted_says_so(tmp_path: Path) -> None:
    path, _ = restored(tmp_path, trusted=False)
    assert codes(path) == {"CD206"}


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{", "null", "[" * 5000, '{"tool": 1}', '{"tool": {"name": "other"}}'),
        '{"schema_version": 1, "tool": {"name": "ckptdoctor"}}',
        '{"schema_version": 1, "tool": {"name": "ckptdoctor"}, "file": {"sha256": 5}}',
        '{"schema_version": 1, "tool": {"name": "ckptdoctor"}, "file": {"sha256": "ab"}}',
        '{"schema_version": 2, "tool": {"name": "ckptdoctor"}, "file": {"sha256": "ab"}}',
    ],
)
def test_a_json_file_that_is_no_manifest_is_left_alone(content: Any, tmp_path: Path) -> None:
    path, manifest = restored(tmp_path)
    manifest.write_text(content)
    assert codes(path) == set()
