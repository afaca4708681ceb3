"""Memory for what is fetched, used again and again: a page that was touched costs no more.

To touch the memory of a download anew takes a quarter of the processor time of a scan of it, and
what malloc frees of large pieces stays with the process.
"""

from __future__ import annotations

import mmap
import threading
import weakref

__all__ = ["Rooms", "rooms"]

_MAPPED_NBYTES = 1 << 20
_STEP_NBYTES = 1 << 20
_MOST_KEPT_NBYTES = 64 << 20


class Rooms:
    """Large pieces of memory, which come back by themselves once nobody holds them."""

    def __init__(self) -> None:
        self._free: list[mmap.mmap] = []
        self._keeps = False
        self._lock = threading.RLock()  # what comes back may do so while another is taken

    def room(self, nbytes: int) -> memoryview:
        """Memory for so many bytes, in which anything may stand; it is in use as long as a view."""
        if nbytes < _MAPPED_NBYTES:
            return memoryview(bytearray(nbytes))
        import ctypes

        with self._lock:
            self._keeps = True
            found = self._fitting(nbytes)
        held = (ctypes.c_char * len(found)).from_buffer(found)  # every view of it holds this
        weakref.finalize(held, self._come_back, found).atexit = False
        return memoryview(held).cast("B")[:nbytes]

    def _fitting(self, nbytes: int) -> mmap.mmap:
        """A free piece that is not much larger, or a new one in place of those."""
        nbytes = -(-nbytes // _STEP_NBYTES) * _STEP_NBYTES
        fitting = [one for one in self._free if nbytes <= len(one) <= nbytes + nbytes // 4]
        if fitting:
            found = min(fitting, key=len)
            self._free.remove(found)
            return found
        self._free.clear()
        return mmap.mmap(-1, nbytes)

    def _come_back(self, room: mmap.mmap) -> None:
        with self._lock:
            if self._keeps and sum(map(len, self._free)) + len(room) <= _MOST_KEPT_NBYTES:
                self._free.append(room)

    def clear(self) -> None:
        """Give back what nobody uses, and what comes back before more is asked for."""
        with self._lock:
            self._keeps = False
            self._free.clear()


rooms = Rooms()
"""Those of this process."""
