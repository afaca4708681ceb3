"""Whether a function that picklers call where they name it was put elsewhere instead.

Each time that it comes onto the stack it has to be called from there. Where it is handed to another
function, kept in a container or in the state of an object, nobody sees what it is called with.
"""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.formats.pickle.nodes import GlobalRef, Node
from ckptdoctor.formats.pickle.runner import Runner
from ckptdoctor.formats.pickle.stack import Stack

__all__ = ["HandedOn"]

_PUSHES = b"ghj2"  # GET, BINGET, LONG_BINGET, DUP: what puts a known node on the stack again


class HandedOn:
    """The functions of one machine that must be called where they are named.

    Args:
        vm: the machine.
    """

    __slots__ = ("_due", "_vm")

    def __init__(self, vm: Runner) -> None:
        self._vm = vm
        self._due: dict[GlobalRef, int] = {}  # how often each was put on the stack and not called

    def named(self, function: GlobalRef) -> None:
        """A function is put onto the stack that must be called from there."""
        if not self._due:
            self._vm.watch(_PUSHES, self._count)
        self._due[function] = self._due.get(function, 0) + 1

    def called(self, function: Node) -> None:
        """Something is called from the stack."""
        if type(function) is GlobalRef and function in self._due:
            self._due[function] -= 1

    def settle(self) -> Iterator[GlobalRef]:
        """Those that were handed on, now that a run has ended."""
        for function, due in self._due.items():
            if due:
                stacks = (self._vm.stack, *self._vm.marks)
                waiting = sum(node is function for stack in stacks for node in stack)
                self._due[function] = 0
                if due != waiting:
                    yield function

    def _count(self, vm: Stack) -> None:
        top = vm.stack[-1]
        if type(top) is GlobalRef and top in self._due:
            self._due[top] += 1
