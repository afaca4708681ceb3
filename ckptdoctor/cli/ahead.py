"""Torch's library is loaded while the program still imports itself, where much lies to be read.

Both take a fifth of a second, on a core each. Whether there is much to read is guessed from the
command line: a wrong guess costs time, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

__all__ = ["load_ahead"]

_READS_TENSORS = frozenset({"autopsy", "diff", "plan", "rank", "repair", "restore", "scan"})
_MOST_LOOKED_AT = 2000


def load_ahead(arguments: Sequence[str]) -> None:
    """Start loading the library, if the command is one that will need it.

    Args:
        arguments: of the program.
    """
    if not arguments or arguments[0] not in _READS_TENSORS or "--help" in arguments:
        return
    from ckptdoctor.scanning.amount import FEW_NBYTES

    left = FEW_NBYTES
    named = [one for one in arguments[1:] if not one.startswith("-")]
    for looked_at, nbytes in enumerate(_sizes(named or [os.curdir])):
        left -= nbytes
        if left < 0:
            from ckptdoctor.scanning.preload import preload

            preload()
            return
        if looked_at > _MOST_LOOKED_AT:
            return


def _sizes(paths: Sequence[str]) -> Iterator[int]:
    """The sizes of files, and of those in folders and in folders within."""
    for path in paths:
        with contextlib.suppress(OSError):
            if os.path.isdir(path):  # noqa: PTH112
                yield from _sizes_in(path, depth=1)
            else:
                yield os.stat(path).st_size  # noqa: PTH116


def _sizes_in(folder: str, *, depth: int) -> Iterator[int]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if depth:
                    yield from _sizes_in(entry.path, depth=depth - 1)
            else:
                yield entry.stat().st_size
