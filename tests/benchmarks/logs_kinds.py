"""Lines of logs in the forms in which they grow large, for `tests.benchmarks.logs`."""

from __future__ import annotations

import json
from collections.abc import Callable

__all__ = ["KINDS"]


def _batch(at: int) -> str:
    return (
        f"2024-01-01 10:00:00 INFO Epoch [{at // 10000}/120][{at % 10000}/10000] "
        f"loss: 0.{at % 9999:04d} lr: 0.0001 grad_norm: 1.23 time: 0.3\n"
    )


def _bar(at: int) -> str:
    return (
        f"Epoch {at // 10000}:  30%|###       | {at % 10000}/10000 [00:10<00:23, 30.00it/s, "
        f"loss=0.{at % 9999:04d}]" + ("\n" if at % 10000 == 9999 else "\r")
    )


def _other(at: int) -> str:
    if at % 1000 == 0:
        return f"Epoch {at // 1000}: loss: 0.5 iou: 0.3\n"
    return f"[rank0] some debugging text about nothing in particular, number {at}\n"


def _json_lines(at: int) -> str:
    return (
        f'{{"lr": 0.001, "loss": 0.{at % 9999:04d}, "grad_norm": 1.5, "time": 0.5, '
        f'"epoch": {at // 10000}, "iter": {at}, "step": {at}}}\n'
    )


def _hugging_face(at: int) -> str:
    epoch = round((at + 1) / 1000, 3)
    row: dict[str, float]
    if at % 1000 == 999:
        row = {"eval_loss": 0.4, "eval_accuracy": 0.8, "eval_runtime": 3.2, "epoch": epoch}
    else:
        row = {
            "loss": at % 9999 / 1e4,
            "grad_norm": 1.25,
            "learning_rate": 2e-05,
            "epoch": epoch,
        }
    return f"{row}\n"


def _steps(at: int) -> str:
    held = f" | val_loss 0.{at % 97:04d} | val_f1 0.7{at % 89:02d}" if at % 500 == 499 else ""
    return f"step {at} | loss 0.{at % 9999:04d} | lr 3.0e-04 | grad_norm 1.02{held}\n"


def _nanogpt(at: int) -> str:
    if at % 1000 == 0:
        return f"step {at}: train loss 2.{at % 9973:04d}, val loss 2.{at % 9967:04d}\n"
    return f"iter {at}: loss 2.{at % 9999:04d}, time 135.02ms, mfu 41.25%\n"


def _keras(at: int) -> str:
    epoch, batch = divmod(at, 1000)
    head = f"Epoch {epoch + 1}/5000\n" if batch == 0 else ""
    bar = f"{'=' * (batch // 40)}>".ljust(30, ".")
    line = f"{batch + 1:4d}/1000 [{bar}] - ETA: 6s - loss: 0.{at % 9999:04d} - accuracy: 0.5123"
    if batch == 999:
        return f"{line} - val_loss: 0.4{epoch % 100:02d} - val_accuracy: 0.7{epoch % 100:02d}\n"
    return f"{head}{line}\r"


def _mmengine(at: int) -> str:
    epoch, batch = divmod(at, 1000)
    head = "2024/01/01 10:00:00 - mmengine - INFO - "
    if batch == 999:
        return f"{head}Epoch(val) [{epoch + 1}][500/500]    mIoU: 4{epoch % 10}.1200  aAcc: 81.0\n"
    return (
        f"{head}Epoch(train)  [{epoch + 1}][{batch + 1:4d}/1000]  lr: 1.0000e-02  eta: 1:20:11  "
        f"time: 0.5120  data_time: 0.0130  memory: 3780  loss: 0.{at % 9999:04d}  "
        f"decode.loss_ce: 0.{at % 9999:04d}  decode.acc_seg: 66.1648\n"
    )


def _lightning_csv(at: int) -> str:
    if at == 0:
        return "epoch,lr-AdamW,step,train_loss,val_iou,val_loss\n"
    epoch = at // 1000
    if at % 1000 == 999:
        return f"{epoch},,{at * 50},,0.6{epoch % 100:02d},0.3{epoch % 100:02d}\n"
    return f"{epoch},0.0001,{at * 50},0.{at % 9999:04d},,\n"


def _detectron2(at: int) -> str:
    iteration = at * 20 + 19
    row = {
        "data_time": 0.0123,
        "eta_seconds": 3600.5,
        "iteration": iteration,
        "loss_cls": at % 9999 / 1e4,
        "lr": 0.00025,
        "time": 0.25,
        "total_loss": at % 9999 / 5e3,
    }
    if at % 250 == 249:
        row = {"bbox/AP": 40 + at % 77 / 10, "bbox/AP50": 61.5, "iteration": iteration}
    return json.dumps(row) + "\n"


def _ultralytics(at: int) -> str:
    epoch, batch = divmod(at, 100)
    if batch == 0:
        names = "Epoch GPU_mem box_loss cls_loss dfl_loss Instances Size".split()
        return "\n" + "".join(f"{name:>11}" for name in names) + "\n"
    if batch == 99:
        names = "Class Images Instances Box(P R mAP50".split()
        value = f"0.{500 + epoch % 97}"
        return (
            "\n" + f"{names[0]:>22}" + "".join(f"{name:>11}" for name in names[1:]) + "  mAP50-95)"
            ": 100%|██████████| 17/17 [00:02<00:00,  7.2it/s]\n"
            f"{'all':>22}{535:>11}{2081:>11}" + f"{value:>11}" * 4 + "\n"
        )
    loss = f"{1 + at % 997 / 1e3:.4g}"
    return (
        f"\r{f'{epoch + 1}/5000':>11}{'40.4G':>11}{loss:>11}{loss:>11}{loss:>11}{13:>11}{640:>11}: "
        f"{batch:3d}%|{'█' * (batch // 10):10}| {batch}/98 [00:12<00:00,  8.4it/s]"
    )


KINDS: dict[str, tuple[str, Callable[[int], str]]] = {
    "a line a batch": ("batches.log", _batch),
    "a progress bar": ("bar.log", _bar),
    "mostly other text": ("other.log", _other),
    "JSON lines": ("scalars.json", _json_lines),
    "dictionaries of the Hugging Face Trainer": ("trainer.log", _hugging_face),
    "a line a step": ("steps.log", _steps),
    "nanoGPT": ("nanogpt.log", _nanogpt),
    "bars of Keras": ("keras.log", _keras),
    "MMEngine": ("mmengine.log", _mmengine),
    "Lightning's metrics.csv": ("metrics.csv", _lightning_csv),
    "Detectron2's metrics.json": ("metrics.json", _detectron2),
    "tables of Ultralytics": ("ultralytics.log", _ultralytics),
}
"""Kind -> the name of the file, and its text number so and so: a line, or what is drawn of it."""
