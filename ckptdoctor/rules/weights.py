"""CD2xx: the model's own tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from ckptdoctor.checkpoint import Role, TensorRecord, TensorStats
from ckptdoctor.dtypes import BY_NAME, Kind
from ckptdoctor.finding import Finding, Severity
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.rules.base import Case, Rule
from ckptdoctor.rules.by_design import is_by_design, is_named_by_design
from ckptdoctor.rules.rescue import Rescue
from ckptdoctor.runs.member import is_trained

__all__ = [
    "ConstantWeights",
    "InfByDesign",
    "InfInWeights",
    "InvalidRunningVar",
    "NanInWeights",
    "NearLimit",
    "SanitisedWeights",
]


def _largest(stats: TensorStats) -> float:
    """The largest finite magnitude."""
    return max(abs(stats.min or 0.0), abs(stats.max or 0.0))


def _is_wide_float(tensor: TensorRecord) -> bool:
    """Whether the elements are floats of 16 bits or more; 8 bits are scaled to their limit."""
    return tensor.dtype in _WIDE_FLOATS


_WIDE_FLOATS = frozenset(
    name for name, dtype in BY_NAME.items() if dtype.kind is Kind.FLOAT and dtype.itemsize > 1
)
_NEAR_LIMIT = {
    name: limit / 2 if name == "float16" else math.sqrt(limit)
    for name in _WIDE_FLOATS
    if (limit := BY_NAME[name].max_finite) is not None
}
"""Where the next step overflows, by type."""


class _NonFinite(Rule):
    severity = Severity.ERROR

    def _affected(self, case: Case) -> Iterator[tuple[TensorRecord, TensorStats]]:
        for tensor, stats in case.non_finite(Role.MODEL):
            if not is_by_design(case, tensor, stats):
                yield tensor, stats

    def _describe(
        self, tensor: TensorRecord, stats: TensorStats, count: int, what: str, rescue: Rescue
    ) -> Finding:
        index = list(stats.first_bad_index or ())
        return self.finding(
            tensor.fqn,
            f"{count} of {stats.numel} elements are {what}, the first bad one at {index}",
            remedy=f"{self.remedy()}{rescue.advice}",
            nan=stats.nan,
            posinf=stats.posinf,
            neginf=stats.neginf,
            numel=stats.numel,
            first_bad_index=index,
            dtype=tensor.dtype,
            ema_finite=rescue.ema_finite,
            **rescue.evidence,
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
    label = "NaN in weights"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor."""
        affected = [pair for pair in self._affected(case) if pair[1].nan]
        rescue = Rescue.of(case) if affected else Rescue()
        for tensor, stats in affected:
            yield self._describe(tensor, stats, stats.nan, "NaN", rescue)


class InfInWeights(_NonFinite):
    """Inf in the weights.

    At least one element of the model is infinite: the step that wrote it overflowed. The next
    forward pass usually turns it into NaN. Exact: every element was looked at.

    What to do: use an earlier checkpoint, and restart with a smaller learning rate or with
    gradient clipping.
    """

    code = "CD202"
    label = "Inf in weights"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor that has Inf and no NaN; NaN is reported first."""
        affected = [pair for pair in self._affected(case) if not pair[1].nan]
        rescue = Rescue.of(case) if affected else Rescue()
        for tensor, stats in affected:
            yield self._describe(tensor, stats, stats.inf, "infinite", rescue)


class InfByDesign(Rule):
    """Infinite by design.

    An attention mask, the bound of a constraint, the range of a quantization observer that has seen
    nothing yet: a buffer that holds Inf from the first epoch on, and is meant to. Recognised by the
    kind of buffer it is named after, as a square of nothing but zeros and -Inf, or because the same
    elements are infinite in every checkpoint of a run that went on. NaN is never taken for meant,
    and neither is Inf in a weight or bias.

    What to do: nothing.
    """

    code = "CD203"
    severity = Severity.INFO
    label = "Inf by design"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor."""
        for tensor, stats in case.non_finite():
            if tensor.role is not Role.OPTIMIZER and is_by_design(case, tensor, stats):
                named = is_named_by_design(tensor, stats)
                why = "as a mask or bound is" if named else "and so they are in the whole run"
                yield self.finding(
                    tensor.fqn,
                    f"{stats.inf} of {stats.numel} elements are infinite, {why}",
                    posinf=stats.posinf,
                    neginf=stats.neginf,
                    numel=stats.numel,
                )


class NearLimit(Rule):
    """Magnitude near the dtype's limit.

    A weight is so large that its double (float16) or its square (float32, bfloat16, float64)
    overflows to Inf: the last finite step before a collapse. Trained weights stay many powers of
    ten below. Masks and bounds are left out; float8 is scaled to its limit on purpose.

    What to do: look at the learning rate and the gradient norm of the last steps; go on from an
    earlier checkpoint.
    """

    code = "CD204"
    severity = Severity.WARNING
    label = "near the limit"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor."""
        for tensor, stats in case.tensors(Role.MODEL, Role.EMA):
            threshold = _NEAR_LIMIT.get(tensor.dtype)
            if threshold is None or stats.saturated:
                continue
            largest = _largest(stats)
            if largest >= threshold and not is_by_design(case, tensor, stats):
                limit = tensor.dtype_info.max_finite or math.inf
                yield self.finding(
                    tensor.fqn,
                    f"the largest magnitude is {largest:.4g}; {tensor.dtype} ends at {limit:.4g}",
                    largest=largest,
                    limit=limit,
                )


class ConstantWeights(Rule):
    """Dead or constant tensor.

    Every element of a weight matrix is the same. Some layers start that way on purpose (a LoRA
    ``B``, the last layer of a residual branch), so that in a single file this is only a note. It is
    a warning if an earlier checkpoint of the run still held different numbers there.

    What to do: check the initialisation; if it happened during training, go on from an earlier
    checkpoint.
    """

    code = "CD205"
    severity = Severity.INFO
    label = "constant weights"

    def check(self, case: Case) -> Iterator[Finding]:
        """A warning for each tensor that became constant; one note for those that just are."""
        constant: list[str] = []
        matrices = 0
        for tensor, stats in case.tensors(Role.MODEL):
            if len(tensor.shape) < 2 or stats.numel < 4 or not _is_wide_float(tensor):
                continue
            matrices += 1
            if stats.non_finite or stats.min != stats.max:
                continue
            before = _before(case, tensor.fqn)
            if before is None or before.min == before.max:
                constant.append(tensor.fqn)
            elif stats.max != 0.0:  # CD206 has the zeros
                yield self.finding(
                    tensor.fqn,
                    f"all {stats.numel} elements are {stats.max:.4g} now; they reached from "
                    f"{before.min:.4g} to {before.max:.4g} before",
                    severity=Severity.WARNING,
                    value=stats.max,
                    numel=stats.numel,
                )
        if constant:
            more = f" and {len(constant) - 1} more" if len(constant) > 1 else ""
            yield self.finding(
                constant[0],
                f"{len(constant)} of {matrices} weight matrices hold one value throughout: "
                f"{constant[0]}{more}",
                tensors=constant[:20],
                constant=len(constant),
                matrices=matrices,
            )


def _before(case: Case, fqn: str) -> TensorStats | None:
    """What a tensor was in the nearest earlier checkpoint of the run whose weights are finite."""
    for snapshot in case.run.earlier(case.checkpoint.path):
        if snapshot.is_finite:
            return snapshot.stats.get(fqn)
    return None


class SanitisedWeights(Rule):
    """Sanitised non-finite values.

    Elements that are exactly the largest number of their dtype, or of a narrower one such as
    float16's 65504, or a tensor that was trained and is all zeros now: that is what
    ``torch.nan_to_num`` and ``clamp`` leave where Inf and NaN were. The file looks finite and is
    as broken as before.

    What to do: treat it as if the NaN were still there, and use an earlier checkpoint.
    """

    code = "CD206"
    severity = Severity.WARNING
    label = "sanitised values"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor, and one where a manifest says that it was done."""
        yield from self.from_problems(case)
        for tensor, stats in case.tensors(Role.MODEL, Role.EMA):
            if stats.saturated and not is_by_design(case, tensor, stats):
                largest = _largest(stats)
                yield self.finding(
                    tensor.fqn,
                    f"{stats.saturated} of {stats.numel} elements are exactly ±{largest:.6g}, "
                    f"{_LARGEST_OF.get(largest, 'the largest number of its type')}",
                    saturated=stats.saturated,
                    numel=stats.numel,
                    largest=largest,
                )
            elif not stats.max and self._was_zeroed(case, tensor, stats):
                yield self.finding(
                    tensor.fqn,
                    f"all {stats.numel} elements are zero; they were not in the checkpoint before",
                    numel=stats.numel,
                    zeroed=True,
                )

    @staticmethod
    def _was_zeroed(case: Case, tensor: TensorRecord, stats: TensorStats) -> bool:
        if stats.numel < 4 or stats.non_finite or not stats.min == stats.max == 0.0:
            return False
        if not _is_wide_float(tensor) or not is_trained(tensor.fqn):
            return False
        if _EMPTIED.search(tensor.fqn):
            return False
        before = _before(case, tensor.fqn)
        return before is not None and _largest(before) > 0.0


# Buffers that a forward pass fills and a script empties again.
_EMPTIED = re.compile(
    r"(^|[._])(hidden|hidden_state|state|memory|mems?|cache|queue|buffer|histogram|hist"
    r"|counts?|counter|cluster_size|usage|accumulator|accum|grad_accum)$",
    re.IGNORECASE,
)

_LARGEST_OF = {
    65504.0: "the largest float16",
    3.3895313892515355e38: "the largest bfloat16",
    3.4028234663852886e38: "the largest float32",
    1.7976931348623157e308: "the largest float64",
}


class InvalidRunningVar(Rule):
    """BatchNorm running_var invalid.

    The running variance of a normalisation layer is NaN, negative or beyond 1e10. In evaluation
    the layer divides by its root, so that the output is NaN or nearly zero, while training, which
    uses the variance of the batch, may look fine. That is one way to a good loss and an IoU of 0.
    A layer that normalises raw columns of a table may go beyond 1e10 and is left alone: its size
    tells, which no layer before it has.

    What to do: use an earlier checkpoint; where only the running statistics are broken, reset them
    and let some batches of training data pass in ``train()`` mode.
    """

    code = "CD207"
    severity = Severity.ERROR
    label = "running_var"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor."""
        variances = [
            (tensor, stats)
            for tensor, stats in case.tensors(Role.MODEL, Role.EMA)
            if tensor.fqn.endswith("running_var") and tensor.dtype_info.kind is Kind.FLOAT
        ]
        sizes = {
            role: _Sizes.of(tensor for tensor, _ in case.tensors(role) if len(tensor.shape) > 1)
            for role in ((Role.MODEL, Role.EMA) if variances else ())
        }
        found = [
            (tensor, stats, self._problem(stats, sizes[tensor.role])) for tensor, stats in variances
        ]
        rescue = Rescue.of(case) if any(problem for *_, problem in found) else Rescue()
        for tensor, stats, problem in found:
            if not problem:
                continue
            broken = stats.non_finite > 0 or (stats.min or 0.0) < 0.0
            yield self.finding(
                tensor.fqn,
                problem,
                severity=Severity.ERROR if broken else Severity.WARNING,
                remedy=f"{self.remedy()}{rescue.advice}",
                min=stats.min,
                max=stats.max,
                nan=stats.nan,
                inf=stats.inf,
                numel=stats.numel,
                **rescue.evidence,
            )

    @staticmethod
    def _problem(stats: TensorStats, sizes: _Sizes) -> str:
        """What is wrong with the variances; "" where nothing is."""
        if stats.non_finite:
            return f"{stats.non_finite} of {stats.numel} variances are not finite"
        if (stats.min or 0.0) < 0.0:
            return f"the smallest of {stats.numel} variances is {stats.min:.4g}"
        if _largest(stats) > _HUGE_VARIANCE and not sizes.read(stats.numel):
            return f"the largest of {stats.numel} variances is {stats.max:.4g}"
        return ""


_HUGE_VARIANCE = 1e10


@dataclass(frozen=True, slots=True)
class _Sizes:
    """How wide the layers of a model are: what they take, and what they give."""

    taken: frozenset[int]
    given: frozenset[int]
    embeds: bool

    @classmethod
    def of(cls, matrices: Iterable[TensorRecord]) -> _Sizes:
        """The sizes that these weights tell."""
        matrices = list(matrices)
        return cls(
            taken=frozenset(tensor.shape[1] for tensor in matrices),
            given=frozenset(tensor.shape[0] for tensor in matrices),
            embeds=any("emb" in tensor.fqn.lower() for tensor in matrices),
        )

    def read(self, channels: int) -> bool:
        """Whether a norm of so many channels reads the input itself: no layer gives as many.

        A table's columns come as they are, and an income has a variance beyond any activation's.
        Embeddings of the other columns may stand beside them where the first layer takes them.
        """
        beside = self.embeds and max(self.taken, default=0) > channels
        return channels not in self.given and (channels in self.taken or beside)
