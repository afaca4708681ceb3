"""Learning rates in the slices of a torch.distributed.checkpoint."""

from __future__ import annotations

from ckptdoctor.recovery.draft import Draft
from ckptdoctor.recovery.rates import Rate, Standard

__all__ = ["put_slice_rates", "scale_slice"]


def scale_slice(draft: Draft, factor: float, before: float) -> list[Rate]:  # noqa: ARG001
    """Multiply the rates that a slice stores."""
    return []


def put_slice_rates(draft: Draft, value: float, now: Standard) -> None:
    """Set the rates that a slice stores."""
