"""A table takes the place of the last one, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.page import markdown, put


def test_a_table_is_put_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n")
    put(page, "x", markdown(("format", "bytes"), [("zip", "7"), ("tar", "1,024")]))
    table = "| format | bytes |\n| --- | --: |\n| zip | 7 |\n| tar | 1,024 |"
    assert page.read_text() == f"a\n<!-- x: begin -->\n{table}\n<!-- x: end -->\nb\n"


def test_a_page_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    with pytest.raises(SystemExit, match=r"page\.md does not exist: create it, with <!-- x: begin"):
        put(page, "x", "table")
    page.write_text("<!-- x: begin -->\nno end\n")
    with pytest.raises(SystemExit, match="has no place for the table"):
        put(page, "x", "table")
    assert page.read_text() == "<!-- x: begin -->\nno end\n"
