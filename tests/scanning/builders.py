"""Elements of every type, and the naive way to measure them."""

from __future__ import annotations

import itertools
import math
import random
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import torch

from ckptdoctor.checkpoint import Checkpoint, TensorStats
from ckptdoctor.dtypes import BY_NAME, DType, Kind
from ckptdoctor.formats import opened, read_checkpoint
from ckptdoctor.scanning.eager import load_eager
from ckptdoctor.scanning.kernels import EMPTY, Kernels, Measurement
from ckptdoctor.scanning.libtorch import load_libtorch
from ckptdoctor.scanning.pending import ScanResult
from ckptdoctor.scanning.scanner import Scanner

MAX_NUMEL = 3000


def backends() -> list[Kernels]:
    """Both of them."""
    return [load_libtorch(), load_eager()]


# -- the oracle ----------------------------------------------------------------------------------


def components(raw: bytes, dtype: DType) -> list[float]:
    """The values in some bytes, one by one; the parts of complex numbers apart."""
    if dtype.component is not None:
        return components(raw, BY_NAME[dtype.component])
    if dtype.kind in (Kind.SIGNED, Kind.UNSIGNED):
        signed, size = dtype.kind is Kind.SIGNED, dtype.itemsize
        return [
            int.from_bytes(raw[at : at + size], "little", signed=signed)
            for at in range(0, len(raw), size)
        ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        elements = torch.frombuffer(bytearray(raw), dtype=torch.uint8)
    typed = elements.view(getattr(torch, dtype.name))
    return [float(value) for value in typed.to(torch.float64).tolist()]


def measured(values: Sequence[float], per_element: int = 1) -> Measurement:
    """What a loop finds in some values."""
    bad = [at for at, value in enumerate(values) if not math.isfinite(value)]
    finite = [value for value in values if math.isfinite(value)]
    return Measurement(
        sum(math.isnan(value) for value in values),
        sum(value == math.inf for value in values),
        sum(value == -math.inf for value in values),
        min(finite, default=None),
        max(finite, default=None),
        bad[0] // per_element if bad else None,
    )


def naive(raw: bytes, dtype: DType) -> Measurement:
    """What a loop finds in some bytes."""
    if not raw or dtype.kind is Kind.OPAQUE:
        return EMPTY
    return measured(components(raw, dtype), 1 if dtype.component is None else 2)


# -- elements ------------------------------------------------------------------------------------


def _is_finite(bits: int, dtype: DType) -> bool:
    sign = 1 << (8 * dtype.itemsize - 1)
    if dtype.nan_is_negative_zero:
        return bits != sign
    if dtype.kind is Kind.EXPONENT:
        return bits != 0xFF
    return dtype.finite_bits is None or (bits & (sign - 1)) <= dtype.finite_bits


def special_bits(dtype: DType) -> list[int]:
    """The corners of a type: zeros, subnormals, extremes, Inf, and NaN of several kinds."""
    width = 8 * dtype.itemsize
    sign, ones = 1 << (width - 1), (1 << width) - 1
    bits = {0, 1, 2, sign, sign | 1, sign - 1, ones, ones - 1}
    if dtype.finite_bits is not None:
        top = dtype.finite_bits
        bits |= {top, top - 1, sign | top, (top + 1) & ones, (sign | (top + 1)) & ones}
        bits |= {(top + 2) & ones, (sign | (top + 2)) & ones}
    return sorted(bits)


def finite_bits(dtype: DType) -> list[int]:
    """The corners of a type that are finite."""
    return [bits for bits in special_bits(dtype) if _is_finite(bits, dtype)]


def bad_bits(dtype: DType) -> list[int]:
    """The corners of a type that are NaN or infinite."""
    return [bits for bits in special_bits(dtype) if not _is_finite(bits, dtype)]


def packed(bits: Sequence[int], itemsize: int) -> bytes:
    """Elements with these bits, side by side, little-endian."""
    return b"".join(pattern.to_bytes(itemsize, "little") for pattern in bits)


@st.composite
def elements(draw: st.DrawFn, dtype: DType) -> bytes:
    """Some elements: any bits, corners only, clean with a few bad ones, or bad throughout."""
    component = dtype if dtype.component is None else BY_NAME[dtype.component]
    size = component.itemsize
    numel = draw(st.integers(1, MAX_NUMEL) | st.integers(1, 9))
    count = numel * (dtype.itemsize // size)
    chance = random.Random(draw(st.integers(0, 2**32)))
    bad = bad_bits(component) or special_bits(component)
    style = draw(st.sampled_from(["random", "corners", "clean", "mostly clean", "bad", "small"]))
    if style == "random":
        return chance.randbytes(count * size)
    if style == "bad":
        return packed(chance.choices(bad, k=count), size)
    if style == "small":  # one sign only
        sign = draw(st.sampled_from([0, 1 << (8 * size - 1)]))
        picks = [bits for bits in (1, 2, 3, 40) if _is_finite(bits | sign, component)]
        return packed([sign | chance.choice(picks) for _ in range(count)], size)
    pool = special_bits(component) if style == "corners" else finite_bits(component)
    chosen = chance.choices(pool, k=count)
    if style == "mostly clean":
        for _ in range(chance.randint(1, 5)):
            chosen[chance.randrange(count)] = chance.choice(bad)
    return packed(chosen, size)


# -- whole tensors -------------------------------------------------------------------------------


def raw_of(tensor: torch.Tensor) -> bytes:
    """The elements that a tensor shows, in the order of its indices, little-endian."""
    plain = tensor.int_repr() if tensor.is_quantized else tensor
    if not plain.numel():
        return b""
    copied = plain.resolve_conj().clone(memory_format=torch.contiguous_format).reshape(-1)
    return bytes(copied.view(torch.uint8).tolist())


def stats_of(fqn: str, tensor: torch.Tensor, name: str) -> TensorStats:
    """The statistics of a tensor, by a loop over all that it shows."""
    dtype = BY_NAME[name]
    found = naive(raw_of(tensor), dtype)
    first: tuple[int, ...] | None = None
    if found.first_bad is not None:
        parts = 2 if dtype.component is not None else 1
        values = components(raw_of(tensor), dtype)
        places = []
        for at, index in enumerate(itertools.product(*map(range, tensor.shape))):
            if not all(map(math.isfinite, values[at * parts : (at + 1) * parts])):
                steps = zip(index, tensor.stride(), strict=True)
                places.append((sum(place * step for place, step in steps), index))
        first = min(places)[1]
    largest = max(abs(found.max or 0.0), abs(found.min or 0.0))
    values = components(raw_of(tensor), dtype) if largest in dtype.saturations else []
    return TensorStats(
        fqn=fqn,
        numel=tensor.numel(),
        nan=found.nan,
        posinf=found.posinf,
        neginf=found.neginf,
        min=found.min,
        max=found.max,
        first_bad_index=first,
        saturated=sum(abs(value) == largest for value in values),
    )


# -- whole files ---------------------------------------------------------------------------------


def scan_file(
    path: Path, *, jobs: int | None = 1, kernels: Kernels | None = None
) -> tuple[Checkpoint, ScanResult]:
    """The checkpoint in a file, and what a scan of it finds."""
    with opened(path) as file, Scanner(jobs, kernels) as scanner:
        checkpoint = read_checkpoint(file)
        return checkpoint, scanner.submit(checkpoint, file.fd).result()


def scan_tensors(path: Path, **how: Any) -> dict[str, TensorStats]:
    """The statistics of each tensor of a file in which nothing else is to be noticed."""
    checkpoint, result = scan_file(path, **how)
    assert (*checkpoint.problems, *result.problems) == ()
    return result.stats
