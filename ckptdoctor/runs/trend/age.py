"""How old a run is at a position: in epochs, or in values where steps are counted."""

from __future__ import annotations

from ckptdoctor.histories import Clock, Position

__all__ = ["Age"]


class Age:
    """Takes the positions of a run in order.

    A step is no measure of age: a run that begins with step 4000 of 4000, 8000, 12000 has just
    begun. There the distance between its positions is what an epoch is elsewhere.

    Args:
        clock: what the positions count.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._first: Position | None = None
        self._taken = 0
        self._now: Position = 0
        self._begun: Position = 0

    def begin(self) -> None:
        """The net begins to learn behind this position: what came before does not count."""
        self._begun = self._now

    def update(self, at: Position) -> Position:
        """The age at the next position."""
        self._now = self._reached(at)
        return self._now - self._begun

    def _reached(self, at: Position) -> Position:
        self._taken += 1
        if self._clock is Clock.EPOCH:
            return at
        if self._first is None:
            self._first = at
        if at <= self._first:  # nothing tells yet how far apart they are
            return 0
        return at / (at - self._first) * (self._taken - 1)
