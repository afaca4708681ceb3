"""What the guard says while it works: a log line each time, a warning now and then."""

from __future__ import annotations

import logging
import warnings

from ckptdoctor.guard.steps.report import Action, StepReport

__all__ = ["Announcer"]

_LOG = logging.getLogger("ckptdoctor.guard")
_LEAST_SCALE = 1.0  # below it fp16 gradients vanish: something else than their range is wrong


class Announcer:
    """Warns of the 1st, 2nd, 4th, 8th ... time, so that a notebook stays readable."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def tell(self, report: StepReport, *, backs_off: bool, warn_of_spikes: bool) -> None:
        """Say what is worth saying of a step.

        Args:
            report: the step.
            backs_off: a GradScaler is looking for its scale, as it does in every healthy run.
            warn_of_spikes: else they are only logged.
        """
        if backs_off:
            _LOG.info("%s; the scaler backs off from %s", report.describe(), report.loss_scale)
        elif not report.finite or report.action is Action.ROLLBACK:
            _LOG.warning("%s: %s", report.describe(), report.action.value)
            if report.action is not Action.RAISE:
                self._warn("bad", f"{report.describe()}: {report.action.value}")
        elif report.spike or report.loss_spike:
            _LOG.info("%s: %s", report.describe(), report.action.value)
            if report.spike and warn_of_spikes:
                self._warn("spike", f"{report.describe()}: {report.action.value}")
        if report.loss_scale is not None and report.loss_scale < _LEAST_SCALE:
            self._warn(
                "scale",
                f"step {report.step}: the loss scale fell to {report.loss_scale:g}; overflow does "
                "not explain that, look for NaN in the data or the model",
            )

    def tell_rollback(self, step: int, lr_scale: float) -> None:
        """Say where the training went back to."""
        message = "back to the snapshot after step %d; the learning rate is %g of what it was"
        _LOG.warning(message, step, lr_scale)

    def _warn(self, kind: str, message: str) -> None:
        count = self._seen[kind] = self._seen.get(kind, 0) + 1
        if count & (count - 1) == 0:
            warnings.warn(message, RuntimeWarning, stacklevel=2)
