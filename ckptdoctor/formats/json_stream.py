"""A JSON object that is read member by member, so that memory holds one of a million at a time.

Stricter than Python's ``json`` where Rust's ``serde_json`` is, which the safetensors library reads
headers with: no ``NaN`` and ``Infinity``, no number beyond a float64, no ``-0`` for an integer, no
half of a surrogate pair, no key twice, and at most 127 containers within each other.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import sys
from collections.abc import Iterator
from typing import Any

from ckptdoctor.formats.source import ByteSource

__all__ = ["JsonError", "JsonStream", "TooLongError"]

_WINDOW_NBYTES = 1 << 16
_SPACE = re.compile(r"[ \t\n\r]*")
_MAX_DEPTH = 127  # serde_json's recursion limit of 128 is reached, not passed
_LONGEST_TOKEN = 16  # a literal or an escape, or what is left of a number that was cut
_OPEN_TEXT = "Unterminated string"
_FLOAT_DIGITS = 309  # the largest float64 has so many


class JsonError(Exception):
    """The text is no JSON.

    Args:
        message: what is wrong.
        offset: where, in bytes from the start of the source.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class TooLongError(Exception):
    """A value is longer than was allowed."""


class JsonStream:
    """Reads a source that holds one JSON object.

    Args:
        source: the text in UTF-8, nothing before and only white space behind it.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._text = ""
        self._pos = 0
        self._at = 0  # the byte behind what was read
        self._depth = 0

    def members(self) -> Iterator[str]:
        """The keys of the object at the position; its value has to be read before the next one.

        Raises:
            JsonError: what stands there is no object.
        """
        self._take("{")
        self._depth += 1
        seen: set[str] = set()
        if self._peek() != "}":
            while True:
                key = self._key()
                if key in seen:
                    raise self._error("a key stands in it twice")
                seen.add(key)
                self._take(":")
                yield key
                if self._peek() != ",":
                    break
                self._pos += 1
        self._take("}")
        self._depth -= 1

    def begins_with(self, character: str) -> bool:
        """Whether the value at the position does: ``{`` for an object, ``"`` for a text."""
        return self._peek() == character

    def value(self, most_chars: int) -> Any:
        """The value at the position, as Python has it.

        Args:
            most_chars: what it may take.

        Raises:
            TooLongError: it takes more.
            JsonError: it is no JSON.
        """
        self._peek()
        while True:
            start = self._pos
            try:
                value, end = _LOOSE.raw_decode(self._text, start)
            except json.JSONDecodeError as error:
                if self._goes_on(error, start, most_chars):
                    continue
                raise self._error(error.msg, error.pos) from error
            except (ValueError, RecursionError) as error:  # a number of thousands of digits
                raise self._error(str(error)) from error
            if end + _LONGEST_TOKEN < len(self._text) or not self._extend():  # `1` may be `1.5`
                break
        if end - start > most_chars:
            raise TooLongError
        self._pos = end
        if not _is_plain(value) or self._text.find("-", start, end) >= 0:
            return self._strict(self._text[start:end])
        return value

    def finish(self) -> None:
        """Make sure that nothing follows.

        Raises:
            JsonError: something does.
        """
        if self._peek():
            raise self._error("something follows the object")

    # -- the text --------------------------------------------------------------------------------

    def _extend(self) -> bool:
        """Read on, twice as much as lies before the position; False at the end."""
        kept = self._text[self._pos :]
        data = self._source.read(self._at, max(_WINDOW_NBYTES, len(kept)))
        try:
            more = self._decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise JsonError(f"it is no UTF-8: {error.reason}", self._at + error.start) from error
        if not data:
            return False
        self._at += len(data)
        self._text, self._pos = kept + more, 0
        return True

    def _goes_on(self, error: json.JSONDecodeError, start: int, most_chars: int) -> bool:
        """Whether a value may only have been cut by the end of what was read; reads on then.

        Raises:
            TooLongError: it is longer than allowed already.
        """
        if error.pos + _LONGEST_TOKEN < len(self._text) and not error.msg.startswith(_OPEN_TEXT):
            return False
        if len(self._text) - start > most_chars:
            raise TooLongError from error
        return self._extend()

    def _peek(self) -> str:
        """The next character that is no white space, "" at the end."""
        while True:
            found = _SPACE.match(self._text, self._pos)
            self._pos = self._pos if found is None else found.end()
            if self._pos < len(self._text):
                return self._text[self._pos]
            if not self._extend():
                return ""

    def _take(self, wanted: str) -> None:
        if self._peek() != wanted:
            raise self._error(f"{wanted!r} is expected")
        self._pos += 1

    def _key(self) -> str:
        if self._peek() != '"':
            raise self._error("a key in double quotes is expected")
        while True:
            try:
                key, self._pos = _LOOSE.raw_decode(self._text, self._pos)
            except json.JSONDecodeError as error:
                if self._goes_on(error, self._pos, sys.maxsize):
                    continue
                raise self._error(error.msg, error.pos) from error
            self._check_text(key)
            return str(key)

    def _strict(self, text: str) -> Any:
        """The value again, by the rules that Python does not keep."""
        try:
            value = _STRICT.decode(text)
        except (ValueError, RecursionError) as error:
            raise self._error(str(error)) from error
        nodes = [(value, self._depth)]
        while nodes:
            node, depth = nodes.pop()
            if isinstance(node, str):
                self._check_text(node)
            elif isinstance(node, dict | list):
                if depth >= _MAX_DEPTH:
                    raise self._error("it nests too deep")
                inner = node if isinstance(node, list) else [*node, *node.values()]
                nodes += [(child, depth + 1) for child in inner]
        return value

    def _check_text(self, text: str) -> None:
        if text.isascii():
            return
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise self._error("it holds half of a surrogate pair") from error

    def _error(self, message: str, pos: int | None = None) -> JsonError:
        """An error at the position, or at another one of the text."""
        behind = self._text[self._pos if pos is None else pos :]
        return JsonError(message, self._at - len(behind.encode("utf-8", "surrogatepass")))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands in it twice")
    return found


_USUAL = ("dtype", "shape", "data_offsets")


def _is_plain(value: object) -> bool:
    """Whether the value can break no rule that Python does not keep, but for a minus sign."""
    if type(value) is str:
        return value.isascii()
    return (
        type(value) is dict and len(value) == len(_USUAL) and all(map(value.__contains__, _USUAL))
    )


def _integer(text: str) -> int | float:
    if text == "-0":
        return -0.0
    if len(text) > _FLOAT_DIGITS:
        return _float(text)
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is out of range")
    return value


def _constant(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


_LOOSE = json.JSONDecoder(object_pairs_hook=_unique)
_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
