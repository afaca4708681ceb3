"""The collapsed run that the demo makes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from ckptdoctor.demo import DemoFolderError, make_demo_run
from ckptdoctor.diagnose import examine
from ckptdoctor.finding import Verdict
from ckptdoctor.recovery import ranked
from ckptdoctor.runs.discover import discover
from ckptdoctor.runs.wish import Wish


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo_run(tmp_path_factory.mktemp("demo") / "run")


def test_the_last_good_checkpoint_is_epoch_88(demo: Path) -> None:
    report = ranked(examine(discover([demo]).files, wish=Wish()))
    assert len(report.checkpoints) == 13
    assert report.last_good is not None
    assert report.last_good.path.name == "checkpoint_epoch_88.pth"
    assert report.last_good.epoch == 88
    corrupt = {c.path.name for c in report.checkpoints if c.verdict is Verdict.CORRUPT}
    assert corrupt == {
        "best_model.pth",
        "checkpoint_epoch_98.pth",
        "checkpoint_epoch_100.pth",
        "last.pth",
    }
    assert report.count(Verdict.HEALTHY) == 9


def test_the_best_model_claims_epoch_88_and_is_full_of_nan(demo: Path) -> None:
    best = torch.load(demo / "best_model.pth", weights_only=True)
    assert (best["epoch"], best["best_iou"]) == (88, 0.6413)
    assert best["model_state_dict"]["0.weight"].isnan().all()


def test_the_good_checkpoint_really_resumes(demo: Path) -> None:
    good = torch.load(demo / "checkpoint_epoch_88.pth", weights_only=True)
    weights = good["model_state_dict"]
    parameter = torch.nn.Parameter(weights["0.weight"])
    assert all(w.isfinite().all() for w in weights.values())
    assert math.isclose(good["optimizer_state_dict"]["param_groups"][0]["initial_lr"], 2e-4)
    assert parameter.shape == (16, 3, 3, 3)


def test_a_folder_of_its_own_can_be_made_again_and_a_strangers_not(
    demo: Path, tmp_path: Path
) -> None:
    assert make_demo_run(demo.parent) == demo
    (tmp_path / "theirs.txt").write_text("keep")
    with pytest.raises(DemoFolderError, match="was not made by this demo"):
        make_demo_run(tmp_path)
    with pytest.raises(DemoFolderError):
        make_demo_run(tmp_path / "theirs.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["theirs.txt"]
