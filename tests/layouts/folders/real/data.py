"""The data that every framework trains on: 32 rows, always the same, in four batches of eight."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from tests.layouts.folders.training import SCORES, batch

__all__ = ["BATCH", "ROWS", "SCORES", "batches", "loader", "whole"]

BATCH = 8
ROWS = 32


def whole() -> tuple[torch.Tensor, torch.Tensor]:
    """All rows (32, 8) and targets (32, 4)."""
    generator = torch.Generator().manual_seed(5)
    pairs = [batch(generator) for _ in range(ROWS // BATCH)]
    return torch.cat([x for x, _ in pairs]), torch.cat([y for _, y in pairs])


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The four batches of an epoch."""
    x, y = whole()
    return [(x[at : at + BATCH], y[at : at + BATCH]) for at in range(0, ROWS, BATCH)]


def loader() -> DataLoader[tuple[torch.Tensor, ...]]:
    """The same, unshuffled."""
    rows: Dataset[tuple[torch.Tensor, ...]] = TensorDataset(*whole())
    return DataLoader(rows, batch_size=BATCH)
