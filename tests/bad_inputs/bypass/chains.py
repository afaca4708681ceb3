"""Code without the name of code where it is called: what a call returned, what an object does."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bad_inputs.bypass.carriers import beside_weights
from tests.bad_inputs.bypass.one import Bypass, Catalogue, Loader, Make, python_of, shell
from tests.bad_inputs.bypass.payloads import namespace
from tests.bad_inputs.opcodes import Opcodes, call, named, push, with_state

__all__ = ["CHAINS", "bound_call", "os_system"]

_made = Catalogue(Loader.TORCH)


def _chain(name: str, kind: str) -> Callable[[Make], Make]:
    """The function below makes the opcodes of one; they run beside the weights."""

    def add(make: Make) -> Make:
        return _made.add(name, kind)(lambda canary: beside_weights(canary, make(canary)))

    return add


def os_system() -> Opcodes:
    """``os.system``, imported by its name by a function of torch."""
    return call(named("torch", "_import_dotted_name"), "os.system")


def bound_call(canary: Path) -> Opcodes:
    """A call without arguments that runs a command."""
    return call(named("functools", "partial"), os_system(), shell(canary))


# -- functions that return functions -------------------------------------------------------------

_IMPORTERS: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("torch", "_import_dotted_name", ("os.system",)),
    ("jinja2.utils", "import_string", ("os:system",)),
    ("unittest.mock", "pkgutil.resolve_name", ("os:system",)),
    ("logging.config", "_resolve", ("os.system",)),
    ("xmlrpc.server", "resolve_dotted_attribute", (named("posixpath", "os"), "system")),
    ("importlib.metadata", "EntryPoint.load",
     (call(named("importlib.metadata", "EntryPoint"), "a", "os:system", "b"),)),
    ("setuptools.config.expand", "resolve_class", ("os.system",)),
    ("torch._logging._internal", "pkgutil.resolve_name", ("os:system",)),
)  # fmt: skip


def _imported(canary: Path, *, module: str, name: str, args: tuple[Any, ...]) -> bytes:
    return beside_weights(canary, call(call(named(module, name), *args), shell(canary)))


for _module, _name, _args in _IMPORTERS:
    _made.add(f"what {_module}.{_name} returns is called", "imports by name")(
        functools.partial(_imported, module=_module, name=_name, args=_args)
    )


@_chain("what fsspec.registry._import_class returns is called", "imports by name")
def _(canary: Path) -> bytes:
    found = call(named("fsspec.registry", "_import_class"), "subprocess:Popen")
    return call(found, ["touch", str(canary)])


@_chain("what the builtins of a function of torch hold", "an audit: results are called")
def _(canary: Path) -> bytes:
    get = named("torch.nn.functional", "relu.__builtins__.get")
    return call(call(get, "eval"), python_of(canary))


@_chain("what the globals of a function of torch hold", "results are called")
def _(canary: Path) -> bytes:
    get = named("torch.serialization", "load.__globals__.get")
    return call(call(get, "_open_file"), str(canary), "wb")


@_chain("what the dict of builtins holds", "results are called")
def _(canary: Path) -> bytes:
    found = call(named("builtins", "dict.get"), named("builtins", "__dict__"), "exec")
    return call(found, python_of(canary))


@_chain("a module out of sys.modules, and a method of it", "results are called")
def _(canary: Path) -> bytes:
    module = call(named("collections", "_sys.modules.get"), "posix")
    return call(call(named("operator", "methodcaller"), "system", shell(canary)), module)


@_chain("a module that a helper of torch imported, and a method of it", "an audit: import_module")
def _(canary: Path) -> bytes:
    module = call(named("torch.distributed._tensor", "import_module"), "os")
    return call(call(named("operator", "methodcaller"), "system", shell(canary)), module)


@_chain("a folder put into sys.path by a method, then a name in it", "changes what is imported")
def _(canary: Path) -> bytes:
    folder = canary.with_name("package")
    folder.mkdir(exist_ok=True)
    (folder / "my_network.py").write_text(f"class Net: x = {python_of(canary)}\n")
    insert = call(named("collections", "_sys.path.insert"), 0, str(folder))
    return Opcodes(insert + b"0" + named("my_network", "Net"))


@_chain("numpy.ma finds a function of numpy by its name", "imports by name")
def _(canary: Path) -> bytes:
    function = call(named("numpy.ma.core", "_convert2ma"), "savetxt", "", "")
    return call(function, str(canary), [1])


@_chain("map", "an audit: results are called")
def _(canary: Path) -> bytes:
    return call(
        named("builtins", "list"), call(named("builtins", "map"), os_system(), [shell(canary)])
    )


@_chain("a map made by NEWOBJ, and a tuple of it", "results are called")
def _(canary: Path) -> bytes:
    mapped = named("builtins", "map") + push((os_system(), [shell(canary)])) + b"\x81"
    return Opcodes(named("builtins", "tuple") + push((Opcodes(mapped),)) + b"\x81")


@_chain("a map that an OrderedDict goes through", "results are called")
def _(canary: Path) -> bytes:
    mapped = call(named("builtins", "map"), os_system(), [shell(canary)])
    return call(named("collections", "OrderedDict"), mapped)


@_chain("a map that torch.Size goes through", "results are called")
def _(canary: Path) -> bytes:
    mapped = call(named("builtins", "map"), os_system(), [shell(canary)])
    return call(named("torch", "Size"), mapped)


@_chain("itertools.starmap, and a set of it", "results are called")
def _(canary: Path) -> bytes:
    mapped = call(named("itertools", "starmap"), os_system(), [(shell(canary),)])
    return call(named("builtins", "set"), mapped)


@_chain("itertools.filterfalse, and a frozenset of it", "results are called")
def _(canary: Path) -> bytes:
    mapped = call(named("itertools", "filterfalse"), os_system(), [shell(canary)])
    return call(named("builtins", "frozenset"), mapped)


@_chain("iter with a sentinel", "results are called")
def _(canary: Path) -> bytes:
    return call(named("builtins", "list"), call(named("builtins", "iter"), bound_call(canary), 0))


@_chain("functools.reduce", "an audit: results are called")
def _(canary: Path) -> bytes:
    steps = [os_system(), shell(canary)]
    return call(named("functools", "reduce"), named("operator", "call"), steps)


@_chain("the state of a partial", "an audit: functools.partial.__setstate__")
def _(canary: Path) -> bytes:
    plain = call(named("functools", "partial"), named("collections", "OrderedDict"))
    state: tuple[Any, ...] = (os_system(), (shell(canary),), {}, None)
    return call(with_state(plain, state))


@_chain("the state of a partial, set by its method", "an audit: functools.partial.__setstate__")
def _(canary: Path) -> bytes:
    plain = call(named("functools", "partial"), named("collections", "OrderedDict"))
    state: tuple[Any, ...] = (os_system(), (shell(canary),), {}, None)
    setting = call(named("functools", "partial.__setstate__"), Opcodes(plain + b"q\x07"), state)
    return Opcodes(setting + b"0" + call(Opcodes(b"h\x07")))


@_chain("a defaultdict and its missing key", "an audit: defaultdict with a factory")
def _(canary: Path) -> bytes:
    made = call(named("collections", "defaultdict"), bound_call(canary))
    return call(named("operator", "getitem"), made, "lr")


@_chain("a defaultdict and its method", "an audit: defaultdict with a factory")
def _(canary: Path) -> bytes:
    made = call(named("collections", "defaultdict"), bound_call(canary))
    return call(named("collections", "defaultdict.__missing__"), made, "lr")


@_chain("the smallest by a key", "results are called")
def _(canary: Path) -> bytes:
    return call(named("heapq", "nsmallest"), 1, [shell(canary), shell(canary)], os_system())


@_chain("operator.call", "results are called")
def _(canary: Path) -> bytes:
    return call(named("operator", "call"), os_system(), shell(canary))


@_chain("types.MethodType", "results are called")
def _(canary: Path) -> bytes:
    return call(call(named("types", "MethodType"), os_system(), shell(canary)))


@_chain("types.GenericAlias", "results are called")
def _(canary: Path) -> bytes:
    return call(call(named("types", "GenericAlias"), os_system(), ()), shell(canary))


@_chain("functools.lru_cache", "results are called")
def _(canary: Path) -> bytes:
    return call(call(named("functools", "lru_cache"), bound_call(canary)))


@_chain("a property, got by its method", "attributes")
def _(canary: Path) -> bytes:
    member = call(named("builtins", "property"), os_system())
    return call(named("builtins", "property.__get__"), member, shell(canary))


@_chain("a mock with a side effect", "results are called")
def _(canary: Path) -> bytes:
    return call(call(named("unittest.mock", "Mock"), None, os_system()), shell(canary))


@_chain("a thread, run", "results are called")
def _(canary: Path) -> bytes:
    thread = call(named("threading", "Thread"), None, os_system(), "loader", (shell(canary),))
    return call(named("threading", "Thread.run"), thread)


@_chain("weakref.finalize of an object that is dropped", "objects that do work")
def _(canary: Path) -> bytes:
    dropped = named("weakref", "finalize") + push((namespace(), os_system(), shell(canary))) + b"R0"
    return Opcodes(dropped + b"N")


@_chain("an ExitStack, closed", "results are called")
def _(canary: Path) -> bytes:
    stack = Opcodes(call(named("contextlib", "ExitStack")) + b"q\x07")
    put = call(named("contextlib", "ExitStack.callback"), stack, os_system(), shell(canary))
    return Opcodes(put + b"0" + call(named("contextlib", "ExitStack.close"), Opcodes(b"h\x07")))


# -- functions of torch and numpy that call their arguments --------------------------------------


@_chain("a tensor that is rebuilt by a function", "what torch itself lets through")
def _(canary: Path) -> bytes:
    size = named("torch", "Tensor")
    return call(
        named("torch._tensor", "_rebuild_from_type_v2"), os_system(), size, (shell(canary),), {}
    )


@_chain("a tensor that is rebuilt by an older function", "what torch itself lets through")
def _(canary: Path) -> bytes:
    size = named("torch", "Tensor")
    return call(
        named("torch._tensor", "_rebuild_from_type"), os_system(), size, (shell(canary),), {}
    )


@_chain("a generator of random numbers that is made by a function", "what numpy itself writes")
def _(canary: Path) -> bytes:
    return call(named("numpy.random._pickle", "__generator_ctor"), shell(canary), os_system())


@_chain("a tree that is mapped", "calls its argument")
def _(canary: Path) -> bytes:
    return call(named("torch.utils._pytree", "tree_map"), os_system(), [shell(canary)])


@_chain("a checkpoint of activations", "calls its argument")
def _(canary: Path) -> bytes:
    return call(named("torch.utils.checkpoint", "checkpoint"), os_system(), shell(canary))


@_chain("numpy along an axis", "calls its argument")
def _(canary: Path) -> bytes:
    return call(call(named("numpy", "vectorize"), os_system()), shell(canary))


@_chain("a ufunc of Python", "calls its argument")
def _(canary: Path) -> bytes:
    return call(call(named("numpy", "frompyfunc"), os_system(), 1, 1), shell(canary))


@_chain("numpy.fromfunction", "calls its argument")
def _(canary: Path) -> bytes:
    return call(named("numpy", "fromfunction"), bound_call(canary), ())


@_chain("a schedule that calls", "calls its argument")
def _(canary: Path) -> bytes:
    parameter = call(named("torch.nn.parameter", "Parameter"))
    optimizer = call(named("torch.optim.sgd", "SGD"), [parameter])
    make = call(named("torch", "_import_dotted_name"), "os.mkdir")
    rate = call(named("functools", "partial"), make, str(canary))
    return call(named("torch.optim.lr_scheduler", "LambdaLR"), optimizer, rate)


CHAINS: tuple[Bypass, ...] = tuple(_made.made)
