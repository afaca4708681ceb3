"""Worker processes of this machine, one after another replaced where it dies.

Not ``ProcessPoolExecutor``: there the death of one worker loses the work of all, and a program
whose main module has no guard would be run again by each. These run a module of the package alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import IO, Any, TypeVar

from ckptdoctor.executors.messages import read_message, write_message

__all__ = ["Workers", "serve"]

T = TypeVar("T")

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from ckptdoctor.executors.workers import serve; serve()"
)


class Workers(Executor):
    """An executor of so many processes; what a process had in hand when it died is lost alone.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self._max_workers = count
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="ckptdoctor-worker")
        self._local = threading.local()
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._is_over = False

    def submit(self, work: Callable[..., T], /, *args: Any, **named: Any) -> Future[T]:
        """Have a function of a module called in a worker."""
        return self._threads.submit(self._run, work, args, named)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002
        """End the processes: at once, where nobody waits for what they have in hand."""
        with self._lock:
            self._is_over = cancel_futures
            if cancel_futures:
                for process in self._processes:
                    process.kill()
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        with self._lock:
            for process in self._processes:
                _end(process)
            self._processes.clear()

    def _run(self, work: Callable[..., T], args: Any, named: Any) -> T:
        request = pickle.dumps((work, args, named))
        process = getattr(self._local, "process", None)
        if process is None:
            process = self._local.process = self._started()
        try:
            write_message(process.stdin, request)
            succeeded, value = _receive(process.stdout)
        except (OSError, EOFError) as error:
            self._local.process = None
            with self._lock:
                self._processes.discard(process)
            _end(process)
            raise BrokenProcessPool(f"a worker ended: {process.returncode}") from error
        if not succeeded:
            raise value
        return value  # type: ignore[no-any-return]

    def _started(self) -> subprocess.Popen[bytes]:
        """A process that is ready.

        Raises:
            RuntimeError: it does not get there.
        """
        command = [sys.executable, "-P", "-c", _START, json.dumps(sys.path)]
        with self._lock:
            if self._is_over:
                raise RuntimeError("no worker is started any more")
            process = subprocess.Popen(  # noqa: S603  (ourselves)
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the one that hands out
            )
            self._processes.add(process)
        try:
            _receive(process.stdout)
        except (OSError, EOFError) as error:
            raise RuntimeError("a worker process cannot be started") from error
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.wait()


def _receive(pipe: IO[bytes] | None) -> Any:
    return pickle.loads(read_message(pipe))  # noqa: S301  (by a pipe that nobody else has)


def serve() -> None:
    """What a worker process does until its standard input ends: call what it is given."""
    import gc

    gc.disable()  # as the command does
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    from ckptdoctor.executors import task  # noqa: F401  (before the first call)

    write_message(target, pickle.dumps("ready"))
    with contextlib.suppress(EOFError, OSError):  # whoever asked is gone
        while True:
            work, args, named = _receive(source)
            try:
                answer = pickle.dumps((True, work(*args, **named)))
            except Exception as error:  # noqa: BLE001  (told to whoever asked)
                answer = _as_answer(error)
            write_message(target, answer)
    os._exit(0)  # tearing torch's library down takes longer than many a scan


def _as_answer(error: Exception) -> bytes:
    try:
        return pickle.dumps((False, error))
    except Exception:  # noqa: BLE001  (an error that cannot be sent is told)
        return pickle.dumps((False, RuntimeError(repr(error))))
