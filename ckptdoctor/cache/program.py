"""Which program read a file: another one may read it otherwise, so its results are not believed."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.plugins import offered
from ckptdoctor.version import __version__

__all__ = ["fingerprint"]

_PACKAGE = Path(__file__).parent.parent


def fingerprint(package: Path = _PACKAGE) -> bytes:
    """16 bytes that differ between programs that may come to other results.

    Over the version, over the packages that add rules or layouts, and over every source file of
    ours: its name, size and times. Nobody has to bump a number, and no file has to be read: 400 of
    them cost 2 ms. A source that was written anew with the same text counts as changed, which costs
    a reading and nothing else.

    Raises:
        OSError: the sources do not lie in a folder.
    """
    digest = hashlib.blake2b(digest_size=16)
    backend = os.environ.get("CKPTDOCTOR_BACKEND", "")
    digest.update(repr((__version__, sys.version_info[:3], sys.byteorder, backend)).encode())
    digest.update(repr(offered()).encode("utf-8", "surrogateescape"))
    for name, status in sorted(_sources(str(package), "")):
        digest.update(repr((name, status)).encode("utf-8", "surrogateescape"))
    return digest.digest()


def _sources(folder: str, prefix: str) -> Iterator[tuple[str, tuple[int, int, int]]]:
    with os.scandir(folder) as found:
        for entry in found:
            name = prefix + entry.name
            if entry.name.endswith(".py"):
                status = entry.stat()
                yield name, (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            elif "." not in entry.name and entry.name != "__pycache__" and entry.is_dir():
                yield from _sources(entry.path, f"{name}/")
