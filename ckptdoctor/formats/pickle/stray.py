"""Pickles that a file holds beside the one that is read, or although it cannot be read.

Whoever loads a damaged pickle has run what stands before the damage. Another program reads another
record of the archive, or goes on behind the first pickle. So wherever a pickle could begin, it is
run here as inertly as the others, and kept if it names code.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ckptdoctor.checkpoint import Problem
from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Severity
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.names import EXTENSIONS
from ckptdoctor.formats.pickle.nodes import PickleError, PickleTruncatedError
from ckptdoctor.formats.pickle.packed import array_start, holds_numbers, is_packed, unpacked
from ckptdoctor.formats.source import ByteSource, MemorySource, PartSource
from ckptdoctor.formats.tar import TarSizeError, is_tar, tar_members
from ckptdoctor.formats.zip.members import members, plain_start

__all__ = [
    "BESIDE",
    "Strays",
    "code_behind",
    "code_in_noise",
    "code_spelled",
    "code_within",
    "not_looked_through",
    "telling",
]

_SEARCHED_NBYTES = 4 << 20
_ALL_SEARCHED_NBYTES = 64 << 20
_PACKED_NBYTES = 4 << 20
_LOOKED_AT_NBYTES = 256 << 20  # pickles may be announced within each other
_HELD_NBYTES = 64 << 20  # of what had to be inflated, all together
_OPCODES = 800_000  # less than a second
_MEMBERS = 10_000
_DEPTH = 4  # an array in an archive in an archive in gzip
_PROTOCOLS = range(2, 6)

BESIDE = "pickles beside the one that is read"


def code_behind(source: ByteSource, start: int, limits: Limits) -> list[PickleMachine]:
    """The machine that ran the pickles from ``start`` on; none where they name no code.

    Nobody knows that of a machine that gave up.
    """
    machine = PickleMachine(source, replace(limits, opcodes=min(limits.opcodes, _OPCODES)))
    try:
        while start < source.nbytes:
            _, start = machine.run(start)
    except PickleError:
        pass  # what follows is no pickle, or no more of one
    machine.let_go()
    return [machine] if machine.gave_up or _names_code(machine) else []


def code_in_noise(source: ByteSource, limits: Limits) -> list[PickleMachine]:
    """As :func:`code_behind` from byte 0 of what is no pickle to its own readers.

    Noise may name anything, but nothing that Python could import.
    """
    return [
        machine
        for machine in code_behind(source, 0, limits)
        if machine.gave_up or any(_is_importable(machine, name) for name, _ in _code_of(machine))
    ]


def _is_importable(machine: PickleMachine, callee: str) -> bool:
    """Whether a name, or that at the start of a longer expression, is of identifiers."""
    return any(
        callee.startswith(name) and name.isascii() and all(map(str.isidentifier, name.split(".")))
        for name in machine.globals
    )


def code_within(file: OpenFile, limits: Limits) -> list[PickleMachine]:
    """The machines that ran whatever could be a pickle in a file that cannot be read."""
    strays = Strays(limits)
    strays.look_through(file.source)
    return strays.code


@contextlib.contextmanager
def telling(machines: list[PickleMachine]) -> Iterator[None]:
    """An error that leaves this tells what the machines have seen that runs code.

    They may have gone farther than a search does that starts anew. What the pickles built is let
    go: a machine and those who watch it hold each other, and nobody may be collecting such circles.
    """
    try:
        yield
    except CheckpointError as error:
        error.runs = tuple((dict(code_spelled(machines)) | dict(error.runs)).items())
        raise
    finally:
        for machine in machines:
            machine.let_go()


def code_spelled(machines: list[PickleMachine]) -> tuple[tuple[str, str], ...]:
    """What loading would run: the dotted name of each function, and its first call as text."""
    found: dict[str, str] = {}
    for machine in machines:
        found = dict(_code_of(machine)) | found
    return tuple(found.items())


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


def not_looked_through(subject: str, what: str) -> Problem:
    """That a search came to its bound: what is behind it nobody has seen."""
    return Problem(
        code="CD107",
        severity=Severity.ERROR,
        subject=subject,
        message=f"{what} would take too long to read, and were not looked through",
        remedy="Treat the file as hostile unless you made it yourself.",
    )


class _Counted(PickleMachine):
    """A machine that tells how much it did."""

    @property
    def opcodes(self) -> int:
        """Opcodes that were run."""
        return self._opcodes


class Strays:
    """Looks for pickles that name code, within bounds on all of the work together.

    Attributes:
        code: the machines that found some.
        gave_up: whether there is more that was not run, because others took too long.
    """

    def __init__(self, limits: Limits) -> None:
        self.code: list[PickleMachine] = []
        self.gave_up = False
        self._limits = limits
        self._opcodes = min(limits.opcodes, _OPCODES)
        self._looked_at = 0
        self._searched = 0
        self._held = 0
        self._members = 0
        self._is_part = False

    def problems(self) -> list[Problem]:
        """That there is more than was looked through, if so."""
        return [not_looked_through("file", BESIDE)] if self.gave_up else []

    def look_through(
        self, source: ByteSource, *, is_part: bool = False, is_told: bool = True
    ) -> None:
        """Look at the start, wherever a protocol is announced, and into whatever is packed.

        Args:
            source: what is looked through.
            is_part: whether a pickle may go on behind its end.
            is_told: whether it matters that there is more than can be run.
        """
        before, self._is_part = self.gave_up, is_part
        waiting = deque([(source, 0)])
        while waiting:
            place, depth = waiting.popleft()
            self._searched += min(place.nbytes, _SEARCHED_NBYTES)
            if self._searched > _ALL_SEARCHED_NBYTES:
                self._run(place, (array_start(place),))
                break
            packed = self._unpacked(place) if depth < _DEPTH else None
            if packed is not None:
                waiting.append((packed, depth + 1))
                continue
            self._run(place, _starts(place))
            self._is_part = False
            if depth < _DEPTH:
                waiting.extend((member, depth + 1) for member in self._members_of(place))
        self.gave_up = before or (self.gave_up and is_told)

    def _members_of(self, whole: ByteSource) -> Iterator[ByteSource]:
        """Members that have to be looked through; others are only run from their start."""
        for member in _members(whole):
            self._members += 1
            if self._members > _MEMBERS:
                return
            if holds_numbers(member) or self._held > _HELD_NBYTES:
                continue
            plain = self._hold(plain_start(member))
            if isinstance(plain, MemorySource) or is_packed(plain.read(0, 8)):
                yield plain
            else:  # what else is in it is found by looking through the whole
                self._run(plain, (array_start(plain),))

    def _unpacked(self, source: ByteSource) -> ByteSource | None:
        plain = unpacked(source.read(0, _PACKED_NBYTES)) if self._held < _HELD_NBYTES else b""
        return self._hold(MemorySource(plain)) if plain else None

    def _hold(self, source: ByteSource) -> ByteSource:
        if isinstance(source, MemorySource):
            self._held += source.nbytes
        return source

    def _run(self, source: ByteSource, starts: Iterable[int]) -> None:
        """Run what may be pickles; kept if they name code."""
        machine = _Counted(source, replace(self._limits, opcodes=self._opcodes))
        for count, start in enumerate(starts):
            if self._opcodes <= machine.opcodes or self._looked_at > _LOOKED_AT_NBYTES:
                self.gave_up = True
                break
            try:
                _, end = machine.run(start)
                while not count and end < source.nbytes:  # what follows announces no protocol
                    _, end = machine.run(end)
            except PickleTruncatedError:
                self.gave_up |= self._is_part and not count
            except PickleError:
                pass
            self._looked_at += machine.at - start
        self._opcodes -= machine.opcodes
        self.gave_up |= machine.gave_up
        machine.let_go()
        if _names_code(machine):
            self.code.append(machine)


def _members(whole: ByteSource) -> Iterator[ByteSource]:
    """What lies in an archive, of whatever kind."""
    if is_tar(whole.read(0, 512)):
        with contextlib.suppress(TarSizeError):
            for member in tar_members(whole):
                there = max(0, whole.nbytes - member.offset)
                yield PartSource(whole, member.offset, min(member.nbytes, there))
    yield from members(whole)


def _starts(source: ByteSource) -> Iterator[int]:
    """Where a pickle may begin: at the start, and wherever a protocol is announced."""
    yield array_start(source)
    data = source.read(0, _SEARCHED_NBYTES)
    at = data.find(b"\x80", 1)
    while 0 <= at < len(data) - 1:
        if data[at + 1] in _PROTOCOLS:
            yield at
        at = data.find(b"\x80", at + 1)
