"""Whether a loss exploded: many times what it was, or worse than at its start."""

from __future__ import annotations

import math
import statistics
from collections import deque

from ckptdoctor.histories import Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.fall import Gained
from ckptdoctor.runs.trend.noise import deviation
from ckptdoctor.runs.trend.resolution import ROUNDED, resolution_of

__all__ = ["RISEN_TO", "SIGMAS", "ExplodedLoss", "LossWatch"]

RISEN_TO = 10.0
SIGMAS = 8.0
_WORSE, _LASTING = 3.0, 3
_FEWEST = 5
_WINDOW = 20
_FLAT = 0.05
"""Values that scatter less, as a share, may scatter more at once: losses printed to four digits."""
_BACK_TO = 1.5
"""Times the usual, where a loss of which one batch was bad is back."""
_ADDED = 30.0
"""Times the usual: heads that have learned nothing yet lose more than one that has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplodedLoss:
    """An explosion.

    Attributes:
        at: where the loss rose.
        value: to what.
        usual: what it was before.
    """

    at: Position
    value: float
    usual: float


class LossWatch:
    """Takes the values of a loss; tells of its explosions, once each.

    A loss has exploded at once where it is many times what it was, and after a few values where it
    is worse than at its start: that of a language model cannot rise by more. Where what is measured
    on held-out data goes on as before, a term may have been added to the loss: then it goes on from
    its new level, and only one that comes back to the old one, as after a bad batch, is told.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._usual: float | None = None  # until a value is added
        self._gained = Gained(Mode.MIN)
        self._exploded = False
        self._most = -math.inf
        self._above = 0
        self._held: ExplodedLoss | None = None

    @property
    def usual(self) -> float | None:
        """What it was in the last values."""
        if self._usual is None and self._recent:
            self._usual = statistics.median(list(self._recent)[-5:])
        return self._usual

    def update(self, at: Position, value: float, *, is_calm: bool = False) -> ExplodedLoss | None:
        """The explosion that this value makes sure.

        Args:
            at: of the clock.
            value: finite.
            is_calm: whether all that is measured beside it is as good as before.
        """
        held, self._held = self._held, None
        if held is not None:
            return self._decided(held, value, is_calm=is_calm)
        usual = self.usual
        at_once = usual is not None and self._is_explosion(value, usual, RISEN_TO)
        if usual is not None and at_once and is_calm and self._may_be_added(value, usual):
            self._held = ExplodedLoss(at=at, value=value, usual=usual)
            return None
        worse = usual is not None and value > self._most and self._is_worse(value, usual)
        self._above = self._above + 1 if worse else 0
        if is_calm and self._above >= _LASTING:
            self._begin(value)
            return None
        exploded = at_once or self._above >= _LASTING
        news = exploded and not self._exploded
        self._exploded = exploded
        if not exploded and not worse:
            self._learn(value)
        if usual is None or not news:
            return None
        return ExplodedLoss(at=at, value=value, usual=usual)

    def _decided(self, held: ExplodedLoss, value: float, *, is_calm: bool) -> ExplodedLoss | None:
        """What becomes of a rise that was held back, with the next value."""
        is_back = value <= _BACK_TO * held.usual
        if is_calm and not is_back:
            self._begin(value)
            return None
        self._exploded = not is_back
        if is_back:
            self._learn(value)
        return held

    def _may_be_added(self, value: float, usual: float) -> bool:
        """Whether another term of the loss may explain a rise: one that is about as large."""
        return not self._exploded and 0.0 < value < _ADDED * usual

    def _learn(self, value: float) -> None:
        self._recent.append(value)
        self._usual = None
        self._gained.update(value)
        self._most = max(self._most, value)

    def _begin(self, value: float) -> None:
        """The loss is another one from here on."""
        self._recent.clear()
        self._above = 0
        self._gained = Gained(Mode.MIN)
        self._learn(value)

    def _is_worse(self, value: float, usual: float) -> bool:
        return len(self._recent) >= _FEWEST and self._is_explosion(value, usual, _WORSE)

    def _is_explosion(self, value: float, usual: float, times: float) -> bool:
        recent = list(self._recent)
        if usual >= 0 and value < times * usual and min(recent) > 0:
            return False
        finest = resolution_of([*recent, value])  # 0.01 may be 0.015, 0.05 less, and 0.0 some
        if usual >= 0 and value - finest / 2 < times * (usual + finest / 2):
            return False
        if usual > 0 and min(recent) > 0:
            logs = [math.log(known) for known in recent]
            spread = max(deviation(logs), ROUNDED * finest / usual)
            return math.log(value / usual) > SIGMAS * spread
        if self._gained.signed and self._gained.is_blown(value):
            return True
        spread = max(deviation(recent), (max(recent) - min(recent)) / 2, _FLAT * abs(usual))
        return len(recent) >= _FEWEST and value - usual > 2 * SIGMAS * spread
