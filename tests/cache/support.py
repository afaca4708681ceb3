"""What the tests of the cache share: files that have settled, and a count of those opened."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from ckptdoctor.cache import answers, memory
from ckptdoctor.formats import OpenFile, opened

__all__ = ["counted", "no_answers", "settled"]

_LONG_AGO = -(10**18)


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """Every file counts as one that nobody wrote for a while."""
    with (
        mock.patch.object(memory, "_SETTLED_NS", _LONG_AGO),
        mock.patch.object(answers, "_SETTLED_NS", _LONG_AGO),
    ):
        yield


@contextlib.contextmanager
def no_answers() -> Iterator[None]:
    """No answer is given again as a whole: each is made of what is remembered of the files."""
    with mock.patch("ckptdoctor.__main__._ANSWERED_AGAIN", frozenset()):
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
        mock.patch("ckptdoctor.one_file.opened", opening),
        mock.patch("ckptdoctor.layouts.describe.opened", opening),
        mock.patch("ckptdoctor.formats.opened", opening),
    ):
        yield seen
