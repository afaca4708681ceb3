"""Ranges fetched ahead by several connections, as many as may lie in memory at a time.

Whoever knows what will be read says so; the ranges are fetched in that order, and dropped once they
were read. Who wants one that is not under way has it fetched at once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.sources.rooms import rooms

__all__ = [
    "CONNECTIONS",
    "PIECE_NBYTES",
    "SEGMENT_NBYTES",
    "WHOLE_NBYTES",
    "Data",
    "Segment",
    "Window",
    "window",
]

CONNECTIONS = 8
SEGMENT_NBYTES = 8 << 20
WHOLE_NBYTES = 32 << 20
"""A file up to here is fetched before it is opened."""
PIECE_NBYTES = 16 << 20
"""Of such a file a request brings so much: one for 20 MB would leave most connections idle, as many
as there are take a tenth more of the processor."""
_HELD_NBYTES = 64 << 20
"""What lies in memory fetched ahead of the scan: a range for each connection. The libraries take
some 40 MB beside it, and all together shall be 128 MB."""

Data = bytes | memoryview


@dataclass(slots=True, eq=False)
class Segment:
    """A range that is to be read once.

    Attributes:
        fetch: brings its bytes.
        start, end: where it lies in its file.
        expected: how many of its bytes will be read; the rest lies between. None where nobody
            knows yet.
        costs: what it may take of memory: where libraries join the pieces of an answer, twice its
            size.
        read: how many were.
        bytes: once it is under way.
        dropped: whether nobody needs it any more.
    """

    fetch: Callable[[int, int], Data]
    start: int
    end: int
    expected: int | None
    costs: int
    read: int = 0
    bytes: Future[Data] | None = None
    dropped: bool = False


class Window:
    """The ranges of all files that are fetched ahead."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._asked = 0
        self._lock = threading.RLock()
        self._waiting: deque[Segment] = deque()
        self._held = 0

    def submit(self, ask: Callable[[], Data]) -> Future[Data]:
        """Have something fetched meanwhile."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="ckptdoctor-fetch")
            self._asked += 1
            answer = self._pool.submit(ask)
        answer.add_done_callback(self._note_answer)
        return answer

    def _note_answer(self, _: Future[Data]) -> None:
        """No thread stays in a program that only asked for a scan."""
        with self._lock:
            self._asked -= 1
            if not self._asked and self._pool is not None:
                self._pool.shutdown(wait=False)
                self._pool = None

    def add(self, segments: Sequence[Segment]) -> None:
        """Have ranges fetched when their turn comes."""
        with self._lock:
            self._waiting.extend(segments)
            self._pump()

    def take(self, segment: Segment) -> Data:
        """The bytes of a range, waited for.

        Raises:
            OSError: they cannot be read.
        """
        with self._lock:
            coming = segment.bytes or self._start(segment)
        return coming.result()

    def note_read(self, segment: Segment, nbytes: int) -> bool:
        """Count bytes of a range that were read; whether these were the last."""
        with self._lock:
            segment.read += nbytes
            return segment.expected is not None and segment.read >= segment.expected

    def drop(self, segment: Segment) -> None:
        """Free a range, and let the next one be fetched."""
        with self._lock:
            if segment.dropped:
                return
            segment.dropped = True
            if segment.bytes is not None:
                segment.bytes.cancel()
                self._held -= segment.costs
                segment.bytes = None
            self._pump()
            if not self._held:
                rooms.clear()

    def _pump(self) -> None:
        while self._waiting:
            first = self._waiting[0]
            if first.dropped or first.bytes is not None:
                self._waiting.popleft()
            elif self._held and self._held + first.costs > _HELD_NBYTES:
                return
            else:
                self._start(self._waiting.popleft())

    def _start(self, segment: Segment) -> Future[Data]:
        self._held += segment.costs
        segment.bytes = self.submit(partial(segment.fetch, segment.start, segment.end))
        return segment.bytes


window = Window()
"""That of this process."""
