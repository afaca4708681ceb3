"""What gets a name lies on the disk: a power cut leaves the old file or the whole new one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.guard import safe_save
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.publish import publish, temporary_beside
from ckptdoctor.recovery.restore import restore
from tests.builders import save, training_checkpoint


class Disk:
    """What would be left of each file that was given a name, had the power gone at that moment.

    Of those in one folder: imports on the way write bytecode, which nobody syncs.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.synced: dict[int, int] = {}
        self.named: list[tuple[str, int, int]] = []
        self.folders: list[tuple[int, int]] = []
        fsync = os.fsync

        def sync(fd: int) -> None:
            fsync(fd)
            status = os.fstat(fd)
            self.synced[status.st_ino] = status.st_size
            if stat.S_ISDIR(status.st_mode):
                self.folders.append((status.st_ino, len(self.named)))

        def spied(call: Callable[..., None]) -> Callable[..., None]:
            def name(source: Any, target: Any, **options: Any) -> None:
                status = os.stat(source)
                left = self.synced.get(status.st_ino, 0)
                call(source, target, **options)
                if Path(target).parent == folder:
                    self.named.append((Path(target).name, left, status.st_size))

            return name

        monkeypatch.setattr(os, "fsync", sync)
        for call in ("link", "replace", "rename"):
            monkeypatch.setattr(os, call, spied(getattr(os, call)))


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_synced_before_it_gets_its_name_and_the_folder_after(
    force: bool, disk: Disk, tmp_path: Path
) -> None:
    destination = tmp_path / "a.pth"
    with temporary_beside(destination, 0o644) as (path, out):
        out.write(b"x" * 1000)
        publish(path, out, destination, force=force)
    assert disk.named == [("a.pth", 1000, 1000)]
    assert (tmp_path.stat().st_ino, 1) in disk.folders


@pytest.mark.parametrize("edits", [Edits(), Edits(scale_lr=0.5), Edits(to_safetensors=True)])
def test_all_that_restore_names_was_synced(edits: Edits, disk: Disk, tmp_path: Path) -> None:
    source = save(tmp_path / "source.pth", training_checkpoint())
    done = restore(source, tmp_path / "clean.pth", edits)
    assert done.manifest is not None
    assert {done.destination.name, done.manifest.name} <= {name for name, _, _ in disk.named}
    assert [one for one in disk.named if one[1] != one[2]] == []


def test_all_that_the_guard_names_was_synced(disk: Disk, tmp_path: Path) -> None:
    for _ in range(2):
        safe_save({"model": {"w": torch.ones(3)}}, tmp_path / "new.pth")
    assert "new.pth" in {name for name, _, _ in disk.named}
    assert [one for one in disk.named if one[1] != one[2]] == []
