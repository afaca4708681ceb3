"""The gradients of a step, and their norms in one fused reduction a device and dtype.

A sum of squares in float32 overflows at a norm of 1.8e19, far below the largest finite gradient, so
that an infinite norm alone is no verdict. On a CPU the few tensors concerned are measured again in
float64. On an accelerator, where looking costs a synchronisation, all are summed in float64 at
once: the reduction is bound by memory, and reads the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

import torch

from ckptdoctor.guard.steps.distributed import copies_of
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Gradients", "Norms", "blank", "gather", "joined", "measure", "norms_unseen", "scale"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradients:
    """The gradients of this rank, as plain strided tensors that share memory with ``.grad``.

    Args:
        values: local shards and values of sparse gradients; what clipping writes to.
        summed: the same, but coalesced where they are sparse; what is measured.
        parameters: whose they are, in the same order.
        copies: how many ranks hold a copy of each; a replicated gradient counts once in a norm.
    """

    values: list[torch.Tensor]
    summed: list[torch.Tensor]
    parameters: list[torch.nn.Parameter]
    copies: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Norms:
    """L2 norms, one a gradient, shape (n,); finite iff the gradient is."""

    each: torch.Tensor
    copies: list[float]

    def squares(self) -> torch.Tensor:
        """What this rank adds to the squared norm of the whole; a 0-d tensor."""
        squares = self.each.square()
        if len(set(self.copies)) == 1:  # DDP and FSDP alike
            return squares.sum() / self.copies[0]
        return (squares / _constant(tuple(self.copies), squares.dtype, squares.device)).sum()


def gather(parameters: Iterable[torch.nn.Parameter], ranks: int, *, sharded: bool) -> Gradients:
    """The gradients that there are; parameters without one are left out.

    Args:
        parameters: of the optimizer that is about to step.
        ranks: over which norms are summed; 1 without torch.distributed.
        sharded: plain gradients are shards too (FSDP1), not copies of the same (DDP).
    """
    found = Gradients(values=[], summed=[], parameters=[], copies=[])
    for parameter in parameters:
        grad = parameter.grad
        if grad is None:
            continue
        local, copies = copies_of(grad, ranks, sharded=sharded)
        value = summed = local
        if local.layout is not torch.strided:
            value, summed = local._values(), local.coalesce().values()  # noqa: SLF001
        if value.is_complex():
            value, summed = torch.view_as_real(value), torch.view_as_real(summed)
        found.values.append(value)
        found.summed.append(summed)
        found.parameters.append(parameter)
        found.copies.append(copies)
    return found


def joined(parts: list[Gradients]) -> Gradients:
    """The gradients of several optimizers as one."""
    if len(parts) == 1:
        return parts[0]
    return Gradients(
        values=[value for part in parts for value in part.values],
        summed=[value for part in parts for value in part.summed],
        parameters=[parameter for part in parts for parameter in part.parameters],
        copies=[count for part in parts for count in part.copies],
    )


def measure(gradients: Gradients, device: torch.device) -> Norms:
    """The norm of each gradient, on ``device``, without waiting for it."""
    each = torch.empty(0, dtype=_widest(device), device=device)
    groups = _groups(gradients.summed)
    if groups:
        parts = [_norms([gradients.summed[at] for at in members]) for members in groups]
        joined = torch.cat([part.to(each.device, each.dtype, non_blocking=True) for part in parts])
        each = joined
        if len(groups) > 1:
            order = [at for members in groups for at in members]
            back = sorted(range(len(order)), key=order.__getitem__)
            each = joined[_constant(tuple(back), torch.int64, device)]
    return Norms(each=each, copies=gradients.copies)


def scale(gradients: Gradients, factor: float | torch.Tensor) -> None:
    """Multiply in place; a tensor is 0-d, and is not waited for."""
    for members in _groups(gradients.values):
        tensors = [gradients.values[at] for at in members]
        if isinstance(factor, torch.Tensor):
            torch._foreach_mul_(tensors, factor.to(tensors[0].device, torch.float32))
        else:
            torch._foreach_mul_(tensors, factor)


def blank(gradients: Gradients, where: torch.Tensor) -> None:
    """Fill with zeros if ``where``, a 0-d bool tensor, says so; it is not waited for.

    A product will not do (NaN times zero is NaN), and no fused operator selects.
    """
    for value in gradients.values:
        value.masked_fill_(where.to(value.device, non_blocking=True), 0.0)


@lru_cache(maxsize=16)
def _constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Numbers that are the same at every step: sent to the device once, as sending them waits."""
    return torch.tensor(values, dtype=dtype, device=device)


def _groups(tensors: Sequence[torch.Tensor]) -> list[list[int]]:
    """Where tensors of the same device and dtype stand: mixed lists leave the fused path."""
    groups: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    for at, tensor in enumerate(tensors):
        groups.setdefault((tensor.device, tensor.dtype), []).append(at)
    return list(groups.values())


def _widest(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64


def _norms(tensors: list[torch.Tensor]) -> torch.Tensor:
    """One norm a tensor, for tensors of one device and dtype."""
    device = tensors[0].device
    if device.type == "cpu":
        return _norms_on_cpu(tensors)
    return norms_unseen(tensors, _widest(device))


def norms_unseen(tensors: list[torch.Tensor], widest: torch.dtype) -> torch.Tensor:
    """The norms, without looking at any: finite iff the tensor is, in one fused pass or in two.

    Args:
        tensors: of one device and dtype.
        widest: dtype of the sums. Where the tensors are as wide, a finite one may overflow it, and
            the largest element decides.
    """
    norms = torch.stack(torch._foreach_norm(tensors, 2.0, dtype=widest))  # noqa: SLF001
    if torch.finfo(tensors[0].dtype).max < torch.finfo(widest).max ** 0.5 / 1e10:
        return norms
    largest = torch.stack(torch._foreach_norm(tensors, math.inf))  # noqa: SLF001
    return torch.where(largest.isfinite(), norms.clamp(max=torch.finfo(widest).max), norms)


def _norms_on_cpu(tensors: list[torch.Tensor]) -> torch.Tensor:
    narrow = tensors[0].dtype in (torch.float16, torch.bfloat16)
    norms = torch.stack(
        torch._foreach_norm(tensors, 2.0, dtype=torch.float32 if narrow else None)  # noqa: SLF001
    ).double()
    for at in norms.isfinite().logical_not().nonzero().flatten().tolist():
        tensor = tensors[at]
        norm = torch.linalg.vector_norm(tensor, dtype=torch.float64)
        if not norm.isfinite() and tensor.isfinite().all():  # float64, beyond 1e154
            norm = norm.new_full((), torch.finfo(torch.float64).max)
        norms[at] = norm
    return norms
