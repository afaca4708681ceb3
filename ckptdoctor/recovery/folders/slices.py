"""Edits of a distributed checkpoint: numbers and moments replaced where they lie in its files.

Every item of a ``.distcp`` is an archive of its own, and ``.metadata`` tells its place and size: as
long as no item changes its size, nothing else has to change. A float takes nine bytes whatever its
value, and a tensor as many as its shape says.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Collection, Iterator

from ckptdoctor.checkpoint import Role
from ckptdoctor.errors import RestoreError
from ckptdoctor.formats.dcp.slices import FileSlices, Slice
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.nodes import DictNode, Located, Node, PickleError
from ckptdoctor.formats.source import ByteSource, PartSource
from ckptdoctor.formats.zip.patching import PlacedRecord, checksums, placed_records
from ckptdoctor.recovery.draft import Draft, FilePatch
from ckptdoctor.recovery.rates import Rate
from ckptdoctor.recovery.stored_rates import is_rate

__all__ = ["change_slice_rates", "put_slice_numbers", "reset_slices", "slices_of"]

_PICKLE = "data.pkl"
_FLOAT, _FLOAT_NBYTES = b"G", 9
_INTEGERS = b"KMJ"  # of one, two and four bytes
_CODES = {"float32": "<f", "float64": "<d"}
_CHUNK_NBYTES = 1 << 20


def slices_of(described: object) -> FileSlices:
    """What a file of a distributed checkpoint holds; nothing for its ``.metadata``."""
    return described if isinstance(described, FileSlices) else FileSlices()


def change_slice_rates(
    draft: Draft, slices: FileSlices, new: Callable[[str, float], float | None]
) -> list[Rate]:
    """Give the stored learning rates of one file other values; what was changed.

    Args:
        draft: the file.
        slices: what it holds.
        new: the value of a rate, by its name and its old value; None for one that stays.

    Raises:
        RestoreError: a rate is stored as an integer, or in a form that is not known.
    """
    changed: list[Rate] = []
    for item in slices.items:
        if item.shape is None:
            changed += _change_value(draft, item, new)
        elif is_rate(item.name):
            changed += _change_tensor(draft, item, new)
    return changed


def put_slice_numbers(
    draft: Draft, slices: FileSlices, names: Collection[str], value: float
) -> list[tuple[str, float]]:
    """Store one number under all of these names; which were there, with what they were.

    Args:
        draft: the file.
        slices: what it holds.
        names: of the numbers.
        value: the new one.

    Raises:
        RestoreError: one is stored as an integer, or in a form that is not known.
    """
    changed: list[Rate] = []
    for item in slices.items:
        if item.shape is None and any(name in names for name in _names_in(draft, item)):
            changed += _replace_numbers(
                draft, item, lambda name, _: value if name in names else None
            )
    return [(one.name, one.old) for one in changed]


def reset_slices(draft: Draft, slices: FileSlices) -> int:
    """Put zeros where the optimizer's moments and steps are; how many there were.

    Raises:
        RestoreError: a tensor is stored in a form that is not known.
    """
    count = 0
    for item in slices.items:
        if item.role is not Role.OPTIMIZER or "param_groups" in item.name.split("."):
            continue
        if item.shape is None:
            if item.name.rpartition(".")[2] == "step":
                _replace_numbers(draft, item, lambda _, __: 0.0)
            continue
        archive = _Archive(draft, item)
        for record in archive.records:
            if record.name.startswith("data/"):
                archive.zero(record)
                count += 1
        archive.finish()
        draft.touched.add(item.name)
    return count


def _change_value(
    draft: Draft, item: Slice, new: Callable[[str, float], float | None]
) -> list[Rate]:
    """The rates in one value: a number, or a list of them."""

    def wanted(name: str, old: float) -> float | None:
        return new(name, old) if is_rate(name) else None

    own = any(is_rate(name) for name in _names_in(draft, item))
    return _replace_numbers(draft, item, wanted) if own else []


def _names_in(draft: Draft, item: Slice) -> Iterator[str]:
    """The names of the values that come from an item, as far as they were read."""
    for name in draft.checkpoint.scalars:
        if name == item.name or name.startswith(f"{item.name}."):
            yield name


def _replace_numbers(
    draft: Draft, item: Slice, new: Callable[[str, float], float | None]
) -> list[Rate]:
    archive = _Archive(draft, item)
    record = archive.record(_PICKLE)
    if record is None:
        raise RestoreError(f"{draft.checkpoint.path}: {item.name} is stored in an unknown form")
    raw = bytearray(archive.source.read(record.offset, record.nbytes))
    changed: list[Rate] = []
    for name, located in _numbers(archive, record, item.name):
        value = new(name, float(located.value))
        if value is None:
            continue
        code = bytes(raw[located.offset : located.offset + 1])
        raw[located.offset : located.offset + located.nbytes] = _encoded(
            draft, name, code, located.nbytes, value
        )
        draft.touched.add(name)
        changed.append(Rate(name=name, old=float(located.value), new=value))
    if changed:
        archive.put(record, bytes(raw))
        archive.finish()
    return changed


def _encoded(draft: Draft, name: str, code: bytes, nbytes: int, value: float) -> bytes:
    if code == _FLOAT and nbytes == _FLOAT_NBYTES:
        return _FLOAT + struct.pack(">d", value)
    if code in (bytes([one]) for one in _INTEGERS) and value == 0.0:
        return code + b"\x00" * (nbytes - 1)
    raise RestoreError(
        f"{draft.checkpoint.path}: {name} is stored as an integer, and takes another number of "
        "bytes than the new value: load the checkpoint and save it again"
    )


def _numbers(archive: _Archive, record: PlacedRecord, name: str) -> Iterator[tuple[str, Located]]:
    """The numbers of a pickle by their names, with their places in it."""
    source = PartSource(archive.source, record.offset, record.nbytes)
    machine = PickleMachine(source, Limits.for_file(record.nbytes), track_scalars=True)
    try:
        root, _ = machine.run()
    except PickleError:
        return
    todo: list[tuple[str, Node]] = [(name, root)]
    while todo:
        path, node = todo.pop()
        if type(node) is Located and type(node.value) in (int, float):
            yield path, node
        elif type(node) in (list, tuple):
            todo += [(f"{path}.{at}", one) for at, one in enumerate(node)]
        elif type(node) is DictNode:
            todo += [(f"{path}.{key}", one) for key, one in node.pairs if type(key) is str]


def _change_tensor(
    draft: Draft, item: Slice, new: Callable[[str, float], float | None]
) -> list[Rate]:
    """A rate that is stored as a tensor of one element."""
    value = draft.checkpoint.scalars.get(item.name)
    code, archive = _CODES.get(item.dtype), _Archive(draft, item)
    record = archive.record("data/0")
    if code is None or record is None or record.nbytes != struct.calcsize(code):
        raise RestoreError(f"{draft.checkpoint.path}: {item.name} is no plain number")
    (old,) = struct.unpack(code, archive.source.read(record.offset, record.nbytes))
    wanted = new(item.name, float(value) if isinstance(value, int | float) else old)
    if wanted is None:
        return []
    archive.put(record, struct.pack(code, wanted))
    archive.finish()
    draft.touched.add(item.name)
    return [Rate(name=item.name, old=old, new=wanted)]


class _Archive:
    """One item of a file, whose records get other bytes of the same number."""

    def __init__(self, draft: Draft, item: Slice) -> None:
        self._draft = draft
        self._start = item.start
        self.source: ByteSource = PartSource(draft.file.source, item.start, item.nbytes)
        self.records = placed_records(self.source)
        self._crcs: dict[str, int] = {}
        if not self.records:
            raise RestoreError(f"{draft.checkpoint.path}: {item.name} is stored in an unknown form")

    def record(self, name: str) -> PlacedRecord | None:
        """A record by its name."""
        return next((record for record in self.records if record.name == name), None)

    def put(self, record: PlacedRecord, raw: bytes) -> None:
        """Replace the bytes of a record."""
        self._crcs[record.name] = zlib.crc32(raw)
        self._patch(record.offset, raw)

    def zero(self, record: PlacedRecord) -> None:
        """Put zeros where a record lies."""
        crc, left = 0, record.nbytes
        while left:
            size = min(left, _CHUNK_NBYTES)
            crc = zlib.crc32(bytes(size), crc)
            left -= size
        self._crcs[record.name] = crc
        self._draft.file_patches.append(
            FilePatch(self._start + record.offset, record.nbytes, lambda _, nbytes: bytes(nbytes))
        )

    def finish(self) -> None:
        """Mend the checksums."""
        for at, raw in checksums(self.source, self.records, self._crcs):
            self._patch(at, raw)

    def _patch(self, at: int, raw: bytes) -> None:
        self._draft.file_patches.append(
            FilePatch(self._start + at, len(raw), lambda start, nbytes: raw[start : start + nbytes])
        )
