"""Mutants are judged by the tests that ran the line, and by no others."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.benchmarks.mutants_ran import FileRan, chosen_tests, lines_around

MODULE = "ckptdoctor/a.py"
SOURCE = dedent(
    """\
    LIMIT = 3

    def is_high(
        value, least=LIMIT
    ):
        if (
            value > least
            or value < 0
        ):
            return True
        return False

    def other():
        return LIMIT
    """
)


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        (8, [6, 7, 8, 9]),  # a condition over several lines, without what it decides
        (10, [10]),
        (4, [6, 7, 8, 9, 10, 11]),  # a default: whoever calls the function
        (1, [6, 7, 8, 9, 10, 11, 14]),  # a table of the module: whoever calls anything in it
    ],
)
def test_a_line_is_that_of_its_statement(line: int, lines: list[int]) -> None:
    assert lines_around(SOURCE, line) == lines


def test_the_tests_that_ran_a_line_are_chosen_the_quick_ones_first_within_a_bound() -> None:
    ran = FileRan(
        seconds={"t.py::slow": 3.0, "t.py::quick": 0.1, "t.py::other": 0.1, "t.py::starts": 0.2},
        ran={MODULE: {"10": [0, 1], "14": [2]}},
    )
    assert chosen_tests(MODULE, [10], {"t.py": ran}, 9.0).tests == ("t.py::quick", "t.py::slow")
    assert chosen_tests(MODULE, [10], {"t.py": ran}, 1.0).tests == ("t.py::quick",)
    assert chosen_tests(MODULE, [11], {"t.py": ran}, 9.0).tests == ("t.py::starts",)
