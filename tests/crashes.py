"""No rule crashes while tests run, but those that a test breaks itself.

A rule that fails is our bug: it is reported, the others still run, and the command ends with 70.
A test that looks at other findings would not see it. Commands in processes of their own are told
apart by that code, see :func:`tests.cli.support.run`.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

__all__ = ["look", "note_crashes"]

_TOLD: list[str] = []
_FORMAT_EXC = traceback.format_exc
_TELLS = "ckptdoctor.diagnose"
_OF_A_TEST = f'File "{Path(__file__).parent}{os.sep}'


def note_crashes() -> None:
    """Listen from now on, also in fixtures that tests share, and before anything is imported.

    Whoever catches what a rule raises asks for its text.
    """
    traceback.format_exc = _noted


def _noted(*arguments: Any, **named: Any) -> str:
    text = _FORMAT_EXC(*arguments, **named)
    asks = sys._getframe(1).f_globals.get("__name__")
    if asks == _TELLS and _OF_A_TEST not in text:
        _TOLD.append(text)
    return text


def look() -> None:
    """Fails where a rule crashed since it was called last, with where it did."""
    told = _TOLD.copy()
    _TOLD.clear()
    assert not told, "\n".join(told)
