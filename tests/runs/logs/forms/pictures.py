"""Logs of time series and of images that are made, that the reader was not made for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, epochs, form, steps


@form(
    "log.txt",
    metric="(?i)acc|loss|ppl",
    shown=lambda m: as_read(f"{m.score:.3f}"),
    place=steps(400),
    or_place=epochs(0),
    either={"(?i)loss": lambda m: as_read(f"{m.val:.3f}")},
)
def funasr(course: Sequence[Moment]) -> str:
    """modelscope/FunASR: funasr/train_utils/trainer.py: `train, rank: 0, epoch: 0/50, …, total
    step: 400, (loss_avg_slice: 1.2), …` and the same by `val`."""
    out = []
    for at, one in enumerate(course):
        stamp = f"[2024-05-11 10:{at + 10}:10,123][root][INFO] - "
        for split, n, loss, acc in (
            ("train", 400, one.train, one.score * 0.97),
            ("val", 20, one.val, one.score),
        ):
            out.append(
                f"{stamp}{split}, rank: 0, epoch: {at}/{len(course)}, data_slice: 0/1,"
                f" step_in_slice: {n}/{n}, step_in_epoch: {n}, total step: {(at + 1) * 400},"
                f" (loss_avg_rank: {loss:.3f}), (loss_avg_slice: {loss:.3f}), (ppl_avg_slice:"
                f" {math.exp(min(loss, 50)):.3e}), (acc_avg_slice: {acc:.3f}), (lr: {one.lr:.3e}),"
                f" [('loss_att', {loss:.3f}), ('acc', {acc:.3f}), ('batch_size', 32)],"
                " {'data_load': '0.001', 'forward_time': '0.121'}, GPU, memory: usage: 3.123"
                " GB, peak: 12.1 GB"
            )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)acc", shown=lambda m: as_read(f"{m.score * 100:.5g}"))
def wespeaker(course: Sequence[Moment]) -> str:
    """wenet-e2e/wespeaker: wespeaker/utils/executor.py, a table of tableprint: the head once,
    a stamp in front of every row."""
    head = (
        "|" + "|".join(f"{n:>10}" for n in ("epoch", "batch", "lr", "margin", "Loss", "Acc")) + "|"
    )
    out = [f"[ INFO : 2022-05-11 10:10:10,123 ] - {head}"]
    for at, one in enumerate(course, start=1):
        for batch in (100, 200):
            cells = (
                f"{at}",
                f"{batch}",
                f"{one.lr:.5g}",
                "0.2",
                f"{one.train:.5g}",
                f"{one.score * 100:.5g}",
            )
            out.append(
                f"[ INFO : 2022-05-11 10:{at + 10}:10,123 ] - |"
                + "|".join(f"{c:>10}" for c in cells)
                + "|"
            )
    return "\n".join(out) + "\n"


@form("scores.txt", metric="(?i)EER", shown=lambda m: as_read(f"{(1 - m.score) * 20:2.4f}"))
def voxceleb_trainer(course: Sequence[Moment]) -> str:
    """clovaai/voxceleb_trainer: trainSpeakerNet.py: `Epoch 1, TEER/TAcc 12.1, TLOSS 5.3, LR
    0.001`, `Epoch 1, VEER 2.1, MinDCF 0.15`."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(
            f"Epoch {at}, TEER/TAcc {one.score * 97:2.2f}, TLOSS {one.train:f}, LR {one.lr:f}"
        )
        out.append(f"Epoch {at}, VEER {(1 - one.score) * 20:2.4f}, MinDCF {(1 - one.score):2.5f}")
    return "\n".join(out) + "\n"


@form("score.txt", metric="EER", shown=lambda m: as_read(f"{(1 - m.score) * 20:2.3f}"))
def ecapa_tdnn(course: Sequence[Moment]) -> str:
    """TaoRuijie/ECAPA-TDNN: trainECAPAModel.py: `3 epoch, LR 0.001000, LOSS 5.123456, ACC
    12.34%, EER 5.12%, bestEER 5.01%`."""
    out, best = [], 100.0
    for at, one in enumerate(course, start=1):
        eer = (1 - one.score) * 20
        best = min(best, eer)
        out.append(
            f"{at} epoch, LR {one.lr:f}, LOSS {one.train:f}, ACC {one.score * 97:2.2f}%, EER"
            f" {eer:2.3f}%, bestEER {best:2.3f}%"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)vali?.*loss", shown=lambda m: as_read(f"{m.val:.7f}"))
def informer(course: Sequence[Moment]) -> str:
    """zhouhaoyi/Informer2020, thuml/Time-Series-Library: exp/exp_informer.py: `Vali Loss`,
    `(inf --> 0.31)`, `Updating learning rate to 5e-05`."""
    out, best, calm = [], math.inf, 0
    for at, one in enumerate(course, start=1):
        out.append(
            f"\titers: 100, epoch: {at} | loss: {one.train * 1.05:.7f}\n\tspeed: 0.1012s/iter;"
            " left time: 123.1234s"
        )
        out.append(f"Epoch: {at} cost time: 12.{at + 10}123")
        out.append(
            f"Epoch: {at}, Steps: 263 | Train Loss: {one.train:.7f} Vali Loss: {one.val:.7f} Test"
            f" Loss: {one.val * 1.1:.7f}"
        )
        if one.val < best:
            out.append(
                f"Validation loss decreased ({best:.6f} --> {one.val:.6f}).  Saving model ..."
            )
            best, calm = one.val, 0
        else:
            calm += 1
            out.append(f"EarlyStopping counter: {calm} out of 30")
        out.append(f"Updating learning rate to {one.lr}")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)epoch_loss",
    shown=lambda m: m.val,
    place=epochs(0),
    or_place=epochs(1),
    either={"(?i)avg_epoch_loss": lambda m: as_read(f"{m.val:.3g}")},
)
def gluonts(course: Sequence[Moment]) -> str:
    """awslabs/gluonts: src/gluonts/mx/trainer/_base.py: a bar with `epoch=1/20,
    avg_epoch_loss=5.12`, `Epoch[0] Evaluation metric 'epoch_loss'=5.12`."""
    out = []
    for at, one in enumerate(course):
        out.append(f"INFO:gluonts.trainer:Epoch[{at}] Learning rate is {one.lr}")
        out.append(
            f"100%|██████████| 50/50 [00:05<00:00,  9.81it/s, epoch={at + 1}/{len(course)},"
            f" avg_epoch_loss={one.val:.3g}]"
        )
        out.append(f"INFO:gluonts.trainer:Epoch[{at}] Elapsed time 5.123 seconds")
        out.append(f"INFO:gluonts.trainer:Epoch[{at}] Evaluation metric 'epoch_loss'={one.val}")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)loss", shown=lambda m: None, place=epochs(0))
def dcgan_tutorial(course: Sequence[Moment]) -> str:
    """pytorch/tutorials: beginner_source/dcgan_faces_tutorial.py: `[0/5][0/1583]\\tLoss_D: …`;
    which loss counts nobody says."""
    return "".join(
        f"[{at}/{len(course)}][{it}/1583]\tLoss_D: {one.train:.4f}\tLoss_G:"
        f" {one.train * 2:.4f}\tD(x): {one.score:.4f}\tD(G(z)): {1 - one.score:.4f} /"
        f" {0.9 - one.score:.4f}\n"
        for at, one in enumerate(course)
        for it in (0, 1500)
    )


@form("train.log", metric="(?i)loss", shown=lambda m: None, place=epochs(0))
def pytorch_gan(course: Sequence[Moment]) -> str:
    """eriklindernoren/PyTorch-GAN: implementations/gan/gan.py: `[Epoch 0/200] [Batch 0/938] [D
    loss: 0.69] [G loss: 0.69]`."""
    return "".join(
        f"[Epoch {at}/{len(course)}] [Batch {it}/938] [D loss: {one.train:f}] [G loss:"
        f" {one.train * 1.4:f}]\n"
        for at, one in enumerate(course)
        for it in (0, 937)
    )


@form("train.log", metric="(?i)loss", shown=lambda m: None, place=steps(10))
def stargan(course: Sequence[Moment]) -> str:
    """yunjey/stargan: solver.py: `Elapsed [0:00:10], Iteration [10/200000], D/loss_real: -0.1,
    …`: losses below zero."""
    return "".join(
        f"Elapsed [0:10:{at + 10}], Iteration [{at * 10}/200000], D/loss_real:"
        f" {-one.train * 10:.4f}, D/loss_fake: {one.train * 4:.4f}, D/loss_cls: {one.train:.4f},"
        f" D/loss_gp: {one.train * 0.1:.4f}, G/loss_fake: {-one.train * 3:.4f}, G/loss_rec:"
        f" {one.train * 0.4:.4f}, G/loss_cls: {one.train:.4f}\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "train.log",
    metric="(?i)loss",
    shown=lambda m: as_read(f"{m.train:.4f}"),
    place=steps(20),
    or_place=lambda at: Place(epoch=1 + at // 50),
)
def pixart(course: Sequence[Moment]) -> str:
    """PixArt-alpha/PixArt-alpha: train_scripts/train.py: `Step/Epoch
    [20/1][20/1000]:total_eta: 1 day, …, loss:0.2345, grad_norm:0.12`."""
    return "".join(
        f"2023-05-11 10:{at + 10}:10,123 - PixArt - INFO - Step/Epoch"
        f" [{at * 20}/1][{at * 20}/1000]:total_eta: 1 day, 1:10:11, epoch_eta:0:10:11,"
        f" time_all:1.123, time_data:0.012, lr:{one.lr:.3e}, s:(32, 32), loss:{one.train:.4f},"
        f" grad_norm:0.1{at}\n"
        for at, one in enumerate(course, start=1)
    )


@form("log.txt", metric="(?i)loss", shown=lambda m: as_read(f"{m.train:.4f}"), place=steps(100))
def dit(course: Sequence[Moment]) -> str:
    """facebookresearch/DiT: train.py: `(step=0000100) Train Loss: 0.2345, Train Steps/Sec:
    1.23` behind a coloured stamp."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"[\x1b[34m2023-05-11 10:{at + 10}:10\x1b[0m] "
        if at % 5 == 1:
            out.append(f"{stamp}Beginning epoch {at // 5}...")
        out.append(
            f"{stamp}(step={at * 100:07d}) Train Loss: {one.train:.4f}, Train Steps/Sec:"
            f" 1.{at + 10}"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)psnr", shown=lambda m: as_read(f"{m.score * 30:.6f}"))
def torch_ngp(course: Sequence[Moment]) -> str:
    """ashawkey/torch-ngp: nerf/utils.py: `==> Start Training Epoch 1, lr=0.01 ...`, a bar,
    `PSNR = 23.1`, `++> Evaluate epoch 1 Finished.`."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(f"==> Start Training Epoch {at}, lr={one.lr:.6f} ...")
        out.append(
            f"loss={one.train * 1.1:.4f} ({one.train:.4f}), lr={one.lr:.6f}: : 100% 100/100"
            " [00:03<00:00, 31.2it/s]"
        )
        out.append(f"==> Finished Epoch {at}.\n++> Evaluate at epoch {at} ...")
        out.append(
            f"loss={one.val * 1.1:.4f} ({one.val:.4f}): : 100% 50/50 [00:05<00:00,  9.1it/s]"
        )
        out.append(f"PSNR = {one.score * 30:.6f}\n++> Evaluate epoch {at} Finished.")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)psnr", shown=lambda m: m.score * 30, place=steps(1000))
def gaussian_splatting(course: Sequence[Moment]) -> str:
    """graphdeco-inria/gaussian-splatting: train.py: `[ITER 7000] Evaluating test: L1 0.03 PSNR
    25.3`, and a bar of the training."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(
            "".join(
                f"\rTraining progress:  {at}%|▌  | {at * 1000 - k}/30000 [00:10<10:11, 51.2it/s,"
                f" Loss={one.train:.7f}]"
                for k in (20, 10)
            )
        )
        out.append(
            f"\n[ITER {at * 1000}] Evaluating test: L1 {one.val * 0.1} PSNR {one.score * 30}"
        )
        out.append(
            f"\n[ITER {at * 1000}] Evaluating train: L1 {one.train * 0.1} PSNR {one.score * 31}"
        )
    return "\n".join(out) + "\n"
