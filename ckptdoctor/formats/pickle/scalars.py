"""The pickle opcodes that push a value of their own: numbers, texts, byte strings.

Source: ``Lib/pickletools.py`` of CPython.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from ckptdoctor.formats.pickle.nodes import BytesRef, PickleError, PickleLimitError

if TYPE_CHECKING:
    from ckptdoctor.formats.pickle.machine import PickleMachine

__all__ = [
    "INT32",
    "OPCODES",
    "SCALAR_OPCODES",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "Handler",
    "opcode",
]

BLOB_NBYTES = 4096
"""A byte string longer than this stays in the file."""

SHORT_TEXT_NBYTES = 4096
"""Longer texts are counted: they may lie in a hole of the file, which takes no room there."""

_MAX_INT_NBYTES = 1024

Handler = Callable[["PickleMachine"], None]
OPCODES: dict[int, Handler] = {}
SCALAR_OPCODES: set[int] = set()

INT32 = struct.Struct("<i")
UINT16 = struct.Struct("<H")
UINT32 = struct.Struct("<I")
UINT64 = struct.Struct("<Q")
FLOAT64 = struct.Struct(">d")
UINT8 = struct.Struct("<B")


def opcode(code: bytes, *, scalar: bool = False) -> Callable[[Handler], Handler]:
    """Register what an opcode does; a scalar opcode pushes a number, a bool or None."""

    def register(handler: Handler) -> Handler:
        OPCODES[code[0]] = handler
        if scalar:
            SCALAR_OPCODES.add(code[0])
        return handler

    return register


@opcode(b"I", scalar=True)
def _int(vm: PickleMachine) -> None:
    line = vm.line()
    vm.push(line == b"01" if line in (b"00", b"01") else int(line))


@opcode(b"J", scalar=True)
def _binint(vm: PickleMachine) -> None:
    vm.stack.append(INT32.unpack_from(vm.data, vm.pos)[0])
    vm.pos += 4


@opcode(b"K", scalar=True)
def _binint1(vm: PickleMachine) -> None:
    vm.stack.append(vm.data[vm.pos])
    vm.pos += 1


@opcode(b"M", scalar=True)
def _binint2(vm: PickleMachine) -> None:
    vm.stack.append(UINT16.unpack_from(vm.data, vm.pos)[0])
    vm.pos += 2


@opcode(b"L", scalar=True)
def _long(vm: PickleMachine) -> None:
    vm.push(int(vm.line().removesuffix(b"L") or b"0"))


def _push_long(vm: PickleMachine, nbytes: int) -> None:
    if not 0 <= nbytes <= _MAX_INT_NBYTES:
        raise PickleLimitError(f"an integer of {nbytes} bytes", vm.at)
    vm.push(int.from_bytes(vm.take(nbytes), "little", signed=True))


@opcode(b"\x8a", scalar=True)
def _long1(vm: PickleMachine) -> None:
    _push_long(vm, vm.unpack(UINT8))


@opcode(b"\x8b", scalar=True)
def _long4(vm: PickleMachine) -> None:
    _push_long(vm, vm.unpack(INT32))


@opcode(b"S")
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


@opcode(b"T")
def _binstring(vm: PickleMachine) -> None:
    nbytes = vm.unpack(INT32)
    if nbytes < 0:
        raise PickleError("a string of negative length", vm.at)
    _push_python2(vm, nbytes)


@opcode(b"U")
def _short_binstring(vm: PickleMachine) -> None:
    _push_python2(vm, vm.unpack(UINT8))


@opcode(b"B")
def _binbytes(vm: PickleMachine) -> None:
    vm.push(vm.blob(vm.unpack(UINT32), BLOB_NBYTES))


@opcode(b"C")
def _short_binbytes(vm: PickleMachine) -> None:
    vm.push(vm.take(vm.unpack(UINT8)))


@opcode(b"\x8e")
def _binbytes8(vm: PickleMachine) -> None:
    vm.push(vm.blob(vm.unpack(UINT64), BLOB_NBYTES))


@opcode(b"\x96")
def _bytearray8(vm: PickleMachine) -> None:
    vm.holds_bytearrays = True  # in the tree they look like bytes
    vm.push(vm.blob(vm.unpack(UINT64), BLOB_NBYTES))


@opcode(b"\x97")
def _next_buffer(vm: PickleMachine) -> None:
    raise PickleError("an out-of-band buffer, which a file cannot hold", vm.at)


@opcode(b"\x98")
def _readonly_buffer(vm: PickleMachine) -> None:
    """Only changes how a buffer behaves."""


@opcode(b"N", scalar=True)
def _none(vm: PickleMachine) -> None:
    vm.stack.append(None)


@opcode(b"\x88", scalar=True)
def _newtrue(vm: PickleMachine) -> None:
    vm.stack.append(True)


@opcode(b"\x89", scalar=True)
def _newfalse(vm: PickleMachine) -> None:
    vm.stack.append(False)


@opcode(b"V")
def _unicode(vm: PickleMachine) -> None:
    vm.push(vm.line().decode("raw-unicode-escape"))


@opcode(b"\x8c")
def _short_binunicode(vm: PickleMachine) -> None:
    vm.push(vm.text(vm.unpack(UINT8)))


@opcode(b"X")
def _binunicode(vm: PickleMachine) -> None:
    pos = vm.pos + 4
    end = pos + UINT32.unpack_from(vm.data, vm.pos)[0]
    if end <= len(vm.data) and end - pos <= SHORT_TEXT_NBYTES:  # the usual case, without a call
        vm.stack.append(vm.data[pos:end].decode("utf-8", "surrogatepass"))
        vm.pos = end
    else:
        vm.pos = pos
        vm.push(vm.text(end - pos))


@opcode(b"\x8d")
def _binunicode8(vm: PickleMachine) -> None:
    vm.push(vm.text(vm.unpack(UINT64)))


@opcode(b"F", scalar=True)
def _float(vm: PickleMachine) -> None:
    vm.push(float(vm.line()))


@opcode(b"G", scalar=True)
def _binfloat(vm: PickleMachine) -> None:
    vm.push(vm.unpack(FLOAT64))
