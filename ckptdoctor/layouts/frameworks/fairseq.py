"""fairseq and metaseq: ``checkpoint_last-shard0.pt``, one file a rank, side by side.

Source: fairseq, ``trainer.checkpoint_suffix`` (``-shard0`` with sharded states; its branch with
mixtures of experts puts ``-shared`` or ``-rank-0`` before it, a rank of its own for each expert);
metaseq, ``checkpoint_utils.py`` (``-model_part-0-shard0``: every part in every shard).
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ckptdoctor.layouts.files import Absent, CheckpointFiles, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.layout import Layout

__all__ = ["LAYOUT"]

_NAME = "fairseq"
_SUFFIX = re.compile(
    r"(?:-(?P<who>shared|rank|model_part)(?:-(?P<number>\d{1,5}))?)?(?:-shard(?P<shard>\d{1,5}))?\.pt"
)
_MOST = 10_000  # one name may be of a hundred thousand parts in as many shards
_CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class _Shard:
    """One of the files.

    Attributes:
        who: ``shared``, ``rank``, ``model_part``, or "".
        number: of the rank or of the part; None where it has none.
        shard: the shard of it; None where it is not sharded.
    """

    who: str
    number: int | None
    shard: int | None

    def file(self, stem: str) -> str:
        """What it is called."""
        who = f"-{self.who}" if self.who else ""
        number = "" if self.number is None else f"-{self.number}"
        shard = "" if self.shard is None else f"-shard{self.shard}"
        return f"{stem}{who}{number}{shard}.pt"

    @property
    def prefix(self) -> str:
        """What names in it begin with; "" in the first file."""
        if self.who != "rank" and not self.number and not self.shard:
            return ""
        who = self.who if self.number is None else f"{self.who}_{self.number}"
        shard = "" if self.shard is None else f"shard_{self.shard}"
        return "".join(f"{one}." for one in (who, shard) if one)


def _claim(folder: Folder) -> Iterator[CheckpointFiles]:
    by_stem: dict[str, list[_Shard]] = defaultdict(list)
    for name in folder.files:
        stem, shard = _taken_apart(name)
        if shard is not None:
            by_stem[stem].append(shard)
    for stem, shards in sorted(by_stem.items()):
        yield _checkpoint(folder, stem, sorted(shards, key=_order))


def _order(shard: _Shard) -> tuple[bool, str, int, int]:
    return shard.who == "rank", shard.who, shard.number or 0, shard.shard or 0


def _taken_apart(name: str) -> tuple[str, _Shard | None]:
    """What stands before the suffix, and the suffix; None where it has none."""
    stem, dash, _ = name.partition("-")
    found = _SUFFIX.fullmatch(name, len(stem)) if dash else None
    if found is None or (found["who"] in ("rank", "model_part")) != (found["number"] is not None):
        return "", None
    # Others call their files after ranks, too.
    if found["shard"] is None and found["who"] != "model_part" and not stem.startswith(_CHECKPOINT):
        return "", None
    number, shard = found["number"], found["shard"]
    return stem, _Shard(
        who=found["who"] or "",
        number=None if number is None else int(number),
        shard=None if shard is None else int(shard),
    )


def _checkpoint(folder: Folder, stem: str, shards: Sequence[_Shard]) -> CheckpointFiles:
    parts = []
    for at, shard in enumerate(shards):
        name = shard.file(stem)
        parts.append(
            Part(
                path=folder.path / name,
                name=name,
                role=PartRole.MODEL,
                prefix=shard.prefix if at else "",
                sibling=shard.file(_CHECKPOINT),
            )
        )
    return CheckpointFiles(
        path=parts[0].path,
        layout=_NAME,
        parts=tuple(parts),
        absent=tuple(itertools.islice(_absent(stem, shards), _MOST)),
    )


def _absent(stem: str, shards: Sequence[_Shard]) -> Iterator[Absent]:
    there = set(shards)
    for who in sorted({shard.who for shard in shards}):
        for shard in _wanted([shard for shard in shards if shard.who == who]):
            if shard not in there:
                yield Absent(
                    name=shard.file(stem),
                    role=PartRole.MODEL,
                    because="files of other ranks are there",
                )


def _wanted(shards: Sequence[_Shard]) -> Iterator[_Shard]:
    """Every one up to the largest."""
    who = shards[0].who
    numbers = _up_to([shard.number for shard in shards])
    parts = _up_to([shard.shard for shard in shards])
    if who != "rank" or parts == [None]:
        yield from (
            _Shard(who=who, number=number, shard=shard)
            for number, shard in itertools.product(numbers, parts)
        )
        return
    # Each rank is a shard of its own, whichever.
    there = {shard.number for shard in shards}
    for number in numbers:
        if number not in there:
            yield _Shard(who=who, number=number, shard=number)


def _up_to(numbers: Sequence[int | None]) -> list[int | None]:
    largest = max((one for one in numbers if one is not None), default=None)
    return [None] if largest is None else [*range(largest + 1)]


LAYOUT = Layout(name=_NAME, claim=_claim)
