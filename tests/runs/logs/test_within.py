"""What tells of no moment although it is called so: epochs within a step, steps without a name."""

from __future__ import annotations

from collections.abc import Iterable

from ckptdoctor.histories import Clock
from ckptdoctor.runs.logs import LineReader, LogReading


def read(lines: Iterable[str]) -> LogReading:
    reader = LineReader()
    rows = [row for line in lines for row in reader.feed(line.encode())]
    return LogReading(rows=(*rows, *reader.flush()))


def test_epochs_that_begin_again_in_every_iteration_are_no_clock() -> None:
    found = read(
        line
        for at in range(1, 9)
        for line in (
            f"2019-02-03 08:10:28,062 INFO     iteration {at}/10000",
            *(f"2019-02-03 08:10:28,062 INFO      epoch {part}/4" for part in (1, 2, 3, 4)),
            f"2019-02-03 08:10:28,062 INFO     reward_per_sec={at / 10}, loss={2 - at / 10:.2f}",
        )
    )
    assert found.clock is Clock.STEP
    assert [values["loss"] for values in found.told.values()] == [
        *(1.9, 1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.2)
    ]
    assert [row.epoch for row in found.rows][-4:] == [None] * 4


def test_a_run_that_was_restarted_keeps_its_epochs() -> None:
    """Twice, from another epoch each time."""
    epochs = [1, 2, 3, 1, 2, 3, 4, 5, 2, 3, 4, 5, 6]
    found = read(
        line
        for at, epoch in enumerate(epochs, start=1)
        for line in (f"iteration {100 * at}", f"epoch {epoch}", f"val_iou={at / 20}, loss=0.3")
    )
    assert {row.epoch for row in found.rows} == {1, 2, 3, 4, 5, 6}


def test_a_number_in_front_is_a_step_where_steps_are_named() -> None:
    lines = ["step 0: train loss 9.1, val loss 9.2"]
    lines += [
        line
        for at in range(1, 6)
        for line in (
            f"{100 * at - 1} | loss {9 - at:.4f} | lr 1e-4",
            f"step {100 * at}: train loss {9 - at}.0, val loss {9 - at}.5",
        )
    ]
    found = read(lines)
    assert found.clock is Clock.STEP
    scores = {at: values["val loss"] for at, values in found.told.items() if "val loss" in values}
    assert scores == {0: 9.2, 100: 8.5, 200: 7.5, 300: 6.5, 400: 5.5, 500: 4.5}
    alone = read(f"{at} | loss {9 - at:.4f} | lr 1e-4" for at in range(1, 6))
    assert alone.clock is Clock.EPOCH


def test_a_count_of_objects_is_of_a_batch() -> None:
    found = read(
        line
        for at in range(1, 4)
        for line in (
            "Region 23 Avg (IOU: 0.664938, GIOU: 0.652729), Class: 0.999684, count: 3",
            f" {at * 100}: {2.1 - at / 10:f}, {2 - at / 10:f} avg loss, 0.001000 rate, 1.3 seconds",
        )
    )
    assert found.told == {at * 100: {"avg loss": 2 - at / 10, "lr": 0.001} for at in range(1, 4)}
