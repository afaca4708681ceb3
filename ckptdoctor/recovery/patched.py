"""A pickle with the bytes of some tensors replaced, where it holds them itself."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import IO

from ckptdoctor.errors import RestoreError
from ckptdoctor.formats.source import ByteSource, FileSource
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.draft import Draft, FilePatch, storage_key

__all__ = ["PatchedSource", "patches_of", "write_patched"]

_CHUNK_NBYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class PatchedSource:
    """A source as it reads with the patches applied."""

    source: ByteSource
    patches: Sequence[FilePatch]

    @property
    def nbytes(self) -> int:
        """Size of the range."""
        return self.source.nbytes

    @property
    def file_offset(self) -> int | None:
        """Where byte 0 of the range lies in the file."""
        return self.source.file_offset

    def read(self, offset: int, nbytes: int) -> bytes:
        """Up to ``nbytes`` from ``offset``."""
        data = self.source.read(offset, nbytes)
        base = (self.source.file_offset or 0) + offset
        for patch in self.patches:
            first, last = max(base, patch.start), min(base + len(data), patch.start + patch.nbytes)
            if first < last:
                new = patch.read(first - patch.start, last - first)
                data = data[: first - base] + new + data[last - base :]
        return data


def patches_of(draft: Draft) -> list[FilePatch]:
    """The patches of a draft by their place in the file."""
    refs = {
        storage_key(tensor): tensor.storage
        for tensor in draft.checkpoint.tensors
        if tensor.storage is not None and tensor.storage.is_plain
    }
    return [
        FilePatch(refs[key].offset + patch.start, patch.nbytes, patch.read)
        for key, patches in draft.patches.items()
        for patch in patches
        if key in refs
    ]


def write_patched(draft: Draft, out: IO[bytes]) -> str:
    """Write a file with the patches of its draft applied, all other bytes as they are.

    Returns:
        The SHA-256 of what was written.

    Raises:
        RestoreError: the source was cut meanwhile.
    """
    nbytes = draft.file.nbytes
    patches = [*patches_of(draft), *draft.file_patches]
    source = PatchedSource(FileSource(draft.file.fd, nbytes), patches)
    digest = hashlib.sha256()
    for start in range(0, nbytes, _CHUNK_NBYTES):
        piece = source.read(start, min(_CHUNK_NBYTES, nbytes - start))
        if len(piece) < min(_CHUNK_NBYTES, nbytes - start):
            raise RestoreError("the source was cut while it was read: try again")
        out.write(piece)
        digest.update(piece)
    return digest.hexdigest()
