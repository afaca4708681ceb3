"""The same calls, spelled as no pickler would: names computed, mapped, escaped, put in the memo."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from tests.bad_inputs.bypass.carriers import beside_weights
from tests.bad_inputs.bypass.one import Bypass, Catalogue, Loader, Make, python_of, shell
from tests.bad_inputs.bypass.payloads import nested
from tests.bad_inputs.opcodes import Opcodes, call, named, pickle_of, push

__all__ = ["SPELLINGS"]

_made = Catalogue(Loader.TORCH)


def _spelling(name: str, kind: str, protocol: int = 4) -> Callable[[Make], Make]:
    """The function below makes the opcodes of one; they run beside the weights."""

    def add(make: Make) -> Make:
        return _made.add(name, kind)(lambda canary: beside_weights(canary, make(canary), protocol))

    return add


def _run(canary: Path, names: bytes) -> bytes:
    """A call of the global of which these opcodes push module and name."""
    return call(Opcodes(names + b"\x93"), shell(canary))


# -- Python 2's names ----------------------------------------------------------------------------


@_spelling("cPickle.loads of Python 2", "mapped names", 2)
def _(canary: Path) -> bytes:
    return call(named("cPickle", "loads"), nested(canary))


@_spelling("thread.start_new_thread of Python 2", "mapped names", 2)
def _(canary: Path) -> bytes:
    start = call(named("thread", "start_new_thread"), named("posix", "system"), (shell(canary),))
    return Opcodes(start + b"0" + call(named("time", "sleep"), 1))


@_spelling("dumbdbm.open of Python 2", "mapped names", 2)
def _(canary: Path) -> bytes:
    return call(named("dumbdbm", "open"), str(canary), "n")


@_spelling("urllib.urlretrieve of Python 2", "mapped names", 2)
def _(canary: Path) -> bytes:
    source = canary.with_name("source")
    source.write_text("x")
    return call(named("urllib", "urlretrieve"), f"file://{source}", str(canary))


@_spelling("itertools.imap of Python 2", "mapped names", 2)
def _(canary: Path) -> bytes:
    mapped = call(named("itertools", "imap"), named("commands", "getoutput"), [shell(canary)])
    return call(named("__builtin__", "list"), mapped)


@_spelling("__builtin__.reduce of Python 2", "mapped names", 2)
def _(canary: Path) -> bytes:
    steps = [named("commands", "getoutput"), shell(canary)]
    return call(named("__builtin__", "reduce"), named("operator", "call"), steps)


@_spelling("copy_reg's extensions of Python 2", "mapped names", 2)
def _(canary: Path) -> bytes:
    register = call(named("copy_reg", "add_extension"), "commands", "getoutput", 219)
    return Opcodes(register + b"0" + call(Opcodes(b"\x82\xdb"), shell(canary)))


@_spelling("_abcoll of Python 2, and a module in it", "mapped names", 2)
def _(canary: Path) -> bytes:
    module = call(Opcodes(b"\x80\x04" + named("collections", "_sys.modules.get")), "posix")
    got = call(named("__builtin__", "getattr"), module, "system")
    return Opcodes(b"\x80\x02" + named("_abcoll", "Mapping") + b"0" + call(got, shell(canary)))


@_spelling("a module that torch itself renames", "mapped names")
def _(canary: Path) -> bytes:
    return call(named("torch.tensor", "functools.reduce"), named("operator", "call"),
                [named("torch.tensor", "enum.bltns.eval"), python_of(canary)])  # fmt: skip


# -- protocols -----------------------------------------------------------------------------------


@_spelling("a GLOBAL with dots", "protocols")
def _(canary: Path) -> bytes:
    return call(Opcodes(b"cfractions\nre.enum.bltns.exec\n"), python_of(canary))


@_spelling("an INST with dots", "protocols")
def _(canary: Path) -> bytes:
    return Opcodes(b"(" + push(python_of(canary)) + b"ijson\ndecoder.scanner.re.enum.bltns.eval\n")


@_spelling("a protocol that rises before the name", "protocols", 2)
def _(canary: Path) -> bytes:
    return call(Opcodes(b"\x80\x05cfractions\nre.enum.bltns.exec\n"), python_of(canary))


@_spelling("a protocol that falls before the name", "protocols")
def _(canary: Path) -> bytes:
    return call(Opcodes(b"\x80\x02ccommands\ngetoutput\n\x80\x04"), shell(canary))


@_made.add("a pickle of protocol 0 in text alone", "protocols")
def _(canary: Path) -> bytes:
    return b"cposix\nsystem\np0\n(V" + shell(canary).encode() + b"\np1\ntp2\nRp3\n."


@_made.add("a pickle of protocol 1", "protocols")
def _(canary: Path) -> bytes:
    return b"(" + push(shell(canary)) + b"iposix\nsystem\n."


@_made.add("a pickle of protocol 5 with a bytearray", "protocols")
def _(canary: Path) -> bytes:
    text = shell(canary).encode()
    raw = b"\x96" + len(text).to_bytes(8, "little") + text
    return pickle_of(
        call(named("posix", "system"), call(named("builtins", "bytes"), Opcodes(raw))), 5
    )


# -- computed names ------------------------------------------------------------------------------

_LOWER, _STR = named("builtins", "str.lower"), named("builtins", "str")
_DAY = call(named("datetime", "date"), b"\x07\xe8\x01\x01")
_ITEM = named("numpy", "ndarray.item")

_COMPUTED: dict[str, Callable[[str], bytes]] = {
    "str.lower": lambda text: call(_LOWER, text.upper()),
    "str.join": lambda text: call(named("builtins", "str.join"), "", list(text)),
    "str.__add__": lambda text: call(named("builtins", "str.__add__"), text[:2], text[2:]),
    "str.format": lambda text: call(named("builtins", "str.format"), "{}" + text[1:], text[0]),
    "bytes.decode": lambda text: call(named("builtins", "bytes.decode"), text.encode()),
    "_codecs.decode": lambda text: call(named("_codecs", "decode"), text.encode(), "latin1"),
    "operator.concat": lambda text: call(named("operator", "concat"), text[:1], text[1:]),
    "date.strftime": lambda text: call(
        named("datetime", "date.strftime"), _DAY, text
    ),
    "NEWOBJ of str": lambda text: named("builtins", "str") + push((text,)) + b"\x81",
    "INST of str": lambda text: b"(" + push(text) + b"ibuiltins\nstr\n",
    "OBJ of str": lambda text: b"(" + _STR + push(text.encode()) + push("ascii") + b"o",
    "os.path.basename": lambda text: call(named("posixpath", "basename"), f"/a/{text}"),
    "numpy.str_.item": lambda text: call(_ITEM, call(named("numpy", "array"), text)),
}  # fmt: skip


def _computed(canary: Path, make: Callable[[str], bytes]) -> bytes:
    return beside_weights(canary, _run(canary, make("posix") + make("system")))


for _what, _make in _COMPUTED.items():
    _made.add(f"names that {_what} makes", "computed names")(
        functools.partial(_computed, make=_make)
    )


@_spelling("a name that is an attribute of what BUILD filled", "computed names")
def _(canary: Path) -> bytes:
    namespace = named("argparse", "Namespace") + b")\x81" + push({"a": "posix"}) + b"b"
    module = call(named("builtins", "getattr"), Opcodes(namespace), "a")
    return _run(canary, module + push("system"))


@_spelling("a name out of a dict", "computed names")
def _(canary: Path) -> bytes:
    module = call(named("builtins", "dict.get"), {"lr": "posix"}, "lr")
    name = call(named("builtins", "list.pop"), ["system"])
    return _run(canary, module + name)


# -- texts ---------------------------------------------------------------------------------------

_TEXTS: dict[str, bytes] = {
    "a long escape": b"Vp\\U0000006fsix\nVsyste\\u006d\n",
    "escapes of eight": b"S'\\160osix'\nS\"sys\\164em\"\n",
    "escapes of sixteen in double quotes": b'S"\\x70osix"\nS"\\x73ystem"\n',
    "a line that goes on": b"S'po\\\\six'\n0S'posix'\nS'system'\n",
    "texts of Python 2": b"U\x05posixT\x06\0\0\0system",
    "texts with long lengths": b"\x8d\x05" + bytes(7) + b"posix\x8d\x06" + bytes(7) + b"system",
    "short texts": b"\x8c\x05posix\x8c\x06system",
    "a name pushed twice": b"\x8c\x06system2\x940\x940\x8c\x05posixh\x00",
}


def _text(canary: Path, names: bytes) -> bytes:
    return beside_weights(canary, _run(canary, names))


for _what, _names in _TEXTS.items():
    _made.add(f"names in {_what}", "escapes")(functools.partial(_text, names=_names))


# -- the memo ------------------------------------------------------------------------------------

_OTHER = push("collections")

_PUTS: dict[str, tuple[bytes, bytes]] = {
    "zeros before it": (b"p0000012\n", b"g12\n"),
    "a sign": (b"p+12\n", b"h\x0c"),
    "blanks": (b"p 12 \n", b"g\t12\n"),
    "an underscore": (b"p1_2\n", b"j\x0c\0\0\0"),
    "a number beyond 65535": (b"r\x00\x00\x02\x00", b"g131072\n"),
    "a number that is put twice": (b"q\x0c0" + _OTHER + b"q\x0c0" + push("posix") + b"q\x0c",
                                   b"h\x0c"),
}  # fmt: skip


def _memo(canary: Path, put: bytes, got: bytes) -> bytes:
    names = push("posix") + put + b"0" + got + push("system")
    return beside_weights(canary, _run(canary, names))


for _what, (_put, _got) in _PUTS.items():
    _made.add(f"a name in the memo under {_what}", "PUT and GET")(
        functools.partial(_memo, put=_put, got=_got)
    )


@_spelling("MEMOIZE over what PUT put", "PUT and GET")
def _(canary: Path) -> bytes:
    """MEMOIZE counts what the memo holds, and takes that for its number."""
    put = push("collections") + b"q\x010" + push("posix") + b"\x940"
    return _run(canary, put + b"h\x01" + push("system"))


@_spelling("MEMOIZE behind a PUT that replaced", "PUT and GET")
def _(canary: Path) -> bytes:
    replaced = push("a") + b"q\x000" + push("collections") + b"q\x000"
    put = push("posix") + b"\x940"
    return _run(canary, replaced + put + b"h\x01" + push("system"))


@_spelling("a mark that POP takes", "the stack")
def _(canary: Path) -> bytes:
    return _run(canary, push("posix") + b"(0" + push("system"))


@_spelling("a mark that POP_MARK takes, names and all", "the stack")
def _(canary: Path) -> bytes:
    return _run(canary, b"(" + push("collections") + push("OrderedDict") + b"1"
                + push("posix") + push("system"))  # fmt: skip


@_spelling("arguments in a tuple out of the memo", "the stack")
def _(canary: Path) -> bytes:
    arguments = push((shell(canary),)) + b"q\x050"
    return Opcodes(arguments + named("posix", "system") + b"h\x05R")


@_spelling("NEWOBJ of a program", "another opcode")
def _(canary: Path) -> bytes:
    kind = named("pathlib", "PosixPath") + push((str(canary),)) + b"\x81q\x07"
    return Opcodes(kind + b"0" + call(named("pathlib", "PosixPath.touch"), Opcodes(b"h\x07")))


@_spelling("NEWOBJ_EX with keywords", "another opcode")
def _(canary: Path) -> bytes:
    made = named("functools", "partial") + push((named("subprocess", "run"),))
    keywords = push({"args": ["touch", str(canary)]}) + b"\x92"
    return call(Opcodes(made + keywords))


SPELLINGS: tuple[Bypass, ...] = tuple(_made.made)
