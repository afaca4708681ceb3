"""What each pickle opcode does to the machine, one function an opcode.

Source: ``Lib/pickletools.py`` of CPython; a test holds this table against it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ckptdoctor.formats.pickle.nodes import (
    UNSET,
    DictNode,
    GlobalRef,
    Instance,
    Located,
    PersistentId,
    PickleError,
    SetNode,
)
from ckptdoctor.formats.pickle.scalars import (
    INT32,
    OPCODES,
    SCALAR_OPCODES,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    Handler,
    opcode,
)

if TYPE_CHECKING:
    from ckptdoctor.formats.pickle.machine import PickleMachine

__all__ = ["DISPATCH", "STOP", "TRACKING_DISPATCH"]

STOP = ord(".")


@opcode(b"]")
def _empty_list(vm: PickleMachine) -> None:
    vm.stack.append([])


@opcode(b"a")
def _append(vm: PickleMachine) -> None:
    item = vm.stack.pop()
    vm.add_members(vm.stack[-1], [item])


@opcode(b"e")
def _appends(vm: PickleMachine) -> None:
    items = vm.pop_mark()
    vm.add_members(vm.stack[-1], items)


@opcode(b"l")
def _list(vm: PickleMachine) -> None:
    items = vm.pop_mark()
    vm.stack.append(items)


@opcode(b")")
def _empty_tuple(vm: PickleMachine) -> None:
    vm.stack.append(())


@opcode(b"t")
def _tuple(vm: PickleMachine) -> None:
    items = vm.stack
    vm.stack = vm.marks.pop()
    vm.stack.append(tuple(items))


@opcode(b"\x85")
def _tuple1(vm: PickleMachine) -> None:
    vm.stack[-1] = (vm.stack[-1],)


@opcode(b"\x86")
def _tuple2(vm: PickleMachine) -> None:
    stack = vm.stack
    second = stack.pop()
    stack[-1] = (stack[-1], second)


@opcode(b"\x87")
def _tuple3(vm: PickleMachine) -> None:
    stack = vm.stack
    third = stack.pop()
    second = stack.pop()
    stack[-1] = (stack[-1], second, third)


@opcode(b"}")
def _empty_dict(vm: PickleMachine) -> None:
    vm.stack.append(DictNode([]))


@opcode(b"d")
def _dict(vm: PickleMachine) -> None:
    items = vm.pop_mark()
    node = DictNode([])
    vm.add_pairs(node, items)
    vm.push(node)


@opcode(b"s")
def _setitem(vm: PickleMachine) -> None:
    value = vm.stack.pop()
    key = vm.stack.pop()
    vm.add_pairs(vm.stack[-1], [key, value])


@opcode(b"u")
def _setitems(vm: PickleMachine) -> None:
    items = vm.pop_mark()
    vm.add_pairs(vm.stack[-1], items)


@opcode(b"\x8f")
def _empty_set(vm: PickleMachine) -> None:
    vm.push(SetNode([]))


@opcode(b"\x90")
def _additems(vm: PickleMachine) -> None:
    items = vm.pop_mark()
    vm.add_members(vm.stack[-1], items)


@opcode(b"\x91")
def _frozenset(vm: PickleMachine) -> None:
    vm.push(SetNode(vm.pop_mark(), frozen=True))


@opcode(b"0")
def _pop(vm: PickleMachine) -> None:
    if vm.stack:
        vm.stack.pop()
    else:
        vm.pop_mark()


@opcode(b"2")
def _dup(vm: PickleMachine) -> None:
    vm.push(vm.stack[-1])


@opcode(b"(")
def _mark(vm: PickleMachine) -> None:
    vm.marks.append(vm.stack)
    vm.stack = []


@opcode(b"1")
def _pop_to_mark(vm: PickleMachine) -> None:
    vm.pop_mark()


@opcode(b"g")
def _get(vm: PickleMachine) -> None:
    vm.push(vm.remembered(int(vm.line())))


@opcode(b"h")
def _binget(vm: PickleMachine) -> None:
    node = vm.memo[vm.data[vm.pos]]
    if node is UNSET:
        vm.refuse_unset()
    vm.stack.append(node)
    vm.pos += 1


@opcode(b"j")
def _long_binget(vm: PickleMachine) -> None:
    vm.push(vm.remembered(UINT32.unpack_from(vm.data, vm.pos)[0]))
    vm.pos += 4


@opcode(b"p")
def _put(vm: PickleMachine) -> None:
    vm.memoize(int(vm.line()))


@opcode(b"q")
def _binput(vm: PickleMachine) -> None:
    vm.memoize(vm.data[vm.pos])
    vm.pos += 1


@opcode(b"r")
def _long_binput(vm: PickleMachine) -> None:
    vm.memoize(UINT32.unpack_from(vm.data, vm.pos)[0])
    vm.pos += 4


@opcode(b"\x94")
def _memoize_top(vm: PickleMachine) -> None:
    vm.memoize(len(vm.memo) - vm.memo_gaps)


def _extension(vm: PickleMachine, layout: struct.Struct) -> None:
    at = vm.at - 1
    vm.push(vm.name_dotted(f"copyreg.extension_{vm.unpack(layout)}", at))


@opcode(b"\x82")
def _ext1(vm: PickleMachine) -> None:
    _extension(vm, UINT8)


@opcode(b"\x83")
def _ext2(vm: PickleMachine) -> None:
    _extension(vm, UINT16)


@opcode(b"\x84")
def _ext4(vm: PickleMachine) -> None:
    _extension(vm, INT32)


@opcode(b"c")
def _global(vm: PickleMachine) -> None:
    at = vm.at - 1
    module = vm.line().decode("utf-8", "surrogatepass")
    vm.push(vm.name_global(module, vm.line().decode("utf-8", "surrogatepass"), at))


@opcode(b"\x93")
def _stack_global(vm: PickleMachine) -> None:
    name = vm.stack.pop()
    vm.push(vm.name_global(vm.stack.pop(), name, vm.at - 1))


@opcode(b"R")
def _reduce(vm: PickleMachine) -> None:
    stack = vm.stack
    args = stack.pop()
    stack[-1] = vm.call(stack[-1], args)


@opcode(b"b")
def _build(vm: PickleMachine) -> None:
    state = vm.stack.pop()
    target = vm.stack[-1]
    if type(target) is Instance:
        target.state = state
    elif type(target) is GlobalRef:
        vm.change_global(target, "__setstate__", state)


@opcode(b"i")
def _inst(vm: PickleMachine) -> None:
    at = vm.at - 1
    module = vm.line().decode("ascii")
    factory = vm.name_global(module, vm.line().decode("ascii"), at)
    args = tuple(vm.pop_mark())
    vm.push(vm.call(factory, args, b"i"))


@opcode(b"o")
def _obj(vm: PickleMachine) -> None:
    factory, *args = vm.pop_mark()
    vm.push(vm.call(factory, tuple(args), b"o"))


@opcode(b"\x81")
def _newobj(vm: PickleMachine) -> None:
    args = vm.stack.pop()
    vm.stack[-1] = vm.call(vm.stack[-1], args, b"\x81")


@opcode(b"\x92")
def _newobj_ex(vm: PickleMachine) -> None:
    kwargs = vm.stack.pop()
    args = vm.stack.pop()
    vm.stack[-1] = vm.call(vm.stack[-1], (args, kwargs), b"\x92", spelled=args)


@opcode(b"\x80")
def _proto(vm: PickleMachine) -> None:
    version = vm.unpack(UINT8)
    if version > 5:
        raise PickleError(f"pickle protocol {version}, which does not exist", vm.at)


@opcode(b"\x95")
def _frame(vm: PickleMachine) -> None:
    nbytes = vm.unpack(UINT64)
    if nbytes > vm.left and vm.lying_frame is None:
        vm.lying_frame = f"a frame of {nbytes} bytes, of which {vm.left} are there", vm.at - 9


@opcode(b"P")
def _persid(vm: PickleMachine) -> None:
    pid = vm.line().decode("ascii")
    vm.persistent_ids.append(pid)
    vm.push(PersistentId(pid))


@opcode(b"Q")
def _binpersid(vm: PickleMachine) -> None:
    stack = vm.stack
    pid = stack[-1]
    vm.persistent_ids.append(pid)
    stack[-1] = PersistentId(pid)


def _unknown(vm: PickleMachine) -> None:
    vm.pos -= 1
    raise PickleError(f"no pickle opcode 0x{vm.data[vm.pos]:02x}", vm.at)


def _tracking(handler: Handler) -> Handler:
    def track(vm: PickleMachine) -> None:
        start = vm.at - 1
        handler(vm)
        vm.stack[-1] = Located(vm.stack[-1], start, vm.at - start)

    return track


DISPATCH: list[Handler] = [OPCODES.get(code, _unknown) for code in range(256)]
TRACKING_DISPATCH: list[Handler] = [
    _tracking(handler) if code in SCALAR_OPCODES else handler
    for code, handler in enumerate(DISPATCH)
]
