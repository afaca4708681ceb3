"""What the tensors did around the place where it went wrong, in figures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import field

from ckptdoctor.histories import Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.postmortem.figures import Figures
from ckptdoctor.postmortem.order import Onset
from ckptdoctor.recovery.causes.evidence import Evidence
from ckptdoctor.runs.departure.course import Trait
from ckptdoctor.runs.departure.departures import Departure
from ckptdoctor.runs.departure.sampled import gap_of
from ckptdoctor.runs.departure.words import usual_times

__all__ = ["Reach", "Scene", "Seen"]

_GROWTH = 0.2
_WINDOW = 8
_MOST = 400
_ROSE = 1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that is known, ahead of any judgement.

    Attributes:
        figures: of the tensors.
        onset: what it began with.
        left: what left its past.
        evidence: of the trouble; None where there is none.
        rates: the learning rate by position.
        files: of the first checkpoint outside, the file of each tensor; empty for a single one.
    """

    figures: Figures
    onset: Onset
    left: tuple[Departure, ...]
    evidence: Evidence | None = None
    rates: Sequence[tuple[Position, float]] = ()
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far an element moved, and how far the optimizer can move one.

    Attributes:
        moved: the root mean square of all elements, or the largest change that is certain.
        most: what the rate allows in so many steps.
        rate, steps: that it follows from.
    """

    moved: float
    most: float
    rate: float
    steps: float

    @property
    def is_beyond(self) -> bool:
        """Whether no optimizer step explains it."""
        return self.moved > _MARGIN * self.most


_MARGIN = 1.25


class Seen:
    """The checkpoint at which it went wrong, and what was beside it and before.

    Args:
        scene: all that is known.
        place: of that checkpoint, as a number in the course.
    """

    def __init__(self, scene: Scene, place: int) -> None:
        self.scene, self.place = scene, place
        self.course, self.optimizers = scene.figures.course, scene.figures.optimizers
        self.onset, self.evidence = scene.onset, scene.evidence
        self.first = scene.onset.first
        self.here = [one for one in scene.left if one.place == place]
        self.at_once = sorted({one.module for one in self.here})
        names = self.course.series.get(Trait.NORM, {}).keys() | (
            self.course.series.get(Trait.NON_FINITE, {}).keys()
        )
        self.parameters = sorted(name for name in names if name not in self.course.buffers)
        self._times: dict[tuple[Trait, int], dict[str, float]] = {}

    @property
    def where(self) -> str:
        """The checkpoint, in words."""
        return self.course.say(self.place)

    @property
    def before(self) -> str:
        """The checkpoint before, in words."""
        return self.course.say(self.place - 1)

    @property
    def modules(self) -> int:
        """How many the parameters are of."""
        return len({name.rpartition(".")[0] or name for name in self.parameters})

    @property
    def states(self) -> Trait | None:
        """What is kept of the gradients of a parameter: means of squares, or a momentum."""
        kept = (Trait.SQUARES, Trait.MOMENTUM)
        return next((one for one in kept if self.course.series.get(one)), None)

    @property
    def is_sudden(self) -> bool:
        """Whether nothing had left its past before the metric fell, or all turned to NaN."""
        began = None if self.evidence is None else self.evidence.trouble.began
        at = self.course.moments[self.place].at
        late = self.first is None or (began is not None and at is not None and at >= began)
        return late or not self.onset.stands_out

    def state_times(self, name: str) -> float:
        """How many times what was usual the optimizer keeps of a parameter; NaN if unknown."""
        if self.states is None:
            return math.nan
        return usual_times(self.course, name, self.states, self.place)

    def trait(self, *traits: Trait) -> Departure | None:
        """The departure of the first tensor that such a figure tells, at the same checkpoint."""
        if self.first is None:
            return None
        own = (one for one in self.here if one.name == self.first.name)
        return next((one for one in own if one.trait in traits), None)

    def times(self, trait: Trait, place: int) -> dict[str, float]:
        """How many times what was usual for it each parameter has; of very many, a part."""
        known = self._times.get((trait, place))
        if known is None:
            every = self.parameters[:: -(-len(self.parameters) // _MOST) or 1]
            found = {name: usual_times(self.course, name, trait, place) for name in every}
            known = {name: value for name, value in found.items() if math.isfinite(value)}
            self._times[trait, place] = known
        return known

    def middle(self, trait: Trait, place: int) -> float | None:
        """The median of them."""
        found = self.times(trait, place)
        return statistics.median(found.values()) if found else None

    def farthest(self, trait: Trait, place: int) -> tuple[str, float] | None:
        """The parameter that is farthest from what is usual for it, and how many times that."""
        found = self.times(trait, place)
        return max(found.items(), key=lambda one: (one[1], one[0])) if found else None

    def rate(self, place: int) -> float | None:
        """The learning rate of a checkpoint: the median of the parameters', else what is told."""
        own = [
            rates[place]
            for rates in self.course.series.get(Trait.RATE, {}).values()
            if math.isfinite(rates[place])
        ]
        if own:
            return statistics.median(own)
        at = self.course.moments[place].at
        return next((rate for when, rate in self.scene.rates if when == at), None)

    def rate_before(self, place: int) -> float | None:
        """What was usual before: the median of some checkpoints."""
        known = [self.rate(at) for at in range(max(0, place - _WINDOW), place)]
        told = [rate for rate in known if rate is not None]
        return statistics.median(told) if told else None

    @property
    def rate_rose(self) -> float | None:
        """How many times what was usual before the rate is; None where that is not known."""
        now, before = self.rate(self.place), self.rate_before(self.place)
        return None if now is None or before is None or not before > 0.0 else now / before

    @property
    def all_follow_the_rate(self) -> bool:
        """Whether the rate rose, and the ways of most weights with it."""
        rose, moved = self.rate_rose, self.middle(Trait.MOVED, self.place)
        return rose is not None and moved is not None and min(rose, moved) >= _ROSE

    def reach(self, name: str) -> Reach | None:
        """How far a parameter moved, and how far Adam can move it; None where that is not known.

        Adam moves an element by the rate times m/√v: a single gradient far beyond all others moves
        it by at most 1/√(1-beta2) rates, all steps after it together, and what is usual by one.
        """
        course, place, beta2 = self.course, self.place, self.optimizers.beta2
        steps = self.optimizers.steps_to(place)
        moved = course.series.get(Trait.MOVED, {}).get(name)
        if beta2 is None or not 0.0 < beta2 < 1.0 or steps is None or moved is None:
            return None
        own = course.series.get(Trait.RATE, {}).get(name)
        rates = [self.rate(at) if own is None else own[at] for at in (place - 1, place)]
        rates += [self.rate(place - 1), self.rate(place)]
        known = [rate for rate in rates if rate is not None and math.isfinite(rate)]
        if name not in course.series.get(Trait.SQUARES, {}) or len(known) < 2:
            return None
        gap = gap_of(course.moments[place - 1], course.moments[place])
        apart = [moved[place] * gap / math.sqrt(max(1, course.numel.get(name, 1)))]
        largest = course.series.get(Trait.LARGEST, {}).get(name)
        if largest is not None:
            apart.append(abs(largest[place] - largest[place - 1]))
        finite = [value for value in apart if math.isfinite(value)]
        if not finite:
            return None
        most = max(known) * (steps + 1.0 / math.sqrt(1.0 - beta2))
        return Reach(moved=max(finite), most=most, rate=max(known), steps=steps)

    def grows(self) -> list[float]:
        """Factors of the first norm, from checkpoint to checkpoint, of a growth that goes on."""
        name = "" if self.first is None else self.first.name
        return self.growth_of(name)

    def growth_of(self, name: str) -> list[float]:
        """The same of any tensor."""
        norms = self.course.series.get(Trait.NORM, {}).get(name, ())
        factors: list[float] = []
        for place in range(max(1, self.place - 1), len(norms)):
            old, new = norms[place - 1], norms[place]
            if not (0.0 < old < math.inf and math.isfinite(new)) or new / old < 1.0 + _GROWTH:
                if place > self.place:
                    break
                factors = []
                continue
            factors.append(new / old)
        return factors
