"""The clock of a run: what counts in it, and where each of its checkpoints stands.

What the contents say comes before what a name says, and never the time of modification: copying
changes it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ckptdoctor.histories import Clock, Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Metadata, Source, position
from ckptdoctor.runs.families import Name, name_of
from ckptdoctor.runs.member import Member

__all__ = ["Course", "counted", "course_of", "standing", "trainings"]

_MOST_EPOCHS = 9999
"""A larger number in a name counts steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Checkpoints in the order in which they were saved.

    Attributes:
        members: those whose place is known, then the others.
        placed: how many of them have a place.
        by_step: whether steps tell the order.
    """

    members: tuple[Member, ...] = ()
    placed: int = 0
    by_step: bool = False


def standing(data: Metadata, clock: Clock) -> Position | None:
    """Where a checkpoint stands by a clock; None where that is not known."""
    return data.global_step if clock is Clock.STEP else data.epoch


# -- numbers in names ----------------------------------------------------------------------------


def counted(members: Sequence[Member]) -> list[Member]:
    """The members with what the numbers in otherwise equal names count, where nothing else tells.

    ``unet_5.pth`` among its like is of epoch 5; ``epoch2_10.pth`` among others of ``epoch2`` is of
    epoch 10.
    """
    open_ones = [m for m in members if m.metadata.epoch_source is not Source.CONTENTS]
    values = _varying(open_ones)
    told = {id(m): m.metadata.epoch for m in open_ones if id(m) in values}
    known = {epoch for epoch in told.values() if epoch is not None}
    steps = {m.metadata.global_step for m in open_ones if id(m) in values} - {None}
    agree = all(epoch is None or epoch == values[at] for at, epoch in told.items())
    if len(set(values.values())) < 2 or len(steps) > 1 or (len(known) > 1 and not agree):
        return list(members)
    as_step = max(values.values()) > _MOST_EPOCHS
    return [
        _counting(member, values[id(member)], as_step=as_step) if id(member) in values else member
        for member in members
    ]


def _varying(members: Sequence[Member]) -> dict[int, int]:
    """By identity, the number that differs among otherwise equal names, the last such."""
    names = {id(member): name_of(member.path).numbers for member in members}
    shapes = Counter(tuple(n.word for n in numbers) for numbers in names.values() if numbers)
    if not shapes:
        return {}
    shape = max(sorted(shapes), key=lambda words: shapes[words])
    alike = {
        at: numbers
        for at, numbers in names.items()
        if tuple(number.word for number in numbers) == shape
    }
    places = [
        place
        for place in range(len(shape))
        if len({numbers[place].value for numbers in alike.values()}) > 1
    ]
    if not places:
        return {}
    return {at: int(numbers[places[-1]].value) for at, numbers in alike.items()}


def _counting(member: Member, value: int, *, as_step: bool) -> Member:
    data = member.metadata
    if as_step:
        return replace(member, metadata=replace(data, global_step=value))
    told = replace(data, epoch=value, name_epoch=value, epoch_source=Source.FILENAME)
    return replace(member, metadata=told)


# -- order ---------------------------------------------------------------------------------------


def course_of(members: Iterable[Member]) -> Course:
    """The members in order: by step where steps are known, else by epoch.

    A checkpoint that calls itself the last, and says no more of its place, comes last; so does the
    bare name among names with numbers.
    """
    every = sorted(members, key=lambda member: position(member.path, member.metadata))
    epochs = [m for m in every if m.metadata.epoch is not None]
    steps = [m for m in every if m.metadata.global_step is not None]
    by_step = bool(steps) and (
        not epochs or (len(steps) >= len(epochs) and not _counts_within_epochs(every))
    )
    placed = sorted(steps, key=_by_step) if by_step else epochs
    known = {id(member) for member in placed}
    others = [member for member in every if id(member) not in known]
    last = _last_of(others, placed)
    rest = [member for member in others if member not in last]
    return Course(members=(*placed, *last, *rest), placed=len(placed) + len(last), by_step=by_step)


def _by_step(member: Member) -> tuple[object, ...]:
    data = member.metadata
    return (data.global_step, data.epoch or 0, *position(member.path, data))


def _last_of(others: Sequence[Member], placed: Sequence[Member]) -> list[Member]:
    """The one file without a place that is newer than all that have one."""
    if not placed or not others:
        return []
    last = [member for member in others if name_of(member.path).is_last]
    if not last:
        kinds = {name_of(member.path).kind for member in placed}
        bare = [m for m in others if _is_bare(name_of(m.path)) and name_of(m.path).kind in kinds]
        last = bare if len(bare) == 1 else []
    return last if len(last) == 1 else []


def _is_bare(name: Name) -> bool:
    return not name.numbers and not name.is_extra


# -- second trainings ----------------------------------------------------------------------------


def trainings(members: Sequence[Member]) -> list[list[Member]]:
    """The members by training: a second one in the same folder goes on in steps, not in epochs.

    Where the step begins again with every epoch there is one training, and the epoch leads.
    """
    both = [
        m for m in members if m.metadata.epoch is not None and m.metadata.global_step is not None
    ]
    by_step = sorted(both, key=_by_step)
    cuts = [at for at in range(1, len(by_step)) if _epoch(by_step[at]) < _epoch(by_step[at - 1])]
    if not cuts or _counts_within_epochs(both):
        return [list(members)]
    parts: list[list[Member]] = []
    for first, end in zip([0, *cuts], [*cuts, len(by_step)], strict=True):
        part = by_step[first:end]
        if parts and (len(part) < 2 or len(parts[-1]) < 2):
            parts[-1].extend(part)
        else:
            parts.append(part)
    others = [member for member in members if member not in both]
    parts[-1].extend(others)
    return parts


def _epoch(member: Member) -> float:
    return member.metadata.epoch or 0


def _counts_within_epochs(members: Sequence[Member]) -> bool:
    """Whether steps begin again with each epoch.

    Then the same step comes under several epochs, or fewer steps fall back in the order of the
    epochs than epochs do in the order of the steps.
    """
    both = [
        (m.metadata.epoch, m.metadata.global_step)
        for m in members
        if m.metadata.epoch is not None and m.metadata.global_step is not None
    ]
    by_step = [epoch for epoch, _ in sorted(both, key=lambda pair: (pair[1], pair[0]))]
    by_epoch = [step for _, step in sorted(both)]
    epochs_of: dict[int, set[float]] = {}
    for epoch, step in both:
        epochs_of.setdefault(step, set()).add(epoch)
    repeated = sum(len(epochs) > 1 for epochs in epochs_of.values())
    falls = _falls(by_step)
    return falls > 0 and (repeated * 2 > len(epochs_of) or falls > _falls(by_epoch))


def _falls(values: Sequence[float]) -> int:
    return sum(after < before for before, after in itertools.pairwise(values))
