"""How far apart the samples of two checkpoints are: torch is the oracle."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs import samples
from ckptdoctor.runs.samples import SampledTensor, alike, distance, moves
from ckptdoctor.scanning.plan import make_plan, sample_step
from tests.cases import checkpoint, record
from tests.each import each
from tests.scanning.test_plan import storage


def raw(values: torch.Tensor) -> bytes:
    return values.contiguous().view(torch.uint8).numpy().tobytes()


def pair(fqn: str, before: torch.Tensor, after: torch.Tensor, numel: int = 0) -> SampledTensor:
    dtype = str(before.dtype).removeprefix("torch.")
    return SampledTensor(fqn, dtype, numel or before.numel(), raw(before), raw(after))


@each("dtype", "float64 float32 float16 bfloat16 float8_e4m3fn float8_e5m2".split())
def test_what_torch_reckons_of_every_type(dtype: str) -> None:
    torch.manual_seed(0)
    before, after = (torch.randn(65).to(getattr(torch, dtype)) for _ in range(2))
    (move,) = moves([pair("w", before, after)])
    root = math.sqrt(65)
    old, new = before.double(), after.double()
    assert move.apart == pytest.approx(float((new - old).norm()) / root)
    assert move.before == pytest.approx(float(old.norm()) / root)
    assert move.after == pytest.approx(float(new.norm()) / root)


def test_a_tensor_weighs_as_much_as_it_is_large() -> None:
    one, two = torch.ones(4), torch.ones(4) * 2
    found = distance([pair("large", one, one, 900), pair("small", one, two, 100)])
    assert found is not None
    assert found.relative == pytest.approx(math.sqrt(100 / 1000))
    assert found.growth == pytest.approx(math.sqrt((900 + 400) / 1000))
    assert (found.farthest, found.farthest_relative) == ("small", 1.0)


def test_a_single_number_is_not_what_moved_farthest() -> None:
    scale = pair("scale", torch.ones(1), torch.ones(1) * 9)
    found = distance([scale, pair("w", torch.ones(2), torch.ones(2) * 1.5)])
    assert found is not None
    assert found.farthest == "w"


def test_from_all_zeros_every_way_is_infinite() -> None:
    zeros, ones = torch.zeros(4), torch.ones(4)
    assert distance([pair("a", zeros, ones)]) is None
    assert distance([]) is None
    found = distance([pair("a", zeros, ones), pair("b", ones, ones)])
    assert found is not None
    assert (found.farthest, found.farthest_relative) == ("a", math.inf)
    still = distance([pair("a", zeros, zeros), pair("b", ones, ones)])
    assert still is not None
    assert (still.relative, still.growth, still.farthest_relative) == (0.0, 1.0, 0.0)


def test_what_is_not_finite_or_does_not_match_is_left_out() -> None:
    ones, nan = torch.ones(4), torch.full((4,), math.nan)
    found = distance([pair("a", ones, nan), pair("b", ones, ones * 2)])
    assert found is not None
    assert (found.relative, found.growth, found.farthest) == (1.0, 2.0, "b")
    assert list(moves([pair("a", ones, torch.ones(5)), pair("b", ones[:0], ones[:0])])) == []


@pytest.mark.parametrize("dtype", ["float32", "float8_e5m2"])
def test_of_very_many_samples_some_are_taken_evenly(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "_MOST_VALUES", 8)
    before = torch.zeros(10)
    after = torch.arange(10.0) % 8
    two = [
        pair(name, before.to(getattr(torch, dtype)), after.to(getattr(torch, dtype)))
        for name in "ab"
    ]
    for move in moves(two):  # four of each: those at 0, 3, 6 and 9
        taken = [0.0, 3.0, 6.0, 1.0]
        assert move.apart == pytest.approx(math.hypot(*taken) / 2)


@pytest.mark.parametrize(
    ("weights", "kept"), [(625, 32), (626, 16), (1250, 16), (1251, 8), (99_999, 8)]
)
@pytest.mark.one_in(5)
def test_of_files_with_many_weights_no_element_is_missed_that_would_be_compared(
    weights: int, kept: int
) -> None:
    each = checkpoint(
        [record(f"w{at}", (1,), storage=storage(64 + 64 * at, 4)) for at in range(weights)]
    )
    most = make_plan(each)[0][0].pieces[0].sampled
    numel = 5000
    values = torch.randn(2, numel)
    every, fewer = (values[:, :: sample_step(numel, one)] for one in (32, most))
    assert fewer.shape[1] == kept
    others = [pair(f"w{at}", torch.ones(1), torch.ones(1)) for at in range(1, weights)]
    before, after = (next(moves([pair("w", *kind), *others])) for kind in (every, fewer))
    if weights <= 1250:
        assert before == after._replace(numel=before.numel)
    assert before.fqn == after.fqn


@given(st.integers(1, 1 << 19), st.integers(8, 32), st.integers(8, 32))
def test_the_sample_of_a_file_with_more_weights_lies_within_that_of_one_with_fewer(
    numel: int, some: int, others: int
) -> None:
    first, second = (
        torch.arange(numel, dtype=torch.float64)[:: sample_step(numel, most)]
        for most in (some, others)
    )
    assert len(first) <= some
    assert len(first) >= min(numel, some) / 2
    both = alike(pair("w", first, second, numel))
    fewer = min(first, second, key=len)
    assert both.before == both.after == raw(fewer)


def test_samples_of_which_none_is_part_of_the_other_are_not_compared() -> None:
    assert not list(moves([pair("a", torch.ones(32), torch.ones(9))]))
    assert not list(moves([pair("a", torch.ones(9), torch.ones(32))]))
    assert not list(moves([pair("a", torch.ones(9), torch.ones(0))]))
