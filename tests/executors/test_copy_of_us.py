"""A copy of this process: what it returns, what becomes of one that dies, and what it leaves."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import MappingProxyType

import pytest

from ckptdoctor.executors.copy_of_us import Copy, LostCopyError, can_copy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there is a process copied")

Tell = Callable[[object], None]


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _ignore(told: object) -> None:
    pass


def test_it_is_another_process_that_knows_what_this_one_knows() -> None:
    known = [threading.current_thread().name]
    copy = Copy(lambda _: (os.getpid(), [*known, "there"]), _ignore)
    pid, seen = copy.result()
    copy.end()
    assert pid != os.getpid()
    assert (seen, known) == ([*known, "there"], known)
    assert not _is_there(pid)


def test_what_it_tells_comes_in_order_and_before_the_result() -> None:
    heard: list[object] = []

    def work(tell: Tell) -> str:
        for number in range(100):
            tell(number)
        return "done"

    copy = Copy(work, heard.append)
    assert copy.result() == "done"
    assert heard == list(range(100))
    copy.end()


def test_views_of_mappings_come_back_as_such() -> None:
    copy = Copy(lambda _: MappingProxyType({"a": 1}), _ignore)
    found = copy.result()
    copy.end()
    assert type(found) is MappingProxyType
    assert dict(found) == {"a": 1}


def test_one_that_is_killed_is_lost_and_nobody_waits_for_it() -> None:
    def work(tell: Tell) -> None:
        tell("begun")
        os.kill(os.getpid(), signal.SIGKILL)

    copy = Copy(work, _ignore)
    with pytest.raises(LostCopyError):
        copy.result()
    copy.end()


def test_one_that_fails_says_why() -> None:
    def work(_: Tell) -> None:
        raise ValueError("no such thing")

    copy = Copy(work, _ignore)
    with pytest.raises(LostCopyError, match="ValueError: no such thing"):
        copy.result()
    copy.end()


def test_what_cannot_be_sent_is_a_failure() -> None:
    copy = Copy(lambda _: threading.Lock(), _ignore)
    with pytest.raises(LostCopyError, match="pickle"):
        copy.result()
    copy.end()


def test_it_is_ended_whatever_it_does() -> None:
    told: list[object] = []
    started = threading.Event()

    def hear(pid: object) -> None:
        told.append(pid)
        started.set()

    def work(tell: Tell) -> None:
        tell(os.getpid())
        time.sleep(3600)

    copy = Copy(work, hear)
    assert started.wait(60)
    copy.end()
    assert not _is_there(int(str(told[0])))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_it_ends_with_the_process_that_was_copied(number: signal.Signals) -> None:
    """A job that is cancelled leaves nothing that reads on and holds its standard error open."""
    source, target = os.pipe()
    first = os.fork()
    if not first:
        try:
            if number is not signal.SIGKILL:
                signal.signal(number, signal.SIG_DFL)

            def hear(_: object) -> None:
                os.kill(os.getpid(), number)

            def work(tell: Tell) -> None:
                tell("begun")
                time.sleep(90)

            Copy(work, hear).result()
        finally:
            os._exit(70)
    os.close(target)
    assert os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) == -number
    assert select.select([source], [], [], 60)[0]  # closed by all, the copy too
    assert os.read(source, 1) == b""
    os.close(source)


def test_it_neither_prints_nor_ends_what_this_process_has_begun(
    capfd: pytest.CaptureFixture[str],
) -> None:
    sys.stdout.write("begun here")

    def work(_: Tell) -> int:
        os.write(1, b"printed there\n")
        return 1

    copy = Copy(work, _ignore)
    assert copy.result() == 1
    copy.end()
    sys.stdout.flush()
    out, err = capfd.readouterr()
    assert out == "begun here"
    assert err == "printed there\n"


def test_the_pipe_of_one_ends_with_it_though_others_live() -> None:
    """Each is lost at once when it dies: no other holds its pipe open."""
    first = Copy(lambda _: os.kill(os.getpid(), signal.SIGSTOP), _ignore)
    second = Copy(lambda _: time.sleep(3600), _ignore, [first])
    first.end()
    second.end()


def test_one_that_is_done_when_the_next_is_made_takes_nothing_from_it() -> None:
    """Its pipe stays open until its end, or else the number of it would be the next one's."""
    copies: list[Copy[int]] = []
    for number in range(4):
        copies.append(Copy(lambda _, number=number: number, _ignore, copies))  # type: ignore[misc]
        assert copies[-1].result() == number
    for copy in copies:
        copy.end()


def test_a_process_that_has_computed_is_not_copied() -> None:
    """Its threads would be waited for, and are not there."""
    assert "torch" in sys.modules
    assert not can_copy()
