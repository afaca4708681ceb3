"""The few elements that a scan keeps of each tensor, as numbers, and how far apart two sets are."""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ckptdoctor.dtypes import BY_NAME

__all__ = ["Distance", "Move", "SampledTensor", "distance", "moves", "sum_of"]

_CODES = {"float64": "d", "float32": "f", "float16": "e"}
_MOST_VALUES = 20_000  # of all tensors together: what two of them cost is milliseconds


class SampledTensor(NamedTuple):
    """The samples of one tensor in two checkpoints."""

    fqn: str
    dtype: str
    numel: int
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far tensors moved, estimated from their samples.

    Attributes:
        relative: the norm of the difference over the norm before; ``inf`` from all zeros.
        growth: the norm after over the norm before.
        farthest: the tensor that moved most in relation to itself.
        farthest_relative: by how much.
    """

    relative: float
    growth: float
    farthest: str
    farthest_relative: float


@functools.lru_cache(maxsize=256)
def _layout(code: str, nbytes: int, most: int) -> struct.Struct:
    """Every so many of the elements in so many bytes that there are no more than allowed."""
    itemsize = struct.calcsize(code)
    numel = nbytes // itemsize
    step = -(-numel // most)
    between = f"{(step - 1) * itemsize}x"
    whole, rest = divmod(numel, step)
    last = f"{code}{(rest - 1) * itemsize}x" if rest else ""
    return struct.Struct("<" + f"{code}{between}" * whole + last)


def _decode(raw: bytes, dtype: str, most: int) -> Sequence[float]:
    """So many of the elements at most, evenly spaced."""
    if code := _CODES.get(dtype):
        return _layout(code, len(raw), most).unpack(raw)
    values = _decoded(raw, dtype)
    return values[:: -(-len(values) // most)]


def _decoded(raw: bytes, dtype: str) -> tuple[float, ...]:
    if dtype == "bfloat16":  # the upper half of a float32
        wide = bytearray(2 * len(raw))
        wide[2::4], wide[3::4] = raw[0::2], raw[1::2]
        return struct.unpack(f"<{len(raw) // 2}f", wide)
    table = _one_byte_floats(dtype) if raw else ()
    return tuple(table[byte] for byte in raw)


@functools.cache
def _one_byte_floats(dtype: str) -> tuple[float, ...]:
    decode, top = BY_NAME[dtype].decode, BY_NAME[dtype].finite_bits or 0
    positive = [decode(bits) if bits <= top else math.nan for bits in range(128)]
    return (*positive, *(-value for value in positive))


class Move(NamedTuple):
    """How far the samples of one tensor moved; all by the root of their number.

    Attributes:
        pair: the tensor.
        apart: the norm of the difference.
        before, after: the norms.
    """

    pair: SampledTensor
    apart: float
    before: float
    after: float


def moves(pairs: Iterable[SampledTensor]) -> Iterator[Move]:
    """How far each tensor moved; those whose samples do not match are left out."""
    pairs = [pair for pair in pairs if pair.before and len(pair.before) == len(pair.after)]
    most = max(1, _MOST_VALUES // max(1, len(pairs)))
    for pair in pairs:
        before = _decode(pair.before, pair.dtype, most)
        after = _decode(pair.after, pair.dtype, most)
        root = math.sqrt(len(before))
        yield Move(
            pair,
            math.dist(before, after) / root,
            math.hypot(*before) / root,
            math.hypot(*after) / root,
        )


def distance(pairs: Iterable[SampledTensor]) -> Distance | None:
    """How far the tensors moved; None where there is nothing finite to compare.

    Each sample stands for its whole tensor, so that a large tensor weighs as much as it is large.
    """
    return sum_of(moves(pairs))


def sum_of(found: Iterable[Move]) -> Distance | None:
    """How far tensors moved, all together."""
    moved = norm_before = norm_after = 0.0
    farthest, farthest_relative = "", -1.0
    for pair, apart, before, after in found:
        if not math.isfinite(apart):
            continue
        moved += pair.numel * apart * apart
        norm_before += pair.numel * before * before
        norm_after += pair.numel * after * after
        relative = apart / before if before else math.inf if apart else 0.0
        if relative > farthest_relative and pair.numel > 1:
            farthest, farthest_relative = pair.fqn, relative
    if not norm_before:
        return None
    return Distance(
        relative=math.sqrt(moved / norm_before),
        growth=math.sqrt(norm_after / norm_before),
        farthest=farthest,
        farthest_relative=farthest_relative,
    )
