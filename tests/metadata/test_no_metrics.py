"""A setting, a count or a class is no score, whatever its name sounds like."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ckptdoctor.formats import open_checkpoint
from ckptdoctor.metadata import Source, named_metric, read_metadata, unknown_metrics
from tests.builders import save
from tests.each import each
from tests.metadata.settings_of_scripts import (
    DETR,
    NNUNET,
    OTHERS,
    TIMM,
    TRANSFORMERS,
    ULTRALYTICS,
)

EVERY = sorted({*DETR, *TIMM, *ULTRALYTICS, *NNUNET, *TRANSFORMERS, *OTHERS})


def test_the_setting_of_a_training_script_is_no_score() -> None:
    assert [name for name in EVERY if named_metric(name, 0.5, Source.LOG) is not None] == []


def test_a_number_among_the_settings_of_the_trainer_is_no_score_that_nobody_knows() -> None:
    numbers = {
        name: 0.5
        for name in TRANSFORMERS
        if name.endswith(("steps", "delay", "norm", "factor", "rate", "size", "epsilon", "decay"))
    }
    assert len(numbers) > 10
    assert unknown_metrics(numbers) == []


@pytest.mark.parametrize("holder", ["train_args", "args", "hyper_parameters", "config"])
def test_what_settings_hold_is_no_score_even_by_the_name_of_one(
    tmp_path: Path, holder: str
) -> None:
    state = {"model": {"w": torch.zeros(2)}, holder: {"iou": 0.7, "aux_loss": 1.0, "map": 0.5}}
    found = read_metadata(open_checkpoint(save(tmp_path / "model.pth", state)))
    assert (found.metrics, found.not_understood) == ((), ())


@each(
    "name",
    [
        *("bbox/AP-person", "sem_seg/IoU-road", "IoU.car", "dice_tumor", "Car_aos/easy_R40"),
        *("acc_stderr", "inception_score_std", "mAP_copypaste", "ep_len_mean", "roi_0.3"),
        *("F1-all", "d1", "kl", "cardinality_error_unscaled", "val_acc_count"),
    ],
)
def test_a_class_or_a_spread_is_not_the_score(name: str) -> None:
    assert named_metric(name, 0.5, Source.LOG) is None
