"""A copy of this process that does one piece of work, with all that was imported and loaded here.

A process that starts anew imports the program and loads torch's library: a third of a second of a
core, which small files win back late. A copy is there within milliseconds, and what it is to work
on needs not be sent. It has to be made before anything was computed here by more threads than one,
and while no other thread holds what the copy will want: what others hold then, it never gets.
"""

from __future__ import annotations

import contextlib
import copyreg
import ctypes
import io
import os
import pickle
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, Generic, NoReturn, TypeVar

from ckptdoctor.executors.messages import read_message, write_message

__all__ = ["Copy", "LostCopyError", "Tell", "can_copy"]

T = TypeVar("T")
Tell = Callable[[object], None]

_TOLD, _DONE, _FAILED = range(3)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class LostCopyError(Exception):
    """A copy ended, or failed, before its work was done."""


_COMPUTES = ("torch", "ckptdoctor.scanning.libtorch")
"""Whose threads a copy would wait for, and not have."""


def can_copy() -> bool:
    """Whether this process can be copied safely; macOS's own libraries do not bear it."""
    return sys.platform == "linux" and not any(name in sys.modules for name in _COMPUTES)


class Copy(Generic[T]):
    """A copy at work.

    Args:
        work: what it does; it is given a function by which it can tell things on the way. What it
            tells and returns must be plain data for pickle.
        told: told of them, in a thread.
        others: copies that were made before.

    Raises:
        OSError: the system gives no process.
    """

    def __init__(
        self, work: Callable[[Tell], T], told: Tell, others: Sequence[Copy[T]] = ()
    ) -> None:
        self.fd: int
        source, target = os.pipe()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of threads: see above
                first = os.getpid()
                self._pid = os.fork()
        except OSError:
            os.close(source)
            os.close(target)
            raise
        if not self._pid:
            _live(work, first, target, [source, *(one.fd for one in others)])
        os.close(target)
        self.fd = source
        self._pipe = os.fdopen(source, "rb")  # open until the end: its number is not another's
        self._told = told
        self._value: list[T] = []
        self._error = "it ended"
        self._thread = threading.Thread(target=self._listen, name="ckptdoctor-copy", daemon=True)
        self._thread.start()

    def result(self) -> T:
        """What came of its work, waited for.

        Raises:
            LostCopyError: nothing did.
        """
        while self._thread.is_alive():  # in steps, or else Ctrl-C would not be noticed
            self._thread.join(0.2)
        if not self._value:
            raise LostCopyError(self._error)
        return self._value[0]

    def end(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._thread.join()
        self._pipe.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while not self._value:
                message = read_message(self._pipe)
                kind, value = pickle.loads(message)  # noqa: S301  (from a copy of us)
                if kind == _TOLD:
                    self._told(value)
                elif kind == _DONE:
                    self._value.append(value)
                else:
                    self._error = value


# No tracer sees into a copy.
def _live(  # pragma: no cover
    work: Callable[[Tell], object], first: int, target: int, others: Sequence[int]
) -> NoReturn:
    """What a copy does from its first moment to its last."""
    try:
        _end_with(first)
        os.setsid()  # Ctrl-C is for the one that waits for it
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        for fd in others:
            os.close(fd)
        os.dup2(2, 1)  # what a library prints is no answer
        with os.fdopen(target, "wb") as pipe:
            try:
                data = _packed(
                    _DONE, work(lambda value: write_message(pipe, _packed(_TOLD, value)))
                )
            except Exception:  # noqa: BLE001  (told to the one that waits)
                data = _packed(_FAILED, traceback.format_exc())
            write_message(pipe, data)
    finally:
        os._exit(0)  # what the first one has begun is not for its copies to end


def _end_with(first: int) -> None:  # pragma: no cover
    """Let this process end when the one that copied it does, even by a signal that none catches.

    Else it reads on to the end of its share, for nobody, and holds standard error open.
    """
    with contextlib.suppress(OSError, AttributeError):  # no such call: it ends once it is done
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != first:  # it had ended before
        os._exit(0)


def _packed(kind: int, value: object) -> bytes:
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _TABLE
    pickler.dump((kind, value))
    return stream.getvalue()


def _view_of(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


def _spelled(view: MappingProxyType[Any, Any]) -> tuple[Any, ...]:
    return _view_of, (dict(view),)


_TABLE = {**copyreg.dispatch_table, MappingProxyType: _spelled}
"""What pickle does not know by itself."""
