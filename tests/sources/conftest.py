"""What tests of far files share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.builders import save
from tests.sources.servers import Site, serving


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three checkpoints with its log, the last of which holds NaN."""
    root = tmp_path_factory.mktemp("far") / "run"
    root.mkdir()
    generator = torch.Generator().manual_seed(0)
    for epoch in range(3):
        state = {f"l{at}.weight": torch.rand(160, 160, generator=generator) for at in range(8)}
        if epoch == 2:
            state["l3.weight"][7, 7] = float("nan")
        save(root / f"unet_epoch_{epoch}.pth", {"model_state_dict": state, "epoch": epoch})
    lines = (f"epoch {epoch} val_iou {0.5 + epoch / 10}\n" for epoch in range(3))
    (root / "train.log").write_text("".join(lines))
    return root


@pytest.fixture
def site(run_folder: Path) -> Iterator[Site]:
    """A web server of the folder above the run."""
    pytest.importorskip("aiohttp")
    with serving(run_folder.parent) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between attempts: that there are several is what the tests look at."""
    monkeypatch.setattr("ckptdoctor.sources.store._FIRST_PAUSE_S", 0.001)
