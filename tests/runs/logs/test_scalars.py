"""Series by step, one a name: which of them count epochs."""

from __future__ import annotations

from ckptdoctor.runs.logs.scalars import Scalar, rows_of_scalars

EPOCHS = [Scalar(step=step, value=step // 100, time_s=step) for step in range(0, 1000, 50)]
LOSSES = [Scalar(step=one.step, value=1 - one.step / 2000, time_s=one.step) for one in EPOCHS]


def test_a_series_that_counts_epochs_beside_one_that_tells_them_by_step() -> None:
    """A script that logs its batches by step, and its validation by epoch."""
    ious = [Scalar(step=at, value=at / 10, time_s=at * 100 + 60) for at in range(10)]
    rows = rows_of_scalars({"epoch": EPOCHS, "loss": LOSSES, "val_iou": ious})
    assert [(row.epoch, row.step) for row in rows if "val_iou" in row.values] == [
        (at, None) for at in range(10)
    ]
    assert [(row.epoch, row.step) for row in rows if "loss" in row.values] == [
        (one.step // 100, one.step) for one in LOSSES
    ]


def test_steps_that_only_begin_like_epochs_stay_steps() -> None:
    first = [Scalar(step=at, value=0.5, time_s=at) for at in range(30)]
    rows = rows_of_scalars({"epoch": EPOCHS, "loss": LOSSES, "warmup_loss": first})
    assert [(row.epoch, row.step) for row in rows if "warmup_loss" in row.values] == [
        (0, at) for at in range(30)
    ]
