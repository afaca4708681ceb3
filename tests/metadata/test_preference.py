"""Which of the metrics of a file is looked at."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import torch

from ckptdoctor.formats import open_checkpoint
from ckptdoctor.metadata import Mode, metric_called, read_metadata
from tests.builders import save
from tests.each import each

WEIGHTS = {"w": torch.zeros(2)}


def chosen(tmp_path: Path, state: dict[str, Any]) -> set[str]:
    """The names of what is chosen, whatever the order of the keys."""
    found = set()
    for order in itertools.permutations(state.items()):
        path = save(tmp_path / "model.pth", {"model": WEIGHTS, **dict(order)})
        metric = read_metadata(open_checkpoint(path)).metric
        found.add("" if metric is None else metric.name)
    return found


@each(
    ("keys", "name"),
    [
        ("train_loss val_loss", "val_loss"),
        ("loss val_loss", "val_loss"),
        ("loss best_val_loss", "best_val_loss"),
        ("iou val_iou", "val_iou"),
        ("accuracy val_accuracy", "val_accuracy"),
        ("loss acc val_loss val_acc", "val_acc"),
        ("train_iou val_loss", "val_loss"),
        ("loss val_loss best_loss", "val_loss"),
        ("train_loss best_loss", "best_loss"),
        ("dice dice_loss best_dice", "dice"),
        ("iou best_val_iou", "best_val_iou"),
        ("iou loss best_iou", "iou"),
        ("cls_loss loss best_loss", "loss"),
        ("iou test_dice", "test_dice"),
        ("train_loss train_acc", "train_acc"),
        ("precision recall f1 loss", "f1"),
        ("recall loss", "recall"),
        ("val_precision val_recall map50", "map50"),
    ],
)
def test_validation_before_training(tmp_path: Path, keys: str, name: str) -> None:
    assert chosen(tmp_path, dict.fromkeys(keys.split(), 0.5)) == {name}


@each(
    ("state", "name"),
    [
        ({"metrics": {"train": {"loss": 0.1}, "val": {"loss": 0.2}}}, "val.loss"),
        ({"metrics": {"val": {"loss": 0.2}, "train": {"loss": 0.1}}}, "val.loss"),
        ({"train": {"acc": 0.9}, "test": {"acc": 0.8}}, "test.acc"),
        ({"train_metrics": {"iou": 0.9}, "val_metrics": {"iou": 0.8}}, "val.iou"),
        ({"metrics": {"loss": 0.1, "val_loss": 0.2}}, "val_loss"),
        ({"best_metrics": {"iou": 0.8}, "loss": 0.1}, "best.iou"),
        ({"val": {"val_loss": 0.2}, "loss": 0.1}, "val_loss"),
        ({"train_stats": {"best_iou": 0.8}}, "best_iou"),
        ({"per_class": {"val": {"iou": 0.8}}}, ""),
        ({"metrics": {"val": {"cat": {"iou": 0.8}}}}, ""),
        ({"metrics": {"val": {"mean": {"current_score": 0.8}}}}, ""),
        ({"val_loss": "0.31"}, ""),
    ],
)
def test_holders_tell_as_well(tmp_path: Path, state: dict[str, Any], name: str) -> None:
    assert chosen(tmp_path, state) == {name}


def test_a_reward_that_was_never_measured_is_none(tmp_path: Path) -> None:
    assert chosen(tmp_path, {"best_reward": -math.inf}) == {""}
    assert chosen(tmp_path, {"best_reward": -250.0}) == {"best_reward"}
    assert chosen(tmp_path, {"best_iou": -math.inf}) == {"best_iou"}


def test_what_is_not_understood_is_told_and_found_when_asked_for(tmp_path: Path) -> None:
    state = {
        "model": WEIGHTS,
        "val_foo": 0.7,
        "best": torch.tensor(0.75),
        "info": {"quality": 3.5},
        "args": {"val_bar": 0.1, "grade": 0.2},
        "best_epoch": 4,
    }
    checkpoint = open_checkpoint(save(tmp_path / "model.pth", state))
    found = read_metadata(checkpoint)
    assert found.metrics == ()
    assert {(m.name, m.value, m.mode) for m in found.not_understood} == {
        ("val_foo", 0.7, None),
        ("best", 0.75, None),
    }
    asked = metric_called(checkpoint.scalars, "Quality")
    assert asked is not None
    assert (asked.value, asked.mode) == (3.5, None)
    assert metric_called(checkpoint.scalars, "grade") is None
    assert metric_called(checkpoint.scalars, "missing") is None
    known = metric_called({"metrics.val_iou": 0.5}, "val_iou")
    assert known is not None
    assert known.mode is Mode.MAX
