"""The inert tree that the pickle machine builds, and the errors it raises.

Nothing here knows an opcode or a tensor: these are the shapes that every pickle is made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ckptdoctor.formats.pickle.names import Use
from ckptdoctor.lean_dataclass import dataclass

__all__ = [
    "UNSET",
    "BytesRef",
    "DictNode",
    "GlobalRef",
    "Instance",
    "Located",
    "Node",
    "PersistentId",
    "PickleError",
    "PickleLimitError",
    "PickleTruncatedError",
    "RecordedCall",
    "RecordedGlobal",
    "SetNode",
    "shorten",
    "spell",
    "unwrap",
]

Node = Any
"""A scalar, ``bytes``, ``list``, ``tuple`` or one of this module's node classes."""

UNSET: Node = object()
"""An entry of the memo that was never set."""

_SPELL_CHARS = 200


class PickleError(Exception):
    """The bytes are no pickle, or not a valid one.

    Args:
        message: what is wrong.
        offset: where, counted from the start of the source.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class PickleTruncatedError(PickleError):
    """The source ends before the pickle does."""


class PickleLimitError(PickleError):
    """The pickle asks for more work than its size explains."""


@dataclass(slots=True, eq=False)
class GlobalRef:
    """A class or function, by name.

    Attributes:
        name: module and qualified name, joined by a dot.
        use: what picklers do with it, as far as that is known.
        module: the module as the pickle names it; "" where it was reached in another way.
        qualname: the rest of the name, as the pickle has it.
    """

    name: str
    use: Use = Use.UNKNOWN
    module: str = ""
    qualname: str = ""

    @property
    def runs_code(self) -> bool:
        """Whether unpickling it can run code."""
        return self.use is Use.CODE


@dataclass(slots=True, eq=False)
class DictNode:
    """A dict as the pairs that were set, in order; keys are never hashed."""

    pairs: list[tuple[Node, Node]]

    def get(self, key: str) -> Node:
        """The value last set for a text key, or None."""
        for name, value in reversed(self.pairs):
            if type(name) is str and name == key:
                return value
        return None


@dataclass(slots=True, eq=False)
class SetNode:
    """A set or frozenset as the list of its members."""

    members: list[Node]
    frozen: bool = False


class Instance:
    """What a call would have returned: the callable, its arguments, and what was added later.

    Attributes:
        factory: the callable, mostly a :class:`GlobalRef`.
        args: positional arguments, mostly a tuple.
        state: the argument of BUILD, or None.
        members: what APPEND added, or None.
        pairs: what SETITEM added, or None.
        opcode: that of the call: REDUCE, NEWOBJ, NEWOBJ_EX, INST or OBJ.
    """

    __slots__ = ("args", "factory", "members", "opcode", "pairs", "state")

    def __init__(self, factory: Node, args: Node) -> None:
        self.factory = factory
        self.args = args
        self.state: Node = None
        self.members: list[Node] | None = None
        self.pairs: list[tuple[Node, Node]] | None = None
        self.opcode = b"R"

    @property
    def name(self) -> str:
        """The dotted name of the factory, or "" where it is no global."""
        return self.factory.name if type(self.factory) is GlobalRef else ""


@dataclass(slots=True, eq=False)
class PersistentId:
    """A reference to something outside the pickle, such as a storage."""

    pid: Node


@dataclass(slots=True, eq=False)
class BytesRef:
    """A long byte string or text, by its position in the source."""

    offset: int
    nbytes: int
    is_text: bool = False


@dataclass(slots=True, eq=False)
class Located:
    """A scalar together with the bytes of the opcode that pushed it."""

    value: Node
    offset: int
    nbytes: int


@dataclass(slots=True)
class RecordedGlobal:
    """A global and where it was named first."""

    ref: GlobalRef
    offset: int
    count: int = 0


@dataclass(slots=True)
class RecordedCall:
    """A call of a global that runs code, as text."""

    name: str
    call: str
    offset: int


def unwrap(node: Node) -> Node:
    """The scalar inside a :class:`Located`; any other node as it is."""
    return node.value if type(node) is Located else node


def shorten(text: str) -> str:
    """The text, cut to what fits a message."""
    return text if len(text) <= _SPELL_CHARS else text[: _SPELL_CHARS - 1] + "…"


def spell(node: Node, depth: int = 2) -> str:
    """A short spelling of an argument, for a message."""
    node = unwrap(node)
    match node:
        case str() | bytes():
            return shorten(repr(node[:_SPELL_CHARS]))
        case bool() | float() | None:
            return repr(node)
        case int():
            return repr(node) if node.bit_length() < 256 else "<huge integer>"
        case GlobalRef(name=name):
            return name
        case Instance() if depth:
            inner = ", ".join(spell(arg, depth - 1) for arg in _members(node.args))
            return f"{spell(node.factory, depth - 1)}({inner})"
        case list() | tuple() if depth:
            inner = ", ".join(spell(item, depth - 1) for item in node[:8])
            return f"[{inner}]" if type(node) is list else f"({inner})"
        case DictNode(pairs=pairs) if depth:
            inner = ", ".join(f"{spell(k, depth - 1)}: {spell(v, depth - 1)}" for k, v in pairs[:8])
            return "{" + inner + "}"
    return "…"


def _members(args: Node) -> Iterator[Node]:
    if type(args) is tuple:
        yield from args[:8]
