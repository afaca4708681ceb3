"""What a store tells of a file or a folder, whatever it calls that."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Entry", "entry_of"]

_MARKS = (
    "ETag", "etag", "e_tag", "Content-MD5", "Digest", "Last-Modified", "LastModified",
    "last_modified", "last-modified", "generation", "md5Hash", "updated", "version_id",
    "VersionId", "blob_id", "mtime", "modified", "created", "CRC", "date_time",
)  # fmt: skip
"""What stores call that which changes with an object."""
_TIMES = (
    "LastModified",
    "last_modified",
    "Last-Modified",
    "updated",
    "mtime",
    "modified",
    "created",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder, as its store tells.

    Attributes:
        name: within its folder.
        is_folder: whether it is one.
        nbytes: its size; -1 where the store does not say.
        mark: what changes when it does; b"" where the store tells nothing.
        modified_ns: when it was written, in nanoseconds since 1970; 0 where nothing tells.
    """

    name: str
    is_folder: bool
    nbytes: int
    mark: bytes
    modified_ns: int


def entry_of(one: Mapping[str, Any]) -> Entry:
    """What one of fsspec's descriptions says."""
    name = str(one["name"]).rstrip("/").rpartition("/")[2]
    size = one.get("size")
    marks = [f"{key}={_plain(one[key])}" for key in _MARKS if one.get(key)]
    return Entry(
        name=name,
        is_folder=one.get("type") == "directory",
        nbytes=-1 if size is None else int(size),
        mark=f"size={size};{';'.join(marks)}".encode("utf-8", "surrogateescape") if marks else b"",
        modified_ns=_modified_ns(one),
    )


def _plain(value: object) -> object:
    """A time as a number: one store tells it as either."""
    return value.timestamp() if isinstance(value, datetime) else value


def _modified_ns(one: Mapping[str, Any]) -> int:
    """When it was written, in nanoseconds since 1970; 0 where nothing is told."""
    for key in _TIMES:
        value = one.get(key)
        with contextlib.suppress(ValueError, OverflowError):
            if isinstance(value, str):
                value = _date(value)
            if isinstance(value, datetime):
                return int(value.timestamp()) * 1_000_000_000
            if isinstance(value, int | float) and value > 0:
                return int(value * 1_000_000_000)
    return 0


def _date(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)
