"""Cases that wait for the others of their run, put away in little room.

A file is done long before it is judged, because judging it needs the others. Until then what is its
own is kept in arrays, and what files of one structure share is kept once.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

from ckptdoctor.bulk import instances
from ckptdoctor.checkpoint import Checkpoint, Scalar, StorageRef, Structure, TensorRecord
from ckptdoctor.figures import Drawer, Figures
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.rules import Case
from ckptdoctor.rules.base import PartCase

__all__ = ["Folded", "Shelf"]

_TENSOR = ("fqn", "dtype", "shape", "stride", "storage_offset", "role", "lost")
_REF = ("nbytes", "deflated_nbytes", "inline", "text_nbytes")
_FQN, _STORAGE, _KEY = attrgetter("fqn"), attrgetter("storage"), attrgetter("key")
_OFFSET, _CRC = attrgetter("offset"), attrgetter("crc32")
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_MOST_OF_4_BYTES = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class _Form:
    """What files of one structure share.

    Attributes:
        tensors: attributes of their tensors, a column each.
        stored: which storage each of them has; -1 for none.
        refs: attributes of storages and other records.
        rests: their names behind that of the folder that all of them lie in.
        records: which of them the checkpoint lists.
    """

    tensors: tuple[tuple[object, ...], ...]
    stored: tuple[int, ...]
    refs: tuple[tuple[object, ...], ...]
    rests: tuple[str, ...]
    records: tuple[int, ...]

    def is_of(self, checkpoint: Checkpoint) -> bool:
        """Whether nobody has renamed a tensor of this structure, or taken anything from it."""
        counted = len(self.rests) == len(checkpoint.records)
        return counted and self.tensors[0] == tuple(map(_FQN, checkpoint.tensors))


@dataclass(frozen=True, slots=True)
class Folded:
    """A case in little room.

    Attributes:
        figures: the statistics of its tensors.
    """

    _bare: Case
    _form: _Form
    _folder: str
    _offsets: Sequence[int]
    _crc32s: Sequence[int | None]
    _names: tuple[str, ...]
    _scalars: tuple[Scalar, ...]
    figures: Figures
    _parts: tuple[Folded | None, ...]

    def unfolded(self) -> Case:
        """The case, equal to the one that was put away."""
        form, bare = self._form, self._bare
        refs = instances(
            StorageRef,
            len(form.rests),
            key=map(self._folder.__add__, form.rests),
            offset=self._offsets,
            crc32=self._crc32s,
            **dict(zip(_REF, form.refs, strict=True)),
        )
        held = [None if at < 0 else refs[at] for at in form.stored]
        tensors = instances(
            TensorRecord, len(held), storage=held, **dict(zip(_TENSOR, form.tensors, strict=True))
        )
        checkpoint = replace(
            bare.checkpoint,
            tensors=tuple(tensors),
            records=tuple(map(refs.__getitem__, form.records)),
            scalars=dict(zip(self._names, self._scalars, strict=True)),
        )
        parts = tuple(
            part if folded is None else replace(part, case=folded.unfolded())
            for part, folded in zip(bare.parts, self._parts, strict=True)
        )
        return replace(bare, checkpoint=checkpoint, stats=self.figures.whole(), parts=parts)


class Shelf:
    """Puts cases away; what several of them share is kept once."""

    def __init__(self) -> None:
        self.drawer = Drawer()
        self._forms: dict[_Form, _Form] = {}
        self._by_structure = WeakKeyDictionary[Structure, _Form]()
        self._shared: dict[object, Any] = {}

    def folded(self, case: Case) -> Folded:
        """A case in little room."""
        checkpoint = case.checkpoint
        form, refs = self._form(checkpoint)
        folder = refs[0].key.removesuffix(form.rests[0]) if refs else ""
        parts = tuple(None if one.case is None else self.folded(one.case) for one in case.parts)
        bare = replace(
            checkpoint,
            tensors=(),
            records=(),
            scalars=_NOTHING,
            globals=self._one_of(checkpoint.globals),
        )
        return Folded(
            replace(
                case, checkpoint=bare, stats=_NOTHING, parts=tuple(map(_without_case, case.parts))
            ),
            form,
            folder,
            _numbers(list(map(_OFFSET, refs))),
            self._checksums(list(map(_CRC, refs))),
            self._one_of(tuple(checkpoint.scalars)),
            _once_each(checkpoint.scalars.values()),
            self.drawer.figures(case.stats),
            parts,
        )

    def figures_of(self, folded: Folded, chosen: Mapping[str, object], key: object) -> Figures:
        """The statistics of some of the tensors of a case.

        Args:
            folded: the case.
            chosen: by their names.
            key: the same object for cases of which the same are chosen; None where there is none.
        """
        names = tuple(chosen)
        which = names if key is None else id(key)
        return folded.figures.only(self.drawer.chosen(folded.figures, names, which))

    def _form(self, checkpoint: Checkpoint) -> tuple[_Form, Sequence[StorageRef]]:
        """What a file shares with others, and its storages and records, each once."""
        tensors, structure = checkpoint.tensors, checkpoint.structure
        known = None if structure is None else self._by_structure.get(structure)
        if known is not None and known.is_of(checkpoint):
            return known, checkpoint.records
        held = (ref for ref in map(_STORAGE, tensors) if ref is not None)
        refs = list({id(ref): ref for ref in (*checkpoint.records, *held)}.values())
        place = {id(ref): at for at, ref in enumerate(refs)}
        skipped = _folder_of(list(map(_KEY, refs)))
        made = _Form(
            tensors=tuple(tuple(map(attrgetter(name), tensors)) for name in _TENSOR),
            stored=tuple(-1 if ref is None else place[id(ref)] for ref in map(_STORAGE, tensors)),
            refs=tuple(tuple(map(attrgetter(name), refs)) for name in _REF),
            rests=tuple(ref.key[skipped:] for ref in refs),
            records=tuple(place[id(ref)] for ref in checkpoint.records),
        )
        form = self._forms.setdefault(made, made)
        if structure is not None and len(refs) == len(checkpoint.records):
            self._by_structure[structure] = form
        return form, refs

    def _one_of(self, value: Any) -> Any:
        """The same value, as it was met before."""
        return self._shared.setdefault(value, value)

    def _checksums(self, values: list[int | None]) -> Sequence[int | None]:
        known = [value for value in values if value is not None]
        if known:
            return values if len(known) < len(values) else _numbers(known)
        none: Sequence[None] = self._one_of((None,) * len(values))
        return none


def _once_each(values: Iterable[Scalar]) -> tuple[Scalar, ...]:
    """The values, equal numbers as one object: an optimizer counts its steps for each tensor."""
    met: dict[object, Scalar] = {}
    return tuple(  # a zero has a sign
        met.setdefault((type(value), value), value) if value else value for value in values
    )


def _without_case(part: PartCase) -> PartCase:
    return replace(part, case=None)


def _numbers(values: list[int]) -> Sequence[int]:
    fits = max(values, default=0) <= _MOST_OF_4_BYTES
    return array("I" if fits else "Q", values)


def _folder_of(keys: Sequence[str]) -> int:
    """Of how many characters the folder is that all records lie in, as those of a zip do."""
    if not keys:
        return 0
    common = os.path.commonprefix([min(keys), max(keys)])  # noqa: RUF071  (names, not paths)
    return common.rfind("/") + 1
