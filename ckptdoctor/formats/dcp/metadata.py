"""What the ``.metadata`` of torch.distributed.checkpoint says: every tensor, and where it lies.

The file is one pickle of ``Metadata``. Its tree is read as it is, for the keys of its largest dict
are objects, and nothing that it names is imported.

Source: ``metadata.py``, ``filesystem.py`` and ``default_planner.py`` in
``torch/distributed/checkpoint`` of PyTorch 2.0 to 2.13.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.checkpoint import Problem
from ckptdoctor.errors import (
    CheckpointError,
    CorruptCheckpointError,
    LimitExceededError,
    TruncatedCheckpointError,
    UnknownFormatError,
)
from ckptdoctor.finding import Severity
from ckptdoctor.formats.assemble import calls_of, globals_of, misspelt_globals
from ckptdoctor.formats.dcp.described import Chunk, DcpMetadata, Item, Key, WholeTensor
from ckptdoctor.formats.dcp.names import is_of_metadata
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.nodes import (
    DictNode,
    Instance,
    Node,
    PickleError,
    PickleLimitError,
    PickleTruncatedError,
    spell,
)
from ckptdoctor.formats.pickle.stray import code_behind, code_spelled, code_within, telling
from ckptdoctor.formats.raw import class_dtype, count_of, sizes_of

__all__ = ["read_metadata"]

_MAX_PROBLEMS = 20
_MAX_NUMEL = 1 << 60
_NAME_CHARS = 2_000
_REMEDY = "Copy the folder again from where it was written, or use an earlier checkpoint."


def read_metadata(file: OpenFile, limits: Limits | None = None) -> DcpMetadata:
    """What a ``.metadata`` says; nothing in it is executed or imported.

    Raises:
        TruncatedCheckpointError: it is cut.
        CorruptCheckpointError: its pickle is damaged.
        LimitExceededError: it asks for more than a file of its size can need.
        UnknownFormatError: it is no description of a checkpoint.
    """
    limits = limits or Limits.for_file(file.nbytes)
    try:
        return _read(file, limits)
    except CheckpointError as error:
        within = dict(code_spelled(code_within(file, limits)))
        error.runs = tuple((within | dict(error.runs)).items())
        raise


def _read(file: OpenFile, limits: Limits) -> DcpMetadata:
    machines = [PickleMachine(file.source, limits)]
    with telling(machines):
        root, end = _run(file, machines[0])
        state = _state_of(root, "Metadata")
        if state is None:
            raise UnknownFormatError(
                file.path,
                f"not a description of a distributed checkpoint but a pickle of {spell(root)}",
                remedy="Look for the folder that torch.distributed.checkpoint wrote.",
            )
        reader = _Reader(file.path, limits)
        tensors, values = reader.entries(state.get("state_dict_metadata"))
        items = tuple(reader.items(state.get("storage_data")))
    if end < file.nbytes:
        machines += code_behind(file.source, end, limits)
        reader.complain("file", f"{file.nbytes - end} bytes follow the end of the pickle")
    version = state.get("version")
    uses = globals_of(machines, is_expected=is_of_metadata)
    return DcpMetadata(
        path=file.path,
        identity=file.identity,
        tensors=tensors,
        values=frozenset(values),
        items=items,
        key_paths=dict(_key_paths(state.get("planner_data"))),
        version=version if type(version) is str else "",
        globals=uses,
        calls=tuple(calls_of(machines)),
        problems=(*reader.problems(), *misspelt_globals(uses)),
    )


def _run(file: OpenFile, machine: PickleMachine) -> tuple[Node, int]:
    try:
        return machine.run()
    except PickleLimitError as error:
        raise LimitExceededError(file.path, error.message, offset=error.offset) from error
    except PickleTruncatedError as error:
        raise TruncatedCheckpointError(
            file.path,
            "the description of the checkpoint is cut: nobody knows where its tensors lie",
            offset=error.offset,
            remedy=_REMEDY,
        ) from error
    except PickleError as error:
        raise CorruptCheckpointError(
            file.path, error.message, offset=error.offset, remedy=_REMEDY
        ) from error


class _Reader:
    """Reads the tree, and complains of what torch could not have written."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._problems: list[Problem] = []
        self._malformed = 0
        self._chunks = 0

    def problems(self) -> Iterator[Problem]:
        """What was met, the first of it one by one."""
        yield from self._problems
        if self._malformed > _MAX_PROBLEMS:
            yield _problem("file", f"{self._malformed - _MAX_PROBLEMS} more make no sense either")

    def complain(self, subject: str, message: str) -> None:
        """Note what makes no sense."""
        self._malformed += 1
        if self._malformed <= _MAX_PROBLEMS:
            self._problems.append(_problem(subject, message))

    def entries(self, node: Node) -> tuple[dict[str, WholeTensor], list[str]]:
        """The tensors, and the names of the values."""
        tensors: dict[str, WholeTensor] = {}
        values: list[str] = []
        for key, entry in _pairs(node):
            try:
                fqn = self._name(key)
                if _class_of(entry) == "BytesStorageMetadata":
                    values.append(fqn)
                else:
                    tensors[fqn] = self._tensor(fqn, entry)
            except (TypeError, ValueError) as error:
                self.complain(spell(key), f"not an entry that torch could have made: {error}")
        return tensors, values

    def items(self, node: Node) -> Iterator[Item]:
        """What is stored where."""
        for count, (key, info) in enumerate(_pairs(node)):
            if count >= self._limits.tensors:
                raise self._too_many("items")
            try:
                yield self._item(_needed(key, "MetadataIndex"), _needed(info, "_StorageInfo"))
            except (TypeError, ValueError) as error:
                self.complain("file", f"not an item that torch could have stored: {error}")

    def _tensor(self, fqn: str, entry: Node) -> WholeTensor:
        state = _needed(entry, "TensorStorageMetadata")
        size = sizes_of(state.get("size"))
        chunks = state.get("chunks")
        if type(chunks) is not list:
            raise TypeError("no list of chunks")
        self._chunks += len(chunks)
        if self._chunks > 2 * self._limits.tensors:
            raise self._too_many("chunks")
        dtype = _dtype_of(state.get("properties"))
        return WholeTensor(
            fqn=fqn,
            dtype="" if dtype is None else dtype,
            size=_plausible(size),
            chunks=tuple(_chunk(_needed(chunk, "ChunkStorageMetadata"), size) for chunk in chunks),
        )

    def _item(self, index: DictNode, info: DictNode) -> Item:
        offsets = index.get("offset")
        file = info.get("relative_path")
        if type(file) is not str:
            raise TypeError("a file without a name")
        transforms = info.get("transform_descriptors")
        return Item(
            fqn=self._name(index.get("fqn")),
            offsets=None if offsets is None else sizes_of(offsets),
            file=file,
            start=count_of(info.get("offset")),
            nbytes=count_of(info.get("length")),
            transforms=tuple(str(spell(name)).strip("'") for name in transforms[:8])
            if type(transforms) in (list, tuple)
            else (),
        )

    @staticmethod
    def _name(node: Node) -> str:
        if type(node) is not str:
            raise TypeError("a name that is no text")
        half = _NAME_CHARS // 2
        return node if len(node) <= _NAME_CHARS else f"{node[:half]}…{node[-half:]}"

    def _too_many(self, what: str) -> LimitExceededError:
        return LimitExceededError(
            self._path,
            f"more than {self._limits.tensors} {what}",
            remedy="Treat the file as hostile unless you made it yourself.",
        )


def _problem(subject: str, message: str) -> Problem:
    return Problem(code="CD104", severity=Severity.ERROR, subject=subject, message=message)


def _class_of(node: Node) -> str:
    """The class of an object, without its module: that moved from torch to torch."""
    return node.name.rpartition(".")[2] if type(node) is Instance else ""


def _state_of(node: Node, kind: str) -> DictNode | None:
    """The attributes of an object of a class; None for anything else."""
    if _class_of(node) != kind or type(node.state) is not DictNode:
        return None
    return node.state


def _needed(node: Node, kind: str) -> DictNode:
    state = _state_of(node, kind)
    if state is None:
        raise TypeError(f"no {kind}")
    return state


def _pairs(node: Node) -> list[tuple[Node, Node]]:
    """The pairs of a dict, or of an object that is one."""
    found = node.pairs if type(node) in (DictNode, Instance) else None
    return found or []


def _dtype_of(properties: Node) -> str | None:
    """The element type, which stands first in the state of ``TensorProperties``."""
    state = properties.state if type(properties) is Instance else None
    dtype = class_dtype(state[0]) if type(state) is tuple and state else None
    return None if dtype is None else dtype.name


def _chunk(state: DictNode, size: tuple[int, ...]) -> Chunk:
    chunk = Chunk(offsets=sizes_of(state.get("offsets")), sizes=sizes_of(state.get("sizes")))
    if not len(chunk.offsets) == len(chunk.sizes) == len(size):
        raise ValueError("a chunk of other dimensions")
    _plausible(chunk.sizes)
    return chunk


def _plausible(size: tuple[int, ...]) -> tuple[int, ...]:
    numel = 1
    for one in size:
        numel *= one
        if numel >= _MAX_NUMEL:
            raise ValueError("more elements than an address space has bytes")
    return size


def _key_paths(node: Node) -> Iterator[tuple[str, tuple[Key, ...]]]:
    for fqn, path in _pairs(node):
        if (
            type(fqn) is str
            and type(path) is tuple
            and all(type(key) in (str, int) for key in path)
        ):
            yield fqn, path
