"""JSON as Python's own encoder writes it."""

from __future__ import annotations

import enum
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.render.machine.as_json import dump, dump_line

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # lone surrogates stand in names that are no UTF-8
    | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Mode(enum.StrEnum):
    """A text that is more than one."""

    MAX = "max"


@given(PLAIN)
def test_it_says_what_the_standard_library_says(value: Any) -> None:
    assert dump(value) == json.dumps(value, indent=2) + "\n"
    assert dump_line(value) == json.dumps(value) + "\n"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        ({"a": (1, math.inf)}, {"a": [1, "Infinity"]}),
        ({1: 2, None: Mode.MAX}, {"1": 2, "None": "max"}),
        ({1: "first", "1": "last"}, {"1": "last"}),
        ([1e400, True, 2**70, -0.0], ["Infinity", True, 2**70, -0.0]),
        (1 + 2j, "(1+2j)"),
    ],
)
def test_any_value_becomes_one_that_parsers_take(value: Any, plain: Any) -> None:
    assert dump(value) == json.dumps(plain, indent=2, allow_nan=False) + "\n"
    assert json.loads(dump_line(value)) == plain
