"""What work costs, told so that a busy machine or a slow one tells the same as any other.

No test holds a clock on the wall against a number: beside others, work takes as long as it gets.
What can be counted is counted; where C does the work, its processor time is held against that of
less work of the same kind; and what must only end has a minute of the processor.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeVar

import pytest

__all__ = ["assert_linear", "calls", "ending", "growth", "processor_s", "until"]

T = TypeVar("T")

_TIMES = 8
_MOST = 24.0
"""Eight times the work takes eight times as long, and 64 times where it is the square."""
_ROUNDS = 3
_MOST_ROUNDS = 12
_LONG_S = 0.5
"""What takes so long is measured well by a single round."""
_HOPELESS = 2.0
"""Times what would be enough: no noise makes that of the least of three."""


def calls(work: Callable[[], object]) -> int:
    """How many functions the work calls, Python's and C's: the same on every machine."""
    count = 0

    def seen(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def growth(work: Callable[[T], object], few: T, many: T, *, enough: float) -> float:
    """How many times the processor time of little work the time of much work is.

    Of each the least of several is taken, in turns. It is measured again while the answer is more
    than ``enough`` and not hopeless: what else runs here makes work look longer, never shorter.

    Args:
        work: what is measured; it runs in this thread alone.
        few: what little work is done on.
        many: what much work is done on.
        enough: where measuring may end.
    """
    least, most = float("inf"), float("inf")
    work(few)  # what it does once only
    for done in range(1, _MOST_ROUNDS + 1):
        least = min(least, processor_s(work, few))
        most = min(most, processor_s(work, many))
        is_measured = done >= _ROUNDS or most > _LONG_S
        if is_measured and not enough * least < most < _HOPELESS * enough * least:
            break
    return most / least


def assert_linear(work: Callable[[T], object], few: T, many: T) -> None:
    """Fail where eight times the work takes the processor much more than eight times as long.

    Args:
        work: what is measured; it runs in this thread alone.
        few: what little work is done on, a millisecond or more.
        many: eight times as much.
    """
    found = growth(work, few, many, enough=_MOST)
    assert found <= _MOST, f"{_TIMES} times the work takes {found:.0f} times as long"


@contextlib.contextmanager
def ending(within_s: float = 60.0) -> Iterator[None]:
    """Fail where what stands within takes more of the processor than anything that ends.

    Args:
        within_s: processor time of the whole process, in seconds.
    """

    def overdue(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"it has not ended after {within_s:.0f} s of the processor")

    before = signal.signal(signal.SIGPROF, overdue)
    signal.setitimer(signal.ITIMER_PROF, within_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def until(done: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait for what another thread or process does, and fail where it never does it."""
    deadline = time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline:
            pytest.fail(f"it has not come within {within_s:.0f} s")
        time.sleep(0.01)


def processor_s(work: Callable[[T], object], subject: T) -> float:
    """Processor time of this thread, without the collection of what others left, in seconds."""
    collects = gc.isenabled()
    gc.disable()
    try:
        start = time.thread_time()
        work(subject)
        return time.thread_time() - start
    finally:
        if collects:
            gc.enable()
