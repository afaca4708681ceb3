"""The few elements that a scan keeps of each tensor, as numbers, and how far apart two sets are."""

from __future__ import annotations

import functools
import itertools
import math
import operator
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Self

from ckptdoctor.dtypes import BY_NAME
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Distance", "Move", "SampledTensor", "Samples", "alike", "distance", "moves", "sum_of"]

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


def _decoder(dtype: str, nbytes: int, most: int) -> Callable[[bytes], Sequence[float]]:
    """:func:`_decode` for samples of so many bytes."""
    if code := _CODES.get(dtype):
        return _layout(code, nbytes, most).unpack
    return functools.partial(_decode, dtype=dtype, most=most)


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
    """How far the samples of one tensor moved; distances are by the root of their number.

    Attributes:
        fqn, numel: of the tensor.
        apart: the norm of the difference.
        before, after: the norms.
    """

    fqn: str
    numel: int
    apart: float
    before: float
    after: float


def moves(pairs: Iterable[SampledTensor]) -> Iterator[Move]:
    """How far each tensor moved; those whose samples do not match are left out."""
    pairs = [pair for pair in map(alike, pairs) if pair.before and pair.after]
    most = _most_of(len(pairs))
    for pair in pairs:
        before = _decode(pair.before, pair.dtype, most)
        after = _decode(pair.after, pair.dtype, most)
        root = math.sqrt(len(before))
        yield Move(
            pair.fqn,
            pair.numel,
            math.dist(before, after) / root,
            math.hypot(*before) / root,
            math.hypot(*after) / root,
        )


def alike(pair: SampledTensor) -> SampledTensor:
    """The elements that both samples have; none where they do not match.

    Of a file with many tensors every second or fourth element is kept of those that are kept of
    others: see :func:`ckptdoctor.scanning.plan.sample_step`.
    """
    before, after, itemsize = pair.before, pair.after, BY_NAME[pair.dtype].itemsize
    if len(before) == len(after):
        return pair
    fewest = min(len(before), len(after))
    return pair._replace(
        before=_thinned(before, fewest, itemsize), after=_thinned(after, fewest, itemsize)
    )


def _thinned(raw: bytes, nbytes: int, itemsize: int) -> bytes:
    """Every other element, as often as it takes to have so many bytes; none where that misses."""
    while nbytes and len(raw) > nbytes:
        items = [raw[at : at + itemsize] for at in range(0, len(raw), 2 * itemsize)]
        raw = b"".join(items)
    return raw if len(raw) == nbytes else b""


def _most_of(tensors: int) -> int:
    """How many values are compared of each of so many tensors."""
    return max(1, _MOST_VALUES // max(1, tensors))


@dataclass(frozen=True, slots=True)
class _Plan:
    """What samples of checkpoints of one model have in common.

    Attributes:
        layout: the model.
        sizes: bytes of the sample of each tensor; None of one that was not measured.
        every: elements of each tensor.
        names, numels: of the tensors that have a sample.
        decoders: what gives its values.
        roots: of their number.
    """

    layout: Sequence[tuple[str, str, object]]
    sizes: list[int | None]
    every: list[int]
    names: Sequence[str]
    numels: Sequence[int]
    decoders: Sequence[Callable[[bytes], Sequence[float]]]
    roots: Sequence[float]

    @classmethod
    def of(
        cls,
        layout: Sequence[tuple[str, str, object]],
        sizes: list[int | None],
        numels: list[int],
    ) -> Self:
        own = [
            (fqn, dtype, size, numel)
            for (fqn, dtype, _), size, numel in zip(layout, sizes, numels, strict=True)
            if size
        ]
        most = _most_of(len(own))
        decoders = [_decoder(dtype, size, most) for _, dtype, size, _ in own]
        return cls(
            layout=layout,
            sizes=sizes,
            every=numels,
            names=[fqn for fqn, *_ in own],
            numels=[numel for *_, numel in own],
            decoders=decoders,
            roots=[
                math.sqrt(len(decode(bytes(size))))
                for decode, (_, _, size, _) in zip(decoders, own, strict=True)
            ],
        )

    def fits(
        self,
        layout: Sequence[tuple[str, str, object]],
        sizes: list[int | None],
        numels: list[int],
    ) -> bool:
        """Whether it is that of other samples too."""
        return layout is self.layout and sizes == self.sizes and numels == self.every


@dataclass(frozen=True, slots=True)
class Samples:
    """Those of one checkpoint as numbers: it is compared with the one before and the one behind.

    Attributes:
        plan: of which tensors.
        values: of each.
        norms: theirs, by the root of their number.
    """

    plan: _Plan
    values: Sequence[Sequence[float]]
    norms: Sequence[float]

    @classmethod
    def of(
        cls,
        layout: Sequence[tuple[str, str, object]],
        known: Sequence[tuple[int, bytes] | None],
        like: Samples | None = None,
    ) -> Self:
        """The samples of a checkpoint.

        Args:
            layout: name and type of each tensor come first.
            known: elements and sample of each; None where it was not measured.
            like: those of another checkpoint, of which is taken what holds of both.
        """
        raw = [one[1] for one in known if one is not None and one[1]]
        sizes = [None if one is None else len(one[1]) for one in known]
        numels = [0 if one is None else one[0] for one in known]
        plan = like.plan if like is not None else None
        if plan is None or not plan.fits(layout, sizes, numels):
            plan = _Plan.of(layout, sizes, numels)
        values = [decode(each) for decode, each in zip(plan.decoders, raw, strict=True)]
        norms = [math.hypot(*each) for each in values]
        return cls(plan, values, list(map(operator.truediv, norms, plan.roots)))

    def can_be_held_against(self, other: Samples) -> bool:
        """Whether both have the same tensors, and as much of each."""
        return self.plan is other.plan or (
            self.plan.layout is other.plan.layout and self.plan.sizes == other.plan.sizes
        )

    def moved_to(self, after: Samples) -> list[Move]:
        """As :func:`moves`, where both can be held against each other."""
        plan, apart = self.plan, map(math.dist, self.values, after.values)
        by_root = map(operator.truediv, apart, plan.roots)
        rows = zip(plan.names, plan.numels, by_root, self.norms, after.norms, strict=True)
        return list(map(tuple.__new__, itertools.repeat(Move), rows))  # half of what Move() takes


def distance(pairs: Iterable[SampledTensor]) -> Distance | None:
    """How far the tensors moved; None where there is nothing finite to compare.

    Each sample stands for its whole tensor, so that a large tensor weighs as much as it is large.
    """
    return sum_of(moves(pairs))


def sum_of(found: Iterable[Move]) -> Distance | None:
    """How far tensors moved, all together."""
    moved = norm_before = norm_after = 0.0
    farthest, farthest_relative = "", -1.0
    for fqn, numel, apart, before, after in found:
        if not math.isfinite(apart):
            continue
        moved += numel * apart * apart
        norm_before += numel * before * before
        norm_after += numel * after * after
        relative = apart / before if before else math.inf if apart else 0.0
        if relative > farthest_relative and numel > 1:
            farthest, farthest_relative = fqn, relative
    if not norm_before:
        return None
    return Distance(
        relative=math.sqrt(moved / norm_before),
        growth=math.sqrt(norm_after / norm_before),
        farthest=farthest,
        farthest_relative=farthest_relative,
    )
