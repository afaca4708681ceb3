"""Every published way past a scanner of pickles that is tried here."""

from __future__ import annotations

from tests.bad_inputs.bypass import Bypass
from tests.bad_inputs.bypass_calls import CALLS
from tests.bad_inputs.bypass_files import FILES
from tests.bad_inputs.bypass_tricks import TRICKS

__all__ = ["ALL_BYPASSES"]

ALL_BYPASSES: tuple[Bypass, ...] = (*CALLS, *TRICKS, *FILES)
