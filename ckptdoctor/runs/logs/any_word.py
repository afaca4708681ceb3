"""A pattern of any of many words that looks at each letter once, unlike ``a|b|c``."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["any_word"]

_Branch = dict[str, "_Branch"]
_END = ""


def any_word(words: Iterable[str]) -> str:
    """A pattern that matches the longest of these words, as they are written.

    Args:
        words: not empty; taken to the letter.
    """
    root: _Branch = {}
    for word in words:
        branch = root
        for letter in word:
            branch = branch.setdefault(letter, {})
        branch[_END] = {}
    return _pattern(root)


def _pattern(branch: _Branch) -> str:
    parts = [re.escape(letter) + _pattern(below) for letter, below in branch.items() if letter]
    if not parts:
        return ""
    joined = parts[0] if len(parts) == 1 and _END not in branch else f"(?:{'|'.join(parts)})"
    return f"{joined}?" if _END in branch else joined
