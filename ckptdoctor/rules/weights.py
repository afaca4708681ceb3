"""CD2xx: the model's own tensors, and their EMA."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ckptdoctor.checkpoint import Role, TensorRecord, TensorStats
from ckptdoctor.finding import Finding, Severity
from ckptdoctor.rules.base import Case, Rule

__all__ = ["InfByDesign", "InfInWeights", "NanInWeights", "is_by_design"]

_BY_DESIGN = re.compile(
    r"(^|[._])(attn_mask|attention_mask|causal_mask|mask|masked_bias|bias_mask|relative_mask"
    r"|lower_bound|upper_bound|mode_worse)$",
    re.IGNORECASE,
)


def is_by_design(tensor: TensorRecord, stats: TensorStats) -> bool:
    """Whether the infinities of a tensor are meant: an attention mask, the bound of a constraint.

    NaN is never meant, and a mask that is not called one is not guessed at.
    """
    return stats.nan == 0 and _BY_DESIGN.search(tensor.fqn) is not None


class _NonFinite(Rule):
    severity = Severity.ERROR

    def _affected(self, case: Case) -> Iterator[tuple[TensorRecord, TensorStats]]:
        for tensor, stats in case.non_finite():
            if tensor.role is Role.MODEL and not is_by_design(tensor, stats):
                yield tensor, stats

    def _describe(self, tensor: TensorRecord, stats: TensorStats, count: int, what: str) -> Finding:
        index = list(stats.first_bad_index or ())
        return self.finding(
            tensor.fqn,
            f"{count} of {stats.numel} elements are {what}, the first bad one at {index}",
            nan=stats.nan,
            posinf=stats.posinf,
            neginf=stats.neginf,
            numel=stats.numel,
            first_bad_index=index,
            dtype=tensor.dtype,
        )


class NanInWeights(_NonFinite):
    """NaN in the weights.

    At least one element of the model is not a number. Every forward pass that touches it gives
    NaN, training on from here cannot recover, and comparisons with NaN are false, so that best
    scores freeze. Exact: every element was looked at.

    What to do: use an earlier checkpoint. Do not replace NaN by zero: the neighbours were computed
    from the same broken gradients.
    """

    code = "CD201"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor."""
        for tensor, stats in self._affected(case):
            if stats.nan:
                yield self._describe(tensor, stats, stats.nan, "NaN")


class InfInWeights(_NonFinite):
    """Inf in the weights.

    At least one element of the model is infinite: the step that wrote it overflowed. The next
    forward pass usually turns it into NaN. Exact: every element was looked at.

    What to do: use an earlier checkpoint, and restart with a smaller learning rate or with
    gradient clipping.
    """

    code = "CD202"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor that has Inf and no NaN; NaN is reported first."""
        for tensor, stats in self._affected(case):
            if stats.inf and not stats.nan:
                yield self._describe(tensor, stats, stats.inf, "infinite")


class InfByDesign(Rule):
    """Infinite by design.

    An attention mask, or the bound of a constraint: a buffer that holds Inf from the first epoch
    on, and is meant to. Recognised by the kind of buffer it is named after.

    What to do: nothing.
    """

    code = "CD203"
    severity = Severity.INFO

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor."""
        for tensor, stats in case.non_finite():
            if tensor.role is not Role.OPTIMIZER and is_by_design(tensor, stats):
                yield self.finding(
                    tensor.fqn,
                    f"{stats.inf} of {stats.numel} elements are infinite, as a mask or bound is",
                    posinf=stats.posinf,
                    neginf=stats.neginf,
                    numel=stats.numel,
                )
