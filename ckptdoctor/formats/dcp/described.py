"""What the ``.metadata`` of a distributed checkpoint describes: tensors, chunks, items."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType

from ckptdoctor.checkpoint import CallUse, FileIdentity, GlobalUse, Problem
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Chunk", "DcpMetadata", "Item", "Key", "WholeTensor", "place_of"]

Key = str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A box of a tensor.

    Attributes:
        offsets: of its first element, one a dimension.
        sizes: how far it reaches, one a dimension.
    """

    offsets: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.sizes)

    def name_in(self, fqn: str) -> str:
        """The box, as Python would cut it out: ``layer.weight[0:8, 0:16]``."""
        spans = zip(self.offsets, self.sizes, strict=True)
        return f"{fqn}[{', '.join(f'{start}:{start + size}' for start, size in spans)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeTensor:
    """A tensor as it was before it was cut.

    Attributes:
        fqn: its name.
        dtype: torch's name of its element type; "" where that is none that is known.
        size: of the whole.
        chunks: the boxes that it is stored in.
    """

    fqn: str
    dtype: str
    size: tuple[int, ...]
    chunks: tuple[Chunk, ...]

    @property
    def chunk_names(self) -> tuple[str, ...]:
        """What each chunk is called: as the tensor, where there is but one."""
        if len(self.chunks) == 1:
            return (self.fqn,)
        return tuple(chunk.name_in(self.fqn) for chunk in self.chunks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Where one chunk, or one value, is stored.

    Attributes:
        fqn: of the tensor or the value.
        offsets: of the chunk in its tensor; None for a value.
        file: the file, as the description names it.
        start: first byte in it.
        nbytes: how many.
        transforms: what the bytes went through before they were written, such as ``zstandard``.
    """

    fqn: str
    offsets: tuple[int, ...] | None
    file: str
    start: int
    nbytes: int
    transforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DcpMetadata:
    """What a ``.metadata`` says.

    Attributes:
        path: the file.
        identity: of it when it was opened.
        tensors: by their names.
        values: names of what is no tensor.
        items: what is stored where, in the order in which it is said.
        key_paths: the keys from the root of the saved dict to each value, where they are told.
        version: of the format, "" in old files.
        globals: what the pickle names.
        calls: calls in it that run code.
        problems: damage that was met.
    """

    path: Path
    identity: FileIdentity
    tensors: Mapping[str, WholeTensor] = field(repr=False)
    values: frozenset[str] = field(repr=False)
    items: tuple[Item, ...] = field(repr=False)
    key_paths: Mapping[str, tuple[Key, ...]] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )
    version: str = ""
    globals: tuple[GlobalUse, ...] = ()
    calls: tuple[CallUse, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def nbytes(self) -> int:
        """Size of the file."""
        return self.identity.nbytes

    def chunks_by_place(self) -> dict[str, tuple[str, Chunk]]:
        """Every chunk with its name, by :func:`place_of`."""
        found: dict[str, tuple[str, Chunk]] = {}
        for tensor in self.tensors.values():
            for name, chunk in zip(tensor.chunk_names, tensor.chunks, strict=True):
                place = place_of(tensor.fqn, chunk.offsets)
                if place not in found or chunk.numel:  # where a rank had nothing, another may have
                    found[place] = name, chunk
        return found


def place_of(fqn: str, offsets: tuple[int, ...] | None) -> str:
    """A tensor and a place in it as one text.

    Integers could be chosen so that the hashes of their tuples collide.
    """
    return f"{fqn}@{','.join(map(str, offsets)) if offsets and any(offsets) else ''}"
