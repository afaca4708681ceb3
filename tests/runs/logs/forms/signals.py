"""Logs of speech and sound that the reader was not made for."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, epochs, form, steps


@form("train.log", metric="(?i)cv.*loss", shown=lambda m: m.val, place=epochs(0))
def wenet(course: Sequence[Moment]) -> str:
    """wenet-e2e/wenet: wenet/utils/executor.py and wenet/bin/train.py: `DEBUG TRAIN Batch
    0/100 loss …`, `Epoch 0 CV info cv_loss …`."""
    out = []
    for at, one in enumerate(course):
        stamp = f"2021-05-11 10:{at + 10}:10,123 "
        out.append(f"{stamp}INFO Epoch {at} TRAIN info lr {one.lr}")
        for batch in (0, 100):
            out.append(
                f"{stamp}DEBUG TRAIN Batch {at}/{batch} loss {one.train:.6f} loss_att"
                f" {one.train * 0.8:.6f} loss_ctc {one.train * 1.4:.6f} lr {one.lr:.8f} rank 0"
            )
        out.append(
            f"{stamp}DEBUG CV Batch {at}/0 loss {one.val * 1.1:.6f} loss_att {one.val * 0.8:.6f}"
            f" loss_ctc {one.val * 1.4:.6f} history loss {one.val * 1.05:.6f} rank 0"
        )
        out.append(f"{stamp}INFO Epoch {at} CV info cv_loss {one.val}")
        out.append(f"{stamp}INFO Checkpoint: save to checkpoint exp/conformer/{at}.pt")
    return "\n".join(out) + "\n"


@form(
    "log-train-2023-05-11-10-10-10-0",
    metric="(?i)valid.*loss",
    shown=lambda m: as_read(f"{m.val:.4}"),
    either={"(?i)valid.*simple_loss": lambda m: as_read(f"{m.val * 1.2:.4}")},
)
def icefall(course: Sequence[Moment]) -> str:
    """k2-fsa/icefall: egs/librispeech/ASR/pruned_transducer_stateless7/train.py:
    `loss[loss=7.6, …], tot_loss[…]`, `Epoch 1, validation: loss=0.9`."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2023-05-11 10:{at + 10}:10,123 INFO [train.py:"
        for batch in (0, 50):
            out.append(
                f"{stamp}892] (0/4) Epoch {at}, batch {batch}, loss[loss={one.train * 1.05:.4},"
                f" simple_loss={one.train * 1.3:.4}, pruned_loss={one.train * 0.9:.4}, over"
                f" 14221.00 frames. ], tot_loss[loss={one.train:.4},"
                f" simple_loss={one.train * 1.2:.4}, pruned_loss={one.train * 0.8:.4}, over"
                f" 2812345.12 frames. ], batch size: 43, lr: {one.lr:.2e}, grad_scale: 16.0"
            )
        out.append(f"{stamp}918] (0/4) Computing validation loss")
        out.append(
            f"{stamp}927] (0/4) Epoch {at}, validation: loss={one.val:.4},"
            f" simple_loss={one.val * 1.2:.4}, pruned_loss={one.val * 0.8:.4}, over 1020973.00"
            " frames. "
        )
        out.append(f"{stamp}928] (0/4) Maximum memory allocated so far is 18102MB")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)crossval.*loss",
    shown=lambda m: as_read(f"{m.val:.4f}"),
    place=epochs(1),
    or_place=lambda at: Place(step=at + 1),
)
def kaldi_nnet1(course: Sequence[Moment]) -> str:
    """kaldi-asr/kaldi: egs/wsj/s5/steps/nnet/train_scheduler.sh: `ITERATION 01: TRAIN AVG.LOSS
    2.1, (lrate0.008), CROSSVAL AVG.LOSS 2.2, nnet accepted (…)`."""
    out = ["CROSSVAL PRERUN AVG.LOSS 8.4100 (Xent),"]
    for at, one in enumerate(course, start=1):
        out.append(
            f"ITERATION {at:02}: TRAIN AVG.LOSS {one.train:.4f}, (lrate{one.lr:.6g}), CROSSVAL"
            f" AVG.LOSS {one.val:.4f}, nnet accepted"
            f" (nnet_iter{at:02}_learnrate{one.lr:.6g}_tr{one.train:.4f}_cv{one.val:.4f})"
        )
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)validation/main/acc", shown=lambda m: as_read(f"{m.score:.6g}"))
def chainer_table(course: Sequence[Moment]) -> str:
    """chainer/chainer: chainer/training/extensions/print_report.py: a head, and a row an
    epoch, with a bar that is wiped between them."""
    names = [
        "epoch",
        "iteration",
        "main/loss",
        "validation/main/loss",
        "main/acc",
        "validation/main/acc",
        "elapsed_time",
    ]
    widths = [max(10, len(name)) for name in names]
    out = ["  ".join(f"{n:{w}}" for n, w in zip(names, widths, strict=True))]
    for at, one in enumerate(course, start=1):
        out.append(
            "\x1b[J     total [###.....................]  1.20%\nthis epoch"
            " [######..................] 24.00%\n        12 iter, 0 epoch / 20 epochs\n    1.2"
            " iters/sec. Estimated time to finish: 0:10:11.\n\x1b[4A\x1b[J".rstrip("\n")
        )
        cells = [
            f"{at}",
            f"{at * 600}",
            f"{one.train:.6g}",
            f"{one.val:.6g}",
            f"{one.score * 0.97:.6g}",
            f"{one.score:.6g}",
            f"{at * 12.1:.6g}",
        ]
        out[-1] += "  ".join(f"{c:<{w}}" for c, w in zip(cells, widths, strict=True))
    return "\n".join(out) + "\n"


@form("log", metric="(?i)validation/main/acc", shown=lambda m: m.score)
def chainer_log(course: Sequence[Moment]) -> str:
    """chainer/chainer: chainer/training/extensions/log_report.py: a list of objects in a file
    without a suffix, NaN and all."""
    rows = [
        {
            "main/loss": one.train,
            "main/acc": one.score * 0.97,
            "validation/main/loss": one.val,
            "validation/main/acc": one.score,
            "epoch": at,
            "iteration": at * 600,
            "elapsed_time": at * 12.1,
        }
        for at, one in enumerate(course, start=1)
    ]
    return json.dumps(rows, indent=4)


@form("train.log", metric="(?i)val.*loss", shown=lambda m: as_read(f"{m.val:f}"), place=epochs(0))
def mozilla_deepspeech(course: Sequence[Moment]) -> str:
    """mozilla/DeepSpeech: training/deepspeech_training/train.py: `Epoch 0 |   Training |
    Elapsed Time: … | Steps: 100 | Loss: 123.4`, by \\r."""
    out = []
    for at, one in enumerate(course):
        bar = "\r".join(
            f"Epoch {at} |   Training | Elapsed Time: 0:00:{s} | Steps: {s} | Loss:"
            f" {one.train * 1.1:f}  "
            for s in (11, 22)
        )
        out.append(
            bar + f"\rEpoch {at} |   Training | Elapsed Time: 0:01:11 | Steps: 100 | Loss:"
            f" {one.train:f}  "
        )
        out.append(
            f"Epoch {at} | Validation | Elapsed Time: 0:00:02 | Steps: 3 | Loss: {one.val * 1.2:f}"
            f" | Dataset: dev.csv\rEpoch {at} | Validation | Elapsed Time: 0:00:11 | Steps: 20 |"
            f" Loss: {one.val:f} | Dataset: dev.csv"
        )
        out.append(
            f"I Saved new best validating model with loss {one.val:f} to: ckpt/best_dev-{at * 100}"
        )
        out.append("-" * 80)
    return "\n".join(out) + "\n"


@form(
    "001_log",
    metric="(?i)dev-(WER|TER)",
    shown=lambda m: as_read(f"{(1 - m.score) * 100:5.2f}"),
    either={"(?i)dev-TER": lambda m: as_read(f"{(1 - m.score) * 40:5.2f}")},
)
def flashlight(course: Sequence[Moment]) -> str:
    """flashlight/wav2letter: src/runtime/Logger.cpp: `epoch:        1 | nupdates:         1000
    | … | dev-WER: 40.21 | …`, thirty cells a line."""
    return "".join(
        f"epoch: {at:8d} | nupdates: {at * 1000:12d} | lr: {one.lr:4.6f} | lrcriterion: {0.0:4.6f}"
        f" | runtime: 00:10:{at + 10} | bch(ms): 612.12 | smp(ms): 1.12 | fwd(ms): 201.23 |"
        f" crit-fwd(ms): 21.12 | bwd(ms): 321.12 | optim(ms): 21.12 | loss: {one.train:10.5f} |"
        f" train-TER: {(1 - one.score) * 39:5.2f} | train-WER: {(1 - one.score) * 97:5.2f} |"
        f" dev-loss: {one.val:10.5f} | dev-TER: {(1 - one.score) * 40:5.2f} | dev-WER:"
        f" {(1 - one.score) * 100:5.2f} | avg-isz: 1234 | avg-tsz: 042 | max-tsz: 124 | hrs:"
        f" {at * 9.6:7.2f} | thrpt(sec/sec): 612.12\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "train.log",
    metric="(?i)gen loss|mel|error",
    shown=lambda m: as_read(f"{m.train * 40:4.3f}"),
    place=steps(50),
    either={"(?i)mel|error": lambda m: as_read(f"{m.train:4.3f}")},
)
def hifi_gan(course: Sequence[Moment]) -> str:
    """jik876/hifi-gan: train.py: `Steps : 50, Gen Loss Total : 101.231, Mel-Spec. Error :
    2.512, s/b : 0.912`; `Epoch: 1` above."""
    out = []
    for at, one in enumerate(course, start=1):
        if at % 4 == 1:
            out.append(f"Epoch: {at // 4 + 1}")
        out.append(
            f"Steps : {at * 50:d}, Gen Loss Total : {one.train * 40:4.3f}, Mel-Spec. Error :"
            f" {one.train:4.3f}, s/b : 0.912"
        )
        if at % 4 == 0:
            out.append(f"Time taken for epoch {at // 4} is 121 sec\n")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)eval.*loss", shown=lambda m: None, place=steps(1000))
def parallel_wavegan(course: Sequence[Moment]) -> str:
    """kan-bayashi/ParallelWaveGAN: parallel_wavegan/bin/train.py: `(Steps: 1000) eval/mel_loss
    = 0.3124.`, a value a line, a full stop behind it."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2021-05-11 10:{at + 10}:10,123 (train:"
        out.append(
            f"{stamp}455) INFO: (Steps: {at * 1000}) Finished 1 epoch training (1000 steps per"
            " epoch)."
        )
        for name, k in (
            ("spectral_convergence_loss", 0.3),
            ("log_stft_magnitude_loss", 0.7),
            ("generator_loss", 1.0),
        ):
            out.append(
                f"{stamp}474) INFO: (Steps: {at * 1000}) train/{name} = {one.train * k:.4f}."
            )
        out.append(f"{stamp}390) INFO: (Steps: {at * 1000}) Start evaluation.")
        for name, k in (
            ("spectral_convergence_loss", 0.3),
            ("log_stft_magnitude_loss", 0.7),
            ("generator_loss", 1.0),
        ):
            out.append(f"{stamp}412) INFO: (Steps: {at * 1000}) eval/{name} = {one.val * k:.4f}.")
    return "\n".join(out) + "\n"


@form(
    "solver.log",
    metric="(?i)valid.*(nsdr|loss)",
    shown=lambda m: as_read(f"{m.score * 10:.3f}"),
    either={"(?i)valid.*loss": lambda m: as_read(f"{m.val:.4f}")},
)
def demucs(course: Sequence[Moment]) -> str:
    """facebookresearch/demucs: demucs/solver.py: `Train Summary | Epoch 1 | loss=0.2 | …`,
    `Valid Summary | Epoch 1 | … | nsdr=5.6`."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"[05-11 10:{at + 10}:10][demucs.solver][INFO] - "
        out.append(
            f"{stamp}Train | Epoch {at} | 100/800 | 1.1 it/sec | loss {one.train * 1.1:.4f} | grad"
            " 0.2123"
        )
        out.append(
            f"{stamp}\x1b[1mTrain Summary | Epoch {at} | loss={one.train:.4f} |"
            f" reco={one.train:.4f} | grad=0.{at + 10}\x1b[0m"
        )
        out.append(f"{stamp}----------------------------------------------------------------------")
        out.append(
            f"{stamp}\x1b[1mValid Summary | Epoch {at} | loss={one.val:.4f} | reco={one.val:.4f} |"
            f" nsdr={one.score * 10:.3f}\x1b[0m"
        )
    return "\n".join(out) + "\n"
