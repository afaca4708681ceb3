"""Logs of nets for speech, translation and molecules."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, epochs, form, steps, where


@form(
    "train.log",
    metric="(?i)energy_mae",
    shown=lambda m: as_read(f"{m.val / 3:.4f}"),
    place=lambda at: Place(epoch=as_read(f"{0.115 * (at + 1):.4f}"), step=1000 * (at + 1)),
    either={
        "(?i)loss": lambda m: as_read(f"{m.val:.4f}"),
        "(?i)forces_mae": lambda m: as_read(f"{m.val / 50:.4f}"),
    },
)
def fairchem(course: Sequence[Moment]) -> str:
    """FAIR-Chem/fairchem 1: src/fairchem/core/trainers/ocp_trainer.py, `train` and
    base_trainer.py, `validate`: epochs and steps as `epoch: 1.38e+00`, the step rounded to three
    digits; a line says that an evaluation begins, and names no split in what is below."""
    out = []
    for at, one in enumerate(course, start=1):
        head = f"2024-05-01 10:{at % 60:02}:00 (INFO): "
        for now in (at - 0.5, at):
            out.append(
                f"{head}energy_mae: {one.train / 4:.2e}, forcesx_mae: {one.train / 60:.2e}, "
                f"forces_mae: {one.train / 60:.2e}, loss: {one.train:.2e}, lr: {one.lr:.2e}, "
                f"epoch: {0.115 * now:.2e}, step: {1000 * now:.2e}"
            )
        out += [
            f"{head}Evaluating on val.",
            "device 0: 100%|██████████| 31/31 [00:12<00:00,  2.51it/s]",
            (
                f"{head}energy_mae: {one.val / 3:.4f}, forcesx_mae: {one.val / 51:.4f}, "
                f"forces_mae: "
                f"{one.val / 50:.4f}, loss: {one.val:.4f}, epoch: {0.115 * at:.4f}"
            ),
        ]
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)loss",
    shown=lambda m: as_read(f"{m.train - 9:.9f}"),
    place=steps(500),
    or_place=epochs(0),
)
def waveglow(course: Sequence[Moment]) -> str:
    """NVIDIA/waveglow: train.py: `Epoch: 0`, then `10:` and the loss behind a tab, below zero."""
    out = []
    for at, one in enumerate(course):
        out.append(f"Epoch: {at}")
        out += [f"{500 * at + now}:\t{one.train - 9:.9f}" for now in (250, 500)]
    return "\n".join(out) + "\n"


@form(
    "validations.txt",
    metric="(?i)bleu",
    shown=lambda m: as_read(f"{m.score * 40:.5f}"),
    place=steps(400),
)
def joeynmt_validations(course: Sequence[Moment]) -> str:
    """joeynmt/joeynmt: joeynmt/training.py, `_add_report`: tabs, a star behind the best."""
    return "".join(
        f"Steps: {400 * at}\tLoss: {one.val * 9000:.5f}\tPPL: {math.exp(min(one.val, 50)):.5f}\t"
        f"bleu: {one.score * 40:.5f}\tLR: {one.lr:.8f}\t*\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "train.log",
    metric="(?i)bleu",
    shown=lambda m: as_read(f"{m.score * 40:.2f}"),
    place=where(every=400),
)
def joeynmt(course: Sequence[Moment]) -> str:
    """joeynmt/joeynmt: joeynmt/training.py; its issue 80: `Validation result (greedy) at epoch   1,
    step      400: bleu:   0.00`."""
    out = []
    for at, one in enumerate(course, start=1):
        head = f"2020-05-01 10:{at % 60:02}:00,123 - INFO - joeynmt.training - "
        out += [
            f"{head}Epoch {at:3d}, Step: {now:8d}, Batch Loss: {one.train:12.6f}, Tokens per Sec: "
            f"{8123:8.0f}, Lr: {one.lr:.6f}"
            for now in (400 * at - 200, 400 * at)
        ]
        out += [
            f"{head}Hooray! New best validation result [eval_metric]!",
            (
                f"{head}Validation result (greedy) at epoch {at:3d}, step {400 * at:8d}: bleu: "
                f"{one.score * 40:6.2f}, loss: {one.val * 9000:8.4f}, ppl: "
                f"{math.exp(min(one.val, 50)):8.4f}, duration: 40.2812s"
            ),
            f"{head}Epoch {at:3d}: total training loss {one.train * 400:.2f}",
        ]
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)bleu", shown=lambda m: as_read(f"{m.score * 40:.2f}"))
def fairseq_lua(course: Sequence[Moment]) -> str:
    """facebookresearch/fairseq-lua: its issue 26: bars, updates behind their number, the part of
    the data and what is measured in one word."""
    out = []
    for at, one in enumerate(course, start=1):
        head = f"| checkpoint {at:03d} | epoch {at:03d} | {8084 * at:07d} updates | "
        loss, val = one.train * 1.4427, one.val * 1.4427
        out += [
            f"| epoch {at:03d} | {8084 * at - back:07d} updates | words/s   14482| trainloss "
            f"{loss:8.2f} | train ppl {math.exp(min(one.train, 50)):8.2f}"
            for back in (14, 4)
        ]
        out += [
            f"{head}s/checkpnt     632 | words/s   14126 | lr {one.lr:.6f}",
            f"{head}trainloss {loss:8.2f} | train ppl {math.exp(min(one.train, 50)):8.2f}",
            (
                f"{head}validloss {val:8.2f} | valid ppl {math.exp(min(one.val, 50)):8.2f} | "
                f"testloss "
                f"{val * 1.01:8.2f} | test ppl {math.exp(min(one.val * 1.01, 50)):8.2f}"
            ),
            f"{head}validbleu {one.score * 40:8.2f} | valid BP      0.90",
            f"{head}saved model to blstm/model_epoch{at}.th7",
        ]
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)valid.*loss", shown=lambda m: as_read(f"{m.val - 12:.3f}"))
def conv_tasnet(course: Sequence[Moment]) -> str:
    """kaituoxu/Conv-TasNet: src/solver.py: a loss in decibels, below zero; `Train Summary`, `Valid
    Summary` below a rule."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            f"Epoch {at} | Iter {now} | Average Loss {one.train - 12:.3f} | Current Loss "
            f"{one.train - 11.9:.6f} | 123.4 ms/batch"
            for now in (10, 500)
        ]
        for name, loss in (("Train", one.train), ("Valid", one.val)):
            out += [
                "-" * 85,
                f"{name} Summary | End of Epoch {at} | Time 123.45s | {name} Loss {loss - 12:.3f}",
                "-" * 85,
            ]
        out.append("Find better validated model, saving to exp/final.pth.tar")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)wer",
    shown=lambda m: as_read(f"{m.val * 40:.3f}"),
)
def deepspeech_pytorch(course: Sequence[Moment]) -> str:
    """SeanNaren/deepspeech.pytorch 2: train.py: `Validation Summary Epoch: [1]`, tabs between."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            f"Epoch: [{at}][{now}/500]\tTime 0.312 (0.401)\tData 0.010 (0.012)\tLoss "
            f"{one.train * 101:.4f} ({one.train * 100:.4f})\t"
            for now in (1, 500)
        ]
        out += [
            (
                f"Training Summary Epoch: [{at}]\tTime taken (s): 312\tAverage Loss "
                f"{one.train * 100:.3f}\t"
            ),
            (
                f"Validation Summary Epoch: [{at}]\tAverage WER {one.val * 40:.3f}\tAverage CER "
                f"{one.val * 20:.3f}\t"
            ),
            f"Learning rate annealed to: {one.lr:.6f}",
        ]
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)mrr",
    shown=lambda m: as_read(f"{m.score:f}"),
    place=steps(10000),
)
def rotate(course: Sequence[Moment]) -> str:
    """DeepGraphLearning/KnowledgeGraphEmbedding: codes/run.py, `log_metrics`: `Valid MRR at step
    10000: 0.31`, a value a line; more is worse in MR."""
    out = []
    for at, one in enumerate(course, start=1):
        head = f"2020-05-01 10:{at % 60:02}:00 INFO     "
        for now in (10000 * at - 100, 10000 * at):
            out += [
                f"{head}Training average {name} at step {now}: {one.train * share:f}"
                for name, share in (
                    ("positive_sample_loss", 0.9),
                    ("negative_sample_loss", 1.1),
                    ("loss", 1.0),
                )
            ]
        out.append(f"{head}Evaluating on Valid Dataset...")
        out += [f"{head}Evaluating the model... ({now}/2192)" for now in (0, 1000)]
        out += [
            f"{head}Valid {name} at step {10000 * at}: {value:f}"
            for name, value in (
                ("MRR", one.score),
                ("MR", 400 - 200 * one.score),
                ("HITS@1", one.score * 0.8),
                ("HITS@3", one.score * 1.03),
                ("HITS@10", one.score * 1.2),
            )
        ]
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)loss",
    shown=lambda m: as_read(f"{m.train:.5f}"),
    place=steps(100),
    either={"(?i)avg_loss": lambda m: as_read(f"{m.train * 1.1:.5f}")},
)
def tacotron_1(course: Sequence[Moment]) -> str:
    """keithito/tacotron: train.py: `Step 100     [0.512 sec/step, loss=0.31234, avg_loss=0.41]`."""
    return "".join(
        f"Step {100 * at:<7d} [0.512 sec/step, loss={one.train:.05f}, avg_loss="
        f"{one.train * 1.1:.05f}]\n"
        for at, one in enumerate(course, start=1)
    )


@form("log.log", metric="(?i)acc|error", shown=lambda m: as_read(f"{1 - m.score:.5g}"))
def tensorpack(course: Sequence[Moment]) -> str:
    """tensorpack/tensorpack: tensorpack/callbacks/monitor.py, `ScalarPrinter`: `Start Epoch 3 ...`
    above, a value a line behind the file that prints it."""
    out = []
    for at, one in enumerate(course, start=1):
        head = f"[0501 10:{at % 60:02}:00 @"
        out += [
            f"{head}base.py:275] Start Epoch {at} ...",
            f"{head}base.py:285] Epoch {at} (global_step {468 * at}) finished, time:12.3 seconds.",
            f"{head}graph.py:73] Running Op sync_variables/sync_variables_from_main_tower ...",
            f"{head}saver.py:82] Model saved to train_log/mnist/model-{468 * at}.",
        ]
        out += [
            f"{head}monitor.py:474] {name}: {value:.5g}"
            for name, value in (
                ("QueueInput/queue_size", 50.0),
                ("cross_entropy_loss", one.train),
                ("train_error", 0.9 - 0.9 * one.score),
                ("validation_cross_entropy_loss", one.val),
                ("validation_error", 1 - one.score),
            )
        ]
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)^(val(idation)? )?map$", shown=lambda m: m.score, place=epochs(0))
def gluon_cv(course: Sequence[Moment]) -> str:
    """dmlc/gluon-cv: scripts/detection/yolo/train_yolo3.py: `[Epoch 0] Validation: ` above a line a
    class, the mean last."""
    out = []
    for at, one in enumerate(course):
        out += [
            f"[Epoch {at}][Batch {now}], LR: {one.lr:.2E}, Speed: 45.123 samples/sec, ObjLoss="
            f"{one.train * 0.5:.3f}, BoxCenterLoss={one.train:.3f}, BoxScaleLoss="
            f"{one.train * 0.6:.3f}, ClassLoss={one.train * 0.7:.3f}"
            for now in (99, 199)
        ]
        out += [
            (
                f"[Epoch {at}] Training cost: 123.456, ObjLoss={one.train * 0.5:.3f},BoxCenterLoss="
                f"{one.train:.3f},BoxScaleLoss={one.train * 0.6:.3f},"
                f"ClassLoss={one.train * 0.7:.3f}"
            ),
            f"[Epoch {at}] Validation: ",
            f"aeroplane={one.score * 0.9}",
            f"bicycle={one.score * 1.1}",
            f"mAP={one.score}",
        ]
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)cider",
    shown=lambda m: as_read(f"{m.score:.3f}"),
    place=steps(2000),
)
def self_critical(course: Sequence[Moment]) -> str:
    """ruotianluo/self-critical.pytorch: train.py and captioneval of coco-caption: an epoch in
    brackets behind the step, scores below, a value a line."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            f"iter {now} (epoch {at // 6}), train_loss = {one.train:.3f}, time/batch = 0.123"
            for now in (2000 * at - 500, 2000 * at)
        ]
        out += [
            "computing Bleu score...",
            "{'testlen': 47123, 'reflen': 47312, 'guess': [47123, 42123, 37123, 32123]}",
            *(f"Bleu_{n}: {one.score / n:.3f}" for n in (1, 2, 3, 4)),
            "computing METEOR score...",
            f"METEOR: {one.score * 0.4:.3f}",
            "computing Rouge score...",
            f"ROUGE_L: {one.score * 0.7:.3f}",
            "computing CIDEr score...",
            f"CIDEr: {one.score:.3f}",
            f"validation loss:  {one.val}",
        ]
    return "\n".join(out) + "\n"
