"""Rows of logs in the order in which they stand: what is a restart, and what only lags."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.histories import Position
from ckptdoctor.runs.logs import LogReading, Row, read_logs
from ckptdoctor.runs.logs.collect import Collector


def at(epoch: Position | None = None, step: int | None = None, **values: float) -> Row:
    return Row(epoch=epoch, step=step, values=values or {"loss": 0.5})


def collected(*logs: Iterable[Row]) -> LogReading:
    collector = Collector()
    for number, rows in enumerate(logs):
        collector.begin(Path(f"{number}.log"))
        for row in rows:
            collector.add(row)
    return collector.result()


def left(reading: LogReading) -> list[tuple[Position | None, int | None]]:
    return [(row.epoch, row.step) for row in reading.rows if row.superseded]


def epochs(*numbers: Position) -> list[Row]:
    return [at(number) for number in numbers]


def steps(*numbers: int) -> list[Row]:
    return [at(step=number) for number in numbers]


# -- restarts ------------------------------------------------------------------------------------


def test_going_back_by_more_than_an_epoch_is_a_restart() -> None:
    found = collected(epochs(1, 2, 3, 4, 5, 3))
    assert (found.restarts, left(found)) == (1, [(4, None), (5, None)])
    assert collected(epochs(1, 2, 3, 2, 3, 4)).restarts == 0, "the validation of the epoch before"


def test_what_the_next_attempt_reaches_again_is_its_own_and_the_old_values_are_gone() -> None:
    rows = [at(1), at(2), at(3, loss=9.0, old=1.0), at(4), at(1), at(2), at(3, loss=0.3)]
    found = collected(rows)
    assert left(found) == [(4, None)]
    assert found.epochs[3] == {"loss": 0.3}


def test_batches_in_brackets_above_the_first_epoch_are_neither_epochs_nor_a_restart(
    tmp_path: Path,
) -> None:
    log = tmp_path / "train.log"
    batches = "".join(f"[{at}/1000] loss: 0.{at}\n" for at in (50, 60, 70))
    log.write_text("".join(f"{batches}Epoch {at}: loss: 0.4 acc: 0.5\n" for at in (1, 2, 3)))
    found = read_logs([log])
    assert (found.restarts, [row.epoch for row in found.rows]) == (0, [1, 2, 3])
    log.write_text("".join(f"[{at}/9] loss: 0.4\n" for at in range(1, 10)) + "Epoch 3: acc: 0.5\n")
    assert len(read_logs([log]).rows) == 9, "where they are the epochs, they stay"


def test_each_restart_counts() -> None:
    found = collected(epochs(1, 2, 3, 4, 1, 2, 3, 1, 2))
    assert (found.restarts, left(found)) == (2, [(3, None), (4, None)])


def test_a_counter_of_steps_that_begins_again_is_a_restart() -> None:
    found = collected(steps(100, 200, 300, 400, 100, 200))
    assert (found.restarts, left(found)) == (1, [(None, 300), (None, 400)])


def test_two_ranks_that_lag_are_no_restart() -> None:
    assert collected(steps(100, 100, 200, 200, 300, 300)).restarts == 0
    assert collected(steps(100, 200, 100, 300, 200, 400, 300)).restarts == 0
    assert collected(steps(100, 200, 300, 200, 400, 300, 500)).restarts == 0


def test_values_of_other_names_count_for_themselves() -> None:
    """A validation is written once the training has gone on."""
    rows = [at(step=n, loss=0.5) for n in (100, 200, 300, 400)]
    found = collected([*rows, at(step=100, val_iou=0.5), at(step=500, loss=0.4)])
    assert (found.restarts, left(found)) == (0, [])


def test_fractions_of_one_epoch_that_begin_again_are_a_restart() -> None:
    found = collected(epochs(0.1, 0.2, 0.3, 0.4, 0.1, 0.2))
    assert (found.restarts, left(found)) == (1, [(0.3, None), (0.4, None)])
    assert collected(epochs(0.1, 0.2, 0.1, 0.3, 0.2, 0.4)).restarts == 0
    assert collected(epochs(0.5, 1.0, 1.5, 2.0, 2.5, 3.0)).restarts == 0


def test_the_next_log_of_a_run_may_begin_anywhere() -> None:
    found = collected(epochs(1, 2, 3, 4), epochs(1, 2, 3, 4), steps(100, 200, 300), steps(100))
    assert (found.restarts, left(found)) == (0, [])


def test_a_restart_leaves_what_its_own_log_reached_alone() -> None:
    found = collected([at(9)], epochs(1, 2, 3, 4, 1))
    assert left(found) == [(2, None), (3, None), (4, None)]


@given(st.lists(st.integers(1, 100), min_size=1, max_size=20), st.integers(1, 3))
def test_a_counter_that_goes_on_in_any_stride_never_restarts(
    strides: list[int], ranks: int
) -> None:
    place, places = 0, []
    for stride in strides:
        place += stride
        places += [place] * ranks
    assert collected(steps(*places)).restarts == 0
    assert collected(epochs(*places)).restarts == 0
    assert collected(epochs(*(number / 7 for number in places))).restarts == 0


@given(st.integers(4, 30), st.integers(1, 30))
def test_a_run_that_begins_again_at_its_first_step_restarts_once(first: int, second: int) -> None:
    found = collected(steps(*range(first), *range(second)))
    assert found.restarts == 1
    assert left(found) == [(None, step) for step in range(second, first)]


# -- values --------------------------------------------------------------------------------------


def test_values_of_one_place_are_put_together() -> None:
    found = collected([at(1, loss=0.5), at(2, loss=0.4), at(1, val_iou=0.6), at(2, loss=0.3)])
    assert found.epochs == {1: {"loss": 0.5, "val_iou": 0.6}, 2: {"loss": 0.3}}


def test_a_time_stays_where_a_later_row_tells_none() -> None:
    rows = [Row(epoch=1, values={"loss": 0.5}, time_s=5.0), at(1, iou=0.4)]
    assert [row.time_s for row in collected(rows).rows] == [5.0]


def test_so_many_names_of_a_place_are_kept_and_no_more() -> None:
    found = collected([Row(epoch=1, values={f"v{n}": 1.0 for n in range(2000)})])
    assert len(found.epochs[1]) == 500


# -- the facts of a log --------------------------------------------------------------------------


def test_each_log_is_told_of_by_itself() -> None:
    collector = Collector()
    collector.begin(Path("a/one.log"))
    collector.describe(form="a table", encoding="utf-16")
    collector.describe(lines=3)
    collector.describe(lines=4)
    collector.add(at(1, loss=0.5, iou=0.4))
    collector.add(at(2, loss=0.5))
    collector.unreadable(7, "  broken line " + "x" * 200)
    collector.begin(Path("two.log"))
    collector.add(at(1, dice=0.5))
    one, two = collector.result().logs
    assert (one.path, one.form, one.encoding, one.lines) == (
        Path("a/one.log"),
        "a table",
        "utf-16",
        7,
    )
    assert (one.rows, one.unread, one.names) == (2, 1, ("loss", "iou"))
    (example,) = one.examples
    assert example.startswith("one.log:7: broken line xxx")
    assert len(example) < 100
    assert (two.path, two.form, two.lines, two.rows, two.unread) == (Path("two.log"), "", 0, 1, 0)
    assert two.names == ("dice",)


def test_of_many_lines_that_cannot_be_read_a_few_are_shown_and_all_counted() -> None:
    collector = Collector()
    collector.begin(Path("a.log"))
    for number in range(40):
        collector.unreadable(number, "x")
    (facts,) = collector.result().logs
    assert (facts.unread, len(facts.examples)) == (40, 5)
    assert collector.result().unread == 40, "asking again does not count anything twice"


def test_a_log_that_goes_on_is_one_log() -> None:
    collector = Collector()
    collector.begin(Path("a.log"))
    collector.add(at(1))
    collector.result()
    collector.add(at(2))
    (facts,) = collector.result().logs
    assert facts.rows == 2


def test_the_last_commands_are_kept_each_once() -> None:
    collector = Collector()
    for number in (*range(9), 8, 5):
        collector.command(f"python train.py --seed {number}")
    assert [text[-1] for text in collector.result().commands] == ["4", "6", "7", "8", "5"]


@pytest.mark.parametrize("row", [at(1), at(step=5), at(1, 5), at()])
def test_no_row_is_fatal_whatever_it_knows(row: Row) -> None:
    assert collected([row, at(3), row]).rows


@pytest.mark.parametrize(
    ("name", "head", "line"),
    [
        ("train.log", "", "Fold {f} Epoch {e}: loss {v}"),
        ("train.jsonl", "", '{{"fold": {f}, "epoch": {e}, "loss": {v}}}'),
        ("log.csv", "fold,epoch,loss\n", "{f},{e},{v}"),
    ],
)
def test_of_several_folds_the_last_one_counts_and_it_is_said(
    tmp_path: Path, name: str, head: str, line: str
) -> None:
    path = tmp_path / name
    lines = [line.format(f=f, e=e, v=f + e / 10) for f in (1, 2, 3) for e in range(1, 8)]
    path.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    reading = read_logs([path])
    assert {at: values["loss"] for at, values in reading.epochs.items()} == {
        e: 3 + e / 10 for e in range(1, 8)
    }
    assert reading.logs[0].form.endswith(", the last of 3 folds")
