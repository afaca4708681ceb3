"""Every way past a scanner of pickles that is tried here: the published ones, and ours."""

from __future__ import annotations

from tests.bad_inputs.bypass.aliases import ALIASES
from tests.bad_inputs.bypass.archives import ARCHIVES
from tests.bad_inputs.bypass.beyond import BEYOND
from tests.bad_inputs.bypass.calls import CALLS
from tests.bad_inputs.bypass.chains import CHAINS
from tests.bad_inputs.bypass.delegated import DELEGATED
from tests.bad_inputs.bypass.evaluators import EVALUATORS
from tests.bad_inputs.bypass.files import FILES
from tests.bad_inputs.bypass.frames import FRAMES
from tests.bad_inputs.bypass.frameworks import FRAMEWORKS
from tests.bad_inputs.bypass.implicit import IMPLICIT
from tests.bad_inputs.bypass.objects import OBJECTS
from tests.bad_inputs.bypass.one import Bypass
from tests.bad_inputs.bypass.spellings import SPELLINGS
from tests.bad_inputs.bypass.tars import TARS
from tests.bad_inputs.bypass.tricks import TRICKS
from tests.bad_inputs.bypass.writers import WRITERS

__all__ = ["ALL_BYPASSES"]

ALL_BYPASSES: tuple[Bypass, ...] = (
    *CALLS, *TRICKS, *FILES, *FRAMES, *ALIASES, *CHAINS, *OBJECTS, *IMPLICIT, *DELEGATED,
    *EVALUATORS, *WRITERS, *SPELLINGS, *TARS, *BEYOND, *ARCHIVES, *FRAMEWORKS,
)  # fmt: skip
