"""Which element a bit is in, and what it is there; held against torch."""

from __future__ import annotations

import math

import pytest
import torch

from ckptdoctor.checkpoint import Role, StorageRef, TensorRecord
from ckptdoctor.dtypes import BY_NAME, Kind
from ckptdoctor.scanning.flipped import Part, element_at, part_of, value_of
from tests.builders import DTYPES, tensor_of
from tests.each import each

FLOATS = [name for name in DTYPES if BY_NAME[name].kind is Kind.FLOAT]


def record(values: torch.Tensor, fqn: str = "w") -> TensorRecord:
    dtype = str(values.dtype).removeprefix("torch.")
    nbytes = values.untyped_storage().nbytes()
    return TensorRecord(
        fqn=fqn,
        dtype=dtype,
        shape=tuple(values.shape),
        stride=values.stride(),
        storage_offset=int(values.storage_offset()),
        storage=StorageRef(key="0", offset=0, nbytes=nbytes),
        role=Role.MODEL,
    )


@each("name", FLOATS)
def test_values_are_those_of_torch(name: str) -> None:
    values = tensor_of(name, 64)
    size = values.element_size()
    raw = bytes(values.untyped_storage())
    for number, expected in enumerate(values.double().tolist()):
        found = value_of(BY_NAME[name], raw[number * size : (number + 1) * size], "little")
        assert found == expected or (math.isnan(expected) and math.isnan(found or 0.0))


@each("name", FLOATS)
def test_the_first_infinity_nan_and_every_code_of_a_byte_are_those_of_torch(name: str) -> None:
    dtype, size = getattr(torch, name), BY_NAME[name].itemsize
    codes = list(range(256)) if size == 1 else []
    raw = b"".join(code.to_bytes(size, "little") for code in codes)
    ends = torch.tensor([math.inf, -math.inf, math.nan, -0.0, torch.finfo(dtype).max]).to(dtype)
    raw += bytes(ends.view(torch.uint8).untyped_storage())
    expected = torch.frombuffer(bytearray(raw), dtype=dtype).double().tolist()
    for number, value in enumerate(expected):
        found = value_of(BY_NAME[name], raw[number * size : (number + 1) * size], "little")
        assert found == value or (math.isnan(value) and math.isnan(found or 0.0)), number


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float16", "float64", "float8_e5m2"])
def test_parts_do_what_their_names_say(name: str) -> None:
    """Of 1.5: the sign turns it, the mantissa keeps it below 2, the exponent does not."""
    dtype = BY_NAME[name]
    raw = bytes(torch.tensor([1.5]).to(getattr(torch, name)).untyped_storage())
    for bit in range(8 * dtype.itemsize):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        value = value_of(dtype, bytes(changed), "little")
        assert value is not None
        expected = (
            Part.SIGN if value == -1.5 else Part.MANTISSA if 1 <= value < 2 else Part.EXPONENT
        )
        assert part_of(dtype, bit) is expected, bit


def test_the_element_is_found_in_views_and_transposed_tensors() -> None:
    base = torch.arange(60, dtype=torch.float32)
    for view in (base.view(6, 10), base.view(6, 10).t(), base[20:].view(5, 8), base[3:33:3]):
        storage = view.untyped_storage()
        for number in range(60):
            place = next(
                (
                    index
                    for index in map(
                        tuple,
                        torch.cartesian_prod(*map(torch.arange, view.shape))
                        .reshape(-1, view.dim())
                        .tolist(),
                    )
                    if view[index].item() == float(number)
                ),
                None,
            )
            found = element_at([record(view)], number * 4 + 3, 7, "little")
            assert (None if found is None else found.index) == place
            if found is not None:
                assert found.part is Part.SIGN
        assert storage.nbytes() == 240


def test_in_windows_that_overlap_it_is_an_element_that_is_there() -> None:
    base = torch.arange(6, dtype=torch.float32)
    windows = base.as_strided((3, 4), (1, 1))
    for number in range(6):
        found = element_at([record(windows)], number * 4, 0, "little")
        assert found is not None
        assert windows[found.index].item() == number


def test_tied_weights_are_named() -> None:
    base = torch.ones(8)
    found = element_at([record(base, "a"), record(base[4:], "b")], 20, 0, "little")
    assert found is not None
    assert (found.tensor.fqn, found.others, found.index) == ("a", ("b",), (5,))


def test_of_a_complex_number_it_is_the_part() -> None:
    found = element_at([record(torch.ones(4, dtype=torch.complex64))], 12 + 3, 6, "little")
    assert found is not None
    assert (found.index, found.start, found.dtype.name) == ((1,), 12, "float32")
    assert found.part is Part.EXPONENT


def test_in_big_endian_bytes_count_from_the_other_end() -> None:
    found = element_at([record(torch.ones(4))], 4, 7, "big")
    assert found is not None
    assert found.part is Part.SIGN


def test_integers_have_a_sign() -> None:
    assert value_of(BY_NAME["int16"], (-3).to_bytes(2, "little", signed=True), "little") == -3
    assert value_of(BY_NAME["uint8"], b"\xff", "little") == 255
    assert value_of(BY_NAME["bits8"], b"\xff", "little") is None


def test_beside_all_tensors_there_is_none() -> None:
    assert element_at([record(torch.ones(4))], 16, 0, "little") is None
