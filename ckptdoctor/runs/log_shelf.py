"""The logs of an examination, each read once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.places import place_of
from ckptdoctor.runs.logs import LogReading
from ckptdoctor.runs.wish import Wish

__all__ = ["LogShelf"]


class LogShelf:
    """Reads each log once.

    Args:
        wish: what the user says of logs.
    """

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._pattern = wish.pattern
        self._known: dict[Path, LogReading] = {}
        self._failed: dict[Path, OSError] = {}
        self._mute: dict[Path, None] = {}
        self._fits = False

    def forget(self) -> None:
        """Keep of the logs that the user did not name no more than which the pattern fits."""
        self._note_unmatched()
        named = set(map(place_of, self._wish.logs))
        self._known = {path: one for path, one in self._known.items() if path in named}
        self._failed = {path: one for path, one in self._failed.items() if path in named}

    def _note_unmatched(self) -> None:
        if self._pattern is not None:
            self._fits |= any(one.says_something for one in self._known.values())
            self._mute |= dict.fromkeys(path for path in self._known if path not in self._failed)

    def silent(self) -> Iterator[Path]:
        """The logs that the user named and that gave nothing."""
        for path in self._wish.logs:
            if not self.read(path, named=True).says_something:
                yield path

    def unmatched(self) -> Iterator[Path]:
        """The logs, where the user's pattern fits no line of any of them."""
        self._note_unmatched()
        if not self._fits:
            yield from self._mute

    def read(self, path: Path, *, named: bool) -> LogReading:
        """What a log says; one that only lies there and cannot be read says nothing.

        Raises:
            OSError: it cannot be read, and the user named it.
        """
        key = place_of(path)
        if key not in self._known:
            try:
                from ckptdoctor.runs.logs import read_logs  # with all readers, which take long

                self._known[key] = read_logs([path], self._pattern)
            except OSError as error:
                self._known[key], self._failed[key] = LogReading(), error
        if named and key in self._failed:
            raise self._failed[key]
        return self._known[key]
