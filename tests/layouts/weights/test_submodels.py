"""Models in the folders below: which is an average, and which are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.layouts.files import PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.weights.submodels import models_below, names_of_modules
from tests.each import each
from tests.layouts.folders_of_names import folder_of

FILE = "diffusion_pytorch_model.safetensors"


@each(
    ("name", "role"),
    [
        ("unet", PartRole.MODEL),
        ("unet_ema", PartRole.EMA),
        ("ema_unet", PartRole.EMA),
        ("EMA", PartRole.EMA),
        ("Unet_EMA", PartRole.EMA),
        ("cinema", PartRole.MODEL),
        ("schema_net", PartRole.MODEL),
    ],
)
def test_a_folder_that_says_so_holds_an_average(name: str, role: PartRole, tmp_path: Path) -> None:
    folder = Folder(folder_of(tmp_path, f"{name}/{FILE}", "empty/config.json"))
    found = models_below(folder, [name, "empty"])
    parts = {part.name: (part.role, part.prefix) for part in found.parts}
    assert parts == {f"{name}/{FILE}": (role, f"{name}.")}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('[{"path": ""}, {"path": "2_Dense"}, {"path": "gone"}, 3]', ["2_Dense"]),
        ("[]", []),
        ('[{"path": "2_De', []),
        ("[" * 200_000, []),  # deeper than Python reads
        ("", []),
    ],
)
def test_modules_are_those_that_are_named_and_there(
    text: str, names: list[str], tmp_path: Path
) -> None:
    path = folder_of(tmp_path, "2_Dense/config.json", "other/config.json")
    assert names_of_modules(Folder(path)) == []
    (path / "modules.json").write_text(text)
    assert names_of_modules(Folder(path)) == names
