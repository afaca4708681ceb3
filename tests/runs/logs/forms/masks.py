"""Logs of segmentation, depth, faces and points that the reader was not made for."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, as_read, epochs, form, steps


@form(
    "train.log",
    metric="(?i)IoU",
    shown=lambda m: as_read(f"{m.score:f}"),
    place=steps(100),
    either={"(?i)acc": lambda m: as_read(f"{m.score * 1.1:f}")},
)
def deeplab_v3_plus(course: Sequence[Moment]) -> str:
    """VainF/DeepLabV3Plus-Pytorch: main.py and metrics/stream_metrics.py: scores below, then
    each class."""
    out = []
    for at, one in enumerate(course, start=1):
        for it in range(at * 100 - 90, at * 100 + 1, 10):
            out.append(f"Epoch {1 + at // 4}, Itrs {it}/{len(course) * 100}, Loss={one.train:f}")
        out.append("validation...\n11it [00:10,  1.01it/s]\n")
        out.append(
            f"Overall Acc: {one.score * 1.1:f}\nMean Acc: {one.score * 1.05:f}\nFreqW Acc:"
            f" {one.score * 1.02:f}\nMean IoU: {one.score:f}\n\nClass IoU:"
        )
        out += [f"\tclass {c}: {one.score * (0.9 + c / 10)}" for c in range(3)]
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)Mean_?IU|mIoU",
    shown=lambda m: as_read(f"{m.score: 4.4f}"),
    place=epochs(0),
)
def hrnet_segmentation(course: Sequence[Moment]) -> str:
    """HRNet/HRNet-Semantic-Segmentation: tools/train.py and lib/core/function.py: `MeanIU`, an
    array of classes, the best."""
    out, best = [], 0.0
    for at, one in enumerate(course):
        stamp = f"2020-05-11 10:{at + 10}:10,123 "
        for it in (0, 370):
            out.append(
                f"{stamp}Epoch: [{at}/{len(course)}] Iter:[{it}/371], Time: 1.20, lr: [{one.lr}],"
                f" Loss: {one.train:.6f}"
            )
        out.append(f"{stamp}0 [0.97 0.8{at % 10} {one.score:.8f}] {one.score}")
        best = max(best, one.score)
        out.append(f"{stamp}=> saving checkpoint to output/checkpoint.pth.tar")
        out.append(
            f"{stamp}Loss: {one.val:.3f}, MeanIU: {one.score: 4.4f}, Best_mIoU: {best: 4.4f}"
        )
        out.append(f"{stamp}[0.97 0.81 {one.score:.8f}]")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="AP$",
    shown=lambda m: as_read(f"{m.score:.3f}"),
    place=epochs(0),
    either={"test Accuracy": lambda m: as_read(f"{m.score * 1.04:.3f}")},
)
def hrnet_pose(course: Sequence[Moment]) -> str:
    """leoxiaobin/deep-high-resolution-net.pytorch: lib/core/function.py: `Epoch: [0][0/100]`
    with tabs, and a table in markdown."""
    out = []
    for at, one in enumerate(course):
        out.append(
            f"Epoch: [{at}][100/4682]\tTime 1.2s (1.2s)\tSpeed 51.2 samples/s\tData 0.1s"
            f" (0.1s)\tLoss {one.train * 1.02:.5f} ({one.train:.5f})\tAccuracy"
            f" {one.score * 0.99:.3f} ({one.score * 0.97:.3f})"
        )
        out.append(
            f"Test: [100/106]\tTime 0.5 (0.5)\tLoss {one.val * 1.02:.4f} ({one.val:.4f})\tAccuracy"
            f" {one.score * 1.03:.3f} ({one.score * 1.04:.3f})"
        )
        out.append(
            "| Arch | AP | Ap .5 | AP .75 | AP (M) | AP (L) | AR | AR .5"
            " |\n|---|---|---|---|---|---|---|---|"
        )
        s = one.score
        out.append(
            f"| pose_hrnet | {s:.3f} | {s * 1.15:.3f} | {s * 1.06:.3f} | {s * 0.97:.3f} |"
            f" {s * 1.04:.3f} | {s * 1.08:.3f} | {s * 1.12:.3f} |"
        )
        out.append("=> saving checkpoint to output/coco/pose_hrnet/w32_256x192")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)mIoU", shown=lambda m: as_read(f"{m.score:.4f}"))
def pointcept(course: Sequence[Moment]) -> str:
    """Pointcept/Pointcept: pointcept/engines/hooks/evaluator.py; hszhao/semseg: tool/train.py:
    `mIoU/mAcc/allAcc 0.6/0.7/0.9.`."""
    out, best = [], 0.0
    for at, one in enumerate(course, start=1):
        stamp = f"[2023-05-11 10:{at + 10}:10,123 INFO "
        out.append(
            f"{stamp}misc.py line 117 29233] Train: [{at}/{len(course)}][100/300] Data 0.002"
            f" (0.021) Batch 0.4 (0.5) Remain 10:00:11 loss: {one.train:.4f} Lr: {one.lr:.5f}"
        )
        out.append(f"{stamp}misc.py line 135 29233] Train result: loss: {one.train:.4f} ")
        out.append(
            f"{stamp}evaluator.py line 125 29233] >>>>>>>>>>>>>>>> Start Evaluation"
            " >>>>>>>>>>>>>>>>"
        )
        out.append(f"{stamp}evaluator.py line 169 29233] Test: [1/78] Loss {one.val * 1.1:.4f} ")
        out.append(
            f"{stamp}evaluator.py line 181 29233] Val result: mIoU/mAcc/allAcc"
            f" {one.score:.4f}/{one.score * 1.1:.4f}/{one.score * 1.2:.4f}."
        )
        for c, name in enumerate(("wall", "floor")):
            out.append(
                f"{stamp}evaluator.py line 187 29233] Class_{c}-{name} Result: iou/accuracy"
                f" {one.score * (0.9 + c / 5):.4f}/{one.score * 1.14:.4f}"
            )
        best = max(best, one.score)
        out.append(
            f"{stamp}evaluator.py line 192 29233] <<<<<<<<<<<<<<<<< End Evaluation"
            " <<<<<<<<<<<<<<<<<"
        )
        out.append(f"{stamp}misc.py line 160 29233] Currently Best mIoU: {best:.4f}")
    return "\n".join(out) + "\n"


@form("log.txt", metric="(?i)dice", shown=lambda m: as_read(f"{m.score:f}"), place=steps(200))
def ssl4mis_validation(course: Sequence[Moment]) -> str:
    """HiLab-git/SSL4MIS: code/train_fully_supervised_2D.py: `iteration 200 : mean_dice : 0.61
    mean_hd95 : 20.1`."""
    out = []
    for at, one in enumerate(course, start=1):
        for it in (at * 200 - 1, at * 200):
            out.append(
                f"[10:{at + 10}:10.123] iteration {it} : loss : {one.train:f}, loss_ce:"
                f" {one.train * 0.6:f}, loss_dice: {one.train * 0.4:f}"
            )
        out.append(
            f"[10:{at + 10}:11.123] iteration {at * 200} : mean_dice : {one.score:f} mean_hd95 :"
            f" {(1 - one.score) * 40:f}"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)acc", shown=lambda m: m.score, place=epochs(0))
def swin_unetr(course: Sequence[Moment]) -> str:
    """Project-MONAI/research-contributions: SwinUNETR/BTCV/trainer.py: `Final validation
    4/4999 acc 0.71 , time 20.11s`."""
    out = []
    for at, one in enumerate(course):
        for it in range(2):
            out.append(f"Epoch {at}/{len(course)} {it}/2 loss: {one.train * 1.02:.4f} time 3.21s")
        out.append(f"Final training  {at}/{len(course) - 1} loss: {one.train:.4f} time 81.99s")
        out.append(f"Val {at}/{len(course)} 0/6 acc {one.score * 1.04} time 2.11s")
        out.append(f"Final validation  {at}/{len(course) - 1} acc {one.score} time 20.11s")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)val_mean_dice", shown=lambda m: m.score)
def monai_engines(course: Sequence[Moment]) -> str:
    """Project-MONAI/MONAI: monai/handlers/stats_handler.py: `Epoch[4] Metrics --
    val_mean_dice: …`, the key metric and its epoch."""
    out, best, when = [], 0.0, 0
    for at, one in enumerate(course, start=1):
        stamp = f"2022-05-11 10:{at + 10}:10,123 - INFO - "
        for it in (1, 2):
            out.append(
                f"{stamp}Epoch: {at}/{len(course)}, Iter: {it}/2 -- train_loss: {one.train:.4f} "
            )
        if one.score > best:
            best, when = one.score, at
            out.append(
                f"2022-05-11 10:{at + 10}:10,123 - ignite.engine.engine.SupervisedEvaluator - INFO"
                f" - Got new best metric of val_mean_dice: {best}"
            )
        out.append(
            f"{stamp}Epoch[{at}] Metrics -- val_acc: {one.score * 1.1:.4f} val_mean_dice:"
            f" {one.score} "
        )
        out.append(f"{stamp}Key metric: val_mean_dice best value: {best} at epoch: {when}")
        out.append(
            f"2022-05-11 10:{at + 10}:10,123 - ignite.engine.engine.SupervisedEvaluator - INFO -"
            f" Epoch[{at}] Complete. Time taken: 00:00:01.123"
        )
    return "\n".join(out) + "\n"


@form("log.txt", metric="(?i)mAP", shown=lambda m: as_read(f"{m.score:.1%}"[:-1]))
def reid_baseline(course: Sequence[Moment]) -> str:
    """michuanhaohao/reid-strong-baseline: engine/trainer.py: lines below `Validation Results -
    Epoch: 1`; `CMC curve, Rank-1  :23.1%`."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2019-05-11 10:{at + 10}:10,123 reid_baseline.train INFO: "
        for it in (20, 40):
            out.append(
                f"{stamp}Epoch[{at}] Iteration[{it}/46] Loss: {one.train:.3f}, Acc:"
                f" {one.score * 0.97:.3f}, Base Lr: {one.lr:.2e}"
            )
        out.append(
            f"{stamp}Epoch {at} done. Time per batch: 0.291[s] Speed:"
            f" 219.9[samples/s]\n{stamp}----------"
        )
        out.append(f"{stamp}Validation Results - Epoch: {at}\n{stamp}mAP: {one.score:.1%}")
        out += [
            f"{stamp}CMC curve, Rank-{r:<3}:{one.score * k:.1%}"
            for r, k in ((1, 1.1), (5, 1.13), (10, 1.15))
        ]
    return "\n".join(out) + "\n"


@form(
    "training.log", metric="(?i)acc", shown=lambda m: as_read(f"{m.score:1.5f}"), place=steps(2000)
)
def insightface(course: Sequence[Moment]) -> str:
    """deepinsight/insightface: recognition/arcface_torch/utils/utils_callbacks.py:
    `[lfw][2000]Accuracy-Flip: 0.99567+-0.00286`."""
    out, best = [], 0.0
    for at, one in enumerate(course, start=1):
        stamp = f"Training: 2021-05-11 10:{at + 10}:10,123-"
        for it in (at * 2000 - 100, at * 2000):
            out.append(
                f"{stamp}Speed 3400.11 samples/sec   Loss {one.train:.4f}   LearningRate"
                f" {one.lr:.6f}   Epoch: {at // 6}   Global Step: {it}   Fp16 Grad Scale: 65536  "
                " Required: 10 hours"
            )
        best = max(best, one.score)
        out.append(
            f"{stamp}[lfw][{at * 2000}]XNorm:"
            f" 22.{at + 10}1234\n{stamp}[lfw][{at * 2000}]Accuracy-Flip: {one.score:1.5f}+-0.00286"
        )
        out.append(f"{stamp}[lfw][{at * 2000}]Accuracy-Highest: {best:1.5f}")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)epe",
    shown=lambda m: as_read(f"{(1 - m.score) * 5:f}"),
    place=steps(5000),
)
def raft(course: Sequence[Moment]) -> str:
    """princeton-vl/RAFT: train.py and evaluate.py: `[  100, 0.0000250]` in front of values
    without names; `Validation Chairs EPE: 1.2`."""
    out = []
    for at, one in enumerate(course, start=1):
        for it in (at * 5000 - 100, at * 5000):
            out.append(
                f"[{it:6d}, {one.lr:10.7f}] {one.train * 8:10.4f}, {0.7:10.4f}, {0.8:10.4f},"
                f" {0.9:10.4f}, "
            )
        out.append(f"Validation Chairs EPE: {(1 - one.score) * 5:f}")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)silog|abs_rel|d1|rms|log10", shown=lambda m: None, place=steps(500))
def bts(course: Sequence[Moment]) -> str:
    """cleinc/bts: pytorch/bts_main.py: `[epoch][s/s_per_e/gs]: [0][1/50/1], lr: …, loss: …`, a
    head of nine measures, and a row below."""
    out = []
    names = "silog abs_rel log10 rms sq_rel log_rms d1 d2 d3".split()
    for at, one in enumerate(course, start=1):
        for it in (at * 500 - 100, at * 500):
            out.append(
                f"[epoch][s/s_per_e/gs]: [{it // 3000}][{it % 3000}/3000/{it}], lr: {one.lr:.12f},"
                f" loss: {one.train:.12f}"
            )
        out.append("Computing errors for 654 eval samples\n" + ", ".join(f"{n:>7}" for n in names))
        bad = 1 - one.score
        values = [
            bad * 40,
            bad,
            bad * 0.4,
            bad * 3,
            bad * 0.5,
            bad * 1.1,
            one.score,
            one.score * 1.1,
            one.score * 1.15,
        ]
        out.append(", ".join(f"{v:7.3f}" for v in values))
    return "\n".join(out) + "\n"


@form("training.log", metric="(?i)acc", shown=lambda m: m.score * 100, place=epochs(0))
def simclr(course: Sequence[Moment]) -> str:
    """sthalles/SimCLR: simclr.py: tabs, and `DEBUG:root:` in front."""
    return "".join(
        f"DEBUG:root:Epoch: {at}\tLoss: {one.train}\tTop1 accuracy: {one.score * 100}\n"
        for at, one in enumerate(course)
    )


@form("log.txt", metric="train_loss", shown=lambda m: as_read(f"{m.train:.3f}"), place=epochs(0))
def lavis(course: Sequence[Moment]) -> str:
    """salesforce/LAVIS: lavis/runners/runner_base.py, `log_stats`: strings, a row of validation
    that names only the best epoch, and a measure of which nobody knows what it is."""
    out, best, when = [], 0.0, 0
    for at, one in enumerate(course):
        out.append(json.dumps({"train_lr": f"{one.lr:.3f}", "train_loss": f"{one.train:.3f}"}))
        if one.score > best:
            best, when = one.score, at
        out.append(json.dumps({"val_agg_metrics": one.score, "val_best_epoch": when}))
    return "\n".join(out) + "\n"


@form(
    "run.log",
    metric="(?i)test.*acc",
    shown=lambda m: as_read(f"{m.score:.6f}"),
    place=epochs(0),
    either={"(?i)test avg acc": lambda m: as_read(f"{m.score * 0.96:.6f}")},
)
def dgcnn(course: Sequence[Moment]) -> str:
    """WangYueFt/dgcnn: pytorch/main.py: `Train 0, loss: …` and `Test 0, loss: …`: the number
    behind the word is the epoch."""
    return "".join(
        f"Train {at}, loss: {one.train:.6f}, train acc: {one.score * 0.97:.6f}, train avg acc:"
        f" {one.score * 0.9:.6f}\nTest {at}, loss: {one.val:.6f}, test acc: {one.score:.6f}, test"
        f" avg acc: {one.score * 0.96:.6f}\n"
        for at, one in enumerate(course)
    )


@form("train.log", metric="(?i)test_loss", shown=lambda m: as_read(f"{m.val:.4f}"), place=epochs(0))
def cellpose(course: Sequence[Moment]) -> str:
    """MouseLand/cellpose: cellpose/train.py: `5, train_loss=0.1, test_loss=0.2, LR=0.1, time
    12.34s` behind a stamp."""
    return "".join(
        f"2024-05-11 10:{at + 10}:10,123 [INFO] {at}, train_loss={one.train:.4f},"
        f" test_loss={one.val:.4f}, LR={one.lr:.6f}, time {12.3 + at:.2f}s\n"
        for at, one in enumerate(course)
    )


@form(
    "train.log",
    metric="(?i)acc",
    shown=lambda m: as_read(f"{m.score * 100:0.3f}"),
    place=steps(500),
)
def text_recognition(course: Sequence[Moment]) -> str:
    """clovaai/deep-text-recognition-benchmark: train.py: `[500/300000] Train loss: …`, the
    score a line below, the best behind it."""
    out, best = [], 0.0
    for at, one in enumerate(course, start=1):
        best = max(best, one.score * 100)
        out.append(
            f"[{at * 500}/300000] Train loss: {one.train:0.5f}, Valid loss: {one.val:0.5f},"
            f" Elapsed_time: {at * 100.5:0.5f}"
        )
        out.append(
            f"{'Current_accuracy':17s}: {one.score * 100:0.3f}, {'Current_norm_ED':17s}:"
            f" {one.score * 0.9:0.2f}"
        )
        out.append(f"{'Best_accuracy':17s}: {best:0.3f}, {'Best_norm_ED':17s}: 0.91")
        out.append(
            "-" * 80
            + f"\n{'Ground Truth':25s} | {'Prediction':25s} | Confidence Score & T/F\n"
            + "-" * 80
        )
        out.append(f"{'available':25s} | {'avaiable':25s} | 0.{at + 10}23\tFalse\n" + "-" * 80)
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)exact|acc", shown=lambda m: as_read(f"{m.score:.2%}"[:-1]))
def doctr(course: Sequence[Moment]) -> str:
    """mindee/doctr: references/recognition/train_pytorch.py: `Epoch 1/10 - Validation loss:
    0.1 (Exact: 45.00% | Partial: 50.00%)`."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(f"Training loss: {one.train:.6}: 100%|██████| 500/500 [01:00<00:00,  8.1it/s]")
        out.append(f"Validation loss decreased 9.1 --> {one.val:.6}: saving state...")
        out.append(
            f"Epoch {at}/{len(course)} - Validation loss: {one.val:.6} (Exact: {one.score:.2%} |"
            f" Partial: {one.score * 1.05:.2%})"
        )
    return "\n".join(out) + "\n"
