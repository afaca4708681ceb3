"""Who may read what was written: the copy whoever could read the source, the note by the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from ckptdoctor.guard import CheckpointKeeper, safe_save
from ckptdoctor.manifest import manifest_path
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.restore import restore
from tests.builders import save, training_checkpoint

UMASKS = [0o000, 0o002, 0o022, 0o027, 0o077]


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def plain(folder: Path) -> int:
    """What open() gives a new file here and now."""
    path = folder / "plain"
    path.write_text("")
    return mode(path)


@pytest.mark.parametrize("edits", [Edits(), Edits(scale_lr=0.5), Edits(to_safetensors=True)])
@pytest.mark.parametrize("mask", UMASKS)
@pytest.mark.one_in(3)
def test_a_restored_file_and_its_note(mask: int, edits: Edits, tmp_path: Path) -> None:
    source = save(tmp_path / "source.pth", training_checkpoint())
    source.chmod(0o440)
    with umask(mask):
        for force in (False, True):
            done = restore(source, tmp_path / "clean.pth", edits, force=force)
            assert done.manifest == manifest_path(done.destination)
            assert mode(done.destination) == 0o640  # as the source, and its owner may write
            assert mode(done.manifest) == plain(tmp_path) == 0o666 & ~mask


@pytest.mark.parametrize("mask", UMASKS)
@pytest.mark.one_in(3)
def test_what_the_guard_saves(mask: int, tmp_path: Path) -> None:
    state = {"model": {"w": torch.ones(3)}}
    with umask(mask):
        safe_save(state, tmp_path / "new.pth")
        assert mode(tmp_path / "new.pth") == plain(tmp_path)
        (tmp_path / "new.pth").chmod(0o604)
        safe_save(state, tmp_path / "new.pth")
        assert mode(tmp_path / "new.pth") == 0o604
        keeper = CheckpointKeeper(tmp_path / "kept", every=1, rank=0)
        keeper.save(state, epoch=1, metric=0.5)
        for name in ("keeper.json", "best_model.pth", "checkpoint_epoch_1.pth"):
            assert mode(tmp_path / "kept" / name) == plain(tmp_path), name
        (tmp_path / "kept" / "keeper.json").chmod(0o600)
        keeper.save(state, epoch=2, metric=0.6)
        assert mode(tmp_path / "kept" / "keeper.json") == 0o600
