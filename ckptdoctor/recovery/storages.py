"""The storages that a tree refers to."""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.formats.containers import names_module
from ckptdoctor.formats.pickle.nodes import DictNode, Instance, Node, PersistentId, SetNode, unwrap

__all__ = ["storages_of"]


def storages_of(root: Node) -> list[str]:
    """The keys of the storages that a tree refers to, in the order of the tree, each once."""
    keys: dict[str, None] = {}
    seen: set[int] = set()
    todo: list[Node] = [root]
    while todo:
        node = todo.pop()
        if type(node) is PersistentId:
            if names_module(node.pid):
                continue
            key = unwrap(node.pid[2]) if type(node.pid) is tuple and len(node.pid) > 2 else None
            if key is not None:
                keys[str(key)] = None
        elif id(node) not in seen:
            seen.add(id(node))
            todo.extend(list(_children(node))[::-1])
    return list(keys)


def _children(node: Node) -> Iterator[Node]:
    if type(node) is Instance:
        yield from (node.factory, node.args, *(node.members or ()))
        for pair in node.pairs or ():
            yield from pair
        yield node.state
    elif type(node) is DictNode:
        for pair in node.pairs:
            yield from pair
    elif type(node) is SetNode:
        yield from node.members
    elif type(node) in (list, tuple):
        yield from node
