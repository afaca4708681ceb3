"""What the tests of the cache share: files that have settled, and commands that say what they read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from ckptdoctor.cache import memory
from ckptdoctor.formats import OpenFile, opened

__all__ = ["counted", "settled"]

_LONG_AGO = -(10**18)


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """Every file counts as one that nobody wrote for a while."""
    with mock.patch.object(memory, "_SETTLED_NS", _LONG_AGO):
        yield


@contextlib.contextmanager
def counted() -> Iterator[list[Path]]:
    """The files that are opened to be examined, in turn."""
    seen: list[Path] = []

    @contextlib.contextmanager
    def opening(path: Path) -> Iterator[OpenFile]:
        seen.append(path)
        with opened(path) as file:
            yield file

    with (
        mock.patch("ckptdoctor.measure.opened", opening),
        mock.patch("ckptdoctor.layouts.describe.opened", opening),
        mock.patch("ckptdoctor.formats.opened", opening),
    ):
        yield seen
