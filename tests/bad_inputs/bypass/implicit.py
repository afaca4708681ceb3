"""Calls that no opcode makes: methods that are looked for on an object, and keys to sort by.

All of these name nothing but what stands in checkpoints. ``copy.deepcopy`` does the work: it calls
what an object has for ``__reduce_ex__``, and then the function that this returns.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bad_inputs.bypass.carriers import beside_weights
from tests.bad_inputs.bypass.one import Bypass, Catalogue, Loader, Make, python_of
from tests.bad_inputs.bypass.payloads import namespace
from tests.bad_inputs.opcodes import Opcodes, call, getattr_of, named, push, with_state

__all__ = ["IMPLICIT"]

_COPY = named("copy", "deepcopy")
_GETATTR = named("builtins", "getattr")
_PARTIAL = named("functools", "partial")
_REDUCE = named("functools", "reduce")
_SAME = named("torch.jit._pickle", "restore_type_tag")
_EMPTY = Opcodes(named("argparse", "Namespace") + b")\x81")

_made = Catalogue(Loader.TORCH)


def _implicit(name: str, needs: str = "torch") -> Callable[[Make], Make]:
    """The function below makes the opcodes of one; they run beside the weights.

    Args:
        name: of the bypass.
        needs: the package that would run it.
    """

    def add(make: Make) -> Make:
        loader = Loader.TORCH.if_installed(needs)
        return _made.add(name, "calls that no opcode makes", loader=loader)(
            lambda canary: beside_weights(canary, make(canary))
        )

    return add


def _copied_to(function: Opcodes, *args: Any) -> Opcodes:
    """An object of which a deep copy is the result of a call."""
    reduced = call(named("builtins", "iter"), [(function, args)])
    return namespace(__reduce_ex__=call(_PARTIAL, named("builtins", "next"), reduced))


def _expression(canary: Path) -> Opcodes:
    """An object that runs an expression when it is copied: no call, no name of a module."""
    get = _copied_to(_REDUCE, _GETATTR, (_COPY, "__globals__", "get"))
    names = _copied_to(_REDUCE, get, ("__builtins__", None))
    evaluate = _copied_to(_REDUCE, _copied_to(_REDUCE, _GETATTR, (names, "get")), ("eval", None))
    return _copied_to(_REDUCE, evaluate, (f"[{python_of(canary)}]", {}))


def _copies(canary: Path) -> Opcodes:
    return call(_PARTIAL, _COPY, _expression(canary))


def _appended(target: Opcodes, canary: Path) -> Opcodes:
    return Opcodes(target + _expression(canary) + b"a")


@_implicit("a union of what has a method of its own")
def _(canary: Path) -> bytes:
    maps = {"maps": [namespace(copy=_copies(canary))]}
    chain = with_state(Opcodes(named("collections", "ChainMap") + b")\x81"), maps)
    return call(_REDUCE, named("operator", "or_"), (chain, {}))


@_implicit("a key to sort by", "sortedcontainers")
def _(canary: Path) -> bytes:
    keyed = named("sortedcontainers.sortedlist", "SortedKeyList")
    return call(keyed, [_expression(canary)], _COPY)


@_implicit("a key to sort a dict by", "sortedcontainers")
def _(canary: Path) -> bytes:
    return call(named("sortedcontainers.sorteddict", "SortedDict"), _copies_any(canary), {1: 2})


def _copies_any(canary: Path) -> Opcodes:
    """Whatever it is called with, it copies the object; the memo is what is given."""
    return with_state(call(_PARTIAL, _COPY), (_COPY, (_expression(canary), {}), {}, None))


@_implicit("APPEND to what a second BUILD seems to have emptied")
def _(canary: Path) -> bytes:
    return _appended(with_state(namespace(append=_COPY), {"a": 1}), canary)


@_implicit("APPEND to a partial with attributes")
def _(canary: Path) -> bytes:
    bound = with_state(call(_PARTIAL, _COPY), (_COPY, (), {}, {"append": _COPY}))
    return _appended(bound, canary)


@_implicit("BUILD with a key that is computed")
def _(canary: Path) -> bytes:
    key = call(named("builtins", "str"), "__setstate__")
    return with_state(with_state(_EMPTY, Opcodes(b"}" + key + _COPY + b"s")), _expression(canary))


@_implicit("BUILD with an ordered dict")
def _(canary: Path) -> bytes:
    empty = call(named("collections", "OrderedDict"))
    state = Opcodes(empty + push("__setstate__") + _COPY + b"s")
    return with_state(with_state(_EMPTY, state), _expression(canary))


@_implicit("BUILD with pairs in an ordered dict")
def _(canary: Path) -> bytes:
    state = call(named("collections", "OrderedDict"), [("__setstate__", _COPY)])
    return with_state(with_state(_EMPTY, state), _expression(canary))


@_implicit("BUILD with a tuple that is computed")
def _(canary: Path) -> bytes:
    state = call(named("builtins", "tuple"), [None, {"append": _COPY}])
    return _appended(with_state(_EMPTY, state), canary)


@_implicit("a state that torch sets")
def _(canary: Path) -> bytes:
    rebuild = named("torch._tensor", "_rebuild_from_type_v2")
    made = call(rebuild, _SAME, named("argparse", "Namespace"), (_EMPTY, ""), {"append": _COPY})
    return _appended(made, canary)


@_implicit("APPEND to an argument that comes back")
def _(canary: Path) -> bytes:
    return _appended(call(_SAME, namespace(append=_COPY), ""), canary)


@_implicit("APPEND to an attribute")
def _(canary: Path) -> bytes:
    return _appended(getattr_of(namespace(x=namespace(append=_COPY)), "x"), canary)


@_implicit("a parameter of what is no tensor")
def _(canary: Path) -> bytes:
    rebuild = named("torch._utils", "_rebuild_parameter")
    return call(rebuild, namespace(detach=_copies(canary)), True, None)


@_implicit("a tensor of another type, of what is no tensor")
def _(canary: Path) -> bytes:
    rebuild = named("torch._tensor", "_rebuild_from_type_v2")
    other = namespace(as_subclass=_COPY)
    return call(rebuild, _SAME, _expression(canary), (other, ""), {})


@_implicit("a manager of loggers that was changed")
def _(canary: Path) -> bytes:
    get = named("logging", "getLogger")
    manager = getattr_of(call(get, "a"), "manager")
    changed = with_state(manager, {"loggerClass": _copies_any(canary)})
    return Opcodes(changed + b"0" + call(get, "a logger that is new"))


# -- what a loader of data hands on ---------------------------------------------------------------

_LOADER = {
    "dataset": None, "num_workers": 0, "prefetch_factor": None, "pin_memory": False,
    "pin_memory_device": "", "timeout": 0, "worker_init_fn": None, "in_order": True,
    "_DataLoader__multiprocessing_context": None, "_dataset_kind": 0, "batch_size": None,
    "drop_last": False, "sampler": [0], "batch_sampler": None, "generator": None,
    "persistent_workers": False, "_DataLoader__initialized": False, "_iterator": None,
    "_IterableDataset_len_called": None,
}  # fmt: skip


def _loaded(collate: Opcodes, item: Any) -> Opcodes:
    """A function called with an item, since a loader is taken for a pair."""
    state = _LOADER | {"dataset": [item], "collate_fn": collate}
    loader = Opcodes(named("torch.utils.data.dataloader", "DataLoader") + b")\x81")
    return call(named("collections", "OrderedDict"), [with_state(loader, state)])


@_implicit("a loader of data in an ordered dict")
def _(canary: Path) -> bytes:
    return _loaded(_COPY, _expression(canary))


@_implicit("a method that links a file")
def _(canary: Path) -> bytes:
    other = canary.with_name("other")
    other.touch()
    link = getattr_of(call(named("pathlib", "PosixPath"), str(other)), "link_to")
    return _loaded(link, str(canary))


@_implicit("a method that writes a state", "transformers")
def _(canary: Path) -> bytes:
    state = Opcodes(named("transformers.trainer_callback", "TrainerState") + b")\x81")
    write = getattr_of(with_state(state, {"epoch": 1}), "save_to_json")
    return _loaded(write, str(canary))


IMPLICIT: tuple[Bypass, ...] = tuple(_made.made)
