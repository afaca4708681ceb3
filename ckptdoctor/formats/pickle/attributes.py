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

__all__ = ["is_anothers", "replaces_methods", "state_runs", "takes_no_members"]

_PROTOCOL = frozenset(
    """
    __copy__ __deepcopy__ __getnewargs__ __getnewargs_ex__ __getstate__ __reduce__ __reduce_ex__
    __setstate__
    """.split()
)
_FILLING = ("append", "extend", "add")
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
# Texts that are computed: what they say is not in the file.
_TEXTS = frozenset(
    """
    _codecs.encode builtins.bytes builtins.getattr builtins.str builtins.unicode codecs.encode
    torch.jit._pickle.restore_type_tag torch.torch_version.TorchVersion
    """.split()
)
_MAX_DEPTH = 8


def is_anothers(node: Instance) -> bool:
    """Whether an object may belong to something else than this pickle, and is not to be changed."""
    return node.name in _ANOTHERS


def takes_no_members(node: Instance) -> bool:
    """Whether APPEND finds a method on it, if any, that was set and is not of its class."""
    if type(node.factory) is not GlobalRef or node.factory.use is not Use.CALLED:
        return is_anothers(node)
    return node.name not in _FILLED


def state_runs(target: Instance, state: Node) -> bool:
    """Whether BUILD may run code, or sets what others will call."""
    if is_anothers(target):
        return True
    if target.name in PARTIAL:
        return not _is_state_of_partial(state)
    attributes, slots = _parts(state)
    return any(_is_hook(*entry) for entry in _entries(attributes)) or any(
        _is_hook(key, value) or (type(key) is str and key.startswith("__"))
        for key, value in _entries(slots)
    )


def replaces_methods(target: Instance) -> bool:
    """Whether an object was given a method by BUILD that an opcode for members would call."""
    return any(
        type(key) is str and key in _FILLING and value is not None
        for part in _parts(target.state)
        for key, value in _entries(part)
    )


def _is_state_of_partial(state: Node) -> bool:
    """``(function, arguments, keywords, attributes)``."""
    if type(state) is not tuple or not state or not may_be_kept(state[0]):
        return False
    return not any(_is_hook(*entry) for entry in _entries(state[-1]))


def _parts(state: Node) -> tuple[Node, Node]:
    """What goes into ``__dict__``, and what is set one by one."""
    if type(state) is Instance and type(state.factory) is GlobalRef:
        if state.name == "builtins.tuple" and type(state.args) is tuple and state.args:
            return _parts(tuple(state.args[0]) if type(state.args[0]) is list else state.args[0])
        if is_anothers(state):
            return (DictNode([(state, state)]), None)
    return (state[0], state[1]) if type(state) is tuple and len(state) == 2 else (state, None)


def _entries(node: Node, depth: int = 0) -> Iterator[tuple[Node, Node]]:
    """The keys and values of a dict, of whichever class, as far as the pickle spells them out."""
    if type(node) is DictNode:
        yield from node.pairs
    elif type(node) is Instance and depth < _MAX_DEPTH:
        yield from node.pairs or ()
        for given in node.args if type(node.args) is tuple else ():
            yield from _entries(given, depth + 1)
            for item in _listed(given):
                if type(item) in (tuple, list) and len(item) == 2:
                    yield item[0], item[1]


def _listed(node: Node) -> list[Node] | tuple[Node, ...]:
    if type(node) is SetNode:
        return node.members
    return node if type(node) in (list, tuple) else ()


def _is_hook(key: Node, value: Node) -> bool:
    if type(key) is not str:
        return type(key) is Instance and key.name in _TEXTS
    return value is not None and (key in _PROTOCOL or (key in _METHODS and _is_called(value)))


def _is_called(node: Node) -> bool:
    """Whether it is something to be called, of which it is known what it is."""
    if type(node) is GlobalRef:
        return node.use is not Use.UNKNOWN
    return type(node) is Instance and node.name in _CALLABLES
