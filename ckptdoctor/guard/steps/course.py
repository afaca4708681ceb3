"""What is done about a step once it was seen; every rank comes to the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ckptdoctor.errors import NonFiniteError
from ckptdoctor.guard.steps.announce import Announcer
from ckptdoctor.guard.steps.averaging import Averager
from ckptdoctor.guard.steps.distributed import Ranks
from ckptdoctor.guard.steps.report import Action, OnSpike, StepReport
from ckptdoctor.guard.steps.rollback import Rollback
from ckptdoctor.guard.steps.spikes import SpikeDetector
from ckptdoctor.guard.steps.verdict import Seen

__all__ = ["Course", "Decide"]

Decide = Callable[[StepReport], Action | str]
_UNREST = 5  # steps in a row, each a spike of norm or loss, are an explosion
_ORDER = (Action.SKIP, Action.ROLLBACK, Action.RAISE)  # of several ranks the last one is taken


class Course:
    """Decides, counts, and carries out what concerns more than the optimizer.

    Args:
        action: for bad steps, or who decides about it.
        on_spike: for steps whose norm stands out.
        max_consecutive: bad steps in a row that raise.
        rollback: to go back with.
        averager: takes part in good steps.
        ranks: who must agree.
    """

    def __init__(
        self,
        *,
        action: Action | str | Decide,
        on_spike: OnSpike,
        max_consecutive: int,
        rollback: Rollback,
        averager: Averager,
        ranks: Ranks,
    ) -> None:
        self._action = action if callable(action) else _for_bad_steps(action)
        self._on_spike = on_spike
        self._max_consecutive = max_consecutive
        self._averager = averager
        self._ranks = ranks
        self._announcer = Announcer()
        self._consecutive = 0
        self._unrest = 0
        self.rollback = rollback
        self.skips_spikes = on_spike in (OnSpike.SKIP, OnSpike.ROLLBACK)
        self.skipped = 0
        self.spikes = 0
        self.last: StepReport | None = None

    def follow(
        self,
        seen: Seen,
        step: int,
        bad_parameters: tuple[str, ...],
        *,
        norms: SpikeDetector,
        losses: SpikeDetector,
    ) -> Action:
        """Act on a step that was taken or dropped already.

        Raises:
            NonFiniteError: if that is what it has come to.
        """
        spike = not seen.bad and (norms.add(seen.norm) or seen.drop)
        loss = 0.0 if seen.bad else seen.mean_loss or 0.0
        report = StepReport(
            step=step,
            loss=seen.loss,
            grad_norm=seen.norm,
            finite=not seen.bad,
            spike=spike and self._on_spike is not OnSpike.IGNORE,
            loss_spike=loss > 0.0 and losses.add(loss),
            action=Action.SKIP if seen.drop else Action.STEP,
            bad_parameters=bad_parameters,
            loss_scale=seen.loss_scale,
        )
        calm = not spike and not report.loss_spike
        backs_off = _scaler_backs_off(seen)
        if not backs_off:
            report = dataclasses.replace(report, action=self._choose(report, calm=calm))
        self.last = report
        self.spikes += report.spike
        self.skipped += report.action is not Action.STEP
        warns = self._on_spike is OnSpike.WARN
        self._announcer.tell(report, backs_off=backs_off, warn_of_spikes=warns)
        if report.finite and not calm:
            self.rollback.note_unrest(step)
        self._carry_out(report, calm=calm)
        return report.action

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` goes on from: plain numbers."""
        return {
            "skipped": self.skipped,
            "spikes": self.spikes,
            "consecutive": self._consecutive,
            "unrest": self._unrest,
            "rollback": self.rollback.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on counting."""
        self.skipped, self.spikes = int(state["skipped"]), int(state["spikes"])
        self._consecutive, self._unrest = int(state["consecutive"]), int(state["unrest"])
        self.rollback.load_state_dict(state["rollback"])
        self.last = None

    def _choose(self, report: StepReport, *, calm: bool) -> Action:
        if report.finite:
            self._consecutive = 0 if report.action is Action.STEP else self._consecutive
            self._unrest = 0 if calm else self._unrest + 1
            explodes = self._on_spike is OnSpike.ROLLBACK and self._unrest >= _UNREST
            return self._if_possible(Action.ROLLBACK) if explodes else report.action
        self._consecutive += 1
        if self._consecutive >= self._max_consecutive:
            return Action.RAISE
        action = self._action
        if callable(action):
            wanted = _for_bad_steps(action(report))
            action = _ORDER[self._ranks.highest(_ORDER.index(wanted))]
        return self._if_possible(action)

    def _if_possible(self, action: Action) -> Action:
        if action is not Action.ROLLBACK:
            return action
        if self.rollback.exhausted:
            return Action.RAISE
        return Action.SKIP if self.rollback.needless else Action.ROLLBACK

    def _carry_out(self, report: StepReport, *, calm: bool) -> None:
        if report.action is Action.STEP:
            self._averager.update()
            if self._may_go_back and calm:
                self.rollback.note_calm_step(report.step)
        elif report.action is Action.ROLLBACK:
            self._announcer.tell_rollback(*self.rollback.go_back(report.step))
            self._consecutive = self._unrest = 0
        elif report.action is Action.RAISE:
            raise NonFiniteError(f"{report.describe()}; {self._how_it_came()}")

    @property
    def _may_go_back(self) -> bool:
        return (
            callable(self._action)
            or self._action is Action.ROLLBACK
            or self._on_spike is OnSpike.ROLLBACK
        )

    def _how_it_came(self) -> str:
        if self._consecutive >= self._max_consecutive:
            return f"{self._consecutive} bad steps in a row, so the cause is not a single batch"
        if self.rollback.count:
            return f"{self.rollback.count} rollbacks did not help"
        return "the step was not taken, the weights are those before it"


def _scaler_backs_off(seen: Seen) -> bool:
    """Whether an overflow is the daily business of a GradScaler, which has a lower scale to try."""
    return seen.bad and not seen.bad_loss and (seen.loss_scale or 0.0) > 1.0


def _for_bad_steps(action: Action | str) -> Action:
    chosen = Action(action)
    if chosen is Action.STEP:
        raise ValueError("a bad step cannot be taken: skip, rollback or raise")
    return chosen
