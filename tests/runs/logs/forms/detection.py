"""Logs of object detection: Ultralytics and its forks, MMDetection, OpenPCDet."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.runs.logs.forms.coco import coco_table
from tests.runs.logs.forms.form import Moment, as_read, epochs, form

_BAR = "100%|██████████| 17/17 [00:02<00:00,  7.2it/s]"


def _sig(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}g}"


def _lost(value: float) -> float:
    """A detector that finds nothing has exactly nothing right."""
    return 0.0 if value < 0.01 else value


def _strict(moment: Moment) -> float:
    """mAP50-95 where the score is mAP50."""
    return _lost(moment.score) * 0.83


# -- Ultralytics ---------------------------------------------------------------------------------


@form("train.log", metric="50.?95", shown=lambda m: as_read(_sig(_strict(m), 3)))
def ultralytics_detect(course: Sequence[Moment]) -> str:
    """ultralytics/ultralytics: ultralytics/engine/trainer.py, models/yolo/detect/val.py; its issue
    21765."""
    out = []
    for at, one in enumerate(course, start=1):
        head = "Epoch GPU_mem box_loss cls_loss dfl_loss Instances Size".split()
        out.append("\n" + "".join(f"{name:>11}" for name in head))
        row = [f"{at}/{len(course)}", "6.73G"]
        row += [_sig(one.train * k) for k in (1.0, 0.6, 0.8)] + ["13", "640"]
        cells = "".join(f"{cell:>11}" for cell in row)
        out.append(
            "".join(
                f"\r{cells}: {100 * batch // 107:3d}%|{'█' * (batch // 11):10}| {batch}/107 "
                "[00:12<00:00,  8.4it/s]"
                for batch in (1, 50, 107)
            )
        )
        names = ("Class", "Images", "Instances", "Box(P", "R", "mAP50", "mAP50-95)")
        out.append(("%22s" + "%11s" * 6) % names + f": {_BAR}")
        rates = [_lost(one.score) * k for k in (0.97, 0.94, 1.0)]
        values = "".join(f"{value:11.3g}" for value in (*rates, _strict(one)))
        out.append(f"{'all':>22}{535:11d}{2081:11d}{values}")
    return "\n".join(out) + "\n\n15 epochs completed in 0.412 hours.\n"


@form(
    "train.log",
    metric="50.?95",
    shown=lambda m: as_read(_sig(_strict(m) * 0.9, 3)),
    either={"50.?95": lambda m: as_read(_sig(_strict(m), 3))},
)
def ultralytics_segment(course: Sequence[Moment]) -> str:
    """ultralytics/ultralytics: ultralytics/models/yolo/segment/val.py; its issue 23219. The masks
    count, or the boxes."""
    out = []
    for at, one in enumerate(course, start=1):
        head = "Epoch GPU_mem box_loss seg_loss cls_loss dfl_loss Instances Size".split()
        out.append("\n" + "".join(f"{name:>11}" for name in head))
        row = [f"{at}/{len(course)}", "40.3G"]
        row += [_sig(one.train * k) for k in (1.0, 1.4, 0.6, 0.8)] + ["44", "1280"]
        out.append(
            "".join(f"{cell:>11}" for cell in row) + ": 100% ━━━━━━━━━━━━ 762/762 1.3s/it 3:50"
        )
        names = "Class Images Instances Box(P R mAP50 mAP50-95) Mask(P R mAP50 mAP50-95)".split()
        out.append(("%22s" + "%11s" * 10) % tuple(names) + ": 100% ━━━━━━━━━━━━ 179/179 2.2it/s")
        box = [_lost(one.score) * k for k in (0.97, 0.94, 1.0)] + [_strict(one)]
        cells = "".join(f"{value:11.3g}" for value in (*box, *(value * 0.9 for value in box)))
        out.append(f"{'all':>22}{1135:11d}{2810:11d}{cells}")
        out.append(f"{'person':>22}{702:11d}{1310:11d}{cells}")
    return "\n".join(out) + "\n"


@form("train.log", metric="top1", shown=lambda m: as_read(_sig(m.score, 3)))
def ultralytics_classify(course: Sequence[Moment]) -> str:
    """ultralytics/ultralytics: ultralytics/models/yolo/classify/train.py and val.py."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(("\n" + "%11s" * 5) % ("Epoch", "GPU_mem", "loss", "Instances", "Size"))
        row = (f"{at}/{len(course)}", "1.1G", _sig(one.train), "16", "224")
        out.append(("%11s" * 5) % row + f": {_BAR}")
        out.append(("%22s" + "%11s" * 2) % ("classes", "top1_acc", "top5_acc") + f": {_BAR}")
        top5 = min(1.0, one.score * 1.16)
        out.append(("%22s" + "%11.3g" * 2) % ("all", one.score, top5))
    return "\n".join(out) + "\n"


def _results_csv(course: Sequence[Moment], names: Sequence[str], first: int, width: int) -> str:
    """A row: epoch, three losses, precision, recall, two mAPs, three losses, a rate."""
    lines = [",".join(f"{name:>{width}}" for name in ("epoch", *names))]
    for at, one in enumerate(course, start=first):
        losses = [one.train, one.train * 0.6, one.train * 0.8]
        held = [one.val, one.val * 0.6, one.val * 0.8]
        rates = [_lost(one.score) * k for k in (0.97, 0.94, 1.0)] + [_strict(one)]
        row = [f"{value:.5g}" for value in (*losses, *rates, *held, one.lr)]
        lines.append(",".join(f"{cell:>{width}}" for cell in (str(at), *row)))
    return "\n".join(lines) + "\n"


_OLD = (
    *("train/box_loss", "train/obj_loss", "train/cls_loss"),
    *("metrics/precision", "metrics/recall", "metrics/mAP_0.5", "metrics/mAP_0.5:0.95"),
    *("val/box_loss", "val/obj_loss", "val/cls_loss", "x/lr0"),
)
_NEW = (
    *("train/box_loss", "train/cls_loss", "train/dfl_loss"),
    *("metrics/precision(B)", "metrics/recall(B)", "metrics/mAP50(B)", "metrics/mAP50-95(B)"),
    *("val/box_loss", "val/cls_loss", "val/dfl_loss", "lr/pg0"),
)


@form(
    "results.csv",
    metric=r"0\.5:0\.95",
    shown=lambda m: as_read(f"{_strict(m):.5g}"),
    place=epochs(0),
)
def yolov5_results_csv(course: Sequence[Moment]) -> str:
    """ultralytics/yolov5: utils/loggers/__init__.py; epochs from 0, cells of 20 characters."""
    return _results_csv(course, _OLD, first=0, width=20)


@form("results.csv", metric="50-95", shown=lambda m: as_read(f"{_strict(m):.5g}"))
def ultralytics_results_csv(course: Sequence[Moment]) -> str:
    """ultralytics/ultralytics: ultralytics/engine/trainer.py, `save_metrics`; epochs from 1."""
    return _results_csv(course, _NEW, first=1, width=23)


@form("results.csv", metric="50-95", shown=lambda m: as_read(f"{_strict(m):.5g}"))
def ultralytics_results_csv_plain(course: Sequence[Moment]) -> str:
    """ultralytics/ultralytics: ultralytics/engine/trainer.py of 8.3: a column `time`, no blanks."""
    lines = ["epoch,time," + ",".join(_NEW)]
    for at, line in enumerate(
        _results_csv(course, _NEW, first=1, width=23).splitlines()[1:], start=1
    ):
        _, *cells = (cell.strip() for cell in line.split(","))
        lines.append(",".join([str(at), f"{at * 31.4:.6g}", *cells]))
    return "\n".join(lines) + "\n"


@form(
    "nohup.out",
    metric="95",
    shown=lambda m: as_read(_sig(_strict(m), 3)),
    place=epochs(0),
)
def yolov5_console(course: Sequence[Moment]) -> str:
    """ultralytics/yolov5: train.py and val.py of 6.0; its issue 4963."""
    out = []
    for at, one in enumerate(course):
        names = ("Epoch", "gpu_mem", "box", "obj", "cls", "labels", "img_size")
        out.append(("\n" + "%10s" * 7) % names)
        row = (f"{at}/{len(course) - 1}", "2.64G", one.train * 0.1, one.train * 0.05, one.train / 9)
        out.append(("%10s" * 2 + "%10.4g" * 5) % (*row, 4, 416) + f": {_BAR}")
        names = ("Class", "Images", "Labels", "P", "R", "mAP@.5", "mAP@.5:.95")
        out.append(("%20s" + "%11s" * 6) % names + f": {_BAR}")
        rates = (_lost(one.score) * 0.97, _lost(one.score) * 0.94, _lost(one.score), _strict(one))
        out.append(("%20s" + "%11i" * 2 + "%11.3g" * 4) % ("all", 140, 929, *rates))
    return "\n".join(out) + "\n"


@form(
    "results.txt",
    metric="95|map|fitness",
    shown=lambda m: as_read(f"{_strict(m):.4g}"),
    place=epochs(0),
)
def yolov7_results_txt(course: Sequence[Moment]) -> str:
    """WongKinYiu/yolov7: train.py, `results_file`: no head, columns by their order: epoch, memory,
    box, obj, cls, total, labels, size, P, R, mAP@.5, mAP@.5:.95, three losses of validation."""
    lines = []
    for at, one in enumerate(course):
        head = ("%10s" * 2) % (f"{at}/{len(course) - 1}", "8.45G")
        parts = (one.train * 0.3, one.train * 0.3, one.train * 0.4, one.train, 41, 640)
        rates = (_lost(one.score) * 0.97, _lost(one.score) * 0.94, _lost(one.score), _strict(one))
        held = (one.val * 0.3, one.val * 0.3, one.val * 0.4)
        lines.append(head + ("%10.4g" * 13) % (*parts, *rates, *held))
    return "\n".join(lines) + "\n"


# -- MMDetection ---------------------------------------------------------------------------------


@form("20260102_030405.log", metric="mAP$", shown=lambda m: as_read(f"{m.score:.4f}"))
def mmdet_old_text(course: Sequence[Moment]) -> str:
    """open-mmlab/mmcv: mmcv/runner/hooks/logger/text.py of 1.x; open-mmlab/mmdetection 2.x."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2021-04-01 1{at // 30}:{at % 30 + 10}:04,123 - mmdet - INFO - "
        for batch in (50, 100):
            out.append(
                f"{stamp}Epoch [{at}][{batch}/100]\tlr: {one.lr:.3e}, eta: 1:02:03, time: 0.512, "
                f"data_time: 0.013, memory: 3780, loss_rpn_cls: {one.train * 0.2:.4f}, "
                f"loss_bbox: {one.train * 0.4:.4f}, acc: 91.2031, loss: {one.train:.4f}"
            )
        out.append(f"{stamp}Saving checkpoint at {at} epochs")
        out.append(
            f"{stamp}Epoch(val) [{at}][500]\tbbox_mAP: {one.score:.4f}, "
            f"bbox_mAP_50: {min(1, one.score * 1.2):.4f}, bbox_mAP_s: {one.score * 0.5:.4f}, "
            f"bbox_mAP_copypaste: {one.score:.3f} {min(1, one.score * 1.2):.3f} 0.1 0.2 0.3 0.4"
        )
    return "\n".join(out) + "\n"


@form("20260102_030405.log.json", metric="mAP$", shown=lambda m: round(m.score, 4))
def mmdet_old_json(course: Sequence[Moment]) -> str:
    """open-mmlab/mmcv: mmcv/runner/hooks/logger/text.py of 1.x, `_dump_log`."""
    out = [json.dumps({"env_info": "sys.platform: linux", "seed": None, "exp_name": "rcnn.py"})]
    for at, one in enumerate(course, start=1):
        rate = round(one.lr, 5)
        for batch in (50, 100):
            row = {"mode": "train", "epoch": at, "iter": batch, "lr": rate, "memory": 3780}
            parts = {"loss_bbox": round(one.train * 0.4, 5), "loss": round(one.train, 5)}
            out.append(json.dumps(row | {"data_time": 0.01, **parts, "time": 0.5}))
        row = {"mode": "val", "epoch": at, "iter": 500, "lr": rate}
        mean = {"bbox_mAP": round(one.score, 4), "bbox_mAP_50": round(one.score * 1.1, 4)}
        out.append(json.dumps(row | mean | {"bbox_mAP_copypaste": "0.41 0.6 0.4 0.1 0.2 0.3"}))
    return "\n".join(out) + "\n"


@form("20260102_030405.log", metric="mAP$", shown=lambda m: as_read(f"{m.score:.4f}"))
def mmdet_3_text(course: Sequence[Moment]) -> str:
    """open-mmlab/mmengine: mmengine/hooks/logger_hook.py, runner/log_processor.py, by epoch; with
    the COCO table of open-mmlab/mmdetection."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"01/02 03:{at + 10}:04 - mmengine - INFO - "
        for batch in (50, 100):
            out.append(
                f"{stamp}Epoch(train){f'[{at}]':>5}[{batch:3d}/100]  base_lr: {one.lr:.4e} "
                f"lr: {one.lr:.4e}  eta: 1:20:11  time: 0.5120  data_time: 0.0130  memory: 3780  "
                f"grad_norm: {one.train * 5:.4f}  loss: {one.train:.4f}  "
                f"loss_cls: {one.train * 0.6:.4f}  loss_bbox: {one.train * 0.4:.4f}"
            )
        out.append(f"{stamp}Saving checkpoint at {at} epochs")
        out.append(f"{stamp}Epoch(val){f'[{at}]':>5}[ 50/500]    eta: 0:00:08  time: 0.0189")
        out.append(f"{stamp}Evaluating bbox...")
        out.append(coco_table(one))
        out.append(
            f"{stamp}bbox_mAP_copypaste: {one.score:.3f} {one.score * 1.1:.3f} 0.430 0.2 0.4 0.5"
        )
        out.append(
            f"{stamp}Epoch(val) [{at}][500/500]    coco/bbox_mAP: {one.score:.4f}  "
            f"coco/bbox_mAP_50: {one.score * 1.1:.4f}  coco/bbox_mAP_s: {one.score * 0.4:.4f}  "
            "data_time: 0.0020  time: 0.0400"
        )
    return "\n".join(out) + "\n"


@form("scalars.json", metric="mAP$", shown=lambda m: round(m.score, 4))
def mmdet_3_scalars(course: Sequence[Moment]) -> str:
    """open-mmlab/mmengine: mmengine/visualization/vis_backend.py, `LocalVisBackend`: a row of
    validation has no epoch, and its `step` counts epochs."""
    out = []
    for at, one in enumerate(course, start=1):
        for batch in (50, 100):
            count = (at - 1) * 100 + batch
            row = {"base_lr": one.lr, "lr": one.lr, "data_time": 0.01, "loss": one.train}
            more = {"time": 0.5, "epoch": at, "iter": count, "memory": 3780, "step": count}
            out.append(json.dumps(row | {"loss_bbox": one.train * 0.4} | more))
        row = {"coco/bbox_mAP": round(one.score, 4), "coco/bbox_mAP_50": round(one.score * 1.1, 4)}
        out.append(json.dumps(row | {"data_time": 0.002, "time": 0.04, "step": at}))
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)ap|recall|loss", shown=lambda m: None)
def openpcdet(course: Sequence[Moment]) -> str:
    """open-mmlab/OpenPCDet: tools/train_utils/train_utils.py, eval_utils/eval_utils.py; its issues
    1619 and 415. Which of its many figures counts nobody says."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2024-05-20 23:{at + 10}:21,948   INFO  "
        out.append(
            f"{stamp}Train:   {at:2d}/{len(course)} ({100 * at // len(course):3d}%) "
            f"[ 959/960 (100%)]  Loss: {one.train:.4f} ({one.train * 1.01:.3f})  LR: {one.lr:.3e}"
            f"  Time cost: 01:38/00:34 [32:38/00:34]  Acc_iter {at * 960:<5d}       "
            "Data time: 0.01(0.01)"
        )
        out.append(f"{stamp}*************** Performance of EPOCH {at} *****************")
        out.append(f"{stamp}recall_roi_0.3: 0.000000")
        out.append(f"{stamp}recall_rcnn_0.3: {one.score:.6f}")
        out.append(f"{stamp}Car AP_R40@0.70, 0.70, 0.70:")
        three = ", ".join(f"{one.score * k:.4f}" for k in (96, 90, 88))
        out.extend(f"{name} AP:{three}" for name in ("bbox", "bev ", "3d  "))
    return "\n".join(out) + "\n"
