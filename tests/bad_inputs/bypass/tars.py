"""Archives of torch before 0.1.10 whose headers lead Python's ``tarfile`` to another pickle."""

from __future__ import annotations

import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

from tests.bad_inputs.bypass.one import Bypass, Catalogue, Loader, Make, shell
from tests.bad_inputs.bypass.payloads import namespace, nested
from tests.bad_inputs.opcodes import Opcodes, named, pickle_of, push

__all__ = ["TARS"]

_ZERO, _NONE = pickle.dumps(0, 2), pickle.dumps([], 2)
_SOUND = pickle.dumps({"epoch": 1}, 2)
_BLOCK = tarfile.BLOCKSIZE
_PARTS = {"storages": _ZERO + _NONE, "tensors": _ZERO, "pickle": _SOUND}

_made = Catalogue(Loader.TORCH)


def _tar(name: str) -> Callable[[Make], Make]:
    return _made.add(name, "headers that torch did not write")


def _member(name: str, data: bytes, **fields: object) -> bytes:
    """A header and what follows it."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.PAX_FORMAT) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % _BLOCK)


def _archive(*more: bytes, **parts: bytes) -> bytes:
    """The three parts, with others in their place, and more members."""
    members = [_member(name, data) for name, data in (_PARTS | parts).items()]
    data = b"".join([*members, *more])
    return data.ljust(-(-(len(data) + 2 * _BLOCK) // 10_240) * 10_240, b"\0")


def _summed(header: bytes, *, signed: bool = False) -> bytes:
    """The header with the checksum of its bytes."""
    blank = header[:148] + b" " * 8 + header[156:512]
    total = sum(struct.unpack("512b", blank)) if signed else sum(blank)
    return header[:148] + b"%06o\0 " % total + header[156:]


def _unannounced(canary: Path) -> bytes:
    """A pickle of protocol 0, which nothing announces."""
    return b"cposix\nsystem\n(V" + shell(canary).encode() + b"\ntR."


@_tar("a hard link called pickle")
def _(canary: Path) -> bytes:
    link = _member("pickle", b"", type=tarfile.LNKTYPE, linkname="x")
    return _archive(_member("x", nested(canary)), link)


@_tar("a symbolic link called pickle")
def _(canary: Path) -> bytes:
    link = _member("pickle", b"", type=tarfile.SYMTYPE, linkname="x")
    return _archive(_member("x", nested(canary)), link)


@_tar("storages that are another file of the disk")
def _(canary: Path) -> bytes:
    other = canary.with_name("other.pkl")
    other.write_bytes(nested(canary))
    return _archive(_member("storages", b"", type=tarfile.SYMTYPE, linkname=str(other)))


@_tar("a name in a header that extends another")
def _(canary: Path) -> bytes:
    return _archive(_member("y", nested(canary), pax_headers={"path": "pickle"}))


@_tar("names in headers that extend others, and a pickle that nothing announces")
def _(canary: Path) -> bytes:
    contents = _PARTS | {"storages": _ZERO + _unannounced(canary)}
    return b"".join(
        _member(f"x{name}", data, pax_headers={"path": name}) for name, data in contents.items()
    ) + b"\0" * (2 * _BLOCK)


@_tar("a name behind another in a header that extends")
def _(canary: Path) -> bytes:
    records = {"path": "pickle", "zz": "x\n10 path=q\n"}
    return _archive(_member("y", nested(canary), pax_headers=records))


@_tar("a long name that is short")
def _(canary: Path) -> bytes:
    long = _member("././@LongLink", b"pickle\0", type=tarfile.GNUTYPE_LONGNAME)
    return _archive(long, _member("y", nested(canary)))


@_tar("a checksum of signed bytes")
def _(canary: Path) -> bytes:
    member = bytearray(_member("pickle", nested(canary)))
    member[500] = 0xFF
    return _archive(_summed(bytes(member[:512]), signed=True) + bytes(member[512:]))


@_tar("a folder with a size")
def _(canary: Path) -> bytes:
    folder = _member("d", b"", type=tarfile.DIRTYPE, size=2 * _BLOCK)
    return _archive(folder, _member("pickle", nested(canary)))


def _behind_the_one_that_is_read(canary: Path, at: int, raw: bytes) -> bytes:
    """Code, and then a sound pickle of the same name, with other bytes in its header."""
    member = bytearray(_member("pickle", _SOUND))
    member[at : at + len(raw)] = raw
    sound = _summed(bytes(member[:512])) + bytes(member[512:])
    return _archive(_member("pickle", _unannounced(canary)), sound)


@_tar("a pickle with a folder before its name, behind the one that is read")
def _(canary: Path) -> bytes:
    return _behind_the_one_that_is_read(canary, 345, b"zz")


@_tar("a header with a mode that is none, behind the pickle that is read")
def _(canary: Path) -> bytes:
    return _behind_the_one_that_is_read(canary, 100, b"mode")


@_tar("a tar that begins as a safetensors file")
def _(canary: Path) -> bytes:
    first = bytearray(_member("a", b""))
    first[:9] = struct.pack("<Q", 32) + b"{"
    return _summed(bytes(first)) + _archive(storages=_ZERO + _unannounced(canary))


@_tar("a storage whose class is an object")
def _(canary: Path) -> bytes:
    made_up = namespace(_dtype=named("torch", "float32"))
    described = pickle_of(Opcodes(b"(" + push("0") + push("cpu") + made_up + b"t"), 2)
    storages = pickle.dumps(1, 2) + described + bytes(8) + _unannounced(canary)
    return _archive(storages=storages)


@_tar("an old file whose first pickle looks like the header of a tar")
def _(canary: Path) -> bytes:
    magic = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")
    text = b"U\xff" + b"A" * 255 + b"0" + b"U\xfa" + b"A" * 250 + b"0."
    head = bytearray(b"\x80\x02\x8a\x0a" + magic + text)
    head[124:136] = b"not a size\0\0"
    rest = b"I1001\n.(dI00\nV\ns." + _unannounced(canary) + b"(l."
    return _summed(bytes(head)) + rest


TARS: tuple[Bypass, ...] = tuple(_made.made)
