"""A result that grows: whole lines, whatever comes between, and the exit code of what it told."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ckptdoctor.cli.by_run import scan_by_run
from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.growing import GrowingResult, NobodyReadsError
from ckptdoctor.cli.options import FailOn
from ckptdoctor.cli.output import append_result
from ckptdoctor.errors import DestinationError
from ckptdoctor.finding import Verdict
from ckptdoctor.report import Crash, Report
from ckptdoctor.runs.wish import Wish
from tests.reports import report, score, with_last_good


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, a disk that takes half of what is written, and then no more."""
    real, left = os.write, [1]

    def write(fd: int, data: bytes) -> int:
        if not left.pop():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left.append(0)
        return real(fd, bytes(data)[: len(data) // 2])

    return lambda: monkeypatch.setattr(os, "write", write)


def test_a_line_for_which_there_is_no_room_is_not_there_by_half(
    tmp_path: Path, full_disk: Callable[[], None]
) -> None:
    path = tmp_path / "result.jsonl"
    with GrowingResult(path) as result:
        result.write('{"run": 1}\n')
        full_disk()
        with pytest.raises(DestinationError, match="the result was not written, or not all of it"):
            result.write('{"run": 2}\n')
    assert path.read_text() == '{"run": 1}\n'


def test_nor_is_one_that_is_appended_to_what_is_there(
    tmp_path: Path, full_disk: Callable[[], None]
) -> None:
    path = tmp_path / "events.jsonl"
    append_result('{"event": 1}\n', path)
    full_disk()
    with pytest.raises(OSError, match="No space left"):
        append_result('{"event": 2}\n', path)
    assert path.read_text() == '{"event": 1}\n'


def test_ctrl_c_waits_until_the_line_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_write, real_join, pressed = os.write, threading.Thread.join, threading.Event()
    waited: list[float | None] = []

    def write(fd: int, data: bytes) -> int:
        assert pressed.wait(60)
        return real_write(fd, data)

    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        waited.append(timeout)
        if len(waited) == 1:
            raise KeyboardInterrupt
        pressed.set()
        real_join(thread, timeout)

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(threading.Thread, "join", join)
    path = tmp_path / "result.jsonl"
    try:
        with pytest.raises(KeyboardInterrupt), GrowingResult(path) as result:
            result.write('{"run": 1}\n')
    finally:
        pressed.set()
    assert path.read_text() == '{"run": 1}\n'
    assert waited[1] is not None, "nor for ever"


HEALTHY = Report(checkpoints=(report("a.pth", 1, score(0.5)),))
BAD = Report(checkpoints=(report("a.pth", 1, score(0.5), Verdict.CORRUPT, codes=("CD201",)),))
CRASHED = Report(crashes=(Crash(rule="CD201", path=Path("a.pth"), error="Traceback"),))


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """The exit code where these reports are told, and the last; ``head`` reads so many writes."""

    def scan(told: Report, last: Report | None, *, read: int = 9) -> int:
        def examined(*_: Any, take: Callable[[Report], None], **__: Any) -> Report | None:
            take(with_last_good(told))
            return last

        left = [read]

        def write(_: GrowingResult, lines: str) -> None:
            assert lines.endswith("\n")
            left[0] -= 1
            if left[0] < 0:
                raise NobodyReadsError

        monkeypatch.setattr("ckptdoctor.cli.work.examine_paths", examined)
        monkeypatch.setattr(GrowingResult, "write", write)
        more = {"jobs": 1, "quiet": True, "wish": Wish(), "cached": False, "cluster": ""}
        return scan_by_run([tmp_path], None, FailOn.ERROR, **more)  # type: ignore[arg-type]

    return scan


def test_the_exit_code_is_that_of_all_that_was_told(scanned: Callable[..., int]) -> None:
    assert scanned(HEALTHY, Report()) == Exit.OK
    assert scanned(BAD, Report()) == Exit.FINDINGS
    assert scanned(HEALTHY, CRASHED) == Exit.BUG, "what is of no run counts too"
    assert scanned(HEALTHY, None) == Exit.NOTHING


def test_where_nobody_reads_on_it_is_what_was_found_or_that_the_rest_is_not_known(
    scanned: Callable[..., int],
) -> None:
    assert scanned(BAD, Report(), read=0) == Exit.FINDINGS
    assert scanned(HEALTHY, Report(), read=0) == Exit.INTERRUPTED
    assert scanned(HEALTHY, Report(), read=1) == Exit.INTERRUPTED, "the summary was not read"
