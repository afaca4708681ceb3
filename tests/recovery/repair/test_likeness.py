"""How usual an element is among the others, and zeros that a lost page leaves."""

from __future__ import annotations

import pytest
import torch

from ckptdoctor.dtypes import BY_NAME
from ckptdoctor.formats.source import MemorySource
from ckptdoctor.recovery.repair.likeness import Crowd, Range, odd_zeros


def crowd(values: torch.Tensor) -> Crowd:
    raw = bytes(values.contiguous().untyped_storage())
    dtype = BY_NAME[str(values.dtype).removeprefix("torch.")]
    found = Crowd.of(MemorySource(raw), Range(0, len(raw)), dtype, "little")
    assert found is not None
    return found


def top(value: float, dtype: torch.dtype = torch.float32) -> int:
    return bytes(torch.tensor(value, dtype=dtype).untyped_storage())[-1]


@pytest.fixture(params=[torch.float32, torch.bfloat16, torch.float16, torch.float64])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    kind: torch.dtype = request.param
    return kind


@pytest.mark.one_in(2)
def test_an_element_far_out_is_alone(dtype: torch.dtype) -> None:
    weights = crowd((torch.randn(10_000) * 0.02).to(dtype))
    assert weights.as_extreme(top(60_000.0, dtype), top(0.02, dtype)) == 1


def test_the_more_usual_it_is_the_more_are_like_it() -> None:
    weights = crowd(torch.randn(10_000) * 0.02)
    small = weights.as_extreme(top(1e-9), top(0.02))
    near = weights.as_extreme(top(1e-4), top(0.02))
    assert small == 1
    assert near is not None
    assert 10 < near < 200


def test_an_element_that_would_be_less_usual_bears_no_witness() -> None:
    weights = crowd(torch.randn(10_000) * 0.02)
    assert weights.as_extreme(top(0.02), top(1e30)) is None
    assert weights.as_extreme(top(0.02), top(0.021)) is None


def test_integers_have_no_exponent() -> None:
    assert Crowd.of(MemorySource(bytes(80)), Range(0, 80), BY_NAME["int64"], "little") is None


def test_bytes_of_chance_among_weights_are_wild() -> None:
    raw = bytearray(bytes((torch.randn(4096) * 0.02).untyped_storage()))
    found = Crowd.of(MemorySource(bytes(raw)), Range(0, len(raw)), BY_NAME["float32"], "little")
    assert found is not None
    assert found.wild() == 0
    raw[400:464] = bytes((37 * at + 101) % 256 for at in range(64))
    found = Crowd.of(MemorySource(bytes(raw)), Range(0, len(raw)), BY_NAME["float32"], "little")
    assert found is not None
    assert found.wild() > 0


def test_second_moments_are_not_wild_though_they_span_much() -> None:
    moments = (torch.randn(10_000) * torch.logspace(-6, 0, 10_000)).square()
    assert crowd(moments).wild() == 0


def zeros(data: bytes, offset: int = 0) -> tuple[int, int] | None:
    return odd_zeros(MemorySource(data), Range(offset, len(data) - offset))


def test_sectors_of_zeros_between_other_bytes_are_a_lost_page() -> None:
    data = bytes([7]) * 1024 + bytes(4096) + bytes([7]) * 700
    assert zeros(data) == (1024, 4096)
    assert zeros(data, offset=64) == (1024, 4096)


def test_zeros_up_to_the_end_of_a_record_are_one() -> None:
    assert zeros(bytes([7]) * 1024 + bytes(700)) == (1024, 512)


@pytest.mark.parametrize(
    "data",
    [
        bytes(8192),
        bytes([7]) * 8192,
        bytes([7]) * 900 + bytes(3000) + bytes([7]) * 900,  # begins within a sector
        bytes([7]) * 512 + bytes(100) + bytes([7]) * 900,
        b"",
    ],
)
def test_other_zeros_are_not(data: bytes) -> None:
    assert zeros(data) is None
