"""Cases that are one test are each tried, and each told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.each import assert_each, each


def told_of(error: BaseExceptionGroup[BaseException]) -> str:
    return "\n".join(
        [str(error), *(note for one in error.exceptions for note in getattr(one, "__notes__", ()))]
    )


def test_every_case_that_fails_is_told_and_those_behind_it_are_tried() -> None:
    tried: list[int] = []

    @each("number, word", [pytest.param(at, "x" * at, id=f"the {at}th") for at in range(20)])
    def is_even(number: int, word: str) -> None:
        tried.append(number)
        assert number % 2 == 0
        assert len(word) == number

    with pytest.raises(BaseExceptionGroup, match="10 of 20 cases fail") as failure:
        is_even()
    assert tried == [*range(20)]
    for at in range(20):
        assert (f"the {at}th: number={at}" in told_of(failure.value)) == (at % 2 == 1)


def test_what_raises_nothing_where_it_should_is_told_by_its_case() -> None:
    @each("value", [1, 0], ids=["one", "nothing"])
    def is_no_divisor(value: int) -> None:
        with pytest.raises(ZeroDivisionError):
            print(1 / value)

    with pytest.raises(BaseExceptionGroup) as failure:
        is_no_divisor()
    assert "case: one: value=1" in told_of(failure.value)
    assert "nothing" not in told_of(failure.value)


def test_neither_a_case_that_is_skipped_nor_none_at_all_passes() -> None:
    with pytest.raises(BaseExceptionGroup, match="1 of 2 cases fail"):
        assert_each([0, 1], lambda case: pytest.skip("not here") if case else None)
    with pytest.raises(AssertionError, match="there are no cases"):
        assert_each([], print)
    with pytest.raises(AssertionError, match="a case with a mark"):
        each("value", [pytest.param(1, marks=pytest.mark.slow)])


@each("value", [3, 4])
@each(("name", "pair"), [("A", (1, 2)), ("B", (3, 4))])
def test_each_has_what_is_its_own(
    name: str,
    pair: tuple[int, int],
    value: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert [*tmp_path.iterdir()] == []
    assert [*tmp_path.parent.iterdir()] == [tmp_path]
    assert "CKPTDOCTOR_A_CASE" not in os.environ
    assert capsys.readouterr().out == ""
    (tmp_path / name).touch()
    monkeypatch.setenv("CKPTDOCTOR_A_CASE", str(pair[0] + value))
    print(name)
