"""What a step was like: computed where the gradients are, read by the host at once or later."""

from __future__ import annotations

import math

import torch

from ckptdoctor.guard.steps.distributed import Ranks
from ckptdoctor.guard.steps.norms import Gradients, Norms, measure
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Loss", "PendingVerdict", "Seen", "Verdict", "judge", "one_number"]

Loss = torch.Tensor | float | None
_HEAD = 7  # drop, bad, bad loss, norm, loss, mean loss, loss scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """On the device of the gradients; nothing of it has been waited for.

    Args:
        bad: the loss or a gradient of any rank is not finite; 0-d, bool.
        drop: the step must not be taken: bad, or a norm above the limit; 0-d, bool.
        norm: over all gradients; 0-d.
        packed: all of it, with the norm of each gradient, for one copy to the host.
    """

    bad: torch.Tensor
    drop: torch.Tensor
    norm: torch.Tensor
    packed: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A verdict on the host, the same on every rank but for ``loss`` and ``bad_gradients``."""

    bad: bool
    bad_loss: bool
    drop: bool
    norm: float
    loss: float | None
    mean_loss: float | None
    loss_scale: float | None
    bad_gradients: tuple[int, ...]


def one_number(loss: Loss, device: torch.device) -> torch.Tensor:
    """A loss as a 0-d tensor, float64 where there is such a thing; it is not waited for.

    Raises:
        ValueError: it has more than one element.
    """
    dtype = torch.float32 if device.type == "mps" else torch.float64
    if isinstance(loss, torch.Tensor):
        if loss.numel() != 1:
            raise ValueError(
                f"a loss must be one number, not a tensor of shape {tuple(loss.shape)}"
            )
        return loss.detach().reshape(()).to(device, dtype, non_blocking=True)
    return torch.full((), 0.0 if loss is None else float(loss), dtype=dtype, device=device)


def judge(
    gradients: Gradients,
    ranks: Ranks,
    *,
    loss: torch.Tensor,
    observed: torch.Tensor | None,
    grad_norm: torch.Tensor | None,
    limit: float,
    loss_scale: torch.Tensor | None,
) -> Verdict:
    """Judge a step, with every other rank.

    Args:
        gradients: of this rank.
        ranks: who else must agree.
        loss: of this step, 0-d; says where the verdict is computed.
        observed: the sum of earlier losses whose gradients were accumulated.
        grad_norm: if the caller knows it already; then no gradient is read.
        limit: a norm above it is dropped; may be infinite.
        loss_scale: passed on to the host.
    """
    device = loss.device
    if grad_norm is None:
        norms = measure(gradients, device)
        squares = norms.squares() if gradients.values else loss.new_zeros(())
    else:
        norms = Norms(each=grad_norm.reshape(1), copies=[1.0])
        squares = grad_norm.square() / ranks.size
    losses = loss if observed is None else loss + observed
    bad_here = torch.stack([losses.isfinite(), norms.each.isfinite().all()]).logical_not()
    sums = torch.stack([squares, loss / ranks.size])
    parts = ranks.total(torch.cat([bad_here.to(loss.dtype), sums]))
    bad, norm = (parts[0] + parts[1]) > 0, parts[2].sqrt()
    drop = bad if math.isinf(limit) else bad | (norm > limit)
    scale = loss if loss_scale is None else loss_scale.to(device, loss.dtype, non_blocking=True)
    flags = (drop.to(loss.dtype), bad.to(loss.dtype), parts[0])
    head = torch.stack([*flags, norm, loss, parts[3], scale.reshape(())])
    each = norms.each if grad_norm is None else norms.each[:0]
    return Verdict(bad=bad, drop=drop, norm=norm, packed=torch.cat([head, each]))


class PendingVerdict:
    """A verdict on its way to the host."""

    def __init__(self, verdict: Verdict, *, has_loss: bool, has_scale: bool) -> None:
        self._has_loss = has_loss
        self._has_scale = has_scale
        self._event: torch.cuda.Event | None = None
        self._host = verdict.packed
        if verdict.packed.is_cuda:
            self._host = verdict.packed.to("cpu", non_blocking=True)  # to pinned memory
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record(torch.cuda.current_stream(verdict.packed.device))

    def read(self) -> Seen:
        """The verdict; waits for it, which a step later it mostly needs not."""
        if self._event is not None:
            self._event.synchronize()
        values = self._host.tolist()
        drop, bad, bad_loss, norm, loss, mean_loss, scale = values[:_HEAD]
        return Seen(
            bad=bad > 0,
            bad_loss=bad_loss > 0,
            drop=drop > 0,
            norm=norm,
            loss=loss if self._has_loss else None,
            mean_loss=mean_loss if self._has_loss else None,
            loss_scale=scale if self._has_scale else None,
            bad_gradients=tuple(
                at for at, one in enumerate(values[_HEAD:]) if not math.isfinite(one)
            ),
        )
