"""What else knows which bytes a file had: a SHA-256 that somebody noted when it was whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.destination import opened_for_reading
from ckptdoctor.errors import DestinationError, UsageError
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import sha256_noted

__all__ = ["Digest", "digests_of", "given_digest", "sha256_of_source"]

_CHUNK_NBYTES = 1 << 22
_MOST_NBYTES = 1 << 16
_WHOLE = re.compile(r"[0-9a-f]{64}")
_SUM = re.compile(r"\A([0-9a-fA-F]{64})(?:\s|\Z)")
_TORCH_HUB = re.compile(r"-([0-9a-f]{8})\.")  # torch/hub.py: HASH_REGEX, of eight or more


@dataclass(frozen=True, slots=True)
class Digest:
    """A SHA-256, or the beginning of one.

    Attributes:
        hexadecimal: 64 digits, or the first of them.
        said_by: who says so.
    """

    hexadecimal: str
    said_by: str

    @property
    def is_whole(self) -> bool:
        """Whether all of it is known."""
        return len(self.hexadecimal) == 64

    def fits(self, sha256: str) -> bool:
        """Whether it is that of the bytes with this one."""
        return sha256.startswith(self.hexadecimal)


def given_digest(text: str) -> Digest | None:
    """What the user says; None for "".

    Raises:
        UsageError: it is no SHA-256.
    """
    plain = text.strip().lower().removeprefix("sha256:")
    if not plain:
        return None
    if not _WHOLE.fullmatch(plain):
        raise UsageError(f"--sha256 {text}: a SHA-256 has 64 hexadecimal digits")
    return Digest(plain, "the SHA-256 that was given")


def digests_of(path: Path) -> Iterator[Digest]:
    """What lies beside a file, or is its name, and tells its SHA-256.

    Sources: ``sha256sum``; the cache of ``huggingface_hub``, in which a file of git-lfs has its
    SHA-256 for its name, and the notes that ``local_dir=`` leaves; ``load_state_dict_from_url`` of
    ``torch/hub.py``, which names a file by the first digits.
    """
    noted = sha256_noted(path)
    if noted:
        yield Digest(noted, "the manifest beside it")
    with contextlib.suppress(OSError):
        blob = path.resolve().name
        if path.is_symlink() and _WHOLE.fullmatch(blob):
            yield Digest(blob, "the name that the Hugging Face cache gave it")
    beside = path.parent / ".cache" / "huggingface" / "download" / f"{path.name}.metadata"
    lines = _text(beside).split("\n")
    if len(lines) > 1 and _WHOLE.fullmatch(lines[1].strip()):
        yield Digest(lines[1].strip(), "the note of the Hugging Face download")
    summed = _SUM.match(_text(path.with_name(f"{path.name}.sha256")))
    if summed:
        yield Digest(summed[1].lower(), f"{path.name}.sha256")
    if named := _TORCH_HUB.search(path.name):
        yield Digest(named[1], "the digits in its name, as torch.hub gives them")


def sha256_of_source(source: ByteSource) -> str:
    """The SHA-256 of all bytes of a source, in hexadecimal."""
    digest = hashlib.sha256()
    for start in range(0, source.nbytes, _CHUNK_NBYTES):
        digest.update(source.read(start, min(_CHUNK_NBYTES, source.nbytes - start)))
    return digest.hexdigest()


def _text(path: Path) -> str:
    try:
        with os.fdopen(opened_for_reading(path), "rb") as file:
            return file.read(_MOST_NBYTES).decode("utf-8", "replace")
    except (OSError, DestinationError):
        return ""
