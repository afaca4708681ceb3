"""What may be kept to be called later: bound by a partial, or by a container that calls it.

Whoever keeps a function decides nothing; whoever calls it does. So a function whose calls are
looked at one by one must not be kept where nobody sees it called.
"""

from __future__ import annotations

from ckptdoctor.formats.pickle.nodes import GlobalRef, Instance, Node

__all__ = ["GETATTR", "ONLY_CALLED", "PARTIAL", "may_be_kept"]

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


def may_be_kept(node: Node, depth: int = 0) -> bool:
    """Whether it may be kept as a callable: a name that is plain, or a partial of one."""
    if type(node) is GlobalRef:
        return not node.runs_code and node.name not in _CALL_ON
    if type(node) is Instance and node.name in PARTIAL and depth < _MAX_DEPTH:
        args = node.args if type(node.args) is tuple else ()
        return bool(args) and may_be_kept(args[0], depth + 1)
    return node is None
