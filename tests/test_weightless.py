"""A file without the weights of a model is nothing to go on from, and no cause for alarm either."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.checkpoint import Role
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.recovery.restore import restore
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey
from ckptdoctor.weightless import has_weights, instead_of_weights, lists_weights
from tests.builders import save
from tests.cases import record


def trained() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    net = torch.nn.Linear(4, 3)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.randn(2, 4)).sum().backward()
    optimizer.step()
    return net, optimizer


def side_files() -> dict[str, Any]:
    """What the Trainer of transformers, accelerate and habits lay beside the weights."""
    _, optimizer = trained()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    return {
        "optimizer.pt": optimizer.state_dict(),
        "whole_optimizer.pt": optimizer,
        "scheduler.pt": scheduler.state_dict(),
        "scaler.pt": torch.amp.GradScaler("cpu", enabled=True).state_dict(),
        "off.pt": {},
        "rng_state.pth": {"python": (3, (1, 2), None), "cpu": torch.get_rng_state()},
        "bare_rng.pt": {"torch": torch.get_rng_state(), "step": torch.tensor(3)},
        "both.pt": {"optimizer": optimizer.state_dict(), "epoch": 3},
    }


@pytest.mark.parametrize("name", side_files())
def test_a_file_without_weights_is_never_healthy_and_never_restored(
    name: str, tmp_path: Path
) -> None:
    path = save(tmp_path / name, side_files()[name])
    report = survey(discover([path]))
    (row,) = report.checkpoints
    assert (row.verdict, row.has_weights) == (Verdict.SUSPECT, False)
    assert report.worst() in (None, Severity.INFO)  # side files of a sound run fail no CI
    assert report.last_good is None
    assert any(found.code == "CD101" for found in row.findings)
    with pytest.raises(RestoreError, match="holds no model weights"):
        restore(path, tmp_path / "clean.pth")
    assert not (tmp_path / "clean.pth").exists()


def test_the_weights_beside_an_optimizer_win(tmp_path: Path) -> None:
    net, optimizer = trained()
    save(tmp_path / "optimizer.pt", {"epoch": 9, **optimizer.state_dict()})
    model = save(tmp_path / "model.pt", {"epoch": 1, "model": net.state_dict()})
    report = survey(discover([tmp_path]))
    assert report.last_good is not None
    assert report.last_good.path == model


@pytest.mark.parametrize(
    "state",
    [
        {"weight": torch.ones(2, 2, dtype=torch.int8)},  # quantized
        {"weight": torch.ones(2, 2, dtype=torch.uint8)},
        {"scale": torch.ones(())},
        {"ema": {"weight": torch.ones(2)}},
        {"weight": torch.ones(2, dtype=torch.complex64)},
    ],
)
def test_what_may_be_weights_counts_as_such(state: dict[str, Any], tmp_path: Path) -> None:
    (row,) = survey(discover([save(tmp_path / "a.pt", state)])).checkpoints
    assert (row.verdict, row.has_weights) == (Verdict.HEALTHY, True)


def test_plain_pickles_are_judged_alike(tmp_path: Path) -> None:
    path = tmp_path / "scheduler.bin"
    path.write_bytes(pickle.dumps({"base_lrs": [0.1], "last_epoch": 3}))
    (row,) = survey(discover([path])).checkpoints
    assert (row.verdict, row.has_weights) == (Verdict.SUSPECT, False)


def test_weights_that_are_lost_are_listed_and_not_there() -> None:
    assert lists_weights([record("w", lost=True)])
    assert not has_weights([record("w", lost=True)])
    assert has_weights([record("w", lost=True), record("v")])
    assert not lists_weights([record("w", (0,)), record("m", role=Role.OPTIMIZER)])


def test_what_is_there_instead_is_named() -> None:
    moments = [record("m", role=Role.OPTIMIZER), record("v", role=Role.OPTIMIZER)]
    assert instead_of_weights([]) == "no tensor at all"
    assert instead_of_weights(moments) == "2 tensors of an optimizer"
    assert instead_of_weights([*moments, record("e", role=Role.OTHER)]).startswith("2 tensors of")
