"""Puts a table that was measured into a page, between two marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["RELIABILITY", "markdown", "put"]

RELIABILITY = Path(__file__).parents[2] / "docs" / "reliability.md"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table; every column but the first holds figures."""
    rule = ["---", *("--:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def put(page: Path, name: str, table: str) -> None:
    """Replace what stands between ``<!-- name: begin -->`` and ``<!-- name: end -->``.

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
    page.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")
