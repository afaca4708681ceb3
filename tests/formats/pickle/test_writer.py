"""What the machine read, written again: Python's own pickle must see the same."""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import enum
import math
import pathlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptdoctor.errors import UnsupportedCheckpointError
from ckptdoctor.formats.open_file import opened
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.nodes import DictNode, Instance
from ckptdoctor.formats.pickle.writer import UnwritableError, write_pickle
from ckptdoctor.formats.saved_object import read_object
from ckptdoctor.formats.source import MemorySource
from tests.each import assert_each

PROTOCOLS = range(6)


class Colour(enum.Enum):
    RED = 1


class Slotted:
    __slots__ = ("x", "y")

    def __init__(self) -> None:
        self.x, self.y = 1, [2]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slotted) and (self.x, self.y) == (other.x, other.y)

    __hash__ = None  # type: ignore[assignment]


class Outer:
    class Inner:
        """Its name has a dot, which protocol 2 cannot say."""


def written(raw: bytes) -> bytes:
    source = MemorySource(raw)
    root, _ = PickleMachine(source).run()
    return write_pickle(root, source)


def again(value: Any, protocol: int = 2) -> Any:
    return pickle.loads(written(pickle.dumps(value, protocol)))


VALUES: list[Any] = [
    *(1, -5, 255, 256, 65536, -(2**31), 2**31, 2**70, -(2**70), 1.5, -0.0, math.inf),
    *(None, True, False, "a", "ü" * 300, "\ud800", "x" * 2_000_000),
    *(b"", b"\x00\xff" * 5000, bytes(range(256))),
    *((), (1,), (1, 2), (1, 2, 3), tuple(range(9)), [], [1], list(range(5000))),
    *({}, {"a": {"b": (1, [2])}}, {at: str(at) for at in range(3000)}),
    *({1, 2}, frozenset({3}), frozenset(), collections.OrderedDict(a=1, b=[2])),
    *(collections.Counter("aab"), collections.defaultdict(list, {"a": [1]})),
    *(argparse.Namespace(x=1, y="z"), pathlib.PurePosixPath("/a"), slice(1, 2), 3 + 4j),
    *(dt.datetime(2024, 1, 2, tzinfo=dt.UTC), Colour.RED, Slotted()),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_values_of_every_kind(protocol: int) -> None:
    def is_read_back(value: Any) -> None:
        if isinstance(value, Slotted) and protocol < 2:
            return  # these know no slots
        if isinstance(value, str) and len(value) > 10**6 and protocol == 0:
            return  # a line too long to be read
        found = again(value, protocol)
        assert type(found) is type(value)
        assert found == value

    assert_each(VALUES, is_read_back)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy(protocol: int) -> None:
    array = np.arange(2000, dtype=np.float32).reshape(40, 50)
    assert np.array_equal(again(array, protocol), array)
    assert again(np.float64(0.5), protocol) == np.float64(0.5)


def test_what_was_shared_stays_shared() -> None:
    shared = [1, 2]
    found = again({"a": shared, "b": [shared, shared], "c": (shared,)})
    assert found["a"] is found["b"][0] is found["b"][1] is found["c"][0]


def test_what_holds_itself() -> None:
    ring: list[Any] = []
    ring.append(ring)
    found = again(ring)
    assert found[0] is found
    loop: dict[str, Any] = {}
    loop["self"] = loop
    assert again(loop)["self"]["self"] is not None
    space = argparse.Namespace()
    space.me = space
    assert again(space).me.me.me is not None


def test_deep_nesting_needs_no_recursion() -> None:
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep, {"x": deep}]
    found = again(deep)
    for _ in range(200):
        assert found[0] is found[1]["x"]
        found = found[0]


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@settings(max_examples=150, deadline=None)
@given(plain, st.sampled_from(list(PROTOCOLS)))
def test_any_plain_object(value: Any, protocol: int) -> None:
    assert again(value, protocol) == value


@pytest.mark.parametrize(
    ("value", "protocol", "words"),
    [
        (Outer.Inner, 4, "nested global"),
        (1 << 5000, 2, "integer"),
    ],
)
def test_what_protocol_2_cannot_say_is_refused(value: Any, protocol: int, words: str) -> None:
    with pytest.raises((UnwritableError, ValueError), match=words):
        again(value, protocol)


def test_an_object_among_its_own_arguments_is_refused() -> None:
    loop = Instance(DictNode([]), ())
    loop.args = (loop,)
    with pytest.raises(UnwritableError, match="among its own arguments"):
        write_pickle(loop, MemorySource(b""))
    with pytest.raises(UnwritableError, match="a complex"):
        write_pickle(1j, MemorySource(b""))


def test_byte_arrays_of_protocol_5_are_told_from_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"w": np.ones(3), "b": bytearray(b"abc")}, 5))
    with opened(path) as file, pytest.raises(UnsupportedCheckpointError, match="byte arrays"):
        read_object(file)


def test_nothing_is_executed(capfd: pytest.CaptureFixture[str]) -> None:
    raw = b"cos\nsystem\n(S'echo owned'\ntR."
    assert b"system" in written(raw)
    assert "owned" not in capfd.readouterr().out
