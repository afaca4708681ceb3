"""Checkpoint to TensorStats: threads that read, check and measure chunk by chunk.

Files are read by ``preadv`` into one small buffer a thread, never mapped: a mapped file that
training overwrites meanwhile would kill us with SIGBUS. Memory does not grow with the file.
"""

from __future__ import annotations

import mmap
import os
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from zlib_ng import zlib_ng

from ckptdoctor.checkpoint import Checkpoint, FileIdentity, Problem, Role, TensorStats
from ckptdoctor.dtypes import DType
from ckptdoctor.finding import Severity
from ckptdoctor.scanning.backends import load_kernels
from ckptdoctor.scanning.kernels import EMPTY, Kernels, Measurement, Worker, merge
from ckptdoctor.scanning.plan import CHUNK_NBYTES, Piece, StorageScan, Task, make_plan
from ckptdoctor.scanning.reading import FileShrankError, read_into
from ckptdoctor.scanning.spelled import spelled
from ckptdoctor.scanning.stats import collect_stats
from ckptdoctor.scanning.views import Budget, measure_view

__all__ = ["ScanResult", "Scanner", "available_cores"]

_PRIVATE: dict[str, int] = (
    {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if os.name == "posix" else {}
)

SAMPLE_NUMEL = 32
"""The most elements that are kept of a chunk."""

_PATIENCE_S = 0.2

_UNSIGNED: dict[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}

Progress = Callable[[int], None]
"""Called from the threads with the number of bytes just done."""


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found in one file.

    Attributes:
        stats: one entry for each tensor whose bytes are there, by fqn.
        problems: checksums that do not match, a file that changed.
        scanned_nbytes: bytes that were read.
        unchecked: records for which the file stores no checksum.
    """

    stats: dict[str, TensorStats]
    problems: tuple[Problem, ...]
    scanned_nbytes: int
    unchecked: int


class InflateError(Exception):
    """A deflated record is damaged; the message names it."""


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Scanner:
    """A pool of threads, each with its own buffer and its own worker of the backend.

    The backend is loaded by the first thread that needs it, while the caller goes on reading
    headers.

    Args:
        jobs: number of threads; by default one a core.
        kernels: the backend; by default the best that works.
        progress: told of every batch of bytes done.
    """

    def __init__(
        self,
        jobs: int | None = None,
        kernels: Kernels | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._jobs = jobs or available_cores()
        self._kernels = kernels
        self._progress = progress or (lambda _: None)
        self._lock = threading.Lock()
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="ckptdoctor-scan")
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._stopped.set()  # let the threads end at the next read
        self._pool.shutdown(wait=True, cancel_futures=True)

    def warm_up(self) -> None:
        """Start loading the backend in a thread, to be ready when the first header is."""
        self._pool.submit(self._worker)

    @property
    def backend(self) -> str:
        """The name of the backend, loaded if need be."""
        return self._load().name

    def submit(self, checkpoint: Checkpoint, fd: int) -> PendingScan:
        """Start scanning a checkpoint.

        Args:
            checkpoint: what a reader returned.
            fd: its file, open until the result was taken.
        """
        scans, planned = make_plan(checkpoint)
        budget = Budget(checkpoint.nbytes)
        tasks = [task for task in planned if task.view is None or budget.allows(task.view[1])]
        order = checkpoint.byteorder
        futures = [self._pool.submit(self._run, task, fd, order) for task in tasks]
        nbytes = sum(task.nbytes for task in tasks)
        return PendingScan(checkpoint, fd, scans, futures, nbytes)

    # -- in the threads --------------------------------------------------------------------------

    def _load(self) -> Kernels:
        with self._lock:
            if self._kernels is None:
                self._kernels = load_kernels()
            return self._kernels

    def _worker(self) -> _ThreadState:
        state = getattr(self._local, "state", None)
        if state is None:
            kernels = self._load()
            serial = self._lock if kernels.max_workers == 1 else None
            state = self._local.state = _ThreadState(kernels.worker(), serial)
        return state

    def _run(self, task: Task, fd: int, byteorder: str) -> None:
        if self._stopped.is_set():
            return
        state = self._worker()
        if task.decode is not None:
            _decode(task.decode, fd, state, byteorder)
        if task.view is not None:
            scan, tensor = task.view
            shown = Piece(0, 0, tensor.dtype_info)
            found = measure_view(tensor, fd, state.view, state.asker(shown, byteorder))
            if found is not None:
                shown.measurement = found
                scan.views[tensor.fqn] = shown
        for read in task.reads:
            if self._stopped.is_set():
                return
            if read.nbytes > CHUNK_NBYTES:
                ((piece, _, check),) = read.pieces
                state.measure_long(piece, fd, read.offset, byteorder, check=check)
                continue
            state.fill(fd, read.offset, read.nbytes)
            for piece, start, check in read.pieces:
                state.measure(piece, start, byteorder, check=check)
        self._progress(task.nbytes)


class _ThreadState:
    """The buffer and the worker of one thread."""

    def __init__(self, worker: Worker, serial: threading.Lock | None) -> None:
        self._worker = worker
        self._serial = serial
        # Aligned to pages, private so that it counts as ours, and given back at once.
        self._buffer = mmap.mmap(-1, CHUNK_NBYTES, **_PRIVATE)
        self.view = memoryview(self._buffer)

    def fill(self, fd: int, offset: int, nbytes: int) -> None:
        """Read into the start of the buffer.

        Raises:
            FileShrankError: the file ends first.
        """
        read_into(self.view[:nbytes], fd, offset)

    def measure(self, piece: Piece, start: int, byteorder: str, *, check: bool) -> None:
        """Check and measure a piece that lies in the buffer; destroys it."""
        view = self.view[start : start + piece.nbytes]
        if check:
            piece.crc32 = zlib_ng.crc32(view)
        if piece.dtype is not None:
            piece.sample = self._sample(view, piece, byteorder)
            piece.measurement = self.ask(view, piece.dtype, byteorder)
            piece.saturated = self._saturated(view, piece.dtype, piece.measurement)

    @staticmethod
    def _sample(view: memoryview, piece: Piece, byteorder: str) -> bytes:
        """A few elements of what lies in the buffer, evenly spaced."""
        if not piece.sampled or byteorder == "big" or piece.dtype is None:
            return b""
        step = -(-len(view) // (SAMPLE_NUMEL * piece.dtype.itemsize))
        return view.cast(_UNSIGNED[piece.dtype.itemsize])[::step].tobytes()

    def _saturated(self, view: memoryview, dtype: DType, found: Measurement) -> int:
        """How many elements are as large as can be; they are counted only if the largest one is."""
        if not dtype.saturations or found.min is None or found.max is None:
            return 0
        magnitude = dtype.saturations.get(max(found.max, -found.min))
        return 0 if magnitude is None else self._worker.count_magnitude(view, dtype, magnitude)

    def measure_long(
        self, piece: Piece, fd: int, offset: int, byteorder: str, *, check: bool
    ) -> None:
        """Read, check and measure a piece that is longer than the buffer, chunk by chunk."""
        total, crc32 = EMPTY, 0
        samples = []
        for done in range(0, piece.nbytes, CHUNK_NBYTES):
            nbytes = min(CHUNK_NBYTES, piece.nbytes - done)
            self.fill(fd, offset + done, nbytes)
            view = self.view[:nbytes]
            if check:
                crc32 = zlib_ng.crc32(view, crc32)
            if piece.dtype is not None:
                samples.append(self._sample(view, piece, byteorder))
                found = self.ask(view, piece.dtype, byteorder)
                piece.saturated += self._saturated(view, piece.dtype, found)
                total = merge(total, found, done // piece.dtype.itemsize) if done else found
        piece.measurement, piece.crc32, piece.sample = total, crc32, b"".join(samples)

    def ask(self, view: memoryview, dtype: DType, byteorder: str) -> Measurement:
        """Measure, one thread at a time where the backend spreads a call over the cores itself."""
        if byteorder == "big":
            _swap(view, dtype.itemsize // (2 if dtype.component else 1))
        if self._serial is None:
            return self._worker.measure(view, dtype)
        with self._serial:
            return self._worker.measure(view, dtype)

    def asker(self, piece: Piece, byteorder: str) -> Callable[[memoryview], Measurement]:
        """:meth:`ask` for elements of one type, the largest counted in the piece."""

        def ask(view: memoryview) -> Measurement:
            dtype = piece.dtype
            if dtype is None:
                return EMPTY
            found = self.ask(view, dtype, byteorder)
            piece.saturated += self._saturated(view, dtype, found)
            return found

        return ask


def _swap(view: memoryview, itemsize: int) -> None:
    """Reverse the bytes of every item in place."""
    if itemsize > 1:
        plain = bytes(view)
        for byte in range(itemsize):
            view[byte::itemsize] = plain[itemsize - 1 - byte :: itemsize]


def _decode(scan: StorageScan, fd: int, state: _ThreadState, byteorder: str) -> None:
    """Measure a storage that the file holds deflated, or that its pickle held encoded."""
    chunks = _decoded(scan, fd)
    held = b""
    done = 0
    for piece in scan.pieces:
        parts = [held]
        have = len(held)
        while have < piece.nbytes:
            chunk = next(chunks, b"")
            if not chunk:
                raise InflateError(scan.ref.key)
            parts.append(chunk)
            have += len(chunk)
        joined = b"".join(parts)
        held = joined[piece.nbytes :]
        done += piece.nbytes
        state.view[: piece.nbytes] = joined[: piece.nbytes]
        state.measure(piece, 0, byteorder, check=scan.check_crc)
    if done == scan.ref.nbytes and (held or next(chunks, b"")):
        raise InflateError(scan.ref.key)  # it goes on behind its size: torch refuses it too


def _decoded(scan: StorageScan, fd: int) -> Iterator[bytes]:
    """The plain bytes of a storage, in chunks.

    Raises:
        InflateError: the stream is damaged, or has no end.
    """
    ref = scan.ref
    if ref.inline is not None:
        yield ref.inline
        return
    if ref.text_nbytes is not None:
        try:
            yield from spelled(fd, ref)
        except ValueError as error:
            raise InflateError(ref.key) from error
        return
    inflate = zlib.decompressobj(-15)
    at, end = ref.offset, ref.offset + (ref.deflated_nbytes or 0)
    packed = b""
    while not inflate.eof:
        if not packed and at < end:
            packed = os.pread(fd, min(CHUNK_NBYTES // 4, end - at), at)
            at += len(packed)
        try:
            plain = inflate.decompress(packed, CHUNK_NBYTES)
        except zlib.error as error:
            raise InflateError(ref.key) from error
        packed = inflate.unconsumed_tail
        if not plain and not packed and at >= end and not inflate.eof:
            raise InflateError(ref.key)
        if plain:
            yield plain


# -- in the caller -------------------------------------------------------------------------------


@dataclass(slots=True)
class PendingScan:
    """A scan under way."""

    _checkpoint: Checkpoint
    _fd: int
    _scans: list[StorageScan]
    _futures: list[Future[None]]
    _nbytes: int

    def result(self) -> ScanResult:
        """What was found, once every byte was read.

        Raises:
            OSError: the file could not be read.
        """
        shrank, damaged = self._wait()
        whole = [scan for scan in self._scans if scan.ref.key not in damaged]
        problems = [_inflate_problem(scan) for scan in self._scans if scan.ref.key in damaged]
        if not shrank:
            problems += _bad_checksums(whole)
        if shrank or self._changed():
            problems.append(_changed_problem(shrank=shrank))
        stats: dict[str, TensorStats] = {}
        for scan in () if shrank else whole:
            stats.update(collect_stats(scan))
        return ScanResult(
            stats,
            tuple(problems),
            self._nbytes,
            sum(ref.crc32 == 0 and ref.nbytes > 0 for ref in self._checkpoint.records),
        )

    def _wait(self) -> tuple[bool, set[str]]:
        """Whether the file turned out shorter than it was, and the records that do not inflate."""
        # No thread may read on once the caller has closed the file. In steps, because a wait
        # without an end may not notice Ctrl-C.
        while wait(self._futures, timeout=_PATIENCE_S).not_done:
            pass
        shrank, damaged = False, set()
        for future in self._futures:
            try:
                future.result()
            except FileShrankError:
                shrank = True
            except InflateError as error:
                damaged.add(str(error))
        return shrank, damaged

    def _changed(self) -> bool:
        return FileIdentity.of(self._fd) != self._checkpoint.identity


def _changed_problem(*, shrank: bool) -> Problem:
    return Problem(
        code="CD109",
        severity=Severity.ERROR if shrank else Severity.WARNING,
        subject="file",
        message="the file was cut while it was read"
        if shrank
        else "the file changed while it was read: these results may mix two versions",
        remedy="Wait until the training script has written it, then scan again.",
    )


def _inflate_problem(scan: StorageScan) -> Problem:
    key, names = scan.ref.key, _names_on(scan)
    return Problem(
        code="CD104",
        severity=Severity.ERROR,
        subject=names[0] if names else key,
        message=f"the deflated record {key!r} is damaged and cannot be inflated",
        evidence={"record": key, "tensors": names[:10]},
        remedy="Copy the file again, or use another.",
    )


def _names_on(scan: StorageScan) -> list[str]:
    """The tensors on a storage, those of the model first: evidence lists ten, and they decide."""
    return [tensor.fqn for tensor in sorted(scan.tensors, key=lambda t: t.role is not Role.MODEL)]


def _bad_checksums(scans: Iterable[StorageScan]) -> Iterator[Problem]:
    for scan in scans:
        if not scan.check_crc:
            continue
        found = 0
        for piece in scan.pieces:
            found = zlib_ng.crc32_combine(found, piece.crc32, piece.nbytes)
        if found != scan.ref.crc32:
            names = _names_on(scan)
            yield Problem(
                code="CD103",
                severity=Severity.ERROR,
                subject=names[0] if names else scan.ref.key,
                message=f"checksum mismatch in {scan.ref.key!r}: stored {scan.ref.crc32:#010x}, "
                f"computed {found:#010x}",
                evidence={
                    "record": scan.ref.key,
                    "stored": f"{scan.ref.crc32:08x}",
                    "computed": f"{found:08x}",
                    "tensors": names[:10],
                },
                remedy="The bytes changed after torch wrote them: copy the file again, "
                "or use another.",
            )
