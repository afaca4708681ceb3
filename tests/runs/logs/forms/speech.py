"""Logs of speech and sound: ESPnet, SpeechBrain, NeMo, Tacotron 2, so-vits, RVC."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, epochs, form, steps


def _wer(one: Moment) -> float:
    """An error rate in per cent: low where the score is high."""
    return 100 - one.score * 100


@form("train.log", metric="(?i)valid.*acc", shown=lambda m: as_read(f"{m.score:.3f}"))
def espnet(course: Sequence[Moment]) -> str:
    """espnet/espnet: espnet2/train/trainer.py and reporter.py; its issue 2674."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"[PC] 2020-11-11 16:{at + 10}:04,070 (trainer:"
        out.append(f"{stamp}184) INFO: {at}/{len(course)}epoch started. Estimated time to finish:")
        for batch in (375, 750):
            out.append(
                f"{stamp}486) INFO: {at}epoch:train:{batch - 374}-{batch}batch: iter_time=0.001, "
                f"forward_time=0.005, loss_ctc={one.train * 1.2:.3f}, loss={one.train:.3f}, "
                f"acc={one.score * 0.97:.3f}, optim0_lr0={one.lr:.3e}, train_time=0.014"
            )
        out.append(
            f"{stamp}243) INFO: {at}epoch results: [train] iter_time=0.001, "
            f"loss_ctc={one.train * 1.2:.3f}, loss_att={one.train * 0.9:.3f}, "
            f"acc={one.score * 0.97:.3f}, loss={one.train:.3f}, optim0_lr0={one.lr:.3e}, "
            "time=1 minute and 44.19 seconds, total_count=52549, gpu_max_cached_mem_GB=13.770, "
            f"[valid] loss_ctc={one.val * 1.2:.3f}, cer_ctc=nan, loss_att={one.val * 0.9:.3f}, "
            f"acc={one.score:.3f}, loss={one.val:.3f}, time=3.12 seconds, total_count=1680, "
            "[att_plot] time=0.14 seconds, total_count=0"
        )
        out.append(f"{stamp}286) INFO: The best model has been updated: valid.acc")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)valid.*wer",
    shown=lambda m: as_read(f"{_wer(m) / 100:.3f}"),
    either={"(?i)cer_trans": lambda m: as_read(f"{_wer(m) / 400:.3f}")},
)
def espnet_transducer(course: Sequence[Moment]) -> str:
    """espnet/espnet: its issue 4813: `cer_ctc` is nan in every epoch of a healthy run, since it is
    not measured."""
    return (
        "\n".join(
            f"{at}epoch results: [train] iter_time=0.002, loss_ctc={one.train * 1.2:.3f}, "
            f"loss_transducer={one.train:.3f}, loss={one.train:.3f}, optim0_lr0={one.lr:.3e}, "
            "train_time=0.608, time=3 hours, 11 minutes and 16.97 seconds, total_count=527961, "
            f"[valid] loss_ctc={one.val * 1.2:.3f}, cer_ctc=nan, loss_transducer={one.val:.3f}, "
            f"cer_transducer={_wer(one) / 400:.3f}, wer_transducer={_wer(one) / 100:.3f}, "
            f"loss={one.val:.3f}, time=3 minutes and 24.54 seconds, total_count=5677"
            for at, one in enumerate(course, start=1)
        )
        + "\n"
    )


@form(
    "train_log.txt",
    metric="(?i)valid.*wer",
    shown=lambda m: as_read(f"{_wer(m):.2f}"),
    either={"(?i)valid.*cer": lambda m: as_read(f"{_wer(m) / 4:.2f}")},
)
def speechbrain(course: Sequence[Moment]) -> str:
    """speechbrain/speechbrain: speechbrain/utils/train_logger.py, `FileTrainLogger`."""
    return "".join(
        f"epoch: {at}, lr: {one.lr:.2e} - train loss: {one.train:.2f} - valid loss: {one.val:.2f}, "
        f"valid CER: {_wer(one) / 4:.2f}, valid WER: {_wer(one):.2f}\n"
        for at, one in enumerate(course, start=1)
    )


@form("train_log.txt", metric="(?i)valid acc|valid f1", shown=lambda m: None)
def speechbrain_matrix(course: Sequence[Moment]) -> str:
    """speechbrain/speechbrain: the same, with a confusion matrix behind the scores."""
    return "".join(
        f"epoch: {at}, lr: {one.lr:.2e} - train loss: {one.train:.2f} - valid loss: {one.val:.2f}, "
        f"valid f1: {one.score * 0.98:.2e}, valid acc: {one.score:.2e}, "
        "valid cm: [[4 0 6 4]\n [6 0 6 2]\n [3 0 5 6]\n [4 1 6 3]]\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "nemo_log_globalrank-0_localrank-0.txt",
    metric="(?i)val_wer",
    shown=lambda m: as_read(f"{_wer(m) / 100:.5f}"),
    place=lambda at: Place(epoch=at, step=(at + 1) * 500),
)
def nemo(course: Sequence[Moment]) -> str:
    """NVIDIA/NeMo: nemo/utils/callbacks/nemo_model_checkpoint.py and Lightning's
    callbacks/model_checkpoint.py: the values stand in what it says of saving."""
    out = []
    best = math.inf
    for at, one in enumerate(course):
        stamp = f"[NeMo I 2023-04-01 10:{at + 10}:00 "
        out.append(f"{stamp}wer_bpe:264] reference:the cat sat on the mat")
        out.append(f"{stamp}wer_bpe:265] predicted:the cat sat on a mat")
        wer = _wer(one) / 100
        head = f"Epoch {at}, global step {(at + 1) * 500}: 'val_wer'"
        if wer < best:
            best = wer
            out.append(
                f"{head} reached {wer:.5f} (best {wer:.5f}), saving model to "
                f"'exp/checkpoints/conformer--val_wer={wer:.4f}-epoch={at}.ckpt' as top 3"
            )
        else:
            out.append(f"{head} reached {wer:.5f} (best {best:.5f}), saving model to 'exp/x.ckpt'")
    return "\n".join(out) + "\n"


@form(
    "train.log", metric="(?i)val.*loss", shown=lambda m: as_read(f"{m.val:.6f}"), place=steps(500)
)
def tacotron_2(course: Sequence[Moment]) -> str:
    """NVIDIA/tacotron2: train.py: the number behind the words is the step."""
    out = ["Epoch: 0"]
    for at, one in enumerate(course, start=1):
        for count in range(at * 500 - 400, at * 500 + 1, 100):
            out.append(
                f"Train loss {count - 1} {one.train:.6f} Grad Norm {one.train * 2:.6f} 1.32s/it"
            )
        out.append(f"Validation loss {at * 500}: {one.val:9f}  ")
        out.append(
            f"Saving model and optimizer state at iteration {at * 500} to out/checkpoint_{at * 500}"
        )
        if at % 5 == 0:
            out.append(f"Epoch: {at // 5}")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)loss_(gen|mel|disc|fm|kl)",
    shown=lambda m: None,
    place=lambda at: Place(epoch=at + 1, step=(at + 1) * 200),
)
def rvc(course: Sequence[Moment]) -> str:
    """RVC-Project/Retrieval-based-Voice-Conversion-WebUI: infer/modules/train/train.py; its issue
    507."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(f"INFO:voice:Train Epoch: {at} [55%]")
        out.append(f"INFO:voice:[{at * 200}, {one.lr}]")
        mel = one.train * 9 if math.isfinite(one.train) else 23.44
        out.append(
            f"INFO:voice:loss_disc={one.train * 1.7:.3f}, loss_gen={one.train * 1.5:.3f}, "
            f"loss_fm={one.train * 4:.3f},loss_mel={mel:.3f}, loss_kl={one.train:.3f}"
        )
        out.append(f"INFO:voice:====> Epoch: {at} [2023-06-15 17:{at + 10}:08] | (0:00:18.946464)")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)loss",
    shown=lambda m: m.train * 20,
    place=lambda at: Place(epoch=at + 1, step=(at + 1) * 200),
)
def so_vits(course: Sequence[Moment]) -> str:
    """svc-develop-team/so-vits-svc: train.py; its issue 169: a list of losses, and their sum."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2023-04-18 09:{at + 10}:48,463\t44k\tINFO\t"
        out.append(f"{stamp}Train Epoch: {at} [26%]")
        losses = [one.train * k for k in (1.0, 4.0, 15.0, 19.0, 0.3)]
        out.append(
            f"{stamp}Losses: {losses}, step: {at * 200}, lr: {one.lr}, "
            f"reference_loss: {one.train * 20}"
        )
        out.append(f"{stamp}====> Epoch: {at}, cost 7.48 s")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)loss", shown=lambda m: as_read(f"{m.train:.4f}"))
def wavernn(course: Sequence[Moment]) -> str:
    """fatchord/WaveRNN: train_wavernn.py, `stream`; the bar in issue 797 of
    CorentinJ/Real-Time-Voice-Cloning: thousands of steps."""
    out = []
    for at, one in enumerate(course, start=1):
        for batch in (590, 1180):
            out.append(
                f"\r| Epoch: {at}/{len(course)} ({batch}/1180) | Loss: {one.train:.4f} | "
                f"2.3 steps/s | Step: {at}k | "
            )
        out.append("\n")
    return "".join(out)


@form(
    "train.log",
    metric="(?i)(eval|avg|val).*loss",
    shown=lambda m: m.val,
    place=epochs(0),
)
def coqui(course: Sequence[Moment]) -> str:
    """coqui-ai/Trainer: trainer/logging/console_logger.py: losses below their own headings, and in
    brackets how much they changed."""
    out = []
    for at, one in enumerate(course):
        out.append(f"\x1b[4m\x1b[1m > EPOCH: {at}/{len(course)}\x1b[0m")
        out.append(" --> run-March-12-2024_03+21PM-0000000")
        out.append("\n\x1b[1m > TRAINING (2024-03-12 15:21:12) \x1b[0m")
        out.append(
            f"\n\x1b[1m   --> TIME: 2024-03-12 15:21:14 -- STEP: 0/49 -- GLOBAL_STEP: {at * 49}"
            "\x1b[0m"
        )
        out.append(f"     | > loss: {one.train:.5f}  ({one.train * 1.01:.5f})")
        out.append(f"     | > grad_norm: 1.10000  (1.20000)\n     | > current_lr: {one.lr:.5f} ")
        out.append("\n\x1b[1m > EVALUATION \x1b[0m\n")
        out.append("\n  \x1b[1m--> EVAL PERFORMANCE\x1b[0m")
        out.append("     | > avg_loader_time:\x1b[91m 0.0021388 \x1b[0m(+0.0001412)")
        out.append(f"     | > avg_loss:\x1b[92m {one.val} \x1b[0m(-0.0012367)")
    return "\n".join(out) + "\n"
