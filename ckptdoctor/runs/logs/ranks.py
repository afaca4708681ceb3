"""Several processes that print into one log: what rank 0 says as well is not read of another."""

from __future__ import annotations

import re

from ckptdoctor.runs.logs.shapes import MOST_SHAPES, shape_of

__all__ = ["Ranks"]

_BEGINNING, _TAG_ENDS = 100, 20
_NAME = rb"(?:(?:local|global|world)[ _]?)?rank\s?[:=_#-]?\s?"
_TAG = re.compile(
    rb"[\[(<{]%s(\d{1,5})(?:/\d{1,5})?[\])>}]" % _NAME  # `[rank1]:`, `(rank 1)`
    + rb"|^\W{0,3}%s(\d{1,5})\s?[:|>,-]\s" % _NAME  # `Rank 1: `
    + rb"|[,|-]\s%s(\d{1,5})\s?[,|-]\s" % _NAME  # `train, rank: 1, epoch: 3`
    + rb"|^\[[a-z]{3,12}(\d{1,5})\]:"  # torchrun --tee: `[default1]:`
    + rb"|^\[\d{1,4},(\d{1,5})\]<std(?:out|err)>",  # mpirun --tag-output
    re.IGNORECASE,
)


class Ranks:
    """Takes the lines of a log in their order.

    Attributes:
        are_told: whether a line said which rank it is of.
    """

    def __init__(self) -> None:
        self.are_told = False
        self._of_first: set[bytes] = set()

    def is_of_another(self, raw: bytes) -> bool:
        """Whether a line is of another rank, and rank 0 prints such lines, too.

        What rank 0 never says, as the loss that only the last stage of a pipeline knows, is read
        of whoever says it.
        """
        head = raw[:_BEGINNING]
        is_tagged = head[:1] == b"[" and (b"]:" in head[:_TAG_ENDS] or b"]<" in head[:_TAG_ENDS])
        if not is_tagged and b"ank" not in head and b"ANK" not in head:
            return False
        found = _TAG.search(head)
        if found is None:
            return False
        self.are_told = True
        shape = shape_of(raw)
        if int(found[found.lastindex or 0]):
            return shape in self._of_first
        if len(self._of_first) >= MOST_SHAPES:
            self._of_first.clear()
        self._of_first.add(shape)
        return False
