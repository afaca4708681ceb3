"""The bits of the element types, held against torch."""

from __future__ import annotations

import math

import pytest
import torch

from ckptdoctor.dtypes import BY_NAME, NUMPY, SAFETENSORS, STORAGE_CLASSES, DType, Kind
from tests.each import each

SMALL_FLOATS = [
    dtype for dtype in BY_NAME.values() if dtype.finite_bits is not None and dtype.itemsize <= 2
]
FLOATS = [dtype for dtype in BY_NAME.values() if dtype.kind is Kind.FLOAT]


@each(
    "dtype",
    SMALL_FLOATS,
)
def test_every_finite_magnitude_decodes_as_torch_reads_it(dtype: DType) -> None:
    assert dtype.finite_bits is not None
    integer = torch.int16 if dtype.itemsize == 2 else torch.uint8
    bits = torch.arange(dtype.finite_bits + 1, dtype=integer)
    expected = bits.view(getattr(torch, dtype.name)).to(torch.float64).tolist()
    assert [dtype.decode(magnitude) for magnitude in range(dtype.finite_bits + 1)] == expected


@each(
    "dtype",
    FLOATS,
)
def test_the_largest_finite_value_is_torchs(dtype: DType) -> None:
    assert dtype.max_finite == torch.finfo(getattr(torch, dtype.name)).max
    assert dtype.decode(dtype.finite_bits or 0) == dtype.max_finite


@each(
    "dtype",
    FLOATS,
)
def test_just_above_the_largest_finite_value_is_none(dtype: DType) -> None:
    integer = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize]
    above = 0x80 if dtype.nan_is_negative_zero else (dtype.finite_bits or 0) + 1
    value = torch.tensor([above], dtype=integer).view(getattr(torch, dtype.name))
    assert not math.isfinite(value.to(torch.float64).item())
    assert math.isinf(value.to(torch.float64).item()) is (dtype.inf_bits == above)


@each(
    "dtype",
    BY_NAME.values(),
)
def test_sizes_are_torchs(dtype: DType) -> None:
    assert getattr(torch, dtype.name).itemsize == dtype.itemsize


def test_types_that_have_no_real_value_refuse_to_decode() -> None:
    with pytest.raises(ValueError, match="int8 is no real floating point type"):
        BY_NAME["int8"].decode(1)


def test_every_name_in_the_tables_leads_to_the_right_type() -> None:
    assert STORAGE_CLASSES["BFloat16Storage"].name == "bfloat16"
    assert SAFETENSORS["F8_E4M3"].name == "float8_e4m3fn"
    assert NUMPY["f2"].name == "float16"
    assert {d.name for d in NUMPY.values()} <= set(BY_NAME)


def test_only_floats_can_be_non_finite() -> None:
    able = {dtype.name for dtype in BY_NAME.values() if dtype.can_be_non_finite}
    assert {"float32", "complex64", "float8_e8m0fnu"} <= able
    assert not able & {"int64", "bool", "quint8", "uint16"}
