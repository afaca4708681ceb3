"""Which calls of a pickle are those that picklers write; every other one counts as code.

A name alone does not tell: ``map`` of two plain things may call what a third one returned. So the
callable must be a name, never the result of a call, and what it is handed must be what a pickler
hands to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ckptdoctor.formats.pickle.attributes import has_attributes, is_anothers, state_runs
from ckptdoctor.formats.pickle.kept import PARTIAL, class_of, may_be_kept, module_class
from ckptdoctor.formats.pickle.names import Use, comes_with_torch
from ckptdoctor.formats.pickle.nodes import (
    DictNode,
    GlobalRef,
    Instance,
    Node,
    PersistentId,
)

__all__ = ["LOADERS", "NEWOBJ", "SETS_STATE", "hands_loader", "runs"]

NEWOBJ = b"\x81"
_NEWOBJ_EX = b"\x92"
_WITHOUT_CONSTRUCTOR = (NEWOBJ, _NEWOBJ_EX)

LOADERS = (
    "torch.utils.data.",
    "lightning.fabric.wrappers._FabricDataLoader",
    "lightning_fabric.wrappers._FabricDataLoader",
)
"""Begin the names of loaders of data, and of their parts."""

SETS_STATE = frozenset(
    """
    torch._tensor._rebuild_from_type torch._tensor._rebuild_from_type_v2
    torch._utils._rebuild_parameter_with_state torch.tensor._rebuild_from_type
    """.split()
)
"""What sets its fourth argument as a state."""

_MOST_ARGS = 256  # no pickler hands more to what it calls

# Whoever is handed one of these iterates over nothing but what the pickle spells out.
_FINITE = frozenset(
    """
    _codecs.encode codecs.encode builtins.bytearray builtins.bytes builtins.dict builtins.enumerate
    builtins.frozenset builtins.iter builtins.list builtins.range builtins.reversed builtins.set
    builtins.tuple builtins.zip collections.Counter collections.OrderedDict collections.defaultdict
    collections.deque itertools.chain itertools.islice torch.Size
    """.split()
)
_HOLDERS = frozenset((Instance, tuple, list))


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
        named = module_class(factory)
        # What may be called with whatever it is given is no class that torch saves so.
        is_function = named is not None and named.use is Use.CALLED and named.name not in _CHECKS
        return named is None or is_function or _global_runs(named, args, opcode)
    return type(factory) is Instance and not _joins_graphs(factory, args)


def _joins_graphs(callee: Instance, args: Node) -> bool:
    """Whether it makes a batch of torch_geometric, of a class of its own."""
    made = callee.args if type(callee.args) is tuple else ()
    cls = made[0] if made and callee.name == "copyreg._reconstructor" else callee.factory
    if callee.state is not None or _name(cls) != _JOINER:
        return False
    return type(args) is tuple and all(
        type(arg) is GlobalRef and arg.name in _JOINED for arg in args
    )


def _global_runs(callee: GlobalRef, args: Node, opcode: bytes) -> bool:
    match callee.use:
        case Use.CALLED:
            given = args if type(args) is tuple else (args,)
            if len(given) > _MOST_ARGS:
                return True
            check = _CHECKS.get(callee.name)
            return not (_given_data(given, callee.module) if check is None else check(given))
        case Use.UNKNOWN:
            return False
        case Use.BUILT:
            return opcode not in _WITHOUT_CONSTRUCTOR and args != ()
        case Use.STRANGER:
            return args != () and not _is_empty_newobj_ex(args, opcode)
    return True


def hands_loader(args: Node) -> bool:
    """Whether a loader of data, or a part of one, is handed on: whoever iterates over it calls.

    Asked only where a pickle names one: it goes through all that is handed on, and counts as one
    where that is much.
    """
    waiting, seen = [args], {id(args)}
    while waiting and len(seen) < _MOST_ARGS:
        node = waiting.pop()
        if type(node) is Instance and node.name.startswith(LOADERS):
            return True
        if type(node) in (tuple, list):
            within = [item for item in node if type(item) in _HOLDERS and id(item) not in seen]
            waiting += within
            seen.update(map(id, within))
    return bool(waiting)


def _is_empty_newobj_ex(args: Node, opcode: bytes) -> bool:
    """Whether NEWOBJ_EX hands on neither arguments nor keywords."""
    return (
        opcode == _NEWOBJ_EX
        and type(args) is tuple
        and args[0] == ()
        and type(args[1]) is DictNode
        and not args[1].pairs
    )


# -- what CALLED names may be handed --------------------------------------------------------------


def _is_literal(node: Node) -> bool:
    """Whether iterating over it runs through nothing but what the pickle spells out."""
    if type(node) is Instance:
        return node.name in _FINITE
    return type(node) not in (GlobalRef, PersistentId)


def _all_literal(args: tuple[Node, ...]) -> bool:
    return all(map(_is_literal, args))


def _one_literal(args: tuple[Node, ...]) -> bool:
    """``iter(callable, sentinel)`` calls what it is given."""
    return len(args) == 1 and _is_literal(args[0])


def _default_factory(args: tuple[Node, ...]) -> bool:
    """``defaultdict(factory)``: whoever asks it for a key that is missing calls the factory."""
    return len(args) <= 1 and not any(arg is not None and _runs_when_called(arg) for arg in args)


def _runs_when_called(kept: Node) -> bool:
    """Whether what is kept may run code when it is called without arguments."""
    if type(kept) is not Instance or kept.name not in PARTIAL:
        return not may_be_kept(kept)
    bound = kept.state if type(kept.state) is tuple else kept.args
    if type(bound) is not tuple or not bound:
        return True
    given = bound[1:] if bound is kept.args else bound[1] if len(bound) > 1 else ()
    return not may_be_kept(bound[0]) or type(given) is not tuple or not _given_data(given)


def _partial(args: tuple[Node, ...]) -> bool:
    return bool(args) and may_be_kept(args[0]) and args[0] is not None


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
    is_plain = (
        type(func) is not GlobalRef or func.name.startswith(_REBUILDERS) or not func.use.is_known
    )
    return is_plain and not (runs(func, given) or state_runs(Instance(func, given), state))


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
        and len(args[1]) <= _MOST_ARGS
        and all(map(_is_type, args[1]))
    )


def _is_type(node: Node) -> bool:
    """A class, ``type(None)``, ``list[int]`` or ``typing.List[int]``."""
    return type(node) is GlobalRef or _name(node) in _TYPES_MADE


def _sorted(args: tuple[Node, ...]) -> bool:
    """``SortedKeyList(values, key)`` calls the key with each value."""
    return _all_literal(args[:1]) and all(arg is None or _is_key(arg) for arg in args[1:])


def _sorted_dict(args: tuple[Node, ...]) -> bool:
    """``SortedDict(key, pairs)``, and the key may be missing."""
    return all(_is_key(arg) or arg is None or _is_literal(arg) for arg in args)


def _is_key(node: Node) -> bool:
    """Whether it is a function to sort by that calls nothing: an item, or the user's own."""
    if type(node) is GlobalRef:
        return node.use is Use.UNKNOWN or node.module in ("operator", "_operator", "math")
    return _name(node) in ("operator.itemgetter", "_operator.itemgetter")


def _given_data(args: tuple[Node, ...], module: str = "") -> bool:
    """No object of a known class that was given attributes: its methods do with them what they do.

    Whoever is handed one may iterate over it, compare it or ask for its length. A framework hands
    objects of its own to what is its own.
    """
    for arg in args:  # no generator: it is asked of every call
        if type(arg) is Instance and arg.state is not None and _may_act(arg, module):
            return False
    return True


def _may_act(node: Instance, module: str) -> bool:
    cls = class_of(node)
    if cls is not None:
        is_own = _is_of_package(cls, module) and not comes_with_torch(module)
        if cls.use is Use.UNKNOWN or is_own or cls.name in _ARRAYS_OF_JOBLIB:
            return False
    return has_attributes(node)


def _is_of_package(cls: GlobalRef, module: str) -> bool:
    return cls.module.partition(".")[0] == module.partition(".")[0]


_ARRAYS_OF_JOBLIB = frozenset(
    f"joblib.numpy_pickle.{name}" for name in ("NumpyArrayWrapper", "NDArrayWrapper")
)


def _parts_of_tensor(args: tuple[Node, ...]) -> bool:
    """Those who rebuild a tensor call the methods of what should be another one."""
    for arg in args:  # no generator: it is asked of every tensor
        if (
            type(arg) is Instance
            and (type(arg.state) is DictNode or is_anothers(arg))
            and type(arg.factory) is GlobalRef
            and arg.factory.use is not Use.UNKNOWN
            and not arg.name.startswith("torch.")
        ):
            return False
    return True


def _parameter_with_state(args: tuple[Node, ...]) -> bool:
    """``(data, requires_grad, hooks, state)`` sets the state."""
    stands_for = Instance(GlobalRef("torch.nn.parameter.Parameter", Use.CALLED), args)
    return _parts_of_tensor(args) and not state_runs(stands_for, args[3] if args[3:] else None)


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


def _compiles(args: tuple[Node, ...]) -> bool:
    """``OptimizeContext(callback, context, ...)`` keeps what is dynamo's own."""
    classes = [class_of(arg) for arg in args if type(arg) is Instance]
    return all(cls is not None and cls.name.startswith("torch._dynamo.") for cls in classes)


def _new_index(args: tuple[Node, ...]) -> bool:
    """``_new_Index(class, values)`` makes an object of the class."""
    return bool(args) and _name(args[0]).startswith("pandas.")


def _one_dict(args: tuple[Node, ...]) -> bool:
    """Whatever else it is given it iterates over, or asks for its items."""
    return len(args) == 1 and type(args[0]) is DictNode


def _name(node: Node) -> str:
    return node.name if type(node) in (GlobalRef, Instance) else ""


_REBUILDERS = ("torch._utils.", "torch._tensor.", "torch.nested.", "torch.tensor.", "torch.Tensor")
_TYPES_MADE = frozenset(
    """
    builtins.type types.GenericAlias operator.getitem _operator.getitem functools.reduce
    _functools.reduce typing.NewType
    """.split()
)
_TENSOR_MAKERS = """
    device_tensor_from_cpu_tensor device_tensor_from_numpy nested_tensor parameter qtensor
    sparse_csr_tensor sparse_tensor tensor tensor_v2 tensor_v3 wrapper_subclass xla_tensor
"""
_JOINER = "torch_geometric.data.batch.DynamicInheritanceGetter"
_JOINED = frozenset(
    f"torch_geometric.data.{name}"
    for name in ("batch.Batch", "data.Data", "hetero_data.HeteroData", "temporal.TemporalData")
)
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
    "collections.defaultdict": _default_factory,
    **dict.fromkeys(PARTIAL, _partial),
    "copyreg._reconstructor": _reconstructor,
    "copyreg.__newobj__": _newobj,
    "copyreg.__newobj_ex__": _newobj,
    "functools.reduce": _union,
    "_functools.reduce": _union,
    "operator.getitem": _typing_item,
    "_operator.getitem": _typing_item,
    "mmengine.config.config.ConfigDict": _one_dict,
    "numpy.random._pickle.__bit_generator_ctor": _random,
    "numpy.random._pickle.__generator_ctor": _random,
    "numpy.random._pickle.__randomstate_ctor": _random,
    "pandas.core.indexes.base._new_Index": _new_index,
    "sortedcontainers.sorteddict.SortedDict": _sorted_dict,
    "sortedcontainers.sortedlist.SortedKeyList": _sorted,
    "sortedcontainers.sortedlist.SortedList": _sorted,
    "sortedcontainers.sortedset.SortedSet": _sorted,
    "torch._dynamo.eval_frame.OptimizeContext": _compiles,
    "torch._dynamo.eval_frame.OptimizedModule": _compiled,
    **{f"torch._utils._rebuild_{name}": _parts_of_tensor for name in _TENSOR_MAKERS.split()},
    "torch._utils._rebuild_parameter_with_state": _parameter_with_state,
    "torch.nested._internal.nested_tensor._rebuild_njt": _parts_of_tensor,
    "torch.tensor._rebuild_from_type": _rebuild_from_type,
    "torch._tensor._rebuild_from_type": _rebuild_from_type,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
}
