"""Which of very many rows are kept: all at first, then ever fewer of them, evenly spaced."""

from __future__ import annotations

__all__ = ["Thinning"]


class Thinning:
    """Takes ``most`` rows, then every second of the next, every fourth, and so on.

    What is taken grows with the logarithm of what there is.

    Args:
        most: how many are all taken.
        then: how many are taken before every next thinning; as many by default.
    """

    __slots__ = ("_most", "_seen", "_stride", "_taken", "_then")

    def __init__(self, most: int, *, then: int = 0) -> None:
        self._most = most
        self._then = then or most
        self._seen = self._taken = 0
        self._stride = 1

    @property
    def is_full(self) -> bool:
        """Whether rows are passed over already."""
        return self._stride > 1

    def skips(self) -> bool:
        """Whether the next row is passed over; where it is not, ``takes`` has to be asked."""
        if (self._seen + 1) % self._stride:
            self._seen += 1
            return True
        return False

    def takes(self) -> bool:
        """Whether the next row is kept."""
        self._seen += 1
        if self._seen % self._stride:
            return False
        self._taken += 1
        if self._taken >= self._most:
            self._taken = 0
            self._stride *= 2
            self._most = self._then
        return True
