"""Codes of findings as a user lists them: ``CD201``, or ``CD2`` for a family."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ckptdoctor.errors import UsageError
from ckptdoctor.rules import ALL_RULES

__all__ = ["checked", "longest"]


def checked(codes: Iterable[str], where: str) -> tuple[str, ...]:
    """The codes and beginnings of codes, in capitals.

    Args:
        codes: as the user wrote them.
        where: they stand, for the message.

    Raises:
        UsageError: one is the beginning of no code.
    """
    known = [rule.code for rule in ALL_RULES]
    found = []
    for code in codes:
        wanted = code.strip().upper()
        if not wanted or not any(one.startswith(wanted) for one in known):
            near = difflib.get_close_matches(wanted, known, n=len(known), cutoff=0.6)
            near.sort(key=lambda one: one[:3] != wanted[:3])  # one of its family is meant
            hint = f"; did you mean {near[0]}?" if near else "; all of them: ckptdoctor explain"
            raise UsageError(f"{where}: {code!r} is no code of a finding, nor its beginning{hint}")
        found.append(wanted)
    return tuple(found)


def longest(code: str, prefixes: Iterable[str]) -> int:
    """How many characters of a code the most exact of the prefixes names; 0 for none."""
    return max((len(one) for one in prefixes if code.startswith(one)), default=0)
