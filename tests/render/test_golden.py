"""Every output for the same few reports, compared letter by letter.

CKPTDOCTOR_GOLDEN=write python -m pytest tests/render/test_golden.py     writes them anew
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import pytest

from ckptdoctor import __version__
from tests.render.outputs import CASES, WRITERS

GOLDEN = Path(__file__).parent / "golden"
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def comparable(text: str) -> str:
    """Without what changes at every release, and without the styles of the page."""
    text = text.replace(__version__, "{version}")
    return re.sub(r"(?s)<style>.*?</style>", "<style>{styles}</style>", text)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("case", CASES)
def test_output_is_what_it_was(case: str, suffix: str) -> None:
    text = comparable(WRITERS[suffix](CASES[case]()))
    path = GOLDEN / f"{case}.{suffix}"
    if os.environ.get("CKPTDOCTOR_GOLDEN") == "write":
        path.write_bytes(text.encode())
    assert text.encode() == path.read_bytes(), "on purpose? see the top of this file"


@pytest.mark.parametrize("suffix", WRITERS)
def test_nothing_invisible_is_in_any_output(suffix: str) -> None:
    text = WRITERS[suffix](CASES["hostile"]())
    found = {char for char in text if unicodedata.category(char) in INVISIBLE}
    assert found <= {"\n", "\t", "\r"}
    assert text.count("\r") == (text.count("\r\n") if suffix == "csv" else 0)
    assert text.endswith("\n")


def test_every_golden_file_has_its_case() -> None:
    expected = {f"{case}.{suffix}" for case in CASES for suffix in WRITERS}
    assert {path.name for path in GOLDEN.iterdir()} == expected
