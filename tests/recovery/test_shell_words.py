"""The words of a command line are those that a shell makes of it."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from ckptdoctor.errors import UsageError
from ckptdoctor.recovery.shell_words import commands_of
from tests.bash import words_of
from tests.each import each

LINES = [
    "python a.py --lr 1",
    "python 'a b' \"c d\" e\\ f",
    "python 'it'\"'\"'s' x''y",
    "python \"a 'b' c\" 'd \"e\" f'",
    "python \\\n  --lr 1 \\\n  --wd 2",
    "python $'a\\tb\\'c'",
    'python "a\\"b" "c\\\\d" "e\\$f"',
    "python a < /dev/null b",
    "python a 2>/dev/null b 2>&1 c 2>&- d",
    "python a # and not this",
    "python a#b",
    "python --a=b=c --d='e f'",
    "python a;",
    "python a\n",
]


@each("line", LINES)
def test_one_command_has_the_words_of_bash(line: str) -> None:
    found = [words for words, _ in commands_of(line) if words]
    assert [[word.text for word in words] for words in found] == [words_of(line)]
    assert not any(word.live for words in found for word in words)


def test_each_word_says_where_it_stands() -> None:
    line = "cd 'a b' && A=1 python  t.py\t--lr=$LR | tee \"$OUT/log\""
    words = [word for found, _ in commands_of(line) for word in found]
    assert [line[word.start : word.end] for word in words] == [
        *("cd", "'a b'", "A=1", "python", "t.py", "--lr=$LR", "tee", '"$OUT/log"'),
    ]
    assert [word.text for word in words if word.live] == ["--lr=$LR", "$OUT/log"]


@each("operator", ["&&", "||", ";", "|", "&", "\n"])
def test_commands_are_told_apart_by_what_joins_them(operator: str) -> None:
    for line in (f"a b{operator}c d", f"a b {operator} c d", f"'a' b{operator} c \"d\""):
        told = [([word.text for word in words], behind) for words, behind in commands_of(line)]
        assert told == [(["a", "b"], operator), (["c", "d"], "")]


@each(
    "word",
    [
        *("$(a 'b )' c)", "$(a 'b' \")\" c)", '"$(a "b c" d)"', '${A:-"b }"}'),
        *('`a "b c"`', '`a "it\'s"`', "$(a $(b) `c`)", "~/a"),
    ],
)
def test_what_the_shell_has_yet_to_fill_in_is_one_word(word: str) -> None:
    ((words, behind),) = commands_of(f"python {word} last")
    assert [one.live for one in words] == [False, True, False]
    assert (words[1].end - words[1].start, behind) == (len(word), "")


@each("line", ["a 'b", 'a "b', "a $(b", "a ${b", "a `b", 'a "$(b"', "a $'b\\'"])
def test_what_is_never_closed_is_told_with_its_place(line: str) -> None:
    with pytest.raises(UsageError, match="at line 2, column 3 is never closed"):
        list(commands_of(f"x\n{line}"))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("ab '\"\\$#=~-*?é", min_size=1, max_size=6), min_size=1, max_size=4))
def test_any_words_in_single_quotes_are_those(words: list[str]) -> None:
    line = " ".join(["python", *("'" + one.replace("'", "'\\''") + "'" for one in words)])
    ((found, _),) = commands_of(line)
    assert [word.text for word in found] == ["python", *words]
