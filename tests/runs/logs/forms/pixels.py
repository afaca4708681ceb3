"""Logs of detection, poses and classification that the reader was not made for."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, as_read, epochs, form, steps


@form(
    "train.log",
    metric="(?i)mAP",
    shown=lambda m: as_read(f"{m.score:.3g}"),
    place=epochs(0),
    either={"F1": lambda m: as_read(f"{m.score * 0.97:.3g}")},
)
def yolov3_console(course: Sequence[Moment]) -> str:
    """ultralytics/yolov3: train.py and test.py of 2019: GIoU, F1, `5e+03` images."""
    out = []
    for at, one in enumerate(course):
        out.append(
            "\n" + ("%10s" * 8) % tuple("Epoch gpu_mem GIoU obj cls total targets img_size".split())
        )
        loss = ("%10.3g" * 6) % (
            one.train * 0.5,
            one.train * 0.3,
            one.train * 0.2,
            one.train,
            53,
            416,
        )
        out.append(
            f"{f'{at}/{len(course) - 1}':>10}{'5.77G':>10}"
            + loss
            + ": 100%|████| 7329/7329 [23:06<00:00,  5.29it/s]"
        )
        out.append(
            ("%20s" + "%10s" * 6) % tuple("Class Images Targets P R mAP@0.5 F1".split())
            + ": 100%|██| 313/313 [02:10<00:00]"
        )
        out.append(
            ("%20s" + "%10.3g" * 6)
            % ("all", 5000, 35700, one.score * 0.8, one.score * 0.9, one.score, one.score * 0.97)
        )
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)^(?!.*50).*(AP|precision)",
    shown=lambda m: as_read(f"{m.score:.3f}"),
    place=epochs(0),
)
def paddle_detection(course: Sequence[Moment]) -> str:
    """PaddlePaddle/PaddleDetection: ppdet/engine/callbacks.py, the table of pycocotools, and
    the best."""
    out, best = [], 0.0
    for at, one in enumerate(course):
        stamp = f"[07/25 10:{at + 10}:10] ppdet."
        for batch in (0, 100):
            out.append(
                f"{stamp}engine INFO: Epoch: [{at}] [{batch:>3}/117] learning_rate: {one.lr:.6f}"
                f" loss_cls: {one.train * 0.6:.6f} loss: {one.train:.6f} eta: 1:10:22 batch_cost:"
                " 0.5131 data_cost: 0.0003 ips: 15.5910 images/s"
            )
        out += [
            f"{stamp}utils.checkpoint INFO: Save checkpoint: output/ppyoloe",
            f"{stamp}engine INFO: Eval iter: 0",
        ]
        out.append("loading annotations into memory...\nDone (t=0.61s)")
        for what, area, dets, value in (
            ("0.50:0.95", "   all", 100, one.score),
            ("0.50     ", "   all", 100, one.score * 1.2),
            ("0.50:0.95", " small", 100, one.score * 0.4),
        ):
            out.append(
                f" Average Precision  (AP) @[ IoU={what} | area={area} | maxDets={dets} ] ="
                f" {value:.3f}"
            )
        out.append(
            " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] ="
            f" {one.score * 0.7:.3f}"
        )
        best = max(best, one.score)
        out.append(f"{stamp}engine INFO: Total sample number: 500, average FPS: 21.3")
        out.append(f"{stamp}engine INFO: Best test bbox ap is {best:.3f}.")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)top1|acc", shown=lambda m: as_read(f"{m.score:.5f}"))
def paddle_clas(course: Sequence[Moment]) -> str:
    """PaddlePaddle/PaddleClas: ppcls/engine/train/utils.py and evaluation: `[Eval][Epoch
    1][Avg]`."""
    out, best = [], 0.0
    for at, one in enumerate(course, start=1):
        stamp = f"[2022/07/25 10:{at + 10}:10] ppcls INFO: "
        out.append(
            f"{stamp}[Train][Epoch {at}/{len(course)}][Iter: 10/100]lr(LinearWarmup):"
            f" {one.lr:.8f}, top1: {one.score * 0.97:.5f}, top5: 0.91, CELoss: {one.train:.5f},"
            f" loss: {one.train:.5f}, batch_cost: 0.41s, reader_cost: 0.1, ips: 155.1 samples/s,"
            " eta: 0:10:11"
        )
        out.append(
            f"{stamp}[Train][Epoch {at}/{len(course)}][Avg]top1: {one.score * 0.97:.5f}, top5:"
            f" 0.91000, CELoss: {one.train:.5f}, loss: {one.train:.5f}"
        )
        out.append(
            f"{stamp}[Eval][Epoch {at}][Iter: 0/10]CELoss: {one.val * 1.1:.5f}, loss:"
            f" {one.val * 1.1:.5f}, top1: {one.score * 0.9:.5f}, top5: 0.9, batch_cost: 1.1s"
        )
        out.append(
            f"{stamp}[Eval][Epoch {at}][Avg]CELoss: {one.val:.5f}, loss: {one.val:.5f}, top1:"
            f" {one.score:.5f}, top5: 0.91000"
        )
        best = max(best, one.score)
        out.append(f"{stamp}[Eval][Epoch {at}][best metric: {best}]")
        out.append(f"{stamp}Already save model in ./output/MobileNetV3/latest")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)coco/AP$", shown=lambda m: as_read(f"{m.score:.6f}"))
def mmpose(course: Sequence[Moment]) -> str:
    """open-mmlab/mmpose 1.x: mmpose/evaluation/metrics/coco_metric.py: names with blanks:
    `coco/AP .5`."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"10/11 10:{at + 10}:10 - mmengine - INFO - "
        out.append(
            f"{stamp}Epoch(train)  [{at}][500/586]  lr: {one.lr:.4e}  eta: 1 day, 5:11:02  time:"
            f" 0.3000  data_time: 0.1  memory: 9999  loss: {one.train:.6f}  loss_kpt:"
            f" {one.train:.6f}  acc_pose: {one.score * 0.9:.6f}"
        )
        out.append(f"{stamp}Evaluating CocoMetric...")
        out.append(
            f"{stamp}Epoch(val) [{at}][407/407]    coco/AP: {one.score:.6f}  coco/AP .5:"
            f" {one.score * 1.15:.6f}  coco/AP .75: {one.score * 1.05:.6f}  coco/AP (M):"
            f" {one.score * 0.95:.6f}  coco/AP (L): {one.score * 1.01:.6f}  coco/AR:"
            f" {one.score * 1.1:.6f}  coco/AR .5: 0.9  data_time: 0.02  time: 0.1"
        )
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)NDS",
    shown=lambda m: as_read(f"{m.score:.4f}"),
    either={"mAP$": lambda m: as_read(f"{m.score * 0.83:.4f}")},
)
def mmdet3d(course: Sequence[Moment]) -> str:
    """open-mmlab/mmdetection3d: mmdet3d/evaluation/metrics/nuscenes_metric.py: a hundred names
    a line, errors among them."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2023/05/11 10:{at + 10}:10 - mmengine - INFO - "
        out.append(
            f"{stamp}Epoch(train)  [{at}][3500/3517]  lr: {one.lr:.4e}  eta: 5:11:02  time: 0.3 "
            f" loss: {one.train:.4f}  task0.loss_heatmap: {one.train * 0.3:.4f}"
        )
        pre = "NuScenes metric/pred_instances_3d_NuScenes/"
        names = [
            ("car_AP_dist_0.5", one.score * 0.7),
            ("car_AP_dist_1.0", one.score * 0.8),
            ("car_trans_err", 0.2),
            ("mATE", 0.31),
            ("mASE", 0.26),
            ("NDS", one.score),
            ("mAP", one.score * 0.83),
        ]
        out.append(
            f"{stamp}Epoch(val) [{at}][6019/6019]    "
            + "  ".join(f"{pre}{n}: {v:.4f}" for n, v in names)
            + "  data_time: 0.01  time: 0.1"
        )
    return "\n".join(out) + "\n"


@form("log.txt", metric="(?i)loss", shown=lambda m: as_read(f"{m.train:f}"))
def centernet(course: Sequence[Moment]) -> str:
    """xingyizhou/CenterNet: src/main.py and src/lib/logger.py: `epoch: 1 |loss 2.31 | hm_loss
    …`."""
    return "".join(
        f"2019-05-11-10-{at + 10}: epoch: {at} |loss {one.train:f} | hm_loss {one.train * 0.7:f} |"
        f" wh_loss {one.train * 2:f} | off_loss {one.train * 0.1:f} | time 12.316667 | \n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "train.log", metric="(?i)val.*loss", shown=lambda m: as_read(f"{m.val:1.5f}"), place=epochs(0)
)
def efficientdet(course: Sequence[Moment]) -> str:
    """zylo117/Yet-Another-EfficientDet-Pytorch: train.py: sentences, and `Val. Epoch: 0/500`."""
    out = []
    for at, one in enumerate(course):
        for it in (1, 2):
            out.append(
                f"Step: {at * 2 + it - 1}. Epoch: {at}/{len(course)}. Iteration: {it}/2. Cls loss:"
                f" {one.train * 0.7:.5f}. Reg loss: {one.train * 0.3:.5f}. Total loss:"
                f" {one.train:.5f}: {it * 50:>3}%|█████| {it}/2 [00:01<00:00,  1.2it/s]"
            )
        out.append(
            f"Val. Epoch: {at}/{len(course)}. Classification loss: {one.val * 0.7:1.5f}."
            f" Regression loss: {one.val * 0.3:1.5f}. Total loss: {one.val:1.5f}"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)loss", shown=lambda m: as_read(f"{m.train:.4f}"), place=steps(10))
def ssd(course: Sequence[Moment]) -> str:
    """amdegroot/ssd.pytorch: train.py: two bars between the parts, a timer on the same line."""
    return "".join(
        f"iter {at * 10} || Loss: {one.train:.4f} || timer: 0.1{at} sec.\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "train.log",
    metric="(?i)mAP@0.50:0.95|AP",
    shown=lambda m: as_read(f"{m.score}"),
    place=epochs(0),
    either={
        "(?i)AP|precision": lambda m: as_read(f"{m.score:.3f}"),
        "(?i)mAP@0.5$": lambda m: as_read(f"{m.score * 1.2}"),
    },
)
def yolov6(course: Sequence[Moment]) -> str:
    """meituan/YOLOv6: yolov6/core/engine.py: a table of losses, and `Epoch: 3 | mAP@0.5: … |
    mAP@0.50:0.95: …`."""
    out = []
    for at, one in enumerate(course):
        out.append("\n" + ("%10s" * 5) % ("Epoch", "lr", "iou_loss", "dfl_loss", "cls_loss"))
        out.append(
            ("%10s" + "%10.4g" * 4)
            % (f"{at}/{len(course) - 1}", one.lr, one.train, one.train * 0.3, one.train * 0.6)
            + ": 100%|████| 500/500 [01:00<00:00]"
        )
        out.append("\nInferencing model in val datasets.: 100%|██| 79/79 [00:30<00:00]")
        out.append(f"Epoch: {at} | mAP@0.5: {one.score * 1.2} | mAP@0.50:0.95: {one.score}")
    return "\n".join(out) + "\n"


@form("log.txt", metric="(?i)^loss", shown=lambda m: as_read(f"{m.train:.4f}"), place=steps(20))
def maskrcnn_benchmark(course: Sequence[Moment]) -> str:
    """facebookresearch/maskrcnn-benchmark: maskrcnn_benchmark/engine/trainer.py: medians, and
    means in brackets."""
    return "".join(
        f"2018-10-2{at % 10} 10:{at + 10}:10,123 maskrcnn_benchmark.trainer INFO: eta: 1 day,"
        f" 2:01:{at + 10}  iter: {at * 20}  loss: {one.train * 1.01:.4f} ({one.train:.4f}) "
        f" loss_classifier: {one.train * 0.5:.4f} ({one.train * 0.5:.4f})  loss_mask:"
        f" {one.train * 0.3:.4f} ({one.train * 0.3:.4f})  time: 0.5190 (0.6213)  data: 0.0093"
        f" (0.0310)  lr: {one.lr:.6f}  max mem: 3011\n"
        for at, one in enumerate(course, start=1)
    )


@form("stdout.log", metric="(?i)top1_err", shown=lambda m: round((1 - m.score) * 100, 5))
def slowfast(course: Sequence[Moment]) -> str:
    """facebookresearch/SlowFast: slowfast/utils/logging.py, `log_json_stats`: JSON behind
    words, and an epoch `1/196` in quotes."""
    out, low = [], 100.0
    for at, one in enumerate(course, start=1):
        stamp = f"[06/11 10:{at + 10}:10][INFO] logging.py:  99: json_stats: "
        which = f"{at}/{len(course)}"
        train, err = round((1 - one.score * 0.97) * 100, 5), round((1 - one.score) * 100, 5)
        low = min(low, err)
        out.append(
            stamp
            + json.dumps(
                {
                    "_type": "train_iter_",
                    "dt": 0.5,
                    "epoch": which,
                    "eta": "0:10:11",
                    "gpu_mem": "10.11G",
                    "iter": "10/100",
                    "loss": round(one.train, 5),
                    "lr": one.lr,
                    "top1_err": train,
                }
            )
        )
        out.append(
            stamp
            + json.dumps(
                {
                    "RAM": "50.1/251.3G",
                    "_type": "train_epoch",
                    "epoch": which,
                    "loss": round(one.train, 5),
                    "lr": one.lr,
                    "top1_err": train,
                }
            )
        )
        out.append(
            stamp
            + json.dumps(
                {
                    "_type": "val_epoch",
                    "epoch": which,
                    "gpu_mem": "10.11G",
                    "min_top1_err": low,
                    "top1_err": err,
                }
            )
        )
    return "\n".join(out) + "\n"


@form(
    "log_rank0.txt",
    metric="(?i)acc",
    shown=lambda m: as_read(f"{m.score * 100:.3f}"),
    place=epochs(0),
    either={"(?i)acc.": lambda m: as_read(f"{m.score * 100:.1f}")},
)
def swin(course: Sequence[Moment]) -> str:
    """microsoft/Swin-Transformer: main.py: `Train: [0/300][0/1251]`, ` * Acc@1`, the accuracy
    in a sentence, the best in another."""
    out, best = [], 0.0
    for at, one in enumerate(course):
        stamp = f"[2021-04-11 10:{at + 10}:10 swin_tiny] (main.py "
        for it in (0, 1250):
            out.append(
                f"{stamp}216): INFO Train: [{at}/{len(course)}][{it}/1251]\teta 0:10:11 lr"
                f" {one.lr:.6f}\ttime 0.5 (0.6)\tloss {one.train * 1.02:.4f}"
                f" ({one.train:.4f})\tgrad_norm 2.1 (2.4)\tmem 8000MB"
            )
        out.append(f"{stamp}223): INFO EPOCH {at} training takes 0:11:22")
        out.append(
            f"{stamp}275): INFO Test: [0/98]\tTime 1.1 (1.1)\tLoss {one.val * 0.8:.4f}"
            f" ({one.val:.4f})\tAcc@1 {one.score * 105:.3f} ({one.score * 99:.3f})\tAcc@5 92.1"
            " (92.0)\tMem 8000MB"
        )
        out.append(f"{stamp}282): INFO  * Acc@1 {one.score * 100:.3f} Acc@5 {92.1:.3f}")
        best = max(best, one.score * 100)
        out.append(
            f"{stamp}144): INFO Accuracy of the network on the 50000 test images:"
            f" {one.score * 100:.1f}%"
        )
        out.append(f"{stamp}146): INFO Max accuracy: {best:.2f}%")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)mIoU", shown=lambda m: m.score, place=epochs(0))
def deeplab_xception(course: Sequence[Moment]) -> str:
    """jfzhang95/pytorch-deeplab-xception: train.py: the epoch in brackets behind the values of
    the training, before those of the validation."""
    out = []
    for at, one in enumerate(course):
        out.append(f"Train loss: {one.train:.3f}: 100%|██████| 1323/1323 [10:11<00:00,  2.1it/s]")
        out.append(f"[Epoch: {at}, numImages: 10582]\nLoss: {one.train * 1323:.3f}")
        out.append(f"Test loss: {one.val:.3f}: 100%|██████| 181/181 [01:11<00:00,  2.1it/s]")
        out.append(f"Validation:\n[Epoch: {at}, numImages:  1449]")
        out.append(
            f"Acc:{one.score * 1.1}, Acc_class:{one.score * 1.05}, mIoU:{one.score}, fwIoU:"
            f" {one.score * 1.02}\nLoss: {one.val * 181:.3f}"
        )
    return "\n".join(out) + "\n"
