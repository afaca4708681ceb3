"""Running statistics that always moved and stand still, while those of other norms move."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ckptdoctor.runs.departure.course import Course, Trait, module_of

__all__ = ["stopped"]

_FEWEST_MOVES = 4
_STATISTICS = ("running_mean", "running_var")


def stopped(course: Course) -> Iterator[tuple[str, int]]:
    """The tensor, the first checkpoint at which it is what it was before.

    Weights that stand still were frozen, as people do. A norm whose statistics stand still while
    its own weights move was left in eval mode. Where all norms stop at once it was meant.
    """
    moved = course.series.get(Trait.MOVED, {})
    buffers = {name: own for name, own in moved.items() if name.endswith(_STATISTICS)}
    for place in range(_FEWEST_MOVES + 1, len(course.moments)):
        still = [name for name, own in buffers.items() if _stops(own, place)]
        going = sum(own[place] > 0.0 for own in buffers.values())
        if not still or not going:
            continue
        for name in still:
            if _weights_move(course, name, place):
                yield name, place


def _stops(own: Sequence[float], place: int) -> bool:
    before = own[place - _FEWEST_MOVES : place]
    return own[place] == 0.0 and all(value > 0.0 for value in before)


def _weights_move(course: Course, name: str, place: int) -> bool:
    module = module_of(name)
    return any(
        own[place] > 0.0
        for other, own in course.series[Trait.MOVED].items()
        if module_of(other) == module and other not in course.buffers
    )
