"""JSON objects read member by member: the same as all at once, whatever the window cuts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.formats import json_stream
from ckptdoctor.formats.json_stream import JsonError, JsonStream, TooLongError
from ckptdoctor.formats.source import MemorySource
from tests.each import each

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=8,
)


def read(text: bytes) -> dict[str, Any]:
    stream = JsonStream(MemorySource(text))
    found = {key: stream.value(1 << 20) for key in stream.members()}
    stream.finish()
    return found


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8")), VALUES),
    st.integers(1, 40),
    st.booleans(),
    st.sampled_from([None, 1]),
)
def test_any_object_is_read_through_windows_of_any_size(
    found: dict[str, Any], window: int, ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(found, ensure_ascii=ascii_only, indent=indent).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_WINDOW_NBYTES", window)
        assert read(text) == found


@each(
    ("text", "message", "offset"),
    [
        (b"", "'{' is expected", 0),
        (b"[1]", "'{' is expected", 0),
        (b'{"a":1', "'}' is expected", 6),
        (b'{"a":1}x', "something follows the object", 7),
        (b'{"a":1,"a":2}', "a key stands in it twice", 10),
        (b'{"a":{"b":1,"b":2}}', "a key stands in it twice", 5),
        (b"{a:1}", "a key in double quotes is expected", 1),
        (b'{"a":1e}', "'}' is expected", 6),
        (b'{"a":}', "Expecting value", 5),
        (b'{"a":[1 2]}', "Expecting ',' delimiter", 8),
        (b'{"a":"\xff"}', "it is no UTF-8: invalid start byte", 6),
    ],
)
def test_what_is_no_json_is_told_with_its_place(text: bytes, message: str, offset: int) -> None:
    with pytest.raises(JsonError) as caught:
        read(text)
    assert (caught.value.message, caught.value.offset) == (message, offset)


def test_a_value_that_is_too_long_is_refused_before_it_is_held() -> None:
    source = MemorySource(b'{"a":[' + b"[]," * 1_000_000 + b"[]]}")
    stream = JsonStream(source)
    next(stream.members())
    with pytest.raises(TooLongError):
        stream.value(1000)


def test_damage_early_in_a_long_text_is_damage_and_not_length() -> None:
    stream = JsonStream(MemorySource(b'{"a":[}' + b" " * 2_000_000))
    next(stream.members())
    with pytest.raises(JsonError, match="Expecting value"):
        stream.value(1000)
