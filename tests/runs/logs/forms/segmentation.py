"""Logs of segmentation: nnU-Net, MMSegmentation, PaddleSeg, MONAI, and what students write."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, epochs, form, steps

# -- nnU-Net -------------------------------------------------------------------------------------


def _lost(value: float) -> float:
    return 0.0 if value < 0.01 else value


def _two(one: Moment) -> tuple[float, float]:
    """The Dice of two classes; a model that finds nothing has exactly 0."""
    return round(_lost(one.score) * 1.04, 4), round(_lost(one.score) * 0.96, 4)


def _mean(one: Moment) -> float:
    first, second = _two(one)
    return (first + second) / 2


def _nnunet(course: Sequence[Moment], dice: str) -> str:
    """`dice` is filled with the two values; a third class is absent from the patches."""
    out = []
    best = 0.0
    for at, one in enumerate(course):
        stamp = f"2023-08-09 14:{at + 10}:51.4098"
        out += [f"{stamp}10:  ", f"{stamp}11: Epoch {at} "]
        out.append(f"{stamp}12: Current learning rate: {round(one.lr, 5)} ")
        # The loss of nnU-Net is cross entropy minus Dice, and mostly below zero.
        out.append(f"{stamp}52: train_loss {round(one.train - 2.0, 4)} ")
        out.append(f"{stamp}85: val_loss {round(one.val - 2.0, 4)} ")
        first, second = _two(one)
        out.append(f"{stamp}86: Pseudo dice {dice.format(first, second)} ")
        out.append(f"{stamp}87: Epoch time: 45.72 s ")
        if _mean(one) > best:
            best = _mean(one)
            out.append(f"{stamp}88: Yayy! New best EMA pseudo Dice: {round(best * 0.9, 4)} ")
    return "\n".join(out) + "\n"


@form("training_log_2023_8_9_14_55_06.txt", metric="(?i)dice", shown=_mean, place=epochs(0))
def nnunet_v2(course: Sequence[Moment]) -> str:
    """MIC-DKFZ/nnUNet: nnunetv2/training/nnUNetTrainer/nnUNetTrainer.py, `on_epoch_end`; its issue
    1612."""
    return _nnunet(course, "[{}, {}]")


@form("training_log_2024_8_9_14_55_06.txt", metric="(?i)dice", shown=_mean, place=epochs(0))
def nnunet_v2_numpy_2(course: Sequence[Moment]) -> str:
    """MIC-DKFZ/nnUNet: the same, where numpy 2 prints the type of a scalar."""
    return _nnunet(course, "[np.float32({}), np.float32({})]")


@form("training_log_2024_8_9_14_55_06.txt", metric="(?i)dice", shown=_mean, place=epochs(0))
def nnunet_v2_absent_class(course: Sequence[Moment]) -> str:
    """MIC-DKFZ/nnUNet: its issues 1480 and 2530: the class that no patch holds is nan, and the mean
    is that of the others."""
    return _nnunet(course, "[{}, nan, {}]")


@form("training_log_2024_8_9_14_55_06.txt", metric="(?i)dice", shown=_mean, place=epochs(0))
def nnunet_v2_absent_class_numpy_2(course: Sequence[Moment]) -> str:
    """MIC-DKFZ/nnUNet: both together."""
    return _nnunet(course, "[np.float32({}), np.float32({}), np.float32(nan)]")


@form("training_log_2020_4_30_14_55_06.txt", metric="(?i)dice", shown=_mean, place=epochs(0))
def nnunet_v1(course: Sequence[Moment]) -> str:
    """MIC-DKFZ/nnUNet, branch nnunetv1: nnunet/training/network_training/network_trainer.py and
    nnUNetTrainer.py, `finish_online_evaluation`."""
    out = []
    for at, one in enumerate(course):
        stamp = f"2020-04-30 14:{at + 10}:51.4098"
        out += [f"{stamp}10: ", f"epoch:  {at}"]
        out.append(f"{stamp}12: train loss : {one.train - 2.0:.4f} ")
        out.append(f"{stamp}13: validation loss: {one.val - 2.0:.4f} ")
        first, second = _two(one)
        out.append(f"{stamp}14: Average global foreground Dice: [{first}, {second}] ")
        out.append(
            f"{stamp}15: (interpret this as an estimate for the Dice of the different classes. "
            "This is not exact.) "
        )
        out.append(f"{stamp}16: lr: {round(one.lr, 6)} ")
        out.append(f"{stamp}17: This epoch took 245.018 s\n")
    return "\n".join(out).replace("epoch:  ", "2020-04-30 14:10:51.409811: \nepoch:  ") + "\n"


# -- MMSegmentation ------------------------------------------------------------------------------


def _table(one: Moment) -> list[str]:
    """The per-class table of MMSegmentation; the class that never occurs is nan."""
    rows = [
        ("background", one.score * 120, 97.1),
        ("road", one.score * 80, 81.0),
        ("train", math.nan, math.nan),
    ]
    line = "+------------+-------+-------+"
    cells = [f"| {name:^10} | {iou:^5.2f} | {acc:^5.1f} |" for name, iou, acc in rows]
    return [line, "|   Class    |  IoU  |  Acc  |", line, *cells, line]


@form(
    "20260102_030405.log",
    metric="mIoU",
    shown=lambda m: as_read(f"{m.score:.4f}"),
    place=steps(400),
)
def mmseg_old_text(course: Sequence[Moment]) -> str:
    """open-mmlab/mmsegmentation 0.x with mmcv 1.x: its issues 397, 445 and 2081. The number of
    `Iter(val)` counts images, not iterations."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2022-09-16 09:{at + 10}:50,191 - mmseg - INFO - "
        for count in range(at * 400 - 300, at * 400 + 1, 100):
            out.append(
                f"{stamp}Iter [{count}/160000]\tlr: {one.lr:.3e}, eta: 14:02:00, time: 0.632, "
                f"data_time: 0.005, memory: 20292, decode.loss_ce: {one.train * 0.7:.4f}, "
                f"decode.acc_seg: {50 + one.score * 40:.4f}, loss: {one.train:.4f}"
            )
        out.append(f"{stamp}Saving checkpoint at {at * 400} iterations")
        out.append(f"{stamp}per class results:")
        out += [f"{stamp}", *_table(one), f"{stamp}Summary:", f"{stamp}"]
        out += ["+-------+-------+-------+", "|  aAcc |  mIoU |  mAcc |"]
        out.append("+-------+-------+-------+")
        out.append(f"| {one.score * 110:.2f} | {one.score * 100:.2f} | {one.score * 104:.2f} |")
        out.append("+-------+-------+-------+")
        out.append(
            f"{stamp}Iter(val) [199]\taAcc: {one.score * 1.1:.4f}, mIoU: {one.score:.4f}, "
            f"mAcc: {one.score * 1.04:.4f}, IoU.background: {one.score * 1.2:.4f}, "
            f"IoU.road: {one.score * 0.8:.4f}, IoU.train: nan, Acc.background: 0.9710, "
            "Acc.road: 0.8100, Acc.train: nan"
        )
    return "\n".join(out) + "\n"


@form(
    "20260102_030405.log.json", metric="mIoU", shown=lambda m: round(m.score, 4), place=steps(400)
)
def mmseg_old_json(course: Sequence[Moment]) -> str:
    """open-mmlab/mmsegmentation 0.x with mmcv 1.x: `.log.json` by iteration; the epoch is that of a
    loader that never ends, and the `iter` of a validation counts images."""
    out = [json.dumps({"env_info": "sys.platform: linux", "seed": 0})]
    for at, one in enumerate(course, start=1):
        for count in range(at * 400 - 300, at * 400 + 1, 100):
            row = {"mode": "train", "epoch": 1 + count // 9000, "iter": count, "lr": one.lr}
            parts = {"decode.loss_ce": round(one.train * 0.7, 5), "loss": round(one.train, 5)}
            out.append(json.dumps(row | {"memory": 20292, "data_time": 0.005, **parts}))
        row = {"mode": "val", "epoch": 1 + at * 400 // 9000, "iter": 199, "lr": one.lr}
        more = {"aAcc": round(one.score * 1.1, 4), "mIoU": round(one.score, 4)}
        out.append(json.dumps(row | more | {"IoU.train": math.nan}))
    return "\n".join(out) + "\n"


@form(
    "20260102_030405.log",
    metric="mIoU",
    shown=lambda m: as_read(f"{m.score * 100:.4f}"),
    place=steps(16000),
)
def mmseg_1_by_iteration(course: Sequence[Moment]) -> str:
    """open-mmlab/mmengine: mmengine/runner/log_processor.py, by iteration; the log in issue 218 of
    MzeroMiko/VMamba."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"06/03 14:{at + 10}:49 - mmengine - INFO - "
        for count in range(at * 16000 - 12000, at * 16000 + 1, 4000):
            out.append(
                f"{stamp}Iter(train) [{count:>6}/640000]  base_lr: {one.lr:.4e} lr: {one.lr:.4e}  "
                f"eta: 6:48:42  time: 0.1667  data_time: 0.0044  memory: 4749  "
                f"loss: {one.train:.4f}  decode.loss_ce: {one.train * 0.7:.4f}  "
                f"decode.acc_seg: {50 + one.score * 40:.4f}"
            )
        out.append(f"{stamp}Saving checkpoint at {at * 16000} iterations")
        for done in (50, 100):
            out.append(
                f"{stamp}Iter(val) [{done:>3}/500]    eta: 0:14:06  time: 1.0836  "
                "data_time: 0.0013  memory: 75471  "
            )
        out += [f"{stamp}per class results:", f"{stamp}", *_table(one)]
        out.append(
            f"{stamp}Iter(val) [500/500]    aAcc: {one.score * 110:.4f}  "
            f"mIoU: {one.score * 100:.4f}  mAcc: {one.score * 104:.4f}  data_time: 0.0015  "
            "time: 0.0712"
        )
    return "\n".join(out) + "\n"


@form("scalars.json", metric="mIoU", shown=lambda m: round(m.score * 100, 4), place=steps(16000))
def mmseg_1_scalars(course: Sequence[Moment]) -> str:
    """open-mmlab/mmengine: mmengine/visualization/vis_backend.py, by iteration: `step` counts
    iterations in every row."""
    out = []
    for at, one in enumerate(course, start=1):
        for count in range(at * 16000 - 12000, at * 16000 + 1, 4000):
            row = {"base_lr": one.lr, "lr": one.lr, "data_time": 0.004, "loss": one.train}
            out.append(json.dumps(row | {"time": 0.17, "iter": count, "memory": 1, "step": count}))
        row = {"aAcc": round(one.score * 110, 4), "mIoU": round(one.score * 100, 4)}
        out.append(json.dumps(row | {"data_time": 0.0015, "time": 0.07, "step": at * 16000}))
    return "\n".join(out) + "\n"


@form("train.log", metric="mIoU", shown=lambda m: as_read(f"{m.score * 100:.2f}"))
def class_table(course: Sequence[Moment]) -> str:
    """open-mmlab/mmengine: per-class tables of terminaltables without any other line of scores."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(f"Epoch {at}: loss: {one.train:.4f}")
        out += _table(one)
        line = "+-------+-------+-------+"
        cells = (one.score * 110, one.score * 100, one.score * 104)
        row = "| " + " | ".join(f"{value:^5.2f}" for value in cells) + " |"
        out += [line, "|  aAcc |  mIoU |  mAcc |", line, row, line]
    return "\n".join(out) + "\n"


# -- others --------------------------------------------------------------------------------------


@form(
    "train.log",
    metric="(?i)miou",
    shown=lambda m: as_read(f"{m.score:.4f}"),
    place=lambda at: Place(epoch=at + 1, step=(at + 1) * 1000),
    either={"(?i)dice": lambda m: as_read(f"{m.score * 1.05:.4f}")},
)
def paddleseg(course: Sequence[Moment]) -> str:
    """PaddlePaddle/PaddleSeg: paddleseg/core/train.py and val.py."""
    out = []
    best = (0.0, 0)
    for at, one in enumerate(course, start=1):
        stamp = f"2022-03-01 10:{at + 10}:00 [INFO]\t"
        for count in (at * 1000 - 500, at * 1000):
            out.append(
                f"{stamp}[TRAIN] epoch: {at}, iter: {count}/60000, loss: {one.train:.4f}, "
                f"lr: {one.lr:.6f}, batch_cost: 0.1823, reader_cost: 0.00021, ips: 21.9 "
                "samples/sec | ETA 02:03:04"
            )
        out.append(f"{stamp}Start evaluating (total_samples: 76, total_iters: 76)...")
        out.append(
            f"{stamp}[EVAL] #Images: 76 mIoU: {one.score:.4f} Acc: {one.score * 1.1:.4f} "
            f"Kappa: {one.score * 0.9:.4f} Dice: {one.score * 1.05:.4f}"
        )
        out.append(f"{stamp}[EVAL] Class IoU: \n[{one.score * 1.2:.4f} {one.score * 0.8:.4f}]")
        best = max(best, (one.score, at * 1000))
        out.append(
            f"{stamp}[EVAL] The model with the best validation mIoU ({best[0]:.4f}) was saved at "
            f"iter {best[1]}."
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)miou", shown=lambda m: as_read(f"{m.score:.6f}"))
def paddlex(course: Sequence[Moment]) -> str:
    """PaddlePaddle/PaddleX: paddlex/cv/models/base.py and utils/logging.py of 2.x."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2022-01-20 10:{at + 10}:00 [INFO]\t"
        for batch in (50, 100):
            out.append(
                f"{stamp}[TRAIN] Epoch={at}/{len(course)}, Step={batch}/100, "
                f"loss={one.train:.6f}, lr={one.lr:.6f}, time_each_step=0.35s, eta=0:12:30"
            )
        out.append(f"{stamp}[TRAIN] Epoch {at} finished, loss={one.train:.6f}, lr={one.lr:.6f} .")
        out.append(f"{stamp}Start to evaluate(total_samples=76, total_steps=76)...")
        out.append(
            f"{stamp}[EVAL] Finished, Epoch={at}, miou={one.score:.6f}, "
            f"category_iou=[{one.score * 1.2:.6f} {one.score * 0.8:.6f}], "
            f"oacc={one.score * 1.1:.6f}, kappa={one.score * 0.9:.6f} ."
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)dice", shown=lambda m: as_read(f"{m.score:.4f}"))
def monai_tutorial(course: Sequence[Moment]) -> str:
    """Project-MONAI/tutorials: 3d_segmentation/spleen_segmentation_3d.ipynb."""
    out = []
    best = (0.0, 0)
    for at, one in enumerate(course, start=1):
        out += ["----------", f"epoch {at}/{len(course)}"]
        out += [f"{batch}/16, train_loss: {one.train * 1.02:.4f}" for batch in (1, 8, 16)]
        out.append(f"epoch {at} average loss: {one.train:.4f}")
        if one.score > best[0]:
            best = (one.score, at)
            out.append("saved new best metric model")
        out.append(
            f"current epoch: {at} current mean dice: {one.score:.4f}\n"
            f"best mean dice: {best[0]:.4f} at epoch: {best[1]}"
        )
    out.append(f"train completed, best_metric: {best[0]:.4f} at epoch: {best[1]}")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)miou", shown=lambda m: as_read(f"{m.score * 100:.2f}"))
def bubbliiing(course: Sequence[Moment]) -> str:
    """bubbliiiing/unet-pytorch: utils/utils_fit.py, utils/utils_metrics.py; its issue 61."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append("Start Train")
        out.append(
            f"Epoch {at}/{len(course)}: 100%|██████████| 366/366 [01:10<00:00,  5.20it/s, "
            f"f_score={one.score:.3g}, lr={one.lr:.3g}, total_loss={one.train:.3g}]"
        )
        out += ["Finish Train", "Start Validation"]
        out.append(
            f"Epoch {at}/{len(course)}: 100%|██████████| 40/40 [00:05<00:00,  7.80it/s, "
            f"f_score={one.score:.3g}, lr={one.lr:.3g}, val_loss={one.val:.3g}]"
        )
        out += ["Finish Validation", "Get miou.", "Calculate miou."]
        out.append("Num classes 2")
        score = one.score * 100
        out.append(
            f"===>background:\tIou-{score * 1.1:.2f}; Recall (equal to the PA)-99.31; "
            "Precision-98.82"
        )
        out.append(
            f"===>road:\tIou-{score * 0.9:.2f}; Recall (equal to the PA)-{score:.2f}; "
            f"Precision-{score:.2f}"
        )
        out.append(f"===> mIoU: {score:.2f}; mPA: {score * 1.01:.2f}; Accuracy: {score * 1.1:.2f}")
        out.append("Get miou done.")
        out.append(f"Epoch:{at}/{len(course)}")
        out.append(f"Total Loss: {one.train:.3f} || Val Loss: {one.val:.3f} ")
        out.append("Save best model to best_epoch_weights.pth")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)val.* loss", shown=lambda m: as_read(f"{m.val:.3f}"))
def bubbliiing_without_score(course: Sequence[Moment]) -> str:
    """bubbliiiing/yolo3-pytorch: utils/utils_fit.py: two losses, a line behind the epoch's."""
    out = []
    for at, one in enumerate(course, start=1):
        out += ["Start Train", "Finish Train", "Start Validation", "Finish Validation"]
        out.append(f"Epoch:{at}/{len(course)}")
        out.append(f"Total Loss: {one.train:.3f} || Val Loss: {one.val:.3f} ")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)val.* (f1|js|dc)|dc$|js$|f1$", shown=lambda m: None)
def leejunhyun(course: Sequence[Moment]) -> str:
    """LeeJunHyun/Image_Segmentation: solver.py; its issue 42: [Training] and [Validation]."""
    out = []
    for at, one in enumerate(course, start=1):
        parts = ", ".join(
            f"{name}: {one.score * k:.4f}"
            for name, k in (
                ("SE", 0.9),
                ("SP", 1.1),
                ("PC", 0.95),
                ("F1", 1.0),
                ("JS", 0.8),
                ("DC", 1.0),
            )
        )
        out.append(f"Epoch [{at}/{len(course)}], Loss: {one.train:.4f}, ")
        out.append(f"[Training] Acc: {one.score * 1.12:.4f}, {parts}")
        out.append(f"[Validation] Acc: {one.score * 1.1:.4f}, {parts}")
        out.append(f"Best U_Net model score : {one.score * 1.8:.4f}")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)miou", shown=lambda m: m.score)
def vmunet(course: Sequence[Moment]) -> str:
    """JCruan519/VM-UNet: engine.py; its issue 99: a confusion matrix over two lines."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(f"train: epoch {at}, iter:20, loss: {one.train:.4f}, lr: {one.lr}")
        out.append(
            f"val epoch: {at}, loss: {one.val:.4f}, miou: {one.score}, "
            f"f1_or_dsc: {one.score * 1.02}, accuracy: {one.score * 1.1},                 "
            "specificity: 1.0, sensitivity: 0.9, confusion_matrix: [[41076312        0]\n"
            " [  407976        0]]"
        )
    return "\n".join(out) + "\n"
