"""The figures of a run from what a scan keeps of its checkpoints: extremes, and a few elements."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from ckptdoctor.histories import Clock, Position
from ckptdoctor.metadata import Metadata
from ckptdoctor.runs.departure.course import Course, CourseBuilder, Moment, Trait
from ckptdoctor.runs.jumps import Mover
from ckptdoctor.runs.member import Member, is_trained
from ckptdoctor.runs.samples import Move

__all__ = ["SampledCourse", "gap_of"]

_MOST_FIGURES = 12_000
_DEEPEST = 12


class SampledCourse:
    """Puts together what is known of the checkpoints of a run.

    Where they have very many tensors, those of a module are taken together: a scan must not take
    longer for it.

    Args:
        members: the checkpoints in order.
        clock: of the run.
        position: where a checkpoint stands on it.
        whole: whether every tensor is wanted, however many they are.
    """

    def __init__(
        self,
        members: Sequence[Member],
        clock: Clock,
        position: Callable[[Metadata], Position | None],
        *,
        whole: bool = False,
    ) -> None:
        self._members = members
        self._clock = clock
        self._moments = tuple(
            Moment(name=one.path.name, at=position(one.metadata)) for one in members
        )
        self._places = {id(one): place for place, one in enumerate(members)}
        self._looked: dict[int, None] = {}
        self._course = CourseBuilder(len(members))
        names = dict.fromkeys(fqn for one in members for fqn, _, _ in one.layout or ())
        most = math.inf if whole else _MOST_FIGURES
        self._groups = _groups(list(names), most / max(1, len(members)))

    def see(self, before: Member, after: Member, moves: Sequence[Move]) -> None:
        """Take what was reckoned already, where the two are neighbours."""
        since, place = self._places.get(id(before)), self._places.get(id(after))
        if since is not None and place is not None and since == place - 1:
            self._note(place, moves)

    def course(self) -> Course:
        """What is known of the run."""
        mover = Mover()
        for place, member in enumerate(self._members):
            self._extremes(place, member)
            self._rates(place, member)
            if place and place not in self._looked:
                self._note(place, mover.between(self._members[place - 1], member))
        numel: Counter[str] = Counter()
        shapes = {fqn: shape for one in self._members for fqn, _, shape in one.layout or ()}
        for fqn, shape in shapes.items():
            numel[self._groups.get(fqn, fqn)] += math.prod(shape)
        return Course(
            moments=self._moments,
            clock=self._clock,
            series=self._course.series,
            numel=numel,
            buffers=frozenset(fqn for fqn in shapes if not is_trained(fqn)),
        )

    def _note(self, place: int, moves: Sequence[Move]) -> None:
        self._looked[place] = None
        groups = self._groups
        apart: dict[str, float] = {}
        before: dict[str, float] = {}
        after: dict[str, float] = {}
        for fqn, numel, way, old, new in moves:
            if not math.isfinite(way):
                continue
            name = groups.get(fqn, fqn) if groups else fqn
            apart[name] = apart.get(name, 0) + numel * way * way
            before[name] = before.get(name, 0) + numel * old * old
            after[name] = after.get(name, 0) + numel * new * new
        gap, note = gap_of(self._moments[place - 1], self._moments[place]), self._course.note_all
        note(Trait.MOVED, place, {name: math.sqrt(one) / gap for name, one in apart.items()})
        note(Trait.NORM, place, {name: math.sqrt(one) for name, one in after.items()})
        if place == 1:
            note(Trait.NORM, 0, {name: math.sqrt(one) for name, one in before.items()})

    def _extremes(self, place: int, member: Member) -> None:
        largest: dict[str, float] = {}
        groups = self._groups
        for fqn, stats in member.stats.items():
            name = groups.get(fqn, fqn) if groups else fqn
            if stats.non_finite:
                self._course.note(Trait.NON_FINITE, fqn, place, stats.non_finite / stats.numel)
            elif stats.min is not None and stats.max is not None and stats.sample:
                largest[name] = max(abs(stats.min), abs(stats.max), largest.get(name, 0.0))
        self._course.note_all(Trait.LARGEST, place, largest)

    def _rates(self, place: int, member: Member) -> None:
        if self._groups:
            return
        for name, rate in _rates_of(member):
            self._course.note(Trait.RATE, name, place, rate)


def gap_of(before: Moment, after: Moment) -> float:
    """Units of the clock between two checkpoints; 1 where that is not known."""
    if before.at is None or after.at is None or after.at <= before.at:
        return 1.0
    return float(after.at - before.at)


def _groups(names: Sequence[str], most: float) -> Mapping[str, str]:
    """By the name of a tensor that of what it is taken together with; empty where there are few."""
    if len(names) <= most:
        return {}
    found: dict[str, str] = {}
    for depth in range(1, _DEEPEST):
        deeper = {name: ".".join(name.split(".")[:depth]) for name in names}
        if len(set(deeper.values())) > most:
            break
        found = deeper
    return found or dict.fromkeys(names, "all")


def _rates_of(member: Member) -> Iterator[tuple[str, float]]:
    """The learning rate of each parameter, where groups hold as many as the model has, in order."""
    names = [fqn for fqn, dtype, _ in member.layout or () if "float" in dtype and is_trained(fqn)]
    for _, groups in member.optimizer.optimizers:
        rates = [group.rate for group in groups for _ in range(group.count)]
        if len(rates) == len(names):
            for name, rate in zip(names, rates, strict=True):
                if rate is not None and rate > 0.0:
                    yield name, rate
