"""A pickle with the bytes of some tensors replaced, where it holds them itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ckptdoctor.formats.source import ByteSource
from ckptdoctor.recovery.draft import Draft, storage_key

__all__ = ["FilePatch", "PatchedSource", "patches_of"]


@dataclass(frozen=True, slots=True)
class FilePatch:
    """Bytes of a file that are replaced.

    Attributes:
        start: the first of them.
        nbytes: how many.
        read: the new ones: from, how many -> bytes.
    """

    start: int
    nbytes: int
    read: Callable[[int, int], bytes]


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
