"""Patterns that search without end: the user's are stopped, and ours are none."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest

from ckptdoctor.errors import UsageError
from ckptdoctor.runs.logs import (
    commands,
    compile_pattern,
    encoding,
    find,
    json_rows,
    languages,
    line_values,
    lines,
    marks,
    pairs,
    pattern,
    read_logs,
    shapes,
    signs,
    spelled,
    tables,
    text_tables,
)
from ckptdoctor.runs.logs.documents import json_text, mlflow, series, structured
from tests.bad_inputs.running import called
from tests.costs import growth, processor_s

ENDLESS = r"^(?P<epoch>(?:\d|11)+) (?P<iou>\d+)$"
SHORT = "1" * 40 + " x"


def written(folder: Path, *texts: str) -> Path:
    path = folder / "train.log"
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def test_a_line_that_takes_too_long_is_told_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pattern, "ALL_S", 60)  # a busy machine is late in stopping
    told: list[str] = []
    path = written(tmp_path, "1 50", SHORT, "2 60", SHORT, "3 70")
    found = read_logs([path], compile_pattern(ENDLESS, told.append))
    assert found.epochs == {1: {"iou": 50.0}, 2: {"iou": 60.0}, 3: {"iou": 70.0}}
    assert found.unread == 2
    (sentence,) = told
    assert sentence.startswith(f"train.log:2: --log-pattern {ENDLESS!r} was stopped after 0.1 s")
    assert repr(SHORT) in sentence


def test_the_usual_example_needs_no_stopping(tmp_path: Path) -> None:
    path = written(tmp_path, *["a" * 40 + "b"] * 50, "7 aaa")
    found = read_logs([path], compile_pattern(r"^(?P<epoch>\d)? ?(?P<x>(a+)+)$"))
    assert found.unread == 1  # `aaa` is no number


@pytest.mark.slow
def test_all_lines_together_take_no_more_than_a_few_seconds(tmp_path: Path) -> None:
    told: list[str] = []
    path = written(tmp_path, "1 50", *[SHORT] * 500, "2 60")
    found = read_logs([path], compile_pattern(ENDLESS, told.append))
    assert found.epochs == {1: {"iou": 50.0}}
    assert found.unread == 501
    first, last = told
    assert first.startswith("train.log:2: ")
    (stopped,) = re.findall(r"was stopped at (\d+) lines and is given up; the lines from", last)
    assert int(stopped) <= pattern.ALL_S / pattern.LINE_S + 1


def test_lines_that_take_long_and_end_are_bounded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock of the test's own, on which every line takes 20 milliseconds."""
    clock = iter(range(1_000_000))
    monkeypatch.setattr(pattern, "time", SimpleNamespace(perf_counter=lambda: 0.02 * next(clock)))
    path = written(tmp_path, *[f"{number} {number}" for number in range(200)])
    found = read_logs([path], compile_pattern(r"^(?P<epoch>\d+) (?P<iou>\d+)$"))
    read = len(found.epochs)
    assert abs(read - pattern.ALL_S / 0.02) <= 1
    assert found.unread == 200 - read


@pytest.mark.slow
def test_the_command_ends_and_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, "1 50", *[SHORT] * 50, "2 60", "3 70")
    code, out, err = called("history", "--log", path, "--log-pattern", ENDLESS, "--metric", "iou")
    assert code in (0, 1), (out, err)
    assert f"train.log:2: --log-pattern {ENDLESS!r} was stopped" in " ".join(err.split())


@pytest.mark.parametrize("text", ["(", r"(?P<epoch>\d+)(?P<iou>x{2,1})", "(" * 5000])
def test_what_is_no_pattern_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="--log-pattern: "):
        compile_pattern(text)


# -- our own -------------------------------------------------------------------------------------

OURS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": found
    for module in (
        *(
            commands,
            json_rows,
            languages,
            line_values,
            lines,
            shapes,
            marks,
            pairs,
            spelled,
            text_tables,
        ),
        *(encoding, find, signs, tables, json_text, mlflow, series, structured),
    )
    for name, found in vars(module).items()
    if isinstance(found, re.Pattern)
}
UNITS = [
    *"a- a. a_- 1 1. 1e - [ ( | W A @ / :: = train load nan inf loss= tensor( a=' a[x]".split(),
    *("a=1(", "epoch(", "epochs1/", "\x1b[", "1;", '"epoch"', " ", "loss ", "best ", "epoch "),
    *("python ", "A=b ", "cmd: ", "> ", "a - ", "[1/", "x: ", "1,", "1 ", "[1 ", "a [1, "),
    *('"a": ', '"\\\\', "a.log.1", "{", "}", "nan", "1234567890 1 1"),
    *("(AP) @ [ IoU=1|", "np.float(", "<tf.Tensor ", "1%|", "loss de ", "train (1,", "1.#"),
]
STARTS = ("", "Epoch 1 ", "$ A=b python --")
ENDS = ("x", " 1")
TOO_SHORT_S = 0.01
"""Where the square of 8,000 characters is three times as much at least."""


@pytest.mark.slow
@pytest.mark.parametrize("name", OURS)
def test_no_line_makes_a_pattern_of_ours_search_for_long(name: str) -> None:
    """Of eight times the line, or of 64 times where it is the square; lines are cut at 4,000."""
    found = OURS[name]

    def line(nbytes: int) -> str | bytes:
        text = start + unit * (nbytes // len(unit)) + end
        return text.encode() if isinstance(found.pattern, bytes) else text

    for unit, start, end in product(UNITS, STARTS, ENDS):
        if processor_s(found.search, line(8_000)) < TOO_SHORT_S:
            continue
        grown = growth(found.search, line(1_000), line(8_000), enough=24)
        assert grown <= 24, (start, unit, end)
