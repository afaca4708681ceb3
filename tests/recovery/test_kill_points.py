"""Struck at every call that changes a file: the destination is absent, the old file, or the new."""

from __future__ import annotations

import sys

import pytest

from tests.recovery.strikes import COMPILER, Fault
from tests.recovery.write_paths import WRITE_PATHS, calls_of, strike_all

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler"),
    pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and /proc are Linux's"),
]

RESTORE = [name for name, path in WRITE_PATHS.items() if path.options is not None]


def wrong(name: str, step: int, fault: Fault, first: int = 1) -> list[str]:
    """What is wrong after each strike, one an entry."""
    calls = calls_of(name, reads=fault.reads)
    found = strike_all(name, range(first, len(calls) + 1, step), fault)
    return [one.wrong for one in found if one.wrong]


@pytest.mark.slow
def test_there_is_something_to_strike() -> None:
    assert {"open", "fchmod", "write", "fsync", "close", "unlink"} <= set(calls_of("copy"))
    assert calls_of("copy").count("linkat") == 1
    assert calls_of("copy over another").count("rename") == 2  # the file and its manifest
    assert len(calls_of("edit")) > len(calls_of("copy"))
    assert set(calls_of("edit", reads=True)) <= {"read", "pread", "pread64", "preadv", "preadv64"}


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.one_in(6)
def test_every_third_point_of_a_copy(fault: Fault) -> None:
    assert wrong("copy", 3, fault, first=1 + list(Fault).index(fault) % 3) == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("name", RESTORE)
def test_every_point(name: str, fault: Fault) -> None:
    assert wrong(name, 1, fault) == []
