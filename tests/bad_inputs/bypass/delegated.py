"""Methods that an object is lent by another one, and methods kept where something calls them.

``inspect.Signature.from_callable`` evaluates the annotations of what it is given, where it is told
to; ``Module.__getattr__`` lends whatever lies among the modules.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bad_inputs.bypass.one import Bypass, Catalogue, Loader, Make, python_of
from tests.bad_inputs.bypass.payloads import namespace
from tests.bad_inputs.opcodes import Opcodes, call, getattr_of, named, pickle_of, push, with_state

__all__ = ["DELEGATED"]

_SIGNED = getattr_of(named("inspect", "Signature"), "from_callable")
_PARTIAL = named("functools", "partial")

_made = Catalogue(Loader.PICKLE)


def _delegated(name: str, needs: str = "torch") -> Callable[[Make], Make]:
    loader = Loader.PICKLE.if_installed(needs)

    def add(make: Make) -> Make:
        return _made.add(name, "an audit: methods that are lent", loader=loader)(
            lambda canary: pickle_of(make(canary))
        )

    return add


def _of(module: str, name: str, **attributes: Any) -> Opcodes:
    return with_state(Opcodes(named(module, name) + b")\x81"), attributes)


def _module(**modules: Any) -> Opcodes:
    return _of("torch.nn.modules.module", "Module", _parameters={}, _buffers={}, _modules=modules)


def _evaluated(canary: Path) -> Opcodes:
    """An object that looks like a function, whose annotation is an expression."""
    return _of(
        "torch.distributed.algorithms._checkpoint.checkpoint_wrapper",
        "CheckpointWrapper",
        _parameters={},
        _buffers={},
        _modules={"_checkpoint_wrapped_module": named("torch.nn.functional", "relu")},
        __annotations__={"input": python_of(canary)},
    )


def _evaluates(*bound: Opcodes) -> Opcodes:
    """Evaluates the annotations of what it is called with."""
    return with_state(call(_PARTIAL, _SIGNED), (_SIGNED, bound, {"eval_str": True}, None))


@_delegated("APPEND to a module among whose modules lies a method")
def _(canary: Path) -> bytes:
    return Opcodes(_module(append=_evaluates()) + _evaluated(canary) + b"a")


@_delegated("APPEND to an object with a key that equals the name of a method")
def _(canary: Path) -> bytes:
    key = _of("collections", "UserString", data="append")
    state = Opcodes(b"}" + key + _evaluates() + b"s")
    empty = Opcodes(named("argparse", "Namespace") + b")\x81")
    return Opcodes(with_state(empty, state) + _evaluated(canary) + b"a")


@_delegated("APPEND to an object whose state is a tuple of another class")
def _(canary: Path) -> bytes:
    state = call(named("os", "terminal_size"), (None, {"append": _evaluates()}))
    empty = Opcodes(named("argparse", "Namespace") + b")\x81")
    return Opcodes(with_state(empty, state) + _evaluated(canary) + b"a")


@_delegated("an optimizer whose groups make what is missing")
def _(canary: Path) -> bytes:
    group = call(named("collections", "defaultdict"), _evaluates(_evaluated(canary)))
    state = {"param_groups": [group], "state": {}, "defaults": {}}
    return with_state(Opcodes(named("torch.optim.adam", "Adam") + b")\x81"), state)


@_delegated("a property of a distribution")
def _(canary: Path) -> bytes:
    sized = namespace(size=_evaluates(_evaluated(canary)))
    made = _of("torch.distributions.categorical", "Categorical", _param=sized)
    return getattr_of(made, "param_shape")


@_delegated("a list of what a view of a graph lets through", "networkx")
def _(canary: Path) -> bytes:
    atlas = Opcodes(b"}" + _evaluated(canary) + push(1) + b"s")
    view = _of("networkx.classes.coreviews", "FilterAtlas", _atlas=atlas, NODE_OK=_evaluates())
    return call(named("torch.fx.immutable_collections", "immutable_list"), view)


@_delegated("options that read a module into themselves", "torch")
def _(canary: Path) -> bytes:
    values = Opcodes(_of("optparse", "Values", spawnlp=0) + b"q\x01")
    read = Opcodes(values + b"0" + _module(append=getattr_of(Opcodes(b"h\x01"), "read_module")))
    bound = call(_PARTIAL, getattr_of(Opcodes(b"h\x01"), "spawnlp"), 0, "touch", "touch")
    second = Opcodes(_module(append=bound) + push(str(canary)) + b"a")
    return Opcodes(read + push("os") + b"a0" + second)


DELEGATED: list[Bypass] = _made.made
