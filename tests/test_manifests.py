"""Notes are found by a list of each folder, and are then what they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from ckptdoctor.manifest import restored_from
from ckptdoctor.manifests import Manifests
from tests.builders import save
from tests.cli.support import run


def test_what_was_restored_is_known_as_such(tmp_path: Path) -> None:
    for epoch in range(3):
        save(
            tmp_path / f"model_epoch_{epoch}.pth",
            {"model": {"weight": torch.rand(4, 4)}, "epoch": epoch},
        )
    copy = tmp_path / "copies" / "clean.pth"
    copy.parent.mkdir()
    made = run("restore", "--from", tmp_path / "model_epoch_1.pth", "-o", copy)
    manifests = Manifests()
    assert made.code == 0, made.stderr
    assert manifests.restored_from(copy) == restored_from(copy) is not None
    assert manifests.restored_from(tmp_path / "model_epoch_1.pth") is None


def test_a_folder_is_listed_once_and_nothing_else_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    listed: list[object] = []
    scandir = os.scandir

    def no_open(path: object, *how: object) -> int:
        opened.append(path)
        raise FileNotFoundError

    def noted(path: str) -> object:
        listed.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "open", no_open)
    monkeypatch.setattr(os, "scandir", noted)
    manifests = Manifests()
    assert {manifests.restored_from(tmp_path / f"{at}.pth") for at in range(100)} == {None}
    assert opened == []
    assert len(listed) == 2  # that of the files, and that of the folder's own note
