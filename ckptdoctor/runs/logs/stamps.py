"""What loggers print in front of a line: when it was, how grave, and who says so."""

from __future__ import annotations

import re

__all__ = ["without_stamp"]

_TIME = rb"\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d{1,9})?"
_DATE = rb"(?:[\w/.-]{2,12}[T\s_])?"
_LEVEL = rb"(?:DEBUG|INFO|WARN(?:ING)?|ERROR|debug|info|warning|error)"
_NAME = rb"(?:(?!(?i:train|val|test|eval|dev)[a-z]{0,7}\s)[\w.:<>]{1,60}\s-\s{1,8})?"
_BETWEEN = rb"[\s\]):|-]{0,12}"
_STAMP = re.compile(
    rb"[DIWE]\d{4}\s[\d:.]{8,15}\s{1,9}\d{1,9}\s[\w./-]{1,60}:\d{1,6}\]\s"
    rb"|\W{0,3}"
    + _DATE
    + _TIME
    + rb"[^\n]{0,60}?\b"
    + _LEVEL
    + rb"\b"
    + _BETWEEN
    + _NAME
    + rb"|\[[^\[\]]{0,60}"
    + _TIME
    + rb"[^\[\]]{0,60}\][:\s]{0,6}"
    + rb"|\W{0,3}"
    + _DATE
    + _TIME
    + rb"\S{0,10}\s"
    + _BETWEEN
    + rb"(?:\w+(?:\.\w+)++:?\s(?:-\s)?)?"
    + rb"|"
    + _LEVEL
    + rb":[\w.]{1,40}:"
)
_BEGINS = frozenset(b"0123456789[(<{DIWEMTFSdiwe")
"""Of what a stamp begins with: most lines do not, and are not asked."""


def without_stamp(raw: bytes) -> bytes:
    """A line without the time, the level and the name of the logger in front of it."""
    if not raw or raw[0] not in _BEGINS:
        return raw
    found = _STAMP.match(raw)
    return raw if found is None else raw[found.end() :]
