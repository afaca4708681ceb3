"""Names of files taken apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.metadata import NameParts, name_parts
from tests.each import each


def parts(name: str) -> NameParts:
    return name_parts(Path("some/epoch_7", name))


@each(
    ("name", "numbers"),
    [
        ("unet_5.pth", [("unet", 5)]),
        ("11.pth", [("", 11)]),
        ("style-000004.safetensors", [("style", 4)]),
        ("epoch2_10.pt", [("epoch", 2), ("", 10)]),
        ("epoch_no_thresh_5.pt", [("thresh", 5)]),
        ("EP08.pth", [("ep", 8)]),
        ("model_0.823.pth", [("model", 0.823)]),
        ("epoch=3-step=1200.ckpt", [("epoch", 3), ("step", 1200)]),
        ("epoch=3-val_loss=-17.25-v1.ckpt", [("epoch", 3), ("loss", -17.25), ("v", 1)]),
        ("checkpoint-12.pth.tar", [("checkpoint", 12)]),
        ("net_0.3.0_e29.pth.tar", [("net", 0), ("", 3), ("", 0), ("e", 29)]),
        ("run_lr1e-4_ep3.pt", [("lr", 1e-4), ("ep", 3)]),
        ("2024.05.17_12e-coco.pth", [("", 2024), ("", 5), ("", 17), ("", 12)]),
        ("best.pth", []),
    ],
)
def test_each_number_knows_the_word_before_it(name: str, numbers: list[tuple[str, float]]) -> None:
    found = parts(name).numbers
    assert [(number.word, number.value) for number in found] == numbers
    for number in found:
        assert name[number.start :].startswith(number.text)
        assert isinstance(number.value, float) == number.is_decimal


@each(
    ("name", "family"),
    [
        *(("unet_5.pth", "unet"), ("unet_epoch_5_val_iou=0.64.pth.tar", "unet"), ("11.pth", "")),
        *(
            ("model_0.711.pth", "model"),
            ("epoch2_10.pt", ""),
            ("segformer_epoch_3.pth", "segformer"),
        ),
        *(("G_1000.pth", "g"), ("D_1000.pth", "d"), ("epoch_no_thresh_5.pt", "no thresh")),
        *(("epoch=3-step=40-val_loss=0.31.ckpt", ""), ("best_model.pth", "best model")),
        *(("checkpoint.pth", ""), ("unet.best.pth", "unet best"), ("global_step500", "")),
        *(("global_model_5.pth", "global model"), ("e2e_mask_rcnn_12.pth", "e mask rcnn")),
        *(
            ("model.e29.pth", "model"),
            ("net_it500.pth", "net"),
            ("unet_val_foo_0.8.pt", "unet val foo"),
        ),
        *(("Caption_BLEU_0.31.bin", "caption"), ("iou_net_3.pth", "iou net")),
    ],
)
def test_a_family_is_what_the_files_of_a_run_share(name: str, family: str) -> None:
    assert " ".join(parts(name).family) == family


def test_words_are_all_words() -> None:
    found = parts("UNet-epoch2_val_iou=0.64.pth.tar")
    assert found.words == ("unet", "epoch", "val", "iou")
    assert found.stem == "UNet-epoch2_val_iou=0.64"


@pytest.mark.parametrize(
    "name", ["9" * 5000, "1." + "9" * 400, "0" * 300 + ".5", "²_٣.pth", "1e-" + "9" * 200]
)
def test_no_name_is_too_odd(name: str) -> None:
    parts(name)
