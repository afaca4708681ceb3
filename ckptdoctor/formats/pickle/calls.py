"""Which calls of a pickle are those that picklers write; every other one counts as code.

A name alone does not tell: ``map`` of two plain things may call what a third one returned. So the
callable must be a name, never the result of a call, and what it is handed must be what a pickler
hands to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ckptdoctor.formats.pickle.names import Use
from ckptdoctor.formats.pickle.nodes import (
    DictNode,
    GlobalRef,
    Instance,
    Node,
    PersistentId,
)

__all__ = ["GETATTR", "NEWOBJ", "names_module", "replaces_methods", "runs", "state_runs"]

GETATTR = "builtins.getattr"
NEWOBJ = b"\x81"
_NEWOBJ_EX = b"\x92"
_WITHOUT_CONSTRUCTOR = (NEWOBJ, _NEWOBJ_EX)
_PARTIAL = frozenset({"functools.partial", "_functools.partial"})
_MAX_DEPTH = 20

# Whoever is handed one of these iterates over nothing but what the pickle spells out.
_CONTAINERS = frozenset(
    """
    _codecs.encode codecs.encode builtins.bytearray builtins.bytes builtins.dict builtins.frozenset
    builtins.list builtins.range builtins.set builtins.tuple collections.Counter
    collections.OrderedDict collections.defaultdict collections.deque torch.Size
    """.split()
)


def runs(factory: Node, args: Node, opcode: bytes = b"R") -> bool:
    """Whether a call may run code.

    Args:
        factory: what is called.
        args: its arguments, mostly a tuple.
        opcode: that of the call: REDUCE, NEWOBJ, NEWOBJ_EX, INST or OBJ.
    """
    if type(factory) is GlobalRef:
        return _global_runs(factory, args, opcode)
    if type(factory) is PersistentId:
        return not names_module(factory.pid)
    return type(factory) is Instance


def names_module(pid: Node) -> bool:
    """Whether it is ``("module", class, path, source)``, as torch pickled modules before 1.6."""
    return type(pid) is tuple and pid[:1] == ("module",)


def _global_runs(callee: GlobalRef, args: Node, opcode: bytes) -> bool:
    match callee.use:
        case Use.CALLED:
            check = _CHECKS.get(callee.name)
            return check is not None and not check(args if type(args) is tuple else (args,))
        case Use.UNKNOWN:
            return False
        case Use.BUILT:
            return opcode not in _WITHOUT_CONSTRUCTOR and args != ()
        case Use.STRANGER:
            return args != () and not _is_empty_newobj_ex(args, opcode)
    return True


def _is_empty_newobj_ex(args: Node, opcode: bytes) -> bool:
    """Whether NEWOBJ_EX hands on neither arguments nor keywords."""
    return (
        opcode == _NEWOBJ_EX
        and type(args) is tuple
        and args[0] == ()
        and type(args[1]) is DictNode
        and not args[1].pairs
    )


def state_runs(target: Instance, state: Node) -> bool:
    """Whether BUILD may run code: ``__setstate__`` may be set as an attribute, and a class too."""
    if target.name in _PARTIAL:
        return not (type(state) is tuple and state and _may_be_kept(state[0]))
    attributes, slots = (state[0], state[1]) if _is_pair(state) else (state, None)
    if type(attributes) is DictNode and attributes.get("__setstate__") is not None:
        return True
    return type(slots) is DictNode and any(
        type(key) is str and key.startswith("__") for key, _ in slots.pairs
    )


def replaces_methods(target: Instance) -> bool:
    """Whether an object was given a method by BUILD that an opcode for members would call."""
    state = target.state
    for attributes in state if _is_pair(state) else (state,):
        if type(attributes) is DictNode and any(
            attributes.get(method) is not None for method in ("append", "extend", "add")
        ):
            return True
    return False


def _is_pair(state: Node) -> bool:
    return type(state) is tuple and len(state) == 2


# -- what CALLED names may be handed --------------------------------------------------------------


def _is_literal(node: Node) -> bool:
    """Whether iterating over it runs through nothing but what the pickle spells out."""
    if type(node) is Instance:
        return node.name in _CONTAINERS
    return type(node) not in (GlobalRef, PersistentId)


def _all_literal(args: tuple[Node, ...]) -> bool:
    return all(map(_is_literal, args))


def _one_literal(args: tuple[Node, ...]) -> bool:
    """``iter(callable, sentinel)`` calls what it is given."""
    return len(args) == 1 and _is_literal(args[0])


def _may_be_kept(node: Node, depth: int = 0) -> bool:
    """Whether it may be kept as a callable: a name that is plain, or a partial of one."""
    if type(node) is GlobalRef:
        return not node.runs_code and node.name != GETATTR
    if type(node) is Instance and node.name in _PARTIAL and depth < _MAX_DEPTH:
        args = node.args if type(node.args) is tuple else ()
        return bool(args) and _may_be_kept(args[0], depth + 1)
    return node is None


def _keeps_first(args: tuple[Node, ...]) -> bool:
    return not args or _may_be_kept(args[0])


def _partial(args: tuple[Node, ...]) -> bool:
    return bool(args) and _may_be_kept(args[0]) and args[0] is not None


def _type(args: tuple[Node, ...]) -> bool:
    """``type(None)``; with three arguments it makes a class."""
    return len(args) == 1


def _reconstructor(args: tuple[Node, ...]) -> bool:
    """``_reconstructor(class, base, state)`` calls ``base(state)``, unless the base is object."""
    if not args or type(args[0]) is Instance or runs(args[0], (), NEWOBJ):
        return False
    if len(args) < 3 or (type(args[1]) is GlobalRef and args[1].name == "builtins.object"):
        return True
    return not runs(args[1], (args[2],))


def _newobj(args: tuple[Node, ...]) -> bool:
    return bool(args) and not runs(args[0], args[1:], NEWOBJ)


def _rebuild_from_type(args: tuple[Node, ...]) -> bool:
    """``(func, type, args, state)`` calls ``func(*args)``, and sets the state."""
    if len(args) < 4:
        return True
    func, _, given, state = args[:4]
    stands_for = Instance(func, given)
    return not (_is_getattr(func) or runs(func, given) or state_runs(stands_for, state))


def _is_getattr(node: Node) -> bool:
    return type(node) is GlobalRef and node.name == GETATTR


def _typing_item(args: tuple[Node, ...]) -> bool:
    """``operator.getitem(typing.List, (int,))``, as typing pickles what it made."""
    return bool(args) and type(args[0]) is GlobalRef and args[0].module in _GENERIC


def _union(args: tuple[Node, ...]) -> bool:
    """``functools.reduce(operator.or_, (int, str))``, as copyreg pickles ``int | str``."""
    return (
        len(args) == 2
        and type(args[0]) is GlobalRef
        and args[0].name in ("operator.or_", "_operator.or_")
        and type(args[1]) in (tuple, list)
    )


def _random(args: tuple[Node, ...]) -> bool:
    """``__generator_ctor("PCG64", constructor)``: names, classes and objects of its own."""
    return all(
        type(arg) is str
        or (type(arg) in (GlobalRef, Instance) and _name(arg).startswith("numpy.random."))
        for arg in args
    )


def _compiled(args: tuple[Node, ...]) -> bool:
    """``OptimizedModule(module, context)`` calls the context."""
    return all(_name(arg).startswith("torch._dynamo.") for arg in args[1:])


def _new_index(args: tuple[Node, ...]) -> bool:
    """``_new_Index(class, values)`` makes an object of the class."""
    return bool(args) and _name(args[0]).startswith("pandas.")


def _name(node: Node) -> str:
    return node.name if type(node) in (GlobalRef, Instance) else ""


_GENERIC = frozenset({"typing", "collections", "collections.abc", "builtins"})
_CONSUMERS = """
    builtins.bytearray builtins.bytes builtins.dict builtins.enumerate builtins.frozenset
    builtins.list builtins.reversed builtins.set builtins.tuple builtins.zip builtins.int
    builtins.float builtins.str builtins.bool builtins.complex builtins.unicode builtins.long
    array.array collections.Counter collections.OrderedDict collections.deque torch.Size
    itertools.chain itertools.combinations itertools.combinations_with_replacement
    itertools.compress itertools.cycle itertools.islice itertools.pairwise itertools.permutations
    itertools.product itertools.zip_longest
"""
_CHECKS: Mapping[str, Callable[[tuple[Node, ...]], bool]] = {
    **dict.fromkeys(_CONSUMERS.split(), _all_literal),
    "builtins.iter": _one_literal,
    "builtins.type": _type,
    "collections.defaultdict": _keeps_first,
    **dict.fromkeys(_PARTIAL, _partial),
    "copyreg._reconstructor": _reconstructor,
    "copyreg.__newobj__": _newobj,
    "copyreg.__newobj_ex__": _newobj,
    "functools.reduce": _union,
    "_functools.reduce": _union,
    "operator.getitem": _typing_item,
    "_operator.getitem": _typing_item,
    "numpy.random._pickle.__bit_generator_ctor": _random,
    "numpy.random._pickle.__generator_ctor": _random,
    "numpy.random._pickle.__randomstate_ctor": _random,
    "pandas.core.indexes.base._new_Index": _new_index,
    "torch._dynamo.eval_frame.OptimizedModule": _compiled,
    "torch.tensor._rebuild_from_type": _rebuild_from_type,
    "torch._tensor._rebuild_from_type": _rebuild_from_type,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
}
