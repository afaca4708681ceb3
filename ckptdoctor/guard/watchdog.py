"""Notices that a training loop hangs, writes down where, and ends the wait.

A thread sleeps until the next sign of life is overdue. It takes no signal handlers, holds no file
open, and never waits for a GPU.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import faulthandler
import logging
import math
import os
import signal
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, SupportsFloat

from ckptdoctor.destination import opened_for_writing
from ckptdoctor.errors import TrainingStalledError, UsageError
from ckptdoctor.guard.last_value import LastValue
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Alarm", "HangWatchdog", "OnHang"]

_LOG = logging.getLogger("ckptdoctor.guard")
_WINDOW = 200  # intervals that the usual one is learned from
_LEARNED = 5  # intervals before which there is no alarm
_LONGEST = 2.0  # times the longest interval of the window: a slow one may come again
_TELL_S = 10.0  # given to writing and logging, before acting all the same
_NAP_S = 10.0  # longest sleep, so that a limit that has shrunk is noticed


class OnHang(enum.Enum):
    """What to do once the stacks are written."""

    LOG = "log"
    RAISE = "raise"
    EXIT = "exit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One hang.

    Attributes:
        waited_s: since the last sign of life.
        limit_s: what was allowed.
        beats: signs of life until then.
        loss: the last that is known; None where none was given.
        grad_norm: likewise.
        file: where the stacks of all threads stand; None where it could not be written.
    """

    waited_s: float
    limit_s: float
    beats: int
    loss: float | None
    grad_norm: float | None
    file: Path | None

    def __str__(self) -> str:
        values = {"loss": self.loss, "gradient norm": self.grad_norm}
        bad = [
            f"{name} {v}" for name, v in values.items() if v is not None and not math.isfinite(v)
        ]
        known = [f"{name} {v:.4g}" for name, v in values.items() if v is not None]
        if bad:
            told = f"the last step was broken already: {', '.join(bad)}"
        else:
            told = f"last {', '.join(known)}" if known else "loss and gradient norm are not known"
        where = "" if self.file is None else f"; the stacks of all threads are in {self.file}"
        return (
            f"no sign of life for {self.waited_s:.1f} s after step {self.beats} "
            f"({self.limit_s:.1f} s are allowed); {told}{where}"
        )


class HangWatchdog:
    """Sounds an alarm when the next ``beat`` is late.

    How late is late is learned: ``factor`` times the median interval, twice the longest of the
    last ones, and never less than ``minimum``; no alarm before a few beats. Or it is fixed. Use it
    by ``with``, or ``close`` it: a loop that has ended looks like one that hangs.

    ``"raise"`` sends the thread that beats a ``KeyboardInterrupt``, which ends a sleep and most
    waits; ``with`` turns it into a ``TrainingStalledError``. A call that is stuck in C and looks at
    no signal cannot be interrupted by any of this: only ``"exit"`` ends it. A thread other than the
    main one gets the ``TrainingStalledError`` itself, when it is back in Python. Nothing of this
    works while a library holds the interpreter's lock for ever.

    Args:
        timeout: seconds that may pass; None to learn it.
        factor: times the median interval.
        minimum: seconds that may always pass, if it is learned.
        action: ``"log"``, ``"raise"`` or ``"exit"``.
        file: gets the stacks, one alarm after the other.
        exit_code: for ``"exit"``: of the process, which ends at once and flushes nothing.

    Raises:
        UsageError: a time or factor that is not above zero.
    """

    def __init__(
        self,
        timeout: float | None = None,
        *,
        factor: float = 10.0,
        minimum: float = 60.0,
        action: OnHang | str = OnHang.LOG,
        file: str | os.PathLike[str] = "hang.txt",
        exit_code: int = 75,  # EX_TEMPFAIL: try again
    ) -> None:
        if (timeout is not None and timeout <= 0) or factor <= 0 or minimum <= 0:
            raise UsageError(f"{timeout=}, {factor=}, {minimum=}: they must be above zero")
        self.file = Path(file)
        self.alarms: list[Alarm] = []
        self._timeout = timeout
        self._factor = factor
        self._minimum = minimum
        self._action = OnHang(action)
        self._exit_code = exit_code
        self._lock = threading.Lock()
        self._intervals: deque[float] = deque(maxlen=_WINDOW)
        self._last: float | None = None  # None: before the first beat, or paused
        self._pauses = 0
        self._beats = 0
        self._sounded = False  # one alarm a hang
        self._loss, self._grad_norm = LastValue(), LastValue()
        self._watched = threading.get_ident()
        self._pid = os.getpid()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def beat(
        self, loss: SupportsFloat | None = None, grad_norm: SupportsFloat | None = None
    ) -> None:
        """A sign of life, once a step; the first one starts the watch.

        Args:
            loss: of the step: a number or a tensor. One on a GPU is not waited for: it is copied
                when the GPU gets there.
            grad_norm: likewise.
        """
        if os.getpid() != self._pid:
            return  # a worker that was forked off: nobody watches it
        self._loss.put(loss)
        self._grad_norm.put(grad_norm)
        now = time.monotonic()
        with self._lock:
            if self._last is not None:
                self._intervals.append(now - self._last)
            if not self._pauses:
                self._last = now
            self._beats += 1
            self._sounded = False
            self._watched = threading.get_ident()
        if self._thread is None:
            self.start()

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """No alarm within: for validation, for saving. The time does not count as an interval."""
        with self._lock:
            self._pauses += 1
            self._last = None
        try:
            yield
        finally:
            with self._lock:
                self._pauses -= 1
                if not self._pauses and self._beats:
                    self._last = time.monotonic()

    def start(self) -> None:
        """Begin to watch."""
        if self._thread is None and not self._ended.is_set():
            self._thread = threading.Thread(
                target=self._watch, name="ckptdoctor-watchdog", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._ended.set()
        if self._thread is not None and os.getpid() == self._pid:
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if isinstance(error, KeyboardInterrupt) and self._sounded and self._raises:
            raise TrainingStalledError(str(self.alarms[-1])) from error

    @property
    def limit_s(self) -> float | None:
        """Seconds that may pass at present; None before enough beats to tell."""
        if self._timeout is not None:
            return self._timeout
        with self._lock:
            intervals = list(self._intervals)
        if len(intervals) < _LEARNED:
            return None
        usual, longest = statistics.median(intervals), max(intervals)
        return max(self._minimum, self._factor * usual, _LONGEST * longest)

    # -- the thread ------------------------------------------------------------------------------

    @property
    def _raises(self) -> bool:
        return self._action is OnHang.RAISE

    def _watch(self) -> None:
        nap = 0.0
        while not self._ended.wait(nap):
            try:
                nap = self._look()
            except Exception:  # noqa: BLE001  (a watchdog that fails must not take training with it)
                _LOG.exception("the watchdog failed, and goes on")
                nap = _NAP_S

    def _look(self) -> float:
        """Sound the alarm if it is time; how long to sleep until it may be."""
        limit = self.limit_s
        with self._lock:
            last, sounded, beats = self._last, self._sounded, self._beats
        if limit is None or last is None or sounded:
            return min(_NAP_S, limit or self._minimum)
        waited = time.monotonic() - last
        if waited <= limit:
            return min(_NAP_S, limit - waited + 0.001)
        with self._lock:
            if self._beats != beats or self._last != last:
                return 0.0
            self._sounded = True
        self._sound(waited, limit, beats)
        return min(_NAP_S, limit)

    def _sound(self, waited: float, limit: float, beats: int) -> None:
        alarm = Alarm(
            waited_s=waited,
            limit_s=limit,
            beats=beats,
            loss=self._loss.get(),
            grad_norm=self._grad_norm.get(),
            file=self.file.absolute(),
        )
        self.alarms.append(alarm)
        _aside(self._tell, alarm)
        match self._action:
            case OnHang.RAISE:
                if not self._ended.is_set():
                    self._interrupt(alarm)
            case OnHang.EXIT:
                os._exit(self._exit_code)
            case OnHang.LOG:
                pass

    def _tell(self, alarm: Alarm) -> None:
        """Write the stacks, and log where they are."""
        try:
            self._dump(alarm)
        except OSError as error:
            _LOG.error("%s: the stacks could not be written: %s", self.file, error.strerror)
            self.alarms[-1] = alarm = replace(alarm, file=None)
        _LOG.error("training hangs: %s", alarm)
        if self._action is OnHang.EXIT:
            for handler in (*_LOG.handlers, *logging.getLogger().handlers):
                handler.flush()

    def _dump(self, alarm: Alarm) -> None:
        with os.fdopen(opened_for_writing(self.file, append=True), "a", encoding="utf-8") as out:
            out.write(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {alarm}\n")
            out.flush()
            faulthandler.dump_traceback(out, all_threads=True)
            out.write("\n")

    def _interrupt(self, alarm: Alarm) -> None:
        """Wake the thread that beats: by a signal where only that ends a wait."""
        main = threading.main_thread().ident
        if self._watched != main:
            _raise_in(self._watched, alarm)
        elif not callable(signal.getsignal(signal.SIGINT)):
            _raise_in(self._watched, alarm)
            _aside(_LOG.error, "SIGINT is ignored: the main thread is told once back in Python")
        elif hasattr(signal, "pthread_kill"):
            signal.pthread_kill(self._watched, signal.SIGINT)
        else:
            signal.raise_signal(signal.SIGINT)


def _aside(call: Callable[..., object], *arguments: object) -> None:
    """Call in a thread of its own: what hangs may be the disk, or hold the lock of the log."""
    telling = threading.Thread(target=call, args=arguments, daemon=True)
    telling.start()
    telling.join(_TELL_S)


def _raise_in(thread: int, alarm: Alarm) -> None:
    """Have a thread raise when it runs Python again."""
    error = type("TrainingStalledError", (TrainingStalledError,), {"__str__": lambda _: str(alarm)})
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
