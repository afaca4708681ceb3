"""Files that are something else under a checkpoint's name."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import random
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Literal

from tests.bad_inputs.good import legacy_bytes, zip_bytes
from tests.bad_inputs.kind import Family

__all__ = ["PACKED", "STRANGERS", "objects"]

STRANGERS = Family("something else")
PACKED = Family("packed once more")

_LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"7" * 64 + b"\nsize 1365213\n"
_S3 = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
    b"<Message>The specified key does not exist.</Message><Key>best.pth</Key></Error>"
)
_NOISE = random.Random(7).randbytes(4096)

_STRANGERS: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "an empty file"),
    "one byte": (b"P", "a file of one byte"),
    "one zero byte": (b"\0", "1 byte of zeros"),
    "all zeros": (b"\0" * 3000, "3000 bytes of zeros"),
    "zeros at the start": (b"\0" * 8192 + b"data", "starts with zeros"),
    "all 0xFF": (b"\xff" * 5000, "a file that starts with 0xFF"),
    "random bytes": (_NOISE, "neither a zip archive nor a pickle"),
    "HTML error page": (
        b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head></html>",
        "an HTML page titled '404 Not Found'",
    ),
    "HTML behind a byte order mark": (
        b"\xef\xbb\xbf<html><head><title>Sign in</title>",
        "an HTML page titled 'Sign in'",
    ),
    "HTML without a title": (b"<HTML><BODY>quota exceeded</BODY></HTML>", "an HTML page"),
    "HTML with a hostile title": (
        b"<html><title>\x1b[2J[red]rich\x07</title></html>",
        "an HTML page titled",
    ),
    "JSON error": (b'{"error": "Invalid username or password."}', "Invalid username or password."),
    "JSON error, nested": (
        b'{"code": 403, "error": {"status": 403, "message": "quota exceeded"}}',
        "quota exceeded",
    ),
    "JSON list": (b"[1, 2, 3]", "a JSON document"),
    "index of a sharded model": (
        json.dumps({"metadata": {"total_size": 9}, "weight_map": {"w": "x-00001.bin"}}).encode(),
        "the index of a sharded model",
    ),
    "XML error": (_S3, "NoSuchKey"),
    "XML without an error": (b"<?xml version='1.0'?><net name='openvino'/>", "an XML document"),
    "git-lfs pointer": (_LFS, "a git-lfs pointer (real size 1365213 bytes)"),
    "git-lfs pointer, cut": (_LFS[:60], "a git-lfs pointer"),
    "text": (b"epoch 88 iou 0.6413\nepoch 89 iou 0.63\n", "a text file"),
    "text in UTF-16": ("epoch 88 iou 0.6413\n".encode("utf-16"), "a text file in UTF-16"),
    "YAML": (b"model:\n  name: unet\n  depth: 5\n", "a text file"),
    "Python source": (b"import torch\n\nmodel = torch.nn.Linear(1, 1)\n", "a text file"),
    "shell script": (b"#!/bin/sh\necho hello\n", "a script"),
    "GGUF": (b"GGUF\x03\0\0\0" + bytes(64), "a GGUF model"),
    "GGML": (b"lmgg\x01\0\0\0" + bytes(64), "a GGML model"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "an HDF5 file"),
    "ONNX": (b"\x08\x08\x12\x07pytorch\x1a\x062.13.0" + bytes(64), "an ONNX model"),
    "TFLite": (b"\x1c\0\0\0TFL3" + bytes(64), "a TensorFlow Lite model"),
    "TensorBoard events": (
        struct.pack("<QI", 24, 7) + b"\x09\0\0\0\0\0\0\0\0\x1a\x0dbrain.Event:2" + bytes(4),
        "a TensorBoard event file",
    ),
    "numpy array": (b"\x93NUMPY\x01\0v\0{'descr'", "a numpy .npy array"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(64), "a PNG image"),
    "JPEG": (b"\xff\xd8\xff\xe0" + bytes(64), "a JPEG image"),
    "GIF": (b"GIF89a" + bytes(64), "a GIF image"),
    "TIFF": (b"II*\0" + bytes(64), "a TIFF image"),
    "PDF": (b"%PDF-1.7\n" + bytes(64), "a PDF document"),
    "MP4": (b"\0\0\0\x18ftypmp42" + bytes(64), "an MP4 video"),
    "WAV": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(64), "a RIFF file"),
    "NIfTI": (struct.pack("<i", 348) + bytes(340) + b"n+1\0" + bytes(64), "a NIfTI image"),
    "Parquet": (b"PAR1" + bytes(64) + b"PAR1", "a Parquet table"),
    "Arrow": (b"ARROW1\0\0" + bytes(64), "an Arrow table"),
    "SQLite": (b"SQLite format 3\0" + bytes(84), "an SQLite database"),
    "ELF program": (b"\x7fELF\x02\x01\x01" + bytes(64), "a compiled program"),
    "Windows program": (b"MZ\x90\0\x03" + bytes(64), "a Windows program"),
    "Python bytecode": (b"\xa7\x0d\x0d\x0a" + bytes(12) + b"\xe3", "compiled Python"),
    "pickle of a number": (pickle.dumps(42), "a pickle of a single value"),
    "pickle of a text": (pickle.dumps("hello", 4), "a pickle of a single value"),
    "pickle of None": (pickle.dumps(None), "a pickle of a single value"),
}


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def _tar(mode: Literal["w", "w:gz"], members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


_ARCHIVES: dict[str, tuple[bytes, str]] = {
    "empty zip": (b"PK\x05\x06" + bytes(18), "an empty zip archive"),
    "numpy archive": (_zip({"a.npy": b"\x93NUMPY", "b.npy": b"\x93NUMPY"}), "a numpy .npz archive"),
    "Word document": (
        _zip({"[Content_Types].xml": b"", "word/document.xml": b""}),
        "an Office document",
    ),
    "Keras archive": (
        _zip({"metadata.json": b"{}", "config.json": b"{}", "model.weights.h5": b""}),
        "a Keras model",
    ),
    "torch.export archive": (
        _zip({"m/archive_format": b"pt2", "m/models/model.json": b"{}"}),
        "a torch.export archive",
    ),
    "Python wheel": (_zip({"x/__init__.py": b"", "x.dist-info/METADATA": b""}), "other records"),
}


def _strangers() -> None:
    for name, (data, says) in {**_STRANGERS, **_ARCHIVES}.items():
        STRANGERS.bytes(name, data, "CD101", says)


_strangers()


@STRANGERS.kind("CD101", "nothing was saved in it", "suspect", 0)
def pickle_of_an_empty_dict(path: Path) -> None:
    path.write_bytes(pickle.dumps({}))


@STRANGERS.kind("CD101", "it holds no model weights", "suspect", 0)
def pickle_without_tensors(path: Path) -> None:
    path.write_bytes(pickle.dumps({"epoch": 3, "iou": [0.1]}))


@STRANGERS.kind("CD104", "the storages that it refers to are not in it", "corrupt")
def data_pkl_out_of_an_unpacked_checkpoint(path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(zip_bytes())) as archive:
        path.write_bytes(archive.read("archive/data.pkl"))


def _packed() -> None:
    inside = {"best.pth": zip_bytes()}
    for name, data, says in (
        ("gzip", gzip.compress(zip_bytes()), "a gzip archive: unpack it first"),
        ("bzip2", bz2.compress(zip_bytes()), "a bzip2 archive: unpack it first"),
        ("xz", lzma.compress(zip_bytes()), "an xz archive: unpack it first"),
        ("zstandard", b"(\xb5/\xfd" + bytes(60), "a zstandard archive: unpack it first"),
        ("lz4", b"\x04\x22\x4d\x18" + bytes(60), "an lz4 archive: unpack it first"),
        ("zlib, as joblib writes", zlib.compress(legacy_bytes()), "compressed with zlib"),
        ("7z", b"7z\xbc\xaf\x27\x1c" + bytes(60), "a 7z archive: unpack it first"),
        ("rar", b"Rar!\x1a\x07\x01\0" + bytes(60), "a rar archive: unpack it first"),
        ("zip", _zip(inside), "a zip archive that holds 'best.pth': unpack it first"),
        ("zip of a zip", _zip({"a.zip": _zip(inside)}), "holds 'a.zip': unpack it first"),
        ("tar", _tar("w", inside), "a tar archive that holds 'best.pth': unpack it first"),
        ("tar.gz", _tar("w:gz", inside), "a gzip archive: unpack it first"),
        ("base64", base64.b64encode(zip_bytes()), "base64"),
    ):
        PACKED.bytes(f"packed with {name}" if name != "base64" else name, data, "CD101", says)


_packed()


@PACKED.kind("CD101", "holds 'epoch_1.pth': unpack it first")
def a_zip_of_several_checkpoints(path: Path) -> None:
    path.write_bytes(_zip({f"epoch_{n}.pth": zip_bytes() for n in (1, 2)}))


@PACKED.kind("CD101", "unpack it first")
def a_tar_of_a_folder(path: Path) -> None:
    path.write_bytes(_tar("w", {"run/config.yaml": b"a: 1\n", "run/best.pth": zip_bytes()}))


_CODE = b"cbuiltins\nexec\n(Vpass\ntR."


def objects(pickled: bytes) -> bytes:
    """A ``.npy`` file of objects, with this for its pickle."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + pickled


def _code_within() -> None:
    deflated = io.BytesIO()
    with zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("arr_0.npy", objects(_CODE))
    for name, data in (
        ("an array of objects that are code", objects(_CODE)),
        ("an npz of objects that are code", _zip({"arr_0.npy": objects(_CODE)})),
        ("a compressed npz of objects that are code", deflated.getvalue()),
        ("a tar of an npz of objects that are code", _tar("w", {"a.npz": deflated.getvalue()})),
        ("a tar.gz of a pickle that is code", _tar("w:gz", {"model.pkl": _CODE})),
        ("a zip of a gzip of a pickle that is code", _zip({"model.gz": gzip.compress(_CODE)})),
    ):
        PACKED.bytes(name, data, "CD106", "calls builtins.exec('pass')")


_code_within()


@PACKED.kind("CD104", "/etc/x.pth: an absolute path")
def a_tar_of_something_that_climbs(path: Path) -> None:
    path.write_bytes(_tar("w", {"/etc/x.pth": zip_bytes()}))
