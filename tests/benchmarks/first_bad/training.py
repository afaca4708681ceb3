"""A training as people write them: epochs, a schedule, a checkpoint and a line of the log each."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.benchmarks.first_bad.nets import FEATURES, NETS, MultiTask

__all__ = ["Bench", "Hook", "Plan", "constant", "cosine", "train"]

TRAIN, TEST, BATCH, STEPS = 256, 256, 32, 8
AUX = 0.1


@dataclass
class Bench:
    """A training on the bench: what a fault may lay its hands on.

    Attributes:
        net: the model.
        optimizer: with a group for each parameter, in the order of the model.
        epoch, step: where it stands; the step counts within the epoch.
        goals: of the regression behind each stage, for the batch that comes.
        done: whether what happens once has happened.
    """

    net: MultiTask
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    step: int = 0
    goals: list[Tensor] = field(default_factory=list)
    done: bool = False


Hook = Callable[[Bench], None]
"""Is called before every step."""
Schedule = Callable[[int, int], float]
"""From the epoch and how many there are to a factor of the rate."""


def constant(_: int, __: int) -> float:
    """The rate stays what it is."""
    return 1.0


def cosine(epoch: int, epochs: int) -> float:
    """Half a wave, down to nothing."""
    return 0.5 * (1.0 + math.cos(math.pi * epoch / epochs))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to train and how.

    Attributes:
        net: a key of ``NETS``.
        seed: of weights, data and batches.
        optimizer: ``sgd``, ``adamw`` or ``adam``.
        rate: its learning rate; 0 for what is usual.
        epochs: how many.
        schedule: of the rate.
        before: what happens before every step.
        average: whether an EMA is kept and saved as well.
    """

    net: str
    seed: int
    optimizer: str = "adamw"
    rate: float = 0.0
    epochs: int = 20
    schedule: Schedule = cosine
    before: Hook = lambda bench: None
    average: bool = False


def train(folder: Path, plan: Plan) -> list[float]:
    """Train and save after every epoch; the accuracy of each on what was not trained on."""
    torch.manual_seed(plan.seed)
    net = NETS[plan.net]()
    bench = Bench(net=net, optimizer=_optimizer(net, plan))
    features, labels, goal = _data()
    average = {name: one.clone() for name, one in net.state_dict().items()}
    rates = [group["lr"] for group in bench.optimizer.param_groups]
    folder.mkdir(parents=True)
    scores, lines = [], []
    for epoch in range(plan.epochs):
        factor = plan.schedule(epoch, plan.epochs)
        for group, rate in zip(bench.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        total = 0.0
        for step in range(STEPS):
            bench.epoch, bench.step = epoch, step
            batch = torch.randint(TRAIN, (BATCH,))
            total += _step(bench, features[batch], labels[batch], goal[batch], plan.before)
        if plan.average:
            average = _averaged(average, net.state_dict())
        score, loss = _measured(net, features[TRAIN:], labels[TRAIN:])
        scores.append(score)
        lines.append(
            f"Epoch {epoch}: Loss: {total / STEPS:.4f} | val_loss: {loss:.4f} | "
            f"val_acc: {score:.4f} | LR: {rates[0] * factor:.8f}\n"
        )
        state: dict[str, Any] = {
            "epoch": epoch,
            "model_state_dict": net.state_dict(),
            "optimizer_state_dict": bench.optimizer.state_dict(),
        }
        if plan.average:
            state["ema_state_dict"] = average
        torch.save(state, folder / f"checkpoint_epoch_{epoch}.pth")
    (folder / "training.log").write_text("".join(lines), encoding="utf-8")
    return scores


def _step(bench: Bench, features: Tensor, labels: Tensor, goal: Tensor, before: Hook) -> float:
    bench.goals = [goal] * len(bench.net.aux)
    before(bench)
    scores, told = bench.net(features)
    loss = nn.functional.cross_entropy(scores, labels)
    for one, wanted in zip(told, bench.goals, strict=True):
        loss = loss + AUX * nn.functional.mse_loss(one, wanted)
    bench.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    bench.optimizer.step()
    return float(loss.detach())


def _averaged(average: dict[str, Tensor], now: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: old.lerp(now[name], 0.3) if old.is_floating_point() else now[name]
        for name, old in average.items()
    }


def _data() -> tuple[Tensor, Tensor, Tensor]:
    """Features, one of four labels, and a number that is to be told; half of it hard."""
    features = torch.randn(TRAIN + TEST, FEATURES)
    ways = torch.randn(FEATURES, 4)
    labels = (features @ ways + 0.2 * torch.randn(TRAIN + TEST, 4)).argmax(1)
    goal = (features @ torch.randn(FEATURES, 1)).tanh()
    return features, labels, goal


def _optimizer(net: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    groups: list[dict[str, Any]] = [{"params": [one]} for one in net.parameters()]
    if plan.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=plan.rate or 0.05, momentum=0.9, foreach=False)
    kind = torch.optim.AdamW if plan.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=plan.rate or 3e-3, foreach=False)


def _measured(net: nn.Module, features: Tensor, labels: Tensor) -> tuple[float, float]:
    net.eval()
    with torch.no_grad(), warnings.catch_warnings():
        scores, _ = net(features)
    net.train()
    loss = nn.functional.cross_entropy(scores, labels)
    return float((scores.argmax(1) == labels).float().mean()), float(loss)
