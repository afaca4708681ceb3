"""Files of one run have the same structure: it is read once, and then compared.

What is taken over from a file that was read before is what the same bytes would give again. Every
byte of the pickle but the arguments of plain numbers, every name and size in the directory, and
every local header have to be equal, and of safetensors the header but for its metadata; whatever
else differs, the file is read as if it were the first. A file in which anything was wrong, or that
calls code, is never taken for a pattern.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from ckptdoctor.bulk import instances
from ckptdoctor.checkpoint import Checkpoint, Scalar, StorageRef, Structure, TensorRecord
from ckptdoctor.formats.alike import columns_of, plain_refs
from ckptdoctor.formats.assemble import scalar_tensors
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.nodes import DictNode, Instance, Located, PickleError
from ckptdoctor.formats.pickle.pattern import PicklePattern, Pushed, plain_numbers
from ckptdoctor.formats.safetensors_pattern import Header, SafetensorsPattern
from ckptdoctor.formats.source import PartSource
from ckptdoctor.formats.tree import harvest
from ckptdoctor.formats.zip.directory import read_directory
from ckptdoctor.formats.zip.end import DirectoryPlace, find_directory
from ckptdoctor.formats.zip.others import is_torchs_own, other_pickles
from ckptdoctor.formats.zip.pattern import DirectoryPattern, Matched
from ckptdoctor.formats.zip.records import STORED, ZipRecord
from ckptdoctor.formats.zip.storages import ZipStorages, is_storage_name
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Repeats"]

T = TypeVar("T")

_FORMATS = ("torch-zip", "safetensors")
_MAGIC = b"PK\x03\x04"
_AT_ONCE_NBYTES = 1 << 16  # a file that is no larger is read by one call instead of ten
_MOST_KNOWN = 8  # structures that are kept; a folder of several runs has as many
_MOST_MET = 256  # of which it is noted that they were met once
_PICKLE = "data.pkl"
_ORDER = "byteorder"
_TAKES = ("opcodes", "leaves", "tensors", "scalars", "name_chars", "depth")


class Repeats:
    """The structures of files that were read before, for those that are like them.

    A structure is kept when it is met for the second time. Not for several threads.
    """

    def __init__(self) -> None:
        self._known: list[_Pattern] = []  # the one that was met last comes first
        self._headers: list[SafetensorsPattern] = []  # likewise
        self._met: set[tuple[int, ...]] = set()

    def read(self, file: OpenFile, limits: Limits) -> Checkpoint | None:
        """The checkpoint in a file that is like one before; None where it has to be read.

        Args:
            file: the file.
            limits: bounds on the work.
        """
        if not (self._known or self._headers) or file.start:
            return None
        if file.nbytes <= _AT_ONCE_NBYTES and file.source.file_offset is not None:
            file = file.window(0, file.nbytes, file.source.read(0, file.nbytes))
        if file.source.read(0, 4) != _MAGIC:
            header = Header.of(file) if self._headers else None
            if header is None:
                return None
            return _first(self._headers, lambda pattern: pattern.read(file, limits, header))
        place = find_directory(file.source)
        if place is None:
            return None
        return _first(self._known, lambda pattern: pattern.read(file, limits, place))

    def learn(self, file: OpenFile, limits: Limits, read: Checkpoint) -> Checkpoint:
        """Keep the structure of a file, unless it is the first of its kind.

        Args:
            file: the file.
            limits: bounds on the work.
            read: what its reader returned.

        Returns:
            the same, marked as one of its structure where that is kept.
        """
        if read.format not in _FORMATS or read.problems or read.calls or file.start:
            return read
        kind = len(read.records), len(read.tensors), hash(tuple(t.fqn for t in read.tensors))
        if kind not in self._met:
            if len(self._met) < _MOST_MET:
                self._met.add(kind)
            return read
        pattern: _Pattern | SafetensorsPattern | None
        if read.format == "safetensors":
            pattern = SafetensorsPattern.of(file, read)
            _keep(self._headers, pattern)
        else:
            pattern = _pattern_of(file, limits, read)
            _keep(self._known, pattern)
        return read if pattern is None else replace(read, structure=pattern.structure)


def _first(known: list[T], read: Callable[[T], Checkpoint | None]) -> Checkpoint | None:
    """What the first pattern that fits gives; that one comes first from now on."""
    for pattern in known:
        found = read(pattern)
        if found is not None:
            if pattern is not known[0]:
                known.remove(pattern)
                known.insert(0, pattern)
            return found
    return None


def _keep(known: list[T], pattern: T | None) -> None:
    if pattern is not None:
        known.insert(0, pattern)
        del known[_MOST_KNOWN:]


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What files of one structure have in common.

    Attributes:
        directory: their records.
        pickle: their tree.
        limits: under which the first of them was read.
        taken: names and texts, in characters.
        checkpoint: the first of them, with those scalars alone that the pickle holds.
        tensors: its tensors.
        stored: for each of them which record its storage is; None for one without.
        values: which of the tensors have a value that is listed among the scalars.
        others: which records may be taken for a pickle.
        structure: what they are marked with.
    """

    directory: DirectoryPattern
    pickle: PicklePattern
    limits: Limits
    taken: int
    checkpoint: Checkpoint
    stored: tuple[int | None, ...]
    columns: Mapping[str, tuple[object, ...]]
    values: tuple[int, ...]
    others: tuple[int, ...]
    at: int
    order: int | None
    claimed: int
    structure: Structure

    def read(self, file: OpenFile, limits: Limits, place: DirectoryPlace) -> Checkpoint | None:
        """The checkpoint in a file of this structure; None where anything differs."""
        if not self._suffices(limits, file, place):
            return None
        matched = self.directory.match(file.source, place)
        if matched is None or not self._is_plain(file, limits, matched):
            return None
        at = matched.offsets[self.at]
        numbers = self.pickle.values(file.source.read(at, self.pickle.nbytes))
        if numbers is None:
            return None
        scalars: dict[str, Scalar] = {**self.checkpoint.scalars, **numbers}
        refs = self._refs(matched)
        tensors = self._tensors(refs)
        scalars.update(scalar_tensors(file, [tensors[value] for value in self.values], "little"))
        moved = at - self.checkpoint.records[self.at].offset
        return replace(
            self.checkpoint,
            path=file.path,
            nbytes=file.nbytes,
            tensors=tuple(tensors),
            scalars=scalars,
            globals=tuple(
                replace(each, offset=each.offset + moved) for each in self.checkpoint.globals
            ),
            records=tuple(refs),
            identity=file.identity,
            structure=self.structure,
        )

    def _suffices(self, limits: Limits, file: OpenFile, place: DirectoryPlace) -> bool:
        """Whether the limits of another file let through what those of the first one did."""
        within = limits.within(self.pickle.nbytes)
        return (
            all(getattr(within, name) >= getattr(self.limits, name) for name in _TAKES)
            and self.taken <= min(limits.names_nbytes, limits.metadata_nbytes)
            and place.nbytes <= limits.metadata_nbytes
            and self.claimed <= 8 * file.nbytes
        )

    def _is_plain(self, file: OpenFile, limits: Limits, matched: Matched) -> bool:
        """Whether what lies beside pickle and storages says nothing either, bytes and all."""
        if self.order is not None:
            order = file.source.read(matched.offsets[self.order], self.directory.nbytes[self.order])
            if order != b"little":
                return False
        source, offsets, nbytes = file.source, matched.offsets, self.directory.nbytes
        others = [
            self._record(matched, index)
            for index in self.others
            if not is_torchs_own(source, offsets[index], nbytes[index])
        ]
        if not others:
            return True
        strays = other_pickles(source, others, limits)
        return not strays.code and not any(True for _ in strays.problems())

    def _record(self, matched: Matched, index: int) -> ZipRecord:
        nbytes = self.directory.nbytes[index]
        return ZipRecord(
            matched.folder + self.directory.rests[index],
            STORED,
            matched.crc32s[index],
            nbytes,
            nbytes,
            matched.offsets[index],
        )

    def _refs(self, matched: Matched) -> list[StorageRef]:
        return plain_refs(
            len(matched.offsets),
            key=map(matched.folder.__add__, self.directory.rests),
            offset=matched.offsets,
            nbytes=self.directory.nbytes,
            crc32=matched.crc32s,
        )

    def _tensors(self, refs: list[StorageRef]) -> list[TensorRecord]:
        storages = [None if at is None else refs[at] for at in self.stored]
        return instances(TensorRecord, len(storages), storage=storages, **self.columns)


def _pattern_of(file: OpenFile, limits: Limits, read: Checkpoint) -> _Pattern | None:
    """The structure of a file in which nothing is wrong; None of an unusual one."""
    source, place = file.source, find_directory(file.source)
    directory = read_directory(source, limits)
    if place is None or directory is None or directory.problems:
        return None
    records = directory.records
    alike = DirectoryPattern.of(source, place, records)
    if alike is None or "constants.pkl" in map(str.lower, alike.rests):
        return None
    places = {rest: index for index, rest in enumerate(alike.rests)}
    at = places.get(_PICKLE)
    index_of = {id(ref): index for index, ref in enumerate(read.records)}
    stored = tuple(
        None if tensor.storage is None else index_of.get(id(tensor.storage), -1)
        for tensor in read.tensors
    )
    if at is None or -1 in stored or read.byteorder != "little":
        return None
    record = records[at]
    pickle = _pickle_pattern(source.read(record.offset, record.nbytes), file, limits, record, read)
    if pickle is None:
        return None
    own = {tensor.fqn for tensor in read.tensors}
    scalars = {name: value for name, value in read.scalars.items() if name not in own}
    texts = (value for value in scalars.values() if isinstance(value, str))
    return _Pattern(
        directory=alike,
        pickle=pickle,
        limits=limits.within(record.nbytes),
        taken=2 * sum(map(len, (*scalars, *own, *texts))),
        checkpoint=replace(read, scalars=scalars),
        stored=stored,
        columns=columns_of(read.tensors),
        values=tuple(index for index, t in enumerate(read.tensors) if t.fqn in read.scalars),
        others=tuple(
            index
            for index, each in enumerate(records)
            if index != at and not is_storage_name(each.name)
        ),
        at=at,
        order=places.get(_ORDER),
        claimed=_claimed(read),
        structure=Structure(),
    )


def _claimed(read: Checkpoint) -> int:
    """Bytes that the storages claim to hold together, each counted for each of its types."""
    used = {(id(t.storage), t.dtype): t.storage.nbytes for t in read.tensors if t.storage}
    return sum(used.values()) + sum(ref.nbytes for ref in read.records)


def _pickle_pattern(
    data: bytes, file: OpenFile, limits: Limits, record: ZipRecord, read: Checkpoint
) -> PicklePattern | None:
    """The pattern of the pickle; None unless it gives what its reader found, number by number."""
    source = PartSource(file.source, record.offset, record.nbytes)
    limits = limits.within(record.nbytes)
    machine = PickleMachine(source, limits, track_scalars=True)
    pushed = Pushed(machine)
    try:
        root, end = machine.run()
    except PickleError:
        return None
    if end != len(data) or type(root) not in (DictNode, Instance):
        return None
    lookup = ZipStorages(lambda _: None, "data/", _no_storage)
    found = harvest(root, lookup.storage, source, limits)
    free = set(map(id, plain_numbers(root, pushed)))
    numbers: dict[str, Located] = {
        name: node
        for name, node in found.located.items()
        if id(node) in free and PicklePattern.may_differ(data, node)
    }
    machine.let_go()
    if [t.fqn for t in found.tensors] != [t.fqn for t in read.tensors] or any(
        name not in read.scalars or not _same(read.scalars[name], node.value)
        for name, node in numbers.items()
    ):
        return None
    pattern = PicklePattern(data, numbers)
    values = pattern.values(data)
    return pattern if values is not None and values.keys() == numbers.keys() else None


def _same(one: Scalar, other: Scalar) -> bool:
    is_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one)
    return type(one) is type(other) and (one == other or (is_nan and other != other))  # noqa: PLR0124


def _no_storage(record: ZipRecord) -> StorageRef:
    raise AssertionError(f"{record.name}: nothing is looked up")
