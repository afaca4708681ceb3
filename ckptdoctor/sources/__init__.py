"""Where bytes come from: files of this machine, and by URL those of others.

Whoever is given a path takes it as it is. Of a URL it is a ``FarPath`` (``far_path.py``): names,
folders and sizes are those of a small mirror in the system's temporary folder, made as folders are
looked into, and bytes are fetched where they are read. Local paths meet none of this.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["is_url", "path_of"]


_URL = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]{1,31}://"
    r"|(?:zip|tar|libarchive|reference|dir|cached|blockcache|filecache|simplecache)::"
)
"""A scheme, or what fsspec chains before one; one letter is a drive of Windows.

Files may have colons in their names as well."""


def is_url(text: str) -> bool:
    """Whether a text names something by URL: ``s3://...``, or ``zip::...`` of one."""
    return _URL.match(text) is not None


def path_of(text: str | os.PathLike[str]) -> Path:
    """The path that a text names; of a URL, one whose files lie elsewhere.

    Raises:
        UsageError: no such kind of URL is known, or what opens it is not installed.
    """
    if isinstance(text, Path):
        return text
    name = os.fspath(text)
    if not is_url(name) or os.path.lexists(name):
        return Path(name)
    from ckptdoctor.sources.far_path import far_path  # imports fsspec

    return far_path(name)
