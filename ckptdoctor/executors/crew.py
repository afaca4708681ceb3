"""Handing files out to an executor, and taking back what came of them, whatever becomes of workers.

Batches are so many and so large that no worker waits for another and few files are lost with one. A
batch that is lost is handed out again, file by file; the file that is lost once more is given up:
where workers hold several, after a try with no other beside it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from dataclasses import field
from typing import Generic, TypeVar

from ckptdoctor.cache.packing import Packer
from ckptdoctor.checkpoint import Problem
from ckptdoctor.errors import UsageError
from ckptdoctor.executors.task import Order, Orders, examined
from ckptdoctor.executors.wire import Answer, answer_of
from ckptdoctor.finding import Severity
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.one_file import Failed

__all__ = ["Crew", "LostWorkersError"]

K = TypeVar("K")

_PATIENCE_S = 0.2
_MOST_FILES = 64
_MOST_NBYTES = 64 << 20
_ROUNDS = 4
"""Batches for each worker, at least, so that all of them end at about one time."""
_WIDTH = 16
"""How many workers an executor may have that does not tell."""
_LOSSES = 2


class LostWorkersError(ConnectionError):
    """The executor takes no more work, or gives none back."""


@dataclass(slots=True, eq=False)
class _Task(Generic[K]):
    """A file on its way.

    Attributes:
        key: what the caller knows it by.
        order: what is to be read.
        nbytes: its size.
        losses: how many workers were lost with it.
        is_alone: whether no other file is read while it is.
    """

    key: K
    order: Order
    nbytes: int
    losses: int = 0
    is_alone: bool = False


@dataclass(slots=True, eq=False)
class _Batch(Generic[K]):
    tasks: list[_Task[K]] = field(default_factory=list)
    nbytes: int = 0


class Crew(Generic[K]):
    """The workers behind an executor, which is not shut down here.

    Args:
        executor: any of ``concurrent.futures``.
        count: how many files there are, about.
    """

    def __init__(self, executor: Executor, count: int) -> None:
        self._executor = executor
        self._own: Executor | None = None
        self._width = _width_of(executor)
        self._most = max(1, min(_MOST_FILES, count // (_ROUNDS * self._width)))
        self._flying: dict[Future[list[Answer] | str], list[_Task[K]]] = {}
        self._filling: _Batch[K] = _Batch()
        self._full: deque[list[_Task[K]]] = deque()
        self._suspects: deque[_Task[K]] = deque()

    def __enter__(self) -> Crew[K]:
        return self

    def __exit__(self, *_: object) -> None:
        for future in self._flying:
            future.cancel()
        if self._own is not None:
            self._own.shutdown(wait=True, cancel_futures=True)

    def answers(self, wanted: Iterable[tuple[K, Order, int]]) -> Iterator[tuple[K, Answer]]:
        """What came of each file, as it comes.

        Args:
            wanted: files with their sizes; asked for as workers get free.

        Raises:
            LostWorkersError: the executor takes no work, or cancels it again and again.
            UsageError: the workers cannot do this work.
        """
        for key, order, nbytes in wanted:
            self.add(key, order, nbytes)
            while self._full:
                yield from self._landed()
        while self._flying or self._full or self._filling.tasks or self._suspects:
            self._end_batch()
            if not (self._flying or self._full):
                self._full.append([self._suspects.popleft()])
            self._send()
            yield from self._landed()

    def add(self, key: K, order: Order, nbytes: int) -> None:
        """Have a file read."""
        batch = self._filling
        batch.tasks.append(_Task(key, order, nbytes))
        batch.nbytes += nbytes
        if len(batch.tasks) >= self._most or batch.nbytes >= _MOST_NBYTES:
            self._end_batch()
            self._send()

    def _end_batch(self) -> None:
        if self._filling.tasks:
            self._full.append(self._filling.tasks)
            self._filling = _Batch()

    def _send(self) -> None:
        while self._full and len(self._flying) < 2 * self._width + 1:
            tasks = self._full.popleft()
            orders = Orders(each=tuple(task.order for task in tasks), folder=os.getcwd())  # noqa: PTH109
            try:
                future = self._executor.submit(examined, orders)
            except BrokenExecutor:
                self._replace()
                self._full.appendleft(tasks)
                continue
            self._flying[future] = tasks

    def _landed(self) -> Iterator[tuple[K, Answer]]:
        """What has come back, waited for a moment."""
        # In steps, because a wait without an end may not notice Ctrl-C.
        done = wait(self._flying, timeout=_PATIENCE_S, return_when=FIRST_COMPLETED).done
        for future in done:
            tasks = self._flying.pop(future)
            self._send()
            try:
                answers = future.result()
            except (Exception, CancelledError) as error:  # noqa: BLE001  (each has errors of its own)
                yield from self._lost(tasks, error)
                continue
            if isinstance(answers, str):
                raise UsageError(answers)
            yield from zip((task.key for task in tasks), answers, strict=True)

    def _lost(self, tasks: list[_Task[K]], error: BaseException) -> Iterator[tuple[K, Answer]]:
        """Hand out again what was lost with a worker; a file that was lost twice is given up.

        Raises:
            LostWorkersError: the work was cancelled again.
            Exception: whatever went wrong that was no loss of a worker.
        """
        if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("ckptdoctor"):
            raise UsageError("the workers have no ckptdoctor: install it where they run") from error
        if not _is_loss(error):
            raise error
        if isinstance(error, BrokenExecutor):
            self._replace()
        for task in tasks:
            task.losses += 1
            if task.losses < _LOSSES:
                self._full.append([task])
            elif isinstance(error, CancelledError):
                raise LostWorkersError("the executor has cancelled the work") from error
            elif _takes_others_along(error) and not task.is_alone:
                task.is_alone = True
                self._suspects.append(task)
            else:
                yield task.key, answer_of(_given_up(task.nbytes), Packer())
        self._send()

    def _replace(self) -> None:
        """Go on with processes of our own: a pool in which one has died takes no more work."""
        from ckptdoctor.executors.workers import Workers

        if not isinstance(self._executor, Workers):
            self._own = self._executor = Workers(self._width)


def _width_of(executor: Executor) -> int:
    for name in ("num_workers", "_max_workers"):  # mpi4py's, and that of all others
        width = getattr(executor, name, None)
        if isinstance(width, int) and width > 0:
            return width
    return _WIDTH


def _is_loss(error: BaseException) -> bool:
    """Whether a worker was lost."""
    return isinstance(error, BrokenExecutor | CancelledError) or _takes_others_along(error)


def _takes_others_along(error: BaseException) -> bool:
    """Whether it is dask's, whose workers hold several tasks, of which one alone may have done it.

    Told by its name, so as not to import dask.
    """
    return "KilledWorker" in {kind.__name__ for kind in type(error).__mro__}


def _given_up(nbytes: int) -> Failed:
    return Failed(
        nbytes=nbytes,
        problems=(
            Problem(
                code="CD108",
                severity=Severity.ERROR,
                subject="file",
                message=f"cannot be read: {_LOSSES} workers ended while they read it",
                evidence={"workers_lost": _LOSSES},
                remedy="Scan it alone, with more memory: it may ask for more than a worker has.",
            ),
        ),
    )
