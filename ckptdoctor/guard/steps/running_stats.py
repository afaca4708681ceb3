"""The running statistics of BatchNorm, which a bad batch poisons before any gradient exists.

The forward pass writes them. A net whose every step was checked still dies in ``eval`` if one batch
held NaN: they are kept after each good step and put back after a bad one. So is the count of
batches, by which ``momentum=None`` weighs each new one: a dropped batch is not among them.
"""

from __future__ import annotations

import torch
from torch.nn.modules.batchnorm import _NormBase

__all__ = ["RunningStats"]


class RunningStats:
    """A copy of all running statistics of a model: small, and flat for few kernels."""

    def __init__(self, model: torch.nn.Module) -> None:
        groups: dict[tuple[torch.device, torch.dtype], list[torch.Tensor]] = {}
        for module in model.modules():
            if isinstance(module, _NormBase):
                for stats in (module.running_mean, module.running_var, module.num_batches_tracked):
                    if stats is not None:
                        groups.setdefault((stats.device, stats.dtype), []).append(stats)
        self._live = list(groups.values())
        self._kept = [_flat(stats) for stats in self._live]

    @property
    def kept(self) -> list[torch.Tensor]:
        """The copies themselves, which a snapshot takes in place of what it finds in the model."""
        return self._kept

    @property
    def live(self) -> list[torch.Tensor]:
        """The buffers of the model that are taken care of here."""
        return [stats for group in self._live for stats in group]

    def keep(self) -> None:
        """Take what is there as good."""
        for live, kept in zip(self._live, self._kept, strict=True):
            torch.cat([stats.detach().flatten() for stats in live], out=kept)

    def put_back(self) -> None:
        """Make them what they were when last kept."""
        for live, kept in zip(self._live, self._kept, strict=True):
            _write(live, kept)

    def settle(self, bad: torch.Tensor) -> None:
        """Do one or the other, as ``bad``, a 0-d bool tensor, says; it is not waited for."""
        for live, kept in zip(self._live, self._kept, strict=True):
            torch.where(bad.to(kept.device, non_blocking=True), kept, _flat(live), out=kept)
            _write(live, kept)


def _flat(tensors: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def _write(live: list[torch.Tensor], flat: torch.Tensor) -> None:
    parts = torch.split(flat, [stats.numel() for stats in live])
    shaped = [part.view_as(stats) for part, stats in zip(parts, live, strict=True)]
    torch._foreach_copy_(live, shaped)
