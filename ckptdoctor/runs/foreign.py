"""Parts of a checkpoint that are those of another one of the run: copied over, or never written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from pathlib import Path

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.runs.member import Member

__all__ = ["StrangePart", "strange_parts"]

_NEAR = 0.02
"""A loss scaler may leave out a few steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrangePart:
    """A part that two checkpoints have, while the rest of them differs.

    Attributes:
        name: of the file.
        other: the checkpoint that has it too.
        is_foreign: whether it is known to be the other's; else nobody can tell.
    """

    name: str
    other: Member = field(repr=False)
    is_foreign: bool = False


def strange_parts(members: Sequence[Member]) -> Iterator[tuple[Path, list[StrangePart]]]:
    """By path, the parts that another checkpoint has too, while those of all others differ.

    Where more than two agree it may be that the part is not trained for a while.

    Args:
        members: of one run.
    """
    found: dict[Path, list[StrangePart]] = {}
    for name in sorted({name for member in members for name in member.parts}):
        pair = _only_pair(members, name)
        if pair is None or not _rest_differs(*pair, name):
            continue
        owner = _owner(members, pair, name)
        if owner is None and not pair[0].parts[name].changes:
            continue
        for own, other in (pair, pair[::-1]):
            if owner is not own:
                part = StrangePart(
                    name=own.parts[name].name, other=other, is_foreign=owner is other
                )
                found.setdefault(own.path, []).append(part)
    yield from found.items()


def _only_pair(members: Sequence[Member], name: str) -> tuple[Member, Member] | None:
    """The two that have the same, where all others differ from them and from one another."""
    owners: dict[str, list[Member]] = {}
    for member in members:
        if name in member.parts:
            owners.setdefault(member.parts[name].contents_id, []).append(member)
    shared = [own for own in owners.values() if len(own) > 1]
    if len(owners) < 2 or len(shared) != 1 or len(shared[0]) != 2:
        return None
    return shared[0][0], shared[0][1]


def _rest_differs(one: Member, other: Member, name: str) -> bool:
    rest = [
        part
        for part, held in one.parts.items()
        if part != name and part in other.parts and held.changes
    ]
    return bool(rest) and all(
        one.parts[part].contents_id != other.parts[part].contents_id for part in rest
    )


def _owner(members: Sequence[Member], pair: tuple[Member, Member], name: str) -> Member | None:
    """Whose it is, by the steps that it counts; None where that does not tell.

    They are those that the other files of its checkpoint count, or, of the steps of the training,
    as many as in the other checkpoints.
    """
    agreeing = [member for member in pair if _agrees(member, name)]
    if len(agreeing) == 1 and all(map(_others_tell(name), pair)):
        return agreeing[0]
    rates = [rate for member in members if member not in pair if (rate := _rate(member, name))]
    if not rates:
        return None
    fitting = [
        member
        for member in pair
        if (rate := _rate(member, name)) and math.isclose(rate, rates[-1], rel_tol=_NEAR)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _steps_of_others(member: Member, name: str) -> list[float]:
    return [held.steps for part, held in member.parts.items() if part != name and held.steps]


def _others_tell(name: str) -> Callable[[Member], bool]:
    return lambda member: bool(_steps_of_others(member, name))


def _agrees(member: Member, name: str) -> bool:
    own = member.parts[name].steps
    others = _steps_of_others(member, name)
    return own is not None and any(math.isclose(own, one, rel_tol=_NEAR) for one in others)


def _rate(member: Member, name: str) -> float | None:
    """Steps that a part counts over those of the training; epochs may be counted from 0 or 1."""
    part, step = member.parts.get(name), member.metadata.global_step
    return part.steps / step if part is not None and part.steps and step else None
