"""Settings that a script prints, and rows that only look like them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ckptdoctor.runs.logs import read_logs
from ckptdoctor.runs.logs.settings import are_settings, length_of_settings, tells_settings
from tests.each import each

SETTINGS = {"lr": 0.1, "epoch": 0, "epochs": 50, "batch_size": 4, "loss_weight": 2.0}


def test_names_of_settings_without_a_measure_among_them() -> None:
    assert are_settings(SETTINGS.keys())
    assert are_settings({*SETTINGS, "best_acc"})  # where it begins
    assert not are_settings({*SETTINGS, "val_loss"})
    assert not are_settings({"epoch", "batch_size", "lr"})


@pytest.mark.parametrize(
    ("line", "names", "wanted"),
    [
        ("Namespace(epoch=0, epochs=50, batch_size=4)", ["batch_size"], True),
        (str(SETTINGS), ["lr"], True),
        ("Epoch 3: loss=0.5 epochs=50 batch_size=4", ["loss"], False),
        ("Epoch 3 (batch_size=4)", [], False),
        ("my_epochs=3 your.batch_size=4", [], False),
    ],
)
def test_a_line_of_settings(line: str, names: list[str], *, wanted: bool) -> None:
    assert tells_settings(line, names) is wanted


def test_settings_over_many_lines_are_passed_over_where_something_follows() -> None:
    text = f"\n{json.dumps(SETTINGS, indent=2)}"
    assert length_of_settings(f"{text}\nEpoch 1".encode()) == len(text)
    assert length_of_settings(f"{text}\n".encode()) == 0
    assert length_of_settings(b'{\n"epoch": 1, "loss": 0.5}\n{"epoch": 2}') == 0
    assert length_of_settings(b'{"epoch": 1\n') == 0
    assert length_of_settings(b"Epoch 1\n") == 0
    assert length_of_settings(f"{text}é\nEpoch 1".replace("4", '"é"').encode()) > len(text)


@each(
    "settings",
    [
        json.dumps(SETTINGS),
        str(SETTINGS),
        json.dumps(SETTINGS, indent=2),
        "Namespace(epoch=0, epochs=50, batch_size=4, loss_weight=2.0)",
    ],
)
@each("row", ["Epoch {}: loss 0.{}", '{{"epoch": {}, "loss": 0.{}}}'])
def test_an_epoch_among_settings_is_none_of_the_run(
    tmp_path: Path, settings: str, row: str
) -> None:
    path = tmp_path / "train.log"
    lines = [settings, *(row.format(e, e) for e in range(1, 6))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = {at: dict(values) for at, values in read_logs([path]).epochs.items()}
    assert found == {e: {"loss": e / 10} for e in range(1, 6)}
