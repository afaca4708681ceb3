"""Headers that the safetensors library refuses are not called sound, and those it takes are."""

from __future__ import annotations

import json
import struct
import tempfile
from pathlib import Path
from typing import Any

import safetensors
from hypothesis import example, given
from hypothesis import strategies as st

from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Severity
from ckptdoctor.formats import open_checkpoint
from tests.each import each

ENTRY = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
PAYLOAD = bytes(8)

REFUSED = {
    "a number in the metadata": '{"__metadata__":{"n":1},"a":%s}',
    "null in the metadata": '{"__metadata__":{"n":null},"a":%s}',
    "an object in the metadata": '{"__metadata__":{"n":{"a":"b"}},"a":%s}',
    "metadata that is a list": '{"__metadata__":["x"],"a":%s}',
    "metadata that is a text": '{"__metadata__":"x","a":%s}',
    "metadata by an escape": '{"__metad\\u0061ta__":{"n":1},"a":%s}',
    "metadata twice": '{"__metadata__":{},"__metadata__":{},"a":%s}',
    "half of a pair in a name": '{"a\\ud800":%s}',
    "half of a pair in the metadata": '{"__metadata__":{"a":"\\udc00"},"a":%s}',
    "Infinity": '{"a":{"x":Infinity,%s}',
    "NaN": '{"a":{"x":[NaN],%s}',
    "a float out of range": '{"a":{"x":1e999,%s}',
    "an integer out of range": '{"a":{"x":' + "9" * 400 + ",%s}",
    "half of a pair in another field": '{"a":{"x":"\\ud800",%s}',
    "a field twice": '{"a":{"dtype":"F32",%s}',
    "126 lists": '{"a":{"x":' + "[" * 126 + "]" * 126 + ",%s}",
    "130 lists": '{"a":{"x":' + "[" * 130 + "]" * 130 + ",%s}",
    "a zero with a sign": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[-0,8]}}',
    "a float for a size": '{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}',
    "a leading zero": '{"a":{"dtype":"F32","shape":[02],"data_offsets":[0,8]}}',
    "an overflow before a zero": '{"z":{"dtype":"F32","shape":[4611686018427387904,4,0],'
    '"data_offsets":[0,0]},"a":%s}',
    "text behind": '{"a":%s} x',
    "a zero byte behind": '{"a":%s}\0',
    "a comma behind": '{"a":%s,}',
    "a vertical tab": '{\x0b"a":%s}',
    "a control character": '{"a\x01":%s}',
}
TAKEN = {
    "an entry": '{"a":%s}',
    "metadata": '{"__metadata__":{"n":"1","ü":"\\ud83d\\ude00"},"a":%s}',
    "no metadata": '{"__metadata__":null,"a":%s}',
    "empty metadata": '{"__metadata__":{},"a":%s}',
    "white space": '{ "a" :\n\t%s \r} \n',
    "a pair": '{"a\\ud83d\\ude00":%s}',
    "another field": '{"a":{"x":-1.5e3,%s}',
    "125 lists": '{"a":{"x":' + "[" * 125 + "]" * 125 + ",%s}",
    "an empty tensor": '{"z":{"dtype":"F32","shape":[0,9223372036854775807,4],'
    '"data_offsets":[0,0]},"a":%s}',
}


def written(folder: str | Path, header: str | bytes, payload: bytes = PAYLOAD) -> Path:
    raw = header.encode() if isinstance(header, str) else header
    path = Path(folder, "a.safetensors")
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + payload)
    return path


def filled(header: str) -> str:
    if "%s" not in header:
        return header
    return header % (ENTRY[1:] if header.endswith(",%s}") else ENTRY)


def library_takes(path: Path) -> bool:
    try:
        with safetensors.safe_open(path, "np") as file:
            file.keys()
    except safetensors.SafetensorError:
        return False
    return True


def called_sound(path: Path) -> bool:
    try:
        problems = open_checkpoint(path).problems
    except CheckpointError:
        return False
    return not any(problem.severity is Severity.ERROR for problem in problems)


@each("name", REFUSED)
def test_what_the_library_refuses_is_not_called_sound(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, filled(REFUSED[name]))
    assert not library_takes(path)
    assert not called_sound(path)


@each("name", TAKEN)
def test_what_the_library_takes_is_called_sound(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, filled(TAKEN[name]))
    assert library_takes(path)
    assert called_sound(path)


ODD: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**65) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)
SIZES = st.lists(st.sampled_from([0, 1, 2, 4, 8, 2**31, 2**62, 2**63, 2**64]), max_size=4)
ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "I64", "BOOL", "BF16", "C64", "f32"]) | ODD,
        "shape": SIZES | ODD,
        "data_offsets": st.tuples(st.integers(0, 9), st.integers(0, 9)) | ODD,
    },
    optional={"x": ODD},
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "a": ENTRIES,
        "b": ENTRIES | ODD,
        "__metadata__": st.dictionaries(st.text(max_size=2), st.text(max_size=2) | ODD) | ODD,
    },
)


@given(HEADERS)
def test_no_header_that_the_library_refuses_is_called_sound(header: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(folder, json.dumps(header))
        assert library_takes(path) or not called_sound(path)


@given(st.binary(max_size=6), st.integers(0, 200), st.integers(0, 8))
@example(b"", 0, 0)
def test_no_damaged_header_that_the_library_refuses_is_called_sound(
    new: bytes, at: int, cut: int
) -> None:
    sound = (
        '{"__metadata__":{"format":"pt","\u00fc":"\\n"},"a.b":{"dtype":"F32","shape":[1,2],'
        '"data_offsets":[0,8]},"c":{"dtype":"I64","shape":[0],"data_offsets":[8,8]}}   '
    ).encode()
    at = min(at, len(sound))
    with tempfile.TemporaryDirectory() as folder:
        path = written(folder, sound[:at] + new + sound[at + cut :])
        assert library_takes(path) or not called_sound(path)
