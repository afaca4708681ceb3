"""Which files cannot be of one run, as far as names tell, so that each run is judged in its turn.

Whatever the files hold, those of two parts have nothing to do with each other once there is a run
in both.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path

from ckptdoctor.layouts.files import Pointer
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.places import Places
from ckptdoctor.runs.families import name_of, run_folder
from ckptdoctor.runs.names import Homes

__all__ = ["Division", "divided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """Files in parts.

    Attributes:
        part_of: which part each of them is of, by its place in the order that was given.
        pointers: by part, the files that name a checkpoint of it to go on from.
        likely: the folders in which there are two files or more of one series.
        every: all folders in which a run may lie.
    """

    part_of: tuple[int, ...]
    pointers: dict[int, list[Pointer]]
    likely: Homes
    every: Homes

    @property
    def has_lone(self) -> bool:
        """Whether there are folders with single files, which may be runs that have just begun."""
        return len(self.every) > len(self.likely)


def divided(
    paths: Sequence[Path],
    restored: Callable[[Path], RestoredFrom | None],
    pointers: Iterable[Pointer] = (),
) -> Division:
    """The parts that checkpoints fall into.

    Args:
        paths: of all that are examined.
        restored: says what a file was restored from, by the note beside it.
        pointers: files that name a checkpoint to go on from.
    """
    places, joined = Places(), _Joined()
    homes = [places.of(run_folder(path)) for path in paths]
    own = [places.of(path) for path in paths]
    home_of = dict(zip(own, homes, strict=True))
    hosts = set(homes)
    for path, place, home in zip(paths, own, homes, strict=True):
        if place in hosts:  # a model at the root of its run
            joined.join(home, place)
        made = restored(path)
        for source in () if made is None else (made.source, *made.averaged):
            joined.join(home, home_of.get(places.of(source), home))
    known = list(pointers)
    anchors = [_anchors(one, places, hosts, home_of) for one in known]
    for found in anchors:
        for home in found[1:]:
            joined.join(found[0], home)
    parts: dict[Path, int] = {}
    part_of = tuple(parts.setdefault(joined.first(home), len(parts)) for home in homes)
    of_part: dict[int, list[Pointer]] = {}
    for pointer, found in zip(known, anchors, strict=True):
        if found:
            of_part.setdefault(parts[joined.first(found[0])], []).append(pointer)
    return Division(
        part_of=part_of,
        pointers=of_part,
        likely=Homes(_likely(paths, own, homes)),
        every=Homes(homes),
    )


class _Joined:
    """Folders, some of which belong together."""

    def __init__(self) -> None:
        self._towards: dict[Path, Path] = {}

    def first(self, folder: Path) -> Path:
        """The one that stands for all that a folder belongs together with."""
        while folder in self._towards:
            folder = self._towards[folder]
        return folder

    def join(self, one: Path, other: Path) -> None:
        """Told that two belong together."""
        one, other = self.first(one), self.first(other)
        if one != other:
            self._towards[other] = one


def _anchors(
    pointer: Pointer, places: Places, hosts: Container[Path], home_of: Mapping[Path, Path]
) -> list[Path]:
    """The folders of runs that a pointer may be of."""
    beside = places.of(pointer.path.parent)
    meant = None if pointer.leads_to is None else home_of.get(places.of(pointer.leads_to))
    home = places.of(run_folder(pointer.path))  # of a pointer in `version_0/checkpoints`
    found = (
        next((one for one in (beside, home) if one in hosts), None),
        home_of.get(beside),
        meant,
    )
    return [one for one in found if one is not None]


def _likely(paths: Sequence[Path], own: Sequence[Path], homes: Sequence[Path]) -> set[Path]:
    """The folders in which there are two checkpoints or more of one series."""
    met: dict[tuple[Path, object, object], set[Path]] = {}
    for path, place, home in zip(paths, own, homes, strict=True):
        name = name_of(path)
        if not name.is_side:
            one = place.parent if name.is_shard else place
            met.setdefault((home, name.series, name.labels), set()).add(one)
    return {key[0] for key, found in met.items() if len(found) > 1}
