"""Scores that a checkpoint keeps of all its epochs: which lists are such, and what they say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.metadata import Metadata, MetricKind, Mode, Source, read_metadata
from ckptdoctor.metadata.courses import courses_in, scores_of_courses
from tests.builders import save
from tests.each import each

DICE = [0.3, 0.5, 0.6, 0.55]


def listed(**lists: Sequence[Scalar]) -> dict[str, Scalar]:
    """A list as the scalars of a checkpoint: ``history.val_iou.0``; ``__`` is a dot."""
    return {
        f"{name.replace('__', '.')}.{at}": value
        for name, values in lists.items()
        for at, value in enumerate(values)
    }


def saved(folder: Path, state: Mapping[str, Any]) -> Metadata:
    state = {"model": {"w": torch.ones(2)}, **state}
    return read_metadata(open_checkpoint(save(folder / "checkpoint.pth", state)))


def test_nnunets_logging(tmp_path: Path) -> None:
    logging = {
        "mean_fg_dice": DICE,
        "ema_fg_dice": [0.3, 0.32, 0.35, 0.37],
        "dice_per_class_or_region": [[0.3, 0.3]] * 4,
        "train_losses": [-0.1, -0.2, -0.3, -0.4],
        "val_losses": [-0.1, -0.15, -0.2, -0.1],
        "lrs": [0.01, 0.009, 0.008, 0.007],
        "epoch_start_timestamps": [1.0, 2.0, 3.0, 4.0],
    }
    found = saved(tmp_path, {"current_epoch": 4, "logging": logging, "_best_ema": 0.37})
    assert found.courses["mean_fg_dice"] == tuple(DICE)
    assert "epoch_start_timestamps" not in found.courses
    own = {metric.name: metric for metric in found.metrics}["mean_fg_dice"]
    assert (own.value, own.mode, own.kind) == (0.55, Mode.MAX, MetricKind.SCORE)


def test_the_history_of_a_script(tmp_path: Path) -> None:
    history = {"train_loss": [0.9, 0.8, 0.7, 0.6], "val_iou": DICE}
    found = saved(tmp_path, {"epoch": 3, "history": history})
    assert found.courses == {"train_loss": (0.9, 0.8, 0.7, 0.6), "val_iou": tuple(DICE)}
    assert found.metric is not None
    assert (found.metric.name, found.metric.value) == ("val_iou", 0.55)
    assert found.metric.source is Source.CONTENTS


@pytest.mark.parametrize(
    ("epoch", "is_one"), [(2, False), (3, True), (4, True), (5, False), (None, False)]
)
def test_a_list_has_one_value_an_epoch_counted_from_0_or_from_1(
    epoch: float | None, is_one: bool
) -> None:
    assert bool(courses_in(listed(val_iou=DICE), epoch)) is is_one


@each(
    "name",
    [
        "optimizer__loss",
        "lr_scheduler__val_loss",
        "args__val_iou",
        "config__metrics__iou",
        "param_groups__loss",
        "history__best_iou",
        "history__time",
        "a__b__c__d__val_iou",
    ],
)
def test_what_only_looks_like_it_is_none(name: str) -> None:
    assert courses_in(listed(**{name: DICE}), 3) == {}


@pytest.mark.parametrize("values", [[0.5], [], ["a", "b", "c", "d"], [True, False, True, True]])
def test_a_list_of_one_or_of_no_numbers_is_none(values: list[Scalar]) -> None:
    assert courses_in(listed(val_iou=values), max(0, len(values) - 1)) == {}


def test_a_list_with_a_hole_ends_there() -> None:
    scalars = listed(val_iou=DICE)
    del scalars["val_iou.2"]
    assert courses_in(scalars, 3) == {}
    del scalars["val_iou.0"]
    assert courses_in(scalars, 0) == {}


def test_nan_is_a_value_of_an_epoch() -> None:
    found = courses_in(listed(val_iou=[0.5, math.nan, 0.6]), 2)["val_iou"]
    assert math.isnan(found[1])


def test_a_loss_gives_no_score_of_the_checkpoints_own() -> None:
    scores = list(scores_of_courses({"val_iou": (0.4, 0.5), "time": (1.0, 2.0)}))
    assert [(metric.name, metric.value) for metric in scores] == [("val_iou", 0.5)]


@given(st.lists(st.floats(width=32), min_size=2, max_size=30), st.booleans())
def test_any_list_is_read_back(values: list[float], from_1: bool) -> None:
    found = courses_in(listed(history__val_iou=values), len(values) - (not from_1))
    assert found["val_iou"] == pytest.approx(values, rel=0, abs=0, nan_ok=True)
