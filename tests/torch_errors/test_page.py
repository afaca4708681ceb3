"""Every message of the page is torch's own, and the command beside it answers."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch

from tests.cli.support import run
from tests.torch_errors.cases import CASES, Case, trained
from tests.torch_errors.page import PAGE, page


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.said[:60])
@pytest.mark.one_in(6)
def test_torch_says_it_and_the_command_answers(case: Case, tmp_path: Path) -> None:
    path, other = tmp_path / case.name, tmp_path / "other" / "other.pth"
    other.parent.mkdir()
    torch.save(trained(width=5), other)
    case.make(path)
    before = path.read_bytes()
    with pytest.raises(Exception, match=re.escape(case.said)):  # of whatever class
        case.load(path)
    places = {"FILE": str(path), "OTHER": str(other)}
    words = [places.get(word, word) for word in shlex.split(case.command)]
    told = run(*words[1:])
    printed = " ".join((told.stdout + told.stderr).split())  # without the breaks of lines
    assert (told.code, case.answer in printed) == (case.exit_code, True), told
    assert path.read_bytes() == before


def test_the_page_is_what_the_cases_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
