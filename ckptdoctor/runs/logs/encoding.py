"""A log's bytes to lines of UTF-8, however they were written.

PowerShell's ``>`` writes UTF-16 with a byte order mark, and a later ``>>`` of another shell adds
8-bit text to it; a machine that crashed leaves runs of NULs; old Windows programs write cp1252,
those of East Asia GBK and the like; and what is rotated away is packed. Plain UTF-8 passes through
as it is.
"""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Iterator
from typing import IO

from ckptdoctor.runs.logs.languages import are_eastern
from ckptdoctor.runs.logs.last_line import MOST_BEFORE, without_cut_number
from ckptdoctor.runs.logs.unpacking import unpacking

__all__ = ["LogText"]

_PIECE_NBYTES = 1 << 20
_LINE_NBYTES = 1 << 20  # what is longer is no line of a log, and is cut
_HEAD_NBYTES = 1 << 16
_BOMS = (
    (codecs.BOM_UTF8, "utf-8 with BOM"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = ("utf-16-le", "utf-16-be")
_LINE_ENDS = {"utf-16-le": b"\n\x00", "utf-16-be": b"\x00\n"}
_FEWEST_WIDE = 8
"""Bytes that tell whether text without a byte order mark is UTF-16."""
_NARROW = re.compile(rb"[^\0]{7,}(?:\n|\Z)")
_EASTERN = ("gb18030", "cp932", "cp949", "big5")
"""Of Windows in Chinese, Japanese and Korean."""
_PLAIN = bytes(range(0x20, 0x7F)) + b"\t\n\r\x1b"


class LogText:
    """The text of a log, read once from its beginning.

    Args:
        file: opened for reading bytes. It is read as far as is asked for.

    Attributes:
        name: how it was written, such as ``utf-8`` or ``gzip, utf-16-le``; all of it is known
            when all lines were read.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._unpacking = unpacking(file.read(_HEAD_NBYTES), _pieces(file))
        self._began = b"".join(self._first(_FEWEST_WIDE * 8))
        self.encoding = _encoding_of(self._began[:_HEAD_NBYTES])
        self._text = self._decoded()
        self._peeked = b""
        self._eastern: str | None = None

    @property
    def name(self) -> str:
        """How it was written."""
        return ", ".join(filter(None, (self._unpacking.name, self.encoding)))

    @property
    def trouble(self) -> str:
        """Why it could not be read to its end; ``""`` where it could, or while it is read."""
        return self._unpacking.trouble

    @property
    def is_plain(self) -> bool:
        """Whether its lines can be read from the middle of the file as well."""
        return not self._unpacking.name and self.encoding not in _WIDE

    def head(self, nbytes: int = _HEAD_NBYTES) -> bytes:
        """The first bytes of the text; they will come again."""
        while len(self._peeked) < nbytes and (piece := next(self._text, None)) is not None:
            self._peeked += piece
        return self._peeked[:nbytes]

    def skip(self, nbytes: int) -> None:
        """Pass over the first bytes of what was asked of the head."""
        self._peeked = self._peeked[nbytes:]

    def whole(self, most: int) -> bytes:
        """All of the text, or its first bytes where it is longer than ``most``.

        Of an archive an eighth of that: a small one must not be able to ask for much.
        """
        most //= 8 if self._unpacking.name else 1
        parts: list[bytes] = []
        nbytes = 0
        for block in self._blocks():
            parts.append(block)
            nbytes += len(block)
            if nbytes >= most:
                break
        return b"".join(parts)[:most]

    def lines(self) -> Iterator[bytes]:
        """Its lines without their ends; a bar that draws over itself is one line.

        Of a last line that was cut off, without the number that the cut goes through.
        """
        before: list[bytes] = []
        for block in self._blocks():
            lines = block.split(b"\n")
            if not lines[-1]:
                lines.pop()
            elif block[-1:] != b"\r":
                lines[-1] = without_cut_number(lines[-1], [*before, *lines[:-1]])
            if b"\r" in block:  # \r\r\n as well, where text was translated twice
                lines = [line.rstrip(b"\r") for line in lines]
            yield from lines
            before = lines[-MOST_BEFORE:]

    def _first(self, nbytes: int) -> Iterator[bytes]:
        while nbytes > 0 and (piece := next(self._unpacking.pieces, None)) is not None:
            nbytes -= len(piece)
            yield piece

    def _decoded(self) -> Iterator[bytes]:
        """Pieces of UTF-8, or of what is taken for it, without NULs."""
        pieces = _joined(self._began, self._unpacking.pieces)
        if self.encoding in _WIDE:
            pieces = _narrowed(pieces, self.encoding)
        elif self.encoding.endswith("BOM"):
            pieces = _joined(self._began[len(codecs.BOM_UTF8) :], self._unpacking.pieces)
        for piece in pieces:
            yield piece.translate(None, b"\0") if b"\0" in piece else piece

    def _blocks(self) -> Iterator[bytes]:
        """Whole lines at a time, all of them UTF-8."""
        peeked, self._peeked = self._peeked, b""
        for block in _whole_lines(_joined(peeked, self._text)):
            yield block if block.isascii() else self._as_utf8(block)

    def _as_utf8(self, block: bytes) -> bytes:
        try:
            block.decode()
        except UnicodeDecodeError:
            if self._eastern is None:
                self._eastern = _eastern_of(block)
            self.encoding = self._eastern or "latin-1"
            if self._eastern:
                with contextlib.suppress(UnicodeDecodeError):
                    return block.decode(self._eastern).encode()
            return b"".join(map(_line_as_utf8, block.splitlines(keepends=True)))
        return block


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE_NBYTES):
        yield piece


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _whole_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Blocks that end where a line does; a line that does not end is cut, to bound memory."""
    rest = b""
    skipping = False  # the rest of a line of which enough was read
    for piece in pieces:
        if skipping:
            _, end, piece = piece.partition(b"\n")  # noqa: PLW2901
            skipping = not end
        block = rest + piece
        at = block.rfind(b"\n") + 1
        if at:
            yield block[:at]
        rest = block[at:]
        if len(rest) > _LINE_NBYTES:
            at = rest.rfind(b"\r") + 1  # a bar may redraw itself for ever
            skipping = not at
            yield (rest[:at] or rest) + b"\n"
            rest = rest[at:] if at else b""
    if rest:
        yield rest


def _eastern_of(block: bytes) -> str:
    """The encoding in which a block has words of a training in Chinese, Japanese or Korean."""
    for name in _EASTERN:
        with contextlib.suppress(UnicodeDecodeError):
            if are_eastern(block.decode(name)):
                return name
    return ""


def _line_as_utf8(line: bytes) -> bytes:
    """A line that is no UTF-8 was written as cp1252, the 8-bit text of Windows, or as Latin-1."""
    try:
        line.decode()
    except UnicodeDecodeError:
        try:
            return line.decode("cp1252").encode()
        except UnicodeDecodeError:
            return line.decode("latin-1").encode()
    return line


# -- UTF-16 --------------------------------------------------------------------------------------


def _encoding_of(head: bytes) -> str:
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    # Numbers, spaces and line ends are NUL in every second byte, whatever the words are.
    half = len(head) // 2
    if half * 2 >= _FEWEST_WIDE:
        even, odd = head[: half * 2 : 2].count(0), head[1 : half * 2 : 2].count(0)
        if odd * 5 > half * 2 and even * 20 < half:
            return "utf-16-le"
        if even * 5 > half * 2 and odd * 20 < half:
            return "utf-16-be"
    return "utf-8"


def _narrowed(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """UTF-16 as UTF-8, where 8-bit text may stand between."""
    end = _LINE_ENDS[encoding]
    rest = b""
    for piece in pieces:
        *lines, rest = _split_wide(rest + piece, end)
        yield b"".join(_line_narrowed(line, encoding) for line in lines)
        if len(rest) > 2 * _LINE_NBYTES:
            whole = len(rest) // 2 * 2
            yield _line_narrowed(rest[:whole], encoding)
            rest = rest[whole:]
    yield _line_narrowed(rest, encoding)


def _split_wide(text: bytes, end: bytes) -> list[bytes]:
    """Lines with their ends; a line feed counts where a character begins."""
    lines = []
    begin = at = 0
    until = _narrow_until(text, begin)
    while (at := text.find(end, at)) >= 0:
        if (at - begin) % 2 and (at - until) % 2:
            at += 1  # the halves of two characters
            continue
        at += 2
        lines.append(text[begin:at])
        begin = at
        until = _narrow_until(text, begin)
    return [*lines, text[begin:]]


def _narrow_until(text: bytes, begin: int) -> int:
    """Where 8-bit text ends that another program wrote here; ``begin`` if there is none."""
    if b"\0" in text[begin : begin + 8]:
        return begin
    found = _NARROW.match(text, begin)
    if found is None:
        return begin
    odd = len(found[0].translate(None, _PLAIN))
    return found.end() if odd * 2 < len(found[0]) else begin


def _line_narrowed(line: bytes, encoding: str) -> bytes:
    """A line of UTF-16; 8-bit text before it as it is."""
    until = _narrow_until(line, 0)
    wide = line[until:].decode(encoding, "replace").lstrip("\ufeff")
    return line[:until] + wide.encode()
