"""What runs are called, so that no two of one examination have the same name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ckptdoctor.places import place_of
from ckptdoctor.runs.families import folder_inside
from ckptdoctor.runs.membership import Group

__all__ = ["Homes", "told_apart"]


class Homes:
    """The folders that runs lie in, told apart by the shortest ends of their paths.

    Args:
        folders: without links.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = frozenset(folders)
        self._ends = Counter(end for one in self._folders for end in _ends(one))

    def __len__(self) -> int:
        return len(self._folders)

    def __contains__(self, folder: object) -> bool:
        return folder in self._folders

    def and_these(self, folders: Iterable[Path]) -> Homes:
        """With others, if they are not among them."""
        every = self._folders.union(folders)
        return self if len(every) == len(self._folders) else Homes(every)

    def name_of(self, folder: Path) -> str:
        """What a folder among them is called: ``checkpoints``, or ``a/checkpoints``."""
        every = list(_ends(folder))
        end = next((one for one in every if self._ends[one] == 1), every[-1])
        return "/".join(end).lstrip("/") or str(folder)


def _ends(folder: Path) -> Iterator[tuple[str, ...]]:
    parts = folder.parts
    return (parts[at:] for at in range(len(parts) - 1, -1, -1))


def told_apart(groups: Sequence[Group], around: Homes | None = None) -> list[str]:
    """A name for each: the folder's, or what its files are called where a folder holds several.

    Folders of the same name are told apart by the folders above: ``a/checkpoints``. Beside others
    the folder of a version says where its files lie: ``version_0/checkpoints``.

    Args:
        groups: all runs of their folders.
        around: the folders of all runs; None for those of these.
    """
    homes = [place_of(group.folder) for group in groups]
    mates = Counter(homes)
    known = Homes(homes) if around is None else around.and_these(homes)
    names = {home: known.name_of(home) for home in mates}
    several = len(known) > 1
    if several:
        inner: dict[Path, set[str]] = {}
        for home, group in zip(homes, groups, strict=True):
            inner.setdefault(home, set()).update(folder_inside(one.path) for one in group.members)
        for home, inside in inner.items():
            if len(inside) == 1 and (word := inside.pop()):
                names[home] += f"/{word}"
    found = [
        (f"{names[home]}/{group.name}" if several else group.name)
        if mates[home] > 1
        else names[home]
        for home, group in zip(homes, groups, strict=True)
    ]
    order = sorted(range(len(found)), key=lambda at: (str(homes[at]), groups[at].name))
    return _numbered(found, order)


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
