"""Ways to call a function of which a scanner does not see the name, or not the call."""

from __future__ import annotations

import codecs
import marshal
from collections.abc import Callable
from pathlib import Path

from tests.bad_inputs.bypass.one import Bypass, Loader, python_of, shell
from tests.bad_inputs.bypass.payloads import nested
from tests.bad_inputs.opcodes import Opcodes, call, getattr_of, named, pickle_of, push, with_state

__all__ = ["TRICKS"]

_GETATTR = named("builtins", "getattr")
_PARTIAL = named("functools", "partial")
_OS = named("random", "_os")  # the module, by a name without "os." in it
_SYSTEM = named("posix", "system")

_made: list[Bypass] = []
_Make = Callable[[Path], bytes]


def _trick(
    name: str, published: str, *, loader: Loader = Loader.PICKLE
) -> Callable[[_Make], _Make]:
    """The function below makes the opcodes of one."""

    def add(make: _Make) -> _Make:
        _made.append(
            Bypass(
                name=name,
                published=published,
                make=lambda canary: pickle_of(make(canary)),
                loader=loader,
            )
        )
        return make

    return add


def _run(canary: Path) -> bytes:
    return call(_SYSTEM, shell(canary))


# -- attributes ----------------------------------------------------------------------------------


@_trick("getattr on a module", "fickling, modelscan: attributes")
def _(canary: Path) -> bytes:
    return call(getattr_of(named("posixpath", "os"), "system"), shell(canary))


@_trick("getattr on an object", "attributes")
def _(canary: Path) -> bytes:
    return call(getattr_of(call(named("pathlib", "Path"), str(canary)), "touch"))


@_trick("getattr bound by partial", "attributes")
def _(canary: Path) -> bytes:
    path = call(named("pathlib", "Path"), str(canary))
    return call(call(call(_PARTIAL, _GETATTR), path, "touch"))


@_trick("getattr handed to map", "attributes")
def _(canary: Path) -> bytes:
    path = call(named("pathlib", "Path"), str(canary))
    found = call(named("builtins", "map"), _GETATTR, [path], ["touch"])
    return call(call(named("builtins", "next"), found))


@_trick("getattr handed to reduce", "attributes")
def _(canary: Path) -> bytes:
    return call(call(named("functools", "reduce"), _GETATTR, [_OS, "system"]), shell(canary))


@_trick("operator.attrgetter", "attributes")
def _(canary: Path) -> bytes:
    getter = call(named("operator", "attrgetter"), "system")
    return call(call(getter, _OS), shell(canary))


@_trick("operator.methodcaller", "attributes")
def _(canary: Path) -> bytes:
    return call(call(named("operator", "methodcaller"), "system", shell(canary)), _OS)


@_trick("a walk from a class to its subclasses", "attributes")
def _(canary: Path) -> bytes:
    subclasses = call(getattr_of(named("builtins", "object"), "__subclasses__"))
    return Opcodes(subclasses + b"0" + _run(canary))


@_trick("a dotted name", "CVE-2025-10157: submodules")
def _(canary: Path) -> bytes:
    return call(named("posixpath", "os.system"), shell(canary))


@_trick("a dotted name with an underscore", "CVE-2025-10157: submodules")
def _(canary: Path) -> bytes:
    return call(named("random", "_os.system"), shell(canary))


@_trick("a dotted name through a harmless module", "CVE-2025-10157: submodules")
def _(canary: Path) -> bytes:
    return call(named("encodings", "codecs.builtins.eval"), python_of(canary))


@_trick("a dotted name through torch", "CVE-2025-10157: submodules", loader=Loader.TORCH)
def _(canary: Path) -> bytes:
    return call(named("torch.serialization", "os.system"), shell(canary))


@_trick("a dotted name to a loader of torch", "submodules", loader=Loader.TORCH)
def _(canary: Path) -> bytes:
    return call(named("torch.nn.modules.module", "torch.storage._load_from_bytes"), nested(canary))


# -- imports by name -----------------------------------------------------------------------------


@_trick("pkgutil.resolve_name", "GHSA-vvpj-8cmc-gx39")
def _(canary: Path) -> bytes:
    return call(call(named("pkgutil", "resolve_name"), "os:system"), shell(canary))


@_trick("pydoc.locate", "imports by name")
def _(canary: Path) -> bytes:
    return call(call(named("pydoc", "locate"), "os.system"), shell(canary))


@_trick("importlib.import_module", "picklescan #74")
def _(canary: Path) -> bytes:
    module = call(named("importlib", "import_module"), "os")
    return call(getattr_of(module, "system"), shell(canary))


@_trick("__import__", "imports by name")
def _(canary: Path) -> bytes:
    return call(getattr_of(call(named("builtins", "__import__"), "os"), "system"), shell(canary))


@_trick("numpy's way to name a ufunc", "imports by name; until numpy 2.3", loader=Loader.NONE)
def _(canary: Path) -> bytes:
    function = call(named("numpy._core", "_ufunc_reconstruct"), "os", "system")
    return call(function, shell(canary))


@_trick("a library of C", "ctypes")
def _(canary: Path) -> bytes:
    return call(getattr_of(call(named("ctypes", "CDLL"), None), "system"), shell(canary).encode())


# -- functions made, bound and handed on ---------------------------------------------------------


def _code(canary: Path) -> Opcodes:
    raw = marshal.dumps(compile(python_of(canary), "x", "exec"))
    return call(named("marshal", "loads"), raw)


@_trick("types.FunctionType of marshalled code", "picklescan #74: marshal")
def _(canary: Path) -> bytes:
    return call(call(named("types", "FunctionType"), _code(canary), {}))


@_trick("NEWOBJ of a function", "another opcode")
def _(canary: Path) -> bytes:
    arguments = push((_code(canary), {}))
    return call(Opcodes(named("types", "FunctionType") + arguments + b"\x81"))


@_trick("NEWOBJ_EX of a function", "another opcode")
def _(canary: Path) -> bytes:
    arguments = push((_code(canary), {}))
    return call(Opcodes(named("types", "FunctionType") + arguments + b"}\x92"))


@_trick("code.InteractiveInterpreter", "GHSA: code")
def _(canary: Path) -> bytes:
    interpreter = call(named("code", "InteractiveInterpreter"))
    return call(getattr_of(interpreter, "runsource"), python_of(canary))


@_trick("builtins.map", "handed on")
def _(canary: Path) -> bytes:
    return call(named("builtins", "list"), call(named("builtins", "map"), _SYSTEM, [shell(canary)]))


@_trick("functools.partial", "CVE: functools.partial")
def _(canary: Path) -> bytes:
    return call(call(_PARTIAL, _SYSTEM, shell(canary)))


@_trick("a keyword bound by the state of a partial", "weights_only=False", loader=Loader.TORCH)
def _(canary: Path) -> bytes:
    path = canary.with_name("other.pkl")
    path.write_bytes(nested(canary))
    load = named("torch", "load")
    bound = with_state(call(_PARTIAL, load), (load, (), {"weights_only": False}, None))
    return call(bound, str(path))


@_trick("the key of a defaultdict", "handed on")
def _(canary: Path) -> bytes:
    missing = call(_PARTIAL, _SYSTEM, shell(canary))
    default = call(named("collections", "defaultdict"), missing)
    return call(getattr_of(default, "__getitem__"), 1)


# -- names that are not there to be read ---------------------------------------------------------


@_trick("source that is decoded", "obfuscated")
def _(canary: Path) -> bytes:
    source = codecs.encode(python_of(canary), "rot13")
    return call(named("builtins", "eval"), call(named("codecs", "decode"), source, "rot13"))


@_trick("a name that is decoded", "computed names")
def _(canary: Path) -> bytes:
    module = call(named("codecs", "decode"), "cbfvk", "rot13")
    return call(Opcodes(module + push("system") + b"\x93"), shell(canary))


@_trick("a name that str returns", "computed names")
def _(canary: Path) -> bytes:
    name = call(named("builtins", "str"), "system")
    return call(Opcodes(push("posix") + name + b"\x93"), shell(canary))


@_trick("names that BUILD put on a function", "modelscan #85")
def _(canary: Path) -> bytes:
    mean = named("statistics", "mean")
    state = (None, {"a": "posix", "b": "system"})
    names = named("statistics", "mean.a") + named("statistics", "mean.b")
    return Opcodes(with_state(mean, state) + b"0" + call(Opcodes(names + b"\x93"), shell(canary)))


@_trick("names of the user's own module that BUILD put there", "modelscan #85", loader=Loader.NONE)
def _(canary: Path) -> bytes:
    net = named("project.nets", "UNet")
    return Opcodes(with_state(net, (None, {"forward": named("project.nets", "evil")})))


@_trick("a module that SETITEM put into sys.modules", "changes what is imported")
def _(canary: Path) -> bytes:
    put = named("sys", "modules") + push("plain") + named("posixpath", "os") + b"s0"
    return Opcodes(put + call(named("plain", "system"), shell(canary)))


@_trick("a folder that APPEND put into sys.path", "changes what is imported")
def _(canary: Path) -> bytes:
    folder = canary.with_name("package")
    folder.mkdir(exist_ok=True)
    (folder / "runs_when_imported.py").write_text(f"x = {python_of(canary)}\n")
    put = named("sys", "path") + push(str(folder)) + b"a0"
    return Opcodes(put + named("runs_when_imported", "x"))


@_trick("a list of torch that APPENDS changes", "changes the program", loader=Loader.NONE)
def _(canary: Path) -> bytes:
    allowed = named("torch._weights_only_unpickler", "ALLOWED")
    return Opcodes(allowed + b"(" + _SYSTEM + b"e")


@_trick("an extension code of one byte", "EXT1")
def _(canary: Path) -> bytes:
    register = call(named("copyreg", "add_extension"), "posix", "system", 201)
    return Opcodes(register + b"0" + call(Opcodes(b"\x82\xc9"), shell(canary)))


@_trick("an extension code of two bytes", "EXT2")
def _(canary: Path) -> bytes:
    register = call(named("copyreg", "add_extension"), "posix", "popen", 7001)
    return Opcodes(register + b"0" + _run(canary) + b"0" + b"\x83\x59\x1b")


@_trick("an extension code that somebody else registered", "EXT4", loader=Loader.NONE)
def _(canary: Path) -> bytes:
    return call(Opcodes(b"\x84\x71\x11\x01\x00"), shell(canary))


@_trick("names with escapes", "escapes")
def _(canary: Path) -> bytes:
    names = b"Vp\\u006fsix\nV\\u0073ystem\n"
    return call(Opcodes(names + b"\x93"), shell(canary))


@_trick("names with escapes of strings", "escapes")
def _(canary: Path) -> bytes:
    names = b"S'p\\x6fsix'\nS'\\163ystem'\n"
    return call(Opcodes(names + b"\x93"), shell(canary))


# -- the stack and the memo ----------------------------------------------------------------------


@_trick("OBJ", "another opcode")
def _(canary: Path) -> bytes:
    popen = named("subprocess", "Popen")
    return b"(" + popen + push(["touch", str(canary)]) + b"o"


@_trick("INST", "another opcode")
def _(canary: Path) -> bytes:
    return b"(" + push(["touch", str(canary)]) + b"isubprocess\nPopen\n"


@_trick("a result that is dropped", "REDUCE, then POP")
def _(canary: Path) -> bytes:
    return _run(canary) + b"0}"


@_trick("a result that is dropped with its mark", "REDUCE, then POP_MARK")
def _(canary: Path) -> bytes:
    return b"(" + _run(canary) + b"1}"


@_trick("a result that is a key", "REDUCE, then SETITEM")
def _(canary: Path) -> bytes:
    return b"}" + _run(canary) + b"Ns"


@_trick("a name that is duplicated", "DUP")
def _(canary: Path) -> bytes:
    return Opcodes(_SYSTEM + b"2") + push((shell(canary),)) + b"R0"


@_trick("names out of the memo", "PUT and GET")
def _(canary: Path) -> bytes:
    put = push("posix") + b"q\x050" + push("system") + b"r\x07\0\0\x000"
    return call(Opcodes(put + b"h\x05j\x07\0\0\0\x93"), shell(canary))


@_trick("a name put over another", "picklescan #22")
def _(canary: Path) -> bytes:
    put = push("collections") + b"q\x000" + push("posix") + b"q\x000"
    return call(Opcodes(put + b"h\x00" + push("system") + b"\x93"), shell(canary))


@_trick("a name memoized by MEMOIZE", "PUT and GET")
def _(canary: Path) -> bytes:
    put = push("posix") + b"\x940" + push("system") + b"\x940"
    return call(Opcodes(put + b"h\x00h\x01\x93"), shell(canary))


@_trick("pickles four deep", "a pickle in a pickle")
def _(canary: Path) -> bytes:
    loads = named("_pickle", "loads")
    inner = pickle_of(call(loads, pickle_of(call(loads, nested(canary)))))
    return call(loads, inner)


TRICKS: tuple[Bypass, ...] = tuple(_made)
