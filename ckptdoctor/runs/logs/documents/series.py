"""Lists of numbers that are a series over the epochs each, to rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ckptdoctor.histories import Position
from ckptdoctor.runs.logs.documents.document import Unread
from ckptdoctor.runs.logs.documents.records import is_epoch, is_step
from ckptdoctor.runs.logs.log_reading import Row
from ckptdoctor.runs.logs.numbers import number, numbers, position
from ckptdoctor.runs.logs.watched import is_watched

__all__ = ["rows_of_series"]

_MOST_ROWS = 1_000_000

_MANY = 10
_OF_BATCHES = re.compile(r"batch|step|iter", re.IGNORECASE)

Series = Sequence[object]
Place = tuple[Position | None, int | None]
"""An epoch, and a step."""


def rows_of_series(lists: Mapping[str, Series], cut: str = "") -> Iterator[Row | Unread]:
    """A row a place in the lists; its epoch is what a list ``epoch`` beside it says, else counted.

    Args:
        lists: by name; Keras' history is such. A list of another length than most of those that
            are metrics is one over batches, or over every few epochs, where the lengths are
            multiples.
        cut: the name of one whose end is lost.
    """
    series = {name: one for name, one in lists.items() if _is_series(one)}
    if not any(is_watched(name) for name in series):
        return
    values = {name: one for name, one in series.items() if not is_epoch(name) and not is_step(name)}
    places = {name: _told(name, len(one), series) for name, one in values.items()}
    usual = _usual_length([n for n in values if n != cut and places[n] is None], values)
    rows: dict[Place, dict[str, float]] = {}
    for name, one in values.items():
        found = places[name] or _counted(len(one), len(one) if name == cut else usual)
        if found is None:
            yield Unread(text=f"{name}: {len(one)} values, where other lists have {usual}")
            continue
        for place, value in zip(found, one, strict=True):
            for _, number_ in numbers({name: value}):
                rows.setdefault(place, {})[name] = number_
        if len(rows) > _MOST_ROWS:
            break
    for place in sorted(rows, key=_place_key):
        yield Row(epoch=place[0], step=place[1], values=rows[place])


def _place_key(place: Place) -> tuple[float, float]:
    epoch, step = place
    return (epoch if epoch is not None else -1.0, step if step is not None else -1.0)


def _is_series(values: Series) -> bool:
    return not any(isinstance(one, dict | list | bool) for one in values) and any(
        True for one in values for _ in numbers({"": one})
    )


def _usual_length(names: Sequence[str], values: Mapping[str, Series]) -> int:
    """How many epochs there are: what most of the metrics have that are none of batches."""
    of_epochs = [name for name in names if not _OF_BATCHES.search(name)] or names
    count = Counter(len(values[name]) for name in of_epochs if is_watched(name))
    most = max(count.values(), default=0)
    lengths = sorted(length for length in count if count[length] == most)
    if not lengths:
        return 0
    # Of two as frequent: batches are many an epoch, and an evaluation is every few epochs.
    return lengths[0] if lengths[-1] > _MANY * lengths[0] else lengths[-1]


def _told(name: str, length: int, series: Mapping[str, Series]) -> list[Place] | None:
    """The epoch and step of each value, where lists beside it tell them."""
    group = name.rpartition("/")[0]
    epochs = _axis(series, group, length, of_steps=False)
    steps = _axis(series, group, length, of_steps=True)
    if epochs is None and steps is None:
        return None
    return [
        (epochs[at] if epochs else None, _whole(steps[at]) if steps else None)
        for at in range(length)
    ]


def _counted(length: int, usual: int) -> list[Place] | None:
    """The epoch of each value, counted; None where the length does not go with that of others."""
    if length == usual:
        return [(at, None) for at in range(1, length + 1)]
    if usual and length > usual and length % usual == 0:  # the last of an epoch's batches stands
        return [(at // (length // usual) + 1, None) for at in range(length)]
    if length < usual and usual % length == 0:
        return [(at * (usual // length), None) for at in range(1, length + 1)]
    return None


def _axis(
    series: Mapping[str, Series], group: str, length: int, *, of_steps: bool
) -> list[Position | None] | None:
    """A list of epochs or steps beside a list, or above all groups."""
    told = is_step if of_steps else is_epoch
    for where in (group, ""):
        for name, one in series.items():
            if told(name) and name.rpartition("/")[0] == where and len(one) == length:
                found = map(number, one)
                return [None if value is None else position(value) for value in found]
    return None


def _whole(value: Position | None) -> int | None:
    return None if value is None else int(value)
