"""Which values of a log are watched: metrics, losses, learning rates, norms and loss scales."""

from __future__ import annotations

import functools
import re

from ckptdoctor.metadata import Source, named_metric

__all__ = ["REDUCED_SCALE", "is_scale", "is_watched"]

_LABELS = ("loss", "lr", "grad_norm", "grad norm", "gradnorm", "learning_rate", "learning rate")
_SCALE = re.compile(r"loss[_ ]?scale(?!\w)", re.IGNORECASE)
REDUCED_SCALE = "reduced loss scale"
"""What a scaler falls to when a step overflows: a loss scale that stands in a line may be fixed."""


@functools.lru_cache(maxsize=4096)  # a log says the same names in every epoch
def is_watched(name: str) -> bool:
    """Whether a value is a metric, a loss, a learning rate, a gradient norm or a loss scale."""
    lower = name.lower()
    return (
        lower.endswith(_LABELS)
        or lower.startswith(_LABELS)
        or lower.rpartition("/")[2].startswith(_LABELS)
        or named_metric(name, 0.0, Source.LOG) is not None
        or is_scale(name)
    )


def is_scale(name: str) -> bool:
    """Whether a value is the scale of the loss in mixed precision."""
    return _SCALE.search(name) is not None
