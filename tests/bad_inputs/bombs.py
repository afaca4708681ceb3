"""Small files that ask for much: time, memory, depth. Every one of them is a few kilobytes to a few
megabytes on the disk, and would cost a naive reader gigabytes or hours.
"""

from __future__ import annotations

import functools
import gzip
import json
import os
import pickle
import random
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.bad_inputs.archive_maker import Member, archive
from tests.builders import safetensors_file

__all__ = ["BOMBS", "Bomb", "colliding"]

Build = Callable[[Path], Path | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bomb:
    """One bomb.

    Attributes:
        name: unique, in words.
        build: makes it at the path, or beside it, and then returns where.
        code: of a finding that the report has to hold; "" where it may be called sound.
        verdict: of the file; "" for a log.
        command: what of ``ckptdoctor`` reads it.
        options: of that command.
    """

    name: str
    build: Build
    code: str
    verdict: str
    command: str = "scan"
    options: tuple[str, ...] = ()


BOMBS: list[Bomb] = []


def _bomb(
    code: str = "CD107",
    verdict: str = "unreadable",
    command: str = "scan",
    options: tuple[str, ...] = (),
) -> Callable[[Build], Build]:
    def add(build: Build) -> Build:
        name = build.__name__.replace("_", " ").strip()
        BOMBS.append(
            Bomb(
                name=name,
                build=build,
                code=code,
                verdict=verdict,
                command=command,
                options=options,
            )
        )
        return build

    return add


def _pickle(name: str, data: Callable[[], bytes], code: str, verdict: str = "unreadable") -> None:
    """A bomb that is a bare pickle, and nothing else."""

    def build(path: Path) -> None:
        path.write_bytes(data())

    build.__name__ = name
    _bomb(code, verdict)(build)


def _in_zip(
    path: Path, pickled: bytes, *storages: tuple[bytes, bytes], deflate: bool = False
) -> None:
    """A checkpoint around a pickle, its storages by their keys."""
    members = [Member(name=b"a/data.pkl", data=pickled, deflate=deflate)]
    members += [Member(name=b"a/data/" + key, data=data) for key, data in storages]
    path.write_bytes(archive([*members, Member(name=b"a/version", data=b"3\n")]))


def _text(text: str) -> bytes:
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _int(number: int) -> bytes:
    nbytes = number.bit_length() // 8 + 1
    return b"\x8a" + bytes([nbytes]) + number.to_bytes(nbytes, "little", signed=True)


def _storage(numel: int, key: bytes = b"0", kind: bytes = b"Float") -> bytes:
    return (
        b"(X\7\0\0\0storagectorch\n"
        + kind
        + b"Storage\nX"
        + struct.pack("<I", len(key))
        + key
        + b"X\3\0\0\0cpu"
        + _int(numel)
        + b"tQ"
    )


def _sizes(*sizes: int) -> bytes:
    return b"(" + b"".join(map(_int, sizes)) + b"t"


_REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
_NO_HOOKS = b"ccollections\nOrderedDict\n)R"


def _tensor(storage: bytes, offset: int, shape: bytes, stride: bytes) -> bytes:
    return _REBUILD + b"(" + storage + _int(offset) + shape + stride + b"\x89" + _NO_HOOKS + b"tR"


# -- laughs: what refers to itself, twice, and again ---------------------------------------------


def _doubled(first: bytes, pair: bytes, rounds: int = 60) -> bytes:
    """``pair`` with its two ``%`` in place of the one before, again and again."""
    out = [b"\x80\x02", first, b"q\0"]
    for at in range(rounds):
        out.append(pair.replace(b"%", b"h" + bytes([at])) + b"q" + bytes([at + 1]))
    return b"".join(out) + b"."


_pickle(
    "lists of lists, doubled sixty times", lambda: _doubled(b"]K\1a", b"](%%e"), "CD107", "suspect"
)
_pickle("tuples, doubled sixty times", lambda: _doubled(b"K\1\x85", b"%%\x86"), "CD107", "suspect")
_pickle(
    "sets, doubled sixty times",
    lambda: _doubled(b"\x8f(K\1\x90", b"\x8f(%%\x90"),
    "CD101",
    "unreadable",
)
_pickle(
    "dicts, doubled sixty times",
    lambda: _doubled(b"}U\1aK\1s", b"}(U\1a%U\1b%u"),
    "CD107",
    "suspect",
)
_pickle(
    "objects, doubled sixty times",
    lambda: _doubled(b"cm\nC\n)R", b"cm\nC\n)R}(U\1a%U\1b%ub"),
    "CD107",
    "suspect",
)
_pickle(
    "texts joined sixty times",
    lambda: _doubled(b"U\x40" + b"a" * 64, b"coperator\nadd\n%%\x86R"),
    "CD107",
    "suspect",
)


@_bomb("CD107", "suspect")
def state_dicts_doubled_sixty_times(path: Path) -> None:
    one = b"}U\1w" + _tensor(_storage(4), 0, _sizes(4), _sizes(1)) + b"s"
    _in_zip(path, _doubled(one, b"}(U\1a%U\1b%u"), (b"0", bytes(16)))


# -- hashes --------------------------------------------------------------------------------------


@functools.cache
def colliding(bits: int, count: int) -> tuple[list[int], list[int]]:
    """Integers that fill a dict of ``2**bits`` slots, and those that then search it for ever.

    CPython probes ``i = 5 i + 1 + perturb``; once ``perturb`` is used up, every search walks the
    same way. The first integers lie along that way, the others are chosen so that each of their
    first probes meets one of them.
    """
    import numpy as np

    mask = (1 << bits) - 1
    order = np.empty(1 << bits, np.int64)
    slot = 0
    for at in range(len(order)):
        order[at] = slot
        slot = (5 * slot + 1) & mask
    filled = int(0.45 * len(order))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    found: list[int] = []
    chance = np.random.default_rng(0)
    while len(found) < count:
        keys = chance.integers(1 << bits, 1 << 31, 1 << 20)
        slots, perturb = keys & mask, keys.copy()
        alive = place[slots] < filled
        while perturb.any():
            perturb >>= 5
            slots = (5 * slots + 1 + perturb) & mask
            alive &= place[slots] < filled
        found += keys[alive & (place[slots] < filled // 8)].tolist()
    return order[:filled].tolist(), found[:count]


def _crafted() -> bytes:
    filling, searching = colliding(17, 25_000)
    keys = b"".join(b"J" + struct.pack("<i", key) + b"N" for key in (*filling, *searching))
    return b"\x80\x02}(" + keys + b"u."


_pickle("integer keys that search a dict for ever", _crafted, "", "suspect")
_pickle(
    "memo indices that search a dict for ever",
    lambda: (
        b"\x80\x02}"
        + b"".join(b"r" + struct.pack("<I", key) for keys in colliding(17, 25_000) for key in keys)
        + b"."
    ),
    "CD104",
)
_pickle(
    "integer keys with one hash",
    lambda: (
        b"\x80\x02}(" + b"".join(_int((2**61 - 1) * at) + b"N" for at in range(1, 40_000)) + b"u."
    ),
    "",
    "suspect",
)
_pickle(
    "keys that are tuples a thousand deep",
    lambda: b"\x80\x02}(" + (b")" + b"\x85" * 1000 + b"N") * 500 + b"u.",
    "",
    "suspect",
)

# -- depth ---------------------------------------------------------------------------------------

_DEEP = 1_000_000
_pickle(
    "lists a million deep",
    lambda: b"\x80\x02" + b"]" * _DEEP + b"a" * (_DEEP - 1) + b".",
    "CD107",
    "suspect",
)
_pickle("tuples a million deep", lambda: b"\x80\x02)" + b"\x85" * _DEEP + b".", "CD107", "suspect")
_pickle("marks a million deep", lambda: b"\x80\x02" + b"(" * _DEEP + b".", "CD104")
_pickle(
    "marks and tuples a million deep",
    lambda: b"\x80\x02" + b"(" * _DEEP + b"t" * _DEEP + b".",
    "CD107",
    "suspect",
)
_pickle(
    "calls of calls, a million deep",
    lambda: b"\x80\x02cm\nC\n" + b")R" * _DEEP + b".",
    "CD106",
    "suspect",
)
_pickle(
    "states of states, a million deep",
    lambda: b"\x80\x02" + b"cm\nC\n)R" * (_DEEP // 4) + b"b" * (_DEEP // 4 - 1) + b".",
    "CD107",
    "suspect",
)
_pickle(
    "dicts a million deep",
    lambda: b"\x80\x02" + b"}N" * _DEEP + b"}" + b"s" * _DEEP + b".",
    "CD107",
    "suspect",
)
_pickle(
    "persistent ids of persistent ids, a million",
    lambda: b"\x80\x02]" + b"Q" * _DEEP + b".",
    "CD104",
    "corrupt",
)
_pickle(
    "half a million leaves two hundred deep",
    lambda: b"\x80\x02" + b"]" * 190 + b"(" + b"K\1" * 500_000 + b"e" + b"a" * 189 + b".",
    "CD107",
    "suspect",
)
_pickle(
    "half a million leaves below long names",
    lambda: (
        b"\x80\x02"
        + (b"}U\x64" + b"n" * 100) * 190
        + b"]("
        + b"K\1" * 500_000
        + b"e"
        + b"s" * 190
        + b"."
    ),
    "CD107",
    "suspect",
)

# -- counts and lengths that lie -----------------------------------------------------------------

_pickle("text of 2^63 bytes", lambda: b"\x80\x04}\x8d" + b"\xff" * 7 + b"\x7f.", "CD102")
_pickle("bytes of 2^63", lambda: b"\x80\x04}\x8e" + b"\xff" * 7 + b"\x7f.", "CD102")
_pickle("bytearray of 2^63", lambda: b"\x80\x05}\x96" + b"\xff" * 7 + b"\x7f.", "CD102")
_pickle("integer of 2^31 bytes", lambda: b"\x80\x02}\x8b\xff\xff\xff\x7f.", "CD107")
_pickle(
    "integer of a million digits", lambda: b"L" + b"9" * 1_000_000 + b"L\n.", "CD101", "unreadable"
)
_pickle(
    "short integer of a million digits",
    lambda: b"](I" + b"9" * 1_000_000 + b"\ne.",
    "CD101",
    "unreadable",
)
_pickle(
    "two hundred integers of 4300 digits",
    lambda: b"](" + (b"I" + b"9" * 4300 + b"\n") * 200 + b"e.",
    "",
    "suspect",
)
_pickle("float of a million digits", lambda: b"](F" + b"9" * 1_000_000 + b"\ne.", "", "suspect")
_pickle("memo index of 2^31", lambda: b"\x80\x02}r\0\0\0\x80.", "CD104")
_pickle(
    "memo index of a thousand digits", lambda: b"}p" + b"9" * 1000 + b"\n.", "CD101", "unreadable"
)
_pickle(
    "frame of 2^63 bytes", lambda: b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f}.", "CD104", "unreadable"
)
_pickle(
    "two million memoized", lambda: b"\x80\x04]" + b"\x94" * 2_000_000 + b".", "CD101", "suspect"
)
_pickle(
    "a million empty dicts", lambda: b"\x80\x02](" + b"}" * 1_000_000 + b"e.", "CD101", "suspect"
)
_pickle(
    "two million empty lists", lambda: b"\x80\x02](" + b"]" * 2_000_000 + b"e.", "CD101", "suspect"
)
_pickle(
    "two million times None", lambda: b"\x80\x02](" + b"N" * 2_000_000 + b"e.", "CD107", "suspect"
)
_pickle(
    "a million integers", lambda: b"\x80\x02](" + b"K\1" * 1_000_000 + b"e.", "CD107", "suspect"
)

# -- calls that would be dear --------------------------------------------------------------------

_HUGE = _int(2**40)
_pickle(
    "bytearray of 2^40 by a call",
    lambda: b"\x80\x02cbuiltins\nbytearray\n" + _HUGE + b"\x85R.",
    "",
    "suspect",
)
_pickle(
    "list of a range of 2^40",
    lambda: b"\x80\x02cbuiltins\nlist\ncbuiltins\nrange\n" + _HUGE + b"\x85R\x85R.",
    "CD105",
    "suspect",
)
_pickle(
    "a text times 2^40",
    lambda: b"\x80\x02coperator\nmul\nU\1a" + _HUGE + b"\x86R.",
    "CD106",
    "suspect",
)
_pickle(
    "repeat without end",
    lambda: b"\x80\x02cbuiltins\nlist\ncitertools\nrepeat\nK\1\x85R\x85R.",
    "CD106",
    "suspect",
)
_pickle(
    "two to the power of 2^40",
    lambda: b"\x80\x02cbuiltins\npow\nK\2" + _HUGE + b"\x86R.",
    "CD106",
    "suspect",
)
_pickle(
    "numpy zeros of 2^40",
    lambda: b"\x80\x02cnumpy\nzeros\n" + _HUGE + b"\x85R.",
    "CD106",
    "suspect",
)
_pickle(
    "hidden calls, a hundred thousand",
    lambda: b"\x80\x02}" + b"cos\nsystem\n(U\1xtR0" * 100_000 + b".",
    "CD106",
    "suspect",
)
_pickle(
    "hidden calls behind marks, a hundred thousand",
    lambda: b"\x80\x02}" + b"(cos\nsystem\n(U\1xtR1" * 100_000 + b".",
    "CD106",
    "suspect",
)
_pickle(
    "calls with arguments doubled sixty times",
    lambda: _doubled(b"]K\1a", b"](%%e")[:-1] + b"cos\nsystem\n(" + b"h\x3c" * 9 + b"tR.",
    "CD106",
    "suspect",
)

# -- looked at again and again -------------------------------------------------------------------


def _nested(once: bytes, each: Callable[[int], bytes], levels: int) -> bytes:
    """Levels that each hold the one below many times; the last one is on the stack."""
    return (
        once
        + b"q\x000"
        + b"0".join(each(level) + b"q" + bytes([level + 1]) for level in range(levels))
    )


_TZINFO = b"cdatetime\ntzinfo\n"
_SPACE = b"cargparse\nNamespace\n)\x81"

_pickle(
    "tuples of tuples, twelve hundred times each, handed to a function",
    lambda: (
        b"\x80\x02"
        + _TZINFO
        + _nested(b")", lambda at: b"(" + (b"h" + bytes([at])) * 1200 + b"t", 3)
        + b"\x85R."
    ),
    "",
    "suspect",
)
_pickle(
    "a list that holds itself five thousand times, handed on beside a loader",
    lambda: (
        b"\x80\x02ctorch.utils.data.dataset\nSubset\n0]q\0("
        + b"h\0" * 5000
        + b"e0"
        + _TZINFO
        + b"h\0\x85R."
    ),
    "CD105",
    "suspect",
)
_pickle(
    "a state of objects of objects, fifty times each",
    lambda: (
        b"\x80\x02"
        + _SPACE
        + _nested(_TZINFO + b")R", lambda at: _TZINFO + b"(" + (b"h" + bytes([at])) * 50 + b"tR", 7)
        + b"b."
    ),
    "",
    "suspect",
)
_pickle(
    "thirty thousand members of an object with ten thousand attributes",
    lambda: (
        b"\x80\x02"
        + _SPACE
        + b"}("
        + b"".join(b"U\4%04dN" % at for at in range(10_000))
        + b"ub"
        + b"Na" * 30_000
        + b"."
    ),
    "CD106",
    "suspect",
)
_pickle(
    "a state of ten thousand attributes, set forty thousand times",
    lambda: (
        b"\x80\x02}("
        + b"".join(b"U\4%04dN" % at for at in range(10_000))
        + b"uq\x000"
        + _SPACE
        + b"h\0b" * 40_000
        + b"."
    ),
    "CD107",
)
_pickle(
    "arguments by the ten thousand, handed on forty thousand times",
    lambda: b"\x80\x02(" + b"N" * 10_000 + b"tq\x000" + (_TZINFO + b"h\0R0") * 40_000 + b"N.",
    "CD106",
    "suspect",
)

# -- floods --------------------------------------------------------------------------------------

_pickle(
    "a million globals of one name",
    lambda: b"\x80\x02}" + b"ca\nb\n0" * 1_000_000 + b".",
    "CD105",
    "suspect",
)
_pickle(
    "two hundred thousand globals",
    lambda: b"\x80\x02}" + b"".join(b"ca\n%x\n0" % at for at in range(200_000)) + b".",
    "CD107",
    "unreadable",
)
_pickle(
    "globals with long names",
    lambda: b"\x80\x02}" + b"".join(b"ca\n%0900d\n0" % at for at in range(2000)) + b".",
    "CD105",
    "suspect",
)
_pickle(
    "names that run code, fifty thousand",
    lambda: b"\x80\x02}" + b"".join(b"cos\n%x\n0" % at for at in range(50_000)) + b".",
    "CD106",
    "unreadable",
)


@_bomb("CD101", "suspect")
def a_million_persistent_ids_of_one_storage(path: Path) -> None:
    pids = _storage(4)[:-1] + b"q\0" + b"0h\0Q" * 1_000_000
    _in_zip(path, b"\x80\x02}" + pids + b"0.", (b"0", bytes(16)))


@_bomb("CD107", "suspect")
def a_million_references_to_one_tensor(path: Path) -> None:
    one = _tensor(_storage(4), 0, _sizes(4), _sizes(1))
    _in_zip(path, b"\x80\x02](" + one + b"q\0" + b"h\0" * 1_000_000 + b"e.", (b"0", bytes(16)))


def _calls(args: bytes, count: int) -> bytes:
    """So many tensors that share their arguments."""
    return b"\x80\x02](" + _REBUILD + b"q\0(" + args + b"\x89Ntq\1R" + b"h\0h\1R" * count + b"e."


@_bomb("CD107", "suspect")
def four_hundred_thousand_tensors_of_2_to_the_40(path: Path) -> None:
    args = _storage(4) + b"K\0" + _sizes(2**40) + _sizes(0)
    _in_zip(path, _calls(args, 400_000), (b"0", bytes(16)))


@_bomb("CD104", "corrupt")
def tensors_of_absurd_shapes(path: Path) -> None:
    args = _storage(4) + b"K\0" + _sizes(*[2**62] * 100) + _sizes(*[0] * 100)
    _in_zip(path, _calls(args, 2000), (b"0", bytes(16)))


@_bomb("CD104", "corrupt")
def tensors_beyond_their_storage(path: Path) -> None:
    args = _storage(4) + b"K\0" + _sizes(*[2**62] * 100) + _sizes(*[2**62] * 100)
    _in_zip(path, _calls(args, 20_000), (b"0", bytes(16)))


@_bomb("CD107", "suspect")
def views_that_overlap_2_to_the_17_times(path: Path) -> None:
    args = _storage(40) + b"K\0" + _sizes(*[2] * 17, 2) + _sizes(*[1] * 17, 3)
    _in_zip(path, _calls(args, 2000), (b"0", bytes(160)))


@_bomb("", "healthy")
def views_of_a_hundred_thousand_rows(path: Path) -> None:
    args = _storage(600_001) + b"K\0" + _sizes(100_000, 2) + _sizes(6, 4)
    _in_zip(path, _calls(args, 500), (b"0", bytes(2_400_004)))


@_bomb("", "healthy")
def views_of_two_megabyte_steps(path: Path) -> None:
    numel = 1 << 20
    args = _storage(numel) + b"K\0" + _sizes(*[2] * 16, 2) + _sizes(*[3] * 16, numel - 100)
    _in_zip(path, _calls(args, 20), (b"0", bytes(4 * numel)))


@_bomb("CD107", "suspect")
def views_nested_in_each_other(path: Path) -> None:
    count = 24_000
    items = b"".join(
        b"h\0(h\2" + _int(at) + _sizes(2 * (count - at)) + b"h\3\x89NtR" for at in range(count)
    )
    head = b"](" + _REBUILD + b"q\0" + _storage(2 * count) + b"q\2" + _sizes(1) + b"q\3"
    _in_zip(path, b"\x80\x02" + head + items + b"e.", (b"0", bytes(8 * count)))


@_bomb("CD104", "suspect")
def one_storage_as_every_type(path: Path) -> None:
    kinds = b"Float Half Double Long Int Short Char Byte Bool BFloat16 ComplexFloat".split()
    items = b"".join(
        _tensor(_storage(1 << 18, kind=kind), 0, _sizes(1 << 18), _sizes(1)) for kind in kinds
    )
    _in_zip(path, b"\x80\x02](" + items + b"e.", (b"0", bytes(1 << 22)))


# -- names ---------------------------------------------------------------------------------------


def _named(name: str, count: int = 1) -> Build:
    def build(path: Path) -> None:
        one = _tensor(_storage(4), 0, _sizes(4), _sizes(1))
        keys = b"".join(_text(name + str(at)) + b"h\0" for at in range(count))
        _in_zip(path, b"\x80\x02" + one + b"q\x000}(" + keys + b"u.", (b"0", bytes(16)))

    return build


for _what, _name, _count in (
    ("a key of a million lines", "\n" * 1_000_000, 1),
    ("a key of a million escapes", "\x1b[2J" * 250_000, 1),
    ("a key of ten megabytes", "k" * 10_000_000, 1),
    ("two thousand keys of two kilobytes", "k" * 2000, 2000),
    ("a key of zeros", "\0" * 100_000, 1),
    ("a key that turns the text around", "\u202e\u2066" * 50_000, 1),
):
    _build = _named(_name, _count)
    _build.__name__ = _what
    _bomb("", "healthy")(_build)

# -- zip -----------------------------------------------------------------------------------------


def _deflated(name: bytes, unit: bytes, mebibytes: int) -> Member:
    return Member(name=name, data=unit * ((mebibytes << 20) // len(unit)), deflate=True)


@_bomb()
def a_pickle_deflated_a_thousandfold(path: Path) -> None:
    _in_zip(path, b"\x80\x02](" + b"]" * (60 << 20) + b"e.", deflate=True)


@_bomb("CD104")
def a_pickle_deflated_beyond_its_size(path: Path) -> None:
    member = Member(name=b"a/data.pkl", data=bytes(64 << 20), deflate=True, claimed_nbytes=100)
    path.write_bytes(archive([member]))


@_bomb()
def a_pickle_that_claims_four_gigabytes(path: Path) -> None:
    member = Member(name=b"a/data.pkl", data=b"}.", deflate=True, claimed_nbytes=0xFFFF_FFFE)
    path.write_bytes(archive([member]))


@_bomb()
def a_pickle_deflated_in_a_large_file(path: Path) -> None:
    pickled = Member(
        name=b"a/data.pkl", data=b"\x80\x02](" + b"}" * (60 << 20) + b"e.", deflate=True
    )
    _sparse_zip(path, [pickled], 4 << 30)


def _sparse_zip(path: Path, members: list[Member], nbytes: int) -> None:
    """An archive behind whose records lies a hole of so many bytes."""
    data = archive(members)
    end = data.rindex(b"PK\x05\x06")
    directory = struct.unpack_from("<I", data, end + 16)[0]
    with path.open("wb") as file:
        file.write(data[:directory])
        file.seek(nbytes)
        at = file.tell()
        file.write(data[directory:end])
        total = end - directory
        count = len(members)
        file.write(
            struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 0, 0, 0, 0, count, count, total, at)
        )
        file.write(struct.pack("<4sIQI", b"PK\x06\x07", 0, at + total, 1))
        file.write(data[end : end + 16] + b"\xff" * 4 + data[end + 20 :])


@functools.cache
def _zeros_deflated(mebibytes: int) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(1 << 20)
    return b"".join(deflate.compress(block) for _ in range(mebibytes)) + deflate.flush()


def _deflated_storage(path: Path, mebibytes: int, copies: int) -> None:
    """One stream of zeros, which several records claim to be theirs."""
    packed = _zeros_deflated(mebibytes)
    nbytes = mebibytes << 20
    items = b"".join(
        _text(f"w{at}")
        + _tensor(_storage(nbytes // 4, b"%d" % at), 0, _sizes(nbytes // 4), _sizes(1))
        for at in range(copies)
    )
    pickled = b"\x80\x02}(" + items + b"u."
    head = archive([Member(name=b"a/data.pkl", data=pickled)])
    end = head.rindex(b"PK\x05\x06")
    place = struct.unpack_from("<I", head, end + 16)[0]
    out, central = bytearray(head[:place]), bytearray(head[place:end])
    for at in range(copies):
        name = b"a/data/%d" % at
        fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0, 0, len(packed), nbytes, len(name), 0)
        where = len(out)
        out += b"PK\x03\x04" + fields + name
        if at == copies - 1:
            out += packed
        central += b"PK\x01\x02\x14\0" + fields + bytes(10) + struct.pack("<I", where) + name
    tail = struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, *[copies + 1] * 2, len(central), len(out), 0
    )
    path.write_bytes(bytes(out + central) + tail)


@_bomb()
def a_storage_deflated_a_thousandfold(path: Path) -> None:
    _deflated_storage(path, 3000, 1)


@_bomb()
def storages_that_share_a_deflated_gigabyte(path: Path) -> None:
    _deflated_storage(path, 100, 500)


def _shared(path: Path, records: int, nbytes: int) -> None:
    """Records of the directory that all have the same place."""
    body = Member(name=b"a/data/0", data=b"\x3f" * nbytes)
    pickled = Member(name=b"a/data.pkl", data=b"\x80\x02}.")
    path.write_bytes(archive([pickled, body], [pickled, *[body] * records]))


@_bomb()
def twenty_thousand_records_in_one_place(path: Path) -> None:
    _shared(path, 20_000, 2_000_000)


@_bomb()
def records_that_hold_each_other(path: Path) -> None:
    """As David Fifield's: every record holds the headers and the data of those behind it."""
    count, nbytes = 20_000, 1 << 20
    pickled = Member(name=b"a/data.pkl", data=b"\x80\x02}.")
    head = archive([pickled])
    end = head.rindex(b"PK\x05\x06")
    place = struct.unpack_from("<I", head, end + 16)[0]
    out, central = bytearray(head[:place]), bytearray(head[place:end])
    width = 30 + 14
    stop = len(out) + count * width + nbytes
    for at in range(count):
        name = b"a/data/%07d" % at
        size = stop - len(out) - width
        fields = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 0, 1 + at, size, size, len(name), 0)
        central += b"PK\x01\x02\x14\0" + fields + bytes(10) + struct.pack("<I", len(out)) + name
        out += b"PK\x03\x04" + fields + name
    out += bytes(nbytes)
    tail = struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, *[count + 1] * 2, len(central), len(out), 0
    )
    path.write_bytes(bytes(out + central) + tail)


@_bomb()
def twenty_thousand_other_records_in_one_place(path: Path) -> None:
    body = Member(name=b"a/notes", data=b"\x80\x02" * 200_000)
    pickled = Member(name=b"a/data.pkl", data=b"\x80\x02}.")
    path.write_bytes(archive([pickled, body], [pickled, *[body] * 20_000]))


@_bomb("CD101")
def members_that_all_run_on_to_the_end(path: Path) -> None:
    """A thousand headers, and behind each of them the same million opcodes."""
    member = Member(name=b"\n" + b"N" * 40 + b"0" * 40, data=b"N0" * 20)
    path.write_bytes(archive([member] * 1000 + [Member(name=b"x", data=b"N0" * 700_000)]))


@_bomb("CD104")
def three_thousand_members_deflated_a_thousandfold(path: Path) -> None:
    deflate = zlib.compressobj(9, wbits=-15)
    packed = deflate.compress(bytes(1 << 20)) + deflate.flush()
    header = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, 0, 0, 1, 0)
    path.write_bytes((header + b"x" + packed) * 3000 + archive([Member(name=b"x", data=b"")]))


@_bomb("CD104", "suspect")
def a_directory_of_records_that_are_not_there(path: Path) -> None:
    pickled = Member(name=b"a/data.pkl", data=b"\x80\x02}.")
    gone = Member(name=b"a/data/0", data=b"", at=0xFFFF_FF00)
    path.write_bytes(archive([pickled, gone], [pickled, *[gone] * 60_000]))


@_bomb("CD104", "suspect")
def a_directory_that_announces_2_to_the_64(path: Path) -> None:
    pickled = Member(name=b"a/data.pkl", data=b"\x80\x02}.")
    data = archive([pickled])
    end = data.rindex(b"PK\x05\x06")
    at = struct.unpack_from("<I", data, end + 16)[0]
    end64 = struct.pack(
        "<4sQHHIIQQQQ", b"PK\x06\x06", 44, 0, 0, 0, 0, *[2**64 - 1] * 2, end - at, at
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    path.write_bytes(data[:end] + end64 + locator + data[end:])


@_bomb("CD104")
def a_zip_in_a_zip(path: Path) -> None:
    inner = archive([Member(name=b"a/data.pkl", data=b"\x80\x02}.")])
    for _ in range(50):
        inner = archive([Member(name=b"a/data.pkl", data=inner)])
    path.write_bytes(inner)


@_bomb("CD102", "unreadable")
def descriptors_without_end(path: Path) -> None:
    """No directory, no size, and two hundred thousand places where the record might end."""
    header = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 8, 0, 0, 0, 0, 0, 0, 10, 0)
    path.write_bytes(header + b"a/data.pkl" + b"\x80\x02}." + b"PK\x07\x08" * 500_000)


# -- safetensors ---------------------------------------------------------------------------------


def _safetensors(
    name: str, header: Callable[[], bytes], code: str, verdict: str = "unreadable"
) -> None:
    def build(path: Path) -> None:
        safetensors_file(path, header(), bytes(64))

    build.__name__ = name
    _bomb(code, verdict)(build)


def _entries(count: int, entry: bytes) -> bytes:
    """An object of so many members, each with its number in it."""
    return b"{" + b",".join(entry % at for at in range(count)) + b"}"


_safetensors(
    "a header of brackets, a hundred thousand deep", lambda: b'{"a":' + b"[" * 100_000, "CD104"
)
_safetensors(
    "metadata nine hundred brackets deep",
    lambda: b'{"__metadata__":{"a":' + b"[" * 900 + b"]" * 900 + b"}}",
    "CD104",
)
_safetensors(
    "a header of a number of a million digits", lambda: b'{"a":' + b"9" * 1_000_000 + b"}", "CD104"
)
_safetensors(
    "shapes of numbers of four thousand digits",
    lambda: json.dumps(
        {
            f"t{at}": {"dtype": "F32", "shape": [10**4000], "data_offsets": [0, 4]}
            for at in range(200)
        }
    ).encode(),
    "CD104",
    "suspect",
)
_safetensors(
    "one key a hundred thousand times", lambda: b"{" + b'"a":1,' * 100_000 + b'"a":1}', "CD104"
)
_safetensors(
    "lists in a header, two million",
    lambda: b'{"a":[' + b"[]," * 2_000_000 + b"[]]}",
    "CD104",
    "suspect",
)
_safetensors(
    "thirty thousand tensors in one place",
    lambda: (
        b"{"
        + b",".join(
            b'"%d":{"dtype":"F32","shape":[16],"data_offsets":[0,64]}' % at for at in range(30_000)
        )
        + b"}"
    ),
    "CD104",
    "corrupt",
)
_safetensors(
    "a million tensors in a header",
    lambda: _entries(1_000_000, b'"w%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'),
    "CD107",
    "suspect",
)
_safetensors(
    "a million tensors in a header, their keys spelled by escapes",
    lambda: _entries(1_000_000, b'"w%d":{"dtype":"F32","shape":[0],"data_offset\\u0073":[0,0]}'),
    "CD107",
    "suspect",
)
_safetensors(
    "metadata of three million entries",
    lambda: b'{"__metadata__":' + _entries(3_000_000, b'"%d":"x"') + b"}",
    "CD107",
    "suspect",
)
_safetensors(
    "metadata of thirty million lists",
    lambda: b'{"__metadata__":{"a":[' + b"[]," * 30_000_000 + b"[]]}}",
    "CD104",
    "suspect",
)
_safetensors(
    "an entry of thirty million lists",
    lambda: b'{"a":[' + b"[]," * 30_000_000 + b"[]]}",
    "CD104",
    "suspect",
)
_safetensors(
    "a key of ten megabytes in a header",
    lambda: b'{"' + b"k" * 10_000_000 + b'":{"dtype":"F32","shape":[16],"data_offsets":[0,64]}}',
    "",
    "healthy",
)


@_bomb("CD107")
def a_header_of_2_to_the_39(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 1 << 39) + b"{" + b" " * 1000)


@_bomb("CD104", "unreadable")
def a_header_of_a_hundred_million_zeros(path: Path) -> None:
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 99_999_990) + b'{"')
        file.truncate(100_000_000)


# -- legacy and tar ------------------------------------------------------------------------------

_MAGIC = b"".join(
    pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
)


@_bomb("CD104", "corrupt")
def one_legacy_key_a_million_times(path: Path) -> None:
    saved = b"\x80\x02}U\1w" + _tensor(_storage(4), 0, _sizes(4), _sizes(1)) + b"s."
    keys = b"\x80\x02](U\x010q\0" + b"h\0" * 1_000_000 + b"e."
    path.write_bytes(_MAGIC + saved + keys + bytes(8) * 1000)


@_bomb("CD102", "corrupt")
def a_legacy_storage_of_2_to_the_60(path: Path) -> None:
    saved = b"\x80\x02}U\1w" + _tensor(_storage(1 << 60), 0, _sizes(1 << 60), _sizes(1)) + b"s."
    path.write_bytes(_MAGIC + saved + b"\x80\x02](U\x010e." + struct.pack("<q", 1 << 60))


@_bomb()
def twenty_thousand_legacy_views_of_one_storage(path: Path) -> None:
    numel = 1 << 20
    start = b"(X\7\0\0\0storageq\0ctorch\nFloatStorage\nq\1X\1\0\0\x000q\2X\3\0\0\0cpuq\3" + _int(
        numel
    )
    first = start + b"q\4(X\1\0\0\0vK\0h\4ttQ"
    items = b"".join(
        _REBUILD + b"((h\0h\1h\2h\3h\4(U\5%05dK\0h\4ttQ" % at + b"K\0h\5h\6\x89NtR"
        for at in range(20_000)
    )
    sizes = _sizes(numel) + b"q\5" + _sizes(1) + b"q\6"
    saved = b"\x80\x02](" + first + sizes + items + b"e."
    tail = b"\x80\x02](U\x010e." + struct.pack("<q", numel) + bytes(4 * numel)
    path.write_bytes(_MAGIC + saved + tail)


def _tar_header(name: bytes, nbytes: int, kind: bytes = b"0") -> bytes:
    header = bytearray(512)
    header[: len(name[:100])] = name[:100]
    header[100:136] = b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % nbytes
    header[136:156] = b"00000000000\0" + b" " * 8
    header[156:157] = kind
    header[257:265] = b"ustar  \0"
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


@_bomb("CD101")
def a_tar_of_a_hundred_thousand_members(path: Path) -> None:
    path.write_bytes(_tar_header(b"member", 0) * 100_000)


@_bomb("CD101")
def long_names_of_long_names(path: Path) -> None:
    path.write_bytes((_tar_header(b"././@LongLink", 2, b"L") + b"a\0".ljust(512, b"\0")) * 5000)


@_bomb("CD104")
def a_long_name_of_two_gigabytes(path: Path) -> None:
    with path.open("wb") as file:
        file.write(_tar_header(b"././@LongLink", 2_000_000_000, b"L"))
        file.truncate(2_100_000_000)


@_bomb("CD104")
def pax_headers_of_a_gigabyte(path: Path) -> None:
    with path.open("wb") as file:
        file.write(_tar_header(b"././@PaxHeader", 1_000_000_000, b"x"))
        file.write(b"999999999 comment=")
        file.truncate(1_100_000_000)


@_bomb("CD104")
def a_sparse_tar(path: Path) -> None:
    header = bytearray(_tar_header(b"storages", 512, b"S"))
    header[386:410] = b"00000000000\x0077777777777\0"
    header[482:483] = b"\1"
    header[483:495] = b"77777777777\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    more = (b"00000000000\x0077777777777\0" * 21).ljust(504, b"\0") + b"\1" + bytes(7)
    path.write_bytes(bytes(header) + more * 10_000)


# -- holes: files that are large, and take no room -----------------------------------------------


@_bomb("", "suspect")
def texts_of_four_gigabytes_in_a_hole(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"\x80\x02](")
        for _ in range(4096):
            file.write(b"X" + struct.pack("<I", 1 << 20))
            file.seek(1 << 20, os.SEEK_CUR)
        file.write(b"e.")


@_bomb("CD101", "suspect")
def small_bytes_of_a_gigabyte_in_a_hole(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"\x80\x03](")
        for _ in range(100_000):
            file.write(b"B" + struct.pack("<I", 4096))
            file.seek(4096, os.SEEK_CUR)
        file.write(b"e.")


@_bomb("CD104", "corrupt")
def a_big_endian_array_of_a_gigabyte(path: Path) -> None:
    nbytes = 1 << 30
    dtype = b"cnumpy\ndtype\n(U\2f8K\0K\1tR(K\3U\1>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\1btR(K\1"
    with path.open("wb") as file:
        file.write(b"\x80\x04}U\1w" + head + _sizes(nbytes // 8) + dtype + b"\x89")
        file.write(b"\x8e" + struct.pack("<Q", nbytes))
        file.seek(nbytes, os.SEEK_CUR)
        file.write(b"tbs.")


# -- texts ---------------------------------------------------------------------------------------


@_bomb("CD101")
def a_web_page_with_a_title_of_spaces(path: Path) -> None:
    path.write_bytes(b"<html><head><title>" + b" " * 30_000)


@_bomb("CD101")
def a_web_page_of_titles_without_an_end(path: Path) -> None:
    path.write_bytes(b"<html><head>" + b"<title> <title" * 3_000)


@_bomb("CD101")
def an_answer_of_errors_without_an_end(path: Path) -> None:
    path.write_bytes(b"<?xml version='1.0'?><Error>" + b"<Code> " * 4_000)


@_bomb("CD101")
def a_text_that_is_nearly_base64(path: Path) -> None:
    path.write_bytes(b"abcdefghijklmnop" + b" " * 30_000 + b"!")


# -- logs ----------------------------------------------------------------------------------------


def _log(name: str, lines: Callable[[], Iterable[str]], *options: str) -> None:
    def build(path: Path) -> Path:
        path = path.with_suffix(".log")
        path.write_text("".join(lines()), encoding="utf-8")
        return path

    build.__name__ = name
    _bomb("", "", "history", options)(build)


@_bomb("", "", "history")
def a_line_of_a_gigabyte(path: Path) -> Path:
    path = path.with_suffix(".log")
    with path.open("wb") as file:
        file.write(b"Epoch 1: loss: 0.5\nEpoch 2: loss: 0.4 ")
        file.seek(1 << 30)
        file.write(b"\nEpoch 3: loss: 0.3\n")
    return path


@_bomb("", "", "history")
def a_table_with_a_line_of_a_gigabyte(path: Path) -> Path:
    path = path.with_suffix(".log")
    with path.open("wb") as file:
        file.write(b'epoch,loss\n1,0.5\n2,"')
        file.seek(1 << 29)
        file.write(b"\n3,0.3\n")
    return path


@_bomb("", "", "history")
def a_trainer_state_of_a_gigabyte(path: Path) -> Path:
    path = path.with_name("trainer_state.json")
    with path.open("wb") as file:
        file.write(b'{\n"log_history": [')
        file.truncate(1 << 30)
    return path


@_bomb("", "", "history")
def a_packed_log_of_ten_gigabytes(path: Path) -> Path:
    path = path.with_suffix(".log")
    piece = gzip.compress(b"Epoch 1: loss: 0.5\n" + bytes(10_000_000))
    path.write_bytes(piece * 1000)
    return path


@_bomb("", "", "history")
def a_packed_history_of_very_many_objects(path: Path) -> Path:
    path = path.with_suffix(".json.gz")
    path.write_bytes(gzip.compress(b'[{"epoch":1,"loss":1}' + b',{"a":1}' * 10_000_000))
    return path


@_bomb("", "", "history")
def a_log_of_one_line_of_utf_16(path: Path) -> Path:
    path = path.with_suffix(".log")
    path.write_bytes("\ufeffEpoch 1: loss 0.5 ".encode("utf-16-le") + b"\n\n\0" * 3_000_000)
    return path


@_bomb("", "", "history")
def a_printed_list_whose_strings_never_end(path: Path) -> Path:
    path = path.with_suffix(".log")
    path.write_bytes(b'[{"stream_name": "stdout", "data": "x"}\n' + b',{"a": "\n' * 2_000_000)
    return path


_log(
    "a fraction of an epoch with four thousand digits",
    lambda: (f"loss{at} epoch 1.{'1' * 3900}x\n" for at in range(2_000)),
)
_log(
    "a pattern that tries letters and pairs of letters",
    lambda: (f"{'a' * 60}!\nEpoch {at}: loss: 0.5\n" for at in range(50)),
    *("--log-pattern", r"(?P<epoch>(a|aa)+)(?P<loss>x)"),
)
_log(
    "a pattern of repeats within repeats, a little slow in every line",
    lambda: (f"{'1,' * 25}\n" for _ in range(20_000)),
    *("--log-pattern", r"^(?P<epoch>\d*)(.*?,){5}(?P<loss>P)"),
)
_log("lines of hyphens", lambda: (f"epoch {at}: {'a-' * 1900}\n" for at in range(2_000)))
_log("fifty thousand epochs", lambda: (f"Epoch {at}: loss: 0.5\n" for at in range(50_000)))
_log(
    "epochs to and fro, a hundred thousand times",
    lambda: (f"Epoch {at % 2 * 1000 + at % 7}: loss: 0.5\n" for at in range(100_000)),
)
_log(
    "lines of a hundred thousand shapes",
    lambda: (
        f"Epoch 1 {''.join(random.Random(at).choices('abcdefgh', k=30))} loss: 0.5\n"
        for at in range(100_000)
    ),
)
_log("words that invite a search without end", lambda: ["epoch " * 100_000 + "1\n"] * 3)
_log("brackets that invite a search without end", lambda: ["[" * 4000 + "\n"] * 500)
_log("numbers that invite a search without end", lambda: ["loss " + "1" * 3900 + "x\n"] * 2000)
_log("spaces that invite a search without end", lambda: ["epoch loss" + " " * 3900 + "x\n"] * 2000)
_log(
    "escapes that invite a search without end", lambda: ["Epoch 1 " + "\x1b[" * 2000 + "\n"] * 2000
)
_log("pairs that invite a search without end", lambda: ["Epoch 1 " + "a-" * 1950 + "\n"] * 2000)
_log("json that nests", lambda: ['{"epoch": 1, "a": ' + "[" * 100_000 + "\n"] * 20)
_log(
    "json of a number of a million digits",
    lambda: ['{"epoch": 1, "loss": ' + "9" * 900_000 + "}\n"],
)
_log(
    "a table of a hundred thousand columns",
    lambda: ["epoch," + "a," * 100_000 + "\n", "1," * 100_000 + "\n"],
)
_log(
    "a table of long cells",
    lambda: ["epoch,loss\n", *(f"{at},{'9' * 100_000}\n" for at in range(50))],
)
_log(
    "restarts without end",
    lambda: (f"Epoch {10_000 - at}: loss: 0.5\n" for at in range(0, 10_000, 2)),
)
