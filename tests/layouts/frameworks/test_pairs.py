from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.layouts.files import PartRole
from ckptdoctor.layouts.frameworks.pairs import LAYOUT
from ckptdoctor.layouts.frameworks.part_words import part_words
from tests.each import each
from tests.layouts.claims import claims, touch


def together(folder: Path, names: list[str]) -> list[list[str]]:
    """The names of the parts of each checkpoint."""
    found = claims(LAYOUT, touch(folder, names))
    return sorted([part.name for part in files.parts] for files in found)


@each(
    "names",
    [
        ["model_epoch_3.pth", "optimizer_epoch_3.pth"],
        ["net_3.pth", "optim_3.pth"],
        ["unet_10.pt", "opt_10.pt"],
        ["3_net_G.pth", "3_optim_G.pth"],
        ["pytorch_model_3.bin", "optimizer_3.bin"],
        ["model_3.safetensors", "optimizer_3.pt"],
        ["model-step=300.pt", "optimizer-step=300.pt"],
        ["epoch3_model.pt", "epoch3_optimizer_state_dict.pt"],
        ["epoch_3.pt", "epoch_3_optimizer.pt"],
        ["model_best.pth", "optimizer_best.pth"],
        ["model.pth", "optimizer.pth"],
        ["model_3.pth", "lr_scheduler_3.pth", "grad_scaler_3.pth", "optimizer_3.pth", "rng_3.pth"],
        ["model010000.pt", "ema_0.9999_010000.pt", "opt010000.pt"],
        ["model_3.pth.tar", "optimizer_3.pth.tar"],
    ],
)
def test_a_model_and_what_lies_beside_it_are_one(tmp_path: Path, names: list[str]) -> None:
    assert [sorted(one) for one in together(tmp_path, names)] == [sorted(names)]
    assert claims(LAYOUT, tmp_path)[0].path == tmp_path / names[0]
    assert claims(LAYOUT, tmp_path)[0].parts[0].name == names[0]


@each(
    "names",
    [
        ["3_net_G.pth", "3_net_D.pth"],
        ["model_3.pth", "optimizer_4.pth"],
        ["optimizer_3.pth"],
        ["model_3.pth", "model_4.pth"],
        ["actor_3.pth", "critic_3.pth", "optimizer_3.pth"],
        ["model_3.pth", "net_3.pth", "optimizer_3.pth"],
        ["model_best.pth", "optimizer.pth"],
        ["unet_best_3.pth", "optimizer_3.pth"],
        ["model_3.pth", "model_optimizer_3.pth"],
        ["model_3.pth", "optimizer_3.txt"],
        ["opt-125m.pt", "opt-350m.pt"],
        ["model_3.pth", ".optimizer_3.pth"],
    ],
)
def test_what_does_not_belong_together_is_left_alone(tmp_path: Path, names: list[str]) -> None:
    assert together(tmp_path, names) == []


def test_each_of_a_series_has_its_own(tmp_path: Path) -> None:
    names = [f"{part}_epoch_{n}.pth" for n in (1, 2) for part in ("model", "optimizer")]
    assert together(tmp_path, names) == [
        ["model_epoch_1.pth", "optimizer_epoch_1.pth"],
        ["model_epoch_2.pth", "optimizer_epoch_2.pth"],
    ]


def test_two_models_are_two_runs(tmp_path: Path) -> None:
    names = ["3_net_G.pth", "3_net_D.pth", "3_optim_G.pth", "3_optim_D.pth"]
    assert together(tmp_path, names) == [
        ["3_net_D.pth", "3_optim_D.pth"],
        ["3_net_G.pth", "3_optim_G.pth"],
    ]


def test_parts_are_told_apart_by_their_words(tmp_path: Path) -> None:
    touch(tmp_path, ["model010.pt", "ema_0.99_010.pt", "ema_0.999_010.pt", "opt010.pt"])
    [found] = claims(LAYOUT, tmp_path)
    assert [(part.prefix, part.role, part.sibling) for part in found.parts] == [
        ("", PartRole.MODEL, "model"),
        ("ema_0.999.", PartRole.EMA, "ema_0.999"),
        ("ema_0.99.", PartRole.EMA, "ema_0.99"),
        ("opt.", PartRole.OPTIMIZER, "opt"),
    ]


def test_the_only_model_without_an_optimizer_is_of_the_series(tmp_path: Path) -> None:
    names = [f"{part}_{n}.pth" for n in (1, 2) for part in ("model", "optimizer")]
    assert ["model_3.pth"] in together(tmp_path, [*names, "model_3.pth"])


def test_models_whose_optimizers_were_thrown_away_are_files_of_their_own(tmp_path: Path) -> None:
    names = ["model_1.pth", "model_2.pth", "model_3.pth", "optimizer_3.pth", "optimizer_2.pth"]
    touch(tmp_path, ["model_0.pth"])
    assert [one[0] for one in together(tmp_path, names)] == ["model_2.pth", "model_3.pth"]


def test_a_folder_with_a_number_is_the_checkpoint(tmp_path: Path) -> None:
    touch(tmp_path / "epoch_3", ["model.pt", "optimizer.pt", "notes.txt"])
    assert claims(LAYOUT, tmp_path / "epoch_3")[0].path == tmp_path / "epoch_3"
    touch(tmp_path / "epoch_3", ["best.pt"])
    assert claims(LAYOUT, tmp_path / "epoch_3")[0].path == tmp_path / "epoch_3/model.pt"


def test_a_folder_alone_of_its_series_has_no_optimizer(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        touch(tmp_path / f"epoch_{epoch}", ["model.pt", "optimizer.pt", "config.json"])
    (tmp_path / "epoch_3/optimizer.pt").unlink()
    assert claims(LAYOUT, tmp_path / "epoch_3")[0].path == tmp_path / "epoch_3"
    (tmp_path / "epoch_2/optimizer.pt").unlink()
    assert claims(LAYOUT, tmp_path / "epoch_3") == []


@pytest.mark.parametrize(
    ("folder", "is_checkpoint"),
    [("epoch=3-step=90", True), ("300", True), ("exp3", False), ("step1_sft", False)],
)
def test_a_folder_of_a_run_is_no_checkpoint(
    tmp_path: Path, folder: str, *, is_checkpoint: bool
) -> None:
    touch(tmp_path / folder, ["model.pt", "optimizer.pt"])
    path = claims(LAYOUT, tmp_path / folder)[0].path
    assert path == (tmp_path / folder if is_checkpoint else tmp_path / folder / "model.pt")


@each(
    ("name", "role", "rest"),
    [
        ("optimizer_epoch_3.pth", PartRole.OPTIMIZER, ("epoch", "3")),
        ("model_world_size_8.pt", PartRole.MODEL, ("world", "size", "8")),
        ("extra_state_world_size_8.pt", PartRole.STATE, ("world", "size", "8")),
        ("random_states_0.pt", PartRole.RNG, ("0",)),
        ("adoption_3.pt", PartRole.MODEL, ("adoption", "3")),
        ("iou_0.64.pt", PartRole.MODEL, ("iou", "0.64")),
    ],
)
def test_words_announce_a_part(name: str, role: PartRole, rest: tuple[str, ...]) -> None:
    found = part_words(name)
    assert (found.role, found.rest) == (role, rest)
