from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ckptdoctor.layouts.frameworks import dcp
from ckptdoctor.layouts.frameworks.megatron.iterations import LAYOUT
from ckptdoctor.layouts.registry import LAYOUTS
from tests.formats.dcp.folders import write
from tests.layouts.claims import absent, claim, claims, roles, touch

META = {"sharded_backend": "torch_dist", "sharded_backend_version": 1}


def distributed(folder: Path) -> Path:
    """As ``dist_checkpointing.save`` leaves it."""
    write(folder, {"model.w": torch.ones(3)}, files=1)
    torch.save({"iteration": 50, "optimizer": {"param_groups": []}}, folder / "common.pt")
    (folder / "metadata.json").write_text(json.dumps(META))
    return folder


@pytest.fixture
def iteration(tmp_path: Path) -> Path:
    return distributed(tmp_path / "iter_0000050")


def test_what_is_not_sharded_belongs_to_the_folder(iteration: Path) -> None:
    found = claim(LAYOUT, iteration)
    assert (found.path, found.layout) == (iteration, "megatron")
    assert found.scalars == {"global_step": 50}
    assert found.finished == "metadata.json"
    assert roles(found) == {
        "__0_0.distcp": "model",
        ".metadata": "model",
        "common.pt": "optimizer",
        "metadata.json": "state",
    }
    assert absent(found) == {}


def test_it_is_asked_before_what_it_stands_upon() -> None:
    assert LAYOUTS.index(LAYOUT) < LAYOUTS.index(dcp.LAYOUT)


@pytest.mark.parametrize(
    ("lost", "role"),
    [
        ("__0_0.distcp", "model"),
        (".metadata", "model"),
        ("common.pt", "optimizer"),
        ("metadata.json", "state"),
    ],
)
def test_each_part_is_missed(iteration: Path, lost: str, role: str) -> None:
    (iteration / lost).unlink()
    assert absent(claim(LAYOUT, iteration)) == {lost: role}


def test_a_cut_description_is_damage(iteration: Path) -> None:
    (iteration / "metadata.json").write_text('{"sharded_ba')
    [one] = claim(LAYOUT, iteration).absent
    assert (one.name, one.problem) == ("metadata.json", "it holds no JSON object")


def test_nemo_keeps_it_beside_its_context(tmp_path: Path) -> None:
    folder = tmp_path / "model--val_loss=2.1-step=50"
    distributed(folder / "weights")
    touch(folder, ["context/model.yaml"])
    found = claim(LAYOUT, folder)
    assert (found.path, found.finished) == (folder, "weights/metadata.json")
    assert "weights/common.pt" in roles(found)
    assert all((folder / name).exists() for name in roles(found))


def test_a_folder_of_torch_alone_is_none_of_megatrons(tmp_path: Path) -> None:
    folder = write(tmp_path / "iter_0000050", {"model.w": torch.ones(3)}, files=1)
    (folder / "metadata.json").write_text('{"version": 1}')
    assert claims(LAYOUT, folder) == []
