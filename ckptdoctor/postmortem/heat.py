"""The modules of a run over its checkpoints: how far each is from its own past."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ckptdoctor.postmortem.document import Heat, Row
from ckptdoctor.runs.departure.course import Course, Trait, module_of
from ckptdoctor.runs.departure.departures import Departure
from ckptdoctor.runs.departure.past import Past
from ckptdoctor.runs.departure.peers import Crowd
from ckptdoctor.runs.departure.signals import signals_of

__all__ = ["heat_of"]

_MOST_ROWS, _MOST_COLUMNS = 36, 60
_MEASURED = (Trait.MOVED, Trait.NORM, Trait.LARGEST)


def heat_of(course: Course, left: Sequence[Departure]) -> Heat:
    """A row a module: of its figures that which is farthest from what was usual, as a log.

    What all modules do at once, as under a schedule, is taken away. The modules that left their
    past come first, in that order; then the others, in the order of the model.
    """
    names = [name for name in course.series.get(Trait.NORM, {}) if name not in course.buffers]
    modules = dict.fromkeys(module_of(name) for name in names)
    ahead = dict.fromkeys(one.module for one in left if one.module in modules)
    shown = [*ahead, *(module for module in modules if module not in ahead)][:_MOST_ROWS]
    columns = _columns(course, left)
    signals = signals_of(course)
    rows: dict[str, dict[int, float]] = {module: {} for module in shown}
    for trait in _MEASURED:
        logs = signals.get(trait, {})
        crowd = Crowd({name: logs[name] for name in names if name in logs})
        for name in names:
            cells = rows.get(module_of(name))
            if cells is None or name not in logs:
                continue
            past = Past(logs[name])
            for place in columns:
                lead = past.lead(place)
                if lead is not None:
                    apart = lead.middle - crowd.at(place).middle
                    cells[place] = max(cells.get(place, apart), apart, key=abs)
    for name, shares in course.series.get(Trait.NON_FINITE, {}).items():
        cells = rows.get(module_of(name))
        for place in columns if cells is not None else ():
            if cells is not None and shares[place] > 0.0:
                cells[place] = math.inf
    return Heat(
        rows=tuple(
            Row(module=module, values=tuple(cells.get(place) for place in columns))
            for module, cells in rows.items()
        ),
        columns=tuple(columns),
        hidden=len(modules) - len(shown),
    )


def _columns(course: Course, left: Sequence[Departure]) -> list[int]:
    """The checkpoints that are shown; where they are many, those around the first departure."""
    count = len(course.moments)
    if count <= _MOST_COLUMNS:
        return list(range(count))
    middle = left[0].place if left else count - 1
    first = min(max(0, middle - _MOST_COLUMNS // 2), count - _MOST_COLUMNS)
    return list(range(first, first + _MOST_COLUMNS))
