"""The flat lines of a YAML document: keys with a number, a truth value or a word."""

from __future__ import annotations

import math
import re

from ckptdoctor.checkpoint import Scalar

__all__ = ["flat_yaml"]

_LINE = re.compile(r"^([A-Za-z_][\w./ -]{0,200}): ([^\n]{1,1000})$", re.MULTILINE)
_WHOLE = re.compile(r"[-+]?\d{1,20}")
_DECIMAL = re.compile(
    r"[-+]?(?:\d{1,30}\.\d{0,30}|\.\d{1,30}|\d{1,30}(?=[eE]))(?:[eE][-+]?\d{1,4})?"
)
_WORDS: dict[str, Scalar] = {
    "true": True,
    "false": False,
    "null": None,
    "~": None,
    ".nan": math.nan,
    ".inf": math.inf,
    "-.inf": -math.inf,
}
_NOT_PLAIN = tuple("!&*[{|>@`%\"'")


def flat_yaml(text: str) -> dict[str, Scalar]:
    """The values of keys at the left margin; lists, objects and quoted texts are left out.

    Source: YAML 1.1, which PyYAML writes: ``.nan``, ``1.0e-05``.
    """
    found: dict[str, Scalar] = {}
    for key, raw in _LINE.findall(text):
        value = raw.strip()
        if value and not value.startswith(_NOT_PLAIN):
            found.setdefault(key, _value(value))
    return found


def _value(text: str) -> Scalar:
    word = text.lower()
    if word in _WORDS:
        return _WORDS[word]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
