"""What looks broken and is meant: masks, bounds, ranges of which nothing was seen yet."""

from __future__ import annotations

import re

from ckptdoctor.checkpoint import TensorRecord, TensorStats
from ckptdoctor.rules.base import Case

__all__ = ["is_by_design", "is_named_by_design"]

_BY_DESIGN = re.compile(
    r"(^|[._])(attn_mask|attention_mask|causal_mask|mask|masked_bias|bias_mask|relative_mask"
    r"|lower_bound|upper_bound|spaces?(\.\w{1,100}){0,9}\.(low|high)|mode_worse|alibi|alibi_bias"
    r"|(min|max)_(vals?|value)"  # an observer or a running extreme that has seen nothing yet
    r"|sqrt_recipm?1?_alphas_cumprod)$",  # a diffusion schedule that ends in pure noise
    re.IGNORECASE,
)
_LEARNED = re.compile(r"(weight|bias|running_mean|running_var)$")


def is_named_by_design(tensor: TensorRecord, stats: TensorStats) -> bool:
    """Whether a tensor is an attention mask, or the bound of a constraint, and holds no NaN."""
    if stats.nan:
        return False
    return _BY_DESIGN.search(tensor.fqn) is not None or _is_additive_mask(tensor, stats)


def _is_additive_mask(tensor: TensorRecord, stats: TensorStats) -> bool:
    """Whether a square of zeros and -Inf is what attention adds to its scores, whatever its name.

    Or of zeros and the lowest number of a dtype. Nothing that is learned looks so: its other
    elements would not all be exactly zero, or at least not all on one side of it.
    """
    square = len(tensor.shape) > 1 and tensor.shape[-1] == tensor.shape[-2] > 1
    if not square or tensor.fqn.endswith("weight") or stats.posinf or stats.max != 0.0:
        return False
    if stats.neginf:
        return stats.min == 0.0
    return stats.saturated > 0 and -(stats.min or 0.0) in tensor.dtype_info.saturations


def is_by_design(case: Case, tensor: TensorRecord, stats: TensorStats) -> bool:
    """Whether what is odd about a tensor is meant: by its name, or as it never changes in the run.

    NaN is never meant, and neither is anything odd in what training moves.
    """
    if stats.nan:
        return False
    if is_named_by_design(tensor, stats):
        return True
    return _LEARNED.search(tensor.fqn) is None and case.run.holds_everywhere(stats)
