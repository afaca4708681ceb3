"""What each file of a distributed checkpoint holds, by what its ``.metadata`` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from types import MappingProxyType

from ckptdoctor.checkpoint import Role
from ckptdoctor.formats.dcp.described import DcpMetadata, Item, WholeTensor, place_of
from ckptdoctor.formats.roles import Unsettled, role_of_key, settle_roles
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["FileSlices", "Slice", "roles_of", "slices_by_file"]

_SINGLE = ((), (1,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One item of a file: a chunk of a tensor, or a value.

    Attributes:
        name: of the tensor, of the chunk where there are several, or of the value.
        fqn: of the tensor or the value.
        role: the part of the training state.
        start: first byte in the file.
        nbytes: how many.
        dtype: of the tensor; "" for a value, or where it is not known.
        shape: of the chunk; None for a value.
        transforms: what its bytes went through before they were written.
    """

    name: str
    fqn: str
    role: Role
    start: int
    nbytes: int
    dtype: str = ""
    shape: tuple[int, ...] | None = None
    transforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSlices:
    """What one file holds.

    Attributes:
        items: in the order of the file.
        whole: the tensors of the checkpoint, by their names; shared by all files of it.
    """

    items: tuple[Slice, ...] = field(default=(), repr=False)
    whole: Mapping[str, WholeTensor] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )

    @property
    def tensors(self) -> tuple[str, ...]:
        """The names of the tensors of which it holds all or a part."""
        return tuple(dict.fromkeys(item.fqn for item in self.items if item.shape is not None))


def slices_by_file(metadata: DcpMetadata) -> dict[str, FileSlices]:
    """What each file holds, by the name that the ``.metadata`` gives it.

    What it places there without describing it is left out.

    Args:
        metadata: what it says.
    """
    roles = roles_of(metadata)
    chunks = metadata.chunks_by_place()
    by_file: dict[str, list[Slice]] = {}
    for item in metadata.items:
        found = by_file.setdefault(item.file, [])
        placed = chunks.get(place_of(item.fqn, item.offsets))
        if placed is not None:
            name, chunk = placed
            found.append(_slice(item, name, roles, metadata.tensors[item.fqn].dtype, chunk.sizes))
        elif item.fqn in metadata.values:
            found.append(_slice(item, item.fqn, roles))
    return {
        file: FileSlices(
            items=tuple(sorted(items, key=lambda item: item.start)), whole=metadata.tensors
        )
        for file, items in by_file.items()
    }


def _slice(
    item: Item,
    name: str,
    roles: Mapping[str, Role],
    dtype: str = "",
    shape: tuple[int, ...] | None = None,
) -> Slice:
    return Slice(
        name=name,
        fqn=item.fqn,
        role=roles[item.fqn],
        start=item.start,
        nbytes=item.nbytes,
        dtype=dtype,
        shape=shape,
        transforms=item.transforms,
    )


def roles_of(metadata: DcpMetadata) -> dict[str, Role]:
    """The part of the training state that each tensor and each value belongs to.

    Args:
        metadata: what the ``.metadata`` says; its names tell the roles.
    """
    unsettled = [
        Unsettled(_announced(keys), keys[-1].rpartition(".")[2], tensor.size in _SINGLE)
        for tensor in metadata.tensors.values()
        for keys in [_keys(metadata, tensor.fqn)]
    ]
    settled = settle_roles(unsettled, is_object=False)
    values = {fqn: _announced(_keys(metadata, fqn)) or Role.OTHER for fqn in metadata.values}
    return values | dict(zip(metadata.tensors, settled, strict=True))


def _keys(metadata: DcpMetadata, fqn: str) -> list[str]:
    """The keys that lead to a value; those of a model have dots in them."""
    return [str(key) for key in metadata.key_paths.get(fqn, ())] or fqn.split(".")


def _announced(keys: Sequence[str]) -> Role | None:
    """The role that the keys near the root announce."""
    return next((role for role in map(role_of_key, keys[:2]) if role is not None), None)
