"""Which files beside checkpoints a training wrote."""

from __future__ import annotations

import gzip
from pathlib import Path

from ckptdoctor.runs.logs.signs import shows_training
from tests.each import each

EPOCHS = "".join(f"Epoch {at}: train_loss 0.{9 - at} val_iou 0.{at}\n" for at in range(1, 4))
INSTALLED = "".join(f"Requirement already satisfied: package_{at}\n" for at in range(2000))


@each(
    ("name", "content"),
    [
        ("train.log", EPOCHS),
        ("out.txt", INSTALLED + EPOCHS),  # a cell of a notebook that installs before it trains
        ("log.jsonl", '{"epoch": 1, "loss": 0.5}\n{"epoch": 2, "loss": 0.4}\n'),
        ("one.jsonl", '{"epoch": 1, "val_loss": 0.5}\n'),
        ("metrics.csv", "epoch,step,val_loss\n1,10,0.5\n2,20,0.4\n"),
        ("results.csv", "epoch,something\n1,0.5\n2,0.4\n"),
        ("steps.csv", "step,loss\n1,0.5\n"),
        ("odd.jsonl", '{"epoch": 1, "wobble": 0.3}\n{"epoch": 2, "wobble": 0.4}\n'),
    ],
)
def test_what_a_training_wrote_shows_it(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert shows_training(path)


@each(
    ("name", "content"),
    [
        ("config.json", '{"epochs": 90, "lr": 0.1, "loss": "ce", "width": 64}\n'),
        ("config.yaml", "epochs: 90\nlr: 0.1\nweight_decay: 0.01\n"),
        ("vocabulary.txt", "the\nof\nepoch\nloss\n"),
        ("images.txt", "a/0001.png 0\na/0002.png 1\n"),
        ("predictions.csv", "image,score\n1,0.5\n2,0.4\n"),
        ("pip.txt", INSTALLED),
        ("odd.jsonl", '{"epoch": 1, "wobble": 0.3}\n{"epoch": 1, "wobble": 0.4}\n'),
        ("rates.txt", "lr 0.1\nlr 0.2\n"),
        ("empty.log", ""),
    ],
)
def test_what_lies_beside_it_does_not(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert not shows_training(path)


def test_what_cannot_be_read_shows_nothing(tmp_path: Path) -> None:
    assert not shows_training(tmp_path / "gone.log")
    assert not shows_training(tmp_path)


def test_a_packed_log_shows_it_at_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "train.log.gz"
    path.write_bytes(gzip.compress(EPOCHS.encode()))
    assert shows_training(path)
    path.write_bytes(gzip.compress((INSTALLED + EPOCHS).encode()))
    assert not shows_training(path)
