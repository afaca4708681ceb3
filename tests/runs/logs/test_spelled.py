"""Numbers in the spellings of programs: what is one is read as it was, what is none stays."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.logs.spelled import NUMBER, has_decimal_comma, plain
from tests.each import each


@each(
    ("text", "number"),
    [
        ("np.float64(nan)", "nan"),
        ("np.float32(0.5)", "0.5"),
        ("tensor([nan])", "nan"),
        ("tensor(0.5, device='cuda:0', grad_fn=<NllLossBackward0>)", "0.5"),
        ("array(nan, dtype=float32)", "nan"),
        ("DeviceArray(0.5, dtype=float32)", "0.5"),
        ("<tf.Tensor: shape=(), dtype=float32, numpy=0.5>", "0.5"),
        ("Decimal('NaN')", "NaN"),
        ("float('inf')", "inf"),
        ("np.nan", "nan"),
        ("math.inf", "inf"),
        ("-nan(ind)", "-nan"),
        ("nan(0x7f)", "nan"),
        ("nanxxx", "nan"),
        ("-infxx", "-inf"),
        ("-∞", "-inf"),
        ("1.#QNAN", "nan"),
        ("-1.#IND00", "nan"),
        ("1.#INF", "inf"),
        ("-1.#INF", "-inf"),
        ("1.#J", "inf"),  # 1.#INF to two digits
        ("-1.#J", "nan"),  # and -1.#IND to two
        ("1.#QO", "nan"),
        ("1.#IO", "inf"),
        ("1,234.5", "1234.5"),
        ("1,234,567", "1234567"),
        ("[np.float32(0.5), np.float32(nan)]", "[0.5, nan]"),
        ("tensor([0.5, 0.6], device='cuda:0')", "[0.5, 0.6]"),
    ],
)
def test_a_number_as_programs_print_it(text: str, number: str) -> None:
    assert plain(f"loss: {text} end") == f"loss: {number} end"


@each(
    "text",
    [
        "shape [1,2,3]",
        "at (5,6)",
        "a,b",
        "banana(3)",
        "inform(nano)",
        "tensor(float32)",
        "1.5, 2.5",
        "issue #12",
        "info.name",
    ],
)
def test_what_is_no_spelling_of_a_number_stays(text: str) -> None:
    assert plain(text) == text


def test_a_comma_is_that_of_decimals_only_where_nothing_else_is_possible() -> None:
    sure = ("loss: 0,64", "loss: 12,5 ", "loss: 1,2345", "loss = 0,5, acc = 0,7", "acc: 64,1%")
    assert all(map(has_decimal_comma, sure))
    assert not any(map(has_decimal_comma, ("loss: 1,234", "x: 1,234.5", "[1,2]", "1,2,3", "5")))
    assert [plain(text) for text in sure[:3]] == ["loss: 0.64", "loss: 12.5 ", "loss: 1.2345"]


def test_where_a_log_writes_decimals_so_three_digits_are_no_thousand() -> None:
    assert plain("loss: 1,234 ") == "loss: 1234 "
    assert plain("loss: 0,512 ") == "loss: 0.512 ", "no thousand begins with a 0"
    assert plain("loss: 1,234 ", commas=True) == "loss: 1.234 "


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_read_back_in_every_wrapping(value: float) -> None:
    assert_read_back(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_python_prints_is_read_back_in_every_wrapping(value: float) -> None:
    assert_read_back(value)


def assert_read_back(value: float) -> None:
    for text in (
        f"np.float64({value!r})",
        f"tensor({value!r}, device='cuda:0')",
        f"array({value!r}, dtype=float32)",
        f"[{value!r}]",
        repr(value),
    ):
        (found,) = re.findall(NUMBER, plain(f"loss: {text}"))
        assert float(found) == value or (math.isnan(value) and math.isnan(float(found)))


@given(st.integers(1000, 10**12), st.integers(0, 99))
def test_thousands_that_python_groups_are_read_back(whole: int, rest: int) -> None:
    assert plain(f"count: {whole:,}.{rest:02} end") == f"count: {whole}.{rest:02} end"


@given(st.floats(-1e6, 1e6))
def test_a_decimal_comma_is_read_back_in_a_log_that_has_them(value: float) -> None:
    text = f"{value:.4f}".replace(".", ",")
    assert plain(f"loss: {text}; acc: 0,5", commas=True) == f"loss: {value:.4f}; acc: 0.5"


def test_a_version_or_a_word_is_no_number() -> None:
    assert re.fullmatch(NUMBER, "1.5e-3")
    assert re.fullmatch(NUMBER, ".5")
    assert re.fullmatch(NUMBER, "-Infinity")
    for text in ("1.2.3", "3x", "nano", "info", "", "0x7f"):
        assert re.fullmatch(NUMBER, text) is None
        assert re.match(NUMBER, text) is None or text == "", text
