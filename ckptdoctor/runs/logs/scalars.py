"""Series of values by step, one a name, to rows: TensorBoard's tags, MLflow's metrics.

Their steps are what the script counts. Where a series ``epoch`` stands beside them, as Lightning
writes it, it tells the epoch of each step; where a series counts 0, 1, 2, … its steps are epochs.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.runs.logs.log_reading import Row

__all__ = ["Scalar", "rows_of_scalars"]

_EPOCH = "epoch"
_MOST_EPOCHS = 1000
"""Beyond this a series that others are a part of, as an evaluation of batches, counts steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A value that was written down.

    Attributes:
        step: as the script counts.
        value: may be NaN or infinite.
        time_s: when, in seconds since the epoch of the clock; None where it is not told.
    """

    step: int
    value: float
    time_s: float | None = None


def rows_of_scalars(series: Mapping[str, Sequence[Scalar]]) -> list[Row]:
    """A row a value, in the order in which they were written."""
    told = {one.step: one.value for one in series.get(_EPOCH, ())}
    steps = sorted(told)
    of_epochs = _of_told_epochs(series, told) if told else _counting_epochs(series)
    rows = []
    for name, scalars in series.items():
        if name == _EPOCH:
            continue
        for one in scalars:
            counts = name in of_epochs
            epoch = float(one.step) if counts else _told(told, steps, one.step)
            row = Row(
                epoch=None if epoch is None else int(epoch),
                values={name: one.value},
                step=None if counts else one.step,
                time_s=one.time_s,
            )
            rows.append(row)
    return sorted(rows, key=_written)


def _written(row: Row) -> tuple[float, float]:
    return (row.time_s or 0.0, row.step if row.step is not None else row.epoch or 0.0)


def _told(told: Mapping[int, float], steps: Sequence[int], step: int) -> float | None:
    """The epoch of a step; where none is told of it, that of the step before."""
    if step in told or not steps:
        return told.get(step)
    return told[steps[max(0, bisect.bisect(steps, step) - 1)]]


def _counting_epochs(series: Mapping[str, Sequence[Scalar]]) -> frozenset[str]:
    """The series whose steps are epochs."""
    found = {name for name, scalars in series.items() if _counts(scalars)}
    others = [scalars for name, scalars in series.items() if name not in found]
    last = max((one.step for scalars in others for one in scalars), default=-1)
    return frozenset(
        name
        for name in found
        if len(series[name]) <= _MOST_EPOCHS or not 0 < last <= series[name][-1].step
    )


def _of_told_epochs(
    series: Mapping[str, Sequence[Scalar]], told: Mapping[int, float]
) -> frozenset[str]:
    """The series that count epochs, where a series tells the epochs of steps, which are many more.

    A script that logs its batches by step and its validation by epoch writes such.
    """
    last = max(told.values())
    if max(told) <= 2 * last:
        return frozenset()
    return frozenset(
        name
        for name, scalars in series.items()
        if len(scalars) > 1 and _counts(scalars) and scalars[-1].step in (last, last + 1)
    )


def _counts(scalars: Sequence[Scalar]) -> bool:
    """Whether steps are counted one by one."""
    return all(b.step - a.step in (0, 1) for a, b in itertools.pairwise(scalars))
