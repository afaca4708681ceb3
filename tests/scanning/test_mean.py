"""The mean of elements, held against torch's in float64; and the check of it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.scanning.mean import AVERAGED, mean_of, off_mean


def raw(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.contiguous().view(torch.uint8).untyped_storage())


def samples(dtype: str, count: int, *, seed: int = 0, numel: int = 4096) -> list[torch.Tensor]:
    """Tensors of any size of exponent that a weight may have."""
    torch.manual_seed(seed)
    kind = getattr(torch, dtype)
    wide = torch.complex128 if kind.is_complex else torch.float64
    scale = torch.exp(torch.randn(numel, dtype=torch.float64) * 3)
    return [(torch.randn(numel, dtype=wide) * scale).to(kind) for _ in range(count)]


def plain_mean(tensors: list[torch.Tensor]) -> torch.Tensor:
    wide = torch.complex128 if tensors[0].is_complex() else torch.float64
    return torch.stack([one.to(wide) for one in tensors]).mean(0).to(tensors[0].dtype)


@pytest.mark.parametrize("dtype", sorted(AVERAGED))
@pytest.mark.parametrize("count", [2, 3, pytest.param(7, marks=pytest.mark.slow)])
@pytest.mark.one_in(3)
def test_it_is_the_mean_in_float64(dtype: str, count: int) -> None:
    tensors = samples(dtype, count)
    found = mean_of([raw(one) for one in tensors], dtype)
    expected = plain_mean(tensors)
    if dtype in ("float64", "complex128"):  # the order of summing decides about the last bit
        assert torch.frombuffer(bytearray(found), dtype=expected.dtype).allclose(
            expected, rtol=1e-14, atol=0
        )
    else:
        assert found == raw(expected)
    assert off_mean(found, [raw(one) for one in tensors], dtype) == 0


@pytest.mark.parametrize("dtype", sorted(AVERAGED))
@pytest.mark.one_in(3)
def test_what_does_not_move_stays_to_the_bit(dtype: str) -> None:
    tensor = samples(dtype, 1)[0]
    assert mean_of([raw(tensor)] * 3, dtype) == raw(tensor)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.one_in(4)
def test_two_steps_of_the_type_beside_the_mean_are_noticed(dtype: str) -> None:
    tensors = [raw(one) for one in samples(dtype, 5)]
    size = len(tensors[0]) // 4096
    found = bytearray(mean_of(tensors, dtype))
    if dtype == "float64":  # sums round away by some steps
        found[7 * size + 2] ^= 1
    else:  # one step may be the other neighbour of a mean between two
        found[7 * size] ^= 0b10
    assert off_mean(bytes(found), tensors, dtype) == 1


def test_nan_is_never_the_mean() -> None:
    tensors = [raw(torch.ones(4)), raw(torch.full((4,), 3.0))]
    assert off_mean(raw(torch.full((4,), torch.nan)), tensors, "float32") == 4


@given(
    st.lists(
        st.lists(st.floats(-65504.0, 65504.0, width=16), min_size=3, max_size=3),
        min_size=2,
        max_size=6,
    )
)
def test_two_ways_to_the_mean_agree_for_every_half(values: list[list[float]]) -> None:
    tensors = [raw(torch.tensor(one, dtype=torch.float16)) for one in values]
    assert off_mean(mean_of(tensors, "float16"), tensors, "float16") == 0
