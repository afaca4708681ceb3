"""From the tree that the pickle machine built to named tensors and scalars.

The walk goes by identity and keeps parent pointers instead of path strings. A container that is
referenced twice is listed under both of its names, as long as such repetitions stay in proportion
to the pickle: its cost is linear in the size of the pickle.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ckptdoctor.checkpoint import Problem, Role, Scalar, TensorRecord
from ckptdoctor.finding import Severity
from ckptdoctor.formats import containers
from ckptdoctor.formats.byte_strings import ByteStrings
from ckptdoctor.formats.harvested import Harvest, Leaf, passed_over
from ckptdoctor.formats.inner_storages import InnerStorages
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.paths import Link, item_names
from ckptdoctor.formats.pickle.inner import InnerFile
from ckptdoctor.formats.pickle.nodes import (
    DictNode,
    GlobalRef,
    Instance,
    Located,
    Node,
    PersistentId,
    SetNode,
    unwrap,
)
from ckptdoctor.formats.raw import (
    MalformedTensorError,
    Parts,
    RawTensor,
    StorageLookup,
    Value,
    row_of,
)
from ckptdoctor.formats.rebuild import unfold
from ckptdoctor.formats.roles import Unsettled, role_of_dict, role_of_key, settle_roles
from ckptdoctor.formats.source import ByteSource

__all__ = ["PLAIN", "Harvest", "harvest"]

_MODULE_PARTS = frozenset({"_modules", "_parameters", "_buffers"})
_TEXT_CHARS = 4000
_MAX_MALFORMED = 20
_REPETITIONS = 20_000
_SINGLE = ((), (1,))
_FEW = 16  # numbers in a row that are listed one by one
_NUMBERS = frozenset({int, float, bool, type(None)})
Child = tuple[Node, Link]
PLAIN = frozenset({str, int, float, bool, type(None), Located})
"""What is a value and no container."""


def harvest(
    root: Node,
    lookup: StorageLookup,
    source: ByteSource,
    limits: Limits,
    inner: Mapping[int, InnerFile] | None = None,
) -> Harvest:
    """Every tensor and every scalar below ``root``, named by its path.

    Args:
        root: what the pickle machine returned.
        lookup: finds the storage of a persistent id.
        source: where byte strings of the pickle lie.
        limits: bounds on depth, number and length of names.
        inner: the torch files within the pickle, by the id of their byte string.
    """
    storages = InnerStorages(inner or {}, lookup, source.file_offset or 0)
    walk = _Walk(storages, source, limits)
    walk.run(root)
    found = walk.result(root)
    found.problems += storages.problems()
    return found


class _Walk:
    def __init__(self, lookup: StorageLookup, source: ByteSource, limits: Limits) -> None:
        self._lookup = lookup
        self._strings = ByteStrings(source)
        self._limits = limits
        self._visited: dict[int, Node] = {}  # the node too, so that its id stays its own
        self._tensors: dict[int, tuple[Node, RawTensor]] = {}
        self._steps = 0
        self._first = 0  # length of containers seen for the first time
        self._repeated = 0  # and of those seen again
        self._leaves: list[Leaf] = []
        self._found = Harvest()
        self._names: dict[str, int] = {}
        self._count = 0
        self._chars = 0
        self._malformed = 0
        self._passed_over = 0
        self._too_deep = False

    def run(self, root: Node) -> None:
        # Iterators, so that no place is made for what a limit leaves out.
        stack: list[Iterator[Child]] = [iter([(root, Link(None, "", None))])]
        while stack:
            child = next(stack[-1], None)
            if child is None:
                stack.pop()
                continue
            node, link = child
            self._steps += 1
            excess = self._excess()
            if excess:
                self._limit(excess)
                return
            if self._leaf(node, link):
                continue
            if id(node) in self._tensors:
                self._tensor(link, self._tensors[id(node)][1])
                continue
            bulk = containers.bulk_of(node)
            known = self._is_known(node, bulk)
            if self._may_enter(node, link, known=known):
                stack.append(self._enter(node, link, bulk, known=known))

    def _excess(self) -> str:
        """Which limit is reached; "" while none is."""
        limits = self._limits
        if self._count > limits.leaves:
            return f"more than {limits.leaves} values"
        if len(self._leaves) > limits.tensors:
            return f"more than {limits.tensors} tensors"
        if self._chars > min(limits.names_nbytes, limits.metadata_nbytes):
            return "names and texts larger than the file explains"
        if self._steps + self._repeated > 2 * (limits.opcodes + _REPETITIONS):
            return "lists that hold each other more often than the file explains"
        return ""

    def _may_enter(self, node: Node, link: Link, *, known: bool) -> bool:
        if link.depth >= self._limits.depth:
            if not self._too_deep:
                self._too_deep = True
                self._limit(f"containers nested more than {self._limits.depth} deep")
            return False
        if not known:
            return True
        return self._repeated <= _REPETITIONS + self._first and not link.is_inside(node)

    def _is_known(self, node: Node, bulk: Iterable[Node]) -> bool:
        """Whether the container, or something long that makes it up, was entered before."""
        visited = self._visited
        return id(node) in visited or any(id(part) in visited for part in bulk)

    def _enter(
        self, node: Node, link: Link, bulk: Collection[Node], *, known: bool
    ) -> Iterator[Child]:
        """What stands in a container."""
        children = self._children(node, link)
        link.node = id(node)
        size = containers.length(node) + sum(map(len, bulk))
        if known:
            self._repeated += size
        else:
            self._first += size
        self._visited[id(node)] = node
        for part in bulk:
            self._visited[id(part)] = part
        return children

    def result(self, root: Node) -> Harvest:
        roles = settle_roles(
            [
                Unsettled(leaf.link.role, leaf.link.own_name, leaf.tensor.shape in _SINGLE)
                for leaf in self._leaves
            ],
            is_object=type(root) is Instance and root.name != "collections.OrderedDict",
        )
        for leaf, role in zip(self._leaves, roles, strict=True):
            tensor = leaf.tensor
            self._found.tensors.append(
                TensorRecord(
                    fqn=leaf.name,
                    dtype=tensor.dtype.name,
                    shape=tensor.shape,
                    stride=tensor.stride,
                    storage_offset=tensor.storage_offset,
                    storage=tensor.storage,
                    role=role,
                    lost=tensor.lost,
                )
            )
        if self._passed_over:
            self._found.problems.append(passed_over(self._passed_over, self._limits.scalars))
        if self._malformed > _MAX_MALFORMED:
            self._found.problems.append(
                Problem(
                    code="CD104",
                    severity=Severity.ERROR,
                    subject="tensors",
                    message=f"{self._malformed - _MAX_MALFORMED} more are no tensors either",
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
        base = link.path(self._limits.name_chars) or default
        name, seen = base, self._names.get(base, 0) + 1
        while seen > 1 and (name := f"{base}#{seen}") in self._names:
            seen += 1
        self._names[base] = seen
        self._names.setdefault(name, 1)
        self._chars += len(name)
        return name

    # -- leaves ----------------------------------------------------------------------------------

    def _leaf(self, node: Node, link: Link) -> bool:
        """Record the node if it is a leaf; False for what has children."""
        kind = type(node)
        if kind is Instance:
            return False
        if kind in (str, int, float, bool, type(None)):
            self._scalar(link, node)
        elif kind is Located:
            self._found.located[self._scalar(link, node.value)] = node
        elif kind is list or kind is tuple:
            return not node
        elif kind is DictNode or kind is SetNode:
            return False
        elif kind is PersistentId:
            found = self._lookup(node.pid)
            if isinstance(found, RawTensor):
                self._tensor(link, found)
            elif found is not None:
                self._tensor(link, row_of(found))
            elif not containers.names_module(node.pid):
                self._complain(link, MalformedTensorError("a reference to no storage"))
        # bytes, BytesRef, GlobalRef: nothing to report
        return True

    def _tensor(self, link: Link, tensor: RawTensor) -> None:
        self._count += 1
        self._leaves.append(Leaf(link, self._name(link, "tensor"), tensor))

    def _scalar(self, link: Link, value: Scalar) -> str:
        self._count += 1
        if type(value) is str:
            if len(value) > _TEXT_CHARS:
                value = value[:_TEXT_CHARS] + "…"
            self._chars += len(value)
        name = self._name(link, "value")
        self._found.scalars[name] = value
        return name

    # -- children --------------------------------------------------------------------------------

    def _children(self, node: Node, link: Link) -> Iterator[Child]:
        if type(node) is Instance:
            return self._instance(node, link)
        if type(node) is DictNode:
            return self._pairs(node.pairs, link)
        members = node.members if type(node) is SetNode else node
        return self._members(members, link)

    def _members(self, members: Iterable[Node], link: Link) -> Iterator[Child]:
        if isinstance(members, list | tuple) and self._took_numbers(members, link):
            return iter(())
        numbered = ((str(index), member) for index, member in enumerate(members))
        return self._below(numbered, link)

    def _took_numbers(self, members: Sequence[Node], link: Link) -> bool:
        """Whether these are numbers alone, which are listed now; not where a limit is near."""
        count, limits = len(members), self._limits
        if count <= _FEW or not _NUMBERS.issuperset(map(type, members)):
            return False
        names = item_names(link, count, limits.name_chars)
        chars = self._chars + sum(map(len, names))
        if (
            not names
            or not self._names.keys().isdisjoint(names)
            or len(self._found.scalars) + count > limits.scalars
            or self._count + count > limits.leaves
            or chars > min(limits.names_nbytes, limits.metadata_nbytes)
        ):
            return False
        self._found.scalars.update(zip(names, members, strict=True))
        self._names.update(dict.fromkeys(names, 1))
        self._count += count
        self._steps += count
        self._chars = chars
        return True

    def _below(self, entries: Iterable[tuple[str, Node]], link: Link) -> Iterator[Child]:
        """The entries with their places; plain values only as long as there is room for them."""
        scalars, most = self._found.scalars, self._limits.scalars
        for name, node in entries:
            if type(node) in PLAIN:
                if len(scalars) >= most:
                    self._passed_over += 1
                    continue
            elif containers.is_empty(node):
                continue
            yield node, Link(link, name, self._role(link, name))

    def _pairs(self, pairs: list[tuple[Node, Node]], link: Link) -> Iterator[Child]:
        entries = list(containers.last_wins(pairs))
        role = role_of_dict(name for name, _ in entries) if len(entries) <= 16 else None
        if role is not None:
            link.role = role
        return self._below(entries, link)

    def _role(self, parent: Link, name: str) -> Role | None:
        if parent.role is not None or parent.depth > 1:
            return parent.role
        return role_of_key(name)

    def _instance(self, node: Instance, link: Link) -> Iterator[Child]:
        try:
            unfolded = unfold(node, self._lookup, self._strings)
        except MalformedTensorError as error:
            self._complain(link, error)
            return iter(())
        match unfolded:
            case RawTensor():
                self._tensors[id(node)] = node, unfolded  # the node too, so its id stays its own
                self._tensor(link, unfolded)
                return iter(())
            case Value(value=value):
                self._scalar(link, value)
                return iter(())
            case Parts(parts=parts):
                return (
                    (part, link if name is None else Link(link, name, link.role))
                    for name, part in parts
                )
            case None:
                return self._object(node, link)

    def _complain(self, link: Link, error: MalformedTensorError) -> None:
        self._malformed += 1
        if self._malformed <= _MAX_MALFORMED:
            self._found.problems.append(
                Problem(
                    code="CD104",
                    severity=Severity.ERROR,
                    subject=self._name(link, "tensor"),
                    message=f"not a tensor that torch could have written: {error}",
                    evidence={"role": (link.role or Role.MODEL).value},
                )
            )

    def _object(self, node: Instance, link: Link) -> Iterator[Child]:
        """An object of a class we know nothing about: its arguments, items and attributes."""
        args = node.args if type(node.args) is tuple else ()
        pairs = node.pairs or containers.pairs_argument(node)
        if pairs:
            yield from self._pairs(pairs, link)
        elif len(args) == 1 and node.state is None and not node.members:
            yield args[0], link  # an enum member, a wrapper: its one value
        else:
            plain = [
                arg
                for arg in args
                if unwrap(arg) is not None and type(arg) not in (GlobalRef, PersistentId)
            ]
            yield from self._members(plain, link)
        yield from self._members(node.members or (), link)
        states = node.state if type(node.state) is tuple else (node.state,)
        for state in states:  # (__dict__, __slots__) for classes with slots
            if type(state) is DictNode:
                yield from self._attributes(state, link)
            elif unwrap(state) is not None:
                yield state, Link(link, "state", link.role)

    def _attributes(self, state: DictNode, link: Link) -> Iterator[Child]:
        """``__dict__``, with the three dicts of an ``nn.Module`` named as its state_dict does."""
        if link.role is None and any(state.get(part) is not None for part in _MODULE_PARTS):
            link.role = Role.MODEL
        for child, below in self._pairs(state.pairs, link):
            if below.name == "_metadata":  # torch's version numbers of the modules
                continue
            if below.name in _MODULE_PARTS:
                pairs = child.pairs if type(child) in (DictNode, Instance) else None
                yield from self._pairs(pairs, link) if pairs else [(child, link)]
            else:
                yield child, below
