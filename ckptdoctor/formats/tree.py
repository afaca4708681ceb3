"""From the tree that the pickle machine built to named tensors and scalars.

The walk goes by identity, keeps parent pointers instead of path strings, and visits a container
once however often it is referenced, so that its cost is linear in the size of the pickle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ckptdoctor.checkpoint import Problem, Role, Scalar, TensorRecord
from ckptdoctor.finding import Severity
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.pickle_nodes import (
    BytesRef,
    DictNode,
    GlobalRef,
    Instance,
    Located,
    Node,
    PersistentId,
    SetNode,
    spell,
)
from ckptdoctor.formats.rebuild import (
    MalformedTensorError,
    Parts,
    RawTensor,
    StorageLookup,
    Value,
    unfold,
)
from ckptdoctor.formats.roles import role_of_dict, role_of_key, settle_roles
from ckptdoctor.formats.source import ByteSource

__all__ = ["Harvest", "Leaf", "harvest"]

_MODULE_PARTS = frozenset({"_modules", "_parameters", "_buffers"})
_TEXT_CHARS = 4000


class Link:
    """A place in the tree: a name below another place."""

    __slots__ = ("depth", "name", "parent", "role")

    def __init__(self, parent: Link | None, name: str, role: Role | None) -> None:
        self.parent = parent
        self.name = name
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.role = role

    def names(self) -> list[str]:
        """The names from the root down."""
        names: list[str] = []
        link: Link | None = self
        while link is not None and link.parent is not None:
            names.append(link.name)
            link = link.parent
        names.reverse()
        return names


@dataclass(slots=True)
class Leaf:
    """A tensor and where it was found."""

    link: Link
    tensor: RawTensor


@dataclass(slots=True)
class Harvest:
    """What a walk found."""

    tensors: list[TensorRecord] = field(default_factory=list)
    scalars: dict[str, Scalar] = field(default_factory=dict)
    located: dict[str, Located] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def harvest(root: Node, lookup: StorageLookup, source: ByteSource, limits: Limits) -> Harvest:
    """Every tensor and every scalar below ``root``, named by its path.

    Args:
        root: what the pickle machine returned.
        lookup: finds the storage of a persistent id.
        source: where byte strings of the pickle lie.
        limits: bounds on depth, number and length of names.
    """
    walk = _Walk(lookup, source, limits)
    walk.run(root)
    return walk.result(root)


class _Walk:
    def __init__(self, lookup: StorageLookup, source: ByteSource, limits: Limits) -> None:
        self._lookup = lookup
        self._source = source
        self._limits = limits
        self._visited: set[int] = set()
        self._leaves: list[Leaf] = []
        self._found = Harvest()
        self._names: dict[str, int] = {}
        self._count = 0
        self._too_deep: Link | None = None

    def run(self, root: Node) -> None:
        stack: list[tuple[Node, Link]] = [(root, Link(None, "", None))]
        steps = 0
        while stack:
            node, link = stack.pop()
            steps += 1
            if steps > self._limits.opcodes:  # one step an opcode is what an honest tree takes
                self._limit("a tree larger than the pickle that describes it")
                return
            if self._leaf(node, link):
                self._count += 1
                if self._count > self._limits.leaves:
                    self._limit(f"more than {self._limits.leaves} values")
                    return
                continue
            if id(node) in self._visited:
                continue
            self._visited.add(id(node))
            if link.depth >= self._limits.depth:
                if self._too_deep is None:
                    self._too_deep = link
                    self._limit(f"containers nested more than {self._limits.depth} deep")
                continue
            stack.extend(reversed(self._children(node, link)))

    def result(self, root: Node) -> Harvest:
        roles = settle_roles(
            [(leaf.link.role, leaf.link.names()) for leaf in self._leaves],
            is_object=type(root) is Instance and root.name != "collections.OrderedDict",
        )
        for leaf, role in zip(self._leaves, roles, strict=True):
            tensor = leaf.tensor
            self._found.tensors.append(
                TensorRecord(
                    fqn=self._name(leaf.link, "tensor"),
                    dtype=tensor.dtype.name,
                    shape=tensor.shape,
                    stride=tensor.stride,
                    storage_offset=tensor.storage_offset,
                    storage=tensor.storage,
                    role=role,
                    lost=tensor.lost,
                )
            )
        return self._found

    def _limit(self, what: str) -> None:
        self._found.problems.append(
            Problem(
                code="CD107",
                severity=Severity.ERROR,
                subject="pickle",
                message=f"{what}: the rest of the file was not examined",
                remedy="Treat the file as hostile unless you made it yourself.",
            )
        )

    def _name(self, link: Link, default: str) -> str:
        """The dotted path, shortened where it is absurdly long, unique within the file."""
        name = ".".join(link.names()) or default
        if len(name) > self._limits.name_chars:
            half = self._limits.name_chars // 2
            name = f"{name[:half]}…{name[-half:]}"
        seen = self._names.get(name, 0) + 1
        self._names[name] = seen
        return name if seen == 1 else f"{name}#{seen}"

    # -- leaves ----------------------------------------------------------------------------------

    def _leaf(self, node: Node, link: Link) -> bool:
        """Record the node if it is a leaf; False for what has children."""
        kind = type(node)
        if kind is Instance:
            return False
        if kind in (str, int, float, bool, type(None)):
            self._scalar(link, node)
        elif kind is Located:
            name = self._scalar(link, node.value)
            if name is not None:
                self._found.located[name] = node
        elif kind is list or kind is tuple:
            return not node
        elif kind is DictNode or kind is SetNode:
            return False
        elif kind is PersistentId:
            tensor = self._lookup(node.pid)
            if isinstance(tensor, RawTensor):
                self._leaves.append(Leaf(link, tensor))
        # bytes, BytesRef, GlobalRef: nothing to report
        return True

    def _scalar(self, link: Link, value: Scalar) -> str | None:
        if type(value) is str and len(value) > _TEXT_CHARS:
            value = value[:_TEXT_CHARS] + "…"
        name = self._name(link, "value")
        self._found.scalars[name] = value
        return name

    # -- children --------------------------------------------------------------------------------

    def _children(self, node: Node, link: Link) -> list[tuple[Node, Link]]:
        if type(node) is Instance:
            return self._instance(node, link)
        if type(node) is DictNode:
            return self._pairs(node.pairs, link)
        members = node.members if type(node) is SetNode else node
        return self._members(members, link)

    def _members(self, members: Iterable[Node], link: Link) -> list[tuple[Node, Link]]:
        return [
            (member, Link(link, str(index), self._role(link, str(index))))
            for index, member in enumerate(members)
        ]

    def _pairs(self, pairs: list[tuple[Node, Node]], link: Link) -> list[tuple[Node, Link]]:
        entries = list(_last_wins(pairs))
        role = role_of_dict(name for name, _ in entries) if len(entries) <= 16 else None
        if role is not None:
            link.role = role
        return [(value, Link(link, name, self._role(link, name))) for name, value in entries]

    def _role(self, parent: Link, name: str) -> Role | None:
        if parent.role is not None or parent.depth > 1:
            return parent.role
        return role_of_key(name)

    def _instance(self, node: Instance, link: Link) -> list[tuple[Node, Link]]:
        try:
            unfolded = unfold(node, self._lookup, self._source)
        except MalformedTensorError as error:
            self._found.problems.append(
                Problem(
                    code="CD104",
                    severity=Severity.ERROR,
                    subject=self._name(link, "tensor"),
                    message=f"not a tensor that torch could have written: {error}",
                )
            )
            return []
        match unfolded:
            case RawTensor():
                self._visited.discard(id(node))  # one tensor under two names is two leaves
                self._leaves.append(Leaf(link, unfolded))
                return []
            case Value(value=value):
                self._scalar(link, value)
                return []
            case Parts(parts=[(None, whole)]):
                self._visited.discard(id(node))  # nn.Parameter: a tensor in a wrapper
                return [(whole, link)]
            case Parts(parts=parts):
                return [
                    (part, link if name is None else Link(link, name, link.role))
                    for name, part in parts
                ]
            case None:
                return self._object(node, link)

    def _object(self, node: Instance, link: Link) -> list[tuple[Node, Link]]:
        """An object of a class we know nothing about: its arguments, items and attributes."""
        children: list[tuple[Node, Link]] = []
        args = node.args if type(node.args) is tuple else ()
        pairs = node.pairs or _pairs_argument(node)
        if pairs:
            children += self._pairs(pairs, link)
        elif len(args) == 1 and node.state is None and not node.members:
            children.append((args[0], link))  # an enum member, a wrapper: its one value
        else:
            plain = [arg for arg in args if type(arg) not in (GlobalRef, type(None), PersistentId)]
            children += self._members(plain, link)
        children += self._members(node.members or (), link)
        states = node.state if type(node.state) is tuple else (node.state,)
        for state in states:  # (__dict__, __slots__) for classes with slots
            if type(state) is DictNode:
                children += self._attributes(state, link)
            elif state is not None:
                children.append((state, Link(link, "state", link.role)))
        return children

    def _attributes(self, state: DictNode, link: Link) -> list[tuple[Node, Link]]:
        """``__dict__``, with the three dicts of an ``nn.Module`` named as its state_dict does."""
        children: list[tuple[Node, Link]] = []
        for child, below in self._pairs(state.pairs, link):
            if below.name == "_metadata":  # torch's version numbers of the modules
                continue
            if below.name in _MODULE_PARTS:
                pairs = child.pairs if type(child) in (DictNode, Instance) else None
                children += self._pairs(pairs, link) if pairs else [(child, link)]
            else:
                children.append((child, below))
        return children


def _pairs_argument(node: Instance) -> list[tuple[Node, Node]] | None:
    """``OrderedDict([[key, value], ...])``, as Python 2 pickled it."""
    if node.name != "collections.OrderedDict" or type(node.args) is not tuple or not node.args:
        return None
    items = node.args[0]
    if type(items) is not list or any(
        type(item) not in (list, tuple) or len(item) != 2 for item in items
    ):
        return None
    return [(item[0], item[1]) for item in items]


def _last_wins(pairs: list[tuple[Node, Node]]) -> Iterator[tuple[str, Node]]:
    """Names and values as a dict would hold them, without hashing what the file chose freely."""
    by_text: dict[str, Node] = {}
    others: list[tuple[str, Node]] = []
    for key, value in pairs:
        if type(key) is str:
            by_text[key] = value
        elif type(key) is int and -(1 << 60) < key < 1 << 60:
            by_text[str(key)] = value
        else:
            others.append((_key_name(key), value))
    yield from by_text.items()
    yield from others


def _key_name(key: Node) -> str:
    return "…" if isinstance(key, BytesRef) else spell(key)
