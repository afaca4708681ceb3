"""Lines of text to rows: which of a million are read, and which moment those below one are of."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptdoctor.histories import Position
from ckptdoctor.runs.logs import LineReader, LogReading, Row
from ckptdoctor.runs.logs.shapes import Samples
from tests.each import each


def rows(lines: Iterable[str]) -> list[Row]:
    reader = LineReader()
    found = [row for line in lines for row in reader.feed(line.encode())]
    return [*found, *reader.flush()]


def by_epoch(*lines: str) -> dict[Position, dict[str, float]]:
    reading = LogReading(rows=tuple(rows(lines)))
    return {at: dict(values) for at, values in reading.epochs.items()}


def by_step(*lines: str) -> dict[Position, dict[str, float]]:
    reading = LogReading(rows=tuple(rows(lines)))
    return {at: dict(values) for at, values in reading.by_step.values.items()}


# -- which lines are read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "step {at} | loss {value:.4f}",
        "epoch {epoch} step {at} loss {value:.4f}",
        "Epoch {epoch}: {at}/9000 loss {value:.4f}",
        "{{'loss': {value:.4f}, 'epoch': {share}}}",
    ],
)
@pytest.mark.one_in(4)
@pytest.mark.slow
def test_what_is_passed_over_would_not_have_been_read(line: str) -> None:
    """The same rows come out whether lines are passed over first or not."""
    lines = []
    for at in range(16_000):
        epoch, share, value = at // 9000, round(at / 9000, 4), at / 1e5
        lines.append(line.format(at=at, epoch=epoch, share=share, value=value))
        if at % 50 == 0:
            lines.append(f"val_iou: {value:.4f}")
        if at == 12_001:
            lines.append(line.format(at=at, epoch=epoch, share=share, value=math.nan))
    slow, fast = LineReader(), LineReader()
    every, passed = [], 0
    for text in map(str.encode, lines):
        every += list(slow._feed(text))
    some = []
    for text in map(str.encode, lines):
        if fast.passes(text):
            passed += 1
        else:
            some += list(fast.feed(text))
    assert list(map(repr, [*some, *fast.flush()])) == list(map(repr, [*every, *slow.flush()]))
    assert passed > len(lines) / 4


def test_all_lines_are_read_until_there_are_thousands_and_then_ever_fewer() -> None:
    samples = Samples()
    read = [n for n in range(1, 100_001) if samples.takes(b"loss")]
    assert read[:4095] == list(range(1, 4096))
    gaps = [after - before for before, after in itertools.pairwise(read)]
    assert gaps == sorted(gaps)
    assert {*gaps} == {1, 2, 4, 8, 16, 32}
    assert len(read) < 16_000


@pytest.fixture(scope="module")
def long() -> list[Row]:
    """12 epochs of 2,000 steps each, a validation every 100 steps, and one NaN between."""
    lines = []
    for step in range(1, 24_001):
        loss = "nan" if step == 17_001 else f"{9 - step / 9000:.4f}"
        lines.append(f"epoch {(step - 1) // 2000} step {step} loss {loss}")
        if step % 100 == 0:
            lines.append(f"val_iou {step / 30_000:.4f}")
    return rows(lines)


@pytest.mark.slow
def test_of_very_many_steps_no_validation_is_passed_over(long: list[Row]) -> None:
    steps = [row.step for row in long if "val_iou" in row.values]
    assert steps == list(range(100, 24_001, 100))
    assert len(long) < 16_000


def test_what_is_nan_is_read_however_many_lines_there_are(long: list[Row]) -> None:
    bad = [row.step for row in long if math.isnan(row.values.get("loss", 0.0))]
    assert bad == [17_001]


def test_the_last_step_of_an_epoch_is_read_however_many_there_are(long: list[Row]) -> None:
    steps = {row.step for row in long if "loss" in row.values}
    assert {2000 * (epoch + 1) for epoch in range(12)} <= steps


def test_of_lines_of_one_shape_in_an_epoch_the_last_stands() -> None:
    lines = [f"Epoch {e} [{b}/99] loss {e + b / 100:.2f}" for e in (1, 2) for b in range(100)]
    assert [dict(row.values) for row in rows(lines)] == [{"loss": 1.99}, {"loss": 2.99}]


def test_what_a_bar_drew_over_itself_is_passed_over() -> None:
    bar = "\r".join(f"{10 * n}%|{'█' * n}| {n}/10 [00:0{n % 10}, loss=0.{n}]" for n in range(1, 10))
    assert by_epoch("Epoch 1/3", bar, "val_iou: 0.5", "Epoch 2/3", bar) == {
        1: {"loss": 0.9, "val_iou": 0.5},
        2: {"loss": 0.9},
    }


def test_colours_are_no_part_of_a_line() -> None:
    assert by_epoch("\x1b[1;32mEpoch 1\x1b[0m \x1b[4mloss: \x1b[31m0.5\x1b[0m") == {
        1: {"loss": 0.5}
    }


# -- below and above -----------------------------------------------------------------------------


def test_below_a_line_of_a_step_stands_what_is_of_that_step() -> None:
    found = by_step("step 100 | loss 0.5", "val_f1: 0.4", "step 200 | loss 0.4", "val_f1: 0.5")
    assert found == {100: {"loss": 0.5, "val_f1": 0.4}, 200: {"loss": 0.4, "val_f1": 0.5}}


def test_a_step_alone_on_its_line_counts_for_the_lines_below() -> None:
    assert by_step("step 100", "val_f1: 0.4", "Step: 200", "val_f1: 0.5") == {
        100: {"val_f1": 0.4},
        200: {"val_f1": 0.5},
    }


def test_below_an_epoch_stands_what_is_of_that_epoch() -> None:
    found = by_epoch("Epoch 1", "loss: 0.5", "val_iou: 0.4", "time: 3", "Epoch 2", "val_iou: 0.5")
    assert found == {1: {"loss": 0.5, "val_iou": 0.4}, 2: {"val_iou": 0.5}}


def test_lines_that_differ_in_the_digits_of_a_name_are_two() -> None:
    found = by_epoch("Epoch 1", "top1 acc: 0.5", "acc5: 0.9", "acc1: 0.6", "Epoch 2", "acc1: 0.7")
    assert (found[1]["acc5"], found[1]["acc1"]) == (0.9, 0.6)
    assert found[2]["acc1"] == 0.7


@each(
    "line",
    [
        "New best epoch: 1 with loss 0.01",
        "Resuming from epoch 7, loss: 0.01",
        "best metric: 0.99 val_iou: 0.99",
        "current val_iou: 0.99 best score: 0.99",
        "saving checkpoint: val_iou 0.99",
        "early stopping: loss 0.01",
    ],
)
def test_a_line_that_speaks_of_another_moment_says_nothing_of_this_one(line: str) -> None:
    assert by_epoch("Epoch 3: loss 0.5 val_iou 0.4", line, "Epoch 4: loss 0.4 val_iou 0.5") == {
        3: {"loss": 0.5, "val_iou": 0.4},
        4: {"loss": 0.4, "val_iou": 0.5},
    }


def test_a_line_of_a_validation_gives_its_values_that_name() -> None:
    found = by_epoch("Epoch(train) [3][50/50] loss: 0.5", "Epoch(val) [3][20/20] loss: 0.6")
    assert found == {3: {"train loss": 0.5, "val loss": 0.6}}
    below = by_epoch("Epoch 1/9", "train Loss: 0.5 Acc: 0.7", "val Loss: 0.6 Acc: 0.6")
    assert below == {1: {"train Loss": 0.5, "train Acc": 0.7, "val Loss": 0.6, "val Acc": 0.6}}


def test_a_line_that_sums_up_is_of_what_stood_above_it() -> None:
    found = by_epoch("Epoch 1", "Test: [10/10] Loss 0.5 (0.6)", " * Acc@1 66.1 Acc@5 90.2")
    assert found[1] == {"test Loss": 0.6, "test Acc@1": 66.1, "test Acc@5": 90.2}


def test_the_batches_of_a_validation_are_no_epoch() -> None:
    lines = [f"Iter(train) [{n}/300] loss: 0.{n}" for n in (100, 200, 300)]
    (row,) = (
        row for row in rows([*lines, "Iter(val) [125/125] mIoU: 0.5"]) if "val mIoU" in row.values
    )
    assert (row.epoch, row.step) == (None, 300)


def test_a_number_in_brackets_is_an_epoch_until_one_is_named_in_words() -> None:
    assert by_epoch("[1/9] loss: 0.5", "[2/9] loss: 0.4") == {1: {"loss": 0.5}, 2: {"loss": 0.4}}
    named = by_epoch("Epoch 1", "[1/9] loss: 0.5", "[2/9] loss: 0.4", "Epoch 2", "[1/9] loss: 0.3")
    assert named == {1: {"loss": 0.4}, 2: {"loss": 0.3}}


def test_a_decimal_comma_that_is_sure_once_holds_from_then_on() -> None:
    found = by_epoch("Epoch 1: loss: 0,512", "Epoch 2: loss: 1,234")
    assert found == {1: {"loss": 0.512}, 2: {"loss": 1.234}}


def test_beside_a_mean_of_all_classes_the_value_of_one_class_is_left_out() -> None:
    lines = ["Epoch {}: loss 0.5", "road IoU: 0.9", "car IoU: 0.1", "mean IoU: 0.4"]
    found = by_epoch(*(line.format(e) for e in (1, 2) for line in lines))
    assert found == {e: {"loss": 0.5, "mean IoU": 0.4} for e in (1, 2)}


def test_a_value_of_the_epoch_itself_stays_beside_a_mean() -> None:
    assert by_epoch("Epoch 1: IoU 0.5", "mean IoU: 0.4") == {1: {"IoU": 0.5, "mean IoU": 0.4}}


# -- tables --------------------------------------------------------------------------------------


def test_a_head_and_the_rows_below_it() -> None:
    found = by_epoch("epoch  train_loss  val_iou", "1  0.5  0.4", "2  0.4  0.5", "done in 3 s")
    assert found == {1: {"train_loss": 0.5, "val_iou": 0.4}, 2: {"train_loss": 0.4, "val_iou": 0.5}}


def test_a_table_of_steps() -> None:
    assert by_step(
        "| step | loss | val_f1 |", "|---|---|---|", "| 10 | 0.5 | 0.4 |", "| 20 | 1 | 0.5 |"
    ) == {
        10: {"loss": 0.5, "val_f1": 0.4},
        20: {"loss": 1.0, "val_f1": 0.5},
    }


def test_a_table_below_an_epoch_is_of_that_epoch() -> None:
    table = ["|  Class | IoU |  Acc |", "|  road | 0.9 | 0.9 |", "|  mean | 0.{} | 0.7 |"]
    lines = [line.format(e) for e in (4, 5) for line in (f"Epoch [{e}] loss: 0.5", *table)]
    assert {at: values["IoU"] for at, values in by_epoch(*lines).items()} == {4: 0.4, 5: 0.5}
    many = [line.format(e) for e in range(1, 9) for line in (f"Epoch [{e}] loss: 0.5", *table)]
    found = {at: values["IoU"] for at, values in by_epoch(*many).items()}
    assert found == {at: at / 10 for at in range(1, 9)}


def test_a_table_of_two_columns_has_its_own_step_or_is_of_the_epoch_above() -> None:
    rule = "-" * 30
    own = [rule, "| total_timesteps | 2048 |", "| loss | 0.5 |", rule]
    assert by_step(*own) == {2048: {"total_timesteps": 2048, "loss": 0.5}}
    assert by_epoch("Epoch 3", "| loss | 0.5 |", rule) == {3: {"loss": 0.5}}


# -- in any stride and order ---------------------------------------------------------------------


@given(st.lists(st.integers(1, 10**5), min_size=1, max_size=30, unique=True), st.integers(1, 5))
@settings(max_examples=50)
def test_a_step_log_in_any_stride_is_read_back(steps: list[int], every: int) -> None:
    lines, expected = [], {}
    for at, step in enumerate(sorted(steps)):
        lines.append(f"step {step} | loss {step / 7:.3f}")
        expected[step] = {"loss": round(step / 7, 3)}
        if at % every == 0:
            lines.append(f"val_f1: {at / 100}")
            expected[step] |= {"val_f1": at / 100}
    assert by_step(*lines) == expected


@given(st.permutations(["loss: 0.5", "val_iou: 0.4", "lr: 0.1", "val_dice: 0.3"]))
def test_the_order_of_the_lines_below_an_epoch_says_nothing(lines: list[str]) -> None:
    found = by_epoch("Epoch 1", *lines, "Epoch 2", *lines)
    values = {"loss": 0.5, "val_iou": 0.4, "lr": 0.1, "val_dice": 0.3}
    assert found == {1: values, 2: values}


EPOCHS = range(1, 7)


def scored(*lines: str) -> dict[Position, float]:
    return {at: row["val_acc"] for at, row in by_epoch(*lines).items()}


def test_an_epoch_in_a_path_is_a_value_beside_one_that_is_not() -> None:
    """Composer's `time/epoch` counts the epochs that are over."""
    three = ([f"[epoch={e}]:", f"\ttime/epoch: {e - 1}", f"\tval_acc: {e / 10}"] for e in EPOCHS)
    assert scored(*itertools.chain(*three)) == {e: e / 10 for e in EPOCHS}


def test_an_epoch_in_a_path_is_one_where_no_other_goes_on() -> None:
    lines = [*itertools.chain(*([f"train/epoch: {e}", f"\tval_acc: {e / 10}"] for e in EPOCHS))]
    assert scored(*lines) == {e: e / 10 for e in EPOCHS}
    assert scored("Epoch 0 begins", *lines) == {e: e / 10 for e in EPOCHS}


@each("line", ["Loss is nan, stopping training", "Loss: nan", "LOSS = NaN"])
def test_a_nan_is_news_in_any_spelling(line: str) -> None:
    """A line of the epoch says the loss of the steps before."""
    told = rows(["epoch 1 loss 0.5", "epoch 2 loss 0.4", line])
    values = [value for row in told if row.epoch == 2 for value in row.values.values()]
    assert any(map(math.isnan, values))
