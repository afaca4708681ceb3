"""Folders of Lightning's sharded checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ckptdoctor.layouts.files import PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks.lightning import LAYOUT
from tests.formats.dcp.folders import write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As Lightning writes it."""
    folder = write(tmp_path / "epoch=3-step=40.ckpt", {"model.w": torch.ones(3)}, files=1)
    torch.save({"epoch": 3, "global_step": 40}, folder / "meta.pt")
    return folder


def test_meta_belongs_to_the_folder(folder: Path) -> None:
    (found,) = LAYOUT.claim(Folder(folder))
    assert found.layout == "lightning"
    assert [(part.name, part.role) for part in found.parts] == [
        ("__0_0.distcp", PartRole.MODEL),
        (".metadata", PartRole.MODEL),
        ("meta.pt", PartRole.STATE),
    ]
    assert not found.absent


def test_meta_is_missed_where_the_folder_is_named_as_lightning_names_it(folder: Path) -> None:
    (folder / "meta.pt").unlink()
    (found,) = LAYOUT.claim(Folder(folder))
    assert [(one.name, one.role) for one in found.absent] == [("meta.pt", PartRole.STATE)]


def test_meta_alone_is_none(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "meta.pt")
    assert list(LAYOUT.claim(Folder(tmp_path))) == []
