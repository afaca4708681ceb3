"""Logs of nets that restore, recognise or make pictures and films."""

from __future__ import annotations

from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, as_read, epochs, form, steps, where


@form(
    "train.log",
    metric="(?i)^(test |val )?mAP$",
    shown=lambda m: as_read(f"{m.score * 100:.5f}"),
    place=epochs(0),
    either={"(?i)mAP_ema": lambda m: as_read(f"{m.score * 99:.5f}")},
)
def asl(course: Sequence[Moment]) -> str:
    """Alibaba-MIIL/ASL and its kin: its issue 90: a line sums up the test, others the best."""
    out, best = [], -1.0
    for at, one in enumerate(course):
        head = f"[07/13 20:{at % 60:02}:17.762]: "
        out.append(f"{head}lr:9.707593486273662e-05")
        out += [
            f"{head}Epoch: [{at}/80][{now:3d}/646]  T 0.535 (0.635)  DT 0.010 (0.020)  S1 12.6 "
            f"(12.6)  SA 50.5 (50.5)  LR 9.707e-05  Loss {one.train * 10.2:.3f} "
            f"({one.train * 10:.3f})  Mem 15555"
            for now in (0, 600)
        ]
        best = max(best, one.score)
        out += [
            f"{head}Calculating mAP:",
            f"{head}  mAP: {one.score * 99}",
            (
                f"{head}=> Test Epoch: [{at}/80]  ETA 6:58:05  TT 0:07:19 (2:48:42)  Loss "
                f"{one.val * 10:.3f}  mAP {one.score * 100:.5f}  Loss_ema {one.val * 9:.3f}  "
                f"mAP_ema {one.score * 99:.5f}"
            ),
            f"{head}{at} | Set best mAP {best * 99} in ep {at}",
            f"{head}   | best regular mAP {best * 100} in ep {at}",
        ]
    return "\n".join(out) + "\n"


@form(
    "log.txt",
    metric="(?i)prec|top|acc",
    shown=lambda m: as_read(f"{m.score * 100:.3f}"),
    place=epochs(0),
)
def tsm(course: Sequence[Moment]) -> str:
    """mit-han-lab/temporal-shift-module: main.py: `Testing Results:` below the batches."""
    out, best = [], -1.0
    for at, one in enumerate(course):
        best = max(best, one.score)
        out += [
            f"Epoch: [{at}][{now}/100], lr: {one.lr:.5f}\tTime 0.512 (0.601)\tData 0.010 (0.020)\t"
            f"Loss {one.train * 1.02:.4f} ({one.train:.4f})\tPrec@1 {one.score * 93:.3f} "
            f"({one.score * 92:.3f})\tPrec@5 {one.score * 103:.3f} ({one.score * 102:.3f})"
            for now in (0, 80)
        ]
        out += [
            (
                f"Test: [20/50]\tTime 0.311 (0.402)\tLoss {one.val * 1.01:.4f} "
                f"({one.val * 1.02:.4f})\t"
                f"Prec@1 {one.score * 98:.3f} ({one.score * 97:.3f})\tPrec@5 61.2 (60.3)"
            ),
            (
                f"Testing Results: Prec@1 {one.score * 100:.3f} Prec@5 {one.score * 105:.3f} Loss "
                f"{one.val:.5f}"
            ),
            f"Best Prec@1: {best * 100:.3f}",
            "",
        ]
    return "\n".join(out) + "\n"


@form("val.log", metric="(?i)acc", shown=lambda m: m.score)
def resnets_3d(course: Sequence[Moment]) -> str:
    """kenshohara/3D-ResNets-PyTorch: utils.py, `Logger`: tabs below a head of three names."""
    rows = (f"{at}\t{one.val}\t{one.score}\n" for at, one in enumerate(course, start=1))
    return "epoch\tloss\tacc\n" + "".join(rows)


@form("log.txt", metric="(?i)psnr", shown=lambda m: as_read(f"{m.score * 40:.3f}"))
def edsr(course: Sequence[Moment]) -> str:
    """sanghyun-son/EDSR-PyTorch: src/trainer.py: the best, and its epoch, behind the value."""
    out, best = [], (-1.0, 0)
    for at, one in enumerate(course, start=1):
        value = one.score * 40
        best = max(best, (value, at))
        out.append(f"[Epoch {at}]\tLearning rate: {one.lr:.2e}")
        out += [
            f"[{now}/16000]\t[L1: {one.train * 9:.4f}]\t20.1+0.1s" for now in (1600, 8000, 16000)
        ]
        out += [
            "\nEvaluation:",
            f"[DIV2K x2]\tPSNR: {value:.3f} (Best: {best[0]:.3f} @epoch {best[1]})",
            "Forward: 10.11s\n",
            "Saving...",
            "Total: 12.31s\n",
        ]
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)f1|hmean",
    shown=lambda m: as_read(f"{m.score:.6f}"),
)
def dbnet(course: Sequence[Moment]) -> str:
    """WenmuZhou/DBNet.pytorch: trainer/trainer.py: the epoch and the batch in two pairs of brackets
    with a comma between, the test without any, and the best in a line of its own."""
    out = []
    best = (-1.0, 0, 0.0)
    for at, one in enumerate(course, start=1):
        head = f"2020-05-01 10:{at % 60:02}:00,123 DBNet.pytorch INFO: "
        best = max(best, (one.score, at, one.train))
        out += [
            f"{head}[{at}/1200], [{now}/63], global_step: {63 * (at - 1) + now}, speed: 31.2 "
            f"samples/sec, acc: {one.score * 0.9:.4f}, iou_shrink_map: {one.score * 0.8:.4f}, "
            f"loss: {one.train:.4f}, loss_shrink_maps: {one.train * 0.4:.4f}, "
            f"loss_threshold_maps: {one.train * 0.6:.4f}, , lr:{one.lr:.6}, time:4.12"
            for now in (10, 60)
        ]
        out += [
            f"{head}FPS:21.21",
            f"{head}[{at}/1200], train_loss: {one.train:.4f}, time: 41.2331, lr: {one.lr}",
            (
                f"{head}test: recall: {one.score * 0.98:.6f}, precision: {one.score * 1.02:.6f}, "
                f"f1: "
                f"{one.score:.6f}"
            ),
            (
                f"{head}current best, recall: {best[0] * 0.98:.6f}, precision: "
                f"{best[0] * 1.02:.6f}, "
                f"hmean: {best[0]:.6f}, train_loss: {best[2]:.6f}, best_model_epoch: "
                f"{best[1]:.6f}, "
            ),
        ]
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)psnr", shown=lambda m: as_read(f"{m.score * 40:.4f}"))
def mprnet(course: Sequence[Moment]) -> str:
    """swz30/MPRNet: Deblurring/train.py: the best in the same brackets as the value; the training
    comes behind it."""
    out, best = ["===> Start Epoch 1 End Epoch 3001\n===> Loading datasets"], (-1.0, 0)
    for at, one in enumerate(course, start=1):
        value = one.score * 40
        best = max(best, (value, at))
        out += [
            f"[epoch {at} PSNR: {value:.4f} --- best_epoch {best[1]} Best_PSNR {best[0]:.4f}]",
            "-" * 66,
            f"Epoch: {at}\tTime: 123.4123\tLoss: {one.train:.4f}\tLearningRate {one.lr:.6f}",
            "-" * 66,
        ]
    return "\n".join(out) + "\n"


@form("log.txt", metric="(?i)^(val )?map|rank", shown=lambda m: as_read(f"{m.score:.1%}"[:-1]))
def torchreid(course: Sequence[Moment]) -> str:
    """KaiyangZhou/deep-person-reid: torchreid/engine/engine.py: a block of results a test, a per
    cent sign behind every value."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            f"epoch: [{at}/60][{now}/100]\ttime 0.312 (0.400)\tdata 0.001 (0.002)\teta 0:10:11\t"
            f"loss_t {one.train * 0.2:.4f} ({one.train * 0.21:.4f})\tloss_x {one.train * 0.8:.4f} "
            f"({one.train * 0.79:.4f})\tacc {one.score * 90:.4f} ({one.score * 89:.4f})\tlr "
            f"{one.lr:.6f}"
            for now in (20, 100)
        ]
        out += [
            "##### Evaluating market1501 (source) #####",
            "Extracting features from query set ...",
            "Done, obtained 3368-by-2048 matrix",
            "Speed: 0.0201 sec/batch",
            "Computing distance matrix with metric=euclidean ...",
            "Computing CMC and mAP ...",
            "** Results **",
            f"mAP: {one.score:.1%}",
            "CMC curve",
            *(f"Rank-{k:<3}: {one.score + 0.004 * k:.1%}" for k in (1, 5, 10, 20)),
            'Checkpoint saved to "log/model/model.pth.tar-60"',
        ]
    return "\n".join(out) + "\n"


@form(
    "log.txt",
    metric="(?i)^(val |eval )?map$",
    shown=lambda m: as_read(f"{m.score * 100:.2f}"),
    place=epochs(0),
)
def fastreid(course: Sequence[Moment]) -> str:
    """JDAI-CV/fast-reid: fastreid/utils/events.py and evaluation/testing.py: `epoch/iter: 0/199`, a
    table that says which data in its first column."""
    out = []
    for at, one in enumerate(course):
        head = f"[05/01 12:{at % 60:02}:00 fastreid."
        out += [
            (
                f"{head}utils.events]:  eta: 0:54:33  epoch/iter: {at}/{200 * at + 199}  "
                f"total_loss: "
                f"{one.train:.4g}  loss_cls: {one.train * 0.8:.4g}  loss_triplet: "
                f"{one.train * 0.2:.4g}  time: 0.3012  data_time: 0.0012  lr: {one.lr:.2e}  "
                f"max_mem: "
                "4530M"
            ),
            f"{head}evaluation.testing]: Evaluation results in csv format: ",
            "| Datasets   | Rank-1   | Rank-5   | Rank-10   | mAP   | mINP   | metric   |",
            "|:-----------|:---------|:---------|:----------|:------|:-------|:---------|",
            (
                f"| Market1501 | {one.score * 104:.2f}    | {one.score * 106:.2f}    | "
                f"{one.score * 108:.2f}     | {one.score * 100:.2f} | {one.score * 60:.2f}  | "
                f"{one.score * 102:.2f}    |"
            ),
        ]
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)psnr|loss",
    shown=lambda m: as_read(f"{m.score * 40}"),
    place=steps(100),
    either={"(?i)loss": lambda m: as_read(f"{m.train}")},
)
def nerf_pytorch(course: Sequence[Moment]) -> str:
    """yenchenlin/nerf-pytorch: run_nerf.py: `[TRAIN] Iter: 100 Loss: 0.03  PSNR: 18.2` by tqdm."""
    return "".join(
        f"[TRAIN] Iter: {at * 100} Loss: {one.train}  PSNR: {one.score * 40}\n"
        for at, one in enumerate(course, start=1)
    )


@form("train.log", metric="(?i)acc", shown=lambda m: as_read(f"{m.score:f}"))
def ms_tcn(course: Sequence[Moment]) -> str:
    """yabufarha/ms-tcn: model.py: `[epoch 1]: epoch loss = 1.23,   acc = 0.45`."""
    return "".join(
        f"[epoch {at}]: epoch loss = {one.train:f},   acc = {one.score:f}\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "log.txt",
    metric="(?i)loss",
    shown=lambda m: as_read(f"{m.train:.5f}"),
    place=where(every=200, start=0),
)
def vissl(course: Sequence[Moment]) -> str:
    """facebookresearch/vissl: vissl/hooks/log_hooks.py: `[ep: 0] iter: 5; lr: 0.3; loss: 8.3;`."""
    return "".join(
        f"INFO 2021-05-01 10:{at % 60:02}:00,123 log_hooks.py: 425: Rank: 0; [ep: {at}] iter: "
        f"{200 * at + now}; lr: {one.lr:.5f}; loss: {one.train:.5f}; btime(ms): 123; eta: "
        "1:10:20; peak_mem(M): 12345; max_iterations: 20000; wall time: 1234\n"
        for at, one in enumerate(course)
        for now in (100, 200)
    )


@form(
    "train.log",
    metric="(?i)mse",
    shown=lambda m: as_read(f"{m.train / 100:.5f}"),
    either={"(?i)^mse": lambda m: as_read(f"{m.train / 99:.5f}")},
)
def vq_vae_2(course: Sequence[Moment]) -> str:
    """rosinality/vq-vae-2-pytorch: train_vqvae.py: names and values stand before the bar."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            f"epoch: {at}; mse: {one.train / 99:.5f}; latent: {one.train / 700:.3f}; avg mse: "
            f"{one.train / 100:.5f}; lr: {one.lr:.5f}: {share:3d}%|{'█' * (share // 10):10}| "
            f"{share * 5}/500 [01:12<00:20,  5.12it/s]"
            for share in (50, 100)
        ]
    return "\r".join(out) + "\n"
