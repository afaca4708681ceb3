"""Finding one's way in the tree of a saved object, and changing it in place."""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.formats.pickle.nodes import DictNode, Instance, Node, unwrap
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Place", "entries", "everywhere", "find", "pairs_of", "places", "remove", "rename"]

_MAX_DEPTH = 12


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node stands: in a dict under a key, or in a list at an index.

    Attributes:
        path: the names from the root, as in an fqn.
        holder: the list of pairs, or the list.
        index: the place in it.
    """

    path: tuple[str, ...]
    holder: list[Node]
    index: int

    @property
    def fqn(self) -> str:
        """The path as one name."""
        return ".".join(self.path)

    def name_of(self, key: str) -> str:
        """What stands there under a key, as one name."""
        return ".".join((*self.path, key))

    @property
    def node(self) -> Node:
        """What stands there."""
        item = self.holder[self.index]
        return item[1] if self._is_pair else item

    @property
    def _is_pair(self) -> bool:
        return type(self.holder) is _Pairs

    def put(self, node: Node) -> None:
        """Put something else there."""
        if self._is_pair:
            self.holder[self.index] = (self.holder[self.index][0], node)
        else:
            self.holder[self.index] = node


class _Pairs(list[Node]):
    """The pairs of a dict: key and value."""


def pairs_of(node: Node) -> _Pairs | None:
    """The pairs of a dict or OrderedDict, to be changed in place; None for anything else."""
    if type(node) is DictNode:
        if type(node.pairs) is not _Pairs:
            node.pairs = _Pairs(node.pairs)
        return node.pairs
    if type(node) is Instance and node.pairs is not None:
        if type(node.pairs) is not _Pairs:
            node.pairs = _Pairs(node.pairs)
        return node.pairs
    return None


def entries(node: Node, path: tuple[str, ...] = ()) -> Iterator[Place]:
    """What a dict or list holds; of a key that is set twice the last."""
    pairs = pairs_of(node)
    if pairs is not None:
        last = {_name(key): at for at, (key, _) in enumerate(pairs)}
        for name, at in last.items():
            yield Place((*path, name), pairs, at)
    elif type(node) is list:
        for at in range(len(node)):
            yield Place((*path, str(at)), node, at)


def _name(key: Node) -> str:
    plain = unwrap(key)
    return plain if type(plain) is str else str(plain)


def everywhere(root: Node) -> Iterator[Place]:
    """The root, then every place below it: an optimizer may be all that a file holds."""
    yield Place((), [root], 0)
    yield from places(root)


def places(root: Node) -> Iterator[Place]:
    """Every place below the root, dicts and lists before what is in them."""
    todo = list(entries(root))[::-1]
    seen: set[int] = set()
    while todo:
        place = todo.pop()
        yield place
        node = place.node
        if len(place.path) < _MAX_DEPTH and id(node) not in seen:
            seen.add(id(node))
            todo.extend(list(entries(node, place.path))[::-1])


def find(root: Node, fqn: str) -> Place | None:
    """The place with this name; names with dots in a key are found as well."""
    node: Node = root
    path: tuple[str, ...] = ()
    rest = fqn
    while True:
        best: Place | None = None
        for place in entries(node, path):
            name = place.path[-1]
            longer = best is None or len(name) > len(best.path[-1])
            if (rest == name or rest.startswith(f"{name}.")) and longer:
                best = place
        if best is None:
            return None
        name = best.path[-1]
        if rest == name:
            return best
        node, path, rest = best.node, best.path, rest[len(name) + 1 :]


def remove(place: Place) -> None:
    """Take a key out of its dict, however often it was set; other places of it move up."""
    if type(place.holder) is _Pairs:
        name = place.path[-1]
        place.holder[:] = [pair for pair in place.holder if _name(pair[0]) != name]
    else:
        del place.holder[place.index]


def rename(place: Place, name: str) -> None:
    """Give a value of a dict another key."""
    if type(place.holder) is _Pairs:
        place.holder[place.index] = (name, place.node)
