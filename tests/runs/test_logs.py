"""Training logs of many kinds, and what they say of each epoch."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.errors import UsageError
from ckptdoctor.runs.beside import Home, logs_beside
from ckptdoctor.runs.logs import (
    LineReader,
    LogReading,
    compile_pattern,
    is_log,
    logs_in,
    read_logs,
)
from ckptdoctor.runs.logs.reading import is_read_whole
from tests.each import each


def read(path: Path, text: str) -> dict[float, dict[str, float]]:
    path.write_text(text, encoding="utf-8")
    return {epoch: dict(values) for epoch, values in read_logs([path]).epochs.items()}


@each(
    ("line", "epoch", "values"),
    [
        (
            "Epoch 89: Loss: 0.2234 | IoU: 0.6434 | LR: 0.000145",
            89,
            {"Loss": 0.2234, "IoU": 0.6434, "LR": 0.000145},
        ),
        ("epoch=3 loss=1.5e-3 val_iou=.5", 3, {"loss": 0.0015, "val_iou": 0.5}),
        ("[2024-01-01 10:00:00] INFO Epoch [89/120] loss: 0.25", 89, {"loss": 0.25}),
        ("EPOCH 7 - val_loss: nan", 7, {"val_loss": math.nan}),
        ("Epoch 7, loss = inf", 7, {"loss": math.inf}),
        ("\x1b[32mEpoch 5\x1b[0m: \x1b[1mIoU: 0.5\x1b[0m", 5, {"IoU": 0.5}),
        ("Epoch #12 mIoU: 0.71, mAP@0.5: 0.61", 12, {"mIoU": 0.71, "mAP@0.5": 0.61}),
        ("Epoch: 4, val/loss=-0.5", 4, {"val/loss": -0.5}),
    ],
)
def test_lines(line: str, epoch: int, values: dict[str, float], tmp_path: Path) -> None:
    found = read(tmp_path / "train.log", f"start\n{line}\nend\n")
    assert set(found) == {epoch}
    assert {k: v for k, v in found[epoch].items() if k in values} == pytest.approx(
        values, nan_ok=True
    )


@each(
    "text",
    ["", "no numbers here", "loss: 0.5", "Epoch without a number: 1", "Epoch 3", "\x00\xff" * 50],
)
def test_what_says_nothing_of_an_epoch(text: str, tmp_path: Path) -> None:
    assert read(tmp_path / "train.log", text) == {}


def test_carriage_returns_restarts_and_phases(tmp_path: Path) -> None:
    text = (
        "Epoch 1: train_loss: 0.9\rEpoch 1: train_loss: 0.8\n"
        "Epoch 1: val_iou: 0.4\nEpoch 2: val_iou: 0.3\nEpoch 2: val_iou: 0.6\n"
    )
    assert read(tmp_path / "train.log", text) == {
        1: {"train_loss": 0.8, "val_iou": 0.4},
        2: {"val_iou": 0.6},
    }


def test_csv_of_lightning_and_ultralytics(tmp_path: Path) -> None:
    lightning = "epoch,step,val_iou,train_loss\n0,9,,0.5\n0,9,0.4,\n1,19,0.6,\n"
    assert read(tmp_path / "metrics.csv", lightning) == {
        0: {"step": 9.0, "train_loss": 0.5, "val_iou": 0.4},
        1: {"step": 19.0, "val_iou": 0.6},
    }
    yolo = "           epoch,      metrics/mAP50(B)\n               1,             0.123\n"
    assert read(tmp_path / "results.csv", yolo) == {1: {"metrics/mAP50(B)": 0.123}}
    assert read(tmp_path / "metrics.csv", "a,b\n1,2\n") == {}


def test_json_lines_and_the_state_of_a_trainer(tmp_path: Path) -> None:
    rows = '{"epoch": 1, "iou": 0.5}\nnot json\n{"epoch": 2, "iou": NaN}\n{"step": 3}\n[1]\n{'
    found = read(tmp_path / "scalars.jsonl", rows)
    assert set(found) == {1, 2}
    assert found[1] == {"iou": 0.5}
    assert math.isnan(found[2]["iou"])
    state = {"log_history": [{"epoch": 1.0, "eval_loss": 0.5}, {"epoch": 1.98, "eval_loss": 0.4}]}
    assert read(tmp_path / "trainer_state.json", json.dumps(state)) == {
        1: {"eval_loss": 0.5},
        1.98: {"eval_loss": 0.4},
    }
    for broken in (
        "",
        "[]",
        '{"log_history": 3}',
        '{"log_history": [1, {"epoch": "x"}]}',
        "[" * 9999,
    ):
        assert read(tmp_path / "trainer_state.json", broken) == {}


def test_logs_beside_checkpoints_and_in_the_folder_above_are_found(tmp_path: Path) -> None:
    inside = tmp_path / "checkpoints"
    inside.mkdir()
    for path in (tmp_path / "training.log", inside / "metrics.csv", inside / "trainer_state.json"):
        path.touch()
    (inside / "config.json").touch()
    home = Home(folder=inside, name="a", inside=(inside,))
    found = {path.name for path in logs_beside(home, [])}
    assert found == {"training.log", "metrics.csv", "trainer_state.json"}
    assert {path.name for path in logs_in(inside)} == {"metrics.csv", "trainer_state.json"}
    assert logs_in(tmp_path / "gone/deep") == []


def test_a_log_that_is_a_folder_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "x.log").mkdir()
    assert logs_in(tmp_path) == []
    with pytest.raises(FileNotFoundError, match="no such log file"):
        read_logs([tmp_path / "x.log"])


def reading(path: Path, text: str, pattern: str = "") -> LogReading:
    path.write_text(text, encoding="utf-8")
    return read_logs([path], compile_pattern(pattern) if pattern else None)


@each(
    ("name", "text", "expected"),
    [
        (
            "PyTorch's tutorials",
            (
                "Epoch 0/24\n----------\ntrain Loss: 0.5 Acc: 0.7\nval Loss: 0.4 Acc: 0.8\n"
                "Best val Acc: 0.9\n"
            ),
            {0: {"train Loss": 0.5, "train Acc": 0.7, "val Loss": 0.4, "val Acc": 0.8}},
        ),
        (
            "PyTorch's ImageNet example",
            (
                "Epoch: [1][ 10/100]\tTime  0.1 ( 0.2)\tLoss 5.0e-1 (6.0e-1)\tAcc@1 10.0 ( 11.2)\n"
                " * Acc@1 70.1 Acc@5 89.2\n"
            ),
            {1: {"Loss": 0.6, "Acc@1": 70.1, "Acc@5": 89.2}},
        ),
        (
            "Keras",
            "Epoch 1/10\n100/100 [====] - 3s - loss: 0.5 - val_loss: 0.4\n",
            {1: {"loss": 0.5, "val_loss": 0.4}},
        ),
        (
            "the Hugging Face Trainer",
            (
                "{'loss': 0.5, 'grad_norm': 1.2, 'epoch': 0.5}\n{'eval_iou': '0.6', 'epoch': 1.0}\n"
                "{'loss': 0.0, 'grad_norm': nan, 'epoch': 1.3}\n"
            ),
            {
                0.5: {"loss": 0.5, "grad_norm": 1.2},
                1: {"eval_iou": 0.6},
                1.3: {"loss": 0.0, "grad_norm": math.nan},
            },
        ),
        (
            "MMEngine",
            (
                "2024/01/01 10:00:00 - mmengine - INFO - Epoch(train) [1][10/100]  lr: 1.0e-02"
                "  loss: 0.9\n2024/01/01 10:05:00 - mmengine - INFO - Epoch(val) [1][2/2] "
                "mIoU: 50.5\n"
            ),
            {1: {"lr": 0.01, "train loss": 0.9, "val mIoU": 50.5}},
        ),
        (
            "timm",
            (
                "Train: 88 [ 300/1251 ( 24%)]  Loss: 3.2 (3.30)  LR: 1.0e-03\n"
                "Test: [  78/78]  Loss:  1.2 (1.25)  Acc@1: 70.1 (69.20)\n"
            ),
            {88: {"train Loss": 3.3, "LR": 0.001, "test Loss": 1.25, "test Acc@1": 69.2}},
        ),
        (
            "a bar of tqdm",
            (
                "Epoch 3:  10%|1| 1/10 [00:00<00:09, 9.5it/s, loss=0.9]\r"
                "Epoch 3: 100%|#| 10/10 [00:01<00:00, 9.5it/s, loss=0.5]\n"
            ),
            {3: {"loss": 0.5}},
        ),
        (
            "epochs in brackets",
            "[89/120] train_loss: 0.3 | val_iou 0.64\n[90/120] train_loss: 0.2\n",
            {89: {"train_loss": 0.3}, 90: {"train_loss": 0.2}},
        ),
        (
            "two phases",
            "[Train] Epoch 5 | Loss: 0.5\n[Val] Epoch 5 | Loss: 0.4 | mIoU: 0.6\n",
            {5: {"train Loss": 0.5, "val Loss": 0.4, "val mIoU": 0.6}},
        ),
        (
            "names of two words",
            "Epoch 5, Train Loss: 0.5, Val IoU: 0.7, Grad Norm: 1.5\n",
            {5: {"Train Loss": 0.5, "Val IoU": 0.7, "Grad Norm": 1.5}},
        ),
        ("a tensor that was printed", "ep 13 iou=tensor(0.65)\n", {13: {"iou": 0.65}}),
        (
            "what speaks of other epochs",
            (
                "Namespace(epochs=120, lr=0.0002, start_epoch=3)\nEpoch 95: IoU: 0.61\n"
                "Best IoU: 0.6413 at epoch 88\nResuming from epoch 70\n"
                "Loaded checkpoint (epoch 88, iou=0.99)\nmax epoch: 120 loss: 3\n"
            ),
            {95: {"IoU": 0.61}},
        ),
    ],
)
def test_the_ways_in_which_scripts_print(
    name: str, text: str, expected: dict[int, dict[str, float]], tmp_path: Path
) -> None:
    found = read(tmp_path / "train.log", text)
    assert set(found) == set(expected)
    for epoch, values in expected.items():
        known = {k: v for k, v in found[epoch].items() if k in values}
        assert known == pytest.approx(values, nan_ok=True), name
    watched = {
        n for values in found.values() for n in values if n.lower().endswith(("loss", "iou"))
    }
    assert watched <= {n for values in expected.values() for n in values}


def test_a_pattern_of_the_users_own(tmp_path: Path) -> None:
    text = "E12;0.5;nan\nE13;0.6;0.2\nEpoch 9: iou: 1.0\nE14;x;0.1\n"
    pattern = r"^E(?P<epoch>\d+);(?P<iou>[^;]+);(?P<loss>\S+)"
    found = reading(tmp_path / "odd.log", text, pattern)
    assert set(found.epochs) == {12, 13}
    assert found.epochs[13] == {"iou": 0.6, "loss": 0.2}
    assert found.unread == 1
    assert found.examples == ("odd.log:4: E14;x;0.1",)


@pytest.mark.parametrize("pattern", ["(", r"iou=(?P<iou>\S+)", r"(?P<epoch>\d+)"])
def test_a_pattern_that_cannot_be_used(pattern: str) -> None:
    with pytest.raises(UsageError, match="--log-pattern"):
        compile_pattern(pattern)


def test_a_restart_leaves_epochs_behind(tmp_path: Path) -> None:
    first = "".join(f"Epoch {e}: IoU: 0.{e} Loss: 0.1\n" for e in range(80, 99))
    again = "".join(f"Epoch {e}: IoU: 0.9{e}\n" for e in range(89, 93))
    found = reading(tmp_path / "train.log", first + again)
    assert found.restarts == 1
    assert found.by_epoch.superseded == frozenset(range(93, 99))
    assert set(found.by_epoch.current()) == set(range(80, 93))
    assert found.epochs[90] == {"IoU": 0.99}, "the old attempt's loss is not this one's"
    assert found.epochs[95]["IoU"] == 0.95
    caught_up = reading(
        tmp_path / "b.log", first + "".join(f"Epoch {e}: IoU: 0.5\n" for e in range(89, 99))
    )
    assert not caught_up.by_epoch.superseded


def test_an_epoch_that_is_only_one_back_is_no_restart(tmp_path: Path) -> None:
    found = reading(tmp_path / "a.log", "Epoch 5: loss: 1\nEpoch 4: iou: 0.5\nEpoch 6: loss: 1\n")
    assert (found.restarts, found.by_epoch.superseded) == (0, frozenset())


def test_two_logs_of_a_run_are_no_restart(tmp_path: Path) -> None:
    for name, value in (("a.log", "IoU: 0.5"), ("b.log", "Loss: 0.2")):
        (tmp_path / name).write_text("".join(f"Epoch {e}: {value}\n" for e in range(5)))
    found = read_logs([tmp_path / "a.log", tmp_path / "b.log"])
    assert found.restarts == 0
    assert found.epochs[3] == {"IoU": 0.5, "Loss": 0.2}
    assert found.by_epoch.sources[3].name == "b.log"


def test_times_and_commands(tmp_path: Path) -> None:
    text = (
        "$ python train.py --lr 0.1 --epochs 3\nCommand: torchrun --nproc 2 train.py --lr 1\n"
        "2024-01-01 10:00:00 Epoch 1: loss: 1\n2024-01-01 10:10:00 Epoch 2: loss: 1\n"
        "2024-13-01 10:10:00 Epoch 3: loss: 1\n"
    )
    found = reading(tmp_path / "train.log", text)
    assert found.by_epoch.times_s[2] - found.by_epoch.times_s[1] == 600
    assert 3 not in found.by_epoch.times_s
    assert found.commands == (
        "python train.py --lr 0.1 --epochs 3",
        "torchrun --nproc 2 train.py --lr 1",
    )


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    found = reading(tmp_path / "a.jsonl", '{"epoch": 1, "iou": 0.5}\n{"epoch": \n{"a\n[1]\n')
    assert found.unread == 2
    assert found.examples[0] == 'a.jsonl:2: {"epoch":'
    table = reading(tmp_path / "b.csv", "epoch,iou\n1,0.5\nx,0.6\n2,0.7,9\n\n3\n")
    assert (table.unread, table.epochs) == (2, {1: {"iou": 0.5}})


def test_a_quote_that_is_never_closed_does_not_end_it(tmp_path: Path) -> None:
    text = 'epoch,iou\n1,0.5\n2,"' + "x" * 200_000 + "\n3,0.7\n\0,1\n"
    found = reading(tmp_path / "a.csv", text)
    assert found.epochs[1] == {"iou": 0.5}
    assert found.unread >= 1


def test_a_step_has_its_epoch(tmp_path: Path) -> None:
    rows: list[dict[str, float]]
    rows = [{"epoch": e / 2, "step": 50 * e, "loss": 0.5} for e in range(1, 9)]
    path = tmp_path / "trainer_state.json"
    asked = (1, 100, 101, 400, 401)
    path.write_text(json.dumps({"log_history": rows}))
    found = read_logs([path])
    assert [found.epoch_of_step(step) for step in asked] == [0.5, 1, 1.5, 4, None]
    rows += [{"epoch": e, "step": 100 * e, "eval_loss": 0.5} for e in range(1, 5)]
    path.write_text(json.dumps({"log_history": rows}))
    found = read_logs([path])
    assert [found.epoch_of_step(step) for step in asked] == [1, 1, 2, 4, None]


def test_rows_without_an_epoch_belong_to_the_one_above(tmp_path: Path) -> None:
    text = '{"loss": 1.0, "epoch": 3, "iter": 10}\n{"mIoU": 40.0, "step": 3}\n'
    found = reading(tmp_path / "scalars.json", text)
    assert found.epochs == {3: {"loss": 1.0, "iter": 10.0, "mIoU": 40.0, "step": 3.0}}


def test_our_own_output_is_no_log(tmp_path: Path) -> None:
    text = '{"schema_version": 1, "type": "epoch", "epoch": 3, "value": 0.5}\n'
    assert reading(tmp_path / "events.jsonl", text).epochs == {}


def test_a_log_of_any_size_is_read_a_shape_of_line_at_a_time(tmp_path: Path) -> None:
    lines = [
        f"2024-01-01 10:00:00 Epoch [{at // 2000}/9][{at % 2000}/2000] loss: 0.{at % 999:03d}\n"
        for at in range(20_000)
    ]
    path = tmp_path / "train.log"
    path.write_text("".join(lines) + "x" * 3_000_000 + "\nEpoch 10: loss: 0.5\n")
    found = read_logs([path])
    assert set(found.epochs) == set(range(11))
    assert found.epochs[4]["loss"] == (9999 % 999) / 1000
    assert found.epochs[10]["loss"] == 0.5


def test_what_is_found_by_name(tmp_path: Path) -> None:
    names = ("a.log", "b.txt", "metrics.csv", "scalars.json", "events.out.tfevents.1.host.2.0")
    assert all(is_log(Path(name)) for name in names)
    assert not any(is_log(Path(name)) for name in ("a.pth", "config.json", "other.csv"))
    nested = tmp_path / "20240101_000000/vis_data"
    nested.mkdir(parents=True)
    (nested / "scalars.json").touch()
    assert [path.name for path in logs_in(tmp_path)] == ["scalars.json"]


@given(st.binary(max_size=300))
def test_no_line_is_fatal(raw: bytes) -> None:
    reader = LineReader()
    for line in (raw, b"Epoch 3: " + raw, raw + b" epoch: 4 loss: 1"):
        rows = [*reader.feed(line), *reader.flush()]
        assert all(0 <= (row.epoch or row.step or 0) < 10**10 for row in rows)


@given(st.integers(0, 9_999_999), st.floats(allow_nan=True), st.sampled_from(["IoU", "val_loss"]))
def test_what_python_prints_is_read_back(epoch: int, value: float, name: str) -> None:
    reader = LineReader()
    rows = [*reader.feed(f"Epoch {epoch}: {name}: {value!r} | LR: 1e-05".encode()), *reader.flush()]
    assert [row.epoch for row in rows] == [epoch]
    assert rows[0].values[name] == pytest.approx(value, nan_ok=True)
    assert rows[0].values["LR"] == 1e-5


def test_a_table_of_more_columns_than_are_read_is_a_table(tmp_path: Path) -> None:
    head = "epoch,loss," + ",".join(f"c{at}" for at in range(5000))
    assert read(tmp_path / "metrics.csv", f"{head}\n1,0.5\n") == {1: {"loss": 0.5}}


def test_behind_a_line_that_is_too_long_the_next_is_read(tmp_path: Path) -> None:
    text = f"Epoch 1: loss: 0.5\nEpoch 2: loss: 0.4 {'x' * 5_000_000}\nEpoch 3: loss: 0.3\n"
    found = read(tmp_path / "train.log", text)
    assert found == {1: {"loss": 0.5}, 2: {"loss": 0.4}, 3: {"loss": 0.3}}


@pytest.mark.parametrize("raw", [b"\xbf", b"\xef\xbb", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"\n"])
def test_a_log_of_a_byte_order_mark_or_a_part_of_one_says_nothing(
    tmp_path: Path, raw: bytes
) -> None:
    path = tmp_path / "train.log"
    path.write_bytes(raw)
    assert read_logs([path]).epochs == {}
    assert not is_read_whole(path)
