"""Epoch and score as names of files tell them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ckptdoctor.formats import open_checkpoint
from ckptdoctor.metadata import Metadata, MetricKind, Mode, Source, epoch_from_name, read_metadata
from tests.builders import save
from tests.each import each

WEIGHTS = {"w": torch.zeros(2)}


def read(tmp_path: Path, name: str, state: dict[str, Any] | None = None) -> Metadata:
    return read_metadata(
        open_checkpoint(save(tmp_path / name, {"model": WEIGHTS, **(state or {})}))
    )


@each(
    ("name", "epoch"),
    [
        *(("epoch_1.5.pth", 1.5), ("epoch=0.33-x.ckpt", 0.33), ("ep2.0.pt", 2), ("ep08.pth", 8)),
        *(("epoch.3.100.pt", 3), ("epoch_12_0.81.pt", 12), ("epoch_4.1234.pt", 4)),
        *(("epoch_1.2.3.pt", 1), ("epoch2_10.pt", 2), ("unet_5.pth", None)),
    ],
)
def test_a_fraction_of_epochs_in_a_name_stays_one(name: str, epoch: float | None) -> None:
    found = epoch_from_name(Path(name))
    assert (found, type(found)) == (epoch, type(epoch))


@each(
    ("name", "value", "mode"),
    [
        *(("model_0.823.pth", 0.823, Mode.MAX), ("best_0.91.pt", 0.91, Mode.MAX)),
        *(("0.777.pth", 0.777, Mode.MAX), ("epoch_12_0.81.pth", 0.81, Mode.MAX)),
        *(("net-81.5.pth.tar", 81.5, Mode.MAX), ("best_model=0.640.ckpt", 0.64, Mode.MAX)),
        *(("resnet_fold3_0.912.pth", 0.912, Mode.MAX), ("model_2.31.pth", 2.31, None)),
        *(("weights_123.45.pt", 123.45, None), ("ckpt_1.00.pt", 1.0, Mode.MAX)),
    ],
)
def test_a_decimal_number_without_a_word_is_a_score(
    tmp_path: Path, name: str, value: float, mode: Mode | None
) -> None:
    (found,) = read(tmp_path, name).metrics
    assert (found.name, found.value, found.mode) == ("score", value, mode)
    assert (found.kind, found.source) == (MetricKind.SCORE, Source.FILENAME)


@each(
    "name",
    [
        *("model_v1.5.pth", "llama-3.1.bin", "sd_2.1.ckpt", "torch2.0.pt", "model_lr0.001.pth"),
        *("model_wd0.01.pth", "dropout0.25.pt", "scale_0.18.pt", "alpha-0.75.pt", "t0.70.pt"),
        *("qwen_0.5B.bin", "model_2.1.pth", "model-1.0.pth", "model_0.5.pth", "model_0.3.0.pth"),
        *("model_0.81_ema.pth", "net_0.31-x.pt", "model_5.pth", "model_1e-4.pth", "0.81_3.pth"),
        *("lr0.001_0.01.pth", "unet_0.95.pth", "best.pth"),
    ],
)
def test_versions_rates_and_sizes_are_no_scores(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, name).metrics == ()


def test_a_number_in_a_name_may_be_a_metric_of_the_contents_rounded(tmp_path: Path) -> None:
    found = read(tmp_path, "model_0.31.pth", {"val_loss": 0.3127})
    assert [metric.name for metric in found.metrics] == ["val_loss"]
    found = read(tmp_path, "model_0.31.pth", {"val_loss": 0.3227})
    assert [metric.name for metric in found.metrics] == ["val_loss", "score"]


@each(
    ("name", "metric", "value"),
    [
        *(("best_model_val_iou_0.64.pth", "val_iou", 0.64), ("model_dice_0.8.pth", "dice", 0.8)),
        *(
            ("epoch_12_val_dsc_0.81.pth", "val_dsc", 0.81),
            ("e=3-val_loss=-17.2.ckpt", "val_loss", -17.2),
        ),
        *(("x-hd95=3.25.pth", "hd95", 3.25), ("net_map50_0.61.pt", "map50", 0.61)),
    ],
)
def test_a_score_with_its_name(tmp_path: Path, name: str, metric: str, value: float) -> None:
    (found,) = read(tmp_path, name).metrics
    assert (found.name, found.value, found.kind) == (metric, value, MetricKind.SCORE)


def test_a_score_whose_name_is_not_understood_is_told(tmp_path: Path) -> None:
    found = read(tmp_path, "epoch_12_val_foo_0.81.pth")
    assert found.metrics == ()
    (told,) = found.not_understood
    assert (told.name, told.value, told.mode) == ("val_foo", 0.81, None)
    assert read(tmp_path, "best_model_0.81.pth").not_understood == ()
    assert read(tmp_path, "model_val_split_0.25.pth").not_understood == ()
