"""Frames: what hides behind a lying one is named, and Python's own frames are no lie."""

from __future__ import annotations

import contextlib
import io
import pickle
import random
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.pickle import frames
from ckptdoctor.formats.pickle.frames import other_readings
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.nodes import PickleError
from ckptdoctor.formats.source import ByteSource, MemorySource
from tests.bad_inputs.inert import READINGS, names_asked_for
from tests.bad_inputs.pickle_maker import data_pickle, real_pickles
from tests.benchmarks.names_mutants import (
    add_a_frame,
    hide_in_a_frame,
    our_names,
    run_mutants,
)
from tests.each import each

_SYSTEM = b"cos\nsystem\nVtouch X\n\x85R"


def frame(nbytes: int) -> bytes:
    return b"\x95" + struct.pack("<Q", nbytes)


def hidden_in_bytes(nbytes: int = 2) -> bytes:
    """Sequential readers see a byte string of 263 bytes; the one in C sees one byte, and a call."""
    hidden = (_SYSTEM + b"(").ljust(261, b"N")
    return b"\x80\x05N0(" + frame(nbytes) + b"B\x07\x01\0\0\0\0" + hidden + b"1" + data_pickle()[2:]


def refusal(data: bytes) -> tuple[str, PickleMachine]:
    machine = PickleMachine(MemorySource(data))
    with pytest.raises(PickleError) as caught:
        machine.run()
    return caught.value.message, machine


def test_code_that_only_the_reader_in_c_sees_is_named_and_refused() -> None:
    data = hidden_in_bytes()
    assert ("os", "system") in names_asked_for(data)
    message, machine = refusal(data)
    assert "a frame that ends within an opcode" in message
    assert machine.globals["os.system"].ref.runs_code
    assert machine.calls[0].call == "os.system('touch X')"


def test_the_names_of_the_plain_reading_are_kept_beside_it() -> None:
    _, machine = refusal(hidden_in_bytes())
    assert {"torch._utils._rebuild_tensor_v2", "os.system"} <= set(machine.globals)


@each(
    ("data", "what"),
    {
        "opcode": (b"\x80\x04" + frame(1) + b"K\x01K\x02\x86.", "ends within an opcode, or behind"),
        "argument": (b"\x80\x04" + frame(3) + b"J\1\0\0\0.", "ends within an opcode"),
        "text": (b"\x80\x04" + frame(4) + b"\x8c\x05abcde.", "ends within an opcode"),
        "line": (b"\x80\x04" + frame(2) + b"I12\n.", "ends within an opcode"),
        "within": (b"\x80\x04" + frame(12) + b"N" + frame(1) + b"0N.", "a frame within a frame"),
        "past the end": (b"\x80\x04" + frame(9) + b"N.", "a frame of 9 bytes, of which 2"),
        "behind": (b"\x80\x04" + frame(3) + b"N.N.", "or behind the pickle"),
    }.items(),
)
def test_each_kind_of_lie_is_refused(data: str, what: tuple[bytes, str]) -> None:
    message, _ = refusal(what[0])
    assert what[1] in message


def test_a_frame_that_ends_with_an_opcode_is_no_lie() -> None:
    data = b"\x80\x04" + frame(2) + b"K\x01" + frame(4) + b"K\x02\x86."
    assert PickleMachine(MemorySource(data)).run()[0] == (1, 2)


@each("protocol", [4, 5])
@each(
    "value",
    [
        [],
        list(range(100_000)),
        b"x" * 300_000,
        ["é" * 70_000, b"y" * 70_000, 1],
        ("a" * 65_536, {}),
    ],
    ids=["short", "several frames", "bytes beyond a frame", "texts and bytes", "a frame's size"],
)
def test_what_python_frames_is_read(value: Any, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    _, end = PickleMachine(MemorySource(data)).run()
    assert end == len(data)


@given(st.binary(max_size=300), st.integers(0, 40))
def test_frames_around_anything_give_an_answer_or_a_pickle_error(tail: bytes, nbytes: int) -> None:
    machine = PickleMachine(MemorySource(b"\x80\x04" + frame(nbytes) + tail))
    with contextlib.suppress(PickleError):
        _, end = machine.run()
        assert end <= 11 + len(tail)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.one_in(4)
def test_another_reading_holds_what_the_reader_in_c_takes(reading: Any) -> None:
    """Fed with what we think that it takes, without frames, it asks for the same names."""
    named = 0
    for seed in range(300):
        data = with_lies(random.Random(seed))
        asked = names_asked_for(data, reading)
        named += ("os", "system") in asked
        readings = [data, *other_readings(MemorySource(data), 0)]
        assert any(names_asked_for(one) == asked for one in readings), seed
        assert set(asked) <= our_names(data), seed
    assert named > 30 or reading is not io.BytesIO  # small frames only matter without a peek


def with_lies(chance: random.Random) -> bytes:
    data = chance.choice(real_pickles())
    for _ in range(chance.choice((1, 1, 2, 3))):
        data = chance.choice((add_a_frame, hide_in_a_frame, hide_in_a_frame))(data, chance)
    return data


@pytest.mark.slow
def test_every_name_that_the_reader_in_c_asks_for_is_among_ours() -> None:
    outcome = run_mutants(3000, seed=7, workers=1)
    assert outcome.missed == []
    assert outcome.with_names > 1000


def test_a_large_file_is_read_in_c_as_from_disk() -> None:
    """A frame of more than what may be peeked at is taken whole, and drops what crosses its end."""
    filler = b"N0" * 70_000
    data = b"\x80\x04" + frame(len(filler) + 2) + filler + b"B\x07\x01\0\0\0\0"
    data += (_SYSTEM + b"(").ljust(261, b"N") + b"1."
    assert ("os", "system") in names_asked_for(data, READINGS[2])
    assert len(filler) > io.DEFAULT_BUFFER_SIZE
    assert ("os", "system") in our_names(data)


@pytest.mark.parametrize(("opcodes", "is_read_again"), [(1_000, True), (5, False)])
def test_frames_that_told_the_truth_are_read_once(
    opcodes: int, is_read_again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bound that is reached in one is reached by every reader."""
    asked: list[int] = []

    def other_readings(_: ByteSource, start: int) -> list[bytes]:
        asked.append(start)
        return []

    monkeypatch.setattr(frames, "other_readings", other_readings)
    data = pickle.dumps(["a", "b", "c", "d"], 4)[:-1] + b"\xff."
    machine = PickleMachine(MemorySource(data), Limits(opcodes=opcodes))
    with pytest.raises(PickleError):
        machine.run()
    assert bool(asked) == is_read_again
