"""The last line of a log that was cut off: `val_acc 0` of `val_acc 0.6413` is no collapse.

What is told by the lines before it: where all of them have more digits in that place, or go on
behind it, the number is not believed. What a program ends with a line's end is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ckptdoctor.runs.logs.shapes import LINE_CHARS, shape_of

__all__ = ["MOST_BEFORE", "without_cut_number"]

MOST_BEFORE = 200
"""So many lines are asked."""
_NUMBER = re.compile(rb"\d++(?:\.\d*+)?(?:[eE][-+]?\d*+)?|\.\d++")
_ENDS = tuple(bytes([one]) for one in b"0123456789.eE+-")


def without_cut_number(line: bytes, before: Sequence[bytes]) -> bytes:
    """The line without its last number, where that is cut.

    Args:
        line: the last of a log, which has no line end.
        before: the lines above it; of a bar that drew over itself what stood there before as well.
    """
    *drawn, last = line[-LINE_CHARS:].split(b"\r")
    numbers = list(_NUMBER.finditer(last)) if last[-1:] in _ENDS else []
    if not numbers or numbers[-1].end() < len(last):
        return line
    *others, found = numbers
    wholes = list(_at_place(len(others), shape_of(last), [*before, *drawn]))
    if not wholes:
        return line
    is_alone = not others and all(goes_on for _, goes_on in wholes)
    if not is_alone and not all(_is_cut(found[0], whole) for whole, _ in wholes):
        return line
    return line[: len(line) - len(last) + found.start()]


def _at_place(place: int, shape: bytes, lines: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The numbers that other lines have in a place, and whether more follows there."""
    for line in lines[-MOST_BEFORE:]:
        if shape_of(line).startswith(shape):
            numbers = _NUMBER.findall(line[:LINE_CHARS])
            if len(numbers) > place:
                yield numbers[place], len(numbers) > place + 1


def _is_cut(number: bytes, whole: bytes) -> bool:
    """Whether a number has fewer digits than one in its place, where that tells anything."""
    mantissa, _, exponent = number.lower().partition(b"e")
    told, _, power = whole.lower().partition(b"e")
    if power:
        return len(exponent) < len(power)
    if b"." in told:
        return len(mantissa.partition(b".")[2]) < len(told.partition(b".")[2])
    return b"." not in mantissa and len(mantissa) < len(told)
