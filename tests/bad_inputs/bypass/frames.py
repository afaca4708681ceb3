"""Frames that lie: the C unpickler drops what is left of a frame, and reads on behind it.

It holds a frame in a buffer of its own. Where an opcode wants more than is left there, it reads as
much as it wants from the file, from behind the frame. Who takes the bytes as they lie reads
something else: here, sound opcodes that pass over the hidden ones. ``pickle.loads`` does so too.

Source: ``_Unpickler_ReadFromFile``, ``_Unpickler_Readline`` and ``load_frame`` of
``Modules/_pickle.c`` (3.11). With a file that can ``peek`` only a frame longer than what was peeked
has a buffer of its own: hence the long ones.
"""

from __future__ import annotations

import functools
import pickle
import struct
from pathlib import Path

from tests.bad_inputs.bypass.carriers import MAGIC, sound_pickle, zipped
from tests.bad_inputs.bypass.one import Bypass, Catalogue, Loader, shell
from tests.bad_inputs.opcodes import call, named, pickle_of, push

__all__ = ["FRAMES"]

_LONG = 200_000  # more than the C unpickler peeks at
_KIND = "frames that lie"
_catalogue = Catalogue(Loader.TORCH)


def _framed(inside: bytes, claimed: int | None = None) -> bytes:
    return b"\x95" + struct.pack("<Q", len(inside) if claimed is None else claimed) + inside


def _hidden(canary: Path) -> bytes:
    return call(named("posix", "system"), shell(canary))


def _passed_over(hidden: bytes) -> bytes:
    """Opcode and length of a byte string that holds what is hidden: five bytes."""
    return b"B" + struct.pack("<I", len(hidden))


def _in_zip(canary: Path, trick: bytes) -> bytes:
    """The trick between a mark and its POP_MARK, before the opcodes of a sound archive."""
    return zipped(canary, b"\x80\x04(" + trick + b"1" + sound_pickle())


def _short(head: bytes, nbytes: int) -> bytes:
    """A frame that ends in an argument of this many bytes, five of them within, then the rest.

    As the bytes lie, the argument ends five bytes before where the C unpickler has it end.
    """
    return _framed(head + b"12345") + b"6" * (nbytes - 5)


# -- the length of an argument -------------------------------------------------------------------


@_catalogue.add("a frame that ends in the length of bytes", f"an audit: {_KIND}")
def _(canary: Path) -> bytes:
    hidden = _hidden(canary).ljust(261, b"N")
    return _in_zip(canary, _framed(b"B\x07") + b"\x01\0\0\0\0" + hidden)


@_catalogue.add("a frame that ends in the length of a text", _KIND)
def _(canary: Path) -> bytes:
    hidden = _hidden(canary).ljust(261, b"N")
    return _in_zip(canary, _framed(b"X\x07") + b"\x01\0\0\0\0" + hidden)


@_catalogue.add("a frame that ends in a length of eight bytes", _KIND)
def _(canary: Path) -> bytes:
    hidden = _hidden(canary)
    seven = (7 + len(hidden)).to_bytes(7, "little")
    return _in_zip(canary, _framed(b"\x8e" + seven) + bytes(8) + hidden)


@_catalogue.add("a frame that ends in the length of a bytearray", _KIND)
def _(canary: Path) -> bytes:
    hidden = _hidden(canary)
    seven = (7 + len(hidden)).to_bytes(7, "little")
    body = b"\x80\x05(" + _framed(b"\x96" + seven) + bytes(8) + hidden + b"1"
    return zipped(canary, body + sound_pickle())


# -- the argument itself -------------------------------------------------------------------------

_ARGUMENTS: dict[str, tuple[bytes, int]] = {
    "a text": (b"X" + struct.pack("<I", 9), 9),
    "a short text": (b"\x8c\x07", 7),
    "a text of Python 2": (b"U\x06", 6),
    "a long text of Python 2": (b"T" + struct.pack("<i", 8), 8),
    "a text with a long length": (b"\x8d" + struct.pack("<Q", 11), 11),
    "a long number": (b"\x8a\x0c", 12),
    "a longer number": (b"\x8b" + struct.pack("<i", 10), 10),
    "a float": (b"G", 8),
}


def _cut_argument(canary: Path, head: bytes, nbytes: int) -> bytes:
    hidden = _hidden(canary)
    return _in_zip(canary, _short(head, nbytes) + _passed_over(hidden) + hidden)


for _what, (_head, _nbytes) in _ARGUMENTS.items():
    _catalogue.add(f"a frame that ends within {_what}", _KIND)(
        functools.partial(_cut_argument, head=_head, nbytes=_nbytes)
    )


@_catalogue.add("a frame that ends within a number of four bytes", _KIND)
def _(canary: Path) -> bytes:
    hidden = _hidden(canary)
    shorter = b"\x8c" + bytes([len(hidden)])
    return _in_zip(canary, _framed(b"J\1\2") + b"\3\4" + shorter + hidden)


@_catalogue.add("a frame that ends within a line of a name", _KIND)
def _(canary: Path) -> bytes:
    crossing = _framed(b"cmy_") + b"posix\nsystem\n"
    return _in_zip(canary, crossing + push((shell(canary),)) + b"R")


@_catalogue.add("a frame that ends within the second line of a name", _KIND)
def _(canary: Path) -> bytes:
    crossing = _framed(b"ccommands\nmy_") + b"getoutput\n"
    body = b"\x80\x02(" + crossing + push((shell(canary),)) + b"R1"
    return zipped(canary, body + sound_pickle())


@_catalogue.add("a frame that ends within a line of text", _KIND)
def _(canary: Path) -> bytes:
    names = _framed(b"Vmy_") + b"posix\n" + _framed(b"Vmy_") + b"system\n"
    return _in_zip(canary, names + b"\x93" + push((shell(canary),)) + b"R")


@_catalogue.add("a frame that ends within the number of a PUT", _KIND)
def _(canary: Path) -> bytes:
    plain = push("collections") + b"p0\n0" + push("OrderedDict") + b"p2\n0"
    put = push("posix") + _framed(b"p1") + b"0\n0" + push("system") + _framed(b"p1") + b"2\n0"
    return _in_zip(canary, plain + put + b"g0\ng2\n\x93" + push((shell(canary),)) + b"R")


@_catalogue.add("a frame that ends within the number of a GET", _KIND)
def _(canary: Path) -> bytes:
    names = push("posix") + b"q\x010" + push("system") + b"q\x020"
    plain = push("collections") + b"q\x0b0" + push("OrderedDict") + b"q\x0c0"
    got = _framed(b"g1") + b"1\n" + _framed(b"g1") + b"2\n"
    return _in_zip(canary, names + plain + got + b"\x93" + push((shell(canary),)) + b"R")


# -- frames and frames ---------------------------------------------------------------------------


@_catalogue.add("a frame that begins in a frame and outlasts it", _KIND)
def _(canary: Path) -> bytes:
    hidden = _hidden(canary)
    inner = b"\x95" + struct.pack("<Q", len(hidden))
    return _in_zip(canary, _framed(b"N" + inner + _passed_over(hidden)) + hidden)


@_catalogue.add("a frame that lies behind frames that do not", _KIND)
def _(canary: Path) -> bytes:
    hidden = _hidden(canary)
    sound = _framed(push("a")) + _framed(push({"lr": 1})) + _framed(b"")
    cut = _short(b"X" + struct.pack("<I", 9), 9)
    return _in_zip(canary, sound + cut + _passed_over(hidden) + hidden)


@_catalogue.add("a frame that ends within a text, in a frame that holds it all", _KIND)
def _(canary: Path) -> bytes:
    """The inner one has no buffer of its own: here the bytes count as they lie."""
    hidden = _hidden(canary)
    text = b"X" + struct.pack("<I", 5) + _passed_over(hidden)
    inner = _short(b"X" + struct.pack("<I", 9), 9) + text + hidden
    return _in_zip(canary, _framed(inner))


@_catalogue.add("the call in two frames", _KIND)
def _(canary: Path) -> bytes:
    crossing = _framed(b"X\x05\0\0\0pos") + b"posix" + push("system") + b"\x93"
    return _in_zip(canary, crossing + _framed(push((shell(canary),))) + b"R")


@_catalogue.add("a frame past the end, behind the call", _KIND)
def _(canary: Path) -> bytes:
    return zipped(canary, b"\x80\x04" + _hidden(canary) + b"0" + _framed(sound_pickle(), 1 << 40))


@_catalogue.add("a frame past the end of a bare pickle", _KIND)
def _(canary: Path) -> bytes:
    return b"\x80\x04" + _hidden(canary) + _framed(b"0}.", 1 << 20)


@_catalogue.add("a frame in a pickle of protocol 2", _KIND)
def _(canary: Path) -> bytes:
    hidden = _hidden(canary)
    body = _short(b"X" + struct.pack("<I", 9), 9) + _passed_over(hidden) + hidden
    return zipped(canary, b"\x80\x02(" + body + b"1" + sound_pickle())


@_catalogue.add("a frame in a pickle without a protocol", _KIND)
def _(canary: Path) -> bytes:
    hidden = _hidden(canary)
    body = _short(b"X" + struct.pack("<I", 9), 9) + _passed_over(hidden) + hidden
    return zipped(canary, b"(" + body + b"1" + sound_pickle())


# -- files that can peek -------------------------------------------------------------------------


def _long_cut(canary: Path) -> bytes:
    """A frame too long to be peeked at that ends within a text."""
    hidden = _hidden(canary)
    filling = b"N0" * (_LONG // 2) + b"X" + struct.pack("<I", 9)
    return b"(" + _short(filling, 9) + _passed_over(hidden) + hidden + b"1"


@_catalogue.add("a long frame that ends within a text, in a bare pickle", _KIND)
def _(canary: Path) -> bytes:
    return pickle_of(_long_cut(canary) + b"}")


@_catalogue.add("a long frame that ends within a text, in the old format", _KIND)
def _(canary: Path) -> bytes:
    head = pickle.dumps(MAGIC, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    return head + pickle_of(_long_cut(canary) + push({"epoch": 1})) + pickle.dumps([], 2)


def _five(canary: Path | None) -> list[bytes]:
    contents: tuple[object, ...] = (MAGIC, 1001, {"little_endian": True}, {"epoch": 1}, [])
    parts = [pickle.dumps(part, 2) for part in contents]
    if canary is not None:
        parts[3] = parts[3][:2] + _hidden(canary) + b"0" + parts[3][2:]
    return parts


@_catalogue.add("four sound pickles in the frame of the first, which ends", _KIND)
def _(canary: Path) -> bytes:
    magic, *sound = _five(None)
    frame = (magic[2:] + b"".join(sound)).ljust(_LONG, b"\0")
    return b"\x80\x04" + _framed(frame) + b"".join(_five(canary)[1:])


@_catalogue.add("four pickles in the short frame of the first, which ends", _KIND)
def _(canary: Path) -> bytes:
    magic, *evil = _five(canary)
    frame = magic[2:] + b"".join(evil)
    return b"\x80\x04" + _framed(frame) + b"".join(_five(None)[1:])


@_catalogue.add(
    "a second pickle behind a frame that goes on after the end", _KIND, loader=Loader.ALL
)
def _(canary: Path) -> bytes:
    hidden = b"\x80\x04" + _hidden(canary) + b"."
    decoy = pickle_of(push("sound"))[:-1] + b"0" + _passed_over(hidden)
    frame = push({"epoch": 1}) + b"." + decoy
    return b"\x80\x04" + _framed(frame) + hidden + b"."


FRAMES: tuple[Bypass, ...] = tuple(_catalogue.made)
