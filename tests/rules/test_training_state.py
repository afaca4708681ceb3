"""What a log tells of the state of a training."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from ckptdoctor.diagnose import examine
from ckptdoctor.finding import Finding
from ckptdoctor.runs.wish import Wish
from ckptdoctor.survey import chronicles
from tests.builders import save


def found(folder: Path, *scales: float) -> list[Finding]:
    """What is found in a log with these loss scales."""
    path = folder / "train.log"
    text = (f"Epoch {e}: loss: 0.5{e} loss_scale: {scale}\n" for e, scale in enumerate(scales))
    path.write_text("".join(text))
    return [one for one in chronicles([], Wish(logs=(path,))).findings if one.code == "CD304"]


def test_a_loss_scale_that_a_log_shows_at_its_end_is_a_finding(tmp_path: Path) -> None:
    (scale,) = found(tmp_path, 65536, 1024, 16, 2, 1, 1)
    assert scale.message == (
        "the loss scale fell to 1 at epoch 4 in the log; steps overflow and are skipped"
    )
    assert (scale.evidence["epoch"], scale.evidence["loss_scale"]) == (4, 1.0)


def test_a_loss_scale_that_came_back_is_none(tmp_path: Path) -> None:
    assert found(tmp_path, 65536, 16, 2, 1, 1, 4096) == []
    assert found(tmp_path, 65536, 32768, 16384) == []


def test_infinity_that_a_scheduler_means_hides_no_nan_behind_it(tmp_path: Path) -> None:
    state = {
        "model": {"w": torch.ones(3)},
        "scheduler": {"mode_worse": torch.tensor(math.inf), "rates": torch.tensor([math.nan])},
        "optimizer": {"state": {0: {"exp_avg": torch.tensor([math.nan])}}, "param_groups": []},
    }
    (report,) = examine([save(tmp_path / "a.pth", state)]).checkpoints
    found = {one.subject for one in report.findings if one.code == "CD301"}
    assert found == {"scheduler.rates", "optimizer.state.0.exp_avg"}
