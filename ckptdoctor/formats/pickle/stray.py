"""Pickles that a file holds beside the one that is read, or although it cannot be read.

Whoever loads a damaged pickle has run what stands before the damage. Another program reads another
record of the archive, or goes on behind the first pickle. So wherever a pickle could begin, it is
run here as inertly as the others, and kept if it names code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.names import EXTENSIONS
from ckptdoctor.formats.pickle.nodes import PickleError, PickleLimitError
from ckptdoctor.formats.pickle.packed import array_start, unpacked
from ckptdoctor.formats.source import ByteSource, FileSource, MemorySource
from ckptdoctor.formats.zip.members import members

__all__ = ["code_behind", "code_spelled", "code_within"]

_SEARCHED_NBYTES = 4 << 20
_PACKED_NBYTES = 4 << 20
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
    """The machines that ran whatever could be a pickle in a file that cannot be read."""
    whole = FileSource(file.fd, file.nbytes)
    machines = []
    looked_at = 0
    for source, starts in _places(whole):
        machine = PickleMachine(source, _bounded(limits))
        machines.append(machine)
        for start in starts:
            try:
                machine.run(start)
            except PickleLimitError:
                break
            except PickleError:
                pass
            looked_at += machine.at - start
            if looked_at > _LOOKED_AT_NBYTES:
                break
    return [machine for machine in machines if _names_code(machine)]


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


def _places(whole: FileSource) -> Iterator[tuple[ByteSource, Iterator[int]]]:
    """Where pickles may lie: in the file itself, unpacked, and in each member of an archive."""
    plain = unpacked(whole.read(0, _PACKED_NBYTES))
    first: ByteSource = MemorySource(plain) if plain else whole
    yield first, _starts(first)
    for member in members(whole, _SEARCHED_NBYTES):
        yield member, iter((array_start(member),))


def _starts(source: ByteSource) -> Iterator[int]:
    """Where a pickle may begin: at the start, and wherever a protocol is announced."""
    yield array_start(source)
    data = source.read(0, _SEARCHED_NBYTES)
    at = data.find(b"\x80", 1)
    while 0 <= at < len(data) - 1:
        if data[at + 1] in _PROTOCOLS:
            yield at
        at = data.find(b"\x80", at + 1)
