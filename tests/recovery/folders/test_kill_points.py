"""Struck at every call that changes a file: the folder is absent, the old one, or the new one."""

from __future__ import annotations

import sys

import pytest

from tests.recovery.folders.folder_strikes import FOLDER_PATHS, calls_of, wrong_after
from tests.recovery.strikes import COMPILER, Fault

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler"),
    pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and /proc are Linux's"),
]

FAULTS = (Fault.SIGKILL, Fault.ENOSPC, Fault.STAYS_FULL, Fault.EIO, Fault.EROFS)
_STEP = 17


def wrong(name: str, fault: Fault, step: int, first: int = 1) -> list[str]:
    """What is wrong after each strike, one an entry."""
    points = range(first, len(calls_of(name)) + 1, step)
    return [found for at in points if (found := wrong_after(name, at, fault))]


@pytest.mark.slow
def test_there_is_something_to_strike() -> None:
    calls = calls_of("over a copy of ours")
    assert {"open", "fchmod", "write", "fsync", "renameat2"} <= set(calls)
    assert calls.count("renameat2") == 1  # old and new change their names at once


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", FOLDER_PATHS)
@pytest.mark.one_in(12)
def test_some_points_of_a_folder(name: str, fault: Fault) -> None:
    first = 1 + (3 * list(FOLDER_PATHS).index(name) + FAULTS.index(fault)) % _STEP
    assert wrong(name, fault, _STEP, first) == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", FOLDER_PATHS)
def test_every_point_of_a_folder(name: str, fault: Fault) -> None:
    assert wrong(name, fault, 1) == []
