"""The norms, against torch's own in float64, at the ends of every dtype."""

from __future__ import annotations

import math

import pytest
import torch

from ckptdoctor.guard.steps.norms import blank, gather, joined, measure, norms_unseen, scale
from tests.each import each

CPU = torch.device("cpu")
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def parameters_of(*grads: torch.Tensor | None) -> list[torch.nn.Parameter]:
    found = []
    for grad in grads:
        parameter = torch.nn.Parameter(torch.zeros(()) if grad is None else torch.zeros_like(grad))
        parameter.grad = grad
        found.append(parameter)
    return found


def norms_of(*grads: torch.Tensor | None) -> torch.Tensor:
    return measure(gather(parameters_of(*grads), 1, sharded=False), CPU).each


def total_of(*grads: torch.Tensor | None) -> float:
    gradients = gather(parameters_of(*grads), 1, sharded=False)
    return float(measure(gradients, CPU).squares().sqrt())


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_norm_is_that_of_torch(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    grads = [torch.randn(shape).to(dtype) for shape in ((3, 4), (50,), (1,), (2, 2, 2))]
    wanted = [float(grad.double().norm()) for grad in grads]
    assert norms_of(*grads).tolist() == pytest.approx(wanted, rel=1e-5)
    assert total_of(*grads) == pytest.approx(math.hypot(*wanted), rel=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_huge_finite_gradients_are_finite(dtype: torch.dtype) -> None:
    top = torch.finfo(dtype).max
    assert norms_of(torch.full((100,), top, dtype=dtype)).isfinite().all()
    assert norms_of(torch.tensor([-top, top, 1.0], dtype=dtype)).isfinite().all()
    assert total_of(torch.full((9,), 1e20)) == pytest.approx(3e20, rel=1e-5)


@each("bad", [math.nan, math.inf, -math.inf])
@each("dtype", DTYPES)
@each("at", [0, 7, 4999])
def test_one_bad_element_is_found(dtype: torch.dtype, bad: float, at: int) -> None:
    grad = torch.ones(5000, dtype=dtype)
    grad[at] = bad
    assert norms_of(torch.ones(3), grad, torch.ones(2)).isfinite().tolist() == [True, False, True]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_bad_element_among_huge_ones_is_found(dtype: torch.dtype) -> None:
    grad = torch.full((100,), torch.finfo(dtype).max, dtype=dtype)
    grad[40] = math.nan
    assert not norms_of(grad).isfinite().any()


def test_mixed_dtypes_keep_their_order() -> None:
    grads = [torch.full((n,), 1.0, dtype=DTYPES[n % 4]) for n in range(1, 9)]
    assert norms_of(*grads).tolist() == pytest.approx([math.sqrt(n) for n in range(1, 9)], rel=1e-6)


def test_none_empty_zero_and_complex() -> None:
    assert norms_of(None).numel() == 0
    assert norms_of(torch.empty(0), torch.zeros(4), None).tolist() == [0.0, 0.0]
    assert norms_of(torch.tensor([3 + 4j])).tolist() == pytest.approx([5.0])
    assert not norms_of(torch.tensor([complex(1, math.nan)])).isfinite().any()


def test_sparse_duplicates_are_summed() -> None:
    grad = torch.sparse_coo_tensor(
        torch.tensor([[1, 1]]), torch.tensor([[3.0], [1.0]]), (4, 1), check_invariants=False
    )
    assert norms_of(grad).tolist() == [4.0]
    gradients = gather(parameters_of(grad), 1, sharded=False)
    scale(gradients, 0.5)
    assert grad.to_dense().flatten().tolist() == [0.0, 2.0, 0.0, 0.0]


def test_scaling_and_blanking_write_into_the_gradients() -> None:
    one, two = torch.tensor([1.0, 2.0]), torch.tensor([4.0], dtype=torch.float16)
    gradients = joined(
        [gather(parameters_of(one), 1, sharded=False), gather(parameters_of(two), 1, sharded=False)]
    )
    scale(gradients, 0.5)
    scale(gradients, torch.tensor(3.0, dtype=torch.float64))
    assert (one.tolist(), two.tolist()) == ([1.5, 3.0], [6.0])
    one[0] = math.nan
    blank(gradients, torch.tensor(data=False))
    assert math.isnan(one[0])
    blank(gradients, torch.tensor(data=True))
    assert (one.tolist(), two.tolist()) == ([0.0, 0.0], [0.0])


def test_shares_are_weighted_by_how_many_ranks_hold_them() -> None:
    grads = [torch.tensor([3.0]), torch.tensor([4.0])]
    gradients = gather(parameters_of(*grads), 2, sharded=False)
    assert float(measure(gradients, CPU).squares()) == 12.5  # half of it on each of two ranks
    gradients = gather(parameters_of(*grads), 2, sharded=True)
    assert float(measure(gradients, CPU).squares()) == 25.0
    gradients.copies[1] = 4.0
    assert float(measure(gradients, CPU).squares()) == 13.0


@each("widest", [torch.float32, torch.float64])
@each("dtype", DTYPES)
def test_what_accelerators_do_finds_the_same(dtype: torch.dtype, widest: torch.dtype) -> None:
    """There nothing is looked at, so that the reduction itself has to be right."""
    if dtype is torch.float64 and widest is torch.float32:
        return  # a device without float64 has no such gradients
    top = torch.finfo(dtype).max
    huge = torch.full((50,), top, dtype=dtype)
    spoilt = huge.clone()
    spoilt[7] = math.nan
    endless = torch.ones(50, dtype=dtype)
    endless[49] = -math.inf
    plain = torch.arange(50).to(dtype)
    norms = norms_unseen([huge, spoilt, endless, plain], widest)
    assert norms.isfinite().tolist() == [True, False, False, True]
    assert float(norms[3]) == pytest.approx(float(plain.double().norm()), rel=1e-5)
    assert norms.dtype is widest
