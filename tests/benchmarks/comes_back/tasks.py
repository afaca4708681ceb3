"""What the small trainings learn: data, net, loss and score of each task, all made from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # as everybody calls it

__all__ = ["TASKS", "Data", "Task"]

Data = tuple[Tensor, Tensor]
_SIZE = 12
_LETTERS, _LENGTH = 6, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One thing to learn.

    Attributes:
        metric: the score's name in logs and files.
        higher_is_better: its direction.
        training, held_out: how many examples there are of each.
        data: that many examples from a generator: inputs and targets.
        net: a new one, from torch's global seed; its output is a list: logits, then added heads.
        loss: of one head's output.
        score: of the first head on held-out examples.
        unit: what targets are multiplied with by a mistake of their unit.
    """

    metric: str
    higher_is_better: bool = True
    training: int
    held_out: int
    data: Callable[[int, torch.Generator], Data]
    net: Callable[[], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Tensor, Tensor], float]
    unit: float = 255.0

    def sets(self, seed: int) -> tuple[Data, Data]:
        """What is trained on, and what is held out."""
        source = torch.Generator().manual_seed(7919 * seed + 17)
        return self.data(self.training, source), self.data(self.held_out, source)


# -- masks of ellipses ---------------------------------------------------------------------------


def shapes(count: int, source: torch.Generator) -> Data:
    """Noisy images [count, 3, 12, 12] and the masks of the two ellipses in each."""
    y, x = torch.meshgrid(torch.arange(_SIZE), torch.arange(_SIZE), indexing="ij")
    masks = torch.zeros(count, 1, _SIZE, _SIZE)
    for _ in range(2):
        centre = (torch.rand(2, count, 1, 1, 1, generator=source) * 0.7 + 0.15) * _SIZE
        radius = (torch.rand(2, count, 1, 1, 1, generator=source) * 0.15 + 0.15) * _SIZE
        inside = ((x - centre[0]) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2 < 1
        masks = torch.maximum(masks, inside.float())
    contrast = torch.rand(count, 3, 1, 1, generator=source) * 0.8 + 0.4
    noise = torch.randn(count, 3, _SIZE, _SIZE, generator=source) * 0.5
    return 2 * (contrast * masks - 0.3 + noise), masks


def _block(inputs: int, outputs: int, *, norm: bool) -> nn.Sequential:
    convolutions: list[nn.Module] = []
    for width in (inputs, outputs):
        convolutions += [nn.Conv2d(width, outputs, 3, padding=1)]
        convolutions += [nn.BatchNorm2d(outputs)] if norm else []
        convolutions += [nn.LeakyReLU(0.1)]
    return nn.Sequential(*convolutions)


class SegmentationNet(nn.Module):
    """A U-Net of one level with seven more heads, for deep supervision of up to eight losses."""

    def __init__(self, *, norm: bool = False, widths: tuple[int, int] = (8, 16)) -> None:
        super().__init__()
        narrow, wide = widths
        self.encoder = _block(3, narrow, norm=norm)
        self.bottleneck = _block(narrow, wide, norm=norm)
        self.decoder = _block(wide + narrow, narrow, norm=norm)
        self.head = nn.Conv2d(narrow, 1, 1)
        added = [narrow, wide, narrow, narrow, wide, narrow, narrow]
        self.deep_heads = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in added)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, a=0.1)
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor, heads: int = 1) -> list[Tensor]:
        first = self.encoder(images)
        second = self.bottleneck(F.max_pool2d(first, 2))
        last = self.decoder(torch.cat([F.interpolate(second, scale_factor=2), first], 1))
        found = [self.head(last)]
        for head in list(self.deep_heads)[: heads - 1]:
            source = second if head.in_channels == second.shape[1] else last
            found.append(F.interpolate(head(source), size=_SIZE))
        return found


def mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross entropy and Dice."""
    p = logits.sigmoid()
    overlap, total = (p * masks).sum((1, 2, 3)), (p + masks).sum((1, 2, 3))
    dice = 1 - ((2 * overlap + 1) / (total + 1)).mean()
    return F.binary_cross_entropy_with_logits(logits, masks) + dice


def mean_iou(logits: Tensor, masks: Tensor) -> float:
    """Intersection over union, averaged over the images."""
    found = (logits > 0).float()
    both = (found * masks).sum((1, 2, 3))
    either = torch.maximum(found, masks).sum((1, 2, 3))
    return float((both / either).mean())


# -- sequences -----------------------------------------------------------------------------------


def sequences(count: int, source: torch.Generator) -> Data:
    """Letters [count, 6], and the same sorted."""
    letters = torch.randint(0, _LETTERS, (count, _LENGTH), generator=source)
    return letters, letters.sort(1).values


class Transformer(nn.Module):
    """Two layers, normalised behind each residual: the kind that needs a warm-up."""

    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.Embedding(_LETTERS, 32)
        self.places = nn.Parameter(torch.randn(_LENGTH, 32) * 0.3)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, _LETTERS)
        self.deep_heads = nn.ModuleList(nn.Linear(32, _LETTERS) for _ in range(7))

    def forward(self, letters: Tensor, heads: int = 1) -> list[Tensor]:
        features = self.layers(self.letters(letters) + self.places)
        return [head(features) for head in (self.head, *list(self.deep_heads)[: heads - 1])]


def letter_loss(logits: Tensor, letters: Tensor) -> Tensor:
    """Cross entropy of each place; a target out of range counts as the nearest letter."""
    return F.cross_entropy(logits.flatten(0, 1), letters.flatten().clamp(0, _LETTERS - 1))


def accuracy(logits: Tensor, targets: Tensor) -> float:
    """Share of places, or of examples, that are right; 0 for logits that are no numbers."""
    right = (logits.argmax(-1) == targets) & logits.isfinite().all(-1)
    return float(right.float().mean())


# -- tables --------------------------------------------------------------------------------------


def rings(count: int, source: torch.Generator) -> Data:
    """Points [count, 8] and which of four shells around the origin of two planes they lie in."""
    points = torch.randn(count, 8, generator=source)
    first = (points[:, :2].norm(dim=1) > 1.18).long()
    return points, 2 * first + (points[:, 2:4].norm(dim=1) > 1.18).long()


def waves(count: int, source: torch.Generator) -> Data:
    """Points [count, 4] and a smooth function of them with variance of about 1."""
    points = torch.randn(count, 4, generator=source)
    values = torch.sin(1.5 * points[:, 0]) + points[:, 1] * torch.tanh(points[:, 2])
    return points, values[:, None]


def rare(count: int, source: torch.Generator) -> Data:
    """Points [count, 8] of which one in twelve is what is looked for: its F1 starts at 0."""
    points = torch.randn(count, 8, generator=source)
    return points, ((points[:, 0] * points[:, 1] > 0.55) & (points[:, 2] > 0)).float()[:, None]


class Perceptron(nn.Module):
    """Two hidden layers."""

    def __init__(self, inputs: int, outputs: int, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.head = nn.Linear(width, outputs)
        self.deep_heads = nn.ModuleList(nn.Linear(width, outputs) for _ in range(7))

    def forward(self, points: Tensor, heads: int = 1) -> list[Tensor]:
        features = self.body(points)
        return [head(features) for head in (self.head, *list(self.deep_heads)[: heads - 1])]


def f1(logits: Tensor, targets: Tensor) -> float:
    """Of the positives."""
    found = (logits > 0).float()
    both = float((found * targets).sum())
    return 2 * both / max(1.0, float(found.sum() + targets.sum()))


def class_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy; a target out of range counts as the last class."""
    return F.cross_entropy(logits, targets.clamp(0, 3))


def square_error(found: Tensor, targets: Tensor) -> float:
    """Mean square error."""
    return float(F.mse_loss(found, targets))


def _of(make: Callable[..., nn.Module], *given: Any, **named: Any) -> Callable[[], nn.Module]:
    return lambda: make(*given, **named)


TASKS: dict[str, Task] = {
    "shapes": Task(
        metric="val_iou",
        training=128,
        held_out=96,
        data=shapes,
        net=_of(SegmentationNet),
        loss=mask_loss,
        score=mean_iou,
    ),
    "shapes-bn": Task(
        metric="val_iou",
        training=128,
        held_out=96,
        data=shapes,
        net=_of(SegmentationNet, norm=True),
        loss=mask_loss,
        score=mean_iou,
    ),
    "sorting": Task(
        metric="val_acc",
        training=512,
        held_out=256,
        data=sequences,
        net=_of(Transformer),
        loss=letter_loss,
        score=accuracy,
    ),
    "rings": Task(
        metric="val_acc",
        training=1024,
        held_out=1024,
        data=rings,
        net=_of(Perceptron, 8, 4),
        loss=class_loss,
        score=accuracy,
    ),
    "waves": Task(
        metric="val_loss",
        higher_is_better=False,
        training=1024,
        held_out=512,
        data=waves,
        net=_of(Perceptron, 4, 1),
        loss=F.mse_loss,
        score=square_error,
        unit=1000.0,
    ),
    "rare": Task(
        metric="val_f1",
        training=1536,
        held_out=1024,
        data=rare,
        net=_of(Perceptron, 8, 1, 32),
        loss=F.binary_cross_entropy_with_logits,
        score=f1,
    ),
}
