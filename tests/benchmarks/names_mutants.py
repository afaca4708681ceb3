"""Mutated pickles: is every name that the unpickler in C asks for among ours?"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import resource
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.nodes import PickleError
from ckptdoctor.formats.source import MemorySource
from tests.bad_inputs.inert import READINGS, names_asked_for
from tests.bad_inputs.pickle_maker import PickleMaker, real_pickles

__all__ = [
    "Outcome",
    "add_a_frame",
    "hide_in_a_frame",
    "mutant",
    "our_names",
    "run_mutants",
]

_SPARE_NBYTES = 256 << 20
_SHOWN = 20
_HIDDEN = (b"cos\nsystem\n", b"\x8c\x02os\x8c\x06system\x93", b"(ios\nsystem\n", b"cx\ny\n")


@dataclass(slots=True)
class Outcome:
    """What came of some mutants.

    Attributes:
        pickles: how many there were.
        names: how many names the unpickler asked for.
        with_names: how many pickles named anything.
        missed: the seeds of those of which a name is not among ours, and that name.
        seconds: it took.
    """

    pickles: int = 0
    names: int = 0
    with_names: int = 0
    missed: list[tuple[int, tuple[str, str]]] = field(default_factory=list)
    seconds: float = 0.0


def mutant(seed: int) -> bytes:
    """The mutated pickle of this number."""
    chance = random.Random(seed)
    make = PickleMaker(chance)
    kind = chance.random()
    if kind < 0.1:
        data = make.opcodes()
    elif kind < 0.2:
        data = make.tree()
    elif kind < 0.5:
        data = make.mutated()
    else:
        data = chance.choice(real_pickles())
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        data = chance.choice(_MUTATIONS)(data, chance)
    return data


def our_names(data: bytes) -> set[tuple[str, str]]:
    """The pairs that the pickle machine records, whatever it thinks of the pickle."""
    machine = PickleMachine(MemorySource(data))
    with contextlib.suppress(PickleError):
        machine.run()
    return machine.pairs


def run_mutants(count: int, seed: int = 0, workers: int = 2) -> Outcome:
    """Try so many mutants, numbered from ``seed * 10**9`` on, in processes with bounded memory."""
    began = time.monotonic()
    first = seed * 10**9
    step = 2000
    starts = range(first, first + count, step)
    total = Outcome()
    with multiprocessing.get_context("spawn").Pool(workers, _bound) as pool:
        jobs = ((start, min(step, first + count - start)) for start in starts)
        for one in pool.imap_unordered(_try_some, jobs):
            total.pickles += one.pickles
            total.names += one.names
            total.with_names += one.with_names
            total.missed += one.missed
    total.seconds = time.monotonic() - began
    return total


def _bound() -> None:
    """Bound memory: a memo index may ask for 16 GB; and what CPython prints where it has none."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    nbytes = pages * resource.getpagesize() + _SPARE_NBYTES
    resource.setrlimit(resource.RLIMIT_AS, (nbytes, nbytes))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _try_some(job: tuple[int, int]) -> Outcome:
    start, count = job
    outcome = Outcome(pickles=count)
    for seed in range(start, start + count):
        data = mutant(seed)
        ours: set[tuple[str, str]] | None = None
        any_name = False
        for pair in _asked_for(data):
            any_name = True
            outcome.names += 1
            if ours is None:
                ours = our_names(data)
            if pair not in ours:
                outcome.missed.append((seed, pair))
                break
        outcome.with_names += any_name
    return outcome


def _asked_for(data: bytes) -> Iterator[tuple[str, str]]:
    seen: set[tuple[str, str]] = set()
    for reading in READINGS if b"\x95" in data else READINGS[:1]:
        for pair in names_asked_for(data, reading):
            if pair not in seen:
                seen.add(pair)
                yield pair


# -- what is done to a pickle --------------------------------------------------------------------


def _flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] if chance.random() < 0.7 else data[at:]


def _join(data: bytes, chance: random.Random) -> bytes:
    other = chance.choice(real_pickles())
    at, to = chance.randrange(len(data) + 1), chance.randrange(len(other))
    return data[:at] + other[to:]


def _insert(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    hidden = chance.choice(_HIDDEN)
    if chance.random() < 0.5:
        hidden += b"0"
    return data[:at] + hidden + data[at:]


def add_a_frame(data: bytes, chance: random.Random) -> bytes:
    """A frame that says nothing, little, about right, or far too much."""
    at = min(len(data), chance.choice((0, 2, 2, chance.randrange(len(data) + 1))))
    left = len(data) - at
    nbytes = chance.choice(
        (
            0,
            1,
            2,
            3,
            5,
            9,
            64,
            left,
            left + 1,
            max(0, left - 1),
            chance.randrange(left + 1),
            1 << 40,
        )
    )
    return data[:at] + b"\x95" + struct.pack("<Q", nbytes) + data[at:]


def hide_in_a_frame(data: bytes, chance: random.Random) -> bytes:
    """An argument across the end of a frame, with a name in it.

    The length of the argument stands across that end: who drops what the frame holds of it reads
    another length, and goes on within the argument.
    """
    opcode, layout = chance.choice(((b"B", "<I"), (b"X", "<I"), (b"\x8e", "<Q"), (b"\x8d", "<Q")))
    dropped = chance.randrange(1, struct.calcsize(layout))
    other = int(dropped == 1 and chance.random() < 0.5)  # the length that remains
    hidden = b"0" * other + chance.choice(_HIDDEN) + b"0" * chance.randrange(2) + b"("
    nbytes = (262 if other else chance.choice((40, 200, 255))) - dropped
    argument = b"\0" * dropped + hidden.ljust(nbytes, b"N")
    body = opcode + struct.pack(layout, len(argument)) + argument
    lie = b"N(\x95" + struct.pack("<Q", 1 + dropped) + body + b"1"
    at = chance.choice((2, 2, chance.randrange(len(data) + 1)))
    return data[:at] + lie + data[at:]


def _memo(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    index = chance.choice((0, 1, 2, 5, 255, 256, 70_000, 1 << 20))
    put = chance.choice(
        (
            b"p%d\n" % index,
            b"q" + bytes([index % 256]),
            b"r" + struct.pack("<I", index),
            b"\x94",
            b"g%d\n" % index,
            b"h" + bytes([index % 256]),
            b"j" + struct.pack("<I", index),
        )
    )
    return data[:at] + put + data[at:]


_MUTATIONS = (_flip, _cut, _join, _insert, add_a_frame, hide_in_a_frame, hide_in_a_frame, _memo)
