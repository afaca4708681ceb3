"""What a file that is no checkpoint looks like, so that the message can say it.

Signatures are those of the ``file`` utility's magic database.
"""

from __future__ import annotations

import re

__all__ = ["TEXT", "describe_stranger"]

TEXT = "a text file"

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "a gzip archive: unpack it first, with gunzip"),
    (b"BZh", "a bzip2 archive: unpack it first, with bunzip2"),
    (b"\xfd7zXZ\0", "an xz archive: unpack it first, with unxz"),
    (b"(\xb5/\xfd", "a zstandard archive: unpack it first, with unzstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"Rar!", "a rar archive: unpack it first"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"GGUF", "a GGUF model, made for llama.cpp"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras writes"),
    (b"\x93NUMPY", "a numpy .npy array"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a compiled program"),
    (b"RIFF", "a RIFF file (WAV, AVI or WebP)"),
    (b"SQLite format 3\0", "an SQLite database"),
)

_LFS = b"version https://git-lfs.github.com/spec/"
_TITLE = re.compile(r"<title[^>]*>\s*(.*?)\s*</title>", re.IGNORECASE | re.DOTALL)


def describe_stranger(head: bytes, nbytes: int) -> tuple[str, str]:
    """What the file is instead of a checkpoint, and what to do about it.

    Args:
        head: the first few kilobytes.
        nbytes: size of the file.

    Returns:
        A message that goes on from "not a checkpoint", and a remedy, both maybe "".
    """
    if head.startswith(_LFS):
        size = re.search(rb"^size (\d{1,20})", head, re.MULTILINE)
        real = f" (real size {int(size[1])} bytes)" if size else ""
        return f"a git-lfs pointer{real}", "Run `git lfs pull`."
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name, ""
    if not head.strip(b"\0"):
        return (
            f"{nbytes} bytes of zeros" if len(head) == nbytes else "a file that starts with zeros",
            "The write was interrupted, or the disk was full: use an earlier checkpoint.",
        )
    return _describe_text(head)


def _describe_text(head: bytes) -> tuple[str, str]:
    try:
        text = head.decode("utf-8", "strict" if len(head) < 1024 else "ignore").lstrip(
            "\ufeff \r\n\t"
        )
    except UnicodeDecodeError:
        return "", ""
    lowered = text[:256].lower()
    if lowered.startswith(("<!doctype html", "<html")) or "<head" in lowered:
        title = _TITLE.search(text)
        named = f" titled {title[1][:80]!r}" if title else ""
        return f"an HTML page{named}", "The download failed: fetch the file itself, not its page."
    if lowered.startswith("<?xml"):
        return "an XML document", "The download failed: look into the file for the error."
    if text[:1] in "{[" and text[:1]:
        start = " ".join(text[:60].split())
        return (
            f"a JSON document that starts with {start!r}",
            "Look into it: it may be an error page.",
        )
    if (text and text.isprintable()) or _mostly_text(text):
        return TEXT, ""
    return "", ""


def _mostly_text(text: str) -> bool:
    sample = text[:1000]
    return bool(sample) and all(c.isprintable() or c in "\r\n\t" for c in sample)
