"""Logs with the figures of COCO: torchvision, YOLOX, DETR, Detectron2."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, as_read, epochs, form, steps

__all__ = ["coco_table"]


def coco_table(one: Moment) -> str:
    """cocodataset/cocoapi: PythonAPI/pycocotools/cocoeval.py, `_summarize`."""
    lines = []
    for iou, area, dets, value in (
        ("0.50:0.95", "all", 100, one.score),
        ("0.50", "all", 100, min(1.0, one.score * 1.15)),
        ("0.75", "all", 100, one.score * 1.05),
        ("0.50:0.95", "small", 100, -1.0),
        ("0.50:0.95", "medium", 100, one.score * 0.8),
        ("0.50:0.95", "large", 100, one.score * 1.1),
    ):
        title = f"Average Precision  (AP) @[ IoU={iou:<9} | area={area:>6s} | maxDets={dets:>3d} ]"
        lines.append(f" {title} = {value:0.3f}")
    for dets in (1, 10, 100):
        title = f"Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets={dets:>3d} ]"
        lines.append(f" {title} = {one.score * 0.9:0.3f}")
    return "\n".join(lines)


@form(
    "train.log",
    metric=r"(?i)\bap\b|average precision|map",
    shown=lambda m: as_read(f"{m.score:.3f}"),
    place=epochs(0),
)
def torchvision_detection(course: Sequence[Moment]) -> str:
    """pytorch/vision: references/detection/utils.py, engine.py; the table of pycocotools."""
    out = []
    for at, one in enumerate(course):
        for batch in (0, 50, 99):
            out.append(
                f"Epoch: [{at}]  [{batch:2d}/100]  eta: 0:00:42  lr: {one.lr:.6f}  "
                f"loss: {one.train * 1.03:.4f} ({one.train:.4f})  "
                f"loss_classifier: {one.train * 0.3:.4f} ({one.train * 0.31:.4f})  "
                "time: 0.4210  data: 0.0093  max mem: 3311"
            )
        out.append(f"Epoch: [{at}] Total time: 0:00:42 (0.4210 s / it)")
        out.append("creating index...\nindex created!")
        out.append("Test:  [ 0/50]  eta: 0:00:10  model_time: 0.1 (0.1)  evaluator_time: 0.01")
        out.append("Averaged stats: model_time: 0.0912 (0.0944)  evaluator_time: 0.0101 (0.0130)")
        out.append("Accumulating evaluation results...\nDONE (t=0.07s).\nIoU metric: bbox")
        out.append(coco_table(one))
    return "\n".join(out) + "\n"


@form(
    "train_log.txt",
    metric=r"(?i)\bap\b|average precision|map",
    shown=lambda m: as_read(f"{m.score:.3f}"),
)
def yolox(course: Sequence[Moment]) -> str:
    """Megvii-BaseDetection/YOLOX: yolox/core/trainer.py; its issue 337."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2021-08-03 18:{at + 10}:28.366 | INFO     | yolox.core.trainer"
        out.append(f"{stamp}:before_epoch:193 - ---> start train epoch{at}")
        for batch in (100, 200):
            out.append(
                f"{stamp}:after_iter:254 - epoch: {at}/{len(course)}, iter: {batch}/200, "
                f"mem: 8760Mb, iter_time: 0.608s, data_time: 0.001s, total_loss: {one.train:.1f}, "
                f"iou_loss: {one.train * 0.4:.1f}, l1_loss: 0.0, conf_loss: {one.train * 0.5:.1f}, "
                f"cls_loss: {one.train * 0.1:.1f}, lr: {one.lr:.3e}, size: 448, ETA: 9:21:18"
            )
        out.append(f"{stamp}:save_ckpt:322 - Save weights to ./YOLOX_outputs/yolox_l")
        out.append(
            f"{stamp}:evaluate_and_save_model:341 - \nAverage forward time: 5.20 ms, Average NMS "
            "time: 1.01 ms, Average inference time: 6.21 ms"
        )
        out.append(coco_table(one) + "\n")
    return "\n".join(out) + "\n"


@form("log.txt", metric="coco_eval_bbox", shown=lambda m: m.score, place=epochs(0))
def detr_log(course: Sequence[Moment]) -> str:
    """facebookresearch/detr: main.py: a row an epoch; the first of twelve COCO figures is AP."""
    out = []
    for at, one in enumerate(course):
        row: dict[str, object] = {"train_lr": one.lr, "train_class_error": 20.3}
        row |= {"train_loss": one.train, "train_loss_bbox_0": one.train * 0.3}
        row |= {"test_class_error": 21.4, "test_loss": one.val}
        ap = one.score
        figures = [ap, ap * 1.1, ap * 0.9, 0.11, ap * 0.7, ap * 1.2, 0.3, 0.5, 0.5, 0.1, 0.5, 0.7]
        row |= {"test_coco_eval_bbox": figures, "epoch": at, "n_parameters": 41302368}
        out.append(json.dumps(row))
    return "\n".join(out) + "\n"


@form(
    "log.txt",
    metric=r"(?i)\bap\b",
    shown=lambda m: as_read(f"{m.score * 100:.3f}"),
    either={r"(?i)\bap\b": lambda m: as_read(f"{m.score * 100:.4f}")},
    place=steps(500, first=499),
)
def detectron2_text(course: Sequence[Moment]) -> str:
    """facebookresearch/detectron2: detectron2/utils/events.py, evaluation/coco_evaluation.py and
    testing.py; its issue 3694. Iterations from 0; a table, and `copypaste`."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"[11/14 13:{at + 10}:05] d2"
        for count in range(at * 500 - 401, at * 500, 100):
            out.append(
                f"{stamp}.utils.events INFO:  eta: 0:01:01  iter: {count}  "
                f"total_loss: {one.train:.4g}  loss_cls: {one.train * 0.4:.4g}  "
                f"loss_box_reg: {one.train * 0.5:.4g}  time: 0.3593  last_time: 0.3612  "
                f"data_time: 0.0369  lr: {one.lr:.5g}  max_mem: 3001M"
            )
        out.append(f"{stamp}.evaluation.coco_evaluation INFO: Evaluation results for bbox: ")
        out.append("|   AP   |  AP50  |  AP75  |  APs   |  APm   |  APl   |")
        out.append("|:------:|:------:|:------:|:------:|:------:|:------:|")
        figures = [one.score * k for k in (100, 115, 105)]
        cells = [f"{value:.3f}" for value in figures] + ["nan", f"{one.score * 80:.3f}", "61.200"]
        out.append("| " + " | ".join(f"{cell:^6}" for cell in cells) + " |")
        out.append(f"{stamp}.engine.defaults INFO: Evaluation results for coco_val in csv format:")
        out.append(f"{stamp}.evaluation.testing INFO: copypaste: Task: bbox")
        out.append(f"{stamp}.evaluation.testing INFO: copypaste: AP,AP50,AP75,APs,APm,APl")
        row = ",".join(f"{value:.4f}" for value in figures)
        out.append(f"{stamp}.evaluation.testing INFO: copypaste: {row},nan,40.1000,61.2000")
    return "\n".join(out) + "\n"


@form("metrics.json", metric="bbox/AP$", shown=lambda m: m.score * 100, place=steps(500, first=499))
def detectron2_json(course: Sequence[Moment]) -> str:
    """facebookresearch/detectron2: detectron2/utils/events.py, `JSONWriter`."""
    out = []
    for at, one in enumerate(course, start=1):
        for count in range(at * 500 - 401, at * 500, 100):
            row = {"data_time": 0.01, "eta_seconds": 3600.1, "iteration": count, "lr": one.lr}
            out.append(json.dumps(row | {"loss_cls": one.train * 0.4, "total_loss": one.train}))
        row = {"bbox/AP": one.score * 100, "bbox/AP50": one.score * 115, "bbox/APs": float("nan")}
        out.append(json.dumps(row | {"iteration": at * 500 - 1}))
    return "\n".join(out) + "\n"


@form("log.txt", metric=r"(?i)\bap\b", shown=lambda m: as_read(f"{m.score:.3f}"), place=epochs(0))
def d_fine(course: Sequence[Moment]) -> str:
    """Peterande/D-FINE: src/solver/det_solver.py, as of RT-DETR: below each table `best_stat:` and
    a dictionary, which names the epoch that was best."""
    out, best, when = [], -1.0, 0
    for at, one in enumerate(course):
        out += [
            f"Epoch: [{at}]  [{batch:4d}/3697]  eta: 0:34:51  lr: {one.lr:.6f}  loss:"
            f" {one.train * 1.03:.4f} ({one.train:.4f})  loss_vfl: {one.train * 0.3:.4f}"
            f" ({one.train * 0.31:.4f})  time: 0.5401  data: 0.0120  max mem: 10343"
            for batch in (0, 3696)
        ]
        out.append(f"Epoch: [{at}] Total time: 0:33:12 (0.5389 s / it)")
        out.append(f"Averaged stats: lr: {one.lr:.6f}  loss: {one.train:.4f} ({one.train:.4f})")
        out.append("Test:  [  0/157]  eta: 0:02:03    time: 0.7880  data: 0.5342  max mem: 10343")
        out.append("Accumulating evaluation results...\nDONE (t=10.12s).\nIoU metric: bbox")
        out.append(coco_table(one))
        if one.score > best:
            best, when = one.score, at
        out.append(f"best_stat: {{'epoch': {when}, 'coco_eval_bbox': {best}}}")
    return "\n".join(out) + "\n"
