"""``autopsy`` and ``repair`` of what each framework leaves: an answer, and never a crash."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from tests.builders import save
from tests.cli.support import run
from tests.layouts.folders import TWINS
from tests.layouts.folders.truth import Layout


@pytest.mark.slow
@pytest.mark.parametrize("layout", TWINS, ids=lambda one: one.name)
def test_of_every_layout_a_healthy_series_is_called_so(layout: Layout, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    layout.build(folder)
    told = run("autopsy", folder, "--no-cache")
    assert told.code == 0, told.stderr
    assert "nothing went wrong" in told.stdout
    assert "No tensor turned to NaN or Inf" in told.stdout
    assert "cannot be told from 3 checkpoints" in re.sub(r"\s+", " ", told.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("layout", TWINS, ids=lambda one: one.name)
def test_of_every_file_a_flipped_bit_is_put_right_or_refused(
    layout: Layout, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    layout.build(folder)
    seen: set[str] = set()
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        whole = path.read_bytes()
        middle = len(whole) // 2
        kind = re.sub(r"\d+", "#", path.name)
        if not whole or kind in seen:
            continue
        seen.add(kind)
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :])
        destination = tmp_path / "repaired"
        told = run("repair", path, "-o", destination, "--force")
        assert told.code in (0, 4), (path, told.stderr)
        assert "Traceback" not in told.stderr
        if told.code == 4:
            assert told.stderr.startswith(f"ckptdoctor: {path}: "), told.stderr
        elif destination.exists():
            assert destination.read_bytes() == whole, path
            destination.unlink()


def test_a_file_of_a_distributed_checkpoint_is_no_cut_archive(tmp_path: Path) -> None:
    one, other = (save(tmp_path / name, {"w": torch.ones(3)}) for name in ("a.pth", "b.pth"))
    path = tmp_path / "__0_0.distcp"
    path.write_bytes(one.read_bytes() + other.read_bytes())
    told = run("repair", path)
    assert told.code == 4
    assert "an archive for each piece of a tensor" in told.stderr


def test_files_without_a_tensor_are_said_to_be_that(tmp_path: Path) -> None:
    for epoch in range(7):
        save(tmp_path / f"epoch_{epoch}.pth", {"epoch": epoch})
    told = run("autopsy", tmp_path, "--no-cache")
    assert (told.code, told.stdout) == (3, "")
    assert "none of the checkpoints holds a tensor" in told.stderr


def test_of_files_that_cannot_be_read_nothing_is_said_of_tensors(tmp_path: Path) -> None:
    for epoch in range(3):
        path = save(tmp_path / f"epoch_{epoch}.pth", {"w": torch.ones(3)})
        path.write_bytes(path.read_bytes()[:50])
    told = run("autopsy", tmp_path, "--no-cache")
    assert told.code == 0
    assert "No tensor could be read" in told.stdout
    assert "turned to NaN" not in told.stdout
