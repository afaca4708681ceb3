"""Text from a file, made safe and short."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.render.text import (
    bytes_text,
    csv_cell,
    markdown_cell,
    number,
    plural,
    printable,
    shorten_middle,
)
from tests.each import each


@given(st.text())
def test_printable_text_is_printable(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable() or all(
        c.isprintable() or c == "\u00a0" or c.isspace() for c in shown
    )
    assert "\x1b" not in shown
    assert "\n" not in shown


def test_printable_leaves_letters_of_all_scripts_alone() -> None:
    assert printable("épöché_模型_эпоха") == "épöché_模型_эпоха"


def test_printable_spells_out_what_could_deceive() -> None:
    assert printable("\x1b[2J") == "\\x1b[2J"
    assert printable("a\u202eb") == "a\\u202eb"
    assert printable("\ud800") == "\\ud800"


@given(st.text(max_size=200), st.integers(min_value=4, max_value=100))
def test_shortened_text_fits(text: str, width: int) -> None:
    assert len(shorten_middle(text, width)) <= max(width, 0)
    if len(text) <= width:
        assert shorten_middle(text, width) == text


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (307_223_293, "307 MB"), (10**13, "10 TB")],
)
def test_sizes(nbytes: int, text: str) -> None:
    assert bytes_text(nbytes) == text


def test_numbers() -> None:
    shown = [number(v) for v in (None, 3, 0.64131, math.nan, math.inf, -math.inf, 10**9)]
    assert shown == ["–", "3", "0.6413", "NaN", "Inf", "-Inf", "1e+09"]


def test_plurals() -> None:
    assert [plural(1, "file"), plural(2, "file")] == ["1 file", "2 files"]


@given(st.text())
def test_no_csv_cell_starts_a_formula(text: str) -> None:
    cell = csv_cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell.removeprefix("'") == printable(text).removeprefix("'")


@each("text", ["=1+1", "+1", "-1", "@SUM(1)", "＝1", "－1"])
def test_a_formula_becomes_text(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


def test_ordinary_cells_stay_as_they_are() -> None:
    assert csv_cell("model.0.weight") == "model.0.weight"
    assert csv_cell("a, b") == "a, b"


@each(
    ("text", "cell"),
    [
        ("a_b*c", r"a\_b\*c"),
        ("a|b", r"a\|b"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("[x](y)", r"\[x\](y)"),
        ("`x` ~~y~~ $z$", r"\`x\` \~\~y\~\~ \$z\$"),
        ("a\nb", r"a\\nb"),
        ("@all #1 C# a@ b", "@&#8203;all #&#8203;1 C# a@ b"),
        ("https://x.y www.x.y x.y", r"https\://x.y www\.x.y x.y"),
        ("model.0: 3 of 4", "model.0: 3 of 4"),
    ],
)
def test_markdown_is_spelled_out(text: str, cell: str) -> None:
    assert markdown_cell(text) == cell
