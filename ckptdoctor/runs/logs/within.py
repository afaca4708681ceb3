"""Epochs that run within a step: PPO has four in every iteration, and its logs count both."""

from __future__ import annotations

from ckptdoctor.runs.logs.known_lines import mark_of

__all__ = ["EpochsWithin"]

_SURELY = 3


class EpochsWithin:
    """Takes the epochs that a log names, in order.

    Attributes:
        are_there: whether they begin again with each step, so that they tell of no moment. A run
            that was restarted goes back to where it was as well, but not each time from the same
            last epoch to the same first one while its steps go on.
    """

    def __init__(self) -> None:
        self.are_there = False
        self._turn = (0, 0)
        self._turns = 0
        self._step = -1

    def begins(self, before: int | None, epoch: int, above: bytes | None) -> None:
        """Another epoch begins.

        Args:
            before: the one before it.
            epoch: its number.
            above: the last line that named a step.
        """
        if before is None or epoch >= before or above is None:
            return
        mark = mark_of(above, in_words=True)
        step = -1 if mark is None or mark.step is None else mark.step
        again = (before, epoch) == self._turn and step > self._step
        self._turns = self._turns + 1 if again else 1
        self._turn, self._step = (before, epoch), step
        self.are_there = self.are_there or self._turns >= _SURELY
