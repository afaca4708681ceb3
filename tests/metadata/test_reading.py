"""Epoch, step and metric, from the layouts of those who write checkpoints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckptdoctor.formats import open_checkpoint
from ckptdoctor.metadata import Metadata, MetricKind, Mode, Source, epoch_from_name, read_metadata
from tests.builders import save
from tests.each import each

WEIGHTS = {"w": torch.zeros(2)}


def read(tmp_path: Path, state: dict[str, Any], name: str = "best_model.pth") -> Metadata:
    return read_metadata(open_checkpoint(save(tmp_path / name, state)))


def test_the_guides_layout(tmp_path: Path) -> None:
    state = {"epoch": 88, "model_state_dict": WEIGHTS, "best_iou": 0.6413}
    found = read(tmp_path, state)
    assert (found.epoch, found.epoch_source) == (88, Source.CONTENTS)
    assert found.metric is not None
    assert (found.metric.name, found.metric.value) == ("best_iou", 0.6413)
    assert (found.metric.mode, found.metric.kind) == (Mode.MAX, MetricKind.RUNNING_BEST)


def test_an_own_score_is_preferred_to_the_running_best(tmp_path: Path) -> None:
    state = {"epoch": 90, "model": WEIGHTS, "best_iou": 0.64, "iou": 0.52, "loss": 0.9}
    found = read(tmp_path, state)
    assert found.metric is not None
    assert (found.metric.name, found.metric.kind) == ("iou", MetricKind.SCORE)
    assert {m.name for m in found.metrics} == {"best_iou", "iou", "loss"}


def test_a_running_best_names_the_metric_that_matters(tmp_path: Path) -> None:
    found = read(tmp_path, {"model": WEIGHTS, "loss": 0.3, "best_iou": 0.64, "epoch": 3})
    assert found.metric is not None
    assert found.metric.name == "best_iou"


def test_a_loss_is_better_low(tmp_path: Path) -> None:
    found = read(tmp_path, {"model": WEIGHTS, "val_loss": 0.3})
    assert found.metric is not None
    assert found.metric.mode is Mode.MIN


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_metric_that_is_no_number_is_kept_for_the_rules(tmp_path: Path, value: float) -> None:
    found = read(tmp_path, {"model": WEIGHTS, "best_iou": value})
    assert found.metric is not None
    assert not math.isfinite(found.metric.value)


def test_lightning(tmp_path: Path) -> None:
    callback = {
        "monitor": "val_iou",
        "current_score": torch.tensor(0.52),
        "best_model_score": torch.tensor(0.64),
        "best_model_path": "x",
    }
    state = {
        "epoch": 12,
        "global_step": 1000,
        "state_dict": WEIGHTS,
        "callbacks": {"ModelCheckpoint{'monitor': 'val_iou'}": callback},
    }
    found = read(tmp_path, state, "last.ckpt")
    assert (found.epoch, found.global_step) == (12, 1000)
    assert found.metric is not None
    assert (found.metric.name, found.metric.kind) == ("val_iou", MetricKind.SCORE)
    assert found.metric.value == pytest.approx(0.52)
    best = next(m for m in found.metrics if m.kind is MetricKind.RUNNING_BEST)
    assert best.name == "best_val_iou"
    assert best.value == pytest.approx(0.64)


def test_what_a_script_registered_with_accelerate(tmp_path: Path) -> None:
    progress = {"epoch": 4, "global_step": 90, "best_iou": 0.7, "metrics": {"val": {"iou": 0.6}}}
    found = read(tmp_path, {"custom_checkpoint_1": progress, "layer": WEIGHTS}, "model.pth")
    assert (found.epoch, found.global_step) == (4, 90)
    assert {(m.name, m.value) for m in found.metrics} == {("best_iou", 0.7), ("val.iou", 0.6)}


def test_mmengine(tmp_path: Path) -> None:
    found = read(tmp_path, {"meta": {"epoch": 3, "iter": 1200}, "state_dict": WEIGHTS})
    assert (found.epoch, found.global_step) == (3, 1200)


def test_detectron2(tmp_path: Path) -> None:
    found = read(tmp_path, {"model": WEIGHTS, "iteration": 4999}, "model_0004999.pth")
    assert (found.epoch, found.global_step) == (None, 4999)
    assert read(tmp_path, {"model": WEIGHTS}, "model_0009999.pth").global_step == 9999


def test_ultralytics(tmp_path: Path) -> None:
    found = read(tmp_path, {"epoch": -1, "best_fitness": 0.5, "model": WEIGHTS}, "yolov8n.pt")
    assert found.epoch is None
    assert found.metric is not None
    assert (found.metric.name, found.metric.mode) == ("best_fitness", Mode.MAX)


def test_timm(tmp_path: Path) -> None:
    state = {"epoch": 12, "state_dict": WEIGHTS, "metric": 81.2, "arch": "x"}
    found = read(tmp_path, state, "checkpoint-12.pth.tar")
    assert found.name_epoch == 12
    assert found.metric is not None
    assert (found.metric.name, found.metric.mode) == ("metric", None)


def test_torchtune(tmp_path: Path) -> None:
    assert read(tmp_path, {"epochs_run": 2, "model": WEIGHTS}).epoch == 2


@each(
    ("name", "epoch"),
    [
        ("checkpoint_epoch_88.pth", 88),
        ("epoch=88-step=1000.ckpt", 88),
        ("epoch_088.pth", 88),
        ("ep-007.pt", 7),
        ("net_ep12_final.pth", 12),
        ("chgnet_0.3.0_e29f68s314m37.pth.tar", 29),
        ("checkpoint-12.pth.tar", 12),
        ("checkpoint.7.pt", None),
        ("best_model.pth", None),
        ("last.ckpt", None),
        ("yolov8n.pt", None),
        ("resnet50.pth", None),
        ("model_v2.pth", None),
        ("deep_12.pth", None),
        ("checkpoint-12000.pth", None),
    ],
)
def test_the_epoch_in_a_name(name: str, epoch: int | None) -> None:
    assert epoch_from_name(Path("runs/epoch_3", name)) == epoch


def test_the_name_counts_where_the_contents_say_nothing(tmp_path: Path) -> None:
    found = read(tmp_path, WEIGHTS, "checkpoint_epoch_5.pth")
    assert (found.epoch, found.epoch_source, found.name_epoch) == (5, Source.FILENAME, 5)


def test_the_contents_count_where_both_say_something(tmp_path: Path) -> None:
    found = read(tmp_path, {"epoch": 6, "model": WEIGHTS}, "checkpoint_epoch_5.pth")
    assert (found.epoch, found.epoch_source, found.name_epoch) == (6, Source.CONTENTS, 5)


@each(
    ("stored", "epoch"),
    [
        *((torch.tensor(4), 4), (torch.tensor([4]), 4), (torch.tensor(2.5), 2.5)),
        *((np.int64(4), 4), (np.float32(0.25), 0.25), (np.array(4), 4), (np.array([4]), 4)),
        *((torch.tensor(4.0, dtype=torch.bfloat16), 4), (4.0, 4), (4.5, 4.5)),
        *(("4", 4), ("004", 4), ("4.5", 4.5)),
    ],
)
def test_an_epoch_may_be_a_number_of_any_kind(tmp_path: Path, stored: Any, epoch: float) -> None:
    found = read(tmp_path, {"model": WEIGHTS, "epoch": stored}).epoch
    assert (found, type(found)) == (epoch, type(epoch))


@each(
    "senseless", [True, math.nan, math.inf, 1e30, -1, "-1", "four", "4e3", "", " ", torch.ones(2)]
)
def test_an_epoch_is_no_flag_and_no_nan(tmp_path: Path, senseless: Any) -> None:
    assert read(tmp_path, {"model": WEIGHTS, "epoch": senseless}).epoch is None


def test_words_that_only_look_like_metrics_are_none(tmp_path: Path) -> None:
    state = {
        "model": WEIGHTS,
        "feature_map_size": 3,
        "accumulation_steps": 4,
        "lossless": 1,
        "args": {"loss": 0.5, "best_iou": 1.0},
        "history": {"loss": {"train": [0.5, 0.4]}},
        "optimizer": {"param_groups": [{"lr": 1e-3, "loss": 1}], "state": {}},
    }
    assert {m.name for m in read(tmp_path, state).metrics} == set()


@each(
    ("key", "mode"),
    [
        *(("mIoU", Mode.MAX), ("IoU", Mode.MAX), ("best_mIoU", Mode.MAX), ("bestIoU", Mode.MAX)),
        *(("best_mAP50", Mode.MAX), ("mAP50-95", Mode.MAX), ("coco/bbox_mAP", Mode.MAX)),
        *(("val/recall@5", Mode.MAX), ("best_acc1", Mode.MAX), ("Dice", Mode.MAX)),
        *(("valLoss", Mode.MIN), ("train_loss_epoch", Mode.MIN), ("best_val_rmse", Mode.MIN)),
        *(
            ("_best_ema", Mode.MAX),
            ("metric", None),
            ("best_metric", None),
            ("monitor_value", None),
        ),
    ],
)
def test_the_many_spellings_of_a_metric(tmp_path: Path, key: str, mode: Mode | None) -> None:
    found = read(tmp_path, {"model": WEIGHTS, key: 0.5}).metric
    assert found is not None
    assert (found.name, found.mode) == (key, mode)
    assert (found.kind is MetricKind.RUNNING_BEST) == ("best" in key.lower())


@each(
    "key",
    [
        *("feature_map", "map_size", "best_iou_epoch", "best_epoch", "loss_scale", "loss_weight"),
        *("accumulation_steps", "lossless", "score_threshold", "error_count", "metric_margin"),
        *("best", "precision_bits", "anomaly_score"),
    ],
)
def test_what_only_sounds_like_a_metric_is_none(tmp_path: Path, key: str) -> None:
    assert read(tmp_path, {"model": WEIGHTS, key: 0.5}).metrics == ()


def test_a_word_that_two_names_share_is_not_what_makes_them_one_metric(tmp_path: Path) -> None:
    found = read(tmp_path, {"model": WEIGHTS, "val_loss": 0.3, "best_val_iou": 0.64})
    assert found.metric is not None
    assert found.metric.name == "best_val_iou"


def test_each_lightning_callback_has_its_own_monitor_and_says_its_direction(
    tmp_path: Path,
) -> None:
    callbacks = {
        f"ModelCheckpoint{{'monitor': '{monitor}', 'mode': '{mode}'}}": {
            "monitor": monitor,
            "best_model_score": torch.tensor(value),
            "current_score": None,
        }
        for monitor, mode, value in (("val_loss", "min", 0.25), ("val/quality", "max", 0.75))
    }
    found = read(tmp_path, {"state_dict": WEIGHTS, "callbacks": callbacks}, "last.ckpt")
    assert {(m.name, m.value, m.mode) for m in found.metrics} == {
        ("best_val_loss", 0.25, Mode.MIN),
        ("best_val/quality", 0.75, Mode.MAX),
    }


def test_hugging_face_writes_weights_alone(tmp_path: Path) -> None:
    assert read(tmp_path, WEIGHTS, "pytorch_model.bin") == Metadata()
    (tmp_path / "checkpoint-500").mkdir()
    assert read(tmp_path, WEIGHTS, "checkpoint-500/pytorch_model.bin").global_step == 500


@each(
    ("name", "epoch", "step"),
    [
        ("epoch=88-step=1000.ckpt", 88, 1000),
        ("epoch=3-val_loss=0.31-v1.ckpt", 3, None),
        ("loss0.3-epoch12.ckpt", 12, None),
        ("val_loss=0.31-epoch=12-step=7.ckpt", 12, 7),
        ("model_0.3_e29.pth", 29, None),
        ("model.e29.pth", 29, None),
        ("e2e_mask_rcnn.pth", None, None),
        ("iter_20000.pth", None, 20000),
        ("model_it500.pt", None, 500),
        ("vit_16.pth", None, None),
        ("twitter5.pth", None, None),
        ("footstep3.pt", None, None),
        ("checkpoint-500.safetensors", 500, None),
    ],
)
def test_epoch_and_step_in_a_name(
    tmp_path: Path, name: str, epoch: int | None, step: int | None
) -> None:
    if name.endswith(".safetensors"):
        assert epoch_from_name(Path(name)) == epoch
        return
    found = read(tmp_path, WEIGHTS, name)
    assert (found.epoch, found.global_step) == (epoch, step)


def test_nothing_known_is_said_plainly(tmp_path: Path) -> None:
    assert read(tmp_path, WEIGHTS) == Metadata()


def test_a_monitor_of_unknown_direction_is_not_guessed(tmp_path: Path) -> None:
    callback = {"monitor": "quality", "current_score": torch.tensor(0.5)}
    found = read(tmp_path, {"state_dict": WEIGHTS, "callbacks": {"ModelCheckpoint": callback}})
    assert found.metric is not None
    assert (found.metric.name, found.metric.mode) == ("quality", None)


@pytest.mark.parametrize("key", ["epoch", "global_step", "best_iou", "loss", "other"])
def test_an_integer_too_large_for_a_float_is_no_count_and_no_metric(
    tmp_path: Path, key: str
) -> None:
    found = read(tmp_path, {key: 1 << 2000}, "model.pth")
    assert (found.epoch, found.global_step, found.metric) == (None, None, None)


def test_of_a_thousand_metrics_and_more_the_first_are_kept(tmp_path: Path) -> None:
    found = read(tmp_path, {f"iou_{at}": 0.5 for at in range(3000)}, "model.pth")
    assert len(found.metrics) == 1000
