"""Pickles that a file holds beside the one that is read, or although it cannot be read.

Whoever loads a damaged pickle has run what stands before the damage. Another program reads another
record of the archive, or goes on behind the first pickle. So wherever a pickle could begin, it is
run here as inertly as the others, and kept if it names code.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace

from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.names import EXTENSIONS
from ckptdoctor.formats.pickle.nodes import PickleError, PickleLimitError
from ckptdoctor.formats.source import ByteSource, FileSource, MemorySource

__all__ = ["code_behind", "code_spelled", "code_within"]

_SEARCHED_NBYTES = 4 << 20
_PACKED_NBYTES = 4 << 20
_PLAIN_NBYTES = 16 << 20
_LOOKED_AT_NBYTES = 256 << 20  # pickles may be announced within each other
_OPCODES = 1_000_000  # about a second
_PROTOCOLS = range(2, 6)


def code_behind(source: ByteSource, start: int, limits: Limits) -> list[PickleMachine]:
    """The machine that ran the pickles from ``start`` on, if they name code; otherwise none."""
    machine = PickleMachine(source, _bounded(limits))
    try:
        while start < source.nbytes:
            _, start = machine.run(start)
    except PickleError:
        pass  # what follows is no pickle, or no more of one
    return [machine] if _names_code(machine) else []


def code_within(file: OpenFile, limits: Limits) -> list[PickleMachine]:
    """The machine that ran whatever could be a pickle in a file that cannot be read."""
    source: ByteSource = FileSource(file.fd, file.nbytes)
    plain = _unpacked(source.read(0, _PACKED_NBYTES))
    if plain:
        source = MemorySource(plain)
    machine = PickleMachine(source, _bounded(limits))
    looked_at = 0
    for start in _starts(source):
        try:
            machine.run(start)
        except PickleLimitError:
            break
        except PickleError:
            pass
        looked_at += machine.at - start
        if looked_at > _LOOKED_AT_NBYTES:
            break
    return [machine] if _names_code(machine) else []


def code_spelled(machines: list[PickleMachine]) -> tuple[tuple[str, str], ...]:
    """What loading would run: the dotted name of each function, and its first call as text."""
    found: dict[str, str] = {}
    for machine in machines:
        found = dict(_code_of(machine)) | found
    return tuple(found.items())


def _bounded(limits: Limits) -> Limits:
    return replace(limits, opcodes=min(limits.opcodes, _OPCODES))


def _names_code(machine: PickleMachine) -> bool:
    return any(True for _ in _code_of(machine))


def _code_of(machine: PickleMachine) -> Iterator[tuple[str, str]]:
    """Functions and their first calls; noise has extension codes, of two or three bytes each."""
    calls: dict[str, str] = {}
    for call in machine.calls:
        calls.setdefault(call.name, call.call)
    named = [name for name, seen in machine.globals.items() if seen.ref.runs_code]
    for name in dict.fromkeys([*calls, *named]):
        if not name.startswith(EXTENSIONS):
            yield name, calls.get(name, "")


def _starts(source: ByteSource) -> Iterator[int]:
    """Where a pickle may begin: at the start, and wherever a protocol is announced."""
    yield 0
    data = source.read(0, _SEARCHED_NBYTES)
    at = data.find(b"\x80", 1)
    while 0 <= at < len(data) - 1:
        if data[at + 1] in _PROTOCOLS:
            yield at
        at = data.find(b"\x80", at + 1)


# -- what joblib and others pack -----------------------------------------------------------------


def _unpacked(packed: bytes) -> bytes:
    """The start of what a compressed file holds; nothing where it is not compressed."""
    for magic, unpack in _PACKERS:
        if packed.startswith(magic):
            return unpack(packed)
    return b""


def _inflate(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=47).decompress(packed, _PLAIN_NBYTES)  # gzip or zlib
    except zlib.error:
        return b""


def _bunzip(packed: bytes) -> bytes:
    import bz2

    try:
        return bz2.BZ2Decompressor().decompress(packed, _PLAIN_NBYTES)
    except (OSError, ValueError):
        return b""


def _unxz(packed: bytes) -> bytes:
    import lzma

    try:
        return lzma.LZMADecompressor().decompress(packed, _PLAIN_NBYTES)
    except (lzma.LZMAError, MemoryError):
        return b""


_PACKERS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", _inflate),
    *((bytes([0x78, level]), _inflate) for level in (0x01, 0x5E, 0x9C, 0xDA)),
    (b"BZh", _bunzip),
    (b"\xfd7zXZ\0", _unxz),
    (b"\x5d\0\0", _unxz),
)
