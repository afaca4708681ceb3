"""Pickles that nobody would write: grown from opcodes, from torch's own calls, and from real ones.

Seeded, and fast enough for a million: each takes some tens of microseconds to make.
"""

from __future__ import annotations

import functools
import io
import pickle
import pickletools
import random
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tests.bad_inputs.good import zip_bytes
from tests.builders import training_checkpoint

__all__ = ["PICKLE_MAKERS", "PickleMaker", "data_pickle", "interesting", "real_pickles"]

_INTERESTING = (0, 1, 2, 3, 7, 8, 64, 127, 128, 255, 256, 4095, 65535, 65536)
_LARGE = (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1, -1, -(2**63))
_NAMES = (
    *("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor"),
    *("torch._utils _rebuild_tensor_v3", "torch._utils _rebuild_qtensor"),
    *("torch._utils _rebuild_parameter", "torch._utils _rebuild_parameter_with_state"),
    *("torch._utils _rebuild_sparse_tensor", "torch._utils _rebuild_sparse_csr_tensor"),
    *("torch._utils _rebuild_nested_tensor", "torch._utils _rebuild_meta_tensor_no_storage"),
    *("torch._utils _rebuild_wrapper_subclass", "torch._tensor _rebuild_from_type_v2"),
    *(
        "torch FloatStorage",
        "torch HalfStorage",
        "torch QInt8Storage",
        "torch.storage TypedStorage",
    ),
    *("torch float32", "torch bfloat16", "torch FloatTensor", "torch Size", "torch device"),
    *("torch.nn.modules.linear Linear", "torch.nn.parameter Parameter", "torch sparse_csr"),
    *("collections OrderedDict", "collections defaultdict", "collections Counter"),
    *("numpy.core.multiarray _reconstruct", "numpy._core.multiarray scalar"),
    *("numpy._core.numeric _frombuffer", "numpy ndarray", "numpy dtype", "_codecs encode"),
    *("pathlib PosixPath", "pathlib._local PosixPath", "builtins bytearray", "builtins getattr"),
    *("builtins set", "builtins complex", "copy_reg _reconstructor", "__builtin__ object"),
    *("os system", "builtins eval", "some.module Thing", "x __class__", "a b.c.d", "é ü", " "),
)
_KEYS = (
    *("model_state_dict", "state_dict", "optimizer", "scheduler", "scaler", "ema", "epoch"),
    *("global_step", "best_iou", "metric", "state", "param_groups", "lr", "exp_avg", "_metadata"),
    *(
        "_modules",
        "_parameters",
        "_buffers",
        "running_var",
        "scale",
        "0",
        "",
        "a.b",
        "w\nx",
        "\x1b[2J",
    ),
)
_OPCODES = tuple(code for code in pickletools.opcodes if code.name not in ("STOP", "PROTO"))


def interesting(chance: random.Random, bits: int = 64) -> int:
    """A number at which code tends to break, as an unsigned one of so many bits."""
    pick = chance.random()
    if pick < 0.5:
        number = chance.choice(_INTERESTING)
    elif pick < 0.8:
        number = chance.choice(_LARGE) + chance.choice((-1, 0, 0, 1))
    else:
        number = chance.getrandbits(bits)
    return number % (1 << bits)


@functools.cache
def data_pickle() -> bytes:
    """``data.pkl`` of the sound file."""
    with zipfile.ZipFile(io.BytesIO(zip_bytes())) as archive:
        return archive.read("archive/data.pkl")


@functools.cache
def real_pickles() -> tuple[bytes, ...]:
    """What torch, numpy and Python write."""
    out = io.BytesIO()
    torch.save(training_checkpoint(), out)
    whole = io.BytesIO()
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm2d(2)), whole)
    found = [data_pickle()]
    for archived in (out, whole):
        with zipfile.ZipFile(archived) as archive:
            found.append(archive.read("archive/data.pkl"))
    plain: dict[Any, Any] = {"a": [1, 2.5, None, True, b"xyz"], 3: (1, "é"), "s": {1, 2}}
    arrays = {"x": np.arange(4.0), "y": np.float32(2), "z": np.arange(3, dtype=">i2")}
    found += [pickle.dumps(plain, protocol) for protocol in range(6)]
    found += [pickle.dumps(arrays, protocol) for protocol in (0, 2, 4, 5)]
    found.append(pickle.dumps(OrderedDict(a=2**70, b=-(2**40), c=complex(1, 2)), 2))
    return tuple(found)


@functools.cache
def _opcodes_of(data: bytes) -> tuple[bytes, ...]:
    """A pickle, cut into its opcodes."""
    starts = [at for _, _, at in pickletools.genops(data) if at is not None]
    return tuple(data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True))


class PickleMaker:
    """Makes one pickle; the kinds of it are its public methods.

    Args:
        chance: decides everything.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._memoized = 0

    # -- from real ones --------------------------------------------------------------------------

    def mutated(self) -> bytes:
        """A real pickle with some opcodes dropped, repeated, swapped, replaced or added."""
        chance = self._chance
        codes = list(_opcodes_of(chance.choice(real_pickles())))
        for _ in range(chance.choice((1, 1, 2, 3, 8))):
            at = chance.randrange(len(codes))
            match chance.randrange(7):
                case 0:
                    del codes[at]
                    codes = codes or [b"."]
                case 1:
                    codes.insert(at, codes[chance.randrange(len(codes))])
                case 2:
                    other = chance.randrange(len(codes))
                    codes[at], codes[other] = codes[other], codes[at]
                case 3:
                    codes.insert(at, self._opcode(chance.choice(_OPCODES)))
                case 4:
                    codes[at] = self._opcode(chance.choice(_OPCODES))
                case 5:
                    donor = _opcodes_of(chance.choice(real_pickles()))
                    start = chance.randrange(len(donor))
                    codes[at:at] = donor[start : start + chance.randrange(1, 30)]
                case _:
                    raw = bytearray(codes[at])
                    raw[chance.randrange(len(raw))] = chance.randrange(256)
                    codes[at] = bytes(raw)
        return b"".join(codes)

    # -- from opcodes ----------------------------------------------------------------------------

    def opcodes(self) -> bytes:
        """Opcodes in a row that mostly find on the stack what they need."""
        chance = self._chance
        out = [b"\x80" + bytes([chance.choice((2, 2, 3, 4, 5))])]
        depths = [0]
        for _ in range(chance.choice((5, 20, 60, 200))):
            code = chance.choice(_OPCODES)
            if not _fits(code, depths) and chance.random() < 0.98:
                continue
            _apply(code, depths)
            out.append(self._opcode(code))
        if chance.random() < 0.9:
            out.extend(b"t" for _ in depths[1:])
        return b"".join(out) + (b"." if chance.random() < 0.95 else b"")

    def _opcode(self, code: pickletools.OpcodeInfo) -> bytes:
        raw = code.code.encode("latin-1")
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memoized += 1
        if code.name in ("GET", "BINGET", "LONG_BINGET") and self._chance.random() < 0.8:
            index = self._chance.randrange(self._memoized + 1)
            if code.name == "GET":
                return b"g%d\n" % index
            return raw + (
                bytes([index % 256]) if code.name == "BINGET" else struct.pack("<I", index)
            )
        return raw if code.arg is None else raw + _ARGUMENTS[code.arg.name](self._chance)

    # -- from what torch writes ------------------------------------------------------------------

    def tree(self) -> bytes:
        """A dict as training scripts save, in which any part may be something else."""
        items = b"".join(
            self._text(self._chance.choice(_KEYS)) + self._node(4)
            for _ in range(self._chance.randrange(1, 8))
        )
        root = b"}(" + items + b"u" if self._chance.random() < 0.9 else self._node(5)
        return b"\x80\x02" + root + b"."

    def _node(self, depth: int) -> bytes:
        kinds = self._LEAVES if depth <= 0 else self._KINDS
        out: bytes = self._chance.choice(kinds)(self, depth - 1)
        if self._chance.random() < 0.15:
            self._memoized += 1
            out += b"q" + bytes([(self._memoized - 1) % 256])
        if self._chance.random() < 0.01:
            out += self._chance.choice((b"2", b"20", b"cos\nsystem\n(U\x02idtR0", b"\x85", b"R"))
        return out

    def _maybe(self, sound: bytes, depth: int) -> bytes:
        """Mostly this, sometimes something else."""
        return self._node(depth) if self._chance.random() < 0.06 else sound

    def _text(self, text: str) -> bytes:
        raw = text.encode()
        return b"X" + struct.pack("<I", len(raw)) + raw

    def _int(self, _: int = 0) -> bytes:
        number = self._chance.choice((1, 2, 3, 4, 6)) if self._chance.random() < 0.8 else None
        if number is not None:
            return b"K" + bytes([number])
        if self._is(0.1):
            return b"\x8a\xff" + self._chance.randbytes(255)
        large = interesting(self._chance) - (1 << 63 if self._chance.random() < 0.3 else 0)
        return b"\x8a\x09" + large.to_bytes(9, "little", signed=True)

    def _scalar(self, _: int) -> bytes:
        simple = (b"N", b"\x88", b"\x89", b"G" + struct.pack(">d", self._chance.choice(_FLOATS)))
        return self._chance.choice((*simple, self._int(), b"C\x03abc"))

    def _key(self, _: int) -> bytes:
        return self._text(self._chance.choice(_KEYS))

    def _global(self, _: int = 0) -> bytes:
        return f"c{self._chance.choice(_NAMES)}\n".replace(" ", "\n", 1).encode()

    def _get(self, _: int) -> bytes:
        return (
            b"h" + bytes([self._chance.randrange(self._memoized % 256)]) if self._memoized else b"N"
        )

    def _sequence(self, depth: int) -> bytes:
        items = b"".join(self._node(depth) for _ in range(self._chance.randrange(5)))
        return self._chance.choice((b"(%bt", b"](%be", b"(%bl", b"\x8f(%b\x90", b"(%b\x91")) % items

    def _dict(self, depth: int) -> bytes:
        items = b"".join(
            self._maybe(self._key(0), depth) + self._node(depth)
            for _ in range(self._chance.randrange(5))
        )
        start = self._chance.choice((b"}", b"}", b"ccollections\nOrderedDict\n)R"))
        return start + b"(" + items + b"u"

    def _object(self, depth: int) -> bytes:
        args = b"(" + b"".join(self._node(depth) for _ in range(self._chance.randrange(4))) + b"t"
        made = self._global() + self._maybe(args, depth) + self._chance.choice((b"R", b"\x81"))
        extras = (
            b"",
            self._node(depth) + b"b",
            b"(" + self._node(depth) + b"e",
            self._dict(0) + b"b",
        )
        return made + self._chance.choice(extras)

    def _storage(self, depth: int = 1) -> bytes:
        kind = self._chance.choice(
            ("Float", "Float", "Half", "Long", "Double", "QInt8", "ComplexFloat")
        )
        parts = (
            self._text("storage"),
            f"ctorch\n{kind}Storage\n".encode(),
            self._text(self._chance.choice("00011223x")),
            self._text("cpu"),
            b"K" + bytes([self._chance.choice((4, 12, 24, 24))]),
        )
        tail = b"(" + self._key(0) + self._int() + self._int() + b"t" if self._is(0.03) else b""
        return b"(" + b"".join(self._maybe(part, depth) for part in parts) + tail + b"tQ"

    def _is(self, probability: float) -> bool:
        return self._chance.random() < probability

    def _sizes(self, depth: int) -> bytes:
        sizes = b"".join(self._int() for _ in range(self._chance.choice((0, 1, 2, 2, 3, 9))))
        return self._maybe(b"(" + sizes + b"t", depth)

    def _tensor(self, depth: int) -> bytes:
        ndim = self._chance.choice((0, 1, 2, 2, 3))
        shape, stride = (b"".join(self._int() for _ in range(ndim)) for _ in "ab")
        sizes = b"(" + shape + b"t", b"(" + stride + b"t"
        parts = (
            self._storage(depth),
            self._maybe(b"K" + bytes([self._chance.choice((0, 0, 0, 3))]), depth),
            *(self._maybe(one, depth) for one in sizes),
            b"\x89",
            b"ccollections\nOrderedDict\n)R",
        )
        name = self._chance.choice(("_rebuild_tensor_v2", "_rebuild_tensor_v2", "_rebuild_tensor"))
        return f"ctorch._utils\n{name}\n(".encode() + b"".join(parts) + b"tR"

    def _wrapped(self, depth: int) -> bytes:
        """A tensor as part of a call that torch knows."""
        calls: tuple[Callable[[], bytes], ...] = (
            lambda: b"ctorch._utils\n_rebuild_parameter\n(" + self._tensor(depth) + b"\x88}tR",
            lambda: (
                b"ctorch._utils\n_rebuild_parameter_with_state\n("
                + self._tensor(depth)
                + b"\x88}"
                + self._dict(0)
                + b"tR"
            ),
            lambda: (
                b"ctorch._utils\n_rebuild_sparse_tensor\n(ctorch\nsparse_coo\n("
                + self._tensor(depth)
                + self._tensor(depth)
                + self._sizes(depth)
                + b"ttR"
            ),
            lambda: (
                b"ctorch._utils\n_rebuild_qtensor\n("
                + self._storage()
                + self._int()
                + self._sizes(0) * 2
                + b"(ctorch\nper_tensor_affine\nG?\xf0\0\0\0\0\0\0K\0t\x89}tR"
            ),
            lambda: (
                b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat32\n"
                + self._sizes(0) * 2
                + b"\x89tR"
            ),
            lambda: (
                b"ctorch._tensor\n_rebuild_from_type_v2\n("
                + self._global()
                + self._global()
                + self._sizes(depth)
                + self._dict(0)
                + b"tR"
            ),
            lambda: (
                b"ctorch\nFloatTensor\n)R("
                + self._storage()
                + self._int()
                + self._sizes(0) * 2
                + b"tb"
            ),
        )
        return self._chance.choice(calls)()

    def _array(self, depth: int) -> bytes:
        code = self._chance.choice(("f8", "f4", "i2", "c16", "O", "U3", "M8", "b1"))
        dtype = b"cnumpy\ndtype\n(" + self._text(code) + b"\x89\x88tR(K\x03U\x01"
        dtype += (
            self._chance.choice((b"<", b">", b"|")) + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
        )
        raw = bytes(self._chance.choice((0, 8, 16, 24, 32)))
        data = self._maybe(b"C" + bytes([len(raw)]) + raw, depth)
        if self._is(0.3):
            return b"cnumpy._core.multiarray\nscalar\n(" + dtype + data + b"tR"
        head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\x01btR(K\x01"
        return head + self._sizes(depth) + self._maybe(dtype, depth) + b"\x89" + data + b"tb"

    _LEAVES = (_scalar, _scalar, _key, _get, _global, _int)
    _KINDS = (
        *_LEAVES,
        _sequence,
        _dict,
        _dict,
        _object,
        *(_tensor,) * 5,
        _wrapped,
        _wrapped,
        _array,
    )


_FLOATS = (0.0, 1.0, -1.5, float("nan"), float("inf"), float("-inf"), 1e308, 5e-324)


def _fits(code: pickletools.OpcodeInfo, depths: list[int]) -> bool:
    """Whether the stack holds what an opcode takes, as far as its depth tells."""
    names = [item.name for item in code.stack_before]
    if "mark" in names:
        return len(depths) > 1 and depths[-2] >= names.index("mark")
    needs = max(len(names), code.name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "DUP"))
    return depths[-1] >= needs


def _apply(code: pickletools.OpcodeInfo, depths: list[int]) -> None:
    """Change the depths as the opcode does."""
    names = [item.name for item in code.stack_before]
    if code.name == "MARK":
        depths.append(0)
        return
    if "mark" in names:
        if len(depths) > 1:
            depths.pop()
        names = names[: names.index("mark")]
    depths[-1] = max(0, depths[-1] - len(names)) + len(code.stack_after)


def _number_of(nbytes: int, *, signed: bool = False) -> Callable[[random.Random], bytes]:
    return lambda chance: interesting(chance, 8 * nbytes).to_bytes(nbytes, "little")


def _line(chance: random.Random) -> bytes:
    return (
        chance.choice((b"a", b"model_state_dict", b"x" * 300, b"\xc3\xa9", b"\xff", b"", b"'q'"))
        + b"\n"
    )


def _pair(chance: random.Random) -> bytes:
    return chance.choice(_NAMES).replace(" ", "\n", 1).encode() + b"\n"


def _counted(nbytes: int) -> Callable[[random.Random], bytes]:
    """A length and so many bytes, mostly."""

    def make(chance: random.Random) -> bytes:
        raw = chance.choice(
            (b"", b"a", b"state", "é".encode(), b"\xff\xfe", b"\0" * 40, b"z" * 200)
        )
        length = len(raw) if chance.random() < 0.9 else interesting(chance, 8 * nbytes)
        return length.to_bytes(nbytes, "little") + raw

    return make


def _decimal(chance: random.Random) -> bytes:
    number = interesting(chance) * chance.choice((1, -1))
    odd = (
        b"01",
        b"00",
        b"1_0",
        b" 7",
        b"0x1",
        b"nan",
        b"9" * 5000,
        b"9" * 400,
        b"%d" % number,
        b"%dL" % number,
    )
    return chance.choice(odd) + b"\n"


_ARGUMENTS: dict[str, Callable[[random.Random], bytes]] = {
    "uint1": _number_of(1),
    "uint2": _number_of(2),
    "int4": _number_of(4),
    "uint4": _number_of(4),
    "uint8": _number_of(8),
    "stringnl": lambda chance: chance.choice(
        (b"'a'\n", b'"b"\n', b"'\\x00'\n", b"'\n", b"a\n", b"\n")
    ),
    "stringnl_noescape": _line,
    "stringnl_noescape_pair": _pair,
    "unicodestringnl": lambda chance: chance.choice((b"a\n", b"\\u00e9\n", b"\\ud800\n", b"\\u\n")),
    "string1": _counted(1),
    "string4": _counted(4),
    "bytes1": _counted(1),
    "bytes4": _counted(4),
    "bytes8": _counted(8),
    "bytearray8": _counted(8),
    "unicodestring1": _counted(1),
    "unicodestring4": _counted(4),
    "unicodestring8": _counted(8),
    "decimalnl_short": _decimal,
    "decimalnl_long": _decimal,
    "floatnl": lambda chance: chance.choice((b"1.5\n", b"nan\n", b"1e999\n", b"x\n", b"1_0\n")),
    "float8": lambda chance: struct.pack(">d", chance.choice(_FLOATS)),
    "long1": _counted(1),
    "long4": _counted(4),
}
"""What makes the argument of an opcode, by the name that ``pickletools`` gives the argument."""

PICKLE_MAKERS = (PickleMaker.mutated, PickleMaker.opcodes, PickleMaker.tree, PickleMaker.tree)
