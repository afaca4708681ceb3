"""No rule crashes while tests run, but those that a test breaks itself.

A rule that fails is our bug: it is reported, the others still run, and the command ends with 70.
A test that looks at other findings would not see it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

__all__ = ["no_rule_crashes"]

_OF_A_TEST = f'File "{Path(__file__).parent}{os.sep}'


@pytest.fixture(autouse=True)
def no_rule_crashes() -> Iterator[None]:
    """Fails the test in which a rule failed by itself, with where it did."""
    diagnose = sys.modules.get("ckptdoctor.diagnose")
    if diagnose is None:
        yield
        return
    crash, told = diagnose.Crash, []

    def noted(**what: Any) -> Any:
        if what["error"].startswith("Traceback") and _OF_A_TEST not in what["error"]:
            told.append(what["error"])
        return crash(**what)

    diagnose.Crash = noted  # type: ignore[attr-defined]
    try:
        yield
    finally:
        diagnose.Crash = crash  # type: ignore[attr-defined]
    assert not told, "\n".join(told)
