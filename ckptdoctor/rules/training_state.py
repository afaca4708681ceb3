"""CD3xx: what training needs beside the weights: optimizer, EMA, scaler, scheduler."""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from ckptdoctor.checkpoint import Checkpoint, Role, Scalar, TensorRecord, TensorStats
from ckptdoctor.finding import Finding, Severity
from ckptdoctor.histories import AlarmKind, History
from ckptdoctor.rules.averaged import tails
from ckptdoctor.rules.base import Case, Rule
from ckptdoctor.rules.by_design import is_by_design
from ckptdoctor.runs.samples import Distance, SampledTensor, distance

__all__ = [
    "LossScaleCollapsed",
    "NegativeSecondMoment",
    "NonFiniteOptimizer",
    "OptimizerMismatch",
    "UnsoundEma",
]


# What an update is divided by, once its root is taken: Adam, RMSprop, Adagrad.
_DIVISORS = ("exp_avg_sq", "square_avg", ".sum")
_RATES = re.compile(
    r"(^|\.)(param_groups\.\d+\.(lr|initial_lr|weight_decay)|(base_lrs|_last_lr)\.\d+)$"
)


class NonFiniteOptimizer(Rule):
    """Non-finite optimizer state.

    NaN in a momentum buffer (``exp_avg``, ``momentum_buffer``) poisons its weight at the next step.
    Inf in ``exp_avg_sq`` makes no NaN: it divides every later update to zero and freezes that
    weight in silence. A learning rate that is not a number poisons all of them. The weights in the
    same file may be perfectly sound.

    What to do: keep the weights and start the optimizer afresh: do not load its state, and warm
    the learning rate up again.
    """

    code = "CD301"
    severity = Severity.ERROR
    label = "optimizer state"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor, and one for each stored rate."""
        for tensor, stats in case.non_finite(Role.OPTIMIZER, Role.SCHEDULER):
            if tensor.role is Role.SCHEDULER and is_by_design(case, tensor, stats):
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
        for path, value in case.checkpoint.scalars.items():
            if isinstance(value, float) and not math.isfinite(value) and _RATES.search(path):
                name = path.rpartition(".")[2] if "param_groups" in path else "learning rate"
                yield self.finding(path, f"the stored {name} is {value}", value=value)


class NegativeSecondMoment(Rule):
    """Negative second moment.

    A running average of squared gradients (``exp_avg_sq``, ``square_avg``, Adagrad's ``sum``) has
    elements below zero. A square is never negative, so the state was damaged or edited; the next
    step takes its root and gets NaN.

    What to do: keep the weights and start the optimizer afresh: do not load its state, and warm
    the learning rate up again.
    """

    code = "CD302"
    severity = Severity.ERROR
    label = "negative moment"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor."""
        for tensor, stats in case.tensors(Role.OPTIMIZER):
            if tensor.fqn.endswith(_DIVISORS) and stats.min is not None and stats.min < 0.0:
                yield self.finding(
                    tensor.fqn,
                    f"the smallest of {stats.numel} averages of squares is {stats.min:.4g}",
                    min=stats.min,
                    numel=stats.numel,
                )


class OptimizerMismatch(Rule):
    """Optimizer does not match the parameters.

    The optimizer's groups and its state contradict each other, or it holds moments of a shape that
    no weight in this file has. torch matches both by their order alone: such a file is refused by
    ``load_state_dict``, fails at the next step, or gives a weight the moments of another. Usual
    causes: the model was changed before resuming, or parts of two runs were put together.

    What to do: load the weights only and start the optimizer afresh, or use a checkpoint that was
    written before the model was changed.
    """

    code = "CD303"
    severity = Severity.WARNING
    label = "other optimizer"

    def check(self, case: Case) -> Iterator[Finding]:
        """At most one finding for each optimizer and kind of contradiction."""
        for root, optimizer in _optimizers(case.checkpoint).items():
            yield from self._groups(root, optimizer)
            yield from self._shapes(case, root, optimizer)

    def _groups(self, root: str, optimizer: _Optimizer) -> Iterator[Finding]:
        listed = Counter(optimizer.listed)
        twice = [key for key, count in listed.items() if count > 1]
        stray = [key for key in optimizer.shapes if key not in listed]
        subject = f"{root}param_groups"
        if twice:
            yield self.finding(
                subject,
                f"{len(twice)} parameters stand in two groups, the first is {twice[0]}",
                twice=twice[:20],
            )
        if stray and listed:
            yield self.finding(
                subject,
                f"the state has {len(optimizer.shapes)} parameters and the groups list "
                f"{len(listed)}; {len(stray)} stand in no group, the first is {stray[0]}",
                state=len(optimizer.shapes),
                listed=len(listed),
                stray=stray[:20],
            )

    def _shapes(self, case: Case, root: str, optimizer: _Optimizer) -> Iterator[Finding]:
        """Shapes of moments that no weight has; flattened and sharded states are left aside."""
        weights = Counter(
            tensor.shape
            for tensor in case.checkpoint.tensors
            if tensor.role in (Role.MODEL, Role.OTHER)
        )
        shapes = Counter(optimizer.shapes.values())
        if not weights or not any(len(shape) > 1 for shape in shapes):
            return
        extra = shapes - weights
        if extra:
            shape, count = extra.most_common(1)[0]
            key = next(key for key, found in optimizer.shapes.items() if found == shape)
            shown = "×".join(map(str, shape)) or "scalar"
            have = weights[shape]
            yield self.finding(
                f"{root}state.{key}",
                f"{count + have} moments have the shape {shown}, and {have or 'no'} "
                f"weights of this file do; {extra.total()} of {len(optimizer.shapes)} moments "
                "have no weight",
                shape=list(shape),
                unmatched=extra.total(),
                state=len(optimizer.shapes),
            )


class _Optimizer:
    """What one optimizer's state says of its parameters."""

    def __init__(self) -> None:
        self.listed: list[str] = []
        self.shapes: dict[str, tuple[int, ...]] = {}


# Buffers as large as their parameter, in torch.optim and its closest relatives.
_LIKE_PARAMETER = frozenset(
    """
    exp_avg exp_avg_sq max_exp_avg_sq momentum_buffer square_avg acc_delta exp_inf sum grad_avg
    prev ax
    """.split()
)
_STATE = re.compile(r"^(|.*\.)state\.([^.]+)\.([^.]+)$")
_LISTED = re.compile(r"^(|.*\.)param_groups\.\d+\.params\.\d+$")


def _optimizers(checkpoint: Checkpoint) -> Mapping[str, _Optimizer]:
    """By the path in front of ``state`` and ``param_groups``, dot included."""
    found: dict[str, _Optimizer] = {}
    for tensor in checkpoint.tensors:
        if tensor.role is Role.OPTIMIZER and (place := _place_of_moment(tensor.fqn)) is not None:
            root, key = place
            if root not in found:
                found[root] = _Optimizer()
            found[root].shapes.setdefault(key, tensor.shape)
    for path, value in checkpoint.scalars.items():
        if "param_groups" in path and (match := _LISTED.match(path)):
            found.setdefault(match[1], _Optimizer()).listed.append(str(value))
    return found


@functools.lru_cache(maxsize=1 << 15)
def _place_of_moment(fqn: str) -> tuple[str, str] | None:
    """The optimizer and the parameter of a buffer as large as that; None of any other tensor."""
    match = _STATE.match(fqn)
    return (match[1], match[2]) if match and match[3] in _LIKE_PARAMETER else None


class LossScaleCollapsed(Rule):
    """Loss scale collapsed.

    A gradient scaler halves its scale after every step with NaN or Inf in the gradients. A scale
    that is not finite, zero or below 1 means that they never stopped, so that every step is skipped
    or its gradients vanish in float16. A warning: a scale that was halved nine times or more from
    torch's 65536 and has not recovered since. A log tells the same: step after step overflows, and
    the scale falls to 1 and stays there.

    What to do: start the scaler afresh, do not load its state; and look for what overflows: the
    learning rate, a loss without a bound, a layer that needs float32.
    """

    code = "CD304"
    severity = Severity.ERROR
    label = "loss scale"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor, and one for a scale that is a plain number, as in torch's own."""
        for tensor, stats in case.non_finite(Role.SCALER):
            yield self.finding(
                tensor.fqn, "the loss scale is not finite", nan=stats.nan, inf=stats.inf
            )
        tensors = {tensor.fqn for tensor in case.checkpoint.tensors}
        scalars = case.checkpoint.scalars
        for path, value, clean_steps in _scales(scalars):
            broken = not _LEAST_SCALE <= value < math.inf
            if broken and not (path in tensors and not math.isfinite(value)):
                yield self.finding(
                    path,
                    f"the loss scale is {value:.4g}",
                    loss_scale=value,
                    clean_steps=clean_steps,
                )
            elif not broken and value <= _LOW_SCALE and clean_steps < _RECOVERED_STEPS:
                halved = math.log2(_START_SCALE / value)
                yield self.finding(
                    path,
                    f"the loss scale is {value:.4g}, halved {halved:.0f} times from its usual "
                    f"start of {_START_SCALE}; {clean_steps} steps went well since the last time",
                    severity=Severity.WARNING,
                    loss_scale=value,
                    clean_steps=clean_steps,
                )

    def check_history(self, history: History) -> Iterator[Finding]:
        """At most one finding, on a scale that a log shows at its end."""
        last = [a for a in history.alarms if a.kind is AlarmKind.SCALE and a.lasting][-1:]
        for alarm in last:
            yield self.finding(
                "run",
                f"{alarm.message} in the log; steps overflow and are skipped",
                epoch=history.epoch_at(alarm.at),
                loss_scale=alarm.value,
            )


_LEAST_SCALE = 1.0  # below it a scaler makes gradients smaller
_START_SCALE = 65536  # torch.amp.GradScaler(init_scale=2.0**16)
_LOW_SCALE = 128.0
_RECOVERED_STEPS = 1000  # half of torch's growth_interval


def _scales(scalars: Mapping[str, Scalar]) -> Iterator[tuple[str, float, int]]:
    """Each loss scale and the clean steps since it changed: torch's GradScaler, and apex's."""
    for path, value in scalars.items():
        if not path.endswith("scale") or isinstance(value, str | bool | None):
            continue
        holder, _, key = path.rpartition(".")
        beside = f"{holder}." if holder else ""
        if key == "scale" and beside + "growth_factor" in scalars:
            steps = scalars.get(beside + "_growth_tracker")
        elif key == "loss_scale" and beside + "unskipped" in scalars:
            steps = scalars[beside + "unskipped"]
        else:
            continue
        yield path, float(value), steps if isinstance(steps, int) else 0


class UnsoundEma(Rule):
    """EMA non-finite or far from the model.

    The averaged copy of the weights holds NaN or Inf, and an average never forgets a NaN: an
    error. Or it lies farther from the model than the model lies from zero: a warning, since then
    one of the two is not what it was. Estimated from a sample of every tensor.

    What to do: keep the weights and start the average afresh from them; if it is the model that
    moved away, use the average, or an earlier checkpoint.
    """

    code = "CD305"
    severity = Severity.ERROR
    label = "EMA"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a tensor that is not finite, or one for the distance."""
        finite = True
        for tensor, stats in case.non_finite(Role.EMA):
            if not is_by_design(case, tensor, stats):
                finite = False
                yield self.finding(
                    tensor.fqn,
                    f"{stats.nan} NaN and {stats.inf} Inf in {stats.numel} elements",
                    nan=stats.nan,
                    inf=stats.inf,
                    numel=stats.numel,
                )
        if finite and (apart := _from_model(case)) is not None and apart.relative > _FAR:
            yield self.finding(
                apart.farthest,
                f"the EMA is {apart.relative:.3g} times the norm of the weights away from them; "
                f"{apart.farthest} differs most",
                severity=Severity.WARNING,
                relative=apart.relative,
                growth=apart.growth,
            )


# A model that has left its start behind lies at 1 from an average that has not moved yet; weights
# of another run lie at the square root of 2.
_FAR = 1.25


def _from_model(case: Case) -> Distance | None:
    """How far the EMA lies from the model; None where their names do not match."""
    ema = list(case.tensors(Role.EMA))
    if not ema:
        return None
    model: dict[str, tuple[TensorRecord, TensorStats]] = {}
    for tensor, stats in case.tensors(Role.MODEL):
        if stats.non_finite:
            return None
        model.update((name, (tensor, stats)) for name in tails(tensor.fqn, 2))
    pairs = []
    for tensor, stats in ema:
        matches = (model[name] for name in tails(tensor.fqn, 4) if name in model)
        twin, figures = next(matches, (None, None))
        if twin is None or figures is None or twin.shape != tensor.shape:
            continue
        if twin.dtype == tensor.dtype:
            pairs.append(
                SampledTensor(tensor.fqn, tensor.dtype, tensor.numel, figures.sample, stats.sample)
            )
    return distance(pairs) if 2 * len(pairs) > len(ema) else None
