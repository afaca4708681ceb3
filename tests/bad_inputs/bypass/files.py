"""Files that hide the pickle: archives that disagree with themselves, damage, other formats."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tests.bad_inputs.bypass.carriers import MAGIC, zipped
from tests.bad_inputs.bypass.one import Bypass, Loader, shell
from tests.bad_inputs.bypass.payloads import hostile_array, nested
from tests.bad_inputs.good import legacy_bytes, tar_bytes
from tests.bad_inputs.opcodes import Opcodes, call, named, pickle_of, push
from tests.builders import central_entries

__all__ = ["FILES"]

_SYSTEM = named("posix", "system")

_made: list[Bypass] = []
_Make = Callable[[Path], bytes]


def _file(
    name: str, published: str, loader: Loader = Loader.TORCH, suffix: str = ".pth"
) -> Callable[[_Make], _Make]:
    """The function below makes the bytes of one."""

    def add(make: _Make) -> _Make:
        _made.append(
            Bypass(name=name, published=published, make=make, loader=loader, suffix=suffix)
        )
        return make

    return add


def _run(canary: Path) -> Opcodes:
    return call(_SYSTEM, shell(canary))


def _sound_and_run(canary: Path) -> bytes:
    """A pickle that gives a plain dict, and has run a command by then."""
    return pickle_of(_run(canary) + b"0}" + push("epoch") + push(88) + b"s", 2)


# -- damage behind the call ----------------------------------------------------------------------


@_file("a pickle that breaks off behind the call", "nullifAI", Loader.PICKLE)
def _(canary: Path) -> bytes:
    return pickle_of(_run(canary), 2)[:-1]


@_file("an opcode that does not exist behind the call", "nullifAI", Loader.PICKLE)
def _(canary: Path) -> bytes:
    return pickle_of(_run(canary) + b"0\xff}", 2)


@_file("an empty stack behind the call", "nullifAI", Loader.PICKLE)
def _(canary: Path) -> bytes:
    return pickle_of(_run(canary) + b"000", 2)


@_file("a broken pickle in an archive", "nullifAI")
def _(canary: Path) -> bytes:
    return zipped(canary, pickle_of(_run(canary) + b"0\xff}", 2))


@_file("a broken pickle in the old format", "nullifAI")
def _(canary: Path) -> bytes:
    return pickle.dumps(MAGIC, 2) + pickle_of(_run(canary), 2)[:-1]


@_file("a protocol that does not exist behind the call", "nullifAI", Loader.PICKLE)
def _(canary: Path) -> bytes:
    return pickle_of(_run(canary) + b"\x80\x09", 2)


@_file("a frame that is too short", "frames that lie", Loader.PICKLE)
def _(canary: Path) -> bytes:
    return b"\x80\x04\x95" + struct.pack("<Q", 1) + b"}0" + _run(canary) + b"."


@_file("a text that promises more than there is behind the call", "nullifAI", Loader.PICKLE)
def _(canary: Path) -> bytes:
    return pickle_of(_run(canary) + b"X\xff\xff\xff\x7f", 2)


# -- more than one pickle ------------------------------------------------------------------------


@_file("a second pickle", "several pickles in a file", Loader.ALL)
def _(canary: Path) -> bytes:
    return pickle.dumps({"epoch": 1}, 2) + nested(canary)


@_file("a fifth pickle", "several pickles in a file", Loader.ALL)
def _(canary: Path) -> bytes:
    return pickle.dumps({"epoch": 1}, 4) * 4 + nested(canary)


@_file("a pickle behind the pickle of an archive", "several pickles in a file", Loader.NONE)
def _(canary: Path) -> bytes:
    return zipped(canary, pickle.dumps({"epoch": 1}, 2) + nested(canary))


@_file("a pickle behind 512 bytes of something", "junk before", Loader.NONE)
def _(canary: Path) -> bytes:
    return b"junk" * 128 + nested(canary)


@_file("a number that looks like GGUF, then a pickle", "another format's magic", Loader.PICKLE)
def _(canary: Path) -> bytes:
    return b"GGUF\x03\0\0\0\0" + b"0" + _run(canary) + b"."


@_file("a tar archive that is a pickle as well", "another format's magic", Loader.PICKLE)
def _(canary: Path) -> bytes:
    script = canary.with_name("s")
    script.write_text(shell(canary))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo("x")
        archive.addfile(info)
    data = bytearray(out.getvalue())
    name = b"cposix\nsystem\n(S'. ${CANARY%/*}/s'\ntR."
    data[: len(name)] = name
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    return bytes(data)


# -- archives ------------------------------------------------------------------------------------


@_file("an archive of the pickle", "plain")
def _(canary: Path) -> bytes:
    return zipped(canary, _sound_and_run(canary))


@_file("an archive with another extension", "CVE-2025-1889, CVE-2025-10155", suffix=".bin")
def _(canary: Path) -> bytes:
    return zipped(canary, _sound_and_run(canary))


@_file("an archive named like safetensors", "CVE-2025-10155", Loader.NONE, ".safetensors")
def _(canary: Path) -> bytes:
    return zipped(canary, _sound_and_run(canary))


@_file("a pickle with another extension", "CVE-2025-10155", Loader.PICKLE, suffix=".ckpt")
def _(canary: Path) -> bytes:
    return nested(canary)


@_file("a local header with another name", "CVE-2025-1944")
def _(canary: Path) -> bytes:
    data = bytearray(zipped(canary, _sound_and_run(canary)))
    at = data.index(b"data.pkl")
    data[at : at + 8] = b"data.txt"
    return bytes(data)


@_file("flag bits in the directory", "CVE-2025-1945", Loader.NONE)
def _(canary: Path) -> bytes:
    data = bytearray(zipped(canary, _sound_and_run(canary)))
    data[central_entries(bytes(data))["archive/data.pkl"] + 8] |= 1
    return bytes(data)


@_file("flag bits in the local header", "CVE-2025-1945")
def _(canary: Path) -> bytes:
    data = bytearray(zipped(canary, _sound_and_run(canary)))
    data[6] |= 1
    return bytes(data)


@_file("a wrong checksum", "CVE-2025-10156")
def _(canary: Path) -> bytes:
    data = bytearray(zipped(canary, _sound_and_run(canary)))
    at = central_entries(bytes(data))["archive/data.pkl"] + 16
    data[at : at + 4] = data[14:18] = b"\x12\x34\x56\x78"
    return bytes(data)


@_file("a deflated pickle", "compressed records")
def _(canary: Path) -> bytes:
    return zipped(canary, _sound_and_run(canary), method=zipfile.ZIP_DEFLATED)


@_file("the pickle twice, the second runs", "duplicates", Loader.NONE)
def _(canary: Path) -> bytes:
    return zipped(canary, append=[("archive/data.pkl", _sound_and_run(canary))])


@_file("the pickle again in capitals", "duplicates", Loader.NONE)
def _(canary: Path) -> bytes:
    return zipped(canary, append=[("archive/DATA.PKL", _sound_and_run(canary))])


@_file("the pickle again in another folder", "duplicates", Loader.NONE)
def _(canary: Path) -> bytes:
    return zipped(canary, append=[("other/data.pkl", _sound_and_run(canary))])


@_file("another pickle in the archive", "a record that nobody reads", Loader.NONE)
def _(canary: Path) -> bytes:
    return zipped(canary, append=[("archive/extra.pkl", nested(canary))])


@_file("constants that run", "TorchScript", Loader.NONE)
def _(canary: Path) -> bytes:
    return zipped(canary, append=[("archive/constants.pkl", nested(canary))])


@_file("an archive that is cut", "damage", Loader.NONE)
def _(canary: Path) -> bytes:
    data = zipped(canary, _sound_and_run(canary))
    return data[: data.index(b"PK\x01\x02")]


@_file("an archive behind junk", "junk before", Loader.NONE)
def _(canary: Path) -> bytes:
    return b"junk" * 100 + zipped(canary, _sound_and_run(canary))


@_file("a checkpoint in an archive", "nested archives", Loader.NONE)
def _(canary: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("best.pth", zipped(canary, _sound_and_run(canary)))
    return out.getvalue()


@_file("a checkpoint in a tar archive", "nested archives", Loader.NONE)
def _(canary: Path) -> bytes:
    inner, out = nested(canary), io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("best.pth")
        info.size = len(inner)
        archive.addfile(info, io.BytesIO(inner))
    return out.getvalue()


# -- torch's older formats -----------------------------------------------------------------------


def _legacy(canary: Path, at: int) -> bytes:
    """The old format, in which one of its five pickles runs a command first."""
    contents: tuple[object, ...] = (MAGIC, 1001, {"little_endian": True}, {}, [])
    parts = [pickle.dumps(part, 2) for part in contents]
    parts[at] = parts[at][:2] + _run(canary) + b"0" + parts[at][2:]
    return b"".join(parts)


for _at, _what in enumerate(("magic number", "protocol", "system", "object", "storage keys")):
    _made.append(
        Bypass(
            name=f"the old format: the pickle of the {_what}",
            published="pickles beside the object",
            make=functools.partial(_legacy, at=_at),
            loader=Loader.TORCH,
        )
    )


@_file("a persistent id that calls", "persistent ids")
def _(canary: Path) -> bytes:
    pid = b"(" + push("storage") + _run(canary) + push("0") + push("cpu") + push(1) + b"tQ"
    return zipped(canary, pickle_of(pid, 2))


@_file("a persistent id that calls, in the old format", "persistent ids")
def _(canary: Path) -> bytes:
    data = legacy_bytes()
    at = data.index(b"(X\x07\0\0\0storage")
    return data[:at] + _run(canary) + b"0" + data[at:]


@_file("the pickle of a tar of 2016", "torch before 0.1.10")
def _(canary: Path) -> bytes:
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(tar_bytes())) as old,
        tarfile.open(fileobj=out, mode="w") as new,
    ):
        for info in old.getmembers():
            member = old.extractfile(info)
            assert member is not None
            raw = member.read()
            if info.name == "pickle":
                raw = raw[:2] + _run(canary) + b"0" + raw[2:]
            info.size = len(raw)
            new.addfile(info, io.BytesIO(raw))
    return out.getvalue()


# -- numpy, joblib -------------------------------------------------------------------------------


@_file("an array of objects", "numpy", Loader.NUMPY, suffix=".npy")
def _(canary: Path) -> bytes:
    out = io.BytesIO()
    np.save(out, hostile_array(canary), allow_pickle=True)
    return out.getvalue()


@_file("arrays of objects in an archive", "numpy", Loader.NUMPY, suffix=".npz")
def _(canary: Path) -> bytes:
    out = io.BytesIO()
    np.savez(out, a=hostile_array(canary))
    return out.getvalue()


@_file("an array of objects in a checkpoint", "numpy")
def _(canary: Path) -> bytes:
    out = io.BytesIO()
    torch.save({"epoch": 1, "a": hostile_array(canary)}, out)
    return out.getvalue()


_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}


def _packed(canary: Path, pack: Callable[[bytes], bytes]) -> bytes:
    return pack(nested(canary))


for _name, _pack in _PACKERS.items():
    _made.append(
        Bypass(
            name=f"a pickle packed by {_name}",
            published="joblib unpacks them",
            make=functools.partial(_packed, pack=_pack),
            loader=Loader.UNPACKED,
            suffix=".joblib",
        )
    )

FILES: tuple[Bypass, ...] = tuple(_made)
