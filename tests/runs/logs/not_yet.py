"""What of the forms is not read as it should be, by name; nothing else may fall short.

A name that holds has to be taken out here. `python -m tests.runs.logs.forms --not-yet` prints the
first two tables anew.
"""

from __future__ import annotations

from tests.runs.logs.forms import CourseKind

__all__ = ["NOT_ALONE", "NOT_DECODED", "NOT_FOUND", "NOT_READ", "NOT_SPELLED"]

_NEVER = frozenset({"rwkv", "waveglow"})
_AT_TIMES: dict[CourseKind, tuple[str, ...]] = {
    CourseKind.STORY: (),
    CourseKind.HEALTHY: (),
    CourseKind.FINITE: (),
    CourseKind.EXPLOSION: (),
}

NOT_READ: dict[CourseKind, frozenset[str]] = {
    kind: _NEVER | frozenset(names) for kind, names in _AT_TIMES.items()
}
"""Forms whose log of such a course is not read as it was printed."""
NOT_FOUND: frozenset[str] = frozenset()
"""Names of logs that are not found in a folder, or whose form is not read."""
NOT_ALONE: frozenset[str] = frozenset()
"""Forms that are not read while they are being written."""
NOT_DECODED: frozenset[str] = frozenset()
"""Encodings in which a form is not read."""
NOT_SPELLED: frozenset[str] = frozenset()
"""Spellings of what is no number that are not read in every line."""
