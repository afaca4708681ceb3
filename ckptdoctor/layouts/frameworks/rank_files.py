"""A file per rank, side by side: what scripts with FSDP or tensor parallelism save by hand.

``rank0.pt``, ``model_rank_0.pt``, ``model_world_size_8_rank_0.pt`` with ``optim_world_size_8_…``
(verl), ``consolidated.00.pth`` (Llama), ``model-00-of-04.pt``. A number of ranks is believed where
a name tells it; else the ranks go from 0 to the largest.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ckptdoctor.layouts.files import Absent, CheckpointFiles, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks.part_words import is_checkpoint_name
from ckptdoctor.layouts.frameworks.rank_names import RankName, rank_name
from ckptdoctor.layouts.layout import Layout

__all__ = ["LAYOUT"]

_NAME = "ranks"
_STEP = re.compile(r"global_step_?(\d{1,12})")
_LOADER = "data.pt"
_OF_EVERY_RANK = (PartRole.MODEL, PartRole.OPTIMIZER)
_MOST = 100_000

Group = list[RankName]
"""The files of one checkpoint."""


def _claim(folder: Folder) -> Iterator[CheckpointFiles]:
    yield from _of_roles(folder)
    for group in _groups(folder):
        yield _checkpoint(folder, group)


def _groups(folder: Folder) -> Iterator[Group]:
    """What stands together, as far as several ranks show in it or in another of its series."""
    groups: dict[tuple[str, ...], Group] = defaultdict(list)
    for name in folder.files:
        found = rank_name(name)
        if found is not None:
            groups[found.words.rest].append(found)
    several = {_series(rest) for rest, group in groups.items() if _has_several(group)}
    for rest, group in sorted(groups.items()):
        if _series(rest) in several and _has_model(group):
            yield sorted(group, key=lambda one: (one.words.role.value, one.words.word, one.rank))


def _series(rest: Sequence[str]) -> tuple[str, ...]:
    return tuple("0" if one[0].isdecimal() else one for one in rest)


def _has_model(group: Group) -> bool:
    return any(one.words.role is PartRole.MODEL for one in group)


def _has_several(group: Group) -> bool:
    ranks = {one.rank for one in group}
    told = max(one.count for one in group)
    return told > 1 or (told == 0 and len(ranks) > 1 and 0 in ranks)


def _checkpoint(folder: Folder, group: Group) -> CheckpointFiles:
    parts = [_part(folder, one) for one in group]
    parts.sort(key=lambda part: part.role is not PartRole.MODEL)
    return CheckpointFiles(
        path=folder.path if _is_all(folder, group) else parts[0].path,
        layout=_NAME,
        parts=tuple(parts),
        absent=tuple(_absent(group)),
    )


def _is_all(folder: Folder, group: Group) -> bool:
    """Whether the folder is the checkpoint: no number but the ranks tells its files apart."""
    own = {one.file for one in group}
    others = (name for name in folder.files if is_checkpoint_name(name) and name not in own)
    numbers = [one for one in group[0].words.numbers if one != str(group[0].count)]
    return not numbers and not any(rank_name(name) for name in others)


def _part(folder: Folder, one: RankName) -> Part:
    rank = f"rank_{one.rank}."
    role = one.words.role if one.words.is_clear else PartRole.MODEL
    prefix = f"{rank}{one.words.word}." if role is not PartRole.MODEL else rank if one.rank else ""
    return Part(
        path=folder.path / one.file,
        name=one.file,
        role=role,
        prefix=prefix,
        sibling=f"{one.words.word}.{rank}",
    )


def _absent(group: Group) -> Iterator[Absent]:
    by_part: dict[tuple[PartRole, str], Group] = defaultdict(list)
    for one in group:
        by_part[one.words.role, one.words.word].append(one)
    told = max(one.count for one in group)
    first = _first_rank(group, told)
    last = first + told - 1 if told else max(one.rank for one in group)
    for (role, _), own in by_part.items():
        if role not in _OF_EVERY_RANK and len(own) == 1:
            continue  # such as a scheduler, which one rank saves for all
        there = {one.rank for one in own}
        padded = any(one.padded for one in own)
        for rank in range(first, min(last + 1, _MOST)):
            if rank not in there:
                yield Absent(
                    name=own[0].of_rank(rank, padded=padded),
                    role=role,
                    because=f"{own[0].file} says that there are {told}"
                    if told
                    else "files of other ranks are there",
                )


def _first_rank(group: Group, told: int) -> int:
    ranks = {one.rank for one in group}
    if not told or 0 in ranks:
        return 0
    return 1 if told in ranks or group[0].counts_from_one else 0


def _of_roles(folder: Folder) -> Iterator[CheckpointFiles]:
    """A ``global_step_N`` of verl: a folder for each model, ``actor`` and ``critic``."""
    step = _STEP.fullmatch(folder.path.name)
    if step is None:
        return
    found: Mapping[str, CheckpointFiles] = {
        name: _checkpoint(folder.below(name), group)
        for name in folder.folders
        for group in _groups(folder.below(name))
    }
    if not found:
        return
    several = len(found) > 1
    parts = [
        replace(
            part,
            name=f"{name}/{part.name}",
            sibling=f"{name}.{part.sibling}",
            prefix=f"{name}.{part.prefix}" if several else part.prefix,
        )
        for name, files in found.items()
        for part in files.parts
    ]
    if _LOADER in folder:
        parts.append(Part(path=folder.path / _LOADER, name=_LOADER, role=PartRole.STATE))
    yield CheckpointFiles(
        path=folder.path,
        layout=_NAME,
        parts=tuple(sorted(parts, key=lambda part: part.role is not PartRole.MODEL)),
        absent=tuple(
            replace(one, name=f"{name}/{one.name}")
            for name, files in found.items()
            for one in files.absent
        ),
        scalars={"global_step": int(step[1])},
    )


LAYOUT = Layout(name=_NAME, claim=_claim)
