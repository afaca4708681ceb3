"""What was measured of each tensor at each checkpoint of a run, in its order."""

from __future__ import annotations

import enum
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from ckptdoctor.histories import Clock, Position
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Course", "CourseBuilder", "Moment", "Trait", "module_of"]

UNKNOWN = math.nan
"""Stands where a trait of a tensor was not measured."""


class Trait(enum.Enum):
    """What is measured of a tensor. The value is what machines call it."""

    MOVED = "moved"
    NORM = "norm"
    LARGEST = "largest"
    SQUARES = "squares"
    MOMENTUM = "momentum"
    RATE = "rate"
    SPECTRAL = "spectral"
    DEAD = "dead_rows"
    EMA = "ema_distance"
    NON_FINITE = "non_finite"
    BAD_STATE = "bad_state"
    BAD_AVERAGE = "bad_average"

    @property
    def word(self) -> str:
        """What a person calls it."""
        return _WORDS[self]

    @property
    def is_of_optimizer(self) -> bool:
        """Whether it is the state of the optimizer that tells it, and not the weights."""
        return self in (Trait.SQUARES, Trait.MOMENTUM, Trait.RATE, Trait.BAD_STATE)


_WORDS = {
    Trait.MOVED: "update to weight",
    Trait.NORM: "norm",
    Trait.LARGEST: "largest element",
    Trait.SQUARES: "norm of exp_avg_sq",
    Trait.MOMENTUM: "norm of the momentum",
    Trait.RATE: "learning rate",
    Trait.SPECTRAL: "spectral norm",
    Trait.DEAD: "dead rows",
    Trait.EMA: "distance of the average",
    Trait.NON_FINITE: "not finite",
    Trait.BAD_STATE: "state not finite",
    Trait.BAD_AVERAGE: "average not finite",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A checkpoint of a course.

    Attributes:
        name: of the file or the folder.
        at: where it stands on the clock of the run; None where that is not known.
    """

    name: str
    at: Position | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The figures of a run.

    Attributes:
        moments: its checkpoints, in order.
        clock: what their positions count.
        series: by trait, by the name of a tensor, a figure a checkpoint; NaN where none is known.
            An update is that since the checkpoint before, by unit of the clock.
        numel: elements of each tensor.
        buffers: tensors that no optimizer moves, such as running statistics.
        exact: whether the figures are those of all elements, and not of samples.
    """

    moments: tuple[Moment, ...] = ()
    clock: Clock = Clock.EPOCH
    series: Mapping[Trait, Mapping[str, Sequence[float]]] = field(default_factory=dict, repr=False)
    numel: Mapping[str, int] = field(default_factory=dict, repr=False)
    buffers: frozenset[str] = frozenset()
    exact: bool = False

    def say(self, place: int) -> str:
        """A checkpoint in words: ``epoch 12``; its name where its position is not known."""
        moment = self.moments[place]
        return moment.name if moment.at is None else self.clock.say(moment.at)

    @property
    def root(self) -> str:
        """What the names of all tensors begin with, such as ``model_state_dict.``; or ""."""
        roots = {name.partition(".")[0] for name in self.numel}
        return (
            f"{roots.pop()}." if len(roots) == 1 and all("." in name for name in self.numel) else ""
        )

    def short(self, name: str) -> str:
        """A name without what all begin with."""
        return name.removeprefix(self.root) or name

    def figures(self, name: str) -> Iterator[tuple[Trait, Sequence[float]]]:
        """All that was measured of a tensor."""
        for trait, series in self.series.items():
            if name in series:
                yield trait, series[name]


class CourseBuilder:
    """Takes figures as they come.

    Args:
        count: of checkpoints.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self.series: dict[Trait, dict[str, array[float]]] = {}

    def note(self, trait: Trait, name: str, place: int, value: float) -> None:
        """A figure of a tensor at a checkpoint."""
        series = self.series.setdefault(trait, {})
        known = series.get(name)
        if known is None:
            known = series[name] = array("d", [UNKNOWN]) * self._count
        known[place] = value

    def note_all(self, trait: Trait, place: int, values: Mapping[str, float]) -> None:
        """The same figure of many tensors at a checkpoint, by name."""
        if not values:
            return
        series = self.series.setdefault(trait, {})
        for name, value in values.items():
            known = series.get(name)
            if known is None:
                known = series[name] = array("d", [UNKNOWN]) * self._count
            known[place] = value


def module_of(fqn: str) -> str:
    """The module that a tensor is of: its name without the last part, or all of it."""
    return fqn.rpartition(".")[0] or fqn
