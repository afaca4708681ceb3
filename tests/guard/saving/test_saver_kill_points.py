"""``safe_save`` struck at every call that changes a file: the old checkpoint stays, or the new one.

The same harness as for ``restore`` kills the process, or has a system call fail.
"""

from __future__ import annotations

import sys

import pytest

from tests.recovery.strikes import COMPILER, Fault
from tests.recovery.write_paths import WRITE_PATHS, calls_of, strike_all

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler"),
    pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and /proc are Linux's"),
]

SAVES = [name for name, path in WRITE_PATHS.items() if path.options is None]


def wrong(name: str, step: int, fault: Fault) -> list[str]:
    """What is wrong after each strike, one an entry."""
    calls = calls_of(name, reads=fault.reads)
    found = strike_all(name, range(1, len(calls) + 1, step), fault)
    return [one.wrong for one in found if one.wrong]


@pytest.mark.slow
def test_there_is_something_to_strike() -> None:
    for name in SAVES:
        calls = calls_of(name)
        assert calls.count("rename") == 1
        assert calls.count("write") >= 20
        assert {"open", "fsync", "close"} <= set(calls)  # its mode comes with the open


@pytest.mark.slow
@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("name", SAVES)
def test_every_point(name: str, fault: Fault) -> None:
    assert wrong(name, 1, fault) == []
