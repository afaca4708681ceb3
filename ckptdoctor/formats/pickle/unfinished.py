"""What a cut pickle had built before it ended: the containers that were open, closed.

A pickler writes a container, a mark, what belongs into it, and only then the opcode that puts it
there. So at the cut all that was finished lies on the stack, each level above the container it is
meant for. Where the cut went through, and what might have followed, is marked by :data:`LOST`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ckptdoctor.formats.pickle.nodes import (
    DictNode,
    GlobalRef,
    Instance,
    Node,
    SetNode,
    unwrap,
)

if TYPE_CHECKING:
    from ckptdoctor.formats.pickle.machine import PickleMachine

__all__ = ["LOST", "REST", "unfinished"]

LOST = GlobalRef("lost")
"""Called in place of what was cut. No pickle can name it: it has no module."""

REST = "…"
"""The key of what may have followed."""

_BATCH = 1000  # picklers fill containers by so many items
_KEYS = (str, int, float, bool, bytes, tuple, type(None))
_TENSORS = ("torch._utils._rebuild_", "torch._tensor._rebuild_", "torch.storage.", "numpy.", "lost")


def unfinished(vm: PickleMachine) -> Node:
    """The tree of a machine whose pickle ended too early; None where it had built nothing.

    Args:
        vm: as the run left it.
    """
    levels = [list(level) for level in (*vm.marks, vm.stack)]
    lost = Instance(LOST, _promised(vm))
    level = levels.pop()
    _mark_cut(level, lost)
    while levels:
        above, level = level, levels.pop()
        _close(level, above, lost)
    return _chained(level, lost) if level else None


def _promised(vm: PickleMachine) -> tuple[Node, ...]:
    """What is known of the storage that the cut went through: its class and its size."""
    pid = vm.loading.unfinished()
    return (pid[1], pid[4]) if type(pid) is tuple and len(pid) >= 5 else ()


def _mark_cut(level: list[Node], lost: Node) -> None:
    """Where the innermost level goes on, it goes on in what it holds last, or behind it."""
    last = level[-1] if level else None
    if type(last) is GlobalRef:
        level[-1] = lost
    elif _takes(last) and _size(last) % _BATCH == 0:
        _put(last, [lost], lost)
    else:
        level.append(lost)


def _close(level: list[Node], above: list[Node], lost: Node) -> None:
    """Give what lies above a mark to what stands below it."""
    owner = level[-1] if level else None
    if type(owner) is GlobalRef:
        level[-1] = lost if owner.name.startswith(_TENSORS) else Instance(owner, tuple(above))
    elif type(owner) is Instance and not _takes(owner):
        level[-1] = lost  # an array, the state of which was being written
    elif _takes(owner):
        _put(owner, above, lost)
    else:
        level.append(above)  # a tuple


def _takes(node: Node) -> bool:
    """Whether it is a container, or an object that could be one."""
    if type(node) is Instance:
        return not node.name.startswith(_TENSORS)
    return type(node) in (DictNode, list, SetNode)


def _size(node: Node) -> int:
    if type(node) is Instance:
        return len(node.pairs or node.members or ()) if node.state is None else 1
    if type(node) is DictNode:
        return len(node.pairs)
    return len(node if type(node) is list else node.members)


def _put(owner: Node, items: list[Node], lost: Node) -> None:
    """What SETITEMS, APPENDS or ADDITEMS would have done."""
    if type(owner) is list:
        owner.extend(items)
    elif type(owner) is SetNode:
        owner.members.extend(items)
    elif type(owner) is DictNode:
        owner.pairs.extend(_pairs(items, lost))
    else:
        owner.pairs = [*(owner.pairs or ()), *_pairs(items, lost)]


def _pairs(items: list[Node], lost: Node) -> list[tuple[Node, Node]]:
    """Keys and values, as far as they go."""
    pairs: list[tuple[Node, Node]] = []
    at = 0
    while at + 1 < len(items) and type(unwrap(items[at])) in _KEYS:
        pairs.append((items[at], items[at + 1]))
        at += 2
    rest = items[at:]
    if rest and type(unwrap(rest[0])) in _KEYS:
        pairs.append((rest[0], lost))
    elif rest and rest[0] is not lost and pairs:
        key, value = pairs[-1]
        pairs[-1] = (key, _with_rest(value, rest, lost))
    if lost in rest and not any(value is lost for _, value in pairs):
        pairs.append((REST, lost))
    return pairs


def _chained(items: list[Node], lost: Node) -> Node:
    """What stands on the stack without a mark: each holds, or is to hold, what comes behind it."""
    node = items[-1]
    at = len(items) - 2
    while at >= 0:
        below = items[at]
        holder = items[at - 1] if at > 0 and type(unwrap(below)) in _KEYS else None
        if type(holder) in (DictNode, Instance) and _takes(holder):
            _put(holder, [below, node], lost)
            node = holder
            at -= 2
        else:
            holds = _takes(below) or type(below) is GlobalRef
            node = _with_rest(below, [node], lost) if holds else [below, node]
            at -= 1
    return node


def _with_rest(node: Node, rest: list[Node], lost: Node) -> Node:
    """An object with the state that was still to be set, or a call that was still to be made."""
    if type(node) is GlobalRef:
        return lost if node.name.startswith(_TENSORS) else Instance(node, tuple(rest))
    if type(node) is Instance and type(rest[0]) is DictNode:
        node.state = rest[0]
        rest = rest[1:]
        if rest:
            node.state.pairs.append((REST, lost))
    elif _takes(node):
        _put(node, rest, lost)
    return node
