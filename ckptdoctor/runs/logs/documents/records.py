"""Objects that are an epoch or a step each, to rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ckptdoctor.histories import Position
from ckptdoctor.runs.logs.documents.document import Unread
from ckptdoctor.runs.logs.log_reading import Row
from ckptdoctor.runs.logs.nulls import Nulls
from ckptdoctor.runs.logs.numbers import EPOCH_NAMES, STEP_NAMES, number, numbers, position
from ckptdoctor.runs.logs.watched import is_watched

__all__ = ["axis_of", "is_epoch", "is_step", "rows_of_records"]

_STEPS = frozenset({*STEP_NAMES, "global_iter"})
_WRITTEN = "_timestamp"
_SHOWN_CHARS = 200
_CLOCKS = ("time", "_s", "seconds", "duration", "lr", "rate", "memory")


def is_epoch(name: str) -> bool:
    """Whether a name, or the end of a path, is that of the epoch."""
    return name.lower().rpartition("/")[2] in EPOCH_NAMES


def is_step(name: str) -> bool:
    """Whether a name, or the end of a path, is that of the optimizer step."""
    return name.lower().rpartition("/")[2] in _STEPS


def axis_of(record: Mapping[str, object]) -> tuple[Position | None, int | None]:
    """The epoch and the step that a record tells of itself."""
    epoch = next(_known(record[name] for name in record if is_epoch(name)), None)
    step = next(_known(record[name] for name in record if is_step(name)), None)
    return None if epoch is None else position(epoch), None if step is None else int(step)


def _known(values: Iterable[object]) -> Iterator[float]:
    return (found for found in map(number, values) if found is not None)


def rows_of_records(
    records: Sequence[Mapping[str, object]], *, counted: bool = True
) -> Iterator[Row | Unread]:
    """A row a record; one without an epoch or a step belongs to the one above it.

    One that has a field for its epoch, and no number there, belongs to none but its step.

    Args:
        records: in their order, flat.
        counted: whether records that tell neither are counted from 1; only where they hold
            nothing but metrics, as a list of predictions does not.
    """
    if all(axis_of(one) == (None, None) for one in records):
        if counted and records and all(map(_is_of_metrics, records)):
            for at, record in enumerate(records, start=1):
                yield Row(epoch=at, values=_values(record))
        return
    above: Position | None = None
    for record in map(Nulls().filled, map(dict, records)):
        epoch, step = axis_of(record)
        is_elsewhere = epoch is None and any(map(is_epoch, record))  # `final`, null, NaN
        if epoch is None and above is not None and not is_elsewhere:
            epoch = above
            step = None if step == epoch else step  # MMEngine's of an evaluation counts epochs
        above = epoch if not is_elsewhere else above
        if epoch is None and step is None:
            yield Unread(text=str(record)[:_SHOWN_CHARS])
            continue
        values = _values(record)
        if values:
            time_s = number(record.get(_WRITTEN))
            yield Row(epoch=epoch, step=step, values=values, time_s=time_s)


def _values(record: Mapping[str, object]) -> dict[str, float]:
    return {
        name: value
        for name, value in numbers(record)
        if not is_epoch(name) and not name.startswith("_")
    }


def _is_of_metrics(record: Mapping[str, object]) -> bool:
    names = list(_values(record))
    others = [name for name in names if not is_watched(name)]
    return len(others) < len(names) and all(name.lower().endswith(_CLOCKS) for name in others)
