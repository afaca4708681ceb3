"""CD3xx: what training needs beside the weights: optimizer, EMA, scaler, scheduler."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from ckptdoctor.checkpoint import Role, Scalar
from ckptdoctor.finding import Finding, Severity
from ckptdoctor.rules.base import Case, Rule
from ckptdoctor.rules.weights import is_by_design

__all__ = ["NonFiniteEma", "NonFiniteOptimizer", "NonFiniteScaler"]


# What an update is divided by, once its root is taken: Adam, RMSprop, Adagrad.
_DIVISORS = ("exp_avg_sq", "square_avg", ".sum")
_LEAST_SCALE = 2.0**-24  # the smallest number above zero in float16


class NonFiniteOptimizer(Rule):
    """Non-finite optimizer state.

    NaN in a momentum buffer (``exp_avg``, ``momentum_buffer``) poisons its weight at the next step.
    Inf in ``exp_avg_sq`` makes no NaN: it divides every later update to zero and freezes that
    weight in silence. The weights in the same file may be perfectly sound.

    What to do: keep the weights and start the optimizer afresh: do not load its state, and warm
    the learning rate up again.
    """

    code = "CD301"
    severity = Severity.ERROR

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor."""
        for tensor, stats in case.non_finite():
            if tensor.role not in (Role.OPTIMIZER, Role.SCHEDULER):
                continue
            if tensor.role is Role.SCHEDULER and is_by_design(tensor, stats):
                continue
            divisor = tensor.fqn.endswith(_DIVISORS) and not stats.nan and not stats.neginf
            effect = "freezes" if divisor else "poisons"
            yield self.finding(
                tensor.fqn,
                f"{stats.nan} NaN and {stats.inf} Inf in {stats.numel} elements: "
                f"the next step {effect} those weights",
                nan=stats.nan,
                posinf=stats.posinf,
                neginf=stats.neginf,
                numel=stats.numel,
                first_bad_index=list(stats.first_bad_index or ()),
            )


class NonFiniteScaler(Rule):
    """Loss scale collapsed.

    The gradient scaler's own state is not finite, so that every further step is skipped or
    poisoned; or its scale was halved so often, after one step with NaN or Inf after the other, that
    it is below the smallest number of float16.

    What to do: start the scaler afresh; do not load its state.
    """

    code = "CD304"
    severity = Severity.ERROR

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor, and one for a scale that is a plain number, as in torch's own."""
        for tensor, stats in case.non_finite():
            if tensor.role is Role.SCALER:
                yield self.finding(
                    tensor.fqn, "the loss scale is not finite", nan=stats.nan, inf=stats.inf
                )
        tensors = {tensor.fqn for tensor in case.checkpoint.tensors}
        for path, value in _scales(case.checkpoint.scalars):
            if path not in tensors and not _LEAST_SCALE <= value < math.inf:
                yield self.finding(path, f"the loss scale is {value:.4g}", loss_scale=value)


def _scales(scalars: Mapping[str, Scalar]) -> Iterator[tuple[str, float]]:
    """The scales that stand beside a growth factor, as ``torch.amp.GradScaler`` writes them."""
    for path, value in scalars.items():
        if path == "scale" or path.endswith(".scale"):
            beside = path.removesuffix("scale") + "growth_factor"
            if beside in scalars and isinstance(value, int | float):
                yield path, float(value)


class NonFiniteEma(Rule):
    """EMA non-finite.

    The averaged copy of the weights holds NaN or Inf. The model itself may be sound, but an
    average never forgets a NaN.

    What to do: keep the weights and start the average afresh from them.
    """

    code = "CD305"
    severity = Severity.ERROR

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor."""
        for tensor, stats in case.non_finite():
            if tensor.role is Role.EMA and not is_by_design(tensor, stats):
                yield self.finding(
                    tensor.fqn,
                    f"{stats.nan} NaN and {stats.inf} Inf in {stats.numel} elements",
                    nan=stats.nan,
                    inf=stats.inf,
                    numel=stats.numel,
                )
