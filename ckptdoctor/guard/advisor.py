"""What to do about a metric that gets worse, while there is still something to save.

The rules are rules of thumb, those of ``history`` and ``plan``: three epochs in a row each worse
than the one before ask for eight tenths of the learning rate; half of the best lost at once, or
NaN, for half of it. Both with a short warm-up, from the best checkpoint.
"""

from __future__ import annotations

import enum
import logging
import math
from collections.abc import Mapping
from typing import Any

import torch

from ckptdoctor.guard.learning_rate import scale_learning_rate
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Mode

__all__ = ["Advice", "LRAdvisor", "Reason"]

_LOG = logging.getLogger("ckptdoctor.guard")
_DECLINING_EPOCHS = 3
_WARMUP_EPOCHS = 5
_KEPT_OF_BEST = 0.5
_TIMES_BEST_LOSS = 10.0


class Reason(enum.Enum):
    """What the metric did."""

    DECLINE = "decline"
    COLLAPSE = "collapse"

    @property
    def lr_factor(self) -> float:
        """By which to multiply the learning rate."""
        return 0.8 if self is Reason.DECLINE else 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to change, and why.

    Args:
        reason: what the metric did.
        epoch: at which it was noticed.
        since: the first epoch that was worse than the one before.
        best_epoch: whose checkpoint to go on from; None if no metric was ever finite.
        lr_factor: by which to multiply the learning rate.
        warmup_epochs: over which to raise it again, after a restart.
        applied: the learning rate was changed already.
    """

    reason: Reason
    epoch: int
    since: int
    best_epoch: int | None
    lr_factor: float
    warmup_epochs: int = _WARMUP_EPOCHS
    applied: bool = False

    def describe(self) -> str:
        """The advice in a sentence or two."""
        what = "collapsed" if self.reason is Reason.COLLAPSE else "is declining"
        where = "" if self.best_epoch is None else f" from epoch {self.best_epoch}"
        what_to_do = (
            f"the learning rate was multiplied by {self.lr_factor:g}"
            if self.applied
            else f"stop, and restart{where} with {self.lr_factor:g} times the learning rate and "
            f"{self.warmup_epochs} epochs of warm-up"
        )
        return f"epoch {self.epoch}: the metric {what} since epoch {self.since}; {what_to_do}"


class LRAdvisor:
    """Reads the metric after each epoch.

    Args:
        optimizer: whose learning rate it is; one, or a list.
        scheduler: whose stored rates must change along; one, a list, or None.
        mode: "max" for a score, "min" for a loss.
        act: multiply the learning rate, once a decline or collapse; else only advise.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer | list[torch.optim.Optimizer],
        scheduler: Any = None,
        *,
        mode: Mode | str = Mode.MAX,
        act: bool = False,
    ) -> None:
        self._optimizers = optimizer if isinstance(optimizer, list) else [optimizer]
        several = isinstance(scheduler, list | tuple)
        self._schedulers = list(scheduler) if several else [] if scheduler is None else [scheduler]
        self._mode = Mode(mode)
        self._act = act
        self._epoch = -1
        self._last: float | None = None
        self._best: float | None = None
        self._best_epoch: int | None = None
        self._worse: list[int] = []  # epochs in a row, each worse than the one before
        self._fallen_since: int | None = None

    def update(self, metric: torch.Tensor | float, epoch: int | None = None) -> Advice | None:
        """Note the metric of an epoch; the advice, if it is new.

        Args:
            metric: of this epoch itself, no running best.
            epoch: its number; by default one more than the last.
        """
        value = float(metric)
        self._epoch = self._epoch + 1 if epoch is None else epoch
        reason = self._reason(value)
        if math.isfinite(value):
            self._last = value
            if self._best is None or self._is_better(value, self._best):
                self._best, self._best_epoch = value, self._epoch
        return None if reason is None else self._advise(reason)

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` goes on from: plain values."""
        return {
            "epoch": self._epoch,
            "last": self._last,
            "best": self._best,
            "best_epoch": self._best_epoch,
            "worse": list(self._worse),
            "fallen_since": self._fallen_since,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another advisor was."""
        self._epoch, self._last = state["epoch"], state["last"]
        self._best, self._best_epoch = state["best"], state["best_epoch"]
        self._worse, self._fallen_since = list(state["worse"]), state["fallen_since"]

    def _is_better(self, value: float, other: float) -> bool:
        return value > other if self._mode is Mode.MAX else value < other

    def _reason(self, value: float) -> Reason | None:
        """What is new with this epoch."""
        if self._is_fallen(value):
            self._worse = []
            if self._fallen_since is not None:
                return None
            self._fallen_since = self._epoch
            return Reason.COLLAPSE
        self._fallen_since = None
        if self._last is None or not self._is_better(self._last, value):
            self._worse = []
            return None
        self._worse.append(self._epoch)
        return Reason.DECLINE if len(self._worse) == _DECLINING_EPOCHS else None

    def _is_fallen(self, value: float) -> bool:
        if not math.isfinite(value):
            return True
        if self._best is None or self._best <= 0.0:
            return False
        if self._mode is Mode.MAX:
            return value < _KEPT_OF_BEST * self._best
        return value > _TIMES_BEST_LOSS * self._best

    def _advise(self, reason: Reason) -> Advice:
        if self._act:
            scale_learning_rate(self._optimizers, self._schedulers, reason.lr_factor)
        advice = Advice(
            reason=reason,
            epoch=self._epoch,
            since=self._epoch if reason is Reason.COLLAPSE else self._worse[0],
            best_epoch=self._best_epoch,
            lr_factor=reason.lr_factor,
            applied=self._act,
        )
        _LOG.warning("%s", advice.describe())
        return advice
