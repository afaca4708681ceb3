"""Every name is one word of a command: the shells themselves are asked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ckptdoctor.render.text import printable
from ckptdoctor.shell import argument, command_line, for_windows, quoted, unescaped
from tests.bash import words_of
from tests.each import assert_each
from tests.odd_names import ODD_NAMES, SEEN_BY_EVERY_SHELL

texts = st.text(
    st.one_of(
        st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
        st.sampled_from("'\"\\\n\r\t\x1b$`!#~-= "),
        st.integers(0xDC80, 0xDCFF).map(chr),
    ),
    max_size=20,
).map(lambda text: os.fsdecode(os.fsencode(text)))
"""What a path can be: characters, and single bytes that are no UTF-8."""


def test_there_are_enough_of_them() -> None:
    assert len(ODD_NAMES) == len(set(ODD_NAMES)) > 100
    assert not any("/" in name or "\0" in name for name in ODD_NAMES)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_odd_names_are_one_word_each(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    text = command_line("python", *ODD_NAMES)
    assert words_of(text, shell=shell) == ["python", *ODD_NAMES]


def test_any_shell_takes_what_can_be_seen() -> None:
    text = command_line("python", *(name for name in SEEN_BY_EVERY_SHELL if "##[" not in name))
    assert "$'" not in text
    seen = [name for name in SEEN_BY_EVERY_SHELL if "##[" not in name]
    assert words_of(text, shell="sh") == ["python", *seen]


def test_a_command_is_one_line_that_shows_all_it_says() -> None:
    def is_shown(name: str) -> None:
        text = command_line("ckptdoctor", "scan", Path(name))
        assert printable(text) == text
        assert text.isprintable()
        assert text == text.strip()
        assert "##[" not in text
        assert text.startswith("ckptdoctor scan ")

    assert_each(ODD_NAMES, is_shown)


@settings(deadline=None, max_examples=100)
@given(st.lists(texts, max_size=8))
def test_any_words(words: list[str]) -> None:
    text = command_line("python", *words)
    assert text.isprintable()
    assert words_of(text) == ["python", *words]


@given(texts)
def test_what_is_escaped_is_read_back(text: str) -> None:
    word = quoted(text)
    if word.startswith("$'"):
        assert unescaped(word[2:-1]) == text


@settings(deadline=None, max_examples=100)
@given(st.text(st.sampled_from("\\xu0aAf9e1nc'q\"?U7"), max_size=12))
def test_escapes_mean_what_they_mean_to_bash(inside: str) -> None:
    """Also those that we never write: users do, in the commands that they give."""
    assume(
        all(int(code, 16) <= sys.maxunicode for code in re.findall(r"U([0-9A-Fa-f]{1,8})", inside))
    )
    text = f"$'{inside}'"
    done = subprocess.run(
        ["bash", "-c", f"printf '%s' {text}"],
        capture_output=True,
        check=False,
        env={"LC_ALL": "C.UTF-8"},
    )
    ends = "'" in unescaped_quotes(inside) or done.returncode
    if not ends and b"\0" not in os.fsencode(unescaped(inside)):
        assert os.fsencode(unescaped(inside)) == done.stdout


def unescaped_quotes(inside: str) -> str:
    """What is left when every escape is taken away."""
    left, at = [], 0
    while at < len(inside):
        step = 2 if inside[at] == "\\" else 1
        left.append(inside[at] if step == 1 else "" if at + 1 < len(inside) else "'")
        at += step
    return "".join(left)


def test_a_path_is_no_option() -> None:
    assert argument(Path("-x")) == "./-x"
    assert argument(Path("a/-x")) == "a/-x"
    assert command_line("a", "-o", Path("-o")) == "a -o ./-o"
    assert command_line("a", "") == "a ''"


def test_on_windows_a_word_is_quoted_as_cmd_and_powershell_take_it() -> None:
    for word, told in {
        r"C:\runs\a.pth": r"C:\runs\a.pth",
        "--epoch=88": "--epoch=88",
        r"my runs\a&b.pth": r'"my runs\a&b.pth"',
        "it's.pth": '"it\'s.pth"',
        "": '""',
        "a $HOME `x`": "'a $HOME `x`'",  # in double quotes PowerShell would fill them in
        "it's $HOME": "'it''s $HOME'",
    }.items():
        assert for_windows(word) == told
