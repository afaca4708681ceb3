"""Puts a table that was measured into a page, between two marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

__all__ = ["RELIABILITY", "find_place", "markdown", "put"]

RELIABILITY = Path(__file__).parents[2] / "docs" / "reliability.md"
_FIGURE = re.compile(r"[\d,.]+")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table; columns that hold nothing but figures stand to the right."""
    columns = zip(*rows, strict=True)
    rule = ["--:" if all(map(_FIGURE.fullmatch, column)) else "---" for column in columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def find_place(page: Path, name: str) -> tuple[str, str]:
    """What stands before the table of this name in a page and behind it, marks included.

    Better asked before the work than after it. The marks are ``<!-- name: begin -->`` and
    ``<!-- name: end -->``.

    Raises:
        SystemExit: there is no such page, or no such place in it.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if not page.is_file():
        raise SystemExit(f"{page} does not exist: create it, with {begin} and {end} in it")
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{page} has no place for the table: {begin} and {end}")
    return before + begin, end + after


def put(page: Path, name: str, table: str) -> None:
    """Replace what stands between the marks.

    Raises:
        SystemExit: there is no such page, or no such place in it.
    """
    before, after = find_place(page, name)
    page.write_text(f"{before}\n{table}\n{after}", encoding="utf-8")
