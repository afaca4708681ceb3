"""The report of a few runs in every format, compared letter by letter.

CKPTDOCTOR_GOLDEN=write python -m pytest tests/autopsy/test_golden.py     writes them anew
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ckptdoctor.postmortem.document import Autopsy
from ckptdoctor.render.console.autopsy import autopsy_text
from ckptdoctor.render.console.screen import Screen
from ckptdoctor.render.html.autopsy import autopsy_html
from ckptdoctor.render.machine.autopsy import autopsy_json, autopsy_markdown
from tests.postmortem.test_perform import autopsy_of
from tests.postmortem.told import RUNS
from tests.render.test_golden import INVISIBLE, comparable

GOLDEN = Path(__file__).parent / "golden"


def screen(verbosity: int) -> Screen:
    return Screen(width=80, height=24, colour=False, verbosity=verbosity)


WRITERS: Mapping[str, Callable[[Autopsy], str]] = {
    "txt": lambda found: autopsy_text(found, screen(0)),
    "v.txt": lambda found: autopsy_text(found, screen(1)),
    "md": autopsy_markdown,
    "html": autopsy_html,
    "json": autopsy_json,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("told")


@pytest.fixture(scope="module")
def found(folder: Path) -> Mapping[str, Autopsy]:
    return {name: autopsy_of(make(folder / name)) for name, make in RUNS.items()}


def steady(text: str, folder: Path) -> str:
    """Without what another torch, or another place, writes otherwise."""
    text = comparable(text).replace(str(folder), "{folder}")
    text = re.sub(r"\b[0-9a-f]{20,64}\b", "{sha256}", text)
    return re.sub(r"(\.pth\W{1,9}(?:td\W{1,9}td|nbytes)?\W{1,9})\d{4,6}\b", r"\1{bytes}", text)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("case", RUNS)
@pytest.mark.one_in(3)
def test_the_report_is_what_it_was(
    case: str, suffix: str, found: Mapping[str, Autopsy], folder: Path
) -> None:
    text = steady(WRITERS[suffix](found[case]), folder)
    path = GOLDEN / f"{case}.{suffix}"
    if os.environ.get("CKPTDOCTOR_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode())
    assert text.encode() == path.read_bytes(), "on purpose? see the top of this file"


@pytest.mark.parametrize("suffix", WRITERS)
def test_nothing_invisible_is_in_any_report(suffix: str, found: Mapping[str, Autopsy]) -> None:
    text = WRITERS[suffix](found["hostile"])
    assert {char for char in text if unicodedata.category(char) in INVISIBLE} <= {"\n"}
    assert text.endswith("\n")


def test_every_golden_file_has_its_case() -> None:
    expected = {f"{case}.{suffix}" for case in RUNS for suffix in WRITERS}
    assert {path.name for path in GOLDEN.iterdir()} == expected
