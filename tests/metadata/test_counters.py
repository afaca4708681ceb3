"""Epoch and step from what a checkpoint holds, as the tools store them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from ckptdoctor.formats import open_checkpoint
from ckptdoctor.metadata import Metadata, Source, count_text, read_metadata
from tests.builders import save
from tests.each import each

WEIGHTS = {"w.weight": torch.zeros(2)}


def read(tmp_path: Path, state: dict[str, Any], name: str = "model.pth") -> Metadata:
    return read_metadata(open_checkpoint(save(tmp_path / name, state)))


def read_safetensors(tmp_path: Path, metadata: dict[str, str], name: str) -> Metadata:
    save_file(WEIGHTS, tmp_path / name, metadata)
    return read_metadata(open_checkpoint(tmp_path / name))


def test_kohya_tells_the_epoch_and_the_step_and_not_what_was_planned(tmp_path: Path) -> None:
    metadata = {"ss_epoch": "7", "ss_steps": "910", "ss_num_epochs": "20", "ss_seed": "42"}
    found = read_safetensors(tmp_path, metadata, "style.safetensors")
    assert (found.epoch, found.epoch_source, found.global_step) == (7, Source.CONTENTS, 910)
    planned = {"ss_num_epochs": "20", "ss_max_train_steps": "2600"}
    assert read_safetensors(tmp_path, planned, "style.safetensors") == Metadata()


def test_ai_toolkit_tells_them_in_json(tmp_path: Path) -> None:
    metadata = {"training_info": '{"step": 1250, "epoch": 31}', "format": "pt"}
    found = read_safetensors(tmp_path, metadata, "portrait.safetensors")
    assert (found.epoch, found.global_step) == (31, 1250)


@pytest.mark.parametrize("key", ["epoch", "global_step"])
def test_plain_keys_of_safetensors_metadata_are_text(tmp_path: Path, key: str) -> None:
    found = read_safetensors(tmp_path, {key: "15"}, "x.safetensors")
    assert 15 in (found.epoch, found.global_step)


@each(
    "key",
    [
        *("iter_num", "current_step", "global_steps", "steps", "iters", "num_iterations"),
        *("iteration", "num_updates", "total_steps_trained"),
    ],
)
@each("kind", [int, torch.tensor, str])
def test_the_step_under_its_many_keys(tmp_path: Path, key: str, kind: Any) -> None:
    assert read(tmp_path, {"model": WEIGHTS, key: kind(3500)}).global_step == 3500


def test_scores_of_safetensors_metadata_are_text_too(tmp_path: Path) -> None:
    found = read_safetensors(tmp_path, {"val_loss": "0.3125", "iou": "high"}, "x.safetensors")
    assert [(metric.name, metric.value) for metric in found.metrics] == [("val_loss", 0.3125)]


def test_a_trainer_holds_both(tmp_path: Path) -> None:
    found = read(tmp_path, {"model": WEIGHTS, "trainer": {"epoch": 2, "global_step": 80}})
    assert (found.epoch, found.global_step) == (2, 80)


def test_half_a_step_is_none(tmp_path: Path) -> None:
    assert read(tmp_path, {"model": WEIGHTS, "step": 10.5}).global_step is None


def test_the_last_epoch_of_a_scheduler_is_not_that_of_the_file(tmp_path: Path) -> None:
    scheduler = {"last_epoch": 5000, "_step_count": 5001, "base_lrs": [0.1], "_last_lr": [0.1]}
    assert read(tmp_path, scheduler, "scheduler.pt").epoch is None
    for holder in ("scheduler", "lr_scheduler", "state", "meta"):
        assert read(tmp_path, {"model": WEIGHTS, holder: scheduler}).epoch is None
    assert read(tmp_path, {"model": WEIGHTS, "last_epoch": 12}).epoch == 12
    assert read(tmp_path, {"model": WEIGHTS, "last_epoch": 12, "epoch": 3}).epoch == 3


def test_a_bare_number_that_is_the_step_is_no_epoch(tmp_path: Path) -> None:
    found = read(tmp_path, {"model": WEIGHTS, "iter_num": 2500}, "ckpt_2500.pt")
    assert (found.epoch, found.name_epoch, found.global_step) == (None, None, 2500)
    found = read(tmp_path, {"model": WEIGHTS, "iteration": 2499}, "ckpt_2500.pt")
    assert (found.epoch, found.global_step) == (None, 2499)
    found = read(tmp_path, {"model": WEIGHTS, "iter_num": 2500}, "ckpt_epoch_2500.pt")
    assert (found.epoch, found.name_epoch) == (2500, 2500)
    found = read(tmp_path, {"model": WEIGHTS, "iter_num": 900}, "checkpoint-12.pt")
    assert (found.epoch, found.name_epoch) == (12, 12)


@each(
    ("count", "text"),
    [
        *((12, "12"), (0, "0"), (12.0, "12"), (1.5, "1.5"), (1 / 3, "0.33"), (2.101, "2.1")),
        *((0.004, "0.004"), (1234567, "1234567")),
    ],
)
def test_a_count_as_people_read_it(count: float, text: str) -> None:
    assert count_text(count) == text
