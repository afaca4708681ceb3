"""One form of a model's weights: a file, or numbered shards, with an index or without.

Source: ``huggingface_hub``'s ``serialization`` for shards and their index,
``torch/distributed/checkpoint/hf_storage.py`` for the slices that ranks write.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import Absent, PartRole
from ckptdoctor.layouts.found import Found, Place
from ckptdoctor.layouts.numbered import holes
from ckptdoctor.layouts.weights.index import ShardIndex
from ckptdoctor.layouts.weights.names import WeightName

__all__ = ["WeightForm"]


class WeightForm:
    """The files of one form, told apart by their names as they are added."""

    def __init__(self) -> None:
        self._plain = ""
        self._index: ShardIndex | None = None
        self._said = WeightName("", "", "", "")
        self._shards: dict[int, dict[int, str]] = {}  # by total, then by number
        self._slices: dict[int, list[str]] = {}  # by rank

    def add(self, name: str, said: WeightName) -> None:
        """One of its files."""
        self._said = said
        if said.rank:
            self._slices.setdefault(said.rank, []).append(name)
        elif said.total:
            self._shards.setdefault(said.total, {})[said.number] = name
        else:
            self._plain = name

    def add_index(self, index: ShardIndex, said: WeightName) -> None:
        """What says which shards there are."""
        self._said = said
        self._index = index

    @property
    def has_files(self) -> bool:
        """Whether there are weights, and not an index alone."""
        return bool(self._plain or self._shards or self._slices)

    def read(self, place: Place) -> Found:
        """The form that is loaded.

        Args:
            place: where it lies.
        """
        index = self._index
        mapped = None if index is None else index.mapped
        if self._plain and self._plain not in (mapped or ()):
            return Found(parts=(place.part(self._plain),)) + self._beside_plain(place)
        if index is None:
            return self._without_index(place)
        if mapped is None:
            return self._by_number(place) + index.broken(place, in_doubt=self._in_doubt)
        return index.weights(place) + self._not_among(place, mapped)

    def read_beside(self, place: Place) -> Found:
        """A form that is there as well, and is not loaded."""
        said = self._said
        label = ".".join(filter(None, (said.stem, said.variant, said.kind)))
        beside = place.beside(label)
        plain = (beside.part(self._plain),) if self._plain else ()
        index = (beside.text(self._index.name, needed=False),) if self._index else ()
        return Found(parts=(*plain, *map(beside.part, self._all_shards()), *index))

    def _all_shards(self) -> list[str]:
        numbered = [name for shards in self._shards.values() for name in shards.values()]
        return numbered + [name for names in self._slices.values() for name in names]

    @property
    def _in_doubt(self) -> bool:
        """Whether the names of the shards do not show that all are there."""
        return not any(len(shards) == total for total, shards in self._shards.items())

    def _beside_plain(self, place: Place) -> Found:
        """Shards and an index that the plain file is loaded before."""
        shards, beside = self._all_shards(), place.beside(f"{self._said.stem}-shards")
        parts = [beside.part(name) for name in shards]
        problem = None
        if self._index:
            parts.append(beside.text(self._index.name, needed=False))
            problem = place.problem(
                self._index.name,
                f"{place.at}{self._index.name} is left from an older save: no shard is there, and"
                f" {self._plain} is what is loaded",
                severity=Severity.INFO,
            )
        if shards:
            problem = place.problem(
                self._plain,
                f"{place.at}{self._plain} and {len(shards)} shards of the same model lie side by"
                " side: one of the two is from another save, and the plain file is what is loaded",
                severity=Severity.WARNING,
                remedy="See which is older, and move it away.",
            )
        return Found(parts=tuple(parts), problems=(problem,) if problem else ())

    def _without_index(self, place: Place) -> Found:
        if not self._shards:
            return self._of_ranks(place)
        if max(self._shards) == 1:  # torchtune: one file, named like a shard
            return self._by_number(place)
        said = self._said
        variant = f".{said.variant}" if said.variant else ""
        lost = Absent(
            name=f"{place.at}{said.stem}.{said.kind}.index{variant}.json",
            role=PartRole.STATE,
            because="the weights lie in shards, which from_pretrained finds by it",
            unless_usual=True,  # scripts that save shards by hand write none
        )
        return self._by_number(place) + Found(absent=(lost,))

    def _by_number(self, place: Place) -> Found:
        """Shards as their names count them; of several totals, the one with the fewest holes."""
        if not self._shards:
            return Found()
        total = min(self._shards, key=lambda total: (total - len(self._shards[total]), -total))
        shards = self._shards[total]
        lost = tuple(
            place.absent(_numbered(shards, number), f"the other shards are named as of {total}")
            for number in holes(shards.keys(), 1, total)
        )
        parts = tuple(place.part(name) for _, name in sorted(shards.items()))
        return Found(parts=parts, absent=lost) + self._not_among(place, shards.values())

    def _of_ranks(self, place: Place) -> Found:
        """Slices: the same tensors in the file of each rank, each a piece of them."""
        parts = tuple(
            place.part(name, f"shard-{rank:05d}.")
            for rank, names in sorted(self._slices.items())
            for name in names
        )
        ending = next(iter(self._slices.values()))[0].partition("-model-")[2]
        lost = tuple(
            place.absent(f"shard-{rank:05d}-model-{ending}", "slices of higher ranks are there")
            for rank in holes(self._slices.keys(), 1)
        )
        return Found(parts=parts, absent=lost)

    def _not_among(self, place: Place, loaded: Collection[str]) -> Found:
        """Shards that do not belong to those that are loaded."""
        names = [name for name in self._all_shards() if name not in loaded]
        if not names:
            return Found()
        beside = place.beside("other-shards")
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        problem = place.problem(
            names[0],
            f"{place.at}{names[0]}{more} belongs to another save of the model: it is numbered"
            " otherwise than the shards that are loaded, or the index does not name it",
            severity=Severity.WARNING,
            remedy="Move what is left of the older save away.",
        )
        return Found(parts=tuple(beside.part(name) for name in names), problems=(problem,))


def _numbered(shards: Mapping[int, str], number: int) -> str:
    """The name of another shard."""
    there, name = next(iter(shards.items()))
    return name.replace(f"-{there:05d}-of-", f"-{number:05d}-of-", 1)
