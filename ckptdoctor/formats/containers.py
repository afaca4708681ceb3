"""What a container in the tree of a pickle holds, and what it costs to look at it."""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.formats.pickle.nodes import (
    BytesRef,
    DictNode,
    Instance,
    Node,
    SetNode,
    spell,
    unwrap,
)

__all__ = [
    "bulk_of",
    "is_empty",
    "last_wins",
    "length",
    "names_module",
    "pairs_argument",
]

_BULKY = 16  # what is shorter costs no more than the object it belongs to
_KEY_BITS = 256


def length(node: Node) -> int:
    """How many members a list, tuple, set or dict has; those of an object are in its bulk."""
    if type(node) is list or type(node) is tuple:
        return len(node)
    if type(node) is DictNode:
        return len(node.pairs)
    return len(node.members) if type(node) is SetNode else 0


def bulk_of(node: Node) -> list[Node]:
    """What is long in a container, and may be shared by several; its length is its cost."""
    if type(node) is not Instance:
        return []
    state = node.state.pairs if type(node.state) is DictNode else node.state
    if state is None and node.pairs is None and node.members is None:  # most tensors
        return [node.args] if type(node.args) is tuple and len(node.args) > _BULKY else []
    parts: tuple[Node, ...] = (node.args, state, node.pairs, node.members)
    return [part for part in parts if type(part) in (list, tuple) and len(part) > _BULKY]


def is_empty(node: Node) -> bool:
    """Whether nothing can be found in it."""
    return not (node.pairs if type(node) is DictNode else type(node) not in (list, tuple) or node)


def names_module(pid: Node) -> bool:
    """Whether it is ``("module", class, path, source)``, as torch pickled modules before 1.6."""
    return type(pid) is tuple and pid[:1] == ("module",)


def pairs_argument(node: Instance) -> list[tuple[Node, Node]] | None:
    """``OrderedDict([[key, value], ...])``, as Python 2 pickled it."""
    if node.name != "collections.OrderedDict" or type(node.args) is not tuple or not node.args:
        return None
    items = node.args[0]
    if type(items) is not list or any(
        type(item) not in (list, tuple) or len(item) != 2 for item in items
    ):
        return None
    return [(item[0], item[1]) for item in items]


def last_wins(pairs: list[tuple[Node, Node]]) -> Iterator[tuple[str, Node]]:
    """Names and values as a dict would hold them, without hashing what the file chose freely."""
    safe: dict[str, tuple[str, Node]] = {}
    others: list[tuple[str, Node]] = []
    for located, value in pairs:
        key = unwrap(located)
        if type(key) is str:
            safe[key] = key, value
        elif type(key) is int and key.bit_length() < _KEY_BITS:
            # By its digits: integers can be chosen so that they collide in a dict, texts cannot.
            name = str(key)
            safe[f"{name}\0int"] = name, value
        else:
            others.append((_key_name(key), value))
    yield from safe.values()
    yield from others


def _key_name(key: Node) -> str:
    return "…" if isinstance(key, BytesRef) else spell(key)
