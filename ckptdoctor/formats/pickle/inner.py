"""torch files within a pickle, as ``pickle.dump`` writes tensors.

A storage pickles itself as ``torch.storage._load_from_bytes(bytes)``, and the bytes are a file of
``torch.save``: stacked pickles and the elements, or a zip. The pickles are run by a machine that
records with that of the pickle around them, so that what they name is seen.

Source: ``_StorageBase.__reduce__`` in ``torch/storage.py``, ``_legacy_load`` in
``torch/serialization.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ckptdoctor.formats.pickle.nodes import (
    BytesRef,
    Instance,
    Node,
    PersistentId,
    PickleError,
    PickleLimitError,
    PickleTruncatedError,
    unwrap,
)
from ckptdoctor.formats.pickle.runner import Runner
from ckptdoctor.formats.source import ByteSource, PartSource
from ckptdoctor.lean_dataclass import dataclass

if TYPE_CHECKING:
    from ckptdoctor.formats.zip.records import ZipDirectory, ZipRecord

__all__ = [
    "MAGIC_NUMBER",
    "PROTOCOL_VERSION",
    "EarlierEnd",
    "InnerFile",
    "latin1_text",
    "read_inner",
]

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

_HEAD_NBYTES = 1024  # what stands before the elements takes some 250
_ZIP_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class EarlierEnd:
    """A part of a source, by the positions of the whole.

    Attributes:
        source: the whole.
        nbytes: where the part ends.
        most: the longest read, 0 for any; who wants more comes again.
    """

    source: ByteSource
    nbytes: int
    most: int = 0

    @property
    def file_offset(self) -> int | None:
        """Where byte 0 of the whole lies in the file; None where the file holds it encoded."""
        return self.source.file_offset

    def read(self, offset: int, nbytes: int) -> bytes:
        """Up to ``nbytes`` from ``offset``."""
        wanted = max(min(nbytes, self.nbytes - offset), 0)
        return self.source.read(offset, min(wanted, self.most) if self.most else wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerFile:
    """What ``_load_from_bytes`` is given.

    Attributes:
        data: the byte string, as the tree has it; kept, so that its id stays its own.
        source: where the file lies, which ends with it.
        start: its first byte there.
        pid: the persistent id of the storage that was saved; None where none was.
        keys: the list of storage keys behind it, in a file of stacked pickles.
        behind: where the storages begin, likewise.
        directory: the records, in a zip.
        text: where the text lies that spells the file; ``source`` is then its beginning.
        fault: why there is no storage in it; "" where there is one.
        foreign: whether it is something else than what ``Storage.__reduce__`` writes, and not
            only damaged.
    """

    data: Node
    source: ByteSource
    start: int = 0
    pid: Node = None
    keys: Node = None
    behind: int = 0
    directory: ZipDirectory | None = None
    text: BytesRef | None = None
    fault: str = ""
    foreign: bool = False


def read_inner(
    vm: Runner, data: Node, source: ByteSource, start: int, preamble: bytes = b""
) -> tuple[InnerFile, bytes]:
    """The torch file that lies in a source from ``start`` to its end, and how it begins.

    Args:
        vm: the machine that met it; what the file names is recorded there.
        data: the byte string, as the tree has it.
        source: where it lies, which ends with it.
        start: its first byte there.
        preamble: how another one began, which need not be run again where this one does so too.

    Raises:
        PickleLimitError: it asks for more work than its size explains.
    """
    try:
        if source.read(start, 4) == _ZIP_MAGIC:
            return _zipped(vm, data, source, start), preamble
        try:
            return _stacked(
                vm, data, EarlierEnd(source, source.nbytes, _HEAD_NBYTES), start, preamble
            )
        except PickleTruncatedError:  # its head is longer than any that torch writes
            return _stacked(vm, data, source, start, preamble)
    except _NoStorageError as error:
        fault, foreign = error.fault, error.foreign
    except PickleLimitError:
        raise
    except PickleError as error:
        fault, foreign = error.message, False
    return InnerFile(data=data, source=source, start=start, fault=fault, foreign=foreign), preamble


class _NoStorageError(Exception):
    def __init__(self, fault: str, *, foreign: bool) -> None:
        super().__init__(fault)
        self.fault = fault
        self.foreign = foreign


def _stacked(
    vm: Runner, data: Node, source: ByteSource, start: int, preamble: bytes
) -> tuple[InnerFile, bytes]:
    machine = vm.within(source, source.nbytes - start)
    if preamble and source.read(start, len(preamble)) == preamble:
        at = start + len(preamble)
    else:
        at = _run_preamble(machine, start)
        preamble = source.read(start, at - start)
    root, at = machine.run(at)
    if type(root) is not PersistentId:
        raise _NoStorageError("the file in it holds more than a storage", foreign=True)
    keys, at = machine.run(at)
    whole = source.source if type(source) is EarlierEnd else source
    file = InnerFile(data=data, source=whole, start=start, pid=root.pid, keys=keys, behind=at)
    return file, preamble


def _run_preamble(machine: Runner, start: int) -> int:
    """Where the object begins, behind magic number, protocol version and system info."""
    try:
        magic, at = machine.run(start)
    except PickleTruncatedError:
        raise
    except PickleLimitError:
        raise
    except PickleError:
        raise _NoStorageError("bytes that are no file of torch", foreign=True) from None
    if unwrap(magic) != MAGIC_NUMBER:
        raise _NoStorageError("bytes that are no file of torch", foreign=True)
    _, at = machine.run(at)
    return machine.run(at)[1]


def _zipped(vm: Runner, data: Node, source: ByteSource, start: int) -> InnerFile:
    from ckptdoctor.formats.zip.directory import read_directory
    from ckptdoctor.formats.zip.records import STORED

    directory = read_directory(PartSource(source, start, source.nbytes - start), vm.limits)
    records = [] if directory is None else _pickles(directory)
    if directory is None or directory.problems or len(records) != 1:
        raise _NoStorageError("a zip archive that torch did not write", foreign=True)
    (record,) = records
    if record.method != STORED:
        raise _NoStorageError("a zip archive with a packed pickle", foreign=True)
    first = start + record.offset
    machine = vm.within(EarlierEnd(source, first + record.nbytes), record.nbytes)
    root, _ = machine.run(first)
    if type(root) is not PersistentId:
        raise _NoStorageError("the file in it holds more than a storage", foreign=True)
    return InnerFile(data=data, source=source, start=start, pid=root.pid, directory=directory)


def _pickles(directory: ZipDirectory) -> list[ZipRecord]:
    return [record for record in directory.records if record.name.lower().endswith(".pkl")]


def latin1_text(node: Node) -> str | BytesRef | None:
    """The text that spells a byte string in protocols 0 to 2; None for anything else.

    They have no bytes: Python 3 writes ``_codecs.encode(text, "latin1")``.
    """
    if type(node) is not Instance or node.name != "_codecs.encode" or node.opcode != b"R":
        return None
    match node.args:
        case (str() as text, "latin1" | "latin-1"):
            return text
        case (BytesRef(is_text=True) as ref, "latin1" | "latin-1"):
            return ref
    return None
