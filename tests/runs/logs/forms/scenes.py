"""Logs of detectors and trackers, of poses, depths and points."""

from __future__ import annotations

from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, as_read, epochs, form, where


@form(
    "train.log",
    metric="(?i)total|^T\\b|loss",
    shown=lambda m: round(
        sum(as_read(f"{m.train * share:.3f}") for share in (0.3, 0.25, 0.4, 0.05)), 3
    ),
    place=where(every=400, start=0),
)
def yolact(course: Sequence[Moment]) -> str:
    """dbolya/yolact: train.py; its issues 103 and 659: one letter a loss, and T is their sum."""
    out = ["Begin training!\n"]
    for at, one in enumerate(course):
        parts = [round(one.train * share, 3) for share in (0.3, 0.25, 0.4, 0.05)]
        names = zip("BCMS", parts, strict=True)
        row = " | ".join(f"{name}: {value:.3f}" for name, value in names)
        out.append(
            f"[{at:3d}] {400 * at + 400:7d} || {row} | T: {sum(parts):.3f} || "
            "ETA: 2 days, 16:35:53 || timer: 0.288"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)iou", shown=lambda m: as_read(f"{m.score:.5f}"))
def pytracking(course: Sequence[Moment]) -> str:
    """visionml/pytracking: ltr/trainers/ltr_trainer.py; its issue 359, botaoye/OSTrack:
    `[train: 35, 50 / 1000] FPS: 4.0 (7.9)  ,  Loss/total: 3.4`: the epoch stands in brackets."""
    out = []
    for at, one in enumerate(course, start=1):
        for name, total, loss, score in (
            ("train", 1000, one.train, one.score * 0.96),
            ("val", 200, one.val, one.score),
        ):
            out += [
                f"[{name}: {at}, {now} / {total}] FPS: 41.2 (60.9)  ,  Loss/total: {loss:.5f}  ,  "
                f"Loss/giou: {loss * 0.2:.5f}  ,  Loss/l1: {loss * 0.03:.5f}  ,  IoU: {score:.5f}"
                for now in (total // 2, total)
            ]
        out.append("Epoch Time: 0:12:41.201331")
    return "\n".join(out) + "\n"


@form(
    "log.txt",
    metric="(?i)^overall.?loss",
    shown=lambda m: as_read(f"{m.train:.4f}"),
    place=epochs(0),
)
def motip(course: Sequence[Moment]) -> str:
    """MCG-NJU/MOTIP: train.py and log/logger.py; its issue 35: brackets around every name, means in
    brackets, semicolons between."""
    out = []
    for at, one in enumerate(course):
        for now in (100, 5000):
            out.append(
                f"[Epoch: {at}] [{now}/5030] [tps: 2.77s] overall_loss = {one.train * 1.03:.4f} "
                f"({one.train:.4f}); overall_detr_loss = {one.train * 0.8:.4f} "
                f"({one.train * 0.81:.4f}); bbox_l1 = 0.0205 (0.0212); id_loss = "
                f"{one.train * 0.2:.4f} ({one.train * 0.19:.4f}); learning_rate = 0.0001 (0.0001); "
                "detr_grad_norm = 30.5805 (50.4574); "
            )
    return "\n".join(out) + "\n"


@form(
    "log.csv",
    metric="(?i)rmse_?val",
    shown=lambda m: as_read(f"{m.val * 500:.3f}"),
    place=epochs(0),
)
def dyspn(course: Sequence[Moment]) -> str:
    """Kyakaka/DySPN: its issue 4: blanks around the commas, a date of its own between them."""
    out = ["Epoch ,FinishTime     ,LR    ,RMSE_Train ,RMSE_Val"]
    for at, one in enumerate(course):
        out.append(
            f"{at:5d} ,04.29_{at % 24:02d}:45:54 ,{one.lr:.4g} ,{one.train * 500:11.4f} ,"
            f"{one.val * 500:8.3f}"
        )
    return "\n".join(out) + "\n"


@form(
    "training.log",
    metric="(?i)map",
    shown=lambda m: m.score,
    place=epochs(0),
    either={"(?i)rcnn": lambda m: m.score * 0.98},
)
def alphapose(course: Sequence[Moment]) -> str:
    """MVIG-SJTU/AlphaPose: scripts/train.py and alphapose/utils/metrics.py; its issue 934: an epoch
    behind a hyphen, and a mAP of two kinds of boxes."""
    out = []
    for at, one in enumerate(course):
        out += [
            f"############# Starting Epoch {at} | LR: {one.lr} #############",
            f"Train-{at} epoch | loss:{one.train / 1e4:.8f} | acc:{one.score * 0.9:.4f}",
            f"##### Epoch {at} | gt mAP: {one.score} | rcnn mAP: {one.score * 0.98} #####",
        ]
    return "\n".join(out) + "\n"


@form(
    "training.txt",
    metric="(?i)acc",
    shown=lambda m: as_read(f"{m.score:.3f}"),
    place=epochs(0),
    either={"(?i)out_?loss": lambda m: as_read(f"{m.train:.3f}")},
)
def kpconv(course: Sequence[Moment]) -> str:
    """HuguesTHOMAS/KPConv-PyTorch: utils/trainer.py, `training.txt`: a head, numbers by blanks, and
    steps that begin again in every epoch."""
    out = ["epochs steps out_loss offset_loss train_accuracy time"]
    for at, one in enumerate(course):
        for now in (0, 250, 499):
            out.append(
                f"{at} {now} {one.train:.3f} {one.train / 9:.3f} {one.score:.3f} "
                f"{at * 100 + now / 5:.3f}"
            )
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)score",
    shown=lambda m: as_read(f"{m.score}"),
    place=where(every=1000, start=0),
)
def pytorch_3dunet(course: Sequence[Moment]) -> str:
    """wolny/pytorch-3dunet: pytorch3dunet/unet3d/trainer.py: sentences that end in a full stop."""
    out = []
    for at, one in enumerate(course):
        head = f"2020-01-01 10:{at % 60:02}:00,123 [MainThread] INFO UNet3DTrainer - "
        for now in (1000 * at + 900, 1000 * at + 1000):
            out.append(f"{head}Training iteration [{now}/150000]. Epoch [{at}/999]")
        out += [
            f"{head}Validating...",
            f"{head}Validation iteration 0",
            f"{head}Validation finished. Loss: {one.val}. Evaluation score: {one.score}",
            f"{head}Saving checkpoint to '3dunet/last_checkpoint.pytorch'",
            f"{head}Training stats. Loss: {one.train}. Evaluation score: {one.score * 0.97}",
        ]
    return "\n".join(out) + "\n"


@form(
    "train.txt",
    metric="(?i)map|rmse|valid loss",
    shown=lambda m: as_read(f"{m.score * 100:.2f}"),
    either={"(?i)valid loss": lambda m: as_read(f"{m.val / 100:.5f}")},
)
def deeplabcut(course: Sequence[Moment]) -> str:
    """DeepLabCut/DeepLabCut 3: deeplabcut/pose_estimation_pytorch/runners/train.py: what was
    measured stands below the epoch, with a slash and a full stop in its names."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            (
                f"Epoch {at}/200 (lr={one.lr}), train loss {one.train / 100:.5f}, valid loss "
                f"{one.val / 100:.5f}"
            ),
            "Model performance:",
            f"  metrics/test.rmse: {9 - 5 * one.score:10.2f}",
            f"  metrics/test.mAP:  {one.score * 100:10.2f}",
            f"  metrics/test.mAR:  {one.score * 101:10.2f}",
        ]
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)roc.?auc",
    shown=lambda m: as_read(f"{m.score:.4f}"),
    place=where(every=1000),
)
def mmf(course: Sequence[Moment]) -> str:
    """facebookresearch/mmf: mmf/utils/logger.py, `log_progress`: the step is called `num_updates`,
    and what was best stands in the same line."""
    out, best = [], -1.0
    for at, one in enumerate(course, start=1):
        head = f"2020-05-01T10:{at % 60:02}:00 | mmf.trainers.callbacks.logistics: "
        best = max(best, one.score)
        count = 1000 * at
        out += [
            f"{head}progress: {now}/60000, train/hateful_memes/cross_entropy: {one.train:.4f}, "
            f"train/total_loss: {one.train:.4f}, max mem: 7890.0, experiment: run, epoch: {at}, "
            f"num_updates: {now}, iterations: {now}, max_updates: 60000, lr: 0.00005, ups: 1.20, "
            "time: 01m 22s 123ms, time_since_start: 02m 44s 321ms, eta: 22h 11m 12s 111ms"
            for now in (count - 500, count)
        ]
        out += [
            (
                f"{head}progress: {count}/60000, val/total_loss: {one.val:.4f}, "
                f"val/hateful_memes/accuracy: {one.score * 0.9:.4f}, val/hateful_memes/roc_auc: "
                f"{one.score:.4f}, num_updates: {count}, epoch: {at}, iterations: {count}, "
                "max_updates: 60000, val_time: 12s 345ms, best_update: 1000, best_iteration: 1000, "
                f"best_val/hateful_memes/roc_auc: {best:.6f}"
            )
        ]
    return "\n".join(out) + "\n"


@form("log_train.txt", metric="(?i)map", shown=lambda m: as_read(f"{m.score:f}"), place=epochs(0))
def votenet(course: Sequence[Moment]) -> str:
    """facebookresearch/votenet: train.py: a value a line, `eval` in front of those of a test, each
    class before the mean."""
    out = []
    for at, one in enumerate(course):
        out += [f"**** EPOCH {at:03d} ****", f"Current learning rate: {one.lr:f}"]
        for batch in (10, 20):
            out += [f" ---- batch: {batch:03d} ----"]
            out += [
                f"mean {name}: {value:f}"
                for name, value in {
                    "box_loss": one.train * 0.4,
                    "center_loss": one.train * 0.2,
                    "loss": one.train,
                    "obj_acc": 0.5 + one.score / 3,
                    "pos_ratio": 0.11,
                }.items()
            ]
        out += [
            f"eval mean {n}: {v:f}" for n, v in {"box_loss": one.val * 0.4, "loss": one.val}.items()
        ]
        out += [f"eval {name} Average Precision: {one.score * 0.9:f}" for name in ("bed", "chair")]
        out += [f"eval mAP: {one.score:f}", f"eval AR: {one.score * 1.1:f}"]
    return "\n".join(out) + "\n"


@form(
    "train.log", metric="(?i)loss", shown=lambda m: as_read(f"{m.train / 10:.5f}"), place=epochs(0)
)
def monodepth2(course: Sequence[Moment]) -> str:
    """nianticlabs/monodepth2: trainer.py, `log_time`: bars, and numbers that are padded."""
    return "".join(
        f"epoch {at:>3} | batch {now:>6} | examples/s:  12.3 | loss: {one.train / 10:.5f} | "
        "time elapsed: 00h12m41s | time left: 11h02m12s\n"
        for at, one in enumerate(course)
        for now in (0, 250, 500)
    )


@form("log.txt", metric="(?i)total.?loss", shown=lambda m: as_read(f"{m.train:.6f}"))
def pysot(course: Sequence[Moment]) -> str:
    """STVIR/pysot: tools/train.py and pysot/utils/average_meter.py: lines that begin with a tab,
    two values each, the mean in brackets."""
    out = []
    for at, one in enumerate(course, start=1):
        head = f"[2020-05-01 10:{at % 60:02}:00,123-rk0-train.py#"
        for now in (20, 1000):
            out += [
                f"{head}262] Epoch: [{at}][{now}/1000] lr: {one.lr:.6f}",
                "\tbatch_time: 0.312345 (0.412345)\tdata_time: 0.001234 (0.002345)",
                (
                    f"\tcls_loss: {one.train * 0.6:.6f} ({one.train * 0.61:.6f})\tloc_loss: "
                    f"{one.train * 0.4:.6f} ({one.train * 0.39:.6f})"
                ),
                f"\ttotal_loss: {one.train * 1.02:.6f} ({one.train:.6f})",
                (
                    f"{head[:-9]}log_helper.py#105] Progress: {now} / 20000 [1%], Speed: 0.412 "
                    f"s/iter, "
                    "ETA 0:02:17 (D:H:M)"
                ),
                "",
            ]
    return "\n".join(out) + "\n"
