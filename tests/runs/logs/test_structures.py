"""How lines are built, whoever prints them: each in words and values of our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ckptdoctor.histories import Clock
from ckptdoctor.metadata import Mode, is_loss
from ckptdoctor.metadata.metric_names import mode_of
from ckptdoctor.runs.logs import read_logs
from ckptdoctor.runs.logs.log_reading import LogReading
from ckptdoctor.runs.logs.marks import find_mark
from ckptdoctor.runs.logs.pairs import values_in
from ckptdoctor.runs.logs.text_tables import head_of
from tests.each import each


def read(tmp_path: Path, text: str, name: str = "train.log") -> LogReading:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_logs([path])


@each(
    ("line", "epoch"),
    [
        ("Train 7, hinge: 0.2, top: 3", 7),
        ("9 epoch, LR 0.1, LOSS 2.5", 9),
        ("[INFO] 4, my_loss=0.25, other=1", 4),
        ("epoch:         12 | lr: 0.1", 12),
        ("[12:30:01 host] Fit: [3/9][70/80] loss: 0.5", 3),
        ("[valid: 7, 20 / 30] speed: 4.0  ,  Loss/all: 3.4", 7),
        ("2/9(v): 100%|####| 7/7 [00:01<00:00, 2.0it/s, val_acc=0.5]", 2),
        ("epoch: 1.38e+00, loss: 5.0e-01", 1.38),
        ("{'loss': 0.5, 'epoch': 5.75e-02}", 0.0575),
        ("[set x2] PSNR: 31.5 (Best: 32.5 @epoch 12) epoch 13", 13),
    ],
)
def test_an_epoch_is_where_a_line_has_it(line: str, epoch: float) -> None:
    mark = find_mark(line.encode(), in_words=False)
    assert mark is not None
    assert (mark.epoch, mark.step) == (epoch, None)


@each(
    ("line", "step"),
    [
        ("[  700, 0.0002500]    3.1,  0.4,", 700),
        ("[batch=25/90]:", 25),
        ("[1500/200000] loss: 0.4", 1500),
        ("epoch: 0, s: 5, gs: 305, lr: 0.1", 305),
        ("[  4]   1200 || Q: 1.0 | W: 2.0", 1200),
        ("Valid F1 at step 700: 0.5", 700),
        ("Check num_timesteps=5000, episode_reward=3.5 +/- 1.5", 5000),
        ("Episodes = 3 | Actor Steps = 600 | x = 1", 600),
        ("***** Results checkpoint-500 *****", 500),
        ("loss: 1.0e-01, step: 1.25e+03", 1250),
    ],
)
def test_a_step_is_where_a_line_has_it(line: str, step: int) -> None:
    mark = find_mark(line.encode(), in_words=False)
    assert mark is not None
    assert mark.step == step


def test_a_pair_of_brackets_beside_another_is_no_epoch_where_two_name_it(tmp_path: Path) -> None:
    lines = (f"Fit: [{e}/5][9/9] loss: 0.{9 - e}\nCheck: [{9}/9] loss: 4.5\n" for e in range(1, 6))
    told = read(tmp_path, "".join(lines))
    assert list(told.epochs) == [1, 2, 3, 4, 5]


@each(
    ("text", "values"),
    [
        ("AP: 0.5  AP .75: 0.4  AP (L): 0.6", {"AP": 0.5, "AP .75": 0.4, "AP (L): 0.6": None}),
        ("loss train: 1.5, val: 1.7", {"train loss": 1.5, "val loss": 1.7}),
        ("valid loss: 0.3 (Exact: 61.5% | ce: 9)", {"valid loss": 0.3, "valid Exact": 61.5}),
        ("  | Validation | Loss: 0.25 | Set: 3", {"validation Loss": 0.25}),
        ("cv_loss 0.75", {"cv_loss": 0.75}),
        ("mean returns/agent 1      4.5", {}),
        ("agent/Average Returns      4.5", {"agent/Average Returns": 4.5}),
    ],
)
def test_the_names_of_a_line_say_what_they_are_of(
    text: str, values: dict[str, float | None]
) -> None:
    told = values_in(text)
    wanted = {name.partition(":")[0]: one for name, one in values.items()}
    for name, one in wanted.items():
        assert name in told
        assert one is None or told[name] == one


def test_several_names_before_several_numbers_have_one_each(tmp_path: Path) -> None:
    told = read(tmp_path, "".join(f"Epoch {e}\nval IoU/F1 0.{e}/0.{e + 2}.\n" for e in (1, 2, 3)))
    assert {at: tuple(v.values()) for at, v in told.epochs.items()} == {
        1: (0.1, 0.3),
        2: (0.2, 0.4),
        3: (0.3, 0.5),
    }


def test_values_may_stand_before_the_moment_that_they_are_of(tmp_path: Path) -> None:
    lines = (f"fast   Loss 0.{9 - n}   Epoch: 0   Global Step: {n}00   h: 7\n" for n in range(1, 6))
    told = read(tmp_path, "".join(lines))
    assert told.clock is Clock.STEP
    assert [v["Loss"] for v in told.told.values()] == [0.8, 0.7, 0.6, 0.5, 0.4]


def test_a_colon_behind_a_step_heads_what_is_below(tmp_path: Path) -> None:
    part = "{k} | step: {n}00 | took a while, which is said at some length | output:\n  acc: {v}\n"
    text = "".join(
        part.format(k=k, n=n, v=v) for n in range(1, 5) for k, v in (("train", 0.9), ("eval", 0.6))
    )
    told = read(tmp_path, text).told
    assert {name for values in told.values() for name in values} >= {"acc", "eval acc"}
    assert {values["eval acc"] for values in told.values()} == {0.6}


def test_losses_stand_beside_each_other_in_the_table_of_a_training() -> None:
    table = head_of("  Epoch   GIoU   obj   cls   total   labels")
    assert table is not None
    row = table.row("   3/9   1.5   2.0   0.5   4.0   17")
    assert row is not None
    assert row.epoch == 3
    assert is_loss(next(name for name in row.values if name.startswith("GIoU")))


def test_a_comment_may_head_columns_that_stand_close() -> None:
    table = head_of("#  step     mae_val    mae_trn mae_e_val        lr")
    assert table is not None
    row = table.row("    200    1.5e+00   1.0e+00   2.5e-01   1.0e-03")
    assert row is not None
    assert (row.step, row.values["mae_val"], row.values["mae_e_val"]) == (200, 1.5, 0.25)


def test_a_row_that_says_which_model_it_is_of_counts() -> None:
    table = head_of("| Model | AP | AP50 |")
    assert table is not None
    row = table.row("| my_net_2 | 0.25 | 0.5 |")
    assert row is not None
    assert row.values == {"AP": 0.25, "AP50": 0.5}


def test_json_may_stand_behind_a_word_and_hold_a_value_a_row(tmp_path: Path) -> None:
    rows = (
        {"key": name, "value": value / (n + 1), "info": {"epoch_num": n}}
        for n in range(4)
        for name, value in (("train_loss", 2.0), ("eval_accuracy", 0.5))
    )
    told = read(tmp_path, "".join(f"::LOG {json.dumps(row)}\n" for row in rows))
    assert told.epochs[3]["eval_accuracy"] == 0.125
    assert told.epochs[1]["train_loss"] == 1.0


def test_json_may_count_in_a_list(tmp_path: Path) -> None:
    rows = ({"step": [n], "data": {"val.acc": n / 8}} for n in range(5))
    told = read(tmp_path, "".join(f"{json.dumps(row)}\n" for row in rows))
    assert {at: v["val.acc"] for at, v in told.epochs.items()} == {n: n / 8 for n in range(5)}


def test_json_lines_that_name_no_moment_are_counted(tmp_path: Path) -> None:
    rows = (row for n in range(4) for row in ({"train_loss": 2.0 - n}, {"val_acc": n / 4}))
    told = read(tmp_path, "".join(f"{json.dumps(row)}\n" for row in rows))
    assert told.epochs[3] == {"train_loss": -1.0, "val_acc": 0.75}


def test_what_a_model_says_of_its_data_is_not_counted(tmp_path: Path) -> None:
    told = read(tmp_path, "".join(f'{{"id": {n}, "loss": 0.5}}\n' for n in range(9)))
    assert not told.says_something


def test_lists_of_values_stand_beside_their_steps(tmp_path: Path) -> None:
    series = {"steps": [10, 20, 30], "values": [0.1, 0.2, 0.4]}
    told = read(tmp_path, json.dumps({"valid.iou": series}), "metrics.json")
    assert {at: next(iter(v.values())) for at, v in told.told.items()} == {
        10: 0.1,
        20: 0.2,
        30: 0.4,
    }


def test_numbers_in_brackets_far_apart_count_steps(tmp_path: Path) -> None:
    far = read(tmp_path, "".join(f"[{n}000] eval_return {n}.5 / other 3.0\n" for n in range(1, 6)))
    assert (far.clock, list(far.told)) == (Clock.STEP, [1000, 2000, 3000, 4000, 5000])
    near = read(tmp_path, "".join(f"[{n}] eval_return {n}.5 / other 3.0\n" for n in range(1, 6)))
    assert (near.clock, list(near.told)) == (Clock.EPOCH, [1, 2, 3, 4, 5])


@each(
    ("name", "mode"),
    [
        ("MeanIU", Mode.MAX),
        ("VEER", Mode.MIN),
        ("TLOSS", Mode.MIN),
        ("Vali Loss", Mode.MIN),
        ("AverageEpRet", Mode.MAX),
        ("nsdr", Mode.MAX),
        ("Accuracy-Flip", Mode.MAX),
    ],
)
def test_short_names_are_understood(name: str, mode: Mode) -> None:
    assert mode_of(name) is mode


@pytest.mark.parametrize("name", ["LossPi", "D/loss_real", "G/loss_cls"])
def test_a_loss_may_be_of_a_part_that_nobody_knows(name: str) -> None:
    assert is_loss(name)


def test_the_head_of_a_table_may_be_in_another_language(tmp_path: Path) -> None:
    rows = (f"{n};{0.5 + n / 8:g};{n / 8:g}".replace(".", ",") for n in range(1, 5))
    text = "Epoche;Verlust (Training);Genauigkeit (val)\n" + "\n".join(rows)
    told = read(tmp_path, text + "\n", "results.csv")
    assert told.epochs[4] == {"loss (Training)": 1.0, "accuracy (val)": 0.5}


def test_a_moment_in_a_row_of_names_has_values_on_both_sides(tmp_path: Path) -> None:
    text = "".join(f"foo: 1, val_acc: 0.{n}, epoch: {n}, lr: 0.1\n" for n in range(1, 5))
    assert {at: v["val_acc"] for at, v in read(tmp_path, text).epochs.items()} == {
        n: n / 10 for n in range(1, 5)
    }


def test_a_heading_may_be_of_the_line_that_names_its_moment_below(tmp_path: Path) -> None:
    """Training and validation print the same names, and only what stands above tells them apart."""
    part = (
        "10:00:0{n} (INFO): my_mae: 0.5, epoch: {n}.5, step: 1\n"
        "10:00:0{n} (INFO): Evaluating on val.\n"
        "10:00:0{n} (INFO): my_mae: 0.{n}, epoch: {n}.5\n"
    )
    told = read(tmp_path, "".join(part.format(n=n) for n in range(1, 4)))
    names = {name for row in told.rows for name in row.values}
    assert {"my_mae", "val my_mae"} <= names
    assert [row.values["val my_mae"] for row in told.rows if "val my_mae" in row.values] == [
        0.1,
        0.2,
        0.3,
    ]


def test_a_heading_with_values_below_it_is_over_at_the_next_moment(tmp_path: Path) -> None:
    part = "Epoch {n}: loss 0.5\nValidating...\n  iou: 0.{n}\n"
    told = read(tmp_path, "".join(part.format(n=n) for n in range(1, 5)))
    assert all(v == {"loss": 0.5, "val iou": n / 10} for n, v in told.epochs.items())


def test_a_line_of_the_training_says_that_its_evaluation_is_of_it() -> None:
    told = values_in("Training stats. Loss: 0.5. Evaluation score: 0.75", "training")
    assert told == {"training Loss": 0.5, "training score": 0.75}


def test_names_below_each_other_may_have_their_colons_so() -> None:
    assert values_in("    val_accuracy   : 0.5") == {"val_accuracy": 0.5}


def test_a_name_may_end_in_the_word_value() -> None:
    assert values_in("my_loss value: 0.5 | lm loss value: 0.25") == {
        "my_loss": 0.5,
        "lm loss": 0.25,
    }
