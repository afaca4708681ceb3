"""NaN and Inf become zero, and no other element changes by a bit."""

from __future__ import annotations

import torch

from ckptdoctor.scanning.zeroing import zeroed
from tests.each import each

FLOATS = ("float64", "float32", "float16", "bfloat16", "float8_e5m2", "float8_e4m3fn")


@each("name", FLOATS)
def test_of_every_float_what_is_finite_stays_as_it_was(name: str) -> None:
    dtype = getattr(torch, name)
    largest = torch.finfo(dtype).max
    bad = torch.tensor([float("nan"), float("inf"), -float("inf")], dtype=torch.float64)
    good = torch.tensor([largest, -largest, 0.5, -0.0, torch.finfo(dtype).tiny], dtype=bad.dtype)
    values = torch.cat([bad, good]).to(dtype)
    finite = values.double().isfinite()
    raw = bytes(values.view(torch.uint8).untyped_storage())
    kept = torch.frombuffer(bytearray(zeroed(raw, name)), dtype=torch.uint8).view(dtype)
    size = dtype.itemsize
    for number, is_finite in enumerate(finite.tolist()):
        was = raw[number * size : (number + 1) * size]
        now = bytes(kept[number : number + 1].view(torch.uint8).tolist())
        assert now == (was if is_finite else bytes(size))
    assert not finite.all()
    assert finite[3:].all()
