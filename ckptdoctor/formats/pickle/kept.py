"""What may be kept to be called later: bound by a partial, or by a container that calls it.

Whoever keeps a function decides nothing; whoever calls it does. So a function whose calls are
looked at one by one must not be kept where nobody sees it called.
"""

from __future__ import annotations

from ckptdoctor.formats.pickle.names import Use, is_risky_member, member
from ckptdoctor.formats.pickle.nodes import GlobalRef, Instance, Node, PersistentId

__all__ = [
    "GETATTR",
    "ONLY_CALLED",
    "PARTIAL",
    "class_of",
    "is_plain_method",
    "may_be_kept",
    "module_class",
    "names_module",
]

GETATTR = "builtins.getattr"
PARTIAL = frozenset({"functools.partial", "_functools.partial"})

ONLY_CALLED = frozenset(
    """
    builtins.getattr functools.reduce _functools.reduce copyreg._reconstructor copyreg.__newobj__
    copyreg.__newobj_ex__ torch._tensor._rebuild_from_type torch._tensor._rebuild_from_type_v2
    torch.tensor._rebuild_from_type sortedcontainers.sortedlist.SortedKeyList
    """.split()
)
"""Picklers call these where they name them; they call, or look up, what they are given."""

# They call what they are given too, or what it has for a method; they may be named, but not bound.
_CALL_ON = ONLY_CALLED | frozenset(
    """
    builtins.iter builtins.next builtins.type copy.copy copy.deepcopy operator.getitem
    _operator.getitem
    """.split()
)
_MAX_DEPTH = 20
_MAKES_OF_FIRST = frozenset(
    {"copyreg._reconstructor", "copyreg.__newobj__", "copyreg.__newobj_ex__"}
)


def names_module(pid: Node) -> bool:
    """Whether it is ``("module", class, path, source)``, as torch pickled modules before 1.6."""
    return type(pid) is tuple and pid[:1] == ("module",)


def module_class(node: Node) -> GlobalRef | None:
    """The class behind the id under which torch's old format saves one with its source."""
    if type(node) is PersistentId and names_module(node.pid):
        pid = node.pid
        if type(pid) is tuple and len(pid) > 1 and type(pid[1]) is GlobalRef:
            return pid[1]
    return None


def class_of(node: Node) -> GlobalRef | None:
    """The class of an object, as far as the pickle names it."""
    if type(node) is not Instance:
        return module_class(node)
    if node.name in _MAKES_OF_FIRST:
        made = node.args[0] if type(node.args) is tuple and node.args else None
        return made if type(made) is GlobalRef else None
    return node.factory if type(node.factory) is GlobalRef else module_class(node.factory)


def is_plain_method(owner: Node, attribute: str) -> bool:
    """Whether it is the method of an object: of a class that nobody knows, or a plain one.

    A property would be run.
    """
    if is_risky_member(attribute):
        return False
    if type(owner) not in (Instance, PersistentId):
        return True  # a list, a number
    cls = class_of(owner)
    if cls is None or cls.use is Use.UNKNOWN:
        return cls is not None
    return member(cls.use, cls.module, cls.qualname, attribute) is not Use.CODE


def may_be_kept(node: Node, depth: int = 0) -> bool:
    """Whether it may be kept as a callable: a name that is plain, a partial, a bound method."""
    named = node if type(node) is GlobalRef else module_class(node)
    if named is not None:
        return not named.runs_code and named.name not in _CALL_ON
    if type(node) is Instance and node.name == GETATTR:  # a member, which was judged when it came
        return type(node.factory) is GlobalRef and not node.factory.runs_code
    if type(node) is Instance and node.name in PARTIAL and depth < _MAX_DEPTH:
        args = node.args if type(node.args) is tuple else ()
        return bool(args) and may_be_kept(args[0], depth + 1)
    return node is None
