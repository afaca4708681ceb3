"""Checkpoint to TensorStats: threads that read, check and measure chunk by chunk.

Files are read by ``preadv`` into one small buffer a thread, never mapped: a mapped file that
training overwrites meanwhile would kill us with SIGBUS. Memory does not grow with the file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary

from ckptdoctor.checkpoint import Checkpoint, Structure
from ckptdoctor.scanning.backends import load_kernels
from ckptdoctor.scanning.cores import available_cores
from ckptdoctor.scanning.gradual import kernels_for
from ckptdoctor.scanning.kernels import Kernels
from ckptdoctor.scanning.pending import PendingScan
from ckptdoctor.scanning.plan import CHUNK_NBYTES, Extent, Piece, StorageScan, Task, make_plan
from ckptdoctor.scanning.singles import Singles, Template
from ckptdoctor.scanning.thread import ThreadState, decode
from ckptdoctor.scanning.views import Budget, measure_view
from ckptdoctor.sources.descriptors import expect, is_far

__all__ = ["Scanner"]

Progress = Callable[[int], None]
"""Called from the threads with the number of bytes just done."""

_AT_ONCE_NBYTES = 1 << 16
"""So little is measured before a thread is awake."""


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
        self._templates = WeakKeyDictionary[Structure, Template]()

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
        singles, scans, planned = self._plan(checkpoint)
        budget = Budget(checkpoint.nbytes)
        tasks = [task for task in planned if task.view is None or budget.allows(task.view[1])]
        order = checkpoint.byteorder
        expect(fd, _ranges(tasks))
        nbytes = sum(task.nbytes for task in tasks)
        at_once = nbytes <= _AT_ONCE_NBYTES and self._kernels is not None and not is_far(fd)
        start = _done_here if at_once else self._pool.submit
        futures = [start(self._run, task, fd, order) for task in tasks]
        return PendingScan(checkpoint, fd, scans, futures, nbytes, singles)

    def _plan(self, checkpoint: Checkpoint) -> tuple[Singles, list[StorageScan], list[Task]]:
        """The plan of a checkpoint; from that of another of the same structure, where there is."""
        structure = checkpoint.structure
        template = None if structure is None else self._templates.get(structure)
        if template is not None and template.fits(checkpoint):
            return template.plan(checkpoint)
        scans, tasks = make_plan(checkpoint)
        if structure is not None:
            self._templates[structure] = Template.of(checkpoint, scans)
        return Singles((), (), (), ()), scans, tasks

    # -- in the threads --------------------------------------------------------------------------

    def _load(self) -> Kernels:
        with self._lock:
            if self._kernels is None:
                self._kernels = kernels_for(load_kernels)
            return self._kernels

    def _worker(self) -> ThreadState:
        state = getattr(self._local, "state", None)
        if state is None:
            kernels = self._load()
            serial = self._lock if kernels.max_workers == 1 else None
            state = self._local.state = ThreadState(kernels.worker(), serial)
        return state

    def _run(self, task: Task, fd: int, byteorder: str) -> None:
        if self._stopped.is_set():
            return
        state = self._worker()
        if task.decode is not None:
            decode(task.decode, fd, state, byteorder)
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
            state.measure_all(read.pieces, byteorder)
        self._progress(task.nbytes)


def _done_here(run: Callable[[Task, int, str], None], *task: Any) -> Future[None]:
    """What has come of a task by the time that it is asked for: nobody waits for a thread."""
    done = Future[None]()
    try:
        run(*task)
        done.set_result(None)
    except Exception as error:  # noqa: BLE001  (it is told to whoever takes the result)
        done.set_exception(error)
    return done


def _ranges(tasks: Iterable[Task]) -> Iterator[tuple[int, int]]:
    """What the threads will read: offset and size of each range, in the order of the tasks."""
    for task in tasks:
        yield from ((read.offset, read.nbytes) for read in task.reads)
        if task.decode is not None and task.decode.ref.inline is None:
            ref = task.decode.ref
            yield ref.offset, ref.deflated_nbytes or ref.text_nbytes or 0
        if task.view is not None:
            scan, tensor = task.view
            extent = Extent.of(tensor)
            yield scan.ref.offset + extent.start, extent.nbytes
