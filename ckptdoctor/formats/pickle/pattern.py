"""Pickles that differ in numbers alone, and so build the same tree.

Files of one run say the same with another epoch. A number that is nothing but a value in a dict or
a list takes part in nothing: no name, no call, no size depends on it. So two pickles whose bytes
are equal but for the arguments of such numbers name the same, call the same and hold the same
tensors.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence

from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.nodes import DictNode, Instance, Located, Node
from ckptdoctor.formats.pickle.stack import Stack

__all__ = ["PicklePattern", "Pushed", "plain_numbers"]

_PUSHES = b"ghj2"  # GET, BINGET, LONG_BINGET, DUP: what puts a known node on the stack again
_ARGUMENTS = {b"G": ("d", 8), b"J": ("i", 4), b"K": ("B", 1), b"M": ("H", 2)}
_BIG_ENDIAN = b"G"


class Pushed:
    """The nodes that a pickle puts on its stack once more: they may stand in several places.

    Args:
        machine: that will run it.
    """

    def __init__(self, machine: PickleMachine) -> None:
        self._ids: set[int] = set()
        machine.watch(_PUSHES, self._note)

    def __contains__(self, node: Node) -> bool:
        return id(node) in self._ids

    def _note(self, vm: Stack) -> None:
        self._ids.add(id(vm.stack[-1]))


def plain_numbers(root: Node, pushed: Pushed) -> Iterator[Located]:
    """The numbers that are values, reached from the root through dicts and lists alone.

    Each of these containers stands in one place, so that nobody else has looked into it: none was
    handed to a call, or set as a state.

    Args:
        root: of a tree whose scalars are located.
        pushed: what may stand in several places.
    """
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node in pushed:
            continue
        if type(node) is Located:
            if type(node.value) in (int, float):
                yield node
        elif type(node) is DictNode:
            waiting += [value for _, value in node.pairs]
        elif type(node) in (list, tuple):
            waiting += node
        elif _is_ordered_dict(node):
            waiting += [value for _, value in node.pairs or ()]


def _is_ordered_dict(node: Node) -> bool:
    return (
        type(node) is Instance
        and node.name == "collections.OrderedDict"
        and node.args == ()
        and node.members is None
    )


class PicklePattern:
    """The bytes of a pickle, and where others may have other numbers.

    Args:
        data: the pickle.
        numbers: those that may differ, by the name that their values get.
    """

    def __init__(self, data: bytes, numbers: Mapping[str, Located]) -> None:
        placed = sorted(
            ((node.offset, name) for name, node in numbers.items()),
        )
        self._names: dict[str, list[str]] = {"<": [], ">": []}
        self._fixed = struct.Struct("<" + "".join(_fixed_parts(data, [at for at, _ in placed])))
        self._numbers: list[tuple[struct.Struct, list[str]]] = []
        for order in "<>":
            own = [
                (at, name)
                for at, name in placed
                if (data[at : at + 1] == _BIG_ENDIAN) == (order == ">")
            ]
            layout = order + "".join(_number_parts(data, [at for at, _ in own]))
            self._numbers.append((struct.Struct(layout), [name for _, name in own]))
        self._bytes = self._fixed.unpack(data)

    @staticmethod
    def may_differ(data: bytes, number: Located) -> bool:
        """Whether the opcode of a number is one whose argument has a fixed size."""
        return data[number.offset : number.offset + 1] in _ARGUMENTS

    @property
    def nbytes(self) -> int:
        """Size of the pickle."""
        return self._fixed.size

    def values(self, data: bytes) -> dict[str, int | float] | None:
        """The numbers of another pickle by name; None where it differs in anything else."""
        if len(data) != self._fixed.size or self._fixed.unpack(data) != self._bytes:
            return None
        found: dict[str, int | float] = {}
        for layout, names in self._numbers:
            found.update(zip(names, layout.unpack(data), strict=True))
        return found


def _fixed_parts(data: bytes, numbers: Sequence[int]) -> Iterator[str]:
    """A layout of all but the arguments of the numbers that begin there."""
    done = 0
    for at in numbers:
        _, nbytes = _ARGUMENTS[data[at : at + 1]]
        yield f"{at + 1 - done}s{nbytes}x"
        done = at + 1 + nbytes
    yield f"{len(data) - done}s"


def _number_parts(data: bytes, numbers: Sequence[int]) -> Iterator[str]:
    """A layout of the arguments alone."""
    done = 0
    for at in numbers:
        code, nbytes = _ARGUMENTS[data[at : at + 1]]
        yield f"{at + 1 - done}x{code}"
        done = at + 1 + nbytes
    yield f"{len(data) - done}x"
