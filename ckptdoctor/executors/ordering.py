"""A file as it is ordered from a worker, with all that the worker needs to know of it."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ckptdoctor.executors.task import Order
from ckptdoctor.formats.dcp.described import DcpMetadata
from ckptdoctor.formats.dcp.slices import FileSlices
from ckptdoctor.layouts.files import Part
from ckptdoctor.layouts.zero_shares import ZeroShare
from ckptdoctor.manifest import manifest_path
from ckptdoctor.sources.descriptors import is_far, mark_of

__all__ = ["order_for"]


def order_for(path: Path, part: Part | None) -> tuple[Order, int] | None:
    """The order, and the size of the file; None for a file that is read by whoever asks.

    That is one that a layout describes by what cannot be sent, and a far one with a note of ours
    beside it: a worker does not look into folders.

    Args:
        path: the file.
        part: what it is of a checkpoint of several; None for a single file.
    """
    if part is not None and isinstance(part.described, DcpMetadata):
        return None
    has_note = part is None and os.path.lexists(manifest_path(path))
    if has_note and is_far(path):
        return None
    try:
        nbytes = path.stat().st_size
    except OSError:  # gone since it was listed
        nbytes = 0
    if part is not None and isinstance(part.described, FileSlices):
        part = replace(part, described=replace(part.described, whole={}))
    try:
        versions = tuple(_versions(path, part))
    except OSError:
        return None
    order = Order(path=path, part=part, has_note=has_note, versions=versions)
    return (order, nbytes) if part is None or _can_be_sent(part) else None


def _versions(path: Path, part: Part | None) -> Iterator[tuple[Path, int, bytes, int]]:
    """What is known here of far files that a worker will open."""
    models = part.described.models if part and isinstance(part.described, ZeroShare) else ()
    for one in (path, *models):
        if is_far(one):
            status = one.stat()
            yield one, status.st_size, mark_of(one) or b"", status.st_mtime_ns


def _can_be_sent(part: Part) -> bool:
    if part.role_of is None:  # all else is plain data
        return True
    try:
        pickle.dumps(part)
    except (pickle.PicklingError, AttributeError, TypeError, RecursionError):
        return False
    return True
