"""What lies beside the weights of a checkpoint, by the names that a framework gives it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ckptdoctor.layouts.files import Absent, Form, Part, PartRole
from ckptdoctor.layouts.found import Found, Place
from ckptdoctor.layouts.numbered import holes
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["SideFile", "side_files"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFile:
    """A file, or one a rank, by its name.

    Attributes:
        pattern: of the whole name; a group ``rank`` where each rank writes one, from 0 on; a group
            ``further`` where the first has no number, and ``_1`` follows.
        role: what it holds.
        form: how it is read.
        prefix: put before the names of its values; None for the name without its suffix.
        needed: whether it is missed where a sibling has it.
    """

    pattern: re.Pattern[str]
    role: PartRole
    form: Form = Form.TENSORS
    prefix: str | None = None
    needed: bool = True


def side_files(place: Place, known: Iterable[SideFile]) -> Found:
    """The files of a place that are known, in the order of ``known``; ranks that are missing.

    Args:
        place: where they lie.
        known: by their names; the first that matches decides.
    """
    kinds = tuple(known)
    named: dict[SideFile, list[re.Match[str]]] = {kind: [] for kind in kinds}
    for name in place.folder.files:
        for kind in kinds:
            said = kind.pattern.fullmatch(name)
            if said is not None:
                named[kind].append(said)
                break
    found = Found()
    for kind, names in named.items():
        parts = tuple(_part(place, kind, said.string) for said in names)
        found += Found(parts=parts, absent=tuple(_missing_ranks(place, kind, names)))
    return found


def _part(place: Place, kind: SideFile, name: str) -> Part:
    prefix = ""
    if kind.form is not Form.TEXT:
        own = f"{name.partition('.')[0]}." if kind.prefix is None else kind.prefix
        prefix = place.prefix + own
    return Part(
        path=place.folder.path / name,
        name=place.at + name,
        role=kind.role,
        form=kind.form,
        prefix=prefix,
        needed=kind.needed,
    )


def _missing_ranks(place: Place, kind: SideFile, names: list[re.Match[str]]) -> Iterator[Absent]:
    """What comes before the highest number that is there."""
    groups = kind.pattern.groupindex
    group = next((group for group in ("rank", "further") if group in groups), None)
    if group is None:
        return
    series: dict[tuple[str, str], set[int]] = {}  # by what stands before and after the number
    for said in names:
        if said[group] is None and group == "rank":
            continue
        start, end = said.span(group) if said[group] else (said.string.index("."),) * 2
        ends = said.string[:start], said.string[end:]
        series.setdefault(ends, set()).add(int((said[group] or "0").lstrip("_")))
    for (before, after), numbers in series.items():
        for number in holes(numbers, 0):
            own = str(number) if group == "rank" else f"_{number}" * bool(number)
            yield Absent(
                name=f"{place.at}{before}{own}{after}",
                role=kind.role,
                because=f"number {max(numbers)} of them is there",
            )
