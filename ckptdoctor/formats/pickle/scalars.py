"""The pickle opcodes that push a value of their own: numbers, texts, byte strings.

Source: ``Lib/pickletools.py`` of CPython.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable

from ckptdoctor.formats.pickle.nodes import BytesRef, PickleError, PickleLimitError
from ckptdoctor.formats.pickle.state import MachineState

__all__ = [
    "INT32",
    "OPCODES",
    "RUNS",
    "SCALAR_OPCODES",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "Handler",
    "decimal",
    "opcode",
]

BLOB_NBYTES = 4096
"""A byte string longer than this stays in the file."""

SHORT_TEXT_NBYTES = 4096
"""Longer texts are counted: they may lie in a hole of the file, which takes no room there."""

_MAX_INT_NBYTES = 1024

Handler = Callable[["MachineState"], None]
OPCODES: dict[int, Handler] = {}
SCALAR_OPCODES: set[int] = set()

INT32 = struct.Struct("<i")
UINT16 = struct.Struct("<H")
UINT32 = struct.Struct("<I")
UINT64 = struct.Struct("<Q")
FLOAT64 = struct.Struct(">d")
UINT8 = struct.Struct("<B")


_SHORT_RUN = 2
_LONGEST_RUN = 1000  # picklers append so many at once


def _in_runs(code: bytes, layout: str) -> Handler:
    """A handler that pushes all numbers of one opcode that follow each other.

    Lists of numbers are long: going through them opcode by opcode takes ten times as long.

    Args:
        code: the opcode.
        layout: of the opcode with its argument, as of ``struct``.
    """
    single, run, nbytes = OPCODES[code[0]], struct.Struct(layout), struct.calcsize(layout)

    def push(vm: MachineState) -> None:
        data, start = vm.data, vm.pos - 1
        if data[start + nbytes : start + nbytes + 1] != code:
            single(vm)
            return
        most = min(_LONGEST_RUN, (vm.edge - start) // nbytes)  # an opcode may cross the edge
        codes = data[start : start + most * nbytes : nbytes]
        count = len(codes) - len(codes.lstrip(code))
        if count < _SHORT_RUN:
            single(vm)
            return
        end = start + count * nbytes
        vm.spend(count - 1)
        vm.stack.extend([number for (number,) in run.iter_unpack(data[start:end])])
        vm.pos = end

    return push


def opcode(code: bytes, *, scalar: bool = False) -> Callable[[Handler], Handler]:
    """Register what an opcode does; a scalar opcode pushes a number, a bool or None."""

    def register(handler: Handler) -> Handler:
        OPCODES[code[0]] = handler
        if scalar:
            SCALAR_OPCODES.add(code[0])
        return handler

    return register


def decimal(line: bytes) -> int:
    """The integer on a line; the reader in C ends at a zero byte."""
    return int(line.partition(b"\0")[0])


def _integer(line: bytes) -> int:
    """The integer on a line as C spells integers: 0x1F, 017, 31."""
    head, zero, _ = line.partition(b"\0")
    text = head.strip().decode("ascii")
    if zero and not head:  # C's strtol stops at once, and says 0
        return 0
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits.isdigit():
        return int(text, 8)
    return int(text, 0)


@opcode(b"I", scalar=True)
def _int(vm: MachineState) -> None:
    line = vm.line()
    vm.push(line == b"01" if line in (b"00", b"01") else _integer(line))


@opcode(b"J", scalar=True)
def _binint(vm: MachineState) -> None:
    vm.stack.append(INT32.unpack_from(vm.data, vm.pos)[0])
    vm.pos += 4


@opcode(b"K", scalar=True)
def _binint1(vm: MachineState) -> None:
    vm.stack.append(vm.data[vm.pos])
    vm.pos += 1


@opcode(b"M", scalar=True)
def _binint2(vm: MachineState) -> None:
    vm.stack.append(UINT16.unpack_from(vm.data, vm.pos)[0])
    vm.pos += 2


@opcode(b"L", scalar=True)
def _long(vm: MachineState) -> None:
    vm.push(_integer(vm.line().removesuffix(b"L") or b"0"))


def _push_long(vm: MachineState, nbytes: int) -> None:
    if nbytes < 0:
        raise PickleError("an integer of negative length", vm.at)
    if nbytes <= _MAX_INT_NBYTES:
        vm.push(int.from_bytes(vm.take(nbytes), "little", signed=True))
        return
    too_long = PickleLimitError(f"an integer of {nbytes} bytes", vm.at)
    if nbytes > vm.left:
        raise too_long
    vm.complain(too_long)
    vm.push(vm.blob(nbytes, BLOB_NBYTES))


@opcode(b"\x8a", scalar=True)
def _long1(vm: MachineState) -> None:
    _push_long(vm, vm.unpack(UINT8))


@opcode(b"\x8b", scalar=True)
def _long4(vm: MachineState) -> None:
    _push_long(vm, vm.unpack(INT32))


@opcode(b"S")
def _string(vm: MachineState) -> None:
    line = vm.line()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b'"', b"'"):
        raise PickleError("a string without its quotes", vm.at)
    vm.push(_python2_text(codecs.escape_decode(line[1:-1])[0]))


def _python2_text(raw: bytes) -> str | bytes:
    """Python 2's str was text or bytes; ASCII is read as text, like ``encoding="ASCII"``."""
    return raw.decode("ascii") if raw.isascii() else raw


def _push_python2(vm: MachineState, nbytes: int) -> None:
    raw = vm.blob(nbytes, BLOB_NBYTES)
    vm.push(raw if isinstance(raw, BytesRef) else _python2_text(raw))


@opcode(b"T")
def _binstring(vm: MachineState) -> None:
    nbytes = vm.unpack(INT32)
    if nbytes < 0:
        raise PickleError("a string of negative length", vm.at)
    _push_python2(vm, nbytes)


@opcode(b"U")
def _short_binstring(vm: MachineState) -> None:
    _push_python2(vm, vm.unpack(UINT8))


@opcode(b"B")
def _binbytes(vm: MachineState) -> None:
    vm.push(vm.blob(vm.unpack(UINT32), BLOB_NBYTES))


@opcode(b"C")
def _short_binbytes(vm: MachineState) -> None:
    vm.push(vm.take(vm.unpack(UINT8)))


@opcode(b"\x8e")
def _binbytes8(vm: MachineState) -> None:
    vm.push(vm.blob(vm.unpack(UINT64), BLOB_NBYTES))


@opcode(b"\x96")
def _bytearray8(vm: MachineState) -> None:
    vm.holds_bytearrays = True  # in the tree they look like bytes
    vm.push(vm.blob(vm.unpack(UINT64), BLOB_NBYTES))


@opcode(b"\x97")
def _next_buffer(vm: MachineState) -> None:
    raise PickleError("an out-of-band buffer, which a file cannot hold", vm.at)


@opcode(b"\x98")
def _readonly_buffer(vm: MachineState) -> None:
    """Only changes how a buffer behaves."""


@opcode(b"N", scalar=True)
def _none(vm: MachineState) -> None:
    vm.stack.append(None)


@opcode(b"\x88", scalar=True)
def _newtrue(vm: MachineState) -> None:
    vm.stack.append(True)


@opcode(b"\x89", scalar=True)
def _newfalse(vm: MachineState) -> None:
    vm.stack.append(False)


@opcode(b"V")
def _unicode(vm: MachineState) -> None:
    vm.push(vm.line().decode("raw-unicode-escape"))


@opcode(b"\x8c")
def _short_binunicode(vm: MachineState) -> None:
    vm.push(vm.text(vm.unpack(UINT8)))


@opcode(b"X")
def _binunicode(vm: MachineState) -> None:
    pos = vm.pos + 4
    end = pos + UINT32.unpack_from(vm.data, vm.pos)[0]
    if end <= len(vm.data) and end - pos <= SHORT_TEXT_NBYTES:  # the usual case, without a call
        vm.stack.append(vm.data[pos:end].decode("utf-8", "surrogatepass"))
        vm.pos = end
    else:
        vm.pos = pos
        vm.push(vm.text(end - pos))


@opcode(b"\x8d")
def _binunicode8(vm: MachineState) -> None:
    vm.push(vm.text(vm.unpack(UINT64)))


@opcode(b"F", scalar=True)
def _float(vm: MachineState) -> None:
    vm.push(float(vm.line().partition(b"\0")[0]))


@opcode(b"G", scalar=True)
def _binfloat(vm: MachineState) -> None:
    vm.push(vm.unpack(FLOAT64))


RUNS = {
    b"G"[0]: _in_runs(b"G", ">xd"),
    b"J"[0]: _in_runs(b"J", "<xi"),
    b"K"[0]: _in_runs(b"K", "<xB"),
    b"M"[0]: _in_runs(b"M", "<xH"),
}
"""Handlers of numbers that take those behind them as well."""
