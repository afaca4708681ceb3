"""Kaggle's log of a committed notebook: a JSON list of what was printed, and when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.runs.logs.documents.document import Document, Part, Unread
from ckptdoctor.runs.logs.documents.json_text import objects

__all__ = ["KAGGLE"]

_LOOKED_AT = 4096
_BEGINS = b" \t\r\n,["
_MOST_UNENDED = 1 << 20


def _recognises(head: bytes, path: Path) -> bool:  # noqa: ARG001
    began = head.lstrip(_BEGINS)
    return began.startswith(b"{") and b'"stream_name"' in began[:_LOOKED_AT]


def _read(text: bytes, path: Path) -> Iterator[Part]:  # noqa: ARG001
    unended: dict[str, str] = {}  # a print ends where its buffer was full, not where a line does
    seen = False
    for one in objects(text.decode("utf-8", "replace")):
        data = one.get("data") if isinstance(one, dict) else None
        if not isinstance(one, dict) or not isinstance(data, str):
            continue
        seen = True
        stream = str(one.get("stream_name"))
        *lines, rest = (unended.get(stream, "") + data).split("\n")
        if len(rest) > _MOST_UNENDED:
            lines, rest = [*lines, rest], ""
        unended[stream] = rest
        yield from (line.rstrip("\r").encode("utf-8", "replace") for line in lines)
    yield from (rest.encode("utf-8", "replace") for rest in unended.values() if rest)
    if not seen:
        yield Unread(text="nothing printed is in this list")


KAGGLE = Document(what="Kaggle's log of a notebook", recognises=_recognises, read=_read)
