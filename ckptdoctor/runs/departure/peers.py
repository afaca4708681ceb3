"""The tensors that were measured alike, as a crowd: what a schedule does to all of them."""

from __future__ import annotations

from ckptdoctor.runs.departure.past import Past, Peers, peers_of
from ckptdoctor.runs.departure.signals import Logs

__all__ = ["Crowd"]

_MOST = 64
"""So many tell the median of all as well, and looking at each of many thousands takes long."""


class Crowd:
    """Says of each checkpoint what is usual there.

    Args:
        logs: of one trait, by the name of the tensor.
    """

    def __init__(self, logs: Logs) -> None:
        every = sorted(logs)
        self._pasts = [Past(logs[name]) for name in every[:: -(-len(every) // _MOST) or 1]]
        self._known: dict[int, Peers] = {}

    def at(self, place: int) -> Peers:
        """What they do at a checkpoint."""
        found = self._known.get(place)
        if found is None:
            leads = [lead for own in self._pasts if (lead := own.lead(place)) is not None]
            found = self._known[place] = peers_of(leads)
        return found
