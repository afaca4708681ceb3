"""The script before and after, as the page has it, with NaN in one batch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.diagnose import examine
from ckptdoctor.finding import Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text(encoding="utf-8")
BEFORE, AFTER = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EPOCHS, BATCHES = 6, 8


class Net(torch.nn.Module):
    """Two outputs, as deep supervision has them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU()
        )
        self.heads = torch.nn.ModuleList(torch.nn.Conv2d(4, 1, 1) for _ in range(2))

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        features = self.body(images)
        return [head(features) for head in self.heads]


class Loader:
    """Batches of which one, once, has a NaN in it."""

    def __init__(self, *, poisoned: bool) -> None:
        generator = torch.Generator().manual_seed(0)
        self.images = [torch.randn(4, 1, 8, 8, generator=generator) for _ in range(BATCHES)]
        self.poisoned = poisoned
        self.epoch = -1

    def __iter__(self) -> Any:
        self.epoch += 1
        for at, images in enumerate(self.images):
            given = images.clone()
            if self.poisoned and (self.epoch, at) == (2, 5):
                given[0, 0, 0, 0] = float("nan")
            yield given, (images > 0).float()


def run(script: str, folder: Path) -> torch.nn.Module:
    """Run a block of the page; returns the model."""
    torch.manual_seed(0)
    folder.mkdir()

    def loss_of(outputs: list[torch.Tensor], masks: torch.Tensor) -> torch.Tensor:
        criterion = torch.nn.functional.binary_cross_entropy_with_logits
        return torch.stack([criterion(output, masks) for output in outputs]).sum()

    @torch.no_grad()
    def evaluate(model: torch.nn.Module, loader: Loader) -> float:
        model.eval()
        hits = [((model(x)[0] > 0) == (y > 0)).float().mean().item() for x, y in loader]
        value = sum(hits) / len(hits)
        broken = any(p.isnan().any() for p in model.parameters())
        return float("nan") if broken else value

    space: dict[str, Any] = {
        "torch": torch,
        "make_model": Net,
        "make_loaders": lambda: (Loader(poisoned=True), Loader(poisoned=False)),
        "deep_supervision_loss": loss_of,
        "evaluate": evaluate,
        "epochs": EPOCHS,
        "checkpoint_dir": folder,
    }
    exec(script, space)
    model = space["model"]
    assert isinstance(model, torch.nn.Module)
    return model


def test_without_the_guard_the_run_dies_and_its_best_with_it(tmp_path: Path) -> None:
    model = run(BEFORE, tmp_path / "before")
    assert any(parameter.isnan().any() for parameter in model.parameters())
    (best,) = examine([tmp_path / "before" / "best_model.pth"]).checkpoints
    assert best.verdict is Verdict.CORRUPT


def test_with_it_the_run_lives_and_every_file_is_sound(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match=r"non-finite gradients .*: skip"):
        model = run(AFTER, tmp_path / "after")
    assert all(value.isfinite().all() for value in model.state_dict().values())
    files = sorted((tmp_path / "after").glob("*.pth"))
    assert {"best_model.pth", "checkpoint_epoch_0.pth", "checkpoint_epoch_5.pth"} <= {
        file.name for file in files
    }
    assert {row.verdict for row in examine(files).checkpoints} == {Verdict.HEALTHY}
    best = torch.load(tmp_path / "after" / "best_model.pth", weights_only=True)
    assert best["guard_state_dict"]["steps"] > 0


def test_the_page_adds_ten_lines() -> None:
    assert [int(n) for n in re.findall(r"  # (\d+)", AFTER)] == list(range(1, 11))
