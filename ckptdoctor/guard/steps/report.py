"""What the guard tells of a step, and the words for what it may do."""

from __future__ import annotations

import enum
import math

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Action", "GuardMode", "OnSpike", "StepReport"]


class Action(enum.Enum):
    """What became of a step."""

    STEP = "step"  # nothing was wrong: the optimizer stepped
    SKIP = "skip"  # the step was dropped, training goes on
    ROLLBACK = "rollback"  # the step was dropped, and the last snapshot came back
    RAISE = "raise"  # the step was dropped, and NonFiniteError ends the loop


class OnSpike(enum.Enum):
    """What is done about a gradient norm far above the usual one."""

    WARN = "warn"
    SKIP = "skip"
    ROLLBACK = "rollback"  # skip, and go back where norm or loss stay up for some steps
    IGNORE = "ignore"


class GuardMode(enum.Enum):
    """When the host learns what a step was like."""

    BLOCK = "block"  # at once: the host waits for the device
    ASYNC = "async"  # one step late: the host waits for nothing, the device drops a bad step itself


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What was seen in one step.

    Args:
        step: counted from 1, over all calls of ``TrainingGuard.step``.
        loss: as given to ``step``, plus nothing of what ``observe`` was given; None if not given.
        grad_norm: L2 norm over all gradients of the step, of all ranks where they are sharded,
            unscaled and before clipping.
        finite: the loss, the losses that were observed, and every gradient, on every rank.
        spike: the norm stands out from those before it.
        loss_spike: the loss does, over all ranks.
        action: what was done.
        bad_parameters: names of parameters on this rank whose gradient holds NaN or Inf. Empty
            where the loss alone was bad, or another rank.
        loss_scale: of the GradScaler, before this step changed it; None without one.
    """

    step: int
    loss: float | None
    grad_norm: float
    finite: bool
    spike: bool
    action: Action
    loss_spike: bool = False
    bad_parameters: tuple[str, ...] = ()
    loss_scale: float | None = None

    def describe(self) -> str:
        """What is wrong with the step, in one sentence; "" if nothing is."""
        loss = "no loss given" if self.loss is None else f"loss {self.loss:.6g}"
        if self.finite and self.spike:
            return f"step {self.step}: gradient norm {self.grad_norm:.4g} is a spike ({loss})"
        if self.finite:
            return f"step {self.step}: {loss} is a spike" if self.loss_spike else ""
        if not self.bad_parameters and math.isfinite(self.grad_norm + (self.loss or 0.0)):
            return f"step {self.step}: non-finite loss of another rank or micro-batch ({loss} here)"
        if not self.bad_parameters:
            return f"step {self.step}: non-finite ({loss}, gradient norm {self.grad_norm:.4g})"
        shown = ", ".join(self.bad_parameters[:3])
        more = len(self.bad_parameters) - 3
        rest = f" and {more} more" if more > 0 else ""
        return f"step {self.step}: non-finite gradients ({loss}) of {shown}{rest}"
