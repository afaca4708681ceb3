"""Logs that name no moment: two numbers a line, and steps that overflowed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import pytest

from ckptdoctor.runs.logs import is_log, read_logs
from ckptdoctor.runs.logs.counted import CountedLines
from ckptdoctor.runs.wish import Wish
from ckptdoctor.survey import chronicles
from tests.each import each

LOSSES = [2.0, 1.5, 1.2, 1.0, 0.9, 0.85, 0.8]


def rows(lines: Iterable[str]) -> list[tuple[float | None, int | None, dict[str, float]]]:
    counted = CountedLines()
    for line in lines:
        counted.take(line.encode())
    return [(row.epoch, row.step, dict(row.values)) for row in counted.rows()]


@each("first", [0, 1])
@each("line", ["{} {}", "{}, {}", "({}, {})", "{}\t{}", "{}: {}", "  {}  {}"])
def test_an_epoch_and_its_loss(line: str, first: int) -> None:
    found = rows(line.format(e, loss) for e, loss in enumerate(LOSSES, start=first))
    assert found == [(e, None, {"loss": loss}) for e, loss in enumerate(LOSSES, start=first)]


def test_other_lines_between_them_say_nothing() -> None:
    lines = [f"{e} {loss}" for e, loss in enumerate(LOSSES)]
    assert len(rows(["loading data", "", *lines, "done"])) == len(LOSSES)


def test_what_does_not_fall_may_be_anything() -> None:
    assert [values for _, _, values in rows(f"{e} {e / 10}" for e in range(6))] == [
        {"value": e / 10} for e in range(6)
    ]


@pytest.mark.parametrize(
    "lines",
    [
        [f"{e} {loss}" for e, loss in enumerate(LOSSES[:4])],  # too few
        [f"{e} {loss}" for e, loss in enumerate(LOSSES, start=2)],
        [f"{2 * e} {loss}" for e, loss in enumerate(LOSSES)],
        [*(f"{e} {loss}" for e, loss in enumerate(LOSSES)), "0 2.0"],
        [f"{e} {loss} 0.5" for e, loss in enumerate(LOSSES)],
    ],
)
def test_numbers_that_do_not_count_epochs(lines: list[str]) -> None:
    assert rows(lines) == []


def test_a_loss_that_is_no_number_is_told(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    lines = [f"{e} {loss}\n" for e, loss in enumerate([*LOSSES, math.nan, math.nan])]
    path.write_text("".join(lines), encoding="utf-8")
    codes = {finding.code for finding in chronicles([], Wish(logs=(path,))).findings}
    assert "CD404" in codes


def test_a_line_that_names_a_moment_takes_their_place(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    bare = "".join(f"{e} {loss}\n" for e, loss in enumerate(LOSSES))
    for line in ("Epoch 3: loss 0.5", '{"epoch": 3, "loss": 0.5}', "step 3: loss 0.5"):
        path.write_text(f"{bare}{line}\n", encoding="utf-8")
        (row,) = read_logs([path]).rows
        assert dict(row.values)["loss"] == 0.5


def test_two_numbers_a_line_do_not_make_a_file_a_log(tmp_path: Path) -> None:
    """They may be predictions."""
    path = tmp_path / "predictions.csv"
    path.write_text("".join(f"{e} {loss}\n" for e, loss in enumerate(LOSSES)), encoding="utf-8")
    assert not is_log(path)
    assert read_logs([path]).says_something  # to whoever names it


def test_nothing_but_steps_that_overflowed(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text(
        "".join(
            f"[deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: {2.0**at}, "
            f"reducing to {2.0 ** (at - 1)}\n"
            for at in range(16, 0, -1)
        ),
        encoding="utf-8",
    )
    assert {one.code for one in chronicles([], Wish(logs=(path,))).findings} == {"CD304"}


@pytest.mark.parametrize("first", [0, 1])
def test_what_two_handlers_print_is_counted_once(first: int) -> None:
    lines = [f"{e} {loss}" for e, loss in enumerate(LOSSES, start=first)]
    twice = [line for line in lines for _ in range(2)]
    assert rows(twice) == rows(lines)
    assert len(rows(lines)) == len(LOSSES)


def test_a_number_that_comes_again_with_another_value_counts_something_else() -> None:
    assert rows(f"{e // 2} {loss}" for e, loss in enumerate(LOSSES)) == []


@pytest.mark.parametrize("stands", [False, True])
def test_rows_that_name_no_moment_are_counted_once_where_each_is_there_twice(
    tmp_path: Path, *, stands: bool
) -> None:
    """Else the noise looks half as large as it is. A row that is there by chance is another."""
    scores = [0.5 if stands else 1 - loss / 4 for loss in LOSSES]
    every = [
        f'{{"train_loss": {a}, "val_acc": {b}}}\n' for a, b in zip(LOSSES, scores, strict=True)
    ]
    path = tmp_path / "log.jsonl"

    def read(lines: Iterable[str]) -> list[dict[str, float]]:
        path.write_text("".join(lines))
        return [dict(values) for values in read_logs([path]).epochs.values()]

    once = read(every)
    assert len(once) == len(LOSSES)
    assert read(one for one in every for _ in range(2)) == once
    assert len(read([*every[:3], *every[2:]])) == len(LOSSES) + 1
    assert len(read(every[:1] * 8)) == 8  # what stands still was printed once each
