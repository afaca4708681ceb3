"""Tensors and storages of a file, made from what all files of its structure have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat

from ckptdoctor.bulk import instances
from ckptdoctor.checkpoint import StorageRef, TensorRecord

__all__ = ["columns_of", "plain_refs"]

_FIELDS = ("fqn", "dtype", "shape", "stride", "storage_offset", "role", "lost")


def columns_of(tensors: Sequence[TensorRecord]) -> Mapping[str, tuple[object, ...]]:
    """All fields of tensors but their storages, a column each."""
    return {name: tuple(getattr(each, name) for each in tensors) for name in _FIELDS}


def plain_refs(
    count: int,
    *,
    key: Iterable[str],
    offset: Iterable[int],
    nbytes: Iterable[int],
    crc32: Iterable[int | None] = repeat(None),
) -> list[StorageRef]:
    """Storages that a file holds as they are, from a column for each of their fields."""
    none = repeat(None)
    return instances(
        StorageRef,
        count,
        key=key,
        offset=offset,
        nbytes=nbytes,
        crc32=crc32,
        deflated_nbytes=none,
        inline=none,
        text_nbytes=none,
    )
