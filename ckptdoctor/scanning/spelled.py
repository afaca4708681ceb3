"""Bytes that a file holds as text: pickle protocols 1 and 2 spell each as a latin-1 character."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from ckptdoctor.checkpoint import StorageRef
from ckptdoctor.sources.descriptors import pread

__all__ = ["spelled"]

_CHUNK_NBYTES = 1 << 20


def spelled(fd: int, ref: StorageRef) -> Iterator[bytes]:
    """The bytes of a storage that the file holds as UTF-8 text, in chunks.

    Raises:
        ValueError: the text does not spell bytes.
        OSError: it cannot be read.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
    at, end = ref.offset, ref.offset + (ref.text_nbytes or 0)
    left = ref.nbytes
    while left > 0 and at < end:
        raw = pread(fd, min(_CHUNK_NBYTES, end - at), at)
        if not raw:
            break
        at += len(raw)
        plain = decoder.decode(raw).encode("latin-1")[:left]
        left -= len(plain)
        if plain:
            yield plain
