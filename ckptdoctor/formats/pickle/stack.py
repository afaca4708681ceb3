"""What a pickle pushes and pops, and what it remembers to push it again."""

from __future__ import annotations

from typing import NoReturn

from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.pickle.nodes import UNSET, Node, PickleError
from ckptdoctor.formats.pickle.window import Window
from ckptdoctor.formats.source import ByteSource

__all__ = ["Stack"]


class Stack(Window):
    """The stack and the memo of a pickle machine.

    Args:
        source: where the pickle lies.
        limits: bounds on the work.

    Attributes:
        stack: what was pushed since the last mark.
        marks: the stacks below the marks.
        memo: what was memoized under each index, in a list as far as indices count up.
    """

    __slots__ = ("_far_memo", "_limits", "marks", "memo", "memo_gaps", "stack")

    def __init__(self, source: ByteSource, limits: Limits) -> None:
        super().__init__(source)
        self._limits = limits
        self.stack: list[Node] = []
        self.marks: list[list[Node]] = []
        self.memo: list[Node] = []  # no dict: a file could choose indices that collide in it
        self.memo_gaps = 0
        self._far_memo: dict[str, Node] = {}

    def start(self, at: int) -> None:
        """Begin a pickle at ``at`` of the source; what was named before is kept."""
        self.stack, self.marks, self.memo, self.memo_gaps = [], [], [], 0
        self._far_memo = {}
        self.complaint, self._frame_end = None, None
        self._frames_lie = self._ends_early = False
        self.seek(at)

    # -- the stack -------------------------------------------------------------------------------

    def push(self, node: Node) -> None:
        """Put a node on the stack."""
        self.stack.append(node)

    def pop_mark(self) -> list[Node]:
        """What was pushed since the last mark."""
        items = self.stack
        self.stack = self.marks.pop()
        return items

    # -- the memo --------------------------------------------------------------------------------

    def memoize(self, index: int) -> None:
        """Remember the top of the stack.

        Indices count up, but for those that ``pickletools.optimize`` dropped: none is larger than
        the number of opcodes.
        """
        memo, top = self.memo, self.stack[-1]
        if index == len(memo):
            memo.append(top)
            return
        if not 0 <= index <= self._limits.opcodes:
            self._memoize_far(index, top)
        elif index > len(memo):
            gap = index - len(memo)
            memo.extend([UNSET] * gap)
            memo.append(top)
            self.memo_gaps += gap
        else:
            self.memo_gaps -= memo[index] is UNSET
            memo[index] = top

    def _memoize_far(self, index: int, top: Node) -> None:
        error = PickleError("a memo index that no pickler writes", self.at)
        if index < 0:
            raise error
        self.complain(error)
        self._far_memo[str(index)] = top  # texts cannot be chosen so that they collide

    def memoize_next(self) -> None:
        """Remember the top of the stack under the number of what was remembered before."""
        self.memoize(len(self.memo) - self.memo_gaps + len(self._far_memo))

    def remembered(self, index: int) -> Node:
        """What was memoized under an index."""
        if index >= len(self.memo):
            node = self._far_memo.get(str(index), UNSET)
        else:
            node = self.memo[index] if index >= 0 else UNSET
        if node is UNSET:
            self.refuse_unset()
        return node

    def refuse_unset(self) -> NoReturn:
        """Refuse a memo entry that was never set."""
        raise PickleError("a memo entry that was never set", self.at)
