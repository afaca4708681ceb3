"""The names and numbers of a line: which belong together, and of which data they are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.logs.pairs import begins_with_split, values_in
from ckptdoctor.runs.logs.watched import REDUCED_SCALE, is_watched
from tests.each import each


@each(
    ("line", "values"),
    [
        ("Acc@1: 66.054 ( 64.130)", {"Acc@1": 64.13}),
        ("Loss 0.5 (0.6)", {"Loss": 0.6}),
        ("avg_loss: 0.5 (0.1)", {"avg_loss": 0.5}),  # a difference stands there
        ("acc: 0.5 (+0.1)", {"acc": 0.5}),
        ("accuracy: 9821/10000", {"accuracy": 0.9821}),
        ("loss: 3/4", {"loss": 3.0}),
        ("accuracy: 0/0", {"accuracy": 0.0}),
        ("Pseudo dice [0.5, nan, 0.7]", {"Pseudo dice": 0.6}),
        ("loss [0.5, 0.6]", {}),  # of several losses the mean says nothing
        ("loss [0.5]", {"loss": 0.5}),
        ("mAP@0.5:0.95: 0.41 mAP@0.5: 0.6", {"mAP@0.5-0.95": 0.41, "mAP@0.5": 0.6}),
        ("acc → 0.5", {"acc": 0.5}),
        ("iou => 0.5", {"iou": 0.5}),
        ("accuracy reached 0.8", {"accuracy": 0.8}),
        ("The validation accuracy is: 0.8", {"validation accuracy": 0.8}),
        ("{'eval_loss': '0.5', 'eval_acc': 0.7}", {"eval_loss": 0.5, "eval_acc": 0.7}),
        ("('loss', 0.5), ('iou', 0.4)", {"loss": 0.5, "iou": 0.4}),
        ("loss: None acc: 0.8", {"acc": 0.8}),
        ("loss 0.5 val_iou 0.4", {"loss": 0.5, "val_iou": 0.4}),
        ("loss-0.4 acc-0.5", {"loss": 0.4, "acc": 0.5}),
        ("loss=1,234.5 acc=0.5", {"loss": 1234.5, "acc": 0.5}),
        ("loss: np.float64(0.5)", {"loss": 0.5}),
        ("best val iou    0.5", {"best val iou": 0.5}),
        ("samples per second    12.5", {}),
        ("test error rate: 0.04", {"test error rate": 0.04}),
        ("Word Error Rate: 4.1 loss: 0.5", {"Word Error Rate": 4.1, "loss": 0.5}),
        ("false positive rate: 0.1, acc: 0.9", {"false positive rate": 0.1, "acc": 0.9}),
        ("learning rate: 0.1 loss: 0.5", {"learning rate": 0.1, "loss": 0.5}),
    ],
)
def test_a_name_and_its_number(line: str, values: dict[str, float]) -> None:
    assert values_in(line) == pytest.approx(values)


@each(
    ("line", "values"),
    [
        ("train/val loss: 0.5/0.6", {"train loss": 0.5, "val loss": 0.6}),
        ("Train / Val Acc = 0.5 / 0.6", {"Train Acc": 0.5, "Val Acc": 0.6}),
        ("loss (train/val): 0.5/0.6", {"train loss": 0.5, "val loss": 0.6}),
        (
            "loss (trn/vld): 0.5, 0.6 | acc (trn/vld): 0.7, 0.8",
            {"trn loss": 0.5, "vld loss": 0.6, "trn acc": 0.7, "vld acc": 0.8},
        ),
        ("train/val loss: nan/0.6", {"train loss": math.nan, "val loss": 0.6}),
        ("train/val_loss: 0.5", {"train/val_loss": 0.5}),  # a tag of TensorBoard
        ("IoU road: 0.9, IoU mean: 0.5", {"road": 0.9, "mean IoU": 0.5}),
    ],
)
def test_what_stands_apart_belongs_together(line: str, values: dict[str, float]) -> None:
    assert values_in(line) == pytest.approx(values, nan_ok=True)


def test_the_mean_of_classes_leaves_out_those_that_are_not_there() -> None:
    assert math.isnan(values_in("Pseudo dice [nan, nan]")["Pseudo dice"])
    assert values_in("Pseudo dice [nan, 0.8]") == {"Pseudo dice": 0.8}


@each(
    ("line", "values"),
    [
        (
            "train: loss 0.5 acc 0.8 | val: loss 0.6 acc 0.7",
            {"train loss": 0.5, "train acc": 0.8, "val loss": 0.6, "val acc": 0.7},
        ),
        ("train loss: 0.5, val loss: 0.6", {"train loss": 0.5, "val loss": 0.6}),
        (
            "[train] loss: 0.5 iou: 0.4 [val] loss: 0.6 dice: 0.5",
            {"train loss": 0.5, "train iou": 0.4, "val loss": 0.6, "val dice": 0.5},
        ),
        ("loss (val): 0.5", {"val loss": 0.5}),
        ("Loss: 0.3, Train: 0.8, Val: 0.7", {"Loss": 0.3, "Train score": 0.8, "Val score": 0.7}),
        ("Accuracy of the network on the 10000 test images: 88 %", {"test Accuracy": 88.0}),
        (
            "train (0.4, 0.61) val (0.5, 0.58)",
            {"train loss": 0.4, "train score": 0.61, "val loss": 0.5, "val score": 0.58},
        ),
        ("validation accuracy: 0.5", {"validation accuracy": 0.5}),
    ],
)
def test_values_are_of_the_data_that_their_line_says(line: str, values: dict[str, float]) -> None:
    assert values_in(line) == values


def test_a_part_of_the_data_alone_names_its_loss_only_where_a_log_does_so() -> None:
    line = "train 2.15 val 2.32"
    assert values_in(line, is_bare=True) == {"train loss": 2.15, "val loss": 2.32}
    assert not {"train loss", "val loss"} & set(values_in(line))


def test_the_parts_of_a_loss_stand_in_brackets_behind_it() -> None:
    found = values_in("Loss: 2.3 (ce: 1.4, dice: 0.9) iou: 0.5")
    assert found == {"Loss": 2.3, "ce": 1.4, "dice loss": 0.9, "iou": 0.5}


def test_a_number_that_is_still_being_written_is_none() -> None:
    assert values_in("loss: 0.5 acc: 0.") == {"loss": 0.5}


def test_what_says_no_data_is_of_that_of_the_line_but_the_rate_is_of_none() -> None:
    found = values_in("loss: 0.5 train_acc: 0.8 lr: 0.1 eta: 3", "val")
    assert found == {"val loss": 0.5, "train_acc": 0.8, "lr": 0.1, "eta": 3.0}


@each(
    ("line", "names"),
    [
        ("mean Dice: 0.7", {"mean Dice"}),
        ("Dice score: 0.8", {"Dice score"}),
        ("focal loss: 0.3 dice loss: 0.2", {"focal loss", "dice loss"}),
        (
            "policy loss: 0.3 value loss: 0.2 entropy loss: 0.1",
            {"policy loss", "value loss", "entropy loss"},
        ),
        ("best val acc: 0.3", {"best val acc"}),
        ("the loss: 0.3", {"loss"}),
    ],
)
def test_words_in_front_that_belong_to_a_name(line: str, names: set[str]) -> None:
    assert set(values_in(line)) == names


_COCO = " Average {} @[ IoU={:9} | area={:>6s} | maxDets={:>3d} ] = {:0.3f}"


@each(
    ("row", "values"),
    [
        (("Precision  (AP)", "0.50:0.95", "all", 100, 0.412), {"AP": 0.412}),
        (("Precision  (AP)", "0.50", "all", 100, 0.612), {"AP50": 0.612}),
        (("Precision  (AP)", "0.75", "all", 100, 0.512), {"AP75": 0.512}),
        (("Precision  (AP)", "0.50:0.95", "small", 100, 0.2), {"APs": 0.2}),
        (("Recall     (AR)", "0.50:0.95", "all", 1, 0.31), {"AR@1": 0.31}),
        (("Recall     (AR)", "0.50:0.95", "large", 100, 0.5), {"AR@100l": 0.5}),
    ],
)
def test_a_row_of_cocos_table_by_its_own_name(
    row: tuple[str, str, str, int, float], values: dict[str, float]
) -> None:
    assert values_in(_COCO.format(*row)) == values


def test_a_size_that_no_object_has_says_nothing() -> None:
    line = _COCO.format("Precision  (AP)", "0.50:0.95", "small", 100, -1.0)
    assert not any(map(is_watched, values_in(line)))


def test_and_its_place_is_not_minus_one() -> None:
    line = _COCO.format("Precision  (AP)", "0.50:0.95", "small", 100, -1.0)
    assert "APs" not in values_in(line)


@each(
    "line",
    [
        "saved best_iou=0.43.pth",
        "loading weights/acc-0.91.ckpt",
        "saved iou=0.61-v1.ckpt",
        "45%|███ | 45/100 [00:10<00:12]",
        "a-a-a-a-" * 500,
        "",
        "loss",
        "loss: abc",
    ],
)
def test_what_holds_no_value_of_the_training(line: str) -> None:
    assert not any(map(is_watched, values_in(line)))


def test_beside_a_file_or_a_bar_the_values_are_read() -> None:
    assert values_in("saved iou-0.43.pth loss=0.5") == {"loss": 0.5}
    bar = "45%|███ | 45/100 [00:10<00:12] loss=0.5"
    assert values_in(bar) == {"loss": 0.5}


@pytest.mark.parametrize(
    "line",
    [
        "[deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 2, reducing to 1",
        "Gradient overflow.  Skipping step, reducing loss scale to 1.0",
    ],
)
def test_the_scale_that_an_overflow_leaves_is_the_one_that_is_told(line: str) -> None:
    assert values_in(line) == {REDUCED_SCALE: 1.0}


def test_a_log_with_decimal_commas_is_read_with_them() -> None:
    assert values_in("loss: 0,512; acc: 1,234", commas=True) == {"loss": 0.512, "acc": 1.234}
    assert values_in("loss: 0,512; acc: 1,234") == {"loss": 0.512, "acc": 1234.0}


def test_words_of_other_languages_are_names_as_well() -> None:
    assert values_in("训练损失：0.5，验证准确率：0.8") == {"train loss": 0.5, "val accuracy": 0.8}


@given(
    st.dictionaries(st.sampled_from(["loss", "val_iou", "lr", "eval_f1"]), st.floats(), min_size=1),
    st.sampled_from(["{}: {!r} ", "{}={!r}, ", "'{}': {!r}, ", "| {}: {!r} "]),
)
def test_what_python_prints_in_any_order_is_read_back(values: dict[str, float], how: str) -> None:
    line = "".join(how.format(name, value) for name, value in values.items())
    assert values_in(line) == pytest.approx(values, rel=0, abs=0, nan_ok=True)


def test_what_is_watched_is_what_tells_of_the_training() -> None:
    watched = ("loss", "val_iou", "lr", "grad_norm", "grad norm", "loss_scale", "Learning_Rate")
    assert all(map(is_watched, watched))
    assert not any(map(is_watched, ("time", "eta", "memory", "data_time", "step", "size")))


def test_the_data_that_a_line_begins_with() -> None:
    lines = ("val Loss: 0.4", "  [Valid] loss", "training loss", "Epoch val", "trainer: 3")
    assert [begins_with_split(line) for line in lines] == ["val", "val", "train", "", "train"]


def test_losses_are_told_apart_by_the_words_in_front_of_them() -> None:
    line = "Total Loss: 2.9, Mel Loss: 1.1, Mel PostNet Loss: 0.9"
    assert values_in(line) == {"Total Loss": 2.9, "Mel Loss": 1.1, "Mel PostNet Loss": 0.9}
    assert values_in("[D loss: 0.6] [G loss: 0.7]") == {"D loss": 0.6, "G loss": 0.7}


def test_a_number_may_stand_before_its_name() -> None:
    told = {"avg loss": 0.451929, "lr": 0.001}
    assert values_in("0.370096, 0.451929 avg loss, 0.001000 rate, 3.3 seconds") == told
    assert values_in("0.370096, 0.451929 avg, 0.001000 rate, 3.3 seconds") == told
    assert values_in("3 images, 0.001 rate, 2.5 seconds") == {}


def test_of_several_losses_a_nan_is_told_and_no_mean() -> None:
    assert values_in("loss: [0.5, 0.25], iou: 0.5") == {"iou": 0.5}
    assert math.isnan(values_in("loss: [0.5, nan], iou: 0.5")["loss"])
