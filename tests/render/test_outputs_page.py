"""``docs/outputs.md`` shows what is really written."""

from __future__ import annotations

import re

from ckptdoctor.cli.options import Format
from tests.docs import DOCS
from tests.each import each
from tests.render.outputs import WRITERS, collapse

PAGE = (DOCS / "outputs.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- (\w+) -->\n```\w+\n(.*?)```\n", PAGE, re.DOTALL)


@each(("suffix", "example"), EXAMPLES)
def test_examples_are_true(suffix: str, example: str) -> None:
    written = iter(WRITERS[suffix](collapse()).splitlines())
    for line in example.splitlines():
        assert line in written, line  # and in this order


def test_there_is_an_example_of_each_but_the_long_one() -> None:
    assert {suffix for suffix, _ in EXAMPLES} == set(WRITERS) - {"html"}


def test_every_format_is_on_the_page() -> None:
    for fmt in Format:
        assert f"| `{fmt.value}` |" in PAGE
        assert fmt is Format.TABLE or f"\n## {fmt.value}\n" in PAGE
