"""The note beside a restored file, and what a scan makes of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from ckptdoctor.diagnose import examine
from ckptdoctor.finding import Verdict
from ckptdoctor.manifest import RestoredFrom, manifest_path, manifest_text, restored_from
from tests.builders import save
from tests.each import each


def restored(folder: Path, *, trusted: bool = True) -> tuple[Path, Path]:
    """A checkpoint and its manifest."""
    path = save(folder / "best_model_clean.pth", {"model": {"w": torch.ones(3)}})
    manifest = manifest_path(path)
    manifest.write_text(
        manifest_text(
            source=path.with_name("checkpoint_epoch_88.pth"),
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


@each(
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


def test_what_a_copy_was_made_from_is_told(tmp_path: Path) -> None:
    path, _ = restored(tmp_path)
    found = restored_from(path)
    assert found == RestoredFrom(
        source=tmp_path / "checkpoint_epoch_88.pth",
        epoch=88,
        scale=1.0,
        set_lr=None,
        actions=("copy",),
    )


def changed(content: dict[str, Any], **parts: Any) -> str:
    return json.dumps(content | parts)


@each(
    "parts",
    [
        {"schema_version": 2},
        {"tool": {"name": "other"}},
        {"file": {"name": "other.pth", "nbytes": 1, "sha256": "0" * 64}},
        {"file": {"name": "best_model_clean.pth", "nbytes": 1}},
        {"file": []},
        {"source": {}},
        {"source": {"path": 5}},
    ],
)
def test_a_note_on_anything_else_tells_nothing(parts: dict[str, Any], tmp_path: Path) -> None:
    path, manifest = restored(tmp_path)
    manifest.write_text(changed(json.loads(manifest.read_text()), **parts))
    assert restored_from(path) is None


def test_no_note_tells_nothing(tmp_path: Path) -> None:
    path, manifest = restored(tmp_path)
    manifest.unlink()
    assert restored_from(path) is None
    path.unlink()
    assert restored_from(path) is None


@each(
    ("parts", "scale"),
    [
        ({"scale": 0.75}, 0.75),
        ({"scale": None}, None),
        ({"scale": True}, None),
        ({"scale": -1}, None),
        ({"scale": "0.5"}, None),
        ({"epoch": "88", "actions": [5, {"name": "scale-lr", "factor": 0.5}]}, 1.0),
    ],
)
def test_odd_values_in_a_note_are_not_believed(
    parts: dict[str, Any], scale: float | None, tmp_path: Path
) -> None:
    path, manifest = restored(tmp_path)
    manifest.write_text(changed(json.loads(manifest.read_text()), **parts))
    found = restored_from(path)
    assert found is not None
    assert found.scale == scale


def test_an_older_note_on_scaled_rates_tells_no_factor(tmp_path: Path) -> None:
    path, manifest = restored(tmp_path)
    content = json.loads(manifest.read_text())
    del content["scale"]
    manifest.write_text(changed(content, actions=[{"name": "scale-lr"}]))
    found = restored_from(path)
    assert found is not None
    assert (found.scale, found.actions) == (None, ("scale-lr",))
