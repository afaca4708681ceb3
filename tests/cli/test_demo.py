"""``ckptdoctor demo``: the first thing that a newcomer runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.cli.support import run


@pytest.mark.slow
def test_the_demo_finds_the_last_good_epoch_and_can_be_run_again(tmp_path: Path) -> None:
    for _ in range(2):
        outcome = run("demo", cwd=tmp_path)
        assert outcome.code == 0, outcome.stderr
        assert "Last good: ckptdoctor-demo/checkpoints/checkpoint_epoch_88.pth" in outcome.stdout
        assert "4 corrupt" in outcome.stdout
        assert "healthy, IoU 0.6413" in outcome.stdout
        assert "in the decline 89–97" in outcome.stdout
        assert "CD401 IoU declined from 0.6413 at epoch 88 to 0.5742 at epoch 97" in outcome.stdout
        assert "A: go on from the last good checkpoint, epoch 88 (recommended)" in outcome.stdout
        assert "--lr 0.000075 --deep-supervision" in outcome.stdout
        assert "✓ wrote ckptdoctor-demo/checkpoints/best_model_clean.pth" in outcome.stdout
    clean = torch.load(
        tmp_path / "ckptdoctor-demo/checkpoints/best_model_clean.pth", weights_only=True
    )
    assert clean["optimizer_state_dict"]["param_groups"][0]["initial_lr"] == 2e-4 * 0.375
    log = (tmp_path / "ckptdoctor-demo/training.log").read_text()
    assert "Epoch 88: " in log
    assert "IoU: 0.0022" in log


def test_the_demo_touches_no_folder_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    outcome = run("demo", tmp_path / "mine")
    assert outcome.code == 4
    assert "was not made by this demo" in outcome.stderr
    assert sorted(p.name for p in (tmp_path / "mine").iterdir()) == ["notes.txt"]
