"""Headings that say of which data the lines below them are."""

from __future__ import annotations

import pytest

from ckptdoctor.runs.logs import LineReader, LogReading
from ckptdoctor.runs.logs.sections import Sections
from tests.each import each


def by_epoch(text: str) -> dict[float, dict[str, float]]:
    reader = LineReader()
    rows = [row for line in text.encode().split(b"\n") for row in reader.feed(line)]
    reading = LogReading(rows=(*rows, *reader.flush()))
    return {at: dict(values) for at, values in reading.epochs.items()}


@each(
    ("line", "section"),
    [
        ("Validation:", b"val"),
        ("== Val ==", b"val"),
        ("--- Validation Results ---", b"val"),
        ("[Test]", b"test"),
        ("Evaluating on the validation set...", b"val"),
        ("Running validation", b"val"),
        ("VLD", b"vld"),
        ("Training:", b""),
        ("Evaluating on the training set", b""),
    ],
)
def test_a_heading_names_the_data(line: str, section: bytes) -> None:
    sections = Sections()
    assert sections.heads(line.encode())
    assert sections.current == section


@each(
    "line",
    [
        "Validation loss: 0.5",
        "Testing 100 images",
        "valid values are a, b",
        "Train the model first",
        "evaluator",
        "",
        "Validation: " + "x" * 100,
    ],
)
def test_what_is_no_heading(line: str) -> None:
    sections = Sections()
    assert not sections.heads(line.encode())
    assert not sections.are_there


def test_names_below_the_heading_of_a_validation_are_of_it() -> None:
    epoch = "Epoch {}\nTraining:\nloss: 0.5\nacc: 0.9\nValidation:\nloss: 0.6\nacc: 0.8\n"
    wanted = {"loss": 0.5, "acc": 0.9, "val loss": 0.6, "val acc": 0.8}
    assert by_epoch(epoch.format(1) + epoch.format(2)) == {1: wanted, 2: wanted}


def test_a_name_that_says_its_data_keeps_it() -> None:
    found = by_epoch("Epoch 1\nValidation:\ntrain loss: 0.5\nval_acc: 0.8\nlr: 0.1")
    assert found == {1: {"train loss": 0.5, "val_acc": 0.8, "lr": 0.1}}


def test_a_section_ends_with_the_next_moment() -> None:
    found = by_epoch("Epoch 1\nValidation:\nloss: 0.6\nEpoch 2\nloss: 0.5\nEpoch 3: loss: 0.4")
    assert found == {1: {"val loss": 0.6}, 2: {"loss": 0.5}, 3: {"loss": 0.4}}


def test_the_line_of_an_epoch_may_be_a_heading_itself() -> None:
    found = by_epoch("Epoch 1 - Training\nloss: 0.5\nEpoch 1 - Validation\nloss: 0.6\nEpoch 2/9\n")
    assert found[1] == {"loss": 0.5, "val loss": 0.6}


def test_what_is_said_above_all_epochs_is_no_section_of_theirs() -> None:
    assert by_epoch("Training...\nTesting:\nEpoch 1\nloss: 0.5\nEpoch 2\nloss: 0.4") == {
        1: {"loss": 0.5},
        2: {"loss": 0.4},
    }


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        (["Fold 1/5", "Fold 2/5"], 2),
        (["===== FOLD 3 ====="], 1),
        (["Starting fold 1", "[INFO] Fold: 2"], 2),
        (["Fold 1 Epoch 3: loss 0.5", "Fold 1 Epoch 4: loss 0.5"], 1),
        (["a threefold 2 gain", "unfold 3", "fold 0.5"], 0),
    ],
)
def test_the_folds_that_are_named(lines: list[str], count: int) -> None:
    sections = Sections()
    for line in lines:
        sections.sees(line.encode())
    assert len(sections.folds) == count


def test_what_stands_below_a_heading_of_losses_is_one() -> None:
    """No word of ``cycle_A`` says so; what stands in brackets with the epoch is none."""
    heading = "================ Training Loss (Thu Jan  2 03:04:05 2025) ================"
    line = "(epoch: 1, iters: 100, time: 0.342, data: 0.214) D_A: 0.271 cycle_A: 1.932 "
    assert by_epoch(f"{heading}\n{line}") == {1: {"D_A loss": 0.271, "cycle_A loss": 1.932}}
    assert "cycle_A loss" not in by_epoch(line).get(1, {})


@pytest.mark.parametrize("line", ["train loss: 0.3", "=== loss ===", "=== Train Loss 0.3 ==="])
def test_a_line_with_a_loss_is_no_heading_of_losses(line: str) -> None:
    assert by_epoch(f"{line}\nEpoch 3 speed: 12.3 loss: 0.4 size: 7")[3].keys() >= {"speed"}
