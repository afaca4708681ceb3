"""The ends of far files that were read a moment ago, for who opens the same version once more."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import field

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.sources.fetching import Data

__all__ = ["Ends", "KeptEnds", "kept_ends"]

_MOST_NBYTES = 8 << 20
_SMALL_NBYTES = 256 << 10
"""A log, an index, a configuration: looked into by several in turn. Of longer ones none is kept."""
_CERTAIN = (b"ETag=", b"etag=", b"e_tag=", b"generation=", b"md5Hash=", b"blob_id=", b"VersionId=")
"""What tells a version; a time may be that of two."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Pieces of a version of a file.

    Attributes:
        pieces: where each starts, and its bytes.
        etags: that came with them.
    """

    pieces: tuple[tuple[int, Data], ...] = ()
    etags: frozenset[str] = field(default_factory=frozenset)

    @property
    def nbytes(self) -> int:
        """How much room they take."""
        return sum(len(data) for _, data in self.pieces)


class KeptEnds:
    """Ends by the place of a file and its version, 8 MiB at most."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, bytes], Ends] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, place: str, mark: bytes) -> Ends:
        """Those that are kept of a version."""
        key = (place, mark)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        return Ends()

    def keep(self, place: str, mark: bytes, nbytes: int, ends: Ends) -> None:
        """Keep those of a file that is closed, if something tells its version.

        Args:
            place: of the file.
            mark: what tells its version.
            nbytes: its size.
            ends: what is at hand of it.
        """
        is_certain = any(one in mark for one in _CERTAIN)
        if not (ends.pieces and is_certain and nbytes <= _SMALL_NBYTES):
            return
        key = (place, mark)
        with self._lock:
            self._kept[key] = ends
            self._kept.move_to_end(key)
            room = _MOST_NBYTES - sum(one.nbytes for one in self._kept.values())
            while room < 0:
                room += self._kept.popitem(last=False)[1].nbytes


kept_ends = KeptEnds()
"""Those of this process."""
