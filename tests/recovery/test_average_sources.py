"""The files that a mean is made of: sound, of one file each, and the same as when examined."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest
import torch

from ckptdoctor.errors import RestoreError
from ckptdoctor.recovery import average_sources
from ckptdoctor.recovery.average_sources import mean_of_files, opened_for_mean, paths_of
from ckptdoctor.recovery.named import checkpoint_named
from ckptdoctor.recovery.source import examined
from tests.builders import save
from tests.recovery.folders.builders import trainer_checkpoint


def file(path: Path, value: float = 1.0, epoch: int = 3) -> Path:
    return save(path, {"model": {"w": torch.full((3,), value)}, "epoch": epoch})


def test_sound_files_are_opened_with_what_they_hold(tmp_path: Path) -> None:
    paths = [file(tmp_path / f"e{epoch}.pth", 1.0, epoch) for epoch in (3, 5)]
    with contextlib.ExitStack() as held:
        found = opened_for_mean([checkpoint_named(path) for path in paths], held, None)
        assert [(one.file.path, one.epoch) for one in found] == [*zip(paths, (3, 5), strict=True)]
        assert [one.checkpoint.tensors[0].fqn for one in found] == ["model.w", "model.w"]
        means = mean_of_files(found)
    assert [one.sha256 for one in means] == [
        hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    ]
    assert [(one.path, one.epoch) for one in means] == [*zip(paths, (3, 5), strict=True)]


def test_what_is_corrupt_or_a_folder_is_no_part_of_a_mean(tmp_path: Path) -> None:
    bad = file(tmp_path / "bad.pth", float("nan"))
    trainer_checkpoint(tmp_path / "checkpoint-100")
    for path, said in (
        (bad, "bad.pth is corrupt"),
        (tmp_path / "checkpoint-100", "checkpoint-100 is a folder"),
    ):
        with contextlib.ExitStack() as held, pytest.raises(RestoreError, match=said):
            opened_for_mean([checkpoint_named(path)], held, None)


def test_what_changed_meanwhile_is_no_part_of_a_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(tmp_path / "a.pth")

    def meanwhile(*arguments: object) -> object:
        found = examined(*arguments)  # type: ignore[arg-type]
        file(tmp_path / "new.pth", 2.0).replace(path)
        return found

    monkeypatch.setattr(average_sources, "examined", meanwhile)
    with contextlib.ExitStack() as held, pytest.raises(RestoreError, match="changed while"):
        opened_for_mean([checkpoint_named(path)], held, None)


def test_every_part_of_a_folder_is_a_source(tmp_path: Path) -> None:
    trainer_checkpoint(tmp_path / "checkpoint-100")
    files = checkpoint_named(tmp_path / "checkpoint-100")
    alone = checkpoint_named(file(tmp_path / "a.pth"))
    found = paths_of([files, alone])
    assert {files.path, tmp_path / "a.pth", *(part.path for part in files.parts)} == set(found)
