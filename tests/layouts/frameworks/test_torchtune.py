from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.checkpoint import Role
from ckptdoctor.layouts.files import PartRole
from ckptdoctor.layouts.frameworks.torchtune import LAYOUT
from tests.builders import save
from tests.layouts.folders_of_names import (
    SHARDS,
    claimed,
    claims,
    folder_of,
    prefixes,
    roles,
    three_shards,
)

INDEX = "model.safetensors.index.json"


@pytest.mark.parametrize("name", ["epoch_0", "step_500"])
def test_one_checkpoint_with_its_recipe(tmp_path: Path, name: str) -> None:
    path = folder_of(
        tmp_path / name, *SHARDS, "recipe_state.pt", "config.json", texts={INDEX: three_shards()}
    )
    files = claimed(LAYOUT, path)
    assert [part.name for part in files.parts][:3] == list(SHARDS)
    assert roles(files)["recipe_state.pt"] is PartRole.OPTIMIZER
    assert prefixes(files)["recipe_state.pt"] == "recipe_state."
    assert files.finished == "recipe_state.pt"
    assert not files.absent


def test_what_is_no_optimizer_in_the_recipe(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "epoch_0", "model-00001-of-00001.bin", "recipe_state.pt")
    (recipe,) = (part for part in claimed(LAYOUT, path).parts if part.name == "recipe_state.pt")
    assert recipe.role_of is not None
    assert recipe.role_of("rng_state") is Role.OTHER
    assert recipe.role_of("optimizer.state.0.exp_avg") is None


def test_adapters_in_two_forms(tmp_path: Path) -> None:
    names = ("adapter_model.pt", "adapter_model.safetensors", "adapter_config.json")
    files = claimed(LAYOUT, folder_of(tmp_path / "epoch_1", *names))
    assert roles(files)["adapter_model.pt"] is PartRole.MODEL
    assert len({prefixes(files)[name] for name in names[:2]}) == 2


@pytest.mark.parametrize("counted", [None, 1, 2])
def test_a_recipe_of_the_run(tmp_path: Path, counted: int | None) -> None:
    recipe = folder_of(tmp_path / "recipe_state", "recipe_state.pt") / "recipe_state.pt"
    if counted is not None:
        save(recipe, {"epochs_run": counted, "optimizer": {}})
    for epoch in (0, 1):
        folder_of(tmp_path / f"epoch_{epoch}", *SHARDS, texts={INDEX: three_shards()})
    owner = 1 if counted is None else counted - 1  # the newest, where it cannot be read
    for epoch in (0, 1):
        files = claimed(LAYOUT, tmp_path / f"epoch_{epoch}")
        parts = {part.name: part.path for part in files.parts}
        assert (parts.get("recipe_state/recipe_state.pt") == recipe) == (epoch == owner)
        assert not files.absent
    assert not claims(LAYOUT, tmp_path / "recipe_state")


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("epoch_1", ("model.safetensors",)),
        ("epoch_1", ("model.pth", "optimizer.pth")),
        ("final", ("model.safetensors", "recipe_state.pt")),
    ],
)
def test_what_is_not_its(tmp_path: Path, name: str, files: tuple[str, ...]) -> None:
    assert not claims(LAYOUT, folder_of(tmp_path / name, *files))
