"""The guard: looks at the loss and the gradients before the optimizer steps.

guard = TrainingGuard(model, optimizer)
...
loss.backward()
guard.step(loss)  # in place of optimizer.step()
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from ckptdoctor.guard.steps.averaging import Averager
from ckptdoctor.guard.steps.course import Course, Decide
from ckptdoctor.guard.steps.distributed import Ranks, ranks_of, whole
from ckptdoctor.guard.steps.names import names_of
from ckptdoctor.guard.steps.norms import Gradients, gather, joined, scale
from ckptdoctor.guard.steps.optimizers import as_list, device_of, parameters_of
from ckptdoctor.guard.steps.report import Action, GuardMode, OnSpike, StepReport
from ckptdoctor.guard.steps.rollback import Rollback
from ckptdoctor.guard.steps.running_stats import RunningStats
from ckptdoctor.guard.steps.scaling import Scaling
from ckptdoctor.guard.steps.spikes import SpikeDetector
from ckptdoctor.guard.steps.stepping import step_known, step_unknown
from ckptdoctor.guard.steps.verdict import Loss, PendingVerdict, Seen, Verdict, judge, one_number

__all__ = ["TrainingGuard"]


@dataclasses.dataclass(slots=True, kw_only=True)
class _Pending:
    verdict: PendingVerdict
    step: int
    parameters: list[torch.nn.Parameter]
    norms: SpikeDetector
    losses: SpikeDetector


class TrainingGuard:
    """Keeps NaN and Inf from weights, optimizer state, running statistics and EMA.

    Args:
        model: as it is trained (wrapped, sharded or compiled); names parameters, and is what a
            snapshot holds. Several models: ``torch.nn.ModuleDict``.
        optimizer: one, or a list of them.
        action: what to do about a bad step: "skip", "raise", "rollback", or a callable that gets
            the ``StepReport`` and returns one of these.
        max_norm: clip gradients to this L2 norm, which is known anyway.
        mode: "block" or "async"; by default the latter on CUDA.
        scaler: a ``torch.amp.GradScaler``; ``step`` then unscales, steps and updates it.
        scheduler: one or a list, for ``rollback`` alone; ``step`` does not step it.
        ema: an ``AveragedModel`` or a callable that gets the model; called after good steps only.
        on_spike: "warn" of, "skip" or "ignore" a gradient norm far above the usual; "rollback"
            skips it, and goes back after five steps in a row with a norm or a loss like that.
        snapshot_every: good steps between two snapshots; taken only where "rollback" may happen.
        snapshot_device: where they lie; by default in the memory of the host.
        rollback_lr_factor: the learning rate is multiplied by it at each rollback.
        max_rollbacks: after so many the next one raises instead.
        max_consecutive: so many bad steps in a row raise, whatever the action.
        process_group: ranks that must agree; by default all.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer | Iterable[torch.optim.Optimizer],
        *,
        action: Action | str | Decide = Action.SKIP,
        max_norm: float | None = None,
        mode: GuardMode | str | None = None,
        scaler: torch.amp.GradScaler | None = None,
        scheduler: Any = None,
        ema: Any = None,
        on_spike: OnSpike | str = OnSpike.WARN,
        snapshot_every: int = 100,
        snapshot_device: torch.device | str | None = "cpu",
        rollback_lr_factor: float = 0.5,
        max_rollbacks: int = 3,
        max_consecutive: int = 25,
        process_group: Any = None,
    ) -> None:
        if isinstance(optimizer, torch.optim.Optimizer):
            optimizer = [optimizer]
        self._optimizers = list(optimizer)
        self._mode = None if mode is None else GuardMode(mode)
        self._max_norm = max_norm
        self._scaling = Scaling(scaler) if scaler is not None and scaler.is_enabled() else None
        self._ranks: Ranks = ranks_of(model, process_group)
        self._names = names_of(model, self._optimizers)
        self._stats = RunningStats(model)
        averager = Averager(ema, model)
        rollback = Rollback(
            modules=[model, *averager.modules],
            stats=self._stats,
            optimizers=self._optimizers,
            schedulers=as_list(scheduler),
            scaling=self._scaling,
            every=snapshot_every,
            device=None if snapshot_device is None else torch.device(snapshot_device),
            lr_factor=rollback_lr_factor,
            most=max_rollbacks,
        )
        self._course = Course(
            action=action,
            on_spike=OnSpike(on_spike),
            max_consecutive=max_consecutive,
            rollback=rollback,
            averager=averager,
            ranks=self._ranks,
        )
        self._detectors: dict[str, SpikeDetector] = {}
        self._observed: torch.Tensor | None = None
        self._pending: _Pending | None = None
        self._stepped: set[int] = set()
        self.steps = 0

    @property
    def skipped(self) -> int:
        """Steps that were dropped, those that led to a rollback or an error included."""
        return self._course.skipped

    @property
    def spikes(self) -> int:
        """Gradient norms that stood out."""
        return self._course.spikes

    @property
    def rollbacks(self) -> int:
        """How many times the training went back to a snapshot."""
        return self._course.rollback.count

    @property
    def last(self) -> StepReport | None:
        """What was last seen of a step; None before that."""
        return self._course.last

    @torch.no_grad()
    def observe(self, loss: Loss) -> None:
        """Note the loss of a micro-batch whose gradients are accumulated into the next step.

        One bad micro-batch makes the whole step bad. Call it for all but the last, whose loss goes
        to ``step``.
        """
        number = one_number(loss, device_of(self._optimizers))
        self._observed = number if self._observed is None else self._observed + number

    @torch.no_grad()
    def step(
        self,
        loss: Loss = None,
        *,
        optimizer: torch.optim.Optimizer | None = None,
        grad_norm: Loss = None,
        update_scaler: bool = True,
    ) -> StepReport | None:
        """Step the optimizer, unless the loss or a gradient is not finite.

        Args:
            loss: of this batch, unscaled; a tensor of one element is not waited for in "async".
            optimizer: which of several is to step; by default all of them, in one decision.
            grad_norm: what ``clip_grad_norm_`` returned; then no gradient is read again.
            update_scaler: False if other optimizers still have to step with the same loss scale.

        Returns:
            What was seen: in "block" of this step, in "async" of the one before, None at first.

        Raises:
            NonFiniteError: the action is "raise", or all else has been tried. The weights are
                those before the bad step.
        """
        chosen = self._optimizers if optimizer is None else [optimizer]
        norms, losses = self._detectors_of(chosen)
        if self._settle() is Action.ROLLBACK:  # these gradients are of weights that went away
            self._drop_unseen()
            return self.last
        self.steps += 1
        parts, verdict = self._judge(chosen, norms, loss, grad_norm)
        pending = _Pending(
            verdict=PendingVerdict(
                verdict, has_loss=loss is not None, has_scale=self._scaling is not None
            ),
            step=self.steps,
            parameters=[parameter for part in parts for parameter in part.parameters],
            norms=norms,
            losses=losses,
        )
        if self._waits(chosen):
            seen = pending.verdict.read()
            self._step_seen(chosen, parts, seen)
            self._update_scaler(chosen, verdict, now=update_scaler)
            self._act(seen, pending)
        else:
            self._step_unseen(chosen, parts, verdict)
            self._update_scaler(chosen, verdict, now=update_scaler)
            self._pending = pending
        return self.last

    @torch.no_grad()
    def check(
        self,
        loss: Loss = None,
        *,
        optimizer: torch.optim.Optimizer | None = None,
        loss_scale: float | None = None,
    ) -> StepReport:
        """Look at a step that somebody else is about to take: a framework, say.

        A bad step is made harmless by taking the gradients away (``None``): torch's optimizers pass
        over such parameters. Call it when gradients are complete and unscaled. Always waits.

        Args:
            loss: of this batch; None if it is not known, as the gradients tell as well.
            optimizer: whose gradients; by default those of all.
            loss_scale: of a GradScaler that belongs to the framework, and skips by itself.

        Returns:
            What was seen. ``action`` is not STEP where the gradients were taken away.

        Raises:
            NonFiniteError: as ``step``.
        """
        chosen = self._optimizers if optimizer is None else [optimizer]
        norms, losses = self._detectors_of(chosen)
        self._settle()
        self.steps += 1
        parts, verdict = self._judge(chosen, norms, loss, None, loss_scale)
        scaled = loss_scale is not None or self._scaling is not None
        pending = _Pending(
            verdict=PendingVerdict(verdict, has_loss=loss is not None, has_scale=scaled),
            step=self.steps,
            parameters=[parameter for part in parts for parameter in part.parameters],
            norms=norms,
            losses=losses,
        )
        seen = pending.verdict.read()
        if seen.drop:
            self._stats.put_back()
            for parameter in pending.parameters:
                parameter.grad = None
        else:
            if self._max_norm is not None and seen.norm > self._max_norm:
                scale(joined(parts), self._max_norm / seen.norm)
            self._stats.keep()
        self._act(seen, pending)
        return self._reported()

    @torch.no_grad()
    def flush(self) -> StepReport | None:
        """Read what is still on its way, and act on it: before an evaluation, and at the end.

        Returns:
            The report of the last step.

        Raises:
            NonFiniteError: as ``step`` would have.
        """
        self._settle()
        return self.last

    def state_dict(self) -> dict[str, Any]:
        """Counters and recent norms, plain numbers, to be saved beside the model."""
        self.flush()
        return {
            "version": 1,
            "steps": self.steps,
            "course": self._course.state_dict(),
            "detectors": {key: one.state_dict() for key, one in self._detectors.items()},
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another guard was; model and optimizer are loaded before."""
        self._pending = self._observed = None
        self.steps = int(state["steps"])
        self._course.load_state_dict(state["course"])
        self._detectors = {key: SpikeDetector() for key in state["detectors"]}
        for key, detector in self._detectors.items():
            detector.load_state_dict(state["detectors"][key])
        self._stats.keep()

    def _detectors_of(
        self, chosen: list[torch.optim.Optimizer]
    ) -> tuple[SpikeDetector, SpikeDetector]:
        """Those of norms and of losses; generator and discriminator have nothing in common."""
        places = [at for at, one in enumerate(self._optimizers) if any(one is c for c in chosen)]
        if len(places) != len(chosen):
            raise ValueError("this optimizer is not one of those that the guard was made with")
        key = ",".join(map(str, places))
        norms, losses = (
            self._detectors.setdefault(f"{kind} {key}", SpikeDetector())
            for kind in ("norms", "losses")
        )
        return norms, losses

    def _waits(self, chosen: list[torch.optim.Optimizer]) -> bool:
        """Whether this step is looked at before it is taken.

        The first one of each optimizer always is: torch's fused SGD leaves its momentum
        uninitialised memory when its very first step is told of an Inf.
        """
        mode = self._mode
        if mode is None:
            mode = GuardMode.ASYNC if device_of(chosen).type == "cuda" else GuardMode.BLOCK
        return mode is GuardMode.BLOCK or not {id(one) for one in chosen} <= self._stepped

    def _judge(
        self,
        chosen: list[torch.optim.Optimizer],
        norms: SpikeDetector,
        loss: Loss,
        grad_norm: Loss,
        loss_scale: float | None = None,
    ) -> tuple[list[Gradients], Verdict]:
        device = device_of(chosen)
        scale_now = None if loss_scale is None else one_number(loss_scale, device)
        if self._scaling is not None:
            for optimizer in chosen:
                self._scaling.unscale(optimizer)
        ranks = self._ranks
        parts = [gather(parameters_of(one), ranks.size, sharded=ranks.sharded) for one in chosen]
        verdict = judge(
            joined(parts),
            ranks,
            loss=one_number(loss, device),
            observed=self._observed,
            grad_norm=None if grad_norm is None else one_number(whole(grad_norm), device),
            limit=norms.limit if self._course.skips_spikes else math.inf,
            loss_scale=scale_now if self._scaling is None else self._scaling.scale,
        )
        self._observed = None
        return parts, verdict

    def _step_seen(
        self,
        chosen: list[torch.optim.Optimizer],
        parts: list[Gradients],
        seen: Seen,
    ) -> None:
        if seen.drop:
            self._stats.put_back()
            return
        step_known(chosen, parts, seen.norm, max_norm=self._max_norm, scaling=self._scaling)
        self._stats.keep()
        self._stepped.update(id(one) for one in chosen)

    def _step_unseen(
        self, chosen: list[torch.optim.Optimizer], parts: list[Gradients], verdict: Verdict
    ) -> None:
        if self._scaling is not None:
            for optimizer in chosen:
                self._scaling.mark(optimizer, verdict.drop)
        step_unknown(chosen, parts, verdict, max_norm=self._max_norm, scaling=self._scaling)
        self._stats.settle(verdict.drop)

    def _update_scaler(
        self, chosen: list[torch.optim.Optimizer], verdict: Verdict, *, now: bool
    ) -> None:
        if self._scaling is None:
            return
        for optimizer in chosen:
            self._scaling.mark(optimizer, verdict.bad)  # a spike is no reason to back off
        if now:
            self._scaling.update()

    def _drop_unseen(self) -> None:
        self.steps += 1
        self._course.skipped += 1
        self._observed = None
        if self._scaling is not None:
            self._scaling.update()

    def _reported(self) -> StepReport:
        if self._course.last is None:  # pragma: no cover  (it was just made)
            raise RuntimeError("no step was seen")
        return self._course.last

    def _settle(self) -> Action | None:
        """Act on the step before, if nobody did yet."""
        pending, self._pending = self._pending, None
        return None if pending is None else self._act(pending.verdict.read(), pending)

    def _act(self, seen: Seen, pending: _Pending) -> Action:
        bad = tuple(self._names[id(pending.parameters[at])] for at in seen.bad_gradients)
        return self._course.follow(
            seen, pending.step, bad, norms=pending.norms, losses=pending.losses
        )
