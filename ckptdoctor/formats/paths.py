"""Places in a tree, and the dotted names they get."""

from __future__ import annotations

from collections.abc import Iterable

from ckptdoctor.checkpoint import Role
from ckptdoctor.formats.pickle.nodes import Node

__all__ = ["Link", "item_names", "joined"]


_TOO_LONG = "…"


class Link:
    """A place in the tree: a name below another place."""

    __slots__ = ("depth", "name", "node", "parent", "prefix", "role")

    def __init__(self, parent: Link | None, name: str, role: Role | None) -> None:
        self.parent = parent
        self.name = name
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.role = role
        self.node = 0  # the id of the container that stands here
        self.prefix: str | None = None

    @property
    def own_name(self) -> str:
        """The name below what stands at the root; "" for what stands there itself."""
        return self.name if self.depth > 1 else ""

    def is_inside(self, node: Node) -> bool:
        """Whether the container stands here or further up: a cycle."""
        link: Link | None = self
        while link is not None:
            if link.node == id(node):
                return True
            link = link.parent
        return False

    def path(self, limit: int) -> str:
        """The names from the root down with dots between them, the middle left out if too long.

        What stands before the last name is put together once for all that stands below it: a file
        could hold a million values two hundred levels down.
        """
        parent = self.parent
        if parent is None:
            return ""
        if parent.prefix is None:
            names = parent.names()
            fits = sum(map(len, names)) + len(names) <= limit
            parent.prefix = "".join(f"{name}." for name in names) if fits else _TOO_LONG
        if parent.prefix is not _TOO_LONG and len(parent.prefix) + len(self.name) < limit:
            return parent.prefix + self.name
        return joined(self.names(), limit)

    def names(self) -> list[str]:
        """The names from the root down."""
        names: list[str] = []
        link: Link | None = self
        while link is not None and link.parent is not None:
            names.append(link.name)
            link = link.parent
        names.reverse()
        return names


def item_names(parent: Link, count: int, limit: int) -> list[str]:
    """The dotted names of the items of a list; none where one of them would be too long."""
    last = Link(parent, str(count - 1), None).path(limit)
    prefix = parent.prefix or ""
    names = [prefix + str(index) for index in range(count)]
    return names if names and names[-1] == last else []


def joined(names: list[str], limit: int) -> str:
    """The names with dots between them, the middle left out where that would be too long."""
    if sum(map(len, names)) + len(names) <= limit:
        return ".".join(names)
    half = limit // 2
    tail = _first_chars((name[-half:][::-1] for name in reversed(names)), half)[::-1]
    return f"{_first_chars(names, half)}…{tail}"


def _first_chars(names: Iterable[str], count: int) -> str:
    taken: list[str] = []
    room = count
    for name in names:
        taken.append(name[:room])
        room -= len(name) + 1
        if room <= 0:
            break
    return ".".join(taken)
