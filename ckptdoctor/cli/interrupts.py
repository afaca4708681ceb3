"""Ctrl-C that is neither lost nor leaves a lock taken.

Python raises ``KeyboardInterrupt`` wherever the main thread happens to be. In a destructor it is
printed and forgotten. At the first step of a lock's ``__exit__`` the lock is never given back, and
the threads that wait for it wait for ever. There it comes a moment later.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Final, NoReturn

__all__ = ["catch_interrupts"]

_A_MOMENT_S = 0.01
_WAITING_AFTER = 5
"""So many moments at one place: nothing is being done there, it is waited for somebody."""
_AT_MOST = 200
_HOLDS_LOCKS: Final = (
    "threading.py", "queue.py", "weakref.py", "_weakrefset.py", "<frozen importlib._bootstrap>",
)  # fmt: skip
_HOLDS_LOCKS_IN = "concurrent/futures"
_WAITS = frozenset({"wait", "_wait_for_tstate_lock", "acquire", "get", "put", "join"})


def catch_interrupts() -> None:
    """Let Ctrl-C end the program soon and whole; leaves a handler of somebody else alone."""
    is_ours = threading.current_thread() is threading.main_thread()
    if is_ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _Interrupts())


class _Interrupts:
    """The handler."""

    def __init__(self) -> None:
        self._moments = 0
        self._comes_again = False

    def __call__(self, _number: int, frame: FrameType | None) -> None:
        if self._comes_again:
            return
        if not _is_delicate(frame, self._moments):
            self._raise()
        self._moments += 1
        self._comes_again = True
        _thread.start_new_thread(self._again, ())  # a Thread would take locks of its own

    def _again(self) -> None:
        time.sleep(_A_MOMENT_S)
        self._comes_again = False
        main = threading.main_thread().ident
        if sys.platform == "win32" or main is None:
            _thread.interrupt_main()
        else:
            signal.pthread_kill(main, signal.SIGINT)  # also where it waits

    def _raise(self) -> NoReturn:
        self._moments = 0
        raise KeyboardInterrupt


def _is_delicate(frame: FrameType | None, moments: int) -> bool:
    """Whether an exception here would be lost, or leave a lock taken.

    Args:
        frame: where the main thread is.
        moments: how often this interrupt was put off before.
    """
    stack = list(_stack(frame))
    if not stack or moments >= _AT_MOST:
        return False
    if any(one.f_code.co_name == "__del__" for one in stack):
        return True
    code = stack[0].f_code
    if moments >= _WAITING_AFTER and code.co_name in _WAITS:
        return False
    place = code.co_filename.replace("\\", "/")
    return place.endswith(_HOLDS_LOCKS) or _HOLDS_LOCKS_IN in place


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames of the main thread, the innermost first, without those of this module."""
    while frame is not None:
        if frame.f_code.co_filename != __file__:
            yield frame
        frame = frame.f_back
