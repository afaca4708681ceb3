"""Small nets of three kinds, each with heads on the way that learn a second task."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["CLASSES", "FEATURES", "NETS", "MultiTask"]

CLASSES, FEATURES, TOKENS = 4, 16, 6


class MultiTask(nn.Module):
    """Stages one after the other, a head behind the last, and a small regression behind each.

    Args:
        stages: from features to features.
        widths: of what each stage gives, once it is pooled.
    """

    def __init__(self, stages: list[nn.Module], widths: list[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.aux = nn.ModuleList(nn.Linear(width, 1) for width in widths)
        self.head = nn.Linear(widths[-1], CLASSES)

    def forward(self, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores of shape (n, 4), and a number of shape (n, 1) from behind each stage."""
        told = []
        for stage, aux in zip(self.stages, self.aux, strict=True):
            features = stage(features)
            pooled = features.flatten(2).mean(2) if features.ndim > 2 else features
            told.append(aux(pooled))
        return self.head(pooled), told


class _Tokens(nn.Module):
    """Features as a sequence of tokens, channels first as images have them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(FEATURES // TOKENS + 1, width)
        self.place = nn.Parameter(torch.randn(TOKENS, width) * 0.02)

    def forward(self, features: Tensor) -> Tensor:
        """Shape (n, width, tokens)."""
        padded = nn.functional.pad(features, (0, TOKENS * (FEATURES // TOKENS + 1) - FEATURES))
        tokens = self.embed(padded.view(len(features), TOKENS, -1)) + self.place
        return torch.transpose(tokens, 1, 2)


class _Block(nn.Module):
    """Attention and two layers, each behind a norm and with a way around it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, channels: Tensor) -> Tensor:
        """The same shape, (n, width, tokens)."""
        tokens = channels.transpose(1, 2)
        seen = self.norm1(tokens)
        scores = self.q(seen) @ self.k(seen).transpose(1, 2) / seen.shape[-1] ** 0.5
        tokens = tokens + self.o(scores.softmax(-1) @ self.v(seen))
        tokens = tokens + self.down(nn.functional.gelu(self.up(self.norm2(tokens))))
        return torch.transpose(tokens, 1, 2)


def _mlp() -> MultiTask:
    def stage(wide: int, narrow: int) -> nn.Module:
        return nn.Sequential(nn.Linear(wide, narrow), nn.BatchNorm1d(narrow), nn.ReLU())

    return MultiTask([stage(FEATURES, 24), stage(24, 24), stage(24, 16)], [24, 24, 16])


def _conv() -> MultiTask:
    def stage(wide: int, narrow: int) -> nn.Module:
        conv = nn.Conv2d(wide, narrow, 3, padding=1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(narrow), nn.ReLU())

    first = nn.Sequential(nn.Unflatten(1, (1, 4, 4)), *stage(1, 8).children())
    return MultiTask([first, stage(8, 12), stage(12, 12)], [8, 12, 12])


def _transformer() -> MultiTask:
    return MultiTask([_Tokens(12), _Block(12), _Block(12)], [12, 12, 12])


NETS: dict[str, Callable[[], MultiTask]] = {
    "mlp": _mlp,
    "conv": _conv,
    "transformer": _transformer,
}
"""By name, what makes one."""
