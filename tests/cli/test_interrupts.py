"""Ctrl-C: it always ends the program, soon, and never inside of what would be left half done."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ckptdoctor.cli.interrupts import catch_interrupts
from tests.cli.support import run

LONG_S = 60.0


@pytest.fixture(autouse=True)
def caught() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    catch_interrupts()
    yield
    signal.signal(signal.SIGINT, before)


def comes_within(work: Callable[[], object]) -> None:
    """What an interrupt comes in, and the time after it."""
    work()
    time.sleep(LONG_S)


def test_in_ordinary_code_it_comes_at_once() -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_in_a_destructor_it_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    done = []

    class Ends:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)
            done.append("the destructor")

    holder: list[Any] = [Ends()]
    with pytest.raises(KeyboardInterrupt):
        comes_within(holder.clear)
    assert done == ["the destructor"]
    assert capfd.readouterr().err == ""  # "Exception ignored in" is how Python loses one


@pytest.mark.parametrize("takes_s", [0.0, 0.12])
def test_a_lock_that_is_being_given_back_is_given_back(takes_s: float) -> None:
    names: dict[str, Any] = {
        "signal": signal,
        "threading": threading,
        "time": time,
        "takes_s": takes_s,
    }
    source = """
class Held:
    lock = threading.Lock()
    def __enter__(self):
        self.lock.acquire()
    def __exit__(self, *error):
        signal.raise_signal(signal.SIGINT)
        time.sleep(takes_s)
        self.lock.release()
"""
    exec(compile(source, "/lib/threading.py", "exec"), names)

    def give_back() -> None:
        with names["Held"]():
            pass

    with pytest.raises(KeyboardInterrupt):
        comes_within(give_back)
    assert not names["Held"].lock.locked()


def test_who_waits_for_a_thread_is_interrupted() -> None:
    threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        threading.Event().wait(LONG_S)


def test_one_during_another_is_one() -> None:
    class Ends:
        def __del__(self) -> None:
            for _ in range(3):
                signal.raise_signal(signal.SIGINT)
                time.sleep(0.004)

    holder: list[Any] = [Ends()]
    with pytest.raises(KeyboardInterrupt):
        comes_within(holder.clear)
    try:
        time.sleep(0.1)
    except KeyboardInterrupt:
        pytest.fail("it came again")


def test_a_handler_of_somebody_else_stays() -> None:
    seen = []
    signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    catch_interrupts()
    signal.raise_signal(signal.SIGINT)
    assert seen == [signal.SIGINT]


def test_one_in_a_class_that_is_being_made_ends_with_130_too() -> None:
    code = (
        "import signal, sys\n"
        "from ckptdoctor import __main__ as program\n"
        "program._work = lambda arguments: exec('import signal; signal.raise_signal(2)')\n"
        "sys.argv = ['ckptdoctor', 'explain']\n"
        "program.main()\n"
    )
    told = run(code=code)
    assert (told.code, told.stdout) == (130, "")
    assert "interrupted" in told.stderr
    assert "Traceback" not in told.stderr
