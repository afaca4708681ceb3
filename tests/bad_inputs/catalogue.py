"""Every kind of bad input that has a name."""

from __future__ import annotations

from tests.bad_inputs.kind import Kind
from tests.bad_inputs.live import LIVE
from tests.bad_inputs.others import LEGACY, MISNAMED, SAFETENSORS, TAR
from tests.bad_inputs.pickles import CLASSES, PICKLES
from tests.bad_inputs.special_files import SPECIAL_FILES
from tests.bad_inputs.strangers import PACKED, STRANGERS
from tests.bad_inputs.zips import CUT_ZIPS, ZIPS

__all__ = ["ALL_KINDS"]

ALL_KINDS: tuple[Kind, ...] = (
    *STRANGERS,
    *PACKED,
    *SPECIAL_FILES,
    *CUT_ZIPS,
    *ZIPS,
    *PICKLES,
    *CLASSES,
    *LEGACY,
    *TAR,
    *SAFETENSORS,
    *MISNAMED,
    *LIVE,
)
