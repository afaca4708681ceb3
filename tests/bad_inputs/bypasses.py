"""Every published way past a scanner of pickles that is tried here."""

from __future__ import annotations

from tests.bad_inputs.bypass.calls import CALLS
from tests.bad_inputs.bypass.files import FILES
from tests.bad_inputs.bypass.one import Bypass
from tests.bad_inputs.bypass.tricks import TRICKS

__all__ = ["ALL_BYPASSES"]

ALL_BYPASSES: tuple[Bypass, ...] = (*CALLS, *TRICKS, *FILES)
