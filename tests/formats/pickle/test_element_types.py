"""Types of numpy's elements: numpy is the oracle, and what it does not write is refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ckptdoctor.errors import CorruptCheckpointError
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.formats.pickle.element_types import Elements, ElementTypes
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.nodes import Node, PickleError
from ckptdoctor.formats.source import MemorySource
from tests.bad_inputs.opcodes import Opcodes, call, named, pickle_of, push, with_state
from tests.each import each

DTYPES = [
    "f2", "f4", ">f8", "c8", ">c16", "b1", "i1", "u2", ">i4", "i8", "U3", ">U7", "S5", "V6",
    "M8[D]", "m8[ns]", "O", [("a", "f4"), ("b", "i8")], [("a", "f4"), ("b", "O")],
    [("a", [("b", "u1"), ("c", [("d", "O")])])], [("a", "f4", (2, 3)), ("b", "U2")],
    [("a", "O", (2,))], [(("a title", "a"), "f4")], [],
]  # fmt: skip


def read(data: bytes) -> Node:
    return PickleMachine(MemorySource(data)).run()[0]


@each("protocol", [2, 5])
@each(
    "described",
    DTYPES,
)
def test_what_numpy_writes_is_told_as_numpy_tells_it(described: Any, protocol: int) -> None:
    aligned = isinstance(described, list)
    for dtype in (np.dtype(described), np.dtype(described, align=aligned)):
        kind, nbytes = ElementTypes().elements_of(read(pickle.dumps(dtype, protocol)))
        assert kind is (Elements.OBJECTS if dtype.hasobject else Elements.NUMBERS)
        assert nbytes == dtype.itemsize


def dtype_of(code: Any, *state: Any) -> Opcodes:
    made = call(named("numpy", "dtype"), code, False, True)
    return with_state(made, state) if state else made


OBJECT = dtype_of("O8", 3, "|", None, None, None, -1, -1, 63)
PLAIN = dtype_of("f4", 3, "<", None, None, None, -1, -1, 0)
ODD = {
    "flags that are a bool": dtype_of("f4", 3, "<", None, None, None, -1, -1, False),
    "no state": dtype_of("f4"),
    "a size that is not its own": dtype_of("S4", 3, "|", None, None, None, 9, 1, 0),
    "a void of another size": dtype_of("V4", 3, "|", None, None, None, 9, 1, 0),
    "numbers with a flag of objects": dtype_of("f4", 3, "<", None, None, None, -1, -1, 1),
    "an older version": dtype_of("f4", 2, "<", None, None, None, -1, -1),
    "more than there is": dtype_of("f4", 3, "<", None, None, None, -1, -1, 0, None),
    "a code with an order": dtype_of("<f4", 3, "<", None, None, None, -1, -1, 0),
}


@each("made", ODD.values(), ids=ODD)
def test_what_numpy_does_not_write_is_odd(made: Opcodes) -> None:
    assert ElementTypes().elements_of(read(pickle_of(made)))[0] is Elements.ODD


def fields(inner: Opcodes, flags: Any, *, code: str = "V8") -> Opcodes:
    place = {"x": Opcodes(b"(" + inner + push(0) + b"t")}
    return dtype_of(code, 3, "|", None, ("x",), place, 8, 1, flags)


FORGED = {
    "objects without the flag": dtype_of("O8", 3, "|", None, None, None, -1, -1, 0),
    "objects that are no list": dtype_of("O8", 3, "|", None, None, None, -1, -1, 1),
    "a field of objects": fields(OBJECT, 16),
    "a field in a field": fields(fields(OBJECT, 27), 8),
    "a flag that is true": fields(OBJECT, True),
    "a subarray": dtype_of("V8", 3, "|", (OBJECT, (1,)), None, None, 8, 1, 0),
    "an older version": dtype_of("V8", 2, "|", None, ("x",), {"x": (OBJECT, 0)}, 8, 1),
    "a class for a code": dtype_of(named("builtins", "object"), 3, "|", *[None] * 3, -1, -1, 0),
    "codes with a comma": dtype_of("O,O", 3, "|", None, None, None, 16, 1, 0),
    "a field that is described later": fields(Opcodes(dtype_of("V8") + b"q\x07"), 0),
    "described twice": with_state(PLAIN, (3, "<", None, None, None, -1, -1, 0)),
}


@each("made", FORGED.values(), ids=FORGED)
def test_a_type_that_hides_objects_is_refused(made: Opcodes, tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    array = call(named("numpy._core.multiarray", "_reconstruct"), named("numpy", "ndarray"), (0,))
    path.write_bytes(pickle_of(with_state(array, (1, (1,), made, False, b"\x07" * 8))))
    with pytest.raises(CorruptCheckpointError, match="type of numpy's elements") as caught:
        open_checkpoint(path)
    assert caught.value.offset is not None
    assert path.read_bytes()[caught.value.offset :][:1] == b"b"  # the BUILD that describes it


@each("made", FORGED.values(), ids=FORGED)
def test_so_is_one_that_stands_alone(made: Opcodes) -> None:
    with pytest.raises(PickleError, match="type of numpy's elements"):
        read(pickle_of(made))


def test_fields_that_are_changed_afterwards_are_looked_at_again() -> None:
    place = Opcodes(push({"x": Opcodes(b"(" + PLAIN + push(0) + b"t")}) + b"q\x05")
    made = dtype_of("V8", 3, "|", None, ("x",), place, 8, 1, 0)
    changed = b"h\x05" + push("x") + b"(" + OBJECT + push(0) + b"ts0"
    read(pickle_of(made))
    with pytest.raises(PickleError, match="hides that it holds objects"):
        read(pickle_of(Opcodes(made + changed)))


def test_arrays_of_objects_stay_sound(tmp_path: Path) -> None:
    rows = np.array([(1, "a"), (2, None)], dtype=[("n", "i4"), ("what", "O")])
    tree = {"rows": rows, "objects": np.array([1, "x"], dtype=object), "w": np.ones(2)}
    for protocol in range(6):
        path = tmp_path / f"{protocol}.pkl"
        path.write_bytes(pickle.dumps(tree, protocol))
        assert open_checkpoint(path).problems == ()


def test_bytes_for_objects_are_no_array(tmp_path: Path) -> None:
    """numpy refuses them, as the flags tell."""
    path = tmp_path / "a.pkl"
    array = call(named("numpy._core.multiarray", "_reconstruct"), named("numpy", "ndarray"), (0,))
    forged = with_state(array, (1, (1,), OBJECT, False, b"\x07" * 8))
    path.write_bytes(pickle_of(push({"w": forged})))
    (problem,) = open_checkpoint(path).problems
    assert (problem.code, problem.subject) == ("CD104", "w")


def test_types_within_types_do_not_take_long() -> None:
    """Each of them holds the one before it, as often as it has fields."""
    made = bytes(PLAIN + b"q\x000")
    for depth in range(6):
        inner = Opcodes(b"(h" + bytes([depth]) + push(0) + b"t")
        places = {f"f{number}": inner for number in range(40)}
        made += dtype_of("V8", 3, "|", None, (), places, 8, 1, 0) + b"q" + bytes([depth + 1]) + b"0"
    with pytest.raises(PickleError, match="hides that it holds objects"):
        read(pickle_of(Opcodes(made + b"N")))
