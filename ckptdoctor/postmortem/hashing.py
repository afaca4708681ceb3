"""The files that a report speaks of, by their sha256, so that others know they have the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from ckptdoctor.postmortem.document import Hashed
from ckptdoctor.postmortem.relative import Relative

__all__ = ["hashed"]

_MOST_FILES = 4


def hashed(paths: Iterable[Path], relative: Relative) -> tuple[Hashed, ...]:
    """Those of single files; a folder has none, and what is gone since has none."""
    found = []
    for path in list(dict.fromkeys(paths))[:_MOST_FILES]:
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            nbytes = path.stat().st_size
        except OSError:
            continue
        found.append(Hashed(name=relative.path(path), nbytes=nbytes, sha256=digest))
    return tuple(found)
