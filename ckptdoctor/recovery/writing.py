"""The bytes of a copy: those of the source, or what a draft makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

from ckptdoctor.checkpoint import StorageRef
from ckptdoctor.errors import RestoreError
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.writer import UnwritableError, write_bare_pickle, write_pickle
from ckptdoctor.formats.zip.writer import write_torch_zip
from ckptdoctor.recovery.draft import Draft, Patch
from ckptdoctor.recovery.patched import PatchedSource, patches_of
from ckptdoctor.recovery.storages import storages_of
from ckptdoctor.scanning.elements import storage_bytes
from ckptdoctor.sources.descriptors import pread

__all__ = ["copy_file", "write_draft"]

_CHUNK_NBYTES = 1 << 22


def copy_file(file: OpenFile, out: IO[bytes]) -> None:
    """Copy a file byte by byte."""
    offset = 0
    while data := pread(file.fd, _CHUNK_NBYTES, offset):
        out.write(data)
        offset += len(data)


def write_draft(draft: Draft, out: IO[bytes]) -> None:
    """The changed checkpoint: a bare pickle as such, all else as torch writes it."""
    saved = draft.saved
    pickle = b""
    try:
        if saved.is_bare:
            write_bare_pickle(saved.root, PatchedSource(saved.source, patches_of(draft)), out)
        else:
            pickle = write_pickle(saved.root, saved.source)
    except UnwritableError as error:
        raise RestoreError(
            f"{draft.checkpoint.path} cannot be changed without loss: it holds {error}. "
            "Copy it unchanged, or load it and save it again"
        ) from error
    own = {key: (draft.file.fd, ref) for key, ref in saved.storages.items()}
    known = own | draft.transplants
    wanted = storages_of(saved.root)
    missing = [key for key in wanted if key not in known]
    if missing:
        raise RestoreError(
            f"{draft.checkpoint.path}: {len(missing)} storages that are still needed are lost, "
            f"the first is {missing[0]!r}; try --weights-only"
        )
    if saved.is_bare:
        return
    storages = {
        key: (known[key][1].nbytes, _bytes_of(*known[key], draft.patches.get(key, [])))
        for key in wanted
    }
    write_torch_zip(out, pickle, storages, byteorder=saved.byteorder)


def _bytes_of(fd: int, ref: StorageRef, patches: Sequence[Patch]) -> Iterator[bytes]:
    """The bytes of a storage, patches applied, in pieces."""
    if not ref.is_plain:
        yield storage_bytes(fd, ref)
        return
    for start in range(0, ref.nbytes, _CHUNK_NBYTES):
        nbytes = min(_CHUNK_NBYTES, ref.nbytes - start)
        piece = bytearray(pread(fd, nbytes, ref.offset + start))
        if len(piece) < nbytes:
            raise RestoreError("the source was cut while it was read: try again")
        for patch in patches:
            first, last = max(start, patch.start), min(start + nbytes, patch.start + patch.nbytes)
            if first < last:
                new = patch.read(first - patch.start, last - first)
                piece[first - start : last - start] = new
        yield bytes(piece)
