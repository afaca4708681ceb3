"""docs/python.md: what it shows is what Python answers."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from tests.results.test_results import collapsed

PAGE = Path(__file__).parent.parent.parent / "docs" / "python.md"


def test_the_examples_of_the_page_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    collapsed(tmp_path / "checkpoints")
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8").replace("\n```\n", "\n\n")
    examples = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert len(examples.examples) > 15
    told: list[str] = []
    outcome = doctest.DocTestRunner(verbose=False).run(examples, out=told.append)
    assert outcome.failed == 0, "".join(told)
