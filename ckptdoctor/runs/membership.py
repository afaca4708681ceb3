"""Which checkpoints belong together: one folder, one series of names, one model.

A single file of another name or model is a stray: a pretrained backbone, an export, a copy by hand.
It lies beside the run. Where there are only such files, those of one model are a run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from pathlib import Path

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.places import Places, place_of
from ckptdoctor.runs.families import Name, name_of, run_folder
from ckptdoctor.runs.member import Layout, Member
from ckptdoctor.runs.models import Models

__all__ = ["Group", "Membership", "grouped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Checkpoints that belong together.

    Attributes:
        folder: where they lie.
        name: what tells them from others in that folder.
        members: those with a model, or of which nothing could be read; in no order.
        sides: files that were saved with them and hold no model.
        copies: restored from one of them.
    """

    folder: Path
    name: str
    members: tuple[Member, ...]
    sides: tuple[Member, ...] = ()
    copies: tuple[Member, ...] = ()

    @property
    def is_several(self) -> bool:
        """Whether there is more than one checkpoint in it; the shards of one folder are one."""
        paths = [member.path for member in self.members]
        return len({path.parent if name_of(path).is_shard else path for path in paths}) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The groups, and what belongs to none."""

    groups: tuple[Group, ...] = ()
    strays: tuple[Member, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class _Named:
    """A member, its name, and the folder of its run."""

    member: Member
    name: Name
    home: Path


def grouped(members: Sequence[Member], *, one_by_one: bool = False) -> Membership:
    """Which of the checkpoints belong together.

    Args:
        members: all that are examined.
        one_by_one: whether the user named each file, so that all of one model are meant.
    """
    models, places = Models(), Places()
    sources = {places.of(m.path) for m in members if m.restored is None}
    known = {places.of(m.path) for m in members}
    copies, sides = [], []
    folders: dict[Path, list[_Named]] = {}
    hosts = {places.of(run_folder(m.path)) for m in members}
    for member in members:
        # A model saved at the root of its run is one of the run, whatever the folder is called.
        is_root = places.of(member.path) in hosts
        name = name_of(member.path / "model" if is_root else member.path)
        if _sources_of(member) & sources or _mean_of(member) & known:
            copies.append(member)
        elif name.is_side or not member.has_weights:
            sides.append(member)
        else:
            home = member.path if is_root else run_folder(member.path)
            folders.setdefault(places.of(home), []).append(_Named(member, name, home))
    found = [group for inside in folders.values() for group in _in_folder(inside, models)]
    groups, strays = _without_strays(found, models, one_by_one=one_by_one)
    return _with_files_beside(groups, strays, sides, copies)


def _sources_of(member: Member) -> set[Path]:
    """What it was restored from; all that it is the mean of."""
    made = member.restored
    return set() if made is None else {place_of(made.source)} | _mean_of(member)


def _mean_of(member: Member) -> set[Path]:
    """What it is the mean of; nothing for a copy."""
    return set() if member.restored is None else set(map(place_of, member.restored.averaged))


# -- one folder ----------------------------------------------------------------------------------


def _in_folder(inside: Sequence[_Named], models: Models) -> list[list[_Named]]:
    """The series of a folder, each of one model."""
    series: dict[tuple[object, ...], list[_Named]] = {}
    for one in inside:
        series.setdefault((one.name.series, one.name.labels), []).append(one)
    parts = [
        part
        for same in series.values()
        for labelled in _by_inner_label(same)
        for part in _by_model(labelled, models)
    ]
    hosts = [part for part in parts if _is_numbered(part) and _count(part) > 1]
    found = list(hosts)
    for part in parts:
        if part in hosts:
            continue
        fitting = [host for host in hosts if _goes_with(part, host, models)]
        if len(fitting) == 1:  # best.pth beside unet_1.pth, unet_2.pth
            fitting[0].extend(part)
        else:
            found.append(part)
    return found


def _is_numbered(part: Sequence[_Named]) -> bool:
    return any(one.name.numbers for one in part)


def _goes_with(part: Sequence[_Named], host: Sequence[_Named], models: Models) -> bool:
    """Whether files are the best, the last, or the bare name of a series.

    One with a number says so itself, and may name its score: ``best_coco_mAP_epoch_3``.
    """
    says_which = all(one.name.is_extra for one in part)
    if (_is_numbered(part) and not says_which) or part[0].name.labels != host[0].name.labels:
        return False
    own, others = set(part[0].name.series), set(host[0].name.series)
    named = own <= others or (says_which and own >= others)
    return named and models.are_same(_layout(part), _layout(host))


def _layout(part: Sequence[_Named]) -> Layout | None:
    return next((o.member.layout for o in part if o.member.layout is not None), None)


def _by_model(same: Sequence[_Named], models: Models) -> list[list[_Named]]:
    """One list a model; what could not be read goes where the nearest number is."""
    found: list[list[_Named]] = []
    unknown = [one for one in same if one.member.layout is None]
    for one in same:
        if one.member.layout is None:
            continue
        for part in found:
            is_shard = one.name.is_shard and part[0].name.is_shard
            if is_shard or models.are_same(part[0].member.layout, one.member.layout):
                part.append(one)
                break
        else:
            found.append([one])
    if not found:
        return [unknown]
    known = [list(part) for part in found]
    for one in unknown:
        at = min(range(len(known)), key=lambda at: _away(one, known[at]))
        found[at].append(one)
    return found


def _away(one: _Named, part: Sequence[_Named]) -> tuple[bool, float, int, str]:
    """How far a name is from others: another name, another number; then the larger part."""
    own = one.name.numbers[-1].value if one.name.numbers else math.inf
    others = [other.name.numbers[-1].value for other in part if other.name.numbers]
    gaps = [abs(own - value) for value in others if math.isfinite(own)]
    strange = all(other.name.kind != one.name.kind for other in part)
    first = min(str(other.member.path) for other in part)
    return strange, min(gaps, default=math.inf), -len(part), first


def _by_inner_label(same: Sequence[_Named]) -> list[list[_Named]]:
    """Apart where a number in the middle tells runs apart: ``bs32_epoch_1`` and ``bs64_epoch_1``.

    It does where the same count stands behind more than one of its values.
    """
    counted = [one for one in same if one.name.numbers]
    shapes = {tuple(n.word for n in one.name.inner) for one in counted}
    if len(shapes) != 1:
        return [list(same)]
    for at, _ in enumerate(shapes.pop()):
        parts: dict[float, list[_Named]] = {}
        for one in counted:
            parts.setdefault(one.name.inner[at].value, []).append(one)
        counts = [{one.name.numbers[-1].value for one in part} for part in parts.values()]
        if len(counts) > 1 and any(counts[0] & other for other in counts[1:]):
            rest = [one for one in same if not one.name.numbers]
            return [*parts.values(), *([rest] if rest else [])]
    return [list(same)]


# -- all folders ---------------------------------------------------------------------------------


def _without_strays(
    found: Sequence[list[_Named]], models: Models, *, one_by_one: bool
) -> tuple[list[Group], list[Member]]:
    several = [part for part in found if _count(part) > 1]
    single = [part for part in found if _count(part) < 2]
    if not several:
        found = _of_one_model(single, models, one_by_one=one_by_one)
        resumable = [part for part in found if any(one.member.holds_state for one in part)]
        beside = [part for part in found if part not in resumable and _is_beside(part, resumable)]
        groups = [_group(part) for part in found if part not in beside]
        return groups, [one.member for part in beside for one in part]
    own = [part for part in single if _has_just_begun(part, several, models)]
    strays = [one.member for part in single if part not in own for one in part]
    return [_group(part) for part in (*several, *own)], strays


def _is_beside(part: Sequence[_Named], resumable: Sequence[Sequence[_Named]]) -> bool:
    """Whether bare weights of another model lie beside what can be resumed from."""
    known = any(one.member.layout for one in part)
    return known and any(_folder(part) == _folder(other) for other in resumable)


def _count(part: Sequence[_Named]) -> int:
    """Checkpoints; the shards of one folder are one."""
    return len({o.member.path.parent if o.name.is_shard else o.member.path for o in part})


def _folder(part: Sequence[_Named]) -> Path:
    """The folder that most of them lie in."""
    counts = Counter(one.home for one in part)
    return min(counts, key=lambda folder: (-counts[folder], str(folder)))


def _has_just_begun(
    part: Sequence[_Named], several: Sequence[Sequence[_Named]], models: Models
) -> bool:
    """Whether a file that is alone is a run like those beside it, with one checkpoint so far."""
    home = place_of(_folder(part))
    known = {one.member.weights_id for other in several for one in other} - {""}
    alike = any(
        part[0].name.series == other[0].name.series
        and models.are_same(_layout(part), _layout(other))
        for other in several
    )
    nested = any(home.is_relative_to(place_of(_folder(other))) for other in several)
    fresh = any(o.member.holds_state and o.member.weights_id not in known for o in part)
    return alike and fresh and not nested


def _of_one_model(
    single: Sequence[list[_Named]], models: Models, *, one_by_one: bool
) -> list[list[_Named]]:
    """Files of other names, put together by folder and model; by model where each was named."""
    found: list[list[_Named]] = []
    for part in sorted(single, key=_known_first):
        for other in found:
            near = one_by_one or _folder(other) == _folder(part)
            if near and models.are_same(_layout(other), _layout(part)):
                other.extend(part)
                break
        else:
            found.append(list(part))
    return found


def _known_first(part: Sequence[_Named]) -> tuple[bool, str]:
    return _layout(part) is None, min(str(one.member.path) for one in part)


def _group(part: Sequence[_Named]) -> Group:
    counted = [one.name for one in part if one.name.numbers] or [one.name for one in part]
    kinds = [name.kind for name in counted]
    return Group(
        folder=_folder(part),
        name=max(sorted(set(kinds)), key=kinds.count),
        members=tuple(one.member for one in part),
    )


def _with_files_beside(
    groups: Sequence[Group],
    strays: Sequence[Member],
    sides: Iterable[Member],
    copies: Iterable[Member],
) -> Membership:
    """Files without a model, and restored ones, given to the run they were saved with."""
    found = list(groups)
    left = list(strays)
    for member in sides:
        home = place_of(run_folder(member.path))
        hosts = [at for at, one in enumerate(found) if place_of(one.folder) == home]
        if len(hosts) != 1:
            left.append(member)
            continue
        found[hosts[0]] = replace(found[hosts[0]], sides=(*found[hosts[0]].sides, member))
    for member in copies:
        sources = _sources_of(member)
        for at, one in enumerate(found):
            if sources & {place_of(inside.path) for inside in one.members}:
                found[at] = replace(one, copies=(*one.copies, member))
                break
        else:
            left.append(member)
    return Membership(groups=tuple(found), strays=tuple(left))
