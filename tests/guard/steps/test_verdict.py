"""A step is dropped by all ranks where it is bad on any, and everybody reads the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from ckptdoctor.guard.steps.distributed import Ranks
from ckptdoctor.guard.steps.norms import gather
from ckptdoctor.guard.steps.verdict import PendingVerdict, Seen, judge, one_number
from tests.guard.steps.test_norms import parameters_of

CPU = torch.device("cpu")
NAN, INF = math.nan, math.inf
FINE = (torch.tensor([3.0, 0.0]), torch.tensor([4.0]))  # a norm of 5
NAN_IN_THE_SECOND = (FINE[0], torch.tensor([NAN]))


@dataclass(frozen=True, kw_only=True)
class Together(Ranks):
    """Ranks that are asked one after the other: each hears all that the first round told."""

    told: list[torch.Tensor] = field(default_factory=list)

    def total(self, parts: torch.Tensor) -> torch.Tensor:
        if len(self.told) < self.size:
            self.told.append(parts)
        return torch.stack(self.told).sum(0)


def seen_by_all(
    losses: Sequence[float | None],
    grads: Sequence[tuple[torch.Tensor, ...]] = (FINE, FINE),
    **more: Any,
) -> list[Seen]:
    """What each rank sees of a step; the gradients of ranks are copies of one another."""
    ranks = Together(group=None, size=len(losses), sharded=False)
    seen: list[Seen] = []
    for _ in range(2):
        seen = []
        for loss, values in zip(losses, grads, strict=False):
            options = {"observed": None, "grad_norm": None, "limit": INF, "loss_scale": None} | more
            verdict = judge(
                gather(parameters_of(*values), ranks.size, sharded=False),
                ranks,
                loss=one_number(loss, CPU),
                **options,
            )
            pending = PendingVerdict(
                verdict, has_loss=loss is not None, has_scale=options["loss_scale"] is not None
            )
            seen.append(pending.read())
            assert (bool(verdict.bad), bool(verdict.drop)) == (seen[-1].bad, seen[-1].drop)
            assert float(verdict.norm) == pytest.approx(seen[-1].norm, nan_ok=True)
    return seen


def test_a_good_step_is_taken_and_its_norm_and_mean_loss_are_those_of_all_ranks() -> None:
    (alone,) = seen_by_all([0.5])
    assert alone == Seen(
        bad=False,
        bad_loss=False,
        drop=False,
        norm=5.0,
        loss=0.5,
        mean_loss=0.5,
        loss_scale=None,
        bad_gradients=(),
    )
    first, second = seen_by_all([0.5, 1.5])
    assert (first.loss, second.loss) == (0.5, 1.5)
    for one in (first, second):
        assert (one.bad, one.drop, one.norm, one.mean_loss) == (False, False, 5.0, 1.0)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_bad_loss_on_any_rank_drops_the_step_on_all(value: float) -> None:
    for losses in ([value], [1.0, value], [value, 1.0]):
        for one in seen_by_all(losses):
            assert (one.bad, one.bad_loss, one.drop) == (True, True, True)
            assert one.bad_gradients == ()


def test_a_bad_gradient_drops_the_step_on_all_and_is_named_where_it_lies() -> None:
    first, second = seen_by_all([1.0, 1.0], [FINE, NAN_IN_THE_SECOND])
    for one in (first, second):
        assert (one.bad, one.bad_loss, one.drop) == (True, False, True)
    assert (first.bad_gradients, second.bad_gradients) == ((), (1,))


def test_a_loss_before_the_last_counts_where_gradients_were_accumulated() -> None:
    (one,) = seen_by_all([1.0], observed=torch.tensor(NAN))
    assert (one.bad, one.bad_loss, one.drop, one.loss) == (True, True, True, 1.0)
    (one,) = seen_by_all([1.0], observed=torch.tensor(3.0))
    assert (one.bad, one.loss) == (False, 1.0)


@pytest.mark.parametrize(("limit", "drop"), [(4.9, True), (5.0, False), (INF, False)])
def test_a_norm_above_the_limit_is_dropped_and_is_not_bad(limit: float, drop: bool) -> None:
    for losses in ([1.0], [1.0, 1.0]):
        for one in seen_by_all(losses, limit=limit):
            assert (one.bad, one.drop) == (False, drop)


def test_a_norm_that_the_caller_knows_is_taken_and_no_gradient_is_read() -> None:
    for losses in ([1.0], [1.0, 1.0]):
        unread = [NAN_IN_THE_SECOND] * 2
        for one in seen_by_all(losses, unread, grad_norm=torch.tensor(7.0), limit=6.0):
            assert (one.bad, one.drop, one.bad_gradients) == (False, True, ())
            assert one.norm == pytest.approx(7.0)
        for one in seen_by_all(losses, grad_norm=torch.tensor(NAN)):
            assert (one.bad, one.bad_loss, one.drop, one.bad_gradients) == (True, False, True, ())


def test_what_there_is_not_is_not_told() -> None:
    (one,) = seen_by_all([None])
    assert (one.bad, one.loss, one.mean_loss, one.loss_scale) == (False, None, None, None)
    (one,) = seen_by_all([1.0], loss_scale=torch.tensor([65536.0]))
    assert one.loss_scale == 65536.0
    (one,) = seen_by_all([1.0], [()])  # nothing was trained
    assert (one.bad, one.norm) == (False, 0.0)


def test_a_loss_is_one_number() -> None:
    for loss in (2.5, torch.tensor(2.5), torch.tensor([[2.5]], dtype=torch.float16)):
        number = one_number(loss, CPU)
        assert (number.shape, number.dtype, number.item()) == ((), torch.float64, 2.5)
        assert not number.requires_grad
    with pytest.raises(ValueError, match="one number, not a tensor of shape \\(2,\\)"):
        one_number(torch.zeros(2), CPU)
