"""A JSON object a line, and lists of them: which moment a row is of, and which rows are read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.histories import Position
from ckptdoctor.runs.logs import LogReading, Row, read_logs
from ckptdoctor.runs.logs.json_rows import JsonRows, message_in
from tests.each import each


def read(*objects: Mapping[str, Any]) -> list[Row]:
    reader = JsonRows()
    rows = [row for one in objects for row in reader.feed(json.dumps(one).encode())]
    return [*rows, *reader.flush()]


def places(rows: Iterable[Row]) -> list[tuple[Position | None, int | None]]:
    return [(row.epoch, row.step) for row in rows]


def test_a_row_without_an_epoch_is_of_the_moment_above_it() -> None:
    rows = read({"val_iou": 0.1}, {"epoch": 1, "loss": 0.5}, {"val_iou": 0.6})
    assert [(row.epoch, dict(row.values)) for row in rows] == [
        (1, {"loss": 0.5}),
        (1, {"val_iou": 0.6}),
    ]


NO_NUMBERS = ("x", "final", "", None, math.nan, True, [3])


@each("epoch", NO_NUMBERS)
def test_a_row_whose_epoch_is_no_number_is_not_of_the_epoch_above(
    epoch: object, tmp_path: Path
) -> None:
    rows: list[dict[str, object]] = [{"epoch": e, "val_iou": e / 10} for e in (1, 2)]
    rows.append({"epoch": epoch, "val_iou": 0.01})
    lines, whole = tmp_path / "a.jsonl", tmp_path / "a.json"
    lines.write_text("\n".join(map(json.dumps, rows)))
    whole.write_text(json.dumps(rows))
    for log in (lines, whole):
        reading = read_logs([log])
        assert reading.epochs == {1: {"val_iou": 0.1}, 2: {"val_iou": 0.2}}, log.name
        assert reading.unread == 1, log.name
        assert "0.01" in reading.examples[0], log.name


@each("epoch", NO_NUMBERS)
def test_its_step_still_counts(epoch: object) -> None:
    rows = read({"epoch": 2, "step": 20, "loss": 0.5}, {"epoch": epoch, "step": 30, "loss": 0.4})
    assert places(rows) == [(2, 20), (None, 30)]


def test_an_envelope_around_a_row_is_opened() -> None:
    rows = read(
        {"type": "metrics", "time": 5, "data": {"epoch": 1, "val": {"iou": 0.5}}},
        {"data": {"step": 20, "loss": 0.4}},
        {"epoch": 2, "data": {"loss": 0.3}},
    )
    assert places(rows) == [(1, None), (1, 20), (2, None)]
    assert rows[0].values["val/iou"] == 0.5
    assert rows[1].values["loss"] == 0.4
    assert rows[2].values["data/loss"] == 0.3


def test_settings_are_no_row() -> None:
    settings = {"epoch": 0, "epochs": 50, "batch_size": 4, "lr": 0.1}
    assert places(read(settings, {"epoch": 1, "loss": 0.5})) == [(1, None)]
    assert places(read({**settings, "val_loss": 0.5})) == [(0, None)]


def test_a_message_that_only_says_what_happened_is_no_line_of_text() -> None:
    assert message_in(b'{"event": "step done", "step": 100, "loss": 0.5}') is None
    assert message_in(b'{"event": "log", "data": {"step": 100, "loss": 0.5}}') is None
    assert message_in(b'{"message": "step 100 loss 0.5", "step": 3}') == b"step 100 loss 0.5"


@pytest.mark.parametrize("counts", [{}, {"step": 0}, {"epoch": 1}, {"epoch": 1, "step": 0}])
@pytest.mark.one_in(4)
@pytest.mark.slow
def test_what_is_passed_over_would_not_have_been_read(counts: dict[str, int]) -> None:
    """The same rows come out whether lines are passed over first or not."""
    lines = [
        json.dumps({**{name: at if name == "step" else 1 for name in counts}, "loss": at / 1e5})
        for at in range(30_000)
    ]
    lines += [json.dumps({"epoch": 2, "step": 30_000, "val_iou": 0.5}), json.dumps({"note": "a"})]
    slow, fast = JsonRows(), JsonRows()
    every = [row for line in lines for row in slow.feed(line.encode())]
    some = [
        row for line in map(str.encode, lines) if not fast.passes(line) for row in fast.feed(line)
    ]
    assert [*some, *fast.flush()] == [*every, *slow.flush()]
    assert (len(every) < len(lines) / 2) or not counts


def test_a_row_of_steps_alone_has_no_epoch() -> None:
    assert places(read({"step": 10, "loss": 0.5}, {"iter": 20, "loss": 0.4})) == [
        (None, 10),
        (None, 20),
    ]


def test_a_validation_without_a_step_is_of_the_step_above_it() -> None:
    rows = read({"step": 10, "loss": 0.5}, {"val_iou": 0.6}, {"step": 20, "loss": 0.4})
    assert places(rows) == [(None, 10), (None, 10), (None, 20)]


def test_old_mmcv_counts_the_batches_of_a_validation_which_are_no_step() -> None:
    rows = read(
        {"mode": "train", "epoch": 1, "iter": 400, "loss": 0.5},
        {"mode": "val", "epoch": 1, "iter": 125, "mIoU": 0.6},
        {"mode": "train", "epoch": 2, "iter": 800, "loss": 0.4},
    )
    assert places(rows) == [(1, 400), (1, 400), (2, 800)]


def test_mmengine_gives_the_epoch_of_a_validation_as_its_step() -> None:
    rows = read(
        {"epoch": 1, "iter": 500, "loss": 0.5, "step": 500},
        {"mIoU": 0.6, "step": 1},
        {"epoch": 2, "iter": 1000, "loss": 0.4, "step": 1000},
        {"mIoU": 0.7, "step": 2},
    )
    assert places(rows) == [(1, 500), (1, None), (2, 1000), (2, None)]
    found = LogReading(rows=tuple(rows)).by_step.values
    assert {at: values["mIoU"] for at, values in found.items()} == {500: 0.6, 1000: 0.7}


def test_of_the_rows_of_one_shape_in_an_epoch_the_first_and_the_last_are_read() -> None:
    batches = [{"epoch": e, "loss": e + b / 100} for e in (1, 2) for b in range(50)]
    rows = read(*batches)
    assert [(row.epoch, row.values["loss"]) for row in rows] == [
        (1, 1.0),
        (1, 1.49),
        (2, 2.0),
        (2, 2.49),
    ]


def test_a_nan_among_them_is_of_another_shape_and_read() -> None:
    batches = [{"epoch": 1, "loss": math.nan if b == 25 else 0.5} for b in range(50)]
    assert any(math.isnan(row.values["loss"]) for row in read(*batches))


@pytest.mark.parametrize(
    "row",
    [
        lambda n: {"epoch": 1, "step": n, "loss": 0.5},
        lambda n: {"step": n, "loss": 0.5},
        lambda n: {"epoch": n / 1000 + 0.001, "loss": 0.5},
    ],
    ids=["steps of an epoch", "steps", "parts of an epoch"],
)
@pytest.mark.one_in(3)
def test_rows_that_count_within_an_epoch_are_all_read_until_there_are_thousands(row: Any) -> None:
    rows = read(*(row(n) for n in range(1, 1001)))
    assert len(set(places(rows))) == 1000
    many = read(*(row(n) for n in range(1, 20_001)))
    assert 4096 < len(many) < 15_000
    assert places(many)[-1] == places(read(row(20_000)))[0], "and the last one always"


def test_epochs_that_are_written_with_a_fraction_of_nothing_are_epochs() -> None:
    rows = read(*({"epoch": 1.0, "loss": n / 100} for n in range(50)))
    assert [row.values["loss"] for row in rows] == [0.0, 0.49]


@each("line", [b"", b"[1]", b"3", b"{", b"text", b"[" * 100_000, b'{"epoch": 1'])
def test_what_is_no_object_is_said(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (json's own, or ours)
        list(JsonRows().feed(line))


def test_our_own_output_is_passed_over() -> None:
    assert read({"schema_version": 1, "epoch": 3, "loss": 0.5}) == []


@given(
    st.dictionaries(
        st.sampled_from(["loss", "val_iou", "lr", "a/b"]), st.floats(width=32), min_size=1
    ),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_what_json_writes_is_read_back(values: dict[str, float], epoch: int, step: int) -> None:
    (row,) = read({"epoch": epoch, "global_step": step, **values})
    assert (row.epoch, row.step) == (epoch, step)
    found = {name: value for name, value in row.values.items() if name in values}
    assert found == pytest.approx(values, rel=0, abs=0, nan_ok=True)


# -- rows within a document ----------------------------------------------------------------------


def test_the_numbers_of_a_trainers_state_may_be_words(tmp_path: Path) -> None:
    history = '[{"epoch": "0.5", "step": "10", "eval_loss": "0.4"}, {"epoch": 1, "loss": NaN}]'
    path = tmp_path / "trainer_state.json"
    path.write_text(f'{{"log_history": {history}}}')
    first, second = read_logs([path]).rows
    assert (first.epoch, first.step, first.values["eval_loss"]) == (0.5, 10, 0.4)
    assert math.isnan(second.values["loss"])


@pytest.mark.parametrize("lead", ["[", ""], ids=["a list of rows", "a row a line"])
def test_a_field_of_a_row_says_of_which_data_it_is(lead: str, tmp_path: Path) -> None:
    rows = [{"phase": phase, "epoch": 1, "iou": v} for phase, v in (("val", 0.4), ("train", 0.9))]
    path = tmp_path / "log.json"
    path.write_text(json.dumps(rows) if lead else "\n".join(map(json.dumps, rows)))
    assert read_logs([path]).epochs == {1: {"val iou": 0.4, "train iou": 0.9}}


@pytest.mark.parametrize("spelled", ["nan", "-nan", "NAN", "-nan(ind)", "nan(0x8)"])
def test_what_is_no_number_may_be_spelled_as_c_does(spelled: str) -> None:
    reader = JsonRows()
    (row,) = reader.feed(f'{{"epoch": 3, "loss": {spelled}, "note": "nan, -nan"}}'.encode())
    assert math.isnan(row.values["loss"])


def test_infinity_may_be_spelled_as_c_does() -> None:
    (row,) = JsonRows().feed(b'{"epoch": 3, "loss": -inf, "iou": inf}')
    assert (row.values["loss"], row.values["iou"]) == (-math.inf, math.inf)
