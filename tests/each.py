"""Many small cases in one test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["assert_each"]

T = TypeVar("T")

_MOST_SHOWN = 5


def assert_each(cases: Iterable[T], check: Callable[[T], object]) -> None:
    """Fail with every case that fails, each told by its name.

    A parametrised test costs 3 ms beside what it does, and this nothing. It is for cases of one
    kind that share nothing: a case that needs a mark, or a folder that is still empty, is a test of
    its own.

    Args:
        cases: what ``check`` is called with, one at a time; there must be some.
        check: a test of one case.

    Raises:
        ExceptionGroup: what the first few failing cases raised; each has a note of its case.
    """
    errors: list[Exception] = []
    count = 0
    for count, case in enumerate(cases, 1):  # noqa: B007  (asked for below)
        try:
            check(case)
        except Exception as error:  # noqa: BLE001  (told below)
            error.add_note(f"case: {case!r:.300}")
            errors.append(error)
    assert count, "there are no cases"
    if errors:
        raise ExceptionGroup(f"{len(errors)} of {count} cases fail", errors[:_MOST_SHOWN])
