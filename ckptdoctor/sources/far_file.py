"""The bytes of one far file: its two ends first, then what is asked for or expected."""

from __future__ import annotations

import bisect
import contextlib
import errno
import itertools
import os
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path

from ckptdoctor.sources import positioned
from ckptdoctor.sources.errors import NoRangesError
from ckptdoctor.sources.fetching import (
    PIECE_NBYTES,
    SEGMENT_NBYTES,
    WHOLE_NBYTES,
    Data,
    Segment,
    window,
)
from ckptdoctor.sources.kept_ends import Ends, kept_ends
from ckptdoctor.sources.store import Store

__all__ = ["HEAD_NBYTES", "TAIL_NBYTES", "FarFile"]

HEAD_NBYTES = 128 << 10
TAIL_NBYTES = 96 << 10
"""The end of a zip file with the longest comment lies in its last 65,599 bytes; of a torch file
with some 800 records, the directory does as well."""
_SMALL_NBYTES = HEAD_NBYTES + TAIL_NBYTES
_STEP_NBYTES = 64 << 10
_KEPT_AHEAD = 2
_JOINED_NBYTES = 256 << 10
"""Less than this between two ranges is fetched with them: a request costs about as much."""


class FarFile:
    """The bytes of a far file, which threads may share.

    Args:
        store: where it lies.
        path: within its store.
        place: of it in the mirror.
        nbytes: its size.
        mark: what tells its version.
    """

    def __init__(self, store: Store, path: str, place: str, nbytes: int, mark: bytes) -> None:
        self._store = store
        self._path = path
        self._place = place
        self._nbytes = nbytes
        self.mark = mark
        self._lock = threading.RLock()
        kept = kept_ends.of(place, mark)
        self._ends: list[tuple[int, Data]] = list(kept.pieces)
        self._recent: list[tuple[int, Data]] = []
        self._etags: set[str] = set(kept.etags)
        self._segments: list[Segment] = []
        self._wanted: list[tuple[int, int]] = []
        self._passed: dict[int, bytes] = {}
        self._step = _STEP_NBYTES
        self._next = 0
        self._whole: int | None = None
        self._settled = False
        self._comes_whole = False

    # -- before it is opened ---------------------------------------------------------------------

    def fetch_ahead(self) -> bool:
        """Have all of it fetched, unless it is large; whether it is not."""
        if not 0 < self._nbytes <= WHOLE_NBYTES:
            return False
        count = -(-self._nbytes // PIECE_NBYTES)
        ends = [at * self._nbytes // count for at in range(count + 1)]
        self._segments = [self._segment(*both, None) for both in itertools.pairwise(ends)]
        self._comes_whole = True
        window.add(self._segments)
        return True

    @property
    def waits(self) -> bool:
        """Whether it is to be fetched ahead, and there is no room for it yet."""
        return any(one.bytes is None and not one.dropped for one in self._segments)

    # -- what readers ask ------------------------------------------------------------------------

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """How many bytes were put into the buffer; fewer only at the end of the file.

        Raises:
            OSError: they cannot be read.
        """
        nbytes = max(0, min(len(buffer), self._nbytes - offset))
        done = 0
        while done < nbytes:
            if self._whole is not None:
                rest = buffer[done:nbytes]
                return done + positioned.read_into(self._whole, rest, offset + done)
            try:
                start, data = self._holding(offset + done, nbytes - done)
            except NoRangesError:
                self._fetch_whole()
                continue
            at = offset + done - start
            piece = memoryview(data)[at : at + nbytes - done]
            buffer[done : done + len(piece)] = piece
            done += len(piece)
        self._note_read(offset, nbytes)
        return nbytes

    def is_at_hand(self, offset: int, nbytes: int) -> bool:
        """Whether bytes can be had without a request; those that cannot are kept as they pass."""
        end = min(offset + nbytes, self._nbytes)
        if self._settled or self._whole is not None or offset >= end or self._is_ahead():
            return True
        if self._wants_ends():
            with contextlib.suppress(NoRangesError):
                self._fetch_ends()
        if self._held(offset, end):
            return True
        self._wanted.append((offset, end))
        return False

    def settle(self) -> bool:
        """Whether bytes were not at hand that somebody asked for; from now on all are fetched."""
        self._settled = True
        return bool(self._wanted)

    def expect(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Have ranges fetched ahead, in the order in which they lie in the file.

        Args:
            ranges: offset and size of each.
        """
        if self._whole is not None:
            return
        if self._is_ahead():
            asked = _asked(ranges, self._nbytes)
            for segment in self._segments:
                segment.expected, segment.read = _shared(asked, segment.start, segment.end), 0
                if not segment.expected:
                    self._drop(segment)
            return
        if self._nbytes <= _SMALL_NBYTES:
            return
        segments = [self._segment(*one) for one in _joined(ranges, self._nbytes)]
        with self._lock:
            known = [one for one in self._segments if not one.dropped]
            if known:  # of a file that is read twice
                return
            self._segments = segments
        window.add(segments)

    def refresh(self, fd: int) -> None:
        """Have the mirror's times changed where the file is another by now."""
        if not self.mark:
            return
        own = _fields(self.mark).get(b"ETag", b"").decode("utf-8", "surrogateescape")
        if own and self._etags == {own}:  # every byte came with it
            return
        try:
            now = self._store.described(self._path, fresh=True)
            is_same = now.mark == self.mark or not now.mark or self._is_told_otherwise(now.mark)
        except FileNotFoundError:
            is_same = False
        except OSError:
            return
        if not is_same:
            times = os.fstat(fd)
            os.utime(fd, ns=(times.st_atime_ns, times.st_mtime_ns + 1))

    def _is_told_otherwise(self, mark: bytes) -> bool:
        """Whether two questions are answered by different fields, and agree where they can."""
        ours, theirs = _fields(self.mark), _fields(mark)
        shared = ours.keys() & theirs.keys()
        return bool(shared) and all(ours[key] == theirs[key] for key in shared)

    def close(self) -> None:
        """Drop what is held."""
        for segment in self._segments:
            window.drop(segment)
        with self._lock:
            ends = Ends(tuple(self._ends), frozenset(self._etags))
            kept_ends.keep(self._place, self.mark, self._nbytes, ends)
            self._segments, self._ends, self._recent, self._passed = [], [], [], {}
            if self._whole is not None:
                os.close(self._whole)
                self._whole = None
                with contextlib.suppress(OSError):  # its place in the mirror is empty again
                    times = Path(self._place).stat()
                    os.truncate(self._place, 0)
                    os.truncate(self._place, self._nbytes)
                    os.utime(self._place, ns=(times.st_atime_ns, times.st_mtime_ns))

    # -- where bytes come from -------------------------------------------------------------------

    def _segment(self, start: int, end: int, expected: int | None) -> Segment:
        copies = 1 if self._store.fills_buffers else 2
        return Segment(self._fetched, start, end, expected, copies * (end - start))

    def _is_ahead(self) -> bool:
        """Whether all of it lies in memory, or will soon."""
        return self._comes_whole and not any(one.dropped for one in self._segments)

    def _drop(self, segment: Segment) -> None:
        """Free a range; of a whole file what may be looked at again stays."""
        self._keep_wanted(segment)
        if self._comes_whole and segment.bytes is not None and not segment.dropped:
            data = segment.bytes.result()
            with self._lock:
                if segment.start == 0:
                    self._ends.append((0, bytes(data[:HEAD_NBYTES])))
                if segment.end == self._nbytes:
                    tail = bytes(data[-TAIL_NBYTES:])
                    self._ends.append((self._nbytes - len(tail), tail))
        window.drop(segment)

    def _holding(self, offset: int, nbytes: int) -> tuple[int, Data]:
        """A piece of the file with the byte at an offset in it: where it starts, and its bytes."""
        segment = self._segment_at(offset)
        if segment is not None:
            return segment.start, window.take(segment)
        if self._wants_ends():
            self._fetch_ends()
        found = self._held_at(offset)
        return found or self._fetch_at(offset, nbytes)

    def _segment_at(self, offset: int) -> Segment | None:
        segments = self._segments
        at = bisect.bisect_right(segments, offset, key=lambda one: one.start) - 1
        if at < 0 or offset >= segments[at].end or segments[at].dropped:
            return None
        return segments[at]

    def _held_at(self, offset: int) -> tuple[int, Data] | None:
        with self._lock:
            for start, data in (*self._ends, *self._recent, *self._passed.items()):
                if start <= offset < start + len(data):
                    return start, data
        return None

    def _held(self, offset: int, end: int) -> bool:
        while offset < end:
            found = self._held_at(offset)
            if found is None:
                return False
            offset = found[0] + len(found[1])
        return True

    def _wants_ends(self) -> bool:
        return not self._ends and self._nbytes > 0

    def _fetch_ends(self) -> None:
        """The first and the last bytes, at the same time; all of a small file."""
        if self._nbytes <= _SMALL_NBYTES:
            ends: list[tuple[int, Data]] = [(0, self._fetched(0, self._nbytes))]
        else:
            start = self._nbytes - TAIL_NBYTES
            tail = window.submit(lambda: self._fetched(start, self._nbytes))
            head = self._fetched(0, HEAD_NBYTES)
            ends = [(0, head), (start, tail.result())]
        with self._lock:
            self._ends = ends

    def _fetch_at(self, offset: int, nbytes: int) -> tuple[int, Data]:
        """What was asked for and, where it is read on and on, ever more behind it."""
        with self._lock:
            goes_on = offset == self._next
            self._step = min(SEGMENT_NBYTES, 4 * self._step) if goes_on else _STEP_NBYTES
            end = min(self._nbytes, offset + max(min(nbytes, SEGMENT_NBYTES), self._step))
            later = [start for start, _ in self._ends if start > offset]
            end = min(end, *later) if later else end
            self._next = end
        data = self._fetched(offset, end)
        with self._lock:
            self._recent = [*self._recent[1 - _KEPT_AHEAD :], (offset, data)]
        return offset, data

    def _fetched(self, start: int, end: int) -> Data:
        found = self._store.read(self._path, start, end)
        with self._lock:
            self._etags.add(found.etag)
        return found.data

    def _note_read(self, offset: int, nbytes: int) -> None:
        """Count what was read of the ranges fetched ahead, and drop those that are done."""
        at = offset
        while at < offset + nbytes:
            segment = self._segment_at(at)
            if segment is None:
                return
            part = min(segment.end, offset + nbytes) - at
            if window.note_read(segment, part):
                self._drop(segment)
            at += part

    def _keep_wanted(self, segment: Segment) -> None:
        """Of bytes that pass, keep those that a reader will ask for afterwards."""
        if segment.bytes is None or segment.dropped:
            return
        data = segment.bytes.result()
        with self._lock:
            for start, end in self._wanted:
                if segment.start <= start and end <= segment.end:
                    self._passed[start] = bytes(data[start - segment.start : end - segment.start])

    def _fetch_whole(self) -> None:
        """The file into its place in the mirror, where a server gives it only whole.

        Raises:
            OSError: it cannot be read, or there is no room for it.
        """
        with self._lock:
            if self._whole is not None:
                return
            free = shutil.disk_usage(os.path.dirname(self._place)).free  # noqa: PTH120
            if free < self._nbytes:
                raise OSError(
                    errno.ENOSPC,
                    "the server gives files only whole, and the temporary folder has no room "
                    f"for {self._nbytes} bytes",
                )
            times = Path(self._place).stat()
            self._store.download(self._path, self._place, self._nbytes)
            there = Path(self._place).stat().st_size
            os.utime(self._place, ns=(times.st_atime_ns, times.st_mtime_ns))
            if there != self._nbytes:
                os.truncate(self._place, self._nbytes)
                os.utime(self._place, ns=(times.st_atime_ns, times.st_mtime_ns))
                raise OSError(
                    errno.EIO, f"the server told of {self._nbytes} bytes, and sent {there}"
                )
            self._whole = os.open(self._place, os.O_RDONLY | positioned.AS_BYTES)
            for segment in self._segments:
                window.drop(segment)


def _fields(mark: bytes) -> dict[bytes, bytes]:
    return dict(part.partition(b"=")[::2] for part in mark.split(b";"))


def _asked(ranges: Iterable[tuple[int, int]], nbytes: int) -> list[tuple[int, int]]:
    """Start and end of ranges, given by offset and size, as far as they lie in a file; sorted."""
    return sorted((at, min(at + size, nbytes)) for at, size in ranges if size > 0 and at < nbytes)


def _shared(asked: list[tuple[int, int]], start: int, end: int) -> int:
    """How many bytes of ranges lie between two places; a byte of two ranges is read twice."""
    return sum(max(0, min(end, until) - max(start, since)) for since, until in asked)


def _joined(ranges: Iterable[tuple[int, int]], nbytes: int) -> list[tuple[int, int, int]]:
    """Ranges put together where little lies between, and cut to what one request brings.

    Args:
        ranges: offset and size of each.
        nbytes: size of the file.

    Returns:
        Start and end of each, and how many of its bytes will be read.
    """
    asked = _asked(ranges, nbytes)
    runs: list[list[int]] = []
    for start, end in asked:
        if runs and start - runs[-1][1] < _JOINED_NBYTES:
            runs[-1][1] = max(end, runs[-1][1])
        else:
            runs.append([start, end])
    cut = [
        [at, min(at + SEGMENT_NBYTES, end), 0]
        for start, end in runs
        for at in range(start, end, SEGMENT_NBYTES)
    ]
    starts = [one[0] for one in cut]
    for start, end in asked:
        at = max(0, bisect.bisect_right(starts, start) - 1)
        while at < len(cut) and cut[at][0] < end:
            cut[at][2] += max(0, min(end, cut[at][1]) - max(start, cut[at][0]))
            at += 1
    return [(start, end, expected) for start, end, expected in cut]
