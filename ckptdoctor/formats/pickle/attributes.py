"""What a pickle may set on an object: data, and not what Python, or a pickler, looks for and calls.

``pickle`` asks an object for ``__setstate__``, ``append``, ``extend`` and ``add``, ``copy`` for its
``__deepcopy__`` and ``__reduce_ex__``, torch for ``detach`` and ``as_subclass``: each is found on
the object before it is found in its class.
"""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.formats.pickle.kept import GETATTR, PARTIAL, may_be_kept
from ckptdoctor.formats.pickle.names import Use
from ckptdoctor.formats.pickle.nodes import DictNode, GlobalRef, Instance, Node, SetNode

__all__ = ["has_attributes", "is_anothers", "state_runs", "takes_no_members", "work_of"]

_PROTOCOL = frozenset(
    """
    __copy__ __deepcopy__ __getnewargs__ __getnewargs_ex__ __getstate__ __reduce__ __reduce_ex__
    __setstate__
    """.split()
)
_METHODS = frozenset(
    """
    add append as_subclass clear copy detach discard extend get insert items keys pop popitem remove
    requires_grad_ setdefault to update values
    """.split()
)  # of containers and tensors: whoever reads a pickle calls them on what should be one
_CALLABLES = PARTIAL | {GETATTR, "types.GenericAlias"}

# What these give back was there before: an attribute, a class, an argument, a logger.
_ANOTHERS = frozenset(
    """
    builtins.getattr builtins.type logging.getLogger torch.jit._pickle.build_boollist
    torch.jit._pickle.build_doublelist torch.jit._pickle.build_intlist
    torch.jit._pickle.build_tensor_from_id torch.jit._pickle.build_tensorlist
    torch.jit._pickle.restore_type_tag torch.nn.backends.thnn._get_thnn_function_backend
    torch.serialization._get_layout
    """.split()
)
# Of what picklers call, these have members of their own.
_FILLED = frozenset(
    """
    array.array builtins.bytearray builtins.list builtins.set collections.deque copyreg.__newobj__
    copyreg.__newobj_ex__ copyreg._reconstructor sortedcontainers.sortedlist.SortedKeyList
    sortedcontainers.sortedlist.SortedList sortedcontainers.sortedset.SortedSet
    torch.fx.immutable_collections.immutable_list torch.utils._ordered_set.OrderedSet
    """.split()
)
# Dicts within what makes a dict, and what that is given: picklers write one of each.
_MOST_WITHIN, _MOST_GIVEN = 8, 64


def is_anothers(node: Instance) -> bool:
    """Whether an object may belong to something else than this pickle, and is not to be changed."""
    return node.name in _ANOTHERS


def takes_no_members(node: Instance) -> bool:
    """Whether APPEND may find a method on it, if any, that was set and is not of its class.

    Picklers write the members of an object before its state.
    """
    if node.state is not None:
        return True
    if type(node.factory) is not GlobalRef or node.factory.use is not Use.CALLED:
        return is_anothers(node)
    return node.name not in _FILLED


def state_runs(target: Instance, state: Node) -> bool:
    """Whether BUILD may run code, or sets what others will call."""
    if is_anothers(target):
        return True
    if target.name in PARTIAL:
        return not _is_state_of_partial(state)
    return any(
        _is_hook(key, value) or (is_slot and type(key) is str and key.startswith("__"))
        for parts in _readings(state)
        for is_slot, part in enumerate(parts)
        for key, value in _entries(part, set())
    )


def has_attributes(node: Instance) -> bool:
    """Whether BUILD gave it attributes: its methods may do anything with them."""
    if node.state is None:
        return False
    parts = (part for parts in _readings(node.state) for part in parts)
    return any(part.pairs if type(part) is DictNode else type(part) is Instance for part in parts)


def work_of(state: Node) -> int:
    """How much there is to look at in a state."""
    if type(state) is DictNode:
        return len(state.pairs)
    if type(state) is tuple:
        return sum(map(work_of, state)) if len(state) <= _MOST_GIVEN else len(state)
    if type(state) is not Instance:
        return 1
    args = state.args if type(state.args) is tuple else ()
    return len(state.pairs or ()) + sum(len(_listed(given)) for given in args[:_MOST_GIVEN])


def _is_state_of_partial(state: Node) -> bool:
    """``(function, arguments, keywords, attributes)``."""
    if type(state) is not tuple or not state or not may_be_kept(state[0]):
        return False
    return not any(_is_hook(*entry) for entry in _entries(state[-1], set()))


def _readings(state: Node) -> Iterator[tuple[Node, Node]]:
    """What goes into ``__dict__``, and what is set one by one; an object may be a tuple as well."""
    if type(state) is tuple and len(state) == 2:
        yield state[0], state[1]
        return
    yield state, None
    if type(state) is Instance:
        if is_anothers(state):
            yield DictNode([(state, state)]), None
        for given in state.args if type(state.args) is tuple else ():
            if type(given) in (tuple, list) and len(given) == 2:
                yield given[0], given[1]


def _entries(node: Node, seen: set[int]) -> Iterator[tuple[Node, Node]]:
    """The keys and values of a dict, of whichever class, as far as the pickle spells them out."""
    if type(node) is DictNode:
        yield from node.pairs
    elif type(node) is Instance and id(node) not in seen:
        seen.add(id(node))
        args = node.args if type(node.args) is tuple else ()
        if len(seen) > _MOST_WITHIN or len(args) > _MOST_GIVEN:
            yield node, node  # who knows
            return
        yield from node.pairs or ()
        for given in args:
            yield from _entries(given, seen)
            for item in _listed(given):
                if type(item) in (tuple, list) and len(item) == 2:
                    yield item[0], item[1]


def _listed(node: Node) -> list[Node] | tuple[Node, ...]:
    if type(node) is SetNode:
        return node.members
    return node if type(node) in (list, tuple) else ()


def _is_hook(key: Node, value: Node) -> bool:
    if type(key) is not str:
        return type(key) is Instance  # it may be, or equal, any text
    return value is not None and (key in _PROTOCOL or (key in _METHODS and _is_called(value)))


def _is_called(node: Node) -> bool:
    """Whether it is something to be called, of which it is known what it is."""
    if type(node) is GlobalRef:
        return node.use is not Use.UNKNOWN
    return type(node) is Instance and node.name in _CALLABLES
