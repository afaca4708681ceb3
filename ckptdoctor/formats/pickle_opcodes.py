"""What each pickle opcode does to the machine, one function an opcode.

Source: ``Lib/pickletools.py`` of CPython; a test holds this table against it.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from ckptdoctor.formats.pickle_nodes import (
    BytesRef,
    DictNode,
    Instance,
    Located,
    PersistentId,
    PickleError,
    PickleLimitError,
    SetNode,
)

if TYPE_CHECKING:
    from ckptdoctor.formats.pickle_vm import PickleMachine

__all__ = ["DISPATCH", "STOP", "TRACKING_DISPATCH"]

BLOB_NBYTES = 4096
"""A byte string longer than this stays in the file."""

_MAX_INT_NBYTES = 1024

_Handler = Callable[["PickleMachine"], None]
_OPCODES: dict[int, _Handler] = {}
_SCALAR_OPCODES: set[int] = set()
STOP = ord(".")

_INT32 = struct.Struct("<i")
_UINT16 = struct.Struct("<H")
_UINT32 = struct.Struct("<I")
_UINT64 = struct.Struct("<Q")
_FLOAT64 = struct.Struct(">d")
_UINT8 = struct.Struct("<B")


def _opcode(code: bytes, *, scalar: bool = False) -> Callable[[_Handler], _Handler]:
    def register(handler: _Handler) -> _Handler:
        _OPCODES[code[0]] = handler
        if scalar:
            _SCALAR_OPCODES.add(code[0])
        return handler

    return register


@_opcode(b"I", scalar=True)
def _int(vm: PickleMachine) -> None:
    line = vm.line()
    vm.push(line == b"01" if line in (b"00", b"01") else int(line))


@_opcode(b"J", scalar=True)
def _binint(vm: PickleMachine) -> None:
    vm.stack.append(_INT32.unpack_from(vm.data, vm.pos)[0])
    vm.pos += 4


@_opcode(b"K", scalar=True)
def _binint1(vm: PickleMachine) -> None:
    vm.stack.append(vm.data[vm.pos])
    vm.pos += 1


@_opcode(b"M", scalar=True)
def _binint2(vm: PickleMachine) -> None:
    vm.stack.append(_UINT16.unpack_from(vm.data, vm.pos)[0])
    vm.pos += 2


@_opcode(b"L", scalar=True)
def _long(vm: PickleMachine) -> None:
    vm.push(int(vm.line().removesuffix(b"L") or b"0"))


def _push_long(vm: PickleMachine, nbytes: int) -> None:
    if not 0 <= nbytes <= _MAX_INT_NBYTES:
        raise PickleLimitError(f"an integer of {nbytes} bytes", vm.at)
    vm.push(int.from_bytes(vm.take(nbytes), "little", signed=True))


@_opcode(b"\x8a", scalar=True)
def _long1(vm: PickleMachine) -> None:
    _push_long(vm, vm.unpack(_UINT8))


@_opcode(b"\x8b", scalar=True)
def _long4(vm: PickleMachine) -> None:
    _push_long(vm, vm.unpack(_INT32))


@_opcode(b"S")
def _string(vm: PickleMachine) -> None:
    line = vm.line()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b'"', b"'"):
        raise PickleError("a string without its quotes", vm.at)
    vm.push(_python2_text(codecs.escape_decode(line[1:-1])[0]))


def _python2_text(raw: bytes) -> str | bytes:
    """Python 2's str was text or bytes; ASCII is read as text, like ``encoding="ASCII"``."""
    return raw.decode("ascii") if raw.isascii() else raw


def _push_python2(vm: PickleMachine, nbytes: int) -> None:
    raw = vm.blob(nbytes, BLOB_NBYTES)
    vm.push(raw if isinstance(raw, BytesRef) else _python2_text(raw))


@_opcode(b"T")
def _binstring(vm: PickleMachine) -> None:
    nbytes = vm.unpack(_INT32)
    if nbytes < 0:
        raise PickleError("a string of negative length", vm.at)
    _push_python2(vm, nbytes)


@_opcode(b"U")
def _short_binstring(vm: PickleMachine) -> None:
    _push_python2(vm, vm.unpack(_UINT8))


@_opcode(b"B")
def _binbytes(vm: PickleMachine) -> None:
    vm.push(vm.blob(vm.unpack(_UINT32), BLOB_NBYTES))


@_opcode(b"C")
def _short_binbytes(vm: PickleMachine) -> None:
    vm.push(vm.take(vm.unpack(_UINT8)))


@_opcode(b"\x8e")
def _binbytes8(vm: PickleMachine) -> None:
    vm.push(vm.blob(vm.unpack(_UINT64), BLOB_NBYTES))


@_opcode(b"\x96")
def _bytearray8(vm: PickleMachine) -> None:
    vm.push(vm.blob(vm.unpack(_UINT64), BLOB_NBYTES))


@_opcode(b"\x97")
def _next_buffer(vm: PickleMachine) -> None:
    raise PickleError("an out-of-band buffer, which a file cannot hold", vm.at)


@_opcode(b"\x98")
def _readonly_buffer(vm: PickleMachine) -> None:
    """Only changes how a buffer behaves."""


@_opcode(b"N", scalar=True)
def _none(vm: PickleMachine) -> None:
    vm.stack.append(None)


@_opcode(b"\x88", scalar=True)
def _newtrue(vm: PickleMachine) -> None:
    vm.stack.append(True)


@_opcode(b"\x89", scalar=True)
def _newfalse(vm: PickleMachine) -> None:
    vm.stack.append(False)


@_opcode(b"V")
def _unicode(vm: PickleMachine) -> None:
    vm.push(vm.line().decode("raw-unicode-escape"))


@_opcode(b"\x8c")
def _short_binunicode(vm: PickleMachine) -> None:
    vm.push(vm.text(vm.unpack(_UINT8)))


@_opcode(b"X")
def _binunicode(vm: PickleMachine) -> None:
    pos = vm.pos + 4
    end = pos + _UINT32.unpack_from(vm.data, vm.pos)[0]
    if end <= len(vm.data):  # the usual case, without a call
        vm.stack.append(vm.data[pos:end].decode("utf-8", "surrogatepass"))
        vm.pos = end
    else:
        vm.pos = pos
        vm.push(vm.text(end - pos))


@_opcode(b"\x8d")
def _binunicode8(vm: PickleMachine) -> None:
    vm.push(vm.text(vm.unpack(_UINT64)))


@_opcode(b"F", scalar=True)
def _float(vm: PickleMachine) -> None:
    vm.push(float(vm.line()))


@_opcode(b"G", scalar=True)
def _binfloat(vm: PickleMachine) -> None:
    vm.push(vm.unpack(_FLOAT64))


@_opcode(b"]")
def _empty_list(vm: PickleMachine) -> None:
    vm.stack.append([])


@_opcode(b"a")
def _append(vm: PickleMachine) -> None:
    item = vm.stack.pop()
    vm.add_members(vm.stack[-1], [item])


@_opcode(b"e")
def _appends(vm: PickleMachine) -> None:
    items = vm.pop_mark()
    vm.add_members(vm.stack[-1], items)


@_opcode(b"l")
def _list(vm: PickleMachine) -> None:
    items = vm.pop_mark()
    vm.stack.append(items)


@_opcode(b")")
def _empty_tuple(vm: PickleMachine) -> None:
    vm.stack.append(())


@_opcode(b"t")
def _tuple(vm: PickleMachine) -> None:
    items = vm.stack
    vm.stack = vm.marks.pop()
    vm.stack.append(tuple(items))


@_opcode(b"\x85")
def _tuple1(vm: PickleMachine) -> None:
    vm.stack[-1] = (vm.stack[-1],)


@_opcode(b"\x86")
def _tuple2(vm: PickleMachine) -> None:
    stack = vm.stack
    second = stack.pop()
    stack[-1] = (stack[-1], second)


@_opcode(b"\x87")
def _tuple3(vm: PickleMachine) -> None:
    stack = vm.stack
    third = stack.pop()
    second = stack.pop()
    stack[-1] = (stack[-1], second, third)


@_opcode(b"}")
def _empty_dict(vm: PickleMachine) -> None:
    vm.stack.append(DictNode([]))


@_opcode(b"d")
def _dict(vm: PickleMachine) -> None:
    items = vm.pop_mark()
    node = DictNode([])
    vm.add_pairs(node, items)
    vm.push(node)


@_opcode(b"s")
def _setitem(vm: PickleMachine) -> None:
    value = vm.stack.pop()
    key = vm.stack.pop()
    vm.add_pairs(vm.stack[-1], [key, value])


@_opcode(b"u")
def _setitems(vm: PickleMachine) -> None:
    items = vm.pop_mark()
    vm.add_pairs(vm.stack[-1], items)


@_opcode(b"\x8f")
def _empty_set(vm: PickleMachine) -> None:
    vm.push(SetNode([]))


@_opcode(b"\x90")
def _additems(vm: PickleMachine) -> None:
    items = vm.pop_mark()
    vm.add_members(vm.stack[-1], items)


@_opcode(b"\x91")
def _frozenset(vm: PickleMachine) -> None:
    vm.push(SetNode(vm.pop_mark()))


@_opcode(b"0")
def _pop(vm: PickleMachine) -> None:
    if vm.stack:
        vm.stack.pop()
    else:
        vm.pop_mark()


@_opcode(b"2")
def _dup(vm: PickleMachine) -> None:
    vm.push(vm.stack[-1])


@_opcode(b"(")
def _mark(vm: PickleMachine) -> None:
    vm.marks.append(vm.stack)
    vm.stack = []


@_opcode(b"1")
def _pop_to_mark(vm: PickleMachine) -> None:
    vm.pop_mark()


@_opcode(b"g")
def _get(vm: PickleMachine) -> None:
    vm.push(vm.memo[int(vm.line())])


@_opcode(b"h")
def _binget(vm: PickleMachine) -> None:
    vm.stack.append(vm.memo[vm.data[vm.pos]])
    vm.pos += 1


@_opcode(b"j")
def _long_binget(vm: PickleMachine) -> None:
    vm.stack.append(vm.memo[_UINT32.unpack_from(vm.data, vm.pos)[0]])
    vm.pos += 4


@_opcode(b"p")
def _put(vm: PickleMachine) -> None:
    vm.memoize(int(vm.line()))


@_opcode(b"q")
def _binput(vm: PickleMachine) -> None:
    vm.memo[vm.data[vm.pos]] = vm.stack[-1]
    vm.pos += 1


@_opcode(b"r")
def _long_binput(vm: PickleMachine) -> None:
    vm.memo[_UINT32.unpack_from(vm.data, vm.pos)[0]] = vm.stack[-1]
    vm.pos += 4


@_opcode(b"\x94")
def _memoize_top(vm: PickleMachine) -> None:
    vm.memoize(len(vm.memo))


def _extension(vm: PickleMachine, layout: struct.Struct) -> None:
    vm.push(vm.name_dotted(f"copyreg.extension_{vm.unpack(layout)}"))


@_opcode(b"\x82")
def _ext1(vm: PickleMachine) -> None:
    _extension(vm, _UINT8)


@_opcode(b"\x83")
def _ext2(vm: PickleMachine) -> None:
    _extension(vm, _UINT16)


@_opcode(b"\x84")
def _ext4(vm: PickleMachine) -> None:
    _extension(vm, _INT32)


@_opcode(b"c")
def _global(vm: PickleMachine) -> None:
    module = vm.line().decode("utf-8", "surrogatepass")
    vm.push(vm.name_global(module, vm.line().decode("utf-8", "surrogatepass")))


@_opcode(b"\x93")
def _stack_global(vm: PickleMachine) -> None:
    name = vm.stack.pop()
    vm.push(vm.name_global(vm.stack.pop(), name))


@_opcode(b"R")
def _reduce(vm: PickleMachine) -> None:
    stack = vm.stack
    args = stack.pop()
    stack[-1] = vm.call(stack[-1], args)


@_opcode(b"b")
def _build(vm: PickleMachine) -> None:
    state = vm.stack.pop()
    target = vm.stack[-1]
    if type(target) is Instance:
        target.state = state


@_opcode(b"i")
def _inst(vm: PickleMachine) -> None:
    module = vm.line().decode("ascii")
    factory = vm.name_global(module, vm.line().decode("ascii"))
    args = tuple(vm.pop_mark())
    vm.push(vm.call(factory, args))


@_opcode(b"o")
def _obj(vm: PickleMachine) -> None:
    factory, *args = vm.pop_mark()
    vm.push(vm.call(factory, tuple(args)))


@_opcode(b"\x81")
def _newobj(vm: PickleMachine) -> None:
    args = vm.stack.pop()
    vm.stack[-1] = vm.call(vm.stack[-1], args)


@_opcode(b"\x92")
def _newobj_ex(vm: PickleMachine) -> None:
    kwargs = vm.stack.pop()
    args = vm.stack.pop()
    vm.stack[-1] = vm.call(vm.stack[-1], (args, kwargs), spelled=args)


@_opcode(b"\x80")
def _proto(vm: PickleMachine) -> None:
    version = vm.unpack(_UINT8)
    if version > 5:
        raise PickleError(f"pickle protocol {version}, which does not exist", vm.at)


@_opcode(b"\x95")
def _frame(vm: PickleMachine) -> None:
    vm.unpack(_UINT64)


@_opcode(b"P")
def _persid(vm: PickleMachine) -> None:
    pid = vm.line().decode("ascii")
    vm.persistent_ids.append(pid)
    vm.push(PersistentId(pid))


@_opcode(b"Q")
def _binpersid(vm: PickleMachine) -> None:
    stack = vm.stack
    pid = stack[-1]
    vm.persistent_ids.append(pid)
    stack[-1] = PersistentId(pid)


def _unknown(vm: PickleMachine) -> None:
    vm.pos -= 1
    raise PickleError(f"no pickle opcode 0x{vm.data[vm.pos]:02x}", vm.at)


def _tracking(handler: _Handler) -> _Handler:
    def track(vm: PickleMachine) -> None:
        start = vm.at - 1
        handler(vm)
        vm.stack[-1] = Located(vm.stack[-1], start, vm.at - start)

    return track


DISPATCH: list[_Handler] = [_OPCODES.get(code, _unknown) for code in range(256)]
TRACKING_DISPATCH: list[_Handler] = [
    _tracking(handler) if code in _SCALAR_OPCODES else handler
    for code, handler in enumerate(DISPATCH)
]
