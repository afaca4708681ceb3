"""The rows of logs by epoch and by step: which clock they count, and what stands where."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.histories import Clock, LogFacts, Position
from ckptdoctor.runs.logs import LogReading, Row, epoch_of, merged
from tests.each import each


def at(
    epoch: Position | None = None, step: int | None = None, *, left: bool = False, **values: float
) -> Row:
    return Row(epoch=epoch, step=step, values=values, superseded=left)


def read(*rows: Row) -> LogReading:
    return LogReading(rows=rows)


@each(
    ("value", "epoch"),
    [(0, 0), (0.01, 1), (0.3, 1), (1.0, 1), (1.0000001, 1), (1.02, 2), (7, 7)],
)
def test_the_epoch_that_a_fraction_lies_in(value: float, epoch: int) -> None:
    assert epoch_of(value) == epoch


# -- by epoch ------------------------------------------------------------------------------------


def test_several_rows_of_an_epoch_are_together_and_the_later_value_stands() -> None:
    found = read(at(1, 5, loss=0.5, lr=1.0), at(1, 10, loss=0.4), at(1, val_iou=0.6)).by_epoch
    assert found.values == {1: {"loss": 0.4, "lr": 1.0, "val_iou": 0.6}}
    assert found.other == {1: 10}


def test_of_many_training_values_within_an_epoch_the_last_stands() -> None:
    """Beside what is told once an epoch; of a training alone each has its own place."""
    rows = [
        at(epoch + part / 4, loss=9 - epoch - part / 4) for epoch in range(4) for part in (1, 3)
    ]
    scores = [at(epoch, val_iou=epoch / 10) for epoch in range(1, 5)]
    assert read(*rows, *scores).epochs == {
        epoch: {"loss": 9 - epoch + 0.25, "val_iou": epoch / 10} for epoch in range(1, 5)
    }
    alone = read(*rows).epochs
    assert alone == {row.epoch: {"loss": 9 - row.epoch} for row in rows if row.epoch is not None}


def test_a_validation_in_the_middle_of_an_epoch_stays_there() -> None:
    rows = [at(epoch - 0.5, loss=0.5, eval_accuracy=epoch / 10) for epoch in range(1, 7)]
    assert list(read(*rows).epochs) == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]


def test_in_a_run_of_few_epochs_every_fraction_is_a_place() -> None:
    parts = (0.1, 0.2, 1.3, 2.4)
    assert list(read(*(at(part, loss=1 - part / 9) for part in parts)).epochs) == list(parts)
    more = [*(at(part, loss=0.5) for part in (*parts, 3.5)), at(4, val_iou=0.5)]
    assert list(read(*more).epochs) == [1, 2, 3, 4]


def test_a_row_that_only_has_a_step_is_of_the_epoch_that_the_step_lies_in() -> None:
    found = read(at(1, 100, loss=0.5), at(2, 200, loss=0.4), at(step=150, val_iou=0.6))
    assert found.epochs == {1: {"loss": 0.5}, 2: {"loss": 0.4, "val_iou": 0.6}}
    beyond = read(at(1, 100, loss=0.5), at(step=101, val_iou=0.6))
    assert beyond.epochs == {1: {"loss": 0.5}}
    edge = read(at(1, 100, loss=0.5), at(2, 200, loss=0.4), at(step=100, val_iou=0.6))
    assert edge.epochs[1] == {"loss": 0.5, "val_iou": 0.6}


def test_epochs_stand_in_their_order_whatever_that_of_the_log_is() -> None:
    rows = [at(epoch, loss=epoch / 10) for epoch in (3, 1, 2)]
    assert list(read(*rows).epochs) == [1, 2, 3]


@given(st.permutations(range(6)))
def test_rows_of_different_places_may_come_in_any_order(order: Sequence[int]) -> None:
    rows = [Row(epoch=1 + n // 2, step=10 * n, values={f"v{n}": float(n)}) for n in range(6)]
    plain, turned = read(*rows), read(*(rows[n] for n in order))
    assert plain.epochs == turned.epochs
    assert plain.by_step.values == turned.by_step.values
    assert plain.by_step.other == turned.by_step.other


# -- by step -------------------------------------------------------------------------------------


def test_a_row_that_only_has_an_epoch_stands_at_the_last_step_of_it() -> None:
    found = read(at(1, 50, loss=0.6), at(1, 100, loss=0.5), at(1, val_iou=0.4)).by_step
    assert found.values == {50: {"loss": 0.6}, 100: {"loss": 0.5, "val_iou": 0.4}}
    assert found.other == {50: 1, 100: 1}


def test_steps_that_begin_again_with_every_epoch_are_none() -> None:
    batches = [at(epoch, step, loss=0.5) for epoch in (1, 2, 3) for step in (10, 20)]
    assert read(*batches).by_step.values == {}
    assert read(*batches).clock is Clock.EPOCH
    same = [at(epoch, 100, loss=0.5) for epoch in (1, 2)]
    assert read(*same).by_step.values == {}
    onward = [at(epoch, epoch * 100, loss=0.5) for epoch in (1, 2)]
    assert list(read(*onward).by_step.values) == [100, 200]


def test_batches_of_an_epoch_place_no_row_in_an_epoch() -> None:
    rows = [at(epoch, step, loss=0.5) for epoch in (1, 2) for step in (10, 20)]
    assert read(*rows, at(step=15, val_iou=0.5)).epochs == {1: {"loss": 0.5}, 2: {"loss": 0.5}}


def test_what_a_restart_has_left_does_not_turn_steps_into_batches() -> None:
    rows = [at(1, 100, loss=0.5), at(2, 900, left=True, loss=0.4), at(3, 300, loss=0.4)]
    assert list(read(*rows).by_step.values) == [100, 300, 900]


# -- which of them -------------------------------------------------------------------------------


def test_what_logs_count() -> None:
    assert LogReading().clock is Clock.EPOCH
    assert read(*(at(step=n, loss=0.5) for n in range(5))).clock is Clock.STEP
    assert read(*(at(n, loss=0.5) for n in range(5))).clock is Clock.EPOCH
    assert read(*(at(n, n * 100, val_iou=0.5) for n in range(5))).clock is Clock.EPOCH


def test_few_epochs_with_more_steps_are_counted_in_steps() -> None:
    rows = [at(1, step, loss=0.5) for step in range(3)]
    assert read(*rows).clock is Clock.STEP
    assert read(*rows[:2]).clock is Clock.EPOCH


def test_where_scores_come_more_often_than_epochs_the_steps_count() -> None:
    often = [at(1 + n // 4, n * 100, val_iou=0.5) for n in range(20)]
    assert read(*often).clock is Clock.STEP
    beside = [at(5, 1900, val_iou=0.5)]
    losses = [at(1 + n // 4, n * 100, loss=0.5) for n in range(20)]
    assert read(*losses, *(at(n, n * 400 - 100, val_iou=0.5) for n in range(1, 6))).clock is (
        Clock.EPOCH
    )
    assert read(*losses, *beside).clock is Clock.EPOCH


def test_of_a_training_alone_every_step_counts() -> None:
    """The last of an epoch's values alone is too few of them to tell its noise."""
    losses = [at(1 + n // 4, n * 100, loss=0.5) for n in range(20)]
    assert read(*losses).clock is Clock.STEP
    trained = [at(1 + n // 4, n * 100, train_iou=0.5) for n in range(20)]
    assert read(*trained).clock is Clock.STEP
    once = [at(n, n * 100, loss=0.5) for n in range(20)]
    assert read(*once).clock is Clock.EPOCH


def test_what_is_told_goes_by_that_clock_and_knows_its_epochs() -> None:
    by_step = read(*(at(1, step, loss=0.5) for step in range(4)))
    assert by_step.told == by_step.by_step.values
    assert by_step.epoch_at(2) == 1
    assert by_step.by(Clock.EPOCH) is by_step.by_epoch
    only_steps = read(*(at(step=step, loss=0.5) for step in range(4)))
    assert only_steps.epoch_at(2) is None
    by_epoch = read(*(at(n, loss=0.5) for n in range(4)))
    assert (by_epoch.told, by_epoch.epoch_at(2)) == (by_epoch.epochs, 2)


def test_the_epoch_of_a_step() -> None:
    found = read(at(1, 100, loss=0.5), at(2, 200, loss=0.4))
    assert [found.epoch_of_step(step) for step in (0, 100, 101, 200, 201)] == [1, 1, 2, 2, None]


def test_whether_anything_is_said() -> None:
    assert not LogReading().says_something
    assert not read(at(1), at(2)).says_something
    assert read(at(1), at(2, loss=0.5)).says_something
    assert read(at(1), at(2, loss=0.5)).epochs == {2: {"loss": 0.5}}


# -- attempts and logs ---------------------------------------------------------------------------


def test_what_an_earlier_attempt_reached_counts_only_where_nothing_else_is_known() -> None:
    found = read(
        at(1, loss=0.5),
        at(2, left=True, loss=9.0, iou=0.1),
        at(2, loss=0.4),
        at(3, left=True, loss=8.0),
    ).by_epoch
    assert found.values == {1: {"loss": 0.5}, 2: {"loss": 0.4}, 3: {"loss": 8.0}}
    assert found.superseded == {3}
    assert list(found.current()) == [1, 2]


def test_two_logs_of_one_run_say_together_what_each_says() -> None:
    one = LogReading(
        rows=(at(1, loss=0.5, iou=0.1),),
        restarts=1,
        commands=("a", "b"),
        logs=(LogFacts(path=Path("a")),),
    )
    two = LogReading(
        rows=(at(1, iou=0.2), at(2, iou=0.3)),
        restarts=2,
        commands=("a", "c"),
        logs=(LogFacts(path=Path("b")),),
    )
    both = merged([one, two])
    assert both.epochs == {1: {"loss": 0.5, "iou": 0.2}, 2: {"iou": 0.3}}
    assert (both.restarts, both.commands) == (3, ("a", "b", "c"))
    assert [log.path.name for log in both.logs] == ["a", "b"]
    assert merged([one]) is one


def test_the_times_and_the_log_of_an_epoch_are_those_of_its_last_row() -> None:
    rows = (
        Row(epoch=1, values={"loss": 0.5}, time_s=10.0, source=Path("a")),
        Row(epoch=1, values={"iou": 0.5}, time_s=20.0, source=Path("b")),
        Row(epoch=1, values={}, source=Path("c")),
    )
    found = read(*rows).by_epoch
    assert (found.times_s, found.sources) == ({1: 20.0}, {1: Path("b")})


def test_what_could_not_be_read_is_counted_over_all_logs_and_shown_of_a_few() -> None:
    logs = [LogFacts(path=Path(n), unread=2, examples=(f"{n}1", f"{n}2")) for n in "abc"]
    found = LogReading(logs=tuple(logs))
    assert found.unread == 6
    assert found.examples == ("a1", "a2", "b1", "b2", "c1")


@given(
    st.lists(st.integers(1, 50), min_size=2, max_size=30, unique=True),
    st.integers(1, 7),
)
def test_a_step_log_in_any_stride_has_every_step_and_its_epoch(
    steps: list[int], per_epoch: int
) -> None:
    ordered = sorted(steps)
    rows = [at(1 + step // per_epoch, step, val_iou=step / 100) for step in ordered]
    found = read(*rows).by_step
    assert list(found.values) == ordered
    assert all(found.other[step] == 1 + step // per_epoch for step in ordered)
    assert all(a < b for a, b in itertools.pairwise(found.values))


def test_a_fraction_of_an_epoch_is_at_the_step_of_that_fraction() -> None:
    rows = (
        *(at(n / 4, 10 * n, my_mae=0.5) for n in range(1, 9)),
        *(Row(epoch=n / 4, values={"val my_mae": n / 10}) for n in range(2, 9, 2)),
    )
    told = {step: values.get("val my_mae") for step, values in read(*rows).by_step.values.items()}
    assert told == {10 * n: n / 10 if n % 2 == 0 else None for n in range(1, 9)}
