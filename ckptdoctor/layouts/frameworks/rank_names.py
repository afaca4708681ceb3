"""The rank in a file's name: ``model_rank_0.pt``, ``rank3_of_8.pt``, ``model-00-of-04.pt``."""

from __future__ import annotations

import re

from ckptdoctor.layouts.frameworks.part_words import PartWords, is_checkpoint_name, part_words
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["RankName", "rank_name"]

_RANKS = (
    re.compile(
        r"(?<![a-z])rank[-_]?(?P<rank>\d{1,5})(?:[-_]?of[-_]?(?P<count>\d{1,5}))?(?!\d)",
        re.IGNORECASE,
    ),
    re.compile(r"(?<!\d)(?P<rank>\d{1,6})[-_]of[-_](?P<count>\d{1,6})(?!\d)"),
    re.compile(r"^consolidated\.(?P<rank>\d{2})(?P<count>)(?=\.pth?$)"),  # Llama's
)
_WORLD = re.compile(r"world_size_(\d{1,5})(?!\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RankName:
    """A file's name, taken apart.

    Attributes:
        file: the name.
        rank: the rank in it.
        count: how many it says that there are; 0 where it says nothing.
        counts_from_one: whether ranks are likely to begin with 1, as those of shards do.
        start: where the digits of the rank begin.
        width: how many digits there are.
        words: what the rest of the name announces.
    """

    file: str
    rank: int
    count: int
    counts_from_one: bool
    start: int
    width: int
    words: PartWords

    def of_rank(self, rank: int, *, padded: bool) -> str:
        """The same file of another rank."""
        digits = str(rank).zfill(self.width) if padded else str(rank)
        return self.file[: self.start] + digits + self.file[self.start + self.width :]

    @property
    def padded(self) -> bool:
        """Whether the rank has zeros in front."""
        return self.width > 1 and self.file[self.start] == "0"


def rank_name(file: str) -> RankName | None:
    """The rank that a name tells of; None where it tells of none."""
    if not is_checkpoint_name(file):
        return None
    for pattern in _RANKS:
        found = pattern.search(file)
        if found is None:
            continue
        rest = f"{file[: found.start()]}_{file[found.end() :]}"
        words = part_words(rest)
        world = _WORLD.search(file)
        count = int(found["count"] or (world[1] if world else 0))
        start, end = found.span("rank")
        return RankName(
            file=file,
            rank=int(found["rank"]),
            count=count,
            counts_from_one=end - start > 3,  # model-00001-of-00003
            start=start,
            width=end - start,
            words=words,
        )
    return None
