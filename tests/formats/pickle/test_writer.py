"""What the machine read, written again: Python's own pickle must see the same."""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import enum
import io
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
from ckptdoctor.formats.pickle.nodes import (
    BytesRef,
    DictNode,
    GlobalRef,
    Instance,
    Node,
    PersistentId,
)
from ckptdoctor.formats.pickle.writer import UnwritableError, write_bare_pickle, write_pickle
from ckptdoctor.formats.saved_object import read_object
from ckptdoctor.formats.source import MemorySource
from tests.each import assert_each, each

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


def bare(root: Node, raw: bytes) -> bytes:
    out = io.BytesIO()
    write_bare_pickle(root, MemorySource(raw), out)
    return out.getvalue()


class Bag(collections.deque[Any]):
    """Holds members and attributes."""


class Table(collections.OrderedDict[Any, Any]):
    """Holds pairs and attributes."""


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


@each("protocol", PROTOCOLS)
def test_numpy(protocol: int) -> None:
    array = np.arange(2000, dtype=np.float32).reshape(40, 50)
    assert np.array_equal(again(array, protocol), array)
    assert again(np.float64(0.5), protocol) == np.float64(0.5)


def test_what_was_shared_stays_shared() -> None:
    shared = [1, 2]
    found = again({"a": shared, "b": [shared, shared], "c": (shared,)})
    assert found["a"] is found["b"][0] is found["b"][1] is found["c"][0]


_SHARED: list[Any] = [
    *([1], {"a": 1}, {1, 2}, frozenset({3}), (1, [2]), "a text", collections.OrderedDict(a=1)),
    *(argparse.Namespace(x=1), Slotted(), collections.Counter("aab"), bytearray(b"ab")),
]


@each(
    "shared",
    _SHARED,
)
def test_so_does_an_object_of_every_kind(shared: Any) -> None:
    found = again([shared, {"a": shared}, 7])
    assert found[0] is found[1]["a"]
    assert found[0] == shared
    assert found[2] == 7


_TEXTS = [f"text {number}" for number in range(300)]


@pytest.mark.parametrize(
    "value",
    [
        [_TEXTS, *_TEXTS[250:260]],  # known by a byte, and by more
        [0, 1, 255, 256, 65_535, 65_536, -1, -(2**31), 2**31 - 1, 2**31, -(2**31) - 1, 2**70, 0.5],
        [*range(2_500)],
        {f"key {number}": [number, None] for number in range(1_500)},  # the memo beyond 256
        [[f"text {number}" for number in range(300)], (), ("a", True), (1, 2, 3), (1, 2, 3, 4)],
    ],
    ids=["the memo", "numbers", "a long list", "a long dict", "texts and tuples"],
)
def test_plain_data_is_written_byte_for_byte_as_python_writes_it(value: Any) -> None:
    raw = pickle.dumps(value, 2)
    assert written(raw) == raw


def test_many_sets_are_told_apart() -> None:
    sets = [{number} for number in range(300)]
    assert again(sets) == sets


def test_what_is_known_by_its_place_is_written_as_its_value() -> None:
    raw = pickle.dumps({"lr": 0.5, "on": True, "step": [7, None]}, 2)
    root, _ = PickleMachine(MemorySource(raw), track_scalars=True).run()
    assert pickle.loads(write_pickle(root, MemorySource(raw))) == pickle.loads(raw)


@pytest.mark.parametrize(
    "raw",
    [b"(K\x01K\x02ibuiltins\nslice\n.", b"(cbuiltins\nslice\nK\x01K\x02o.", b"(ibuiltins\ndict\n."],
)
def test_objects_as_python_2_made_them(raw: bytes) -> None:
    assert pickle.loads(written(raw)) == pickle.loads(raw)


def test_objects_keep_members_pairs_and_attributes() -> None:
    bag, table = Bag([1, [2]]), Table(a=1, b=[2])
    bag.name = table.name = "x"  # type: ignore[attr-defined]
    for value in (bag, table):
        found = again(value)
        assert (type(found), found, found.name) == (type(value), value, "x")


def test_long_texts_and_byte_strings_are_copied_from_where_they_lie() -> None:
    text, blob = "ü" * 600_000, bytes(range(256)) * 40
    raw = pickle.dumps([text, blob, 7, [text]], 4)
    source = MemorySource(raw, file_offset=0)
    root, _ = PickleMachine(source).run()
    assert [type(one) for one in root[:2]] == [BytesRef, BytesRef]
    for data in (write_pickle(root, source), bare(root, raw)):
        found = pickle.loads(data)
        assert found == [text, blob, 7, [text]]
    assert found[0] is found[3][0]  # and what was shared, stays shared


def test_a_byte_string_that_is_gone_is_not_written_in_part() -> None:
    raw = pickle.dumps(b"x" * 9_000, 4)
    root, _ = PickleMachine(MemorySource(raw, file_offset=0)).run()
    with pytest.raises(UnwritableError, match="was cut"):
        bare(root, raw[:5_000])


@pytest.mark.parametrize("protocol", range(5))
def test_a_bare_pickle_is_read_by_python_whatever_protocol_it_came_in(protocol: int) -> None:
    """Written in protocol 4, in which no name is taken for one of Python 2's any more."""

    def is_read_back(value: Any) -> None:
        if isinstance(value, Slotted) and protocol < 2:
            return
        raw = pickle.dumps(value, protocol)
        root, _ = PickleMachine(MemorySource(raw)).run()
        found = pickle.loads(bare(root, raw))
        assert type(found) is type(value)
        assert found == value

    assert_each(
        [one for one in VALUES if not isinstance(one, str) or len(one) < 1000], is_read_back
    )


def test_a_name_of_today_is_not_taken_for_one_of_python_2() -> None:
    raw = b"\x80\x04ccommands\nConfig\n."  # a module of the user's, and once one of Python's
    root, _ = PickleMachine(MemorySource(raw)).run()
    assert b"ccommands\nConfig\n" in bare(root, raw)
    assert b"ccommands\nConfig\n" not in bare(root, raw.replace(b"\x80\x04", b"\x80\x02"))


class _Storages(pickle.Unpickler):
    """Gives every persistent id as it stands."""

    def persistent_load(self, pid: Any) -> Any:
        return "id", pid


def test_references_to_storages_stay_what_they_were() -> None:
    whole = ("storage", "float", "0", "cpu", 4, None)
    for pid, kept in (
        (whole, whole[:5]),  # of torch's old format, a storage that is no view
        (whole[:5], whole[:5]),
        (("module",), ("module",)),
        ("abcdef", "abcdef"),
        ("any", "any"),
    ):
        data = write_pickle([PersistentId(pid), 7], MemorySource(b""))
        assert _Storages(io.BytesIO(data)).load() == [("id", kept), 7]
    cls = PersistentId(("module", GlobalRef("x", module="builtins", qualname="int"), "f", "src"))
    assert pickle.loads(write_pickle(cls, MemorySource(b""))) is int  # without its source
    assert pickle.loads(write_pickle(PersistentId(cls.pid[:2]), MemorySource(b""))) is int
    with pytest.raises(UnwritableError, match="a view of another one"):
        write_pickle(PersistentId((*whole[:5], ("1", 0, 4))), MemorySource(b""))


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
        (1 << 2040, 2, "integer of more than 2,000 bits"),
    ],
)
def test_what_protocol_2_cannot_say_is_refused(value: Any, protocol: int, words: str) -> None:
    with pytest.raises((UnwritableError, ValueError), match=words):
        again(value, protocol)


def test_the_longest_integer_is_written() -> None:
    for value in (2**2038, -(2**2038)):
        assert again(value) == value


@pytest.mark.parametrize(
    ("module", "qualname", "words"),
    [("", "x", "no plain name"), ("a\nb", "x", "no plain name"), ("a", "x\ny", "no plain name")],
)
def test_names_that_a_line_cannot_hold_are_refused(module: str, qualname: str, words: str) -> None:
    with pytest.raises(UnwritableError, match=words):
        write_pickle(GlobalRef("a.x", module=module, qualname=qualname), MemorySource(b""))


def test_a_call_with_keywords_is_refused() -> None:
    with pytest.raises(UnwritableError, match="keyword arguments"):
        written(b"cmynet\nNet\n)}\x92.")


def test_a_tuple_that_holds_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append((1, ring))
    assert again(ring)[0][1][0][0] == 1
    ours: list[Node] = []
    loop = (ours, 1)
    ours.append(loop)
    with pytest.raises(UnwritableError, match="a tuple that holds itself"):
        write_pickle(loop, MemorySource(b""))


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
