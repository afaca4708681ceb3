"""Which of very many rows are kept: all at first, then ever fewer of them, evenly spaced."""

from __future__ import annotations

__all__ = ["Thinning"]


class Thinning:
    """Takes ``most`` rows, then every second of the next ``most``, every fourth, and so on.

    What is taken grows with the logarithm of what there is.
    """

    __slots__ = ("_most", "_seen", "_stride", "_taken")

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen = self._taken = 0
        self._stride = 1

    @property
    def is_full(self) -> bool:
        """Whether rows are passed over already."""
        return self._stride > 1

    def takes(self) -> bool:
        """Whether the next row is kept."""
        self._seen += 1
        if self._seen % self._stride:
            return False
        self._taken += 1
        if self._taken >= self._most:
            self._taken = 0
            self._stride *= 2
        return True
