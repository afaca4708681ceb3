"""What each pickle opcode does to the machine, one function an opcode.

Source: ``Lib/pickletools.py`` of CPython; a test holds this table against it.
"""

from __future__ import annotations

import struct

from ckptdoctor.formats.pickle.names import EXTENSIONS
from ckptdoctor.formats.pickle.nodes import (
    UNSET,
    DictNode,
    Located,
    PersistentId,
    PickleError,
    SetNode,
)
from ckptdoctor.formats.pickle.scalars import (
    INT32,
    OPCODES,
    RUNS,
    SCALAR_OPCODES,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    Handler,
    decimal,
    opcode,
)
from ckptdoctor.formats.pickle.state import MachineState

__all__ = ["DISPATCH", "STOP", "TRACKING_DISPATCH"]

STOP = ord(".")


@opcode(b"]")
def _empty_list(vm: MachineState) -> None:
    vm.stack.append([])


@opcode(b"a")
def _append(vm: MachineState) -> None:
    item = vm.stack.pop()
    vm.add_members(vm.stack[-1], [item])


@opcode(b"e")
def _appends(vm: MachineState) -> None:
    items = vm.pop_mark()
    vm.add_members(vm.stack[-1], items)


@opcode(b"l")
def _list(vm: MachineState) -> None:
    items = vm.pop_mark()
    vm.stack.append(items)


@opcode(b")")
def _empty_tuple(vm: MachineState) -> None:
    vm.stack.append(())


@opcode(b"t")
def _tuple(vm: MachineState) -> None:
    items = vm.stack
    vm.stack = vm.marks.pop()
    vm.stack.append(tuple(items))


@opcode(b"\x85")
def _tuple1(vm: MachineState) -> None:
    vm.stack[-1] = (vm.stack[-1],)


@opcode(b"\x86")
def _tuple2(vm: MachineState) -> None:
    stack = vm.stack
    second = stack.pop()
    stack[-1] = (stack[-1], second)


@opcode(b"\x87")
def _tuple3(vm: MachineState) -> None:
    stack = vm.stack
    third = stack.pop()
    second = stack.pop()
    stack[-1] = (stack[-1], second, third)


@opcode(b"}")
def _empty_dict(vm: MachineState) -> None:
    vm.stack.append(DictNode([]))


@opcode(b"d")
def _dict(vm: MachineState) -> None:
    items = vm.pop_mark()
    node = DictNode([])
    vm.add_pairs(node, items)
    vm.push(node)


@opcode(b"s")
def _setitem(vm: MachineState) -> None:
    value = vm.stack.pop()
    key = vm.stack.pop()
    vm.add_pairs(vm.stack[-1], [key, value])


@opcode(b"u")
def _setitems(vm: MachineState) -> None:
    items = vm.pop_mark()
    vm.add_pairs(vm.stack[-1], items)


@opcode(b"\x8f")
def _empty_set(vm: MachineState) -> None:
    vm.push(SetNode([]))


@opcode(b"\x90")
def _additems(vm: MachineState) -> None:
    items = vm.pop_mark()
    vm.add_members(vm.stack[-1], items)


@opcode(b"\x91")
def _frozenset(vm: MachineState) -> None:
    vm.push(SetNode(vm.pop_mark(), frozen=True))


@opcode(b"0")
def _pop(vm: MachineState) -> None:
    if vm.stack:
        vm.stack.pop()
    else:
        vm.pop_mark()


@opcode(b"2")
def _dup(vm: MachineState) -> None:
    vm.push(vm.stack[-1])


@opcode(b"(")
def _mark(vm: MachineState) -> None:
    vm.marks.append(vm.stack)
    vm.stack = []


@opcode(b"1")
def _pop_to_mark(vm: MachineState) -> None:
    vm.pop_mark()


@opcode(b"g")
def _get(vm: MachineState) -> None:
    vm.push(vm.remembered(decimal(vm.line())))


@opcode(b"h")
def _binget(vm: MachineState) -> None:
    index = vm.data[vm.pos]
    vm.pos += 1
    node = vm.memo[index] if index < len(vm.memo) else UNSET
    vm.stack.append(vm.remembered(index) if node is UNSET else node)


@opcode(b"j")
def _long_binget(vm: MachineState) -> None:
    vm.push(vm.remembered(UINT32.unpack_from(vm.data, vm.pos)[0]))
    vm.pos += 4


@opcode(b"p")
def _put(vm: MachineState) -> None:
    vm.memoize(decimal(vm.line()))


@opcode(b"q")
def _binput(vm: MachineState) -> None:
    vm.memoize(vm.data[vm.pos])
    vm.pos += 1


@opcode(b"r")
def _long_binput(vm: MachineState) -> None:
    vm.memoize(UINT32.unpack_from(vm.data, vm.pos)[0])
    vm.pos += 4


@opcode(b"\x94")
def _memoize_top(vm: MachineState) -> None:
    vm.memoize_next()


def _extension(vm: MachineState, layout: struct.Struct) -> None:
    at = vm.at - 1
    vm.push(vm.extension(f"{EXTENSIONS}{vm.unpack(layout)}", at))


@opcode(b"\x82")
def _ext1(vm: MachineState) -> None:
    _extension(vm, UINT8)


@opcode(b"\x83")
def _ext2(vm: MachineState) -> None:
    _extension(vm, UINT16)


@opcode(b"\x84")
def _ext4(vm: MachineState) -> None:
    _extension(vm, INT32)


@opcode(b"c")
def _global(vm: MachineState) -> None:
    at = vm.at - 1
    module = vm.line().decode("utf-8", "surrogatepass")
    vm.push(vm.name_global(module, vm.line().decode("utf-8", "surrogatepass"), at))


@opcode(b"\x93")
def _stack_global(vm: MachineState) -> None:
    name = vm.stack.pop()
    vm.push(vm.name_global(vm.stack.pop(), name, vm.at - 1))


@opcode(b"R")
def _reduce(vm: MachineState) -> None:
    stack = vm.stack
    args = stack.pop()
    stack[-1] = vm.call(stack[-1], args)


@opcode(b"b")
def _build(vm: MachineState) -> None:
    state = vm.stack.pop()
    vm.build(vm.stack[-1], state)


@opcode(b"i")
def _inst(vm: MachineState) -> None:
    at = vm.at - 1
    module = vm.line().decode("ascii")
    factory = vm.name_global(module, vm.line().decode("ascii"), at)
    args = tuple(vm.pop_mark())
    vm.push(vm.call(factory, args, b"i"))


@opcode(b"o")
def _obj(vm: MachineState) -> None:
    factory, *args = vm.pop_mark()
    vm.push(vm.call(factory, tuple(args), b"o"))


@opcode(b"\x81")
def _newobj(vm: MachineState) -> None:
    args = vm.stack.pop()
    vm.stack[-1] = vm.call(vm.stack[-1], args, b"\x81")


@opcode(b"\x92")
def _newobj_ex(vm: MachineState) -> None:
    kwargs = vm.stack.pop()
    args = vm.stack.pop()
    vm.stack[-1] = vm.call(vm.stack[-1], (args, kwargs), b"\x92", spelled=args)


@opcode(b"\x80")
def _proto(vm: MachineState) -> None:
    version = vm.unpack(UINT8)
    if version > 5:
        raise PickleError(f"pickle protocol {version}, which does not exist", vm.at)


@opcode(b"\x95")
def _frame(vm: MachineState) -> None:
    vm.open_frame(vm.unpack(UINT64))


@opcode(b"P")
def _persid(vm: MachineState) -> None:
    pid = vm.line().decode("ascii")
    vm.persistent_ids.append(pid)
    vm.push(PersistentId(pid))


@opcode(b"Q")
def _binpersid(vm: MachineState) -> None:
    stack = vm.stack
    pid = stack[-1]
    vm.persistent_ids.append(pid)
    stack[-1] = PersistentId(pid)


def _unknown(vm: MachineState) -> None:
    vm.pos -= 1
    raise PickleError(f"no pickle opcode 0x{vm.data[vm.pos]:02x}", vm.at)


def _tracking(handler: Handler) -> Handler:
    def track(vm: MachineState) -> None:
        start = vm.at - 1
        handler(vm)
        vm.stack[-1] = Located(vm.stack[-1], start, vm.at - start)

    return track


_ONE_BY_ONE = [OPCODES.get(code, _unknown) for code in range(256)]
DISPATCH: list[Handler] = [RUNS.get(code, handler) for code, handler in enumerate(_ONE_BY_ONE)]
TRACKING_DISPATCH: list[Handler] = [
    _tracking(handler) if code in SCALAR_OPCODES else handler
    for code, handler in enumerate(_ONE_BY_ONE)
]
