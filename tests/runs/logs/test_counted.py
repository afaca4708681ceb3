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

LOSSES = [2.0, 1.5, 1.2, 1.0, 0.9, 0.85, 0.8]


def rows(lines: Iterable[str]) -> list[tuple[float | None, int | None, dict[str, float]]]:
    counted = CountedLines()
    for line in lines:
        counted.take(line.encode())
    return [(row.epoch, row.step, dict(row.values)) for row in counted.rows()]


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("line", ["{} {}", "{}, {}", "({}, {})", "{}\t{}", "{}: {}", "  {}  {}"])
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
