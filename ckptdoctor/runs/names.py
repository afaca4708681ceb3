"""What runs are called, so that no two of one examination have the same name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ckptdoctor.places import place_of
from ckptdoctor.runs.membership import Group

__all__ = ["told_apart"]


def told_apart(groups: Sequence[Group]) -> list[str]:
    """A name for each: the folder's, or what its files are called where a folder holds several.

    Folders of the same name are told apart by the folders above: ``version_0/checkpoints``.
    """
    homes = [place_of(group.folder) for group in groups]
    mates = Counter(homes)
    names = _folders_apart(homes)
    several = len(mates) > 1
    found = [
        (f"{names[home]}/{group.name}" if several else group.name)
        if mates[home] > 1
        else names[home]
        for home, group in zip(homes, groups, strict=True)
    ]
    order = sorted(range(len(found)), key=lambda at: (str(homes[at]), groups[at].name))
    return _numbered(found, order)


def _folders_apart(homes: Sequence[Path]) -> dict[Path, str]:
    """The shortest ends of paths that differ."""
    distinct = list(dict.fromkeys(homes))
    names = {}
    for home in distinct:
        for depth in range(1, len(home.parts) + 1):
            end = home.parts[-depth:]
            if sum(other.parts[-depth:] == end for other in distinct) == 1:
                break
        names[home] = "/".join(end).lstrip("/") or str(home)
    return names


def _numbered(names: Sequence[str], order: Sequence[int]) -> list[str]:
    """The names, with numbers where several are the same, given out in an order of their own."""
    counts = Counter(names)
    taken = {name for name, count in counts.items() if count == 1}
    found = list(names)
    for at in order:
        if counts[names[at]] > 1:
            found[at] = next(
                name
                for number in range(1, len(names) + 2)
                if (name := f"{names[at]} ({number})") not in taken
            )
            taken.add(found[at])
    return found
