"""The pattern of many words matches the words themselves, the longest first, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.logs.any_word import any_word

_WORDS = st.lists(st.text("ab.|(é", min_size=1, max_size=4), min_size=1, max_size=8)


@given(_WORDS, st.text("ab.|(é", max_size=12))
def test_it_finds_what_the_words_in_order_of_length_find(words: list[str], text: str) -> None:
    plainly = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    assert re.findall(any_word(words), text) == re.findall(plainly, text)


@pytest.mark.parametrize("words", [["ab", "abc"], ["abc", "ab"]])
def test_the_longest_wins_in_whatever_order_they_stand(words: list[str]) -> None:
    found = re.match(any_word(words), "abcd")
    assert found is not None
    assert found[0] == "abc"


def test_words_are_taken_to_the_letter() -> None:
    assert re.fullmatch(any_word(["a.c", "("]), "abc") is None
    assert re.fullmatch(any_word(["a.c", "("]), "(") is not None


def test_what_goes_on_behind_it_is_not_drawn_into_it() -> None:
    """It stands within larger patterns as it is."""
    assert re.fullmatch(f"{any_word(['loss', 'lr'])}s", "lrs") is not None
    assert re.fullmatch(f"{any_word(['loss', 'lr'])}s", "lr") is None
    assert re.fullmatch(f"x{any_word(['a', 'ab'])}", "xab") is not None
