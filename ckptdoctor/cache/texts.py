"""Which values of a file are remembered: figures, and the names among the texts; no other text.

Stored arguments hold tokens, passwords and addresses as often as learning rates. What rules and
metadata need of a checkpoint's texts is little, and all of it is names: of the metric that a
callback watches, of the parameters that an optimizer lists, and figures that are spelled out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ckptdoctor.checkpoint import Checkpoint, Scalar
from ckptdoctor.metadata import read_metadata
from ckptdoctor.runs.optimizer_facts import OptimizerFacts

__all__ = ["figures_and_names", "says_the_same", "withholds"]

_FIGURE = re.compile(r"[-+]?[0-9][0-9._eE+-]{0,30}")
_HOLD_NAMES = re.compile(r"(^|\.)(monitor|param_groups\.\d+\.(params|param_names)\.\d+)$")
_NAME = re.compile(r"[\w./:-]{1,200}")


def figures_and_names(scalars: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The values with every text left empty that is neither a figure nor a name."""
    return {
        path: "" if isinstance(value, str) and not _is_plain(path, value) else value
        for path, value in scalars.items()
    }


def withholds(scalars: Mapping[str, Scalar]) -> bool:
    """Whether any text is left out."""
    return any(isinstance(one, str) and not _is_plain(at, one) for at, one in scalars.items())


def _is_plain(path: str, text: str) -> bool:
    if not text or _FIGURE.fullmatch(text):
        return True
    return bool(_NAME.fullmatch(text)) and bool(_HOLD_NAMES.search(path))


def says_the_same(whole: Checkpoint, without: Checkpoint) -> bool:
    """Whether a checkpoint tells its place in the run as well without the texts that are left out.

    Where a framework hides a counter in a text of its own, it does not, and is read each time.
    """
    facts = OptimizerFacts.of
    return read_metadata(whole) == read_metadata(without) and facts(whole.scalars) == facts(
        without.scalars
    )
