"""JSON as programs that died leave it: cut off, with NaN tokens, with something behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["bare_name", "is_json_lines", "objects", "parsed"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_CLOSED_BY = {"[": "]", "{": "}"}
_LOOKED_AT = 5
_DEEPEST = 200
_MOST_FAILED = 100
"""An error counts the lines before it, so that very many take for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A value, and whether something stood behind it that is lost."""

    value: object
    is_cut: bool = False


def parsed(text: str) -> Parsed:
    """The value that a text holds; of one that is cut off, what stands before the cut.

    Raises:
        ValueError: it is no JSON from its beginning on, or nested too deep.
    """
    try:
        return Parsed(value=json.loads(text))
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    except json.JSONDecodeError as error:
        mended = _mended(text[: error.pos])
        try:
            return Parsed(value=json.loads(mended), is_cut=mended != text[: error.pos].rstrip())
        except RecursionError as deep:
            raise ValueError("nested too deep") from deep


def _mended(text: str) -> str:
    """A text that is cut off, without its last value, and with its brackets closed."""
    opened: list[str] = []
    whole = depth = 0  # what is kept, and how many brackets are open there
    for token in _TOKEN.finditer(text):
        kind = token[0]
        if kind in _CLOSED_BY:
            opened.append(kind)
            if len(opened) > _DEEPEST:
                raise ValueError("nested too deep")
        elif kind == ",":
            whole, depth = token.start(), len(opened)
        elif kind in ("]", "}"):
            if not opened or _CLOSED_BY[opened.pop()] != kind:
                break
            whole, depth = token.end(), len(opened)
    return text[:whole] + "".join(_CLOSED_BY[one] for one in reversed(opened[:depth]))


def objects(text: str) -> Iterator[object]:
    """The objects that stand in a text one behind the other, whatever stands between them."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    failed = 0
    while at >= 0 and failed < _MOST_FAILED:
        try:
            found, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            failed += 1
            end = text.find("\n", at)  # no string goes over a line's end
            if end < 0:
                return
        else:
            yield found
        at = text.find("{", end)


def is_json_lines(head: bytes) -> bool:
    """Whether each line is an object of its own; the line reader takes those."""
    if not head.lstrip().startswith(b"{"):
        return False
    *lines, last = head.lstrip().replace(b"\r", b"\n").split(b"\n")
    found = [_object(line) for line in lines[:_LOOKED_AT]]
    if any(found):
        return len(lines) > 1 or bool(last.strip()) or _is_flat(found[0])
    return not lines and _is_flat(_object(last))


def _object(line: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_flat(found: dict[str, object] | None) -> bool:
    return bool(found) and not any(isinstance(one, dict | list) for one in (found or {}).values())


def bare_name(name: str) -> str:
    """The name of a file in lower case, without what says that it is packed."""
    return name.lower().removesuffix(".gz").removesuffix(".bz2").removesuffix(".xz")
