"""The values and the moment of a line, by what was learned of lines of the same letters."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace

from ckptdoctor.histories import Position
from ckptdoctor.runs.logs.marks import ELSEWHERE, Mark, find_mark
from ckptdoctor.runs.logs.pairs import values_in
from ckptdoctor.runs.logs.templates import Spot, Templates, spot_of

__all__ = ["mark_of", "values_of"]

_ValuesPlan = tuple[tuple[str, int, int, float], ...]
"""Of each value its name and where it stands; of one that stands nowhere, as NaN, itself."""


class _Values(Templates[dict[str, float], _ValuesPlan]):
    def read(self, line: bytes, *how: Hashable) -> dict[str, float]:
        split, commas, is_bare = how
        text = line.decode("utf-8", "replace")
        return values_in(text, str(split), commas=bool(commas), is_bare=bool(is_bare))

    def plan(
        self, spots: Sequence[Spot], probes: Sequence[tuple[bytes, dict[str, float]]]
    ) -> _ValuesPlan | None:
        names = list(probes[0][1])
        if any(list(found) != names for _, found in probes):
            return None
        plan = []
        for name in names:
            told = [(one, found[name]) for one, found in probes]
            spot = spot_of(spots, told)
            value = told[0][1]
            if spot is None and not _are_same([one for _, one in told]):
                return None
            plan.append((name, *(spot or (0, 0)), value))
        return tuple(plan)

    def fill(self, plan: _ValuesPlan, line: bytes) -> dict[str, float]:
        # times one: a NaN of its own, as each that is read; the same would equal itself in a list
        return {
            name: float(line[start:end]) if end else value * 1.0 for name, start, end, value in plan
        }


_MarkPlan = tuple[Mark | None, Spot | None, Spot | None]
"""The mark of such a line, and where its epoch and its step stand, as far as these change."""


class _Marks(Templates[Mark | None, _MarkPlan]):
    def read(self, line: bytes, *how: Hashable) -> Mark | None:
        in_words, in_pairs = how
        return find_mark(line, in_words=bool(in_words), in_pairs=bool(in_pairs))

    def plan(
        self, spots: Sequence[Spot], probes: Sequence[tuple[bytes, Mark | None]]
    ) -> _MarkPlan | None:
        first = probes[0][1]
        if first is None or first is ELSEWHERE:
            return (first, None, None) if all(mark is first for _, mark in probes) else None
        marks = [(one, mark) for one, mark in probes if mark is not None and mark is not ELSEWHERE]
        alike = {replace(mark, epoch=None, step=None, text=b"") for _, mark in marks}
        kinds = {(type(mark.epoch), type(mark.step)) for _, mark in marks}
        cut_out = all(mark.text == one[mark.start : mark.end] for one, mark in marks)
        if len(marks) < len(probes) or len(alike) > 1 or len(kinds) > 1 or not cut_out:
            return None
        epochs = [(one, mark.epoch) for one, mark in marks]
        steps = [(one, mark.step) for one, mark in marks]
        epoch, step = spot_of(spots, epochs), spot_of(spots, steps)
        for spot, told in ((epoch, epochs), (step, steps)):
            if spot is None and len({value for _, value in told}) > 1:
                return None
        return first, epoch, step

    def fill(self, plan: _MarkPlan, line: bytes) -> Mark | None:
        mark, epoch, step = plan
        if mark is None or (epoch is None and step is None):
            return mark
        return Mark(
            mark.epoch if epoch is None else _like(mark.epoch, line[epoch[0] : epoch[1]]),
            mark.step if step is None else int(float(line[step[0] : step[1]])),
            mark.start,
            mark.end,
            line[mark.start : mark.end],
            mark.values_from,
            mark.cut,
            mark.phase,
            mark.moves,
            mark.in_words,
            mark.is_bare,
            mark.is_alone,
            mark.in_pairs,
            mark.is_amid,
            mark.is_in_path,
        )


def _like(epoch: Position | None, number: bytes) -> Position:
    return int(float(number)) if isinstance(epoch, int) else float(number)  # of `epoch 12.`


def _are_same(values: Sequence[float]) -> bool:
    return len(set(values)) == 1 or all(map(math.isnan, values))


_VALUES, _MARKS = _Values(), _Marks()


def values_of(text: bytes, split: str, *, commas: bool, is_bare: bool) -> dict[str, float]:
    """The values of a text as ``pairs.values_in`` finds them.

    Args:
        text: without the epoch that it names, not decoded.
        split: as there.
        commas: as there.
        is_bare: as there.
    """
    return _VALUES.of(text, split, commas, is_bare)


def mark_of(raw: bytes, *, in_words: bool, in_pairs: bool = False) -> Mark | None:
    """The moment that a line names, as ``marks.find_mark`` finds it."""
    return _MARKS.of(raw, in_words, in_pairs)
