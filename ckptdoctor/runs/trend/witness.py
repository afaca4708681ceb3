"""What the training loss says beside the metric: that the net learns, or has unlearned all.

In its first epochs a metric alone tells little: an untrained net guesses, and what it scored by
guessing may be lost while it begins to learn. The loss of the training is a second witness that
jumps about far less. Where both are worse than in the first epoch, the net is worse than untrained.
Of two losses, training and validation, one is no second witness of the other: there more has to be
lost.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping, Sequence

from ckptdoctor.histories import Clock, Position
from ckptdoctor.metadata import Mode, Split, is_loss, is_part_of_loss, split_of

__all__ = ["FLOATS", "TrainingLoss", "Witness", "Word", "is_guess", "training_loss"]

FLOATS = re.compile(
    r"surrogate|policy|actor|entropy|advers|disc|critic|(?<![a-z])g?an_"
    r"|(?<![a-z])[dg][_ ](?:gan|real|fake|loss|[ab])(?![a-z])"
    r"|loss_(?:d|g|gan|real|fake|gp|adv)(?![a-z])",
    re.IGNORECASE,
)
"""Losses of a game: they float about without a direction, as those of agents and of GANs."""
_OF_AN_AGENT = re.compile(r"rew|return|episode|(?<![a-z])ep_", re.IGNORECASE)
"""Scores beside which a loss may rise for good: its targets grow with them."""
_SECOND = 0.2  # worse than a first epoch that is all that is known
_LEAST_RISE = 0.1  # of the loss
_UNLEARNED = 0.2  # of what the loss had gained, where a score says the same
_BELOW_FIRST = 0.05  # of the first score
_NOTHING = 0.02  # of a score
_ROSE = 1.05  # times the first score
_AS_GOOD = 0.1  # of what the loss had gained

TrainingLoss = tuple[str, float]
"""Its name and its value."""


class Word(enum.Enum):
    """What the two say together."""

    NOTHING = "nothing"
    LEARNS = "learns"
    UNLEARNED = "unlearned"


def training_loss(values: Mapping[str, float], metric: str) -> TrainingLoss | None:
    """The loss of the training among the values of a position; None where only parts are there.

    Args:
        values: by name.
        metric: the name of the metric, which is no witness of itself.
    """
    losses = [
        name
        for name in values
        if name != metric
        and is_loss(name)
        and split_of(name) is not Split.VALIDATION
        and not is_part_of_loss(name)
        and not FLOATS.search(name)
    ]
    name = min(losses, key=lambda one: (len(one), one), default=None)
    return None if name is None else (name, values[name])


def is_guess(before: Sequence[float], value: float, mode: Mode, word: Word) -> bool:
    """Whether a score that fell to next to nothing had been guessed, since the net learns.

    An untrained net finds some of what is rare by chance, and then nothing for some epochs.

    Args:
        before: the values up to then, in the first epochs of a run. Where they rose from the first
            one, they were learned.
        value: now.
        mode: which direction is better.
        word: of the witness.
    """
    if mode is not Mode.MAX or word is not Word.LEARNS or not before:
        return False
    best = max(before)
    was_learned = 0.0 < before[0] * _ROSE < best
    return not was_learned and 0.0 <= value <= _NOTHING * best


class Witness:
    """Takes metric and training loss of each position, from the first epoch of a run on.

    Args:
        metric: its name.
        mode: which direction of it is better.
        clock: what the positions count.
    """

    def __init__(self, metric: str, mode: Mode, clock: Clock = Clock.EPOCH) -> None:
        self._mode = mode
        self._is_score = not is_loss(metric) and mode is Mode.MAX
        self._believes = _OF_AN_AGENT.search(metric) is None
        self._clock = clock
        self._at: Position = 0
        self._name = ""
        self._first_loss = self._least = self._first = 0.0
        self._taken = 0
        self._unlearned = False

    def update(self, at: Position, value: float, loss: TrainingLoss | None) -> Word:
        """What is said with this position.

        Args:
            at: of the clock.
            value: of the metric.
            loss: of the training, where it is logged.
        """
        if loss is None or not self._believes or not math.isfinite(value):
            return Word.NOTHING
        name, now = loss
        if not self._taken and now > 0.0 and math.isfinite(now):
            self._at, self._name, self._first, self._taken = at, name, value, 1
            self._first_loss = self._least = now
            return Word.NOTHING
        if name != self._name or not math.isfinite(now) or now <= 0.0:
            return Word.NOTHING
        if self._taken == 1 and not self._saw_the_beginning(at):
            self._believes = False
            return Word.NOTHING
        word = self._word(value, now)
        self._taken += 1
        self._least = min(self._least, now)
        return word

    def guessed(self, value: float) -> None:
        """The first score was a guess; this one is what the net begins from."""
        self._first = value

    def _saw_the_beginning(self, second: Position) -> bool:
        if self._clock is Clock.EPOCH:
            return self._at <= 1
        return self._at <= 2 * (second - self._at)

    def _word(self, value: float, now: float) -> Word:
        gained, lost = self._first_loss - self._least, now - self._least
        is_below = self._is_worse(value, 0.0)
        self._unlearned = is_below and (
            self._unlearned or self._both_lost(value, now) or self._score_lost(value, now)
        )
        if self._unlearned:
            return Word.UNLEARNED
        return Word.LEARNS if now < self._first_loss and lost <= _AS_GOOD * gained else Word.NOTHING

    def _both_lost(self, value: float, now: float) -> bool:
        """Whether the loss has lost twice what it had gained, and the metric all."""
        above = now - self._first_loss
        if self._taken == 1:
            return above >= _SECOND * self._first_loss and self._is_worse(value, _SECOND)
        return above >= max(_LEAST_RISE * self._first_loss, self._first_loss - self._least)

    def _score_lost(self, value: float, now: float) -> bool:
        """Whether a score has lost all, and the loss at least begins to."""
        gained, lost = self._first_loss - self._least, now - self._least
        rises = lost >= max(_UNLEARNED * gained, _LEAST_RISE * self._least)
        known = self._is_score and self._taken > 1 and gained > 0.0
        return known and rises and self._is_worse(value, _BELOW_FIRST)

    def _is_worse(self, value: float, share: float) -> bool:
        """Whether the metric is worse than the first value by more than a share of it."""
        first = self._first
        if first <= 0.0:
            return False
        return (
            value < (1.0 - share) * first
            if self._mode is Mode.MAX
            else value > (1.0 + share) * first
        )
