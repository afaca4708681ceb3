"""The statistics of a file that is done, in a few arrays: names are kept once for all files alike.

As objects they take hundreds of bytes a tensor, and a thousand files of a thousand tensors would
not fit into memory.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import TypeAlias

from ckptdoctor.bulk import instances
from ckptdoctor.checkpoint import TensorStats
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Drawer", "Figures", "are_finite", "sample_of", "samples_of"]

_COUNTS = ("nan", "posinf", "neginf", "saturated")
_NOTHING: Mapping[str, array[int]] = MappingProxyType({})
_FLOAT, _INT, _NONE = range(3)
_KINDS = {float: _FLOAT, int: _INT, type(None): _NONE}


class _Tensors:
    """What files of the same tensors share.

    Attributes:
        names: of the tensors.
        numels: of each.
        ends: of each sample, where it ends in the bytes of all.
        at: place of each name.
    """

    __slots__ = ("at", "ends", "names", "numels")

    def __init__(self, names: tuple[str, ...], numels: tuple[int, ...], sizes: Iterable[int]):
        self.names = names
        self.numels = numels
        self.ends = array("Q", itertools.accumulate(sizes))
        self.at = {name: place for place, name in enumerate(names)}


_Column: TypeAlias = "array[float] | list[float | None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """The statistics of one file.

    Attributes:
        tensors: of which.
        low, high: the extremes.
        kinds: what each pair of them is; None where all are floats, or in a list as they are.
        counts: of what is not finite, or saturates; those that are zero throughout are left out.
        first: the first index that is not finite, of each tensor; None where all are.
        samples: one behind the other.
    """

    tensors: _Tensors
    low: _Column
    high: _Column
    kinds: bytes | None
    counts: Mapping[str, array[int]]
    first: Sequence[tuple[int, ...] | None] | None
    samples: bytes

    def sample(self, at: int) -> bytes:
        """That of one tensor."""
        ends = self.tensors.ends
        return self.samples[ends[at - 1] if at else 0 : ends[at]]

    def one(self, at: int) -> TensorStats:
        """The statistics of one tensor."""
        kind = _FLOAT if self.kinds is None else self.kinds[at]
        return TensorStats(
            fqn=self.tensors.names[at],
            numel=self.tensors.numels[at],
            min=_value(self.low[at], kind),
            max=_value(self.high[at], kind),
            first_bad_index=None if self.first is None else self.first[at],
            sample=self.sample(at),
            **{name: column[at] for name, column in self.counts.items()},
        )

    def every(self) -> dict[str, TensorStats]:
        """The statistics of all tensors, for a third of the time."""
        tensors, nothing = self.tensors, itertools.repeat(0)
        starts = itertools.chain((0,), tensors.ends)
        made = instances(
            TensorStats,
            len(tensors.names),
            fqn=tensors.names,
            numel=tensors.numels,
            min=_values(self.low, self.kinds),
            max=_values(self.high, self.kinds),
            first_bad_index=itertools.repeat(None) if self.first is None else self.first,
            sample=map(self.samples.__getitem__, map(slice, starts, tensors.ends)),
            **{name: self.counts.get(name, nothing) for name in _COUNTS},
        )
        return dict(zip(tensors.names, made, strict=True))


class Figures(Mapping[str, TensorStats]):
    """Statistics by fqn, made anew whenever they are asked for, and equal to those put away."""

    __slots__ = ("_chosen", "_columns")

    def __init__(self, columns: _Columns, chosen: Mapping[str, int]) -> None:
        self._columns = columns
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[str]:
        return iter(self._chosen)

    def __contains__(self, fqn: object) -> bool:
        return fqn in self._chosen

    def __getitem__(self, fqn: str) -> TensorStats:
        return self._columns.one(self._chosen[fqn])

    def items(self) -> ItemsView[str, TensorStats]:
        """With their names; made at once, which takes a third of the time."""
        return self.whole().items()

    def whole(self) -> dict[str, TensorStats]:
        """All of them at once."""
        every = self._columns.every()
        if len(every) == len(self._chosen):
            return every
        return {name: every[name] for name in self._chosen}

    def only(self, chosen: Mapping[str, int]) -> Figures:
        """Those of some tensors, without a copy; see :meth:`Drawer.chosen`."""
        return Figures(self._columns, chosen)

    @property
    def are_finite(self) -> bool:
        """Whether no element is NaN or infinite."""
        counts = self._columns.counts
        bad = [counts[name] for name in _COUNTS[:3] if name in counts]
        return not any(column[at] for column in bad for at in self._chosen.values())

    def sample_of(self, fqn: str) -> tuple[int, bytes] | None:
        """How many elements a tensor has, and a few of them; None of one that is not known."""
        at = self._chosen.get(fqn)
        if at is None:
            return None
        return self._columns.tensors.numels[at], self._columns.sample(at)

    @property
    def places(self) -> Mapping[str, int]:
        """Of all tensors of the file; the same object for files of the same tensors."""
        return self._columns.tensors.at


def are_finite(stats: Mapping[str, TensorStats]) -> bool:
    """Whether no element of the tensors is NaN or infinite."""
    if isinstance(stats, Figures):
        return stats.are_finite
    return not any(one.non_finite for one in stats.values())


def sample_of(stats: Mapping[str, TensorStats], fqn: str) -> tuple[int, bytes] | None:
    """How many elements a tensor has, and a few of them; None of one that is not known."""
    if isinstance(stats, Figures):
        return stats.sample_of(fqn)
    one = stats.get(fqn)
    return None if one is None else (one.numel, one.sample)


def samples_of(
    stats: Mapping[str, TensorStats], names: Sequence[str]
) -> list[tuple[int, bytes] | None]:
    """:func:`sample_of` of many tensors."""
    if isinstance(stats, Figures):
        return list(map(stats.sample_of, names))
    found = map(stats.get, names)
    return [None if one is None else (one.numel, one.sample) for one in found]


class Drawer:
    """Puts statistics away; what is the same in many files is kept once."""

    def __init__(self) -> None:
        self._last: _Tensors | None = None
        self._tensors: dict[tuple[object, ...], _Tensors] = {}
        self._chosen: dict[tuple[int, object], Mapping[str, int]] = {}
        self._kinds: dict[bytes, bytes] = {}
        self._indexes: dict[tuple[int, ...], tuple[int, ...]] = {}

    def figures(self, stats: Mapping[str, TensorStats]) -> Figures:
        """The same statistics, put away."""
        every = list(stats.values())
        samples = list(map(_SAMPLE, every))
        lows, highs = list(map(_MIN, every)), list(map(_MAX, every))
        kinds = _kinds_of(lows, highs)
        first = None
        if any(one is not None for one in map(_FIRST, every)):
            first = [
                None if one is None else self._indexes.setdefault(one, one)
                for one in map(_FIRST, every)
            ]
        tensors = self._shared((tuple(stats), tuple(map(_NUMEL, every)), tuple(map(len, samples))))
        columns = _Columns(
            tensors=tensors,
            low=_column(lows, kinds),
            high=_column(highs, kinds),
            kinds=None if kinds is None or not any(kinds) else self._kinds.setdefault(kinds, kinds),
            counts={
                name: array("q", column)
                for name in _COUNTS
                if any(column := list(map(attrgetter(name), every)))
            }
            or _NOTHING,
            first=first,
            samples=b"".join(samples),
        )
        return Figures(columns, tensors.at)

    def chosen(self, figures: Figures, names: Iterable[str], key: object) -> Mapping[str, int]:
        """The places of some names among the tensors of a file.

        Args:
            figures: of the file.
            names: those that are chosen.
            key: equal for equal names.
        """
        at = figures.places
        known = self._chosen.get((id(at), key))
        if known is None:
            known = {name: at[name] for name in names}
            self._chosen[id(at), key] = known = at if known == at else known
        return known

    def _shared(self, key: tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]) -> _Tensors:
        found = self._tensors.get(key)
        if found is None:
            found = self._tensors[key] = _Tensors(*key)
        return found


_SAMPLE, _MIN, _MAX = attrgetter("sample"), attrgetter("min"), attrgetter("max")
_FIRST, _NUMEL = attrgetter("first_bad_index"), attrgetter("numel")


def _kinds_of(lows: Sequence[float | None], highs: Sequence[float | None]) -> bytes | None:
    """What each pair of extremes is; None where it can only be kept as it is."""
    types = list(map(type, lows))
    if types != list(map(type, highs)):
        return None
    if types.count(float) == len(types):
        return bytes(len(types))
    if not _KINDS.keys() >= set(types):
        return None
    return bytes(map(_KINDS.__getitem__, types))


def _column(values: list[float | None], kinds: bytes | None) -> _Column:
    """Extremes as an array, where that holds every one of them exactly."""
    if kinds is None:
        return values
    plain = [0.0 if value is None else value for value in values]
    wide = array("d", plain)
    if wide.tolist() != plain:  # an integer that no float is
        return values
    narrow = array("f", wide)
    return narrow if array("d", narrow) == wide else wide


def _value(value: float | None, kind: int) -> float | None:
    if value is None or kind == _FLOAT:
        return value
    return None if kind == _NONE else int(value)


def _values(column: _Column, kinds: bytes | None) -> Iterable[float | None]:
    if isinstance(column, list):
        return column
    plain = column.tolist()
    return plain if kinds is None else list(map(_value, plain, kinds))
