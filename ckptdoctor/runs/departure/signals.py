"""What is judged of each tensor: logs of its figures, in relation to what it was.

What a tensor moved is held against the largest norm that it had so far, not against the last one: a
bias that goes through zero would seem to leap. And nothing counts that is small beside the module
that it is of: such a bias may grow a hundredfold without any harm.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

from ckptdoctor.runs.departure.course import Course, Trait, module_of

__all__ = ["Logs", "logs_of", "signals_of"]

Logs = Mapping[str, Sequence[float | None]]
"""By the name of a tensor, natural logs by checkpoint; None where there is none."""

_SMALL = 0.1
_HARDLY = 0.05
_SCALED = (Trait.NORM, Trait.LARGEST)


def signals_of(course: Course) -> dict[Trait, Logs]:
    """What there is to judge, by trait."""
    sizes = _sizes(course)
    floors = _floors(sizes)
    found: dict[Trait, Logs] = {}
    for trait, series in course.series.items():
        if trait in (Trait.MOVED, Trait.EMA):
            found[trait] = {
                name: _relative(
                    values, sizes.get(name, ()), floors[module_of(name)], course.numel[name]
                )
                for name, values in series.items()
                if name in sizes
            }
        elif trait in _SCALED:
            found[trait] = {
                name: _floored(values, floors[module_of(name)], course.numel[name], trait)
                for name, values in series.items()
                if name in sizes
            }
        elif trait not in (Trait.NON_FINITE, Trait.DEAD):
            found[trait] = {name: logs_of(values) for name, values in series.items()}
    if Trait.MOVED in found:
        found[Trait.MOVED] = _raised(found[Trait.MOVED], course)
    return found


def logs_of(values: Sequence[float]) -> list[float | None]:
    """Natural logs; None for what is unknown, zero or not finite."""
    return [_log(value) for value in values]


def _raised(logs: Logs, course: Course) -> Logs:
    """The same, but no way shorter than a small part of what is usual at that checkpoint.

    The bias before a norm has no gradient: it moves by what is left of rounding, and would seem to
    leap once it has one.
    """
    trained = [own for name, own in logs.items() if name not in course.buffers]
    floors = []
    for column in zip(*trained, strict=True):
        known = [value for value in column if value is not None]
        floors.append(statistics.median(known) + math.log(_HARDLY) if known else None)
    return {
        name: own
        if name in course.buffers
        else [
            value if value is None or floor is None else max(value, floor)
            for value, floor in zip(own, floors, strict=True)
        ]
        for name, own in logs.items()
    }


def _sizes(course: Course) -> dict[str, list[float]]:
    """Root mean squares of the elements, the largest so far."""
    found = {}
    for name, norms in course.series.get(Trait.NORM, {}).items():
        root = math.sqrt(course.numel[name])
        known = (norm / root if math.isfinite(norm) else 0.0 for norm in norms)
        found[name] = list(itertools.accumulate(known, max))
    return found


def _floors(sizes: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """By module, what is small beside its largest tensor so far."""
    modules: dict[str, list[Sequence[float]]] = defaultdict(list)
    for name, own in sizes.items():
        modules[module_of(name)].append(own)
    return {
        module: [_SMALL * max(values) for values in zip(*every, strict=True)]
        for module, every in modules.items()
    }


def _relative(
    moved: Sequence[float], sizes: Sequence[float], floors: Sequence[float], numel: int
) -> list[float | None]:
    root = math.sqrt(numel)
    logs: list[float | None] = [None]
    for place in range(1, len(moved)):
        scale = max(sizes[place - 1], floors[place - 1])
        logs.append(_log(moved[place] / root / scale) if scale else None)
    return logs


def _floored(
    values: Sequence[float], floors: Sequence[float], numel: int, trait: Trait
) -> list[float | None]:
    root = math.sqrt(numel) if trait is Trait.NORM else 1.0
    return [
        _log(max(value / root, floor)) if math.isfinite(value) else None
        for value, floor in zip(values, [floors[0], *floors[:-1]], strict=True)
    ]


def _log(value: float) -> float | None:
    return math.log(value) if 0.0 < value < math.inf else None
