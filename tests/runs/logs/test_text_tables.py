"""Tables within text: what is their head, which rows fit below it, and which row counts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.logs.text_tables import (
    TableRow,
    TextTable,
    UprightTable,
    bare_table_of,
    head_of,
)
from tests.each import each


def table(head: str) -> TextTable:
    found = head_of(head)
    assert found is not None, head
    return found


def row(head: str, line: str) -> TableRow:
    found = table(head).row(line)
    assert found is not None, line
    return found


_TRAINING = "      Epoch    GPU_mem   box_loss   cls_loss  Instances       Size"
_VALIDATION = (
    "                 Class     Images  Instances      Box(P          R      mAP50  mAP50-95)"
)
_BOTH = f"{_VALIDATION}     Mask(P          R      mAP50  mAP50-95)"
_BAR = ": 100%|██████████| 10/10 [00:05<00:00,  1.9it/s]"


def test_ultralytics_bars_below_their_head() -> None:
    found = row(
        _TRAINING, f"      1/100      2.51G      1.234      2.345         12        640{_BAR}"
    )
    assert (found.epoch, found.step) == (1, None)
    assert found.values == {
        "GPU_mem": 2.51,
        "box_loss": 1.234,
        "cls_loss": 2.345,
        "Instances": 12,
        "Size": 640,
    }


def test_the_row_of_all_classes_counts_and_that_of_one_is_passed_over() -> None:
    values = "        128        929      0.641      0.537      0.605      0.446"
    assert row(_VALIDATION + _BAR, f"                   all{values}").values["mAP50-95"] == 0.446
    assert row(_VALIDATION, f"                person{values}") == TableRow({})
    assert row(_VALIDATION, f"         traffic light{values}") == TableRow({})


def test_two_groups_of_columns_are_told_apart() -> None:
    found = row(_BOTH, "   all 128 929 0.641 0.537 0.605 0.446 0.1 0.2 0.3 0.4").values
    assert (found["Box mAP50-95"], found["Mask mAP50-95"]) == (0.446, 0.4)


def test_fastai_whose_columns_touch() -> None:
    head = "epoch     train_loss  valid_loss  accuracy  time    "
    found = row(head, "0         0.512000    0.400000    0.900000  00:10     ")
    assert found == TableRow({"train_loss": 0.512, "valid_loss": 0.4, "accuracy": 0.9}, 0)
    assert (
        table("epoch     train_losstrain_psnr time      ").row("3         0.5 0.6 00:10")
        is not None
    )


def test_markdown_with_its_best_in_bold() -> None:
    head = "| epoch | loss | val_iou |"
    assert row(head, "| 3 | 0.5 | **0.6** |") == TableRow({"loss": 0.5, "val_iou": 0.6}, 3)
    assert table(head).row("|---|---|---|") is None
    assert table(head).row("| x | 0.5 | 0.6 |") is None


def test_detectron2_behind_the_prefix_of_its_logger() -> None:
    head = "[01/01 10:00:00 d2.evaluation.testing]: copypaste: AP,AP50,AP75"
    found = row(head, "[01/01 10:00:00 d2.evaluation.testing]: copypaste: 41.2,60.1,44.4")
    assert found == TableRow({"AP": 41.2, "AP50": 60.1, "AP75": 44.4})


def test_the_report_of_scikit_learn_by_its_averages() -> None:
    head = "              precision    recall  f1-score   support"
    macro = row(head, "   macro avg       0.50      0.60      0.70        20")
    assert macro.values["macro avg f1-score"] == 0.7
    weighted = row(head, "weighted avg       0.50      0.60      0.71        20")
    assert weighted.values["weighted avg f1-score"] == 0.71
    assert row(head, "     class 0       0.50      0.60      0.70        10") == TableRow({})


def test_a_column_without_a_name_counts_where_the_table_is_of_a_course() -> None:
    assert row("   train_loss  val_loss", "4  0.5  0.6").epoch == 4
    assert row("   precision  recall", "4  0.5  0.6") == TableRow({})  # a class that is called 4


def test_steps_and_fractions_of_epochs_are_places_and_no_values() -> None:
    assert row("step loss val_f1", "100 0.5 0.25") == TableRow(
        {"loss": 0.5, "val_f1": 0.25}, None, 100
    )
    assert row("Step  Epoch  Loss", "100  0.5  2.0") == TableRow({"Loss": 2.0}, 0.5, 100)
    assert math.isnan(row("step loss val_f1", "100 0.5 nan").values["val_f1"])


@each(
    "line",
    [
        "this is a line of text",
        "loss: 0.4 acc: 0.5",
        "loss=0.4 acc=0.5",
        "epoch a b",  # no measure, and few columns
        "epoch 3 loss iou",
        "loss",
        "",
        "loss loss loss iou",
        "time memory",
    ],
)
def test_what_is_no_head(line: str) -> None:
    assert head_of(line) is None


@each("line", ["", "a,b,c", "1,2", "1,2,3,4,5", "saved 1 of 3", "nothing"])
def test_what_does_not_fit_is_no_row(line: str) -> None:
    assert table("epoch,loss,iou").row(line) is None


def test_where_rows_tell_which_they_are() -> None:
    assert table("epoch,loss,iou").leads
    assert not table("loss,epoch,iou").leads
    assert table("|   Class   |  IoU  |  Acc  |").leads
    assert table("|   Class   |  IoU  |  Acc  |").labelled
    assert not table("epoch,loss,iou").labelled


@given(
    st.lists(st.floats(allow_nan=False, width=32), min_size=3, max_size=3),
    st.integers(0, 10**6),
    st.sampled_from([",", "\t", ";", " | ", "  ", " "]),
)
def test_any_separator_is_read_back(values: list[float], epoch: int, separator: str) -> None:
    names = ["epoch", "train_loss", "val_loss", "val_iou"]
    edge = "|" if "|" in separator else ""
    head = f"{edge}{separator.join(names)}{edge}"
    line = f"{edge}{separator.join(map(repr, [epoch, *values]))}{edge}"
    found = row(head, line)
    assert (found.epoch, list(found.values.values())) == (epoch, values)


def test_yolos_table_that_has_no_head() -> None:
    line = "   7/299     2.51G   0.1  0.2 0.3 0.6 12 640 0.5 0.4 0.3 0.2 0.11 0.12 0.13"
    found = bare_table_of(line)
    assert found is not None
    read = found.row(line)
    assert read is not None
    assert (read.epoch, read.values["mAP@.5:.95"], read.values["val/cls_loss"]) == (7, 0.2, 0.13)
    assert bare_table_of("   7/299     2.51G   0.1  0.2 0.3 0.6 12 640") is None
    assert bare_table_of("   7/299     2510   0.1  0.2 0.3 0.6 12 640 1 2 3 4 5 6 7") is None


# -- a name and its number a line ----------------------------------------------------------------


def upright(*lines: str) -> tuple[UprightTable, list[bool]]:
    found = UprightTable()
    return found, [found.takes(line.encode()) for line in lines]


def test_stable_baselines_table_of_two_columns() -> None:
    found, took = upright(
        "| rollout/           |          |",
        "|    ep_rew_mean     | 12.5     |",
        "| time/              |          |",
        "|    total_timesteps | 2048     |",
        "----------------------------------",
    )
    assert (took, found.is_open) == ([True, True, True, True, False], True)
    first, is_open = found.done(), found.is_open
    assert not is_open
    assert first == TableRow(
        {"rollout/ep_rew_mean": 12.5, "time/total_timesteps": 2048}, None, 2048
    )
    assert found.done() is None


def test_an_upright_table_may_count_epochs_and_begins_anew_with_each() -> None:
    found, _ = upright("| epoch | 3 |", "| loss | nan |")
    first = found.done()
    assert first is not None
    assert first.epoch == 3
    assert math.isnan(first.values["loss"])
    found.takes(b"| loss | 0.5 |")
    assert found.done() == TableRow({"loss": 0.5})


@pytest.mark.parametrize("line", ["| a | b | c |", "| loss | x |", "| 1 | 2 |", "text", "| | 3 |"])
def test_what_is_no_row_of_two_columns(line: str) -> None:
    found, took = upright(line)
    assert took == [False]
    assert found.done() is None


def test_a_column_may_be_a_part_of_the_data() -> None:
    head = "│            │   train │   validation │   test │"
    told = row(head, "│ accuracy   │  0.7123 │       0.6832 │ 0.6711 │").values
    assert told == {
        "train accuracy": 0.7123,
        "validation accuracy": 0.6832,
        "test accuracy": 0.6711,
    }
    assert row(head, "│ loss       │  nan    │       0.6832 │        │").values.keys() == {
        *("train loss", "validation loss")
    }
    assert row(head, "│ seconds    │  12.3   │       3.2    │  3.1   │").values == {}
    assert table(head).row("╞════════════╪═════════╪══════════════╪════════╡") is None
