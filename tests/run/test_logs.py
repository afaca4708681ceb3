"""Training logs of many kinds, and what they say of each epoch."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from ckptdoctor.run.logs import find_logs, read_logs


def read(path: Path, text: str) -> dict[int, dict[str, float]]:
    path.write_text(text, encoding="utf-8")
    return {epoch: dict(values) for epoch, values in read_logs([path]).epochs.items()}


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
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
        2: {"eval_loss": 0.4},
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
    found = {path.name for path in find_logs([inside / "a.pth", inside / "b.pth"])}
    assert found == {"training.log", "metrics.csv", "trainer_state.json"}
    assert find_logs([tmp_path / "gone/deep/a.pth"]) == []


def test_a_log_that_is_a_folder_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "x.log").mkdir()
    assert find_logs([tmp_path / "a.pth"]) == []
    with pytest.raises(FileNotFoundError, match="no such log file"):
        read_logs([tmp_path / "x.log"])
