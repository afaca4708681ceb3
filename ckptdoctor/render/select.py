"""Which tensors of a checkpoint to show."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Sequence

from ckptdoctor.checkpoint import Checkpoint, TensorRecord
from ckptdoctor.report import CheckpointReport

__all__ = ["none_called", "select_tensors"]

_SHOWN = 3


def select_tensors(report: CheckpointReport, globs: Sequence[str]) -> list[TensorRecord]:
    """The tensors whose name matches any of the globs, or all; non-finite and lost ones first."""
    if report.checkpoint is None:
        return []
    chosen = [
        tensor
        for tensor in report.checkpoint.tensors
        if not globs or any(fnmatch.fnmatchcase(tensor.fqn, pattern) for pattern in globs)
    ]

    def is_sound(tensor: TensorRecord) -> bool:
        stats = report.stats.get(tensor.fqn)
        return not tensor.lost and (stats is None or stats.non_finite == 0)

    return sorted(chosen, key=is_sound)


def none_called(checkpoint: Checkpoint, globs: Sequence[str]) -> str:
    """That no tensor has such a name, with those that were probably meant.

    Args:
        checkpoint: whose tensors are asked for.
        globs: that match none of them.
    """
    names = [tensor.fqn for tensor in checkpoint.tensors]
    said = f"no tensor is called {' or '.join(globs)}"
    if not names:
        return f"{said}; it has none at all"
    plain = [glob.strip("*").lower() for glob in globs]
    near = [one for one in names if any(text and text in one.lower() for text in plain)]
    near = near or difflib.get_close_matches(globs[0].strip("*"), names, n=_SHOWN, cutoff=0.3)
    shown = ", ".join((near or names)[:_SHOWN])
    more = " and more" if len(names) > _SHOWN else ""
    return f"{said}; it has {shown}{more} (globs match the whole name: '*{plain[0]}*')"
