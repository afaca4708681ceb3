"""What a file that is no checkpoint looks like, so that the message can say it.

Signatures are those of the ``file`` utility's magic database.
"""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["TEXT", "UNPACK", "describe_stranger", "describe_zip"]

TEXT = "a text file"
UNPACK = "Scan what it holds, once it is unpacked."

_INTERRUPTED = "The write was interrupted, or the disk was full: use an earlier checkpoint."
_DOWNLOAD = "The download failed: fetch the file itself, not its page."
_SERVER = "The download failed: mend what the server complains of, and fetch the file again."
_OTHER = "Look for the checkpoint under another name: this one was taken by something else."
_CONVERTED = "Scan the PyTorch checkpoint from which it was converted."
_BEFORE = "Do not run it: find out who put them there, and get the file again."
_COPY = "Compare its size and its checksum with the original's, and copy it again."


@dataclass(frozen=True, slots=True)
class _Signature:
    """The bytes at an offset by which a format is known."""

    magic: bytes
    what: str
    remedy: str = _OTHER
    offset: int = 0


def _packed(magic: bytes, what: str, command: str = "") -> _Signature:
    with_it = f", with {command}" if command else ""
    return _Signature(magic, f"{what}: unpack it first{with_it}", UNPACK)


_SIGNATURES = (
    _packed(b"\x1f\x8b", "a gzip archive", "gunzip"),
    _packed(b"BZh", "a bzip2 archive", "bunzip2"),
    _packed(b"\xfd7zXZ\0", "an xz archive", "unxz"),
    _packed(b"(\xb5/\xfd", "a zstandard archive", "unzstd"),
    _packed(b"\x04\x22\x4d\x18", "an lz4 archive", "unlz4"),
    _packed(b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    _packed(b"Rar!", "a rar archive"),
    _Signature(b"PK\x05\x06", "an empty zip archive", _COPY),
    _Signature(b"GGUF", "a GGUF model, made for llama.cpp", _CONVERTED),
    _Signature(b"lmgg", "a GGML model, made for llama.cpp", _CONVERTED),
    _Signature(b"TFL3", "a TensorFlow Lite model", _CONVERTED, 4),
    _Signature(b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras writes", _CONVERTED),
    _Signature(b"\x93NUMPY", "a numpy .npy array"),
    _Signature(b"brain.Event:", "a TensorBoard event file", offset=23),
    _Signature(b"PAR1", "a Parquet table"),
    _Signature(b"ARROW1", "an Arrow table"),
    _Signature(b"SQLite format 3\0", "an SQLite database"),
    _Signature(b"\x89PNG", "a PNG image"),
    _Signature(b"\xff\xd8\xff", "a JPEG image"),
    _Signature(b"GIF8", "a GIF image"),
    _Signature(b"II*\0", "a TIFF image"),
    _Signature(b"MM\0*", "a TIFF image"),
    _Signature(b"\x5c\x01\0\0", "a NIfTI image"),  # 348, the size of its header
    _Signature(b"DICM", "a DICOM image", offset=128),
    _Signature(b"%PDF", "a PDF document"),
    _Signature(b"ftyp", "an MP4 video", offset=4),
    _Signature(b"RIFF", "a RIFF file (WAV, AVI or WebP)"),
    _Signature(b"\x7fELF", "a compiled program"),
    _Signature(b"MZ\x90\0", "a Windows program"),
    _Signature(b"\r\r\n", "compiled Python", offset=1),  # a version, and then these
    _Signature(b"#!", "a script"),
)

_LFS = b"version https://git-lfs.github.com/spec/"
_TITLE = re.compile(r"<title[^<>]*+>((?:[^<]|<(?!/?title))*+)</title>", re.IGNORECASE)
_XML_ERROR = re.compile(r"<(?:Code|Message)>([^<]*+)</(?:Code|Message)>")
_ONNX = re.compile(rb"\x08[\x01-\x20]\x12[\x01-\x40][\x20-\x7e]+(?:\x1a|:|\x22)")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{200,}+={0,2}\s*+")
_BASE64_LETTERS = 12  # a line of one letter is no code
_ERROR_KEYS = ("message", "error", "detail", "error_description", "reason", "code")
_SHOWN_CHARS = 80

_KNOWN_ZIPS = (
    ("[content_types].xml", "an Office document (Word, Excel or PowerPoint)", _OTHER),
    ("model.weights.h5", "a Keras model", _CONVERTED),
    ("archive_format", "a torch.export archive (.pt2)", "Scan the checkpoint of its training."),
    ("androidmanifest.xml", "an Android app", _OTHER),
    ("meta-inf/manifest.mf", "a Java archive", _OTHER),
)
_CHECKPOINT_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".tar", ".safetensors", ".jit", ".pkl")
_ARCHIVE_SUFFIXES = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".zst")


def describe_stranger(head: bytes, nbytes: int) -> tuple[str, str]:
    """What the file is instead of a checkpoint, and what to do about it.

    Args:
        head: the first few kilobytes.
        nbytes: size of the file.

    Returns:
        A message that goes on from "not a checkpoint", "" where nothing is known, and a remedy.
    """
    if head.startswith(_LFS):
        size = re.search(rb"^size (\d{1,20})", head, re.MULTILINE)
        real = f" (real size {int(size[1])} bytes)" if size else ""
        return f"a git-lfs pointer{real}", "Run `git lfs pull`."
    if not head.strip(head[:1]) and head[:1] in (b"\0", b"\xff"):
        return _filled(head, nbytes)
    if nbytes == 1:
        return "a file of one byte", _INTERRUPTED
    if before := _bytes_before_zip(head):
        return f"a zip archive with {before} bytes before it, where torch does not look", _BEFORE
    for known in _SIGNATURES:
        if head.startswith(known.magic, known.offset):
            return known.what, known.remedy
    if _ONNX.match(head):
        return "an ONNX model", _CONVERTED
    if _is_zlib(head):
        return "a file compressed with zlib, as joblib writes: unpack it first", UNPACK
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        wide = head[: len(head) & ~1].decode("utf-16", "replace")
        return ("a text file in UTF-16", _OTHER) if _mostly_text(wide) else ("", _COPY)
    return _describe_text(head)


def _filled(head: bytes, nbytes: int) -> tuple[str, str]:
    what = "zeros" if head[:1] == b"\0" else "0xFF"
    if len(head) < nbytes:
        return f"a file that starts with {what}", _INTERRUPTED
    return f"{nbytes} byte{'s' if nbytes > 1 else ''} of {what}", _INTERRUPTED


def _bytes_before_zip(head: bytes) -> int:
    """Where an archive of torch begins behind something else; 0 where there is none."""
    at = head.find(b"PK\x03\x04")
    while at > 0:
        name_nbytes = int.from_bytes(head[at + 26 : at + 28], "little")
        if head[at + 30 : at + 30 + name_nbytes].endswith(b"data.pkl"):
            return at
        at = head.find(b"PK\x03\x04", at + 1)
    return 0


def _is_zlib(head: bytes) -> bool:
    if head[:1] != b"\x78" or len(head) < 2 or int.from_bytes(head[:2], "big") % 31:
        return False
    try:
        return bool(zlib.decompressobj().decompress(head, 64))
    except zlib.error:
        return False


def _describe_text(head: bytes) -> tuple[str, str]:
    try:
        text = head.decode("utf-8", "strict" if len(head) < 1024 else "ignore").lstrip(
            "\ufeff \r\n\t"
        )
    except UnicodeDecodeError:
        return "", _COPY
    lowered = text[:256].lower()
    if lowered.startswith(("<!doctype html", "<html")) or "<head" in lowered:
        title = _TITLE.search(text)
        return f"an HTML page{f' titled {_shown(title[1].strip())}' if title else ''}", _DOWNLOAD
    if lowered.startswith("<?xml"):
        said = " ".join(map(str.strip, _XML_ERROR.findall(text)))
        named = f" that says {_shown(said)}" if said else ""
        return f"an XML document{named}", _SERVER if said else _OTHER
    if text[:1] in "{[" and text[:1]:
        return _describe_json(text)
    if len(set(text)) >= _BASE64_LETTERS and _BASE64.fullmatch(text):
        return "a text in base64: decode it first", UNPACK
    if (text and text.isprintable()) or _mostly_text(text):
        return TEXT, _OTHER
    return "", _COPY


def _describe_json(text: str) -> tuple[str, str]:
    if '"weight_map"' in text:
        return "the index of a sharded model", "Scan the shards that it names."
    try:
        said = _error_in(json.loads(text))
    except (ValueError, RecursionError):
        said = ""
    if said:
        return f"a JSON document that says {_shown(said)}", _SERVER
    start = " ".join(text[:60].split())
    return f"a JSON document that starts with {start!r}", "Look into it: it may be an error page."


def _error_in(value: Any, depth: int = 0) -> str:
    """The text of the error that an API answered; "" where there is none."""
    if not isinstance(value, dict) or depth > 3:
        return ""
    for key in _ERROR_KEYS:
        found = value.get(key)
        said = found if isinstance(found, str) else _error_in(found, depth + 1)
        if said:
            return said
    return ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…")


def _mostly_text(text: str) -> bool:
    sample = text[:1000]
    return bool(sample) and all(c.isprintable() or c in "\r\n\t" for c in sample)


def describe_zip(names: list[str]) -> tuple[str, str]:
    """What a zip archive with these records is, where it is no checkpoint; and what to do.

    Args:
        names: of the records, in their order.
    """
    lowered = [name.lower() for name in names]
    for ending, what, remedy in _KNOWN_ZIPS:
        if any(name.endswith(ending) for name in lowered):
            return what, remedy
    if names and all(name.endswith(".npy") for name in names):
        return "a numpy .npz archive", _OTHER
    for suffixes in (_CHECKPOINT_SUFFIXES, _ARCHIVE_SUFFIXES):
        inside = [name for name in names if name.lower().endswith(suffixes)]
        if inside:
            return f"a zip archive that holds {inside[0]!r}: unpack it first", UNPACK
    if not names:
        return "a zip archive without a record that can be read", _COPY
    if len(names) == 1:
        return f"a zip archive that holds {names[0]!r}", _OTHER
    return (
        f"a zip archive of {len(names)} other records, the first being {names[0]!r}",
        _OTHER,
    )
