"""Healthy runs: nets of the usual kinds, trained as usual, and not a single warning about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ckptdoctor.diagnose import examine
from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.report import Report
from tests.builders import save

EPOCHS, STEPS = 8, 12


class Residual(nn.Module):
    """Two convolutions with their norms, and a way around them; the last norm starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        nn.init.zeros_(self.body[4].weight)  # type: ignore[arg-type]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The images, refined."""
        return torch.relu(images + self.body(images))


def residual_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        Residual(16),
        Residual(16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    )


class Transformer(nn.Module):
    """A small one, with its causal mask as a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(3, 32, 4, stride=4)
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 4)
        mask = nn.Transformer.generate_square_subsequent_mask(4)
        self.register_buffer("attn_mask", mask)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores."""
        tokens = self.embedding(images).flatten(2).transpose(1, 2)
        return self.head(self.encoder(tokens, mask=self.attn_mask).mean(1))  # type: ignore[no-any-return]


Make = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=5e-4),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3),
    "adam, fast": lambda p: torch.optim.Adam(p, lr=3e-2),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.05),
    "amsgrad": lambda p: torch.optim.AdamW(p, lr=1e-3, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-3, momentum=0.9, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=1e-2),
    "nadam": lambda p: torch.optim.NAdam(p, lr=1e-3),
    "radam": lambda p: torch.optim.RAdam(p, lr=1e-3),
    "adadelta": torch.optim.Adadelta,
    "asgd": lambda p: torch.optim.ASGD(p, lr=1e-2),
}


def train(folder: Path, net: nn.Module, make: Make, **options: Any) -> Report:
    """Train, save after every epoch from the untrained net on, and examine all of it."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(48, 3, 8, 8, generator=generator)
    labels = (images.mean((1, 2, 3)) * 40).round().long().clamp(-2, 1) + 2
    optimizer = make(net.parameters())
    schedule = options.get("schedule", torch.optim.lr_scheduler.CosineAnnealingLR)
    scheduler = schedule(optimizer, EPOCHS)
    smooth = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)  # type: ignore[no-untyped-call]
    average = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=smooth)
    best = 0.0
    for epoch in range(EPOCHS + 1):
        correct = 0
        for step in range(STEPS if epoch else 0):
            batch = slice(step * 4, step * 4 + 4)
            scores = net(images[batch])
            loss = nn.functional.cross_entropy(scores, labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            average.update_parameters(net)
            correct += int((scores.argmax(1) == labels[batch]).sum())
        if epoch:
            scheduler.step()
        best = max(best, correct / len(labels))
        save(
            folder / f"checkpoint_epoch_{epoch}.pth",
            {
                "epoch": epoch,
                "model_state_dict": net.state_dict(),
                "ema_state_dict": average.state_dict(),
                "optimizer_state_dict": optimizer.state_dict(),
                "scheduler_state_dict": scheduler.state_dict(),
                "scaler": torch.amp.GradScaler("cpu").state_dict(),
                "best_acc": best,
            },
        )
    return examine(sorted(folder.iterdir()))


def assert_no_alarm(report: Report) -> None:
    """No warning, no error, about any file or the run."""
    found = [f for f in report.all_findings() if f.severity > Severity.INFO]
    assert [(f.code, f.subject, f.message) for f in found] == []
    assert all(checkpoint.verdict is Verdict.HEALTHY for checkpoint in report.checkpoints)
    assert report.crashes == ()


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_residual_net(make: Make, tmp_path: Path) -> None:
    torch.manual_seed(0)
    assert_no_alarm(train(tmp_path, residual_net(), make))


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_a_transformer(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    report = train(tmp_path, Transformer(), OPTIMIZERS[name])
    assert_no_alarm(report)
    assert {f.code for f in report.all_findings()} >= {"CD203"}  # the causal mask


def warm_up(optimizer: torch.optim.Optimizer, epochs: int) -> Any:
    lr_scheduler = torch.optim.lr_scheduler
    return lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=epochs + 1, pct_start=0.5)


def restarts(optimizer: torch.optim.Optimizer, epochs: int) -> Any:
    return torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3)


@pytest.mark.parametrize("schedule", [warm_up, restarts])
@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_warm_up_and_restarts(schedule: Callable[..., Any], name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    assert_no_alarm(train(tmp_path, residual_net(), OPTIMIZERS[name], schedule=schedule))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_that_were_saved_in_another_type(dtype: torch.dtype, tmp_path: Path) -> None:
    for epoch in range(3):
        torch.manual_seed(epoch)
        state = residual_net().to(dtype).state_dict()
        save(tmp_path / f"net_{epoch}.pth", {"epoch": epoch, "model": state})
    assert_no_alarm(examine(sorted(tmp_path.iterdir())))


def test_a_frozen_body_under_a_head_that_learns(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = residual_net()
    for parameter in list(net.parameters())[:-2]:
        parameter.requires_grad = False
    assert_no_alarm(train(tmp_path, net, OPTIMIZERS["adamw"]))
