"""Logs that name an epoch when it is over: what stands above the line is of that epoch."""

from __future__ import annotations

import math
from pathlib import Path

from ckptdoctor.runs.logs import read_logs


def epochs(folder: Path, text: str) -> dict[float, dict[str, float]]:
    path = folder / "train.log"
    path.write_text(text)
    return {epoch: dict(values) for epoch, values in read_logs([path]).epochs.items()}


def bar(loss: float | str) -> str:
    parts = [
        f"{share:>3}%|{'#' * (share // 10)}| {share}/100 [00:01, loss={loss}]" for share in (5, 100)
    ]
    return "\r".join(parts) + "\n"


def closing(*rows: tuple[float | str, float]) -> str:
    return "".join(
        bar(loss) + f"Epoch {epoch}: val_iou {iou:.3f}\n"
        for epoch, (loss, iou) in enumerate(rows, 1)
    )


ROWS = [(0.9, 0.5), (0.8, 0.52), (0.7, 0.55)]


def test_a_bar_above_its_epoch(tmp_path: Path) -> None:
    found = epochs(tmp_path, closing(*ROWS, ("nan", 0.0)))
    assert [values.get("loss") for values in found.values()][1:3] == [0.8, 0.7]
    assert math.isnan(found[4]["loss"])
    assert found[3]["val_iou"] == 0.55


def test_nan_in_an_epoch_that_is_never_named(tmp_path: Path) -> None:
    found = epochs(tmp_path, closing(*ROWS) + bar("nan"))
    assert found[3]["loss"] == 0.7
    assert math.isnan(found[4]["loss"])
    finite = epochs(tmp_path, closing(*ROWS) + bar(0.6))
    assert set(finite) == {1, 2, 3}, "of an epoch that goes on still"


def test_an_epoch_that_is_named_before_its_bar(tmp_path: Path) -> None:
    text = "lr=0.001 loss weights: loss=1.0\n" + "".join(
        f"Epoch {epoch}/9\n{bar(loss)}val_iou: {iou}\n" for epoch, (loss, iou) in enumerate(ROWS, 1)
    )
    found = epochs(tmp_path, text + "Epoch 4/9\n" + bar("nan"))
    assert [values["loss"] for values in found.values()][:3] == [0.9, 0.8, 0.7]
    assert math.isnan(found[4]["loss"])


def test_a_log_that_begins_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    text = bar(1.1) + "".join(
        f"Epoch {epoch}/9\n{bar(loss)}" for epoch, (loss, _) in enumerate(ROWS, 4)
    )
    assert [values["loss"] for values in epochs(tmp_path, text).values()] == [0.9, 0.8, 0.7]


def test_an_epoch_that_is_named_batch_by_batch(tmp_path: Path) -> None:
    text = "val_loss: 2.3 (before training)\n".replace(" (before training)", "")
    for epoch, (loss, _) in enumerate(ROWS, 1):
        text += "".join(f"Epoch {epoch}: {at}/4 loss={loss}\n" for at in range(1, 5))
        text += f"val_loss: {loss + 1:.1f}\n"
    found = epochs(tmp_path, text)
    assert [values["val_loss"] for values in found.values()] == [1.9, 1.8, 1.7]


def test_two_lines_an_epoch_each_below_its_bar(tmp_path: Path) -> None:
    text = ""
    for epoch, (loss, iou) in enumerate(ROWS, 1):
        text += bar(loss) + f"Epoch {epoch} train_acc: {iou}\n"
        text += bar(loss + 0.05) + f"Epoch {epoch} val_acc: {iou}\n"
    found = epochs(tmp_path, text + bar("nan"))
    assert [round(values["loss"], 2) for values in list(found.values())[1:3]] == [0.85, 0.75]
    assert math.isnan(found[4]["loss"])
