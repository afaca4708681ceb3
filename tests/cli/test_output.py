"""What is said beside the result: a line each, and which of them is news."""

from __future__ import annotations

import io
import sys

import pytest

from ckptdoctor.cli.output import note


class Terminal(io.StringIO):
    """A screen."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("by_the_way", "no_color"), [(True, False), (True, True), (False, False)])
def test_what_is_no_news_is_dim_unless_nobody_wants_colours(
    by_the_way: bool, no_color: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    note("3 files were remembered", by_the_way=by_the_way)
    said = screen.getvalue()
    assert "ckptdoctor: 3 files were remembered" in said
    assert said.startswith("\x1b[2m") is (by_the_way and not no_color)
