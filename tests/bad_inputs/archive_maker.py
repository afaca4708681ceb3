"""Containers that nobody would write: zip archives, legacy files, tars and safetensors, changed
where their formats are weak.
"""

from __future__ import annotations

import functools
import io
import json
import random
import struct
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.bad_inputs.good import header_of, legacy_bytes, safetensors_bytes, tar_bytes, zip_bytes
from tests.bad_inputs.pickle_maker import (
    PICKLE_MAKERS,
    PickleMaker,
    data_pickle,
    interesting,
)
from tests.builders import central_entries

__all__ = [
    "Member",
    "a_legacy_file",
    "a_pickle",
    "a_safetensors_file",
    "a_tar",
    "a_zip",
    "archive",
    "shaken",
]


def shaken(chance: random.Random, data: bytes) -> bytes:
    """The bytes with a few flipped, overwritten, dropped, repeated or moved."""
    raw = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(raw) + 1)
        nbytes = chance.choice((1, 2, 4, 8, 30, 200))
        match chance.randrange(7):
            case 0 | 1:
                if at < len(raw):
                    raw[at] ^= 1 << chance.randrange(8)
            case 2:
                width = chance.choice((1, 2, 4, 8))
                raw[at : at + width] = interesting(chance, 8 * width).to_bytes(width, "little")
            case 3:
                del raw[at : at + nbytes]
            case 4:
                other = chance.randrange(len(raw) + 1)
                raw[at:at] = raw[other : other + nbytes]
            case 5:
                other = chance.randrange(len(raw) + 1)
                raw[at : at + nbytes] = raw[other : other + nbytes]
            case _:
                del raw[len(raw) - nbytes :]
    return bytes(raw)


def a_pickle(chance: random.Random) -> bytes:
    """A bare pickle."""
    return chance.choice(PICKLE_MAKERS)(PickleMaker(chance))


# -- zip -----------------------------------------------------------------------------------------

_LOCAL = (("H", 4), ("H", 6), ("H", 8), ("I", 14), ("I", 18), ("I", 22), ("H", 26), ("H", 28))
_CENTRAL = (
    *(("H", 4), ("H", 6), ("H", 8), ("H", 10), ("I", 16), ("I", 20), ("I", 24)),
    *(("H", 28), ("H", 30), ("H", 32), ("H", 34), ("H", 36), ("I", 38), ("I", 42)),
)
_END = (("H", 4), ("H", 6), ("H", 8), ("H", 10), ("I", 12), ("I", 16), ("H", 20))
_END64 = (("Q", 4), ("I", 16), ("I", 20), ("Q", 24), ("Q", 32), ("Q", 40), ("Q", 48))
_LOCATOR64 = (("I", 4), ("Q", 8), ("I", 16))
_FIELDS = (
    *((b"PK\x03\x04", _LOCAL), (b"PK\x01\x02", _CENTRAL), (b"PK\x01\x02", _CENTRAL)),
    *((b"PK\x05\x06", _END), (b"PK\x06\x06", _END64), (b"PK\x06\x07", _LOCATOR64)),
    (b"PK\x07\x08", (("I", 4), ("I", 8), ("I", 12))),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A record of an archive.

    Attributes:
        name: as stored.
        data: its plain bytes.
        deflate: whether to compress it.
        crc32: what to write for it; None for the truth.
        claimed_nbytes: the plain size to write; None for the truth.
        at: the offset of the header to write into the directory; None for the truth.
    """

    name: bytes
    data: bytes
    deflate: bool = False
    crc32: int | None = None
    claimed_nbytes: int | None = None
    at: int | None = None


def archive(members: Sequence[Member], directory: Sequence[Member] | None = None) -> bytes:
    """A zip archive of these members.

    Args:
        members: in the order of the file.
        directory: those that the directory lists, where that differs.
    """
    out = bytearray()
    central = bytearray()
    places: dict[int, tuple[int, bytes]] = {}
    for member in members:
        method, packed = 8 * member.deflate, member.data
        if member.deflate:
            deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
            packed = deflate.compress(member.data) + deflate.flush()
        crc32 = zlib.crc32(member.data) if member.crc32 is None else member.crc32
        claimed = member.claimed_nbytes
        nbytes = len(member.data) if claimed is None else claimed
        fields = struct.pack(
            "<HHHHHIIIHH",
            *(20, 0, method, 0, 0, crc32, len(packed), nbytes & 0xFFFF_FFFF, len(member.name), 0),
        )
        places[id(member)] = len(out), fields
        out += b"PK\x03\x04" + fields + member.name + packed
    listed = members if directory is None else directory
    for member in listed:
        place, fields = places[id(member)]
        central += b"PK\x01\x02\x14\0" + fields + bytes(10)
        central += struct.pack("<I", place if member.at is None else member.at) + member.name
    end = struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, *[len(listed) & 0xFFFF] * 2, len(central), len(out), 0
    )
    return bytes(out + central + end)


@functools.cache
def _members() -> tuple[Member, ...]:
    """The records of the sound file, as few as a reader needs."""
    storages = ((0, 96), (1, 16), (2, 48))
    return (
        Member(name=b"archive/data.pkl", data=data_pickle()),
        Member(name=b"archive/byteorder", data=b"little"),
        *(
            Member(name=b"archive/data/%d" % key, data=struct.pack("<f", 1.5 + key) * (nbytes // 4))
            for key, nbytes in storages
        ),
        Member(name=b"archive/version", data=b"3\n"),
    )


def a_zip(chance: random.Random) -> bytes:
    """A zip archive: its fields, its order, its records or its pickle changed."""
    pick = chance.random()
    if pick < 0.35:
        return _with_fields(chance, zip_bytes())
    if pick < 0.5:
        return _with_directory(chance, zip_bytes())
    if pick < 0.6:
        return shaken(chance, zip_bytes())
    if pick < 0.65:
        return zip_bytes()[: chance.randrange(4, len(zip_bytes()))]
    made = _rewritten(chance)
    return _with_fields(chance, made) if chance.random() < 0.1 else made


def _with_fields(chance: random.Random, data: bytes) -> bytes:
    """Some fields of some headers overwritten."""
    raw = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        magic, fields = chance.choice(_FIELDS)
        starts = _all(data, magic)
        if not starts:
            continue
        layout, offset = chance.choice(fields)
        at = chance.choice(starts) + offset
        width = struct.calcsize(layout)
        if at + width > len(raw):
            continue
        (old,) = struct.unpack_from(f"<{layout}", raw, at)
        near = (old + chance.choice((-64, -8, -1, 1, 8, 64))) % (1 << (8 * width))
        struct.pack_into(
            f"<{layout}", raw, at, chance.choice((near, interesting(chance, 8 * width)))
        )
    return bytes(raw)


@functools.lru_cache(maxsize=64)
def _all(data: bytes, part: bytes) -> tuple[int, ...]:
    found, at = [], data.find(part)
    while at >= 0:
        found.append(at)
        at = data.find(part, at + 1)
    return tuple(found)


def _with_directory(chance: random.Random, data: bytes) -> bytes:
    """The entries of the directory in another order, some dropped, repeated or renamed."""
    starts = sorted(central_entries(data).values())
    end = data.index(b"PK\x06\x06")
    entries = [data[a:b] for a, b in zip(starts, [*starts[1:], end], strict=True)]
    chance.shuffle(entries)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(entries))
        match chance.randrange(4):
            case 0:
                del entries[at]
            case 1:
                entries.append(entries[at])
            case 2:
                name = chance.choice((b"DATA.PKL", b"data/0\0\0", b"../../xx", b"\xff\xfe\xfd    "))
                entries[at] = entries[at].replace(b"data.pkl", name)
            case _:
                entries[at] = shaken(chance, entries[at])
        entries = entries or [b"PK\x01\x02"]
    return data[: starts[0]] + b"".join(entries) + data[end:]


def _rewritten(chance: random.Random) -> bytes:
    """An archive written anew, mostly around another pickle with its right checksum."""
    members = list(_members())
    if chance.random() < 0.8:
        members[0] = replace(members[0], data=a_pickle(chance))
    for _ in range(chance.choice((0, 0, 1, 2))):
        at = chance.randrange(len(members))
        member = members[at]
        changed = (
            replace(member, deflate=True),
            replace(member, crc32=interesting(chance, 32)),
            replace(member, deflate=True, claimed_nbytes=interesting(chance, 32)),
            replace(member, claimed_nbytes=interesting(chance, 32)),
            replace(member, data=shaken(chance, member.data)),
            replace(member, name=b"archive/constants.pkl", data=a_pickle(chance)),
            replace(member, name=chance.choice(_NAMES)),
            replace(member, data=b"big"),
        )
        members[at] = chance.choice(changed)
    if chance.random() < 0.1:
        chance.shuffle(members)
    directory = None
    if chance.random() < 0.1:
        directory = [chance.choice(members) for _ in range(chance.randrange(1, 9))]
    return archive(members, directory)


_NAMES = (
    b"data.pkl",
    b"a/b/data.pkl",
    b"archive/data/0",
    b"archive/data/",
    b"",
    b"\xff" * 9,
    b"x/y",
)


# -- legacy --------------------------------------------------------------------------------------


@functools.cache
def _legacy_parts() -> tuple[bytes, bytes, bytes, bytes, bytes, tuple[bytes, ...]]:
    """Magic number, version, system, object and keys; then the storages with their sizes."""
    data = legacy_bytes()
    starts = _all(data, b"\x80\x02")[:5]
    keys_end = data.index(b".", starts[4]) + 1
    parts = [data[a:b] for a, b in zip(starts, [*starts[1:], keys_end], strict=True)]
    storages, at = [], keys_end
    while at < len(data):
        nbytes = 8 + 4 * struct.unpack_from("<q", data, at)[0]
        storages.append(data[at : at + nbytes])
        at += nbytes
    magic, version, system, saved, keys = parts
    return magic, version, system, saved, keys, tuple(storages)


def a_legacy_file(chance: random.Random) -> bytes:
    """A legacy file: a pickle, the keys, a size, the order or some bytes of it changed."""
    if chance.random() < 0.2:
        return shaken(chance, legacy_bytes())
    magic, version, system, saved, keys, tail = _legacy_parts()
    storages = list(tail)
    for _ in range(chance.choice((1, 1, 2))):
        match chance.randrange(7):
            case 0:
                saved = a_pickle(chance)
            case 1:
                saved = shaken(chance, saved)
            case 2:
                keys = chance.choice((shaken(chance, keys), a_pickle(chance), b"\x80\x02](h\0e."))
            case 3:
                system = chance.choice((shaken(chance, system), a_pickle(chance)))
            case 4:
                version = chance.choice((shaken(chance, version), b"\x80\x02K\1.", b"I1001\n."))
            case 5:
                at = chance.randrange(len(storages))
                size = interesting(chance).to_bytes(8, "little")
                storages[at] = size + storages[at][8:]
            case _:
                chance.shuffle(storages)
                storages = storages[chance.randrange(2) :] or [b""]
    return magic + version + system + saved + keys + b"".join(storages)


# -- tar -----------------------------------------------------------------------------------------


@functools.cache
def _tar_members() -> tuple[tuple[bytes, bytes], ...]:
    """Header and contents of each member."""
    with tarfile.open(fileobj=io.BytesIO(tar_bytes())) as tar:
        return tuple(
            (
                tar_bytes()[member.offset : member.offset + 512],
                tar_bytes()[member.offset_data : member.offset_data + member.size],
            )
            for member in tar.getmembers()
        )


def a_tar(chance: random.Random) -> bytes:
    """A tar: headers with their right checksum, members and their contents changed."""
    if chance.random() < 0.1:
        return shaken(chance, tar_bytes())
    members = list(_tar_members())
    for _ in range(chance.choice((1, 1, 2, 3))):
        at = chance.randrange(len(members))
        header, contents = members[at]
        match chance.randrange(6):
            case 0 | 1:
                members[at] = header, shaken(chance, contents)
            case 2:
                members[at] = header, a_pickle(chance)
            case 3 | 4:
                members[at] = _tar_header(chance, header), contents
            case _:
                chance.shuffle(members)
                members.append(members[0])
    out = b""
    for header, contents in members:
        sized = _sized(header, len(contents)) if chance.random() < 0.9 else header
        out += sized + contents + bytes(-len(contents) % 512)
    return out + bytes(chance.choice((0, 512, 1024)))


_TAR_FIELDS: tuple[tuple[int, int, tuple[bytes, ...]], ...] = (
    (0, 100, (b"pickle", b"storages", b"", b"\xff" * 100, b"../x")),
    (
        124,
        12,
        (b"77777777777\0", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"-0000000001\0", b"x" * 12),
    ),
    (156, 1, (b"0", b"\0", b"L", b"K", b"x", b"g", b"S", b"D", b"5", b"2", b"\xff")),
    (257, 8, (b"ustar\x0000", b"ustar  \0", b"", b"\xff" * 8)),
    (345, 155, (b"prefix", b"\xff" * 155, b"1" * 137 + b"\1" + b"7" * 17)),
    (386, 97, (b"00000000000\x0000000001000\0" * 4, b"\xff" * 97)),
)


def _tar_header(chance: random.Random, header: bytes) -> bytes:
    """A field of it overwritten."""
    at, width, choices = chance.choice(_TAR_FIELDS)
    return header[:at] + chance.choice(choices).ljust(width, b"\0")[:width] + header[at + width :]


def _sized(header: bytes, nbytes: int) -> bytes:
    """The header with this size, where it holds one in octal, and its right checksum."""
    if header[124:125].isdigit():
        header = header[:124] + b"%011o\0" % nbytes + header[136:]
    blank = header[:148] + b" " * 8 + header[156:]
    return header[:148] + b"%06o\0 " % sum(blank) + header[156:]


# -- safetensors ---------------------------------------------------------------------------------

_ODD_JSON = (
    *("null", "true", "[]", "{}", "-1", "1e999", "NaN", "-Infinity", "1.5", '""', '"F32"', "[[]]"),
    *("[" * 40 + "]" * 40, '{"a":{"b":{"c":[1]}}}', "9" * 30, "9" * 5000, "18446744073709551615"),
    *('"\\ud800"', '"\\u0000\\n\\u001b[2J"', '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'),
    *("[4294967296,4294967296]", "[0,0,0,0]", "[" + "2," * 200 + "2]", "[9223372036854775807]"),
)
_DTYPES = ("F64", "F16", "BF16", "F8_E4M3", "I64", "BOOL", "U8", "C64", "F4", "", "f32", "X" * 99)
_MARK = "\x01"


def a_safetensors_file(chance: random.Random) -> bytes:
    """A safetensors file: values and names of its header, its text, or its length changed."""
    header, payload = header_of(safetensors_bytes())
    entries: dict[str, Any] = json.loads(header)
    odd: list[str] = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        _change_entry(chance, entries, odd)
    text = json.dumps(entries)
    for one in odd:
        text = text.replace(json.dumps(_MARK), one, 1)
    raw = text.encode()
    if chance.random() < 0.2:
        raw = b"{" + shaken(chance, raw)[1:]
    if chance.random() < 0.1:
        payload = payload[: chance.randrange(len(payload))] + bytes(chance.choice((0, 1, 400)))
    length = len(raw) if chance.random() < 0.95 else interesting(chance, 40)
    return struct.pack("<Q", length) + raw + payload


def _change_entry(chance: random.Random, entries: dict[str, Any], odd: list[str]) -> None:
    """Change one entry; what JSON cannot be made of is noted to be put in later."""
    if not entries:
        return
    name = chance.choice(list(entries))
    entry = entries[name]

    def marked() -> str:
        odd.append(chance.choice(_ODD_JSON))
        return _MARK

    changes: tuple[Callable[[], object], ...] = (
        lambda: entry.update({chance.choice(list(entry)): marked()}),
        lambda: entry.update(dtype=chance.choice(_DTYPES)),
        lambda: entry.update(shape=[interesting(chance) for _ in range(chance.randrange(5))]),
        lambda: entry.update(data_offsets=[interesting(chance, 8) for _ in range(2)]),
        lambda: entry.pop(chance.choice(list(entry))),
        lambda: entries.update({name: marked()}),
        lambda: entries.update({chance.choice(_KEYS): entry}),
        lambda: entries.update(__metadata__={"format": "pt", "epoch": marked()}),
        lambda: entries.pop(name),
    )
    if isinstance(entry, dict) and entry:
        chance.choice(changes)()


_KEYS = (
    "",
    "model.w",
    "optimizer.0",
    "ema.w",
    "a\nb",
    "\x1b[31m",
    "x" * 5000,
    "é",
    "epoch",
    "a.b.c",
)
