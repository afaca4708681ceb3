"""What every other checkpoint of a run has and this one lacks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.layouts.files import Absent, CheckpointFiles, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.numbered import renumbered
from ckptdoctor.layouts.registry import all_layouts

__all__ = ["with_siblings"]

_NUMBERS = re.compile(r"\d+")

Family = tuple[Path, str, str]


def with_siblings(found: Sequence[CheckpointFiles]) -> list[CheckpointFiles]:
    """The checkpoints, each with the parts that it lacks and all others of its run have.

    Others are asked for their names on disk where the user named but one of a run.

    Args:
        found: in any order; single files pass through.
    """
    families: dict[Family, list[CheckpointFiles]] = {}
    for files in found:
        if not files.is_single:
            families.setdefault(_family(files), []).append(files)
    for family, own in families.items():
        if len(own) == 1 and own[0].path.is_dir():
            own.extend(_on_disk(family, own[0].path))
    return [
        files
        if files.is_single
        else _completed(files, [one for one in families[_family(files)] if one is not files])
        for files in found
    ]


def _family(files: CheckpointFiles) -> Family:
    return files.path.parent, files.layout, _NUMBERS.sub("0", files.path.name)


def _on_disk(family: Family, path: Path) -> Iterable[CheckpointFiles]:
    """The other checkpoints of a family, as their folder lists them."""
    parent, name, kind = family
    layout = next((layout for layout in all_layouts() if layout.name == name), None)
    if layout is None:
        return
    for other in Folder(parent).folders:
        if other != path.name and _NUMBERS.sub("0", other) == kind:
            folder = Folder(parent / other)
            yield from (one for one in layout.claim(folder) if one.path == folder.path)


def _completed(files: CheckpointFiles, others: Sequence[CheckpointFiles]) -> CheckpointFiles:
    if not others:
        return files
    files = _without_usual(files, others)
    here = {_sibling(part) for part in files.parts}
    known = {one.name for one in files.absent}
    common = _common(others)
    lacking = [
        replace(part, name=_name_here(part, files, others[0]))
        for sibling, part in common.items()
        if sibling not in here and part.needed
    ]
    own = {_sibling(part) for part in files.parts if part.role is PartRole.MODEL and part.needed}
    if own - set(common):  # other files, as with another number of shards, hold the same weights
        lacking = [part for part in lacking if part.role is not PartRole.MODEL]
    absent = tuple(
        Absent(name=part.name, role=part.role, because=_because(others))
        for part in lacking
        if part.name not in known
    )
    return replace(files, absent=(*files.absent, *absent)) if absent else files


def _without_usual(files: CheckpointFiles, others: Sequence[CheckpointFiles]) -> CheckpointFiles:
    """Without what the layout would expect and no checkpoint of the run has."""
    there = {part.name for other in others for part in other.parts}
    kept = tuple(one for one in files.absent if not one.unless_usual or one.name in there)
    return replace(files, absent=kept) if len(kept) < len(files.absent) else files


def _name_here(part: Part, files: CheckpointFiles, other: CheckpointFiles) -> str:
    """What a part of another checkpoint would be called in this one.

    Files side by side have the number of their step in their names: a part that both have tells it.
    """
    if not part.sibling:
        return part.name
    there = {_sibling(one): one.name for one in other.parts}
    for one in files.parts:
        name = there.get(_sibling(one))
        if name is not None and name != one.name:
            return renumbered(part.name, name, one.name)
    return part.name


def _because(others: Sequence[CheckpointFiles]) -> str:
    if len(others) == 1:
        return f"{others[0].path.name} has it"
    return f"the {len(others)} others of the run have it"


def _common(others: Sequence[CheckpointFiles]) -> dict[str, Part]:
    """The parts that all of them have, by the name that they have in common."""
    first = {_sibling(part): part for part in others[0].parts}
    for one in others[1:]:
        names = {_sibling(part) for part in one.parts}
        first = {sibling: part for sibling, part in first.items() if sibling in names}
    return first


def _sibling(part: Part) -> str:
    return part.sibling or part.name
