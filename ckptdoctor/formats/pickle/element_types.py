"""Types of numpy's elements: whether they are numbers, or pointers to objects.

The bytes of an array of objects are addresses. numpy reads them from no file, as long as the flags
of the type tell that there are objects; and a pickle can set the flags to anything.

Source: ``arraydescr_reduce`` and ``arraydescr_setstate`` in
``numpy/_core/src/multiarray/descriptor.c``.
"""

from __future__ import annotations

import enum
import re

from ckptdoctor.formats.pickle.nodes import DictNode, GlobalRef, Instance, Node, unwrap

__all__ = ["DTYPE", "RECORDS", "ElementTypes", "Elements"]

DTYPE = "numpy.dtype"
RECORDS = ("numpy.record", "numpy.rec.record", "numpy.core.records.record")

_CODE = re.compile(r"([biufcSUmM])(\d{1,9})")
_VOID = re.compile(r"V(\d{1,9})")
_USERS = re.compile(r"b?float\d\w*|u?int\d+")  # of ml_dtypes
_OBJECT = 1  # NPY_ITEM_REFCOUNT
_AS_OBJECTS = 3  # and NPY_LIST_PICKLE: no bytes are taken for elements
_ALL_FLAGS = 255
_FLAGS_AT = 7
_VERSIONS = {3: (8,), 4: (8, 9)}  # and the length of a state
_LOOKS = 2_000_000  # at types within types
_LOOKS_EACH = 2_000
_DEPTH = 8


class Elements(enum.Enum):
    """What an array holds, if its type is written as numpy writes it."""

    NUMBERS = "numbers"
    OBJECTS = "objects"
    ODD = "odd"


class ElementTypes:
    """Looks at the types that a pickle makes, within a bound on all of them together."""

    def __init__(self) -> None:
        self._left = _LOOKS
        self._nested: list[Instance] = []

    def fault(self, made: Instance, state: Node) -> str:
        """Why a type with this state is none that numpy writes; "" where it may be one.

        Args:
            made: the call of ``numpy.dtype``.
            state: that it is to get.
        """
        if made.state is not None:
            return "a type of numpy's elements that is described twice"
        if not _is_plain(state):
            self._nested.append(made)
        return self._fault_of(made, state)

    def fault_at_end(self) -> str:
        """The same of all of them as they are in the end: what they hold may have been changed."""
        faults = (self._fault_of(made, made.state) for made in self._nested)
        fault = next(filter(None, faults), "")
        self._nested.clear()
        return fault

    def elements_of(self, node: Node) -> tuple[Elements, int]:
        """What elements of a type are, and the bytes that one takes; ODD unless numpy writes it so.

        Args:
            node: what should be a call of ``numpy.dtype`` with its state.
        """
        looks = _Looks(min(self._left, _LOOKS_EACH))
        found = _elements_of(node, looks, 0)
        self._left = max(0, self._left - looks.done)
        return found

    def _fault_of(self, made: Instance, state: Node) -> str:
        looks = _Looks(min(self._left, _LOOKS_EACH))
        holds = looks.may_hold_objects(made, state)
        self._left = max(0, self._left - looks.done)
        if not holds:
            return ""
        flags = unwrap(state[_FLAGS_AT]) if type(state) is tuple and len(state) > _FLAGS_AT else 0
        if type(flags) is int and flags & _AS_OBJECTS == _AS_OBJECTS:
            return ""
        return "a type of numpy's elements that hides that it holds objects: bytes become pointers"


class _Looks:
    """One look at a type and at those within it; a type that is too deep may hold anything."""

    def __init__(self, most: int) -> None:
        self.done = 0
        self._most = most

    def is_over(self, depth: int) -> bool:
        """Whether a type lies deeper, or is looked at later, than is done."""
        return depth > _DEPTH or self.done > self._most

    def may_hold_objects(self, made: Instance, state: Node, depth: int = 0) -> bool:
        if not _names_numbers(made):
            return True
        if state is None:
            return depth > 0  # it may get a state later
        if type(state) is not tuple or len(state) < 5:
            return True
        subarray, fields = unwrap(state[2]), unwrap(state[4])
        if subarray is None and fields is None:
            return False
        if fields is not None and type(fields) is not DictNode:
            return True
        places = () if fields is None else fields.pairs
        return (subarray is not None and self._part_may(subarray, depth)) or any(
            self._part_may(place, depth) for _, place in places
        )

    def _part_may(self, part: Node, depth: int) -> bool:
        """``(type, shape)`` of a subarray, ``(type, offset)`` or with a title of a field."""
        self.done += 1
        if type(part) is not tuple or not part or self.is_over(depth):
            return True
        inner = part[0]
        if type(inner) is not Instance or inner.name != DTYPE:
            return True
        return self.may_hold_objects(inner, inner.state, depth + 1)


def _names_numbers(made: Instance) -> bool:
    """Whether a call of ``numpy.dtype`` names a type of numbers, text or bytes."""
    code = made.args[0] if type(made.args) is tuple and made.args else None
    if type(code) is GlobalRef:
        top, _, name = code.name.partition(".")
        is_users = top == "ml_dtypes" and _USERS.fullmatch(name.rpartition(".")[2]) is not None
        return is_users or code.name in RECORDS
    if type(code) is not str:
        return False
    code = code.lstrip("<>=|")
    return (_CODE.fullmatch(code) or _VOID.fullmatch(code)) is not None


def _is_plain(state: Node) -> bool:
    """Whether it has neither fields nor a subarray."""
    return (
        type(state) is tuple
        and len(state) > 4
        and unwrap(state[2]) is None
        and unwrap(state[4]) is None
    )


# -- as numpy writes them ------------------------------------------------------------------------


def _elements_of(node: Node, looks: _Looks, depth: int) -> tuple[Elements, int]:
    looks.done += 1
    odd = (Elements.ODD, 0)
    if type(node) is not Instance or node.name != DTYPE or looks.is_over(depth):
        return odd
    args, state = node.args, node.state
    if type(args) is not tuple or len(args) != 3 or not _is_state(state):
        return odd
    code, flags = args[0], unwrap(state[_FLAGS_AT])
    subarray, fields = unwrap(state[2]), unwrap(state[4])
    if subarray is not None:
        return _subarray(node, looks, depth)
    plain = _CODE.fullmatch(code) if type(code) is str else None
    if plain is not None and fields is None and not flags & _OBJECT:
        nbytes = int(plain[2]) * (4 if plain[1] == "U" else 1)
        stated = unwrap(state[5])
        return (Elements.NUMBERS, nbytes) if stated == (nbytes if plain[1] in "SU" else -1) else odd
    if code in ("O8", "O4") and fields is None:
        return (Elements.OBJECTS, 8) if flags & _AS_OBJECTS == _AS_OBJECTS else odd
    is_void = type(code) is str and _VOID.fullmatch(code) is not None
    if is_void and code != f"V{unwrap(state[5])}":
        return odd
    if is_void or (type(code) is GlobalRef and code.name in RECORDS):
        return _structured(node, looks, depth)
    return odd


def _is_state(state: Node) -> bool:
    """``(version, order, subarray, names, fields, size, alignment, flags[, metadata])``."""
    if type(state) is not tuple or not state:
        return False
    version = unwrap(state[0])
    if type(version) is not int or len(state) not in _VERSIONS.get(version, ()):
        return False
    counts = [unwrap(count) for count in state[5:8]]
    return (
        type(state[1]) is str
        and state[1] in ("<", ">", "|", "=")
        and all(type(count) is int for count in counts)
        and -1 <= counts[0] < 1 << 31
        and 0 <= counts[2] <= _ALL_FLAGS
        and _is_metadata(state)
    )


def _is_metadata(state: tuple[Node, ...]) -> bool:
    """None, a dict of the user's, or that with the unit of a date."""
    metadata = unwrap(state[8]) if len(state) > 8 else None
    if type(metadata) is tuple:
        return len(metadata) == 2 and type(unwrap(metadata[1])) in (tuple, list)
    return metadata is None or type(metadata) is DictNode


def _subarray(node: Instance, looks: _Looks, depth: int) -> tuple[Elements, int]:
    """``(type, shape)``, which lies in a field: that tells its size."""
    pair, nbytes = unwrap(node.state[2]), unwrap(node.state[5])
    if type(pair) is not tuple or len(pair) != 2 or nbytes < 0:
        return Elements.ODD, 0
    return _as_told(node, [_elements_of(pair[0], looks, depth + 1)[0]])


def _structured(node: Instance, looks: _Looks, depth: int) -> tuple[Elements, int]:
    """Fields of other types, or none."""
    fields = unwrap(node.state[4])
    if fields is not None and type(fields) is not DictNode:
        return Elements.ODD, 0
    pairs = [] if fields is None else fields.pairs
    if len(pairs) > _LOOKS_EACH:
        return Elements.ODD, 0
    return _as_told(
        node,
        [
            _elements_of(place[0], looks, depth + 1)[0]
            if type(place) is tuple and len(place) in (2, 3)
            else Elements.ODD
            for _, place in pairs
        ],
    )


def _as_told(node: Instance, parts: list[Elements]) -> tuple[Elements, int]:
    """What parts make together, if the flags say the same."""
    flags, nbytes = unwrap(node.state[_FLAGS_AT]), unwrap(node.state[5])
    holds = Elements.OBJECTS in parts
    told = flags & _AS_OBJECTS == _AS_OBJECTS if holds else not flags & _OBJECT
    if Elements.ODD in parts or not told or nbytes < 0:
        return Elements.ODD, 0
    return (Elements.OBJECTS if holds else Elements.NUMBERS), nbytes
