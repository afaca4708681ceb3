"""Logs of programs that are nobody's first thought, of the same kinds as the others."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, epochs, form, steps


@form("train.log", metric="(?i)iou", shown=lambda m: as_read(f"{m.score:.4}"))
def segmentation_models_pytorch(course: Sequence[Moment]) -> str:
    """qubvel-org/segmentation_models.pytorch: segmentation_models_pytorch/utils/train.py: names and
    values apart by ` - `; the part of the data is the name of the bar."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(f"\nEpoch: {at}")
        out.append(
            f"train: 100%|██████████| 70/70 [02:23<00:00,  2.06s/it, dice_loss - {one.train:.4}, "
            f"iou_score - {one.score * 0.97:.4}]"
        )
        out.append(
            f"valid: 100%|██████████| 21/21 [00:47<00:00,  2.26s/it, dice_loss - {one.val:.4}, "
            f"iou_score - {one.score:.4}]"
        )
        out.append("Model saved!")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)loss",
    shown=lambda m: as_read(f"{m.train:f}"),
    place=steps(100),
)
def darknet(course: Sequence[Moment]) -> str:
    """AlexeyAB/darknet: src/detector.c: `2000: 0.6, 0.5 avg loss`: step, loss, mean."""
    out = []
    for at, one in enumerate(course, start=1):
        out.append(
            "Region 23 Avg (IOU: 0.664938, GIOU: 0.652729), Class: 0.999684, Obj: 0.376908, "
            "No Obj: 0.000314, .5R: 1.000000, .75R: 0.000000, count: 3\n"
        )
        out.append(
            f" {at * 100}: {one.train * 1.08:f}, {one.train:f} avg loss, {one.lr:f} rate, "
            f"1.346011 seconds, {at * 6400} images, 0.010664 hours left"
        )
        out.append("Loaded: 0.000039 seconds")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)mean.*reward",
    shown=lambda m: as_read(f"{m.score * 40:.2f}"),
    place=lambda at: Place(epoch=at, step=at),
)
def rsl_rl(course: Sequence[Moment]) -> str:
    """leggedrobotics/rsl_rl: rsl_rl/runners/on_policy_runner.py; its issue 96: `Learning iteration
    17/50000` above a list of names and values."""
    out = []
    for at, one in enumerate(course):
        out += ["#" * 80, f"{f'Learning iteration {at}/{len(course)}':^80}", ""]
        rows = [
            ("Computation:", "44180 steps/s (collection: 1.731s, learning 0.495s)"),
            ("Mean action noise std:", "1.00"),
            ("Mean value_function loss:", f"{one.train:.4f}"),
            ("Mean surrogate loss:", f"{one.train * -0.004:.4f}"),
            ("Mean reward:", f"{one.score * 40:.2f}"),
            ("Mean episode length:", f"{one.score * 1000:.2f}"),
        ]
        out += [f"{name:>35} {value}" for name, value in rows]
        out += ["-" * 80, f"{'Total timesteps:':>35} {at * 98304}", f"{'ETA:':>35} 05:40:56\n"]
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)bleu|translation",
    shown=lambda m: as_read(f"{m.score * 40:.2f}"),
    place=steps(5000),
    either={
        "(?i)entropy": lambda m: as_read(f"{m.val * 30:.4f}"),
        "(?i)perplexity": lambda m: as_read(f"{math.exp(min(m.val, 50)):.4f}"),
    },
)
def marian(course: Sequence[Moment]) -> str:
    """marian-nmt/marian: src/training/scheduler.h; its issue 376: `Ep. 1 : Up. 80000`, thousands of
    sentences, a measure a line."""
    out = []
    for at, one in enumerate(course):
        count, head = (at + 1) * 5000, f"[2021-07-17 20:{at + 10}:21] "
        for now in (count - 2500, count):
            out.append(
                f"{head}Ep. {1 + at // 9} : Up. {now} : Sen. {now * 69:,} : Cost {one.train:.8f} : "
                "Time 817.42s : 2193.04 words/s"
            )
        valid = f"{head}[valid] Ep. {1 + at // 9} : Up. {count} : "
        out.append(f"{valid}cross-entropy : {one.val * 30:.4f} : new best")
        out.append(f"{valid}perplexity : {math.exp(min(one.val, 50)):.4f} : new best")
        out.append(f"{valid}translation : {one.score * 40:.2f} : stalled 2 times (last best: 41.2)")
    return "\n".join(out) + "\n"


@form("log.txt", metric="(?i)loss", shown=lambda m: as_read(f"{m.train:.3g}"), place=steps(100))
def improved_diffusion(course: Sequence[Moment]) -> str:
    """openai/improved-diffusion: improved_diffusion/logger.py; its issue 71: the step stands in the
    table, rounded to three digits."""
    out = []
    for at, one in enumerate(course, start=1):
        rows = {
            "grad_norm": f"{one.train * 0.3:.3g}",
            "loss": f"{one.train:.3g}",
            "loss_q0": f"{one.train * 2.7:.3g}",
            "loss_q3": f"{one.train * 0.1:.3g}",
            "samples": f"{at * 12800:.3g}",
            "step": f"{at * 100:.3g}",
        }
        out.append("-" * 24)
        out += [f"| {name:<9} | {value:<8} |" for name, value in rows.items()]
        out.append("-" * 24)
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)loss", shown=lambda m: as_read(f"{m.train:.4f}"), place=steps(10))
def tensorflow_slim(course: Sequence[Moment]) -> str:
    """tensorflow/models: its issues 2980 and 2661: every line twice."""
    out = []
    for at, one in enumerate(course, start=1):
        line = f"INFO:tensorflow:global step {at * 10}: loss = {one.train:.4f} (1.61 sec/step)"
        out += [line, line.replace("INFO:tensorflow:", "I1013 12:07:05.569 tf_logging.py:116] ")]
        out.append("INFO:tensorflow:global_step/sec: 0.0339311")
    return "\n".join(out) + "\n"


@form("train.log", metric="(?i)acc", shown=lambda m: as_read(f"{m.score:.6g}"), place=steps(1000))
def tensorflow_estimator(course: Sequence[Moment]) -> str:
    """tensorflow/estimator: tensorflow_estimator/python/estimator/estimator.py,
    `_write_dict_to_summary`; the log in issue 106 of tensorflow/tensor2tensor."""
    out = []
    for at, one in enumerate(course, start=1):
        for count in (at * 1000 - 499, at * 1000 - 399):
            out.append(f"INFO:tensorflow:loss = {one.train:.5g}, step = {count} (18.200 sec)")
        out.append(f"INFO:tensorflow:Saving checkpoints for {at * 1000} into out/model.ckpt.")
        out.append(
            f"INFO:tensorflow:Saving dict for global step {at * 1000}: accuracy = "
            f"{one.score:.6g}, global_step = {at * 1000}, loss = {one.val:.5g}"
        )
    return "\n".join(out) + "\n"


def _padded(value: float) -> str:
    return f"{value:x<6f}"


@form(
    "train.log",
    metric="(?i)acc",
    shown=lambda m: m.score,
    place=lambda at: Place(epoch=at + 1, step=(at + 1) * 400),
)
def paddle_ocr(course: Sequence[Moment]) -> str:
    """PaddlePaddle/PaddleOCR: ppocr/utils/stats.py and tools/program.py; its issue 11054: a NaN is
    `nanxxx`, since the format pads with x."""
    out = []
    best = 0.0
    for at, one in enumerate(course, start=1):
        head = f"[2023/10/06 13:{at + 10}:29] ppocr INFO: "
        for count in (at * 400 - 200, at * 400):
            out.append(
                f"{head}epoch: [{at}/{len(course)}], global_step: {count}, lr: {one.lr:.6f}, "
                f"acc: {one.score * 0.96:.6f}, norm_edit_dis: {one.score:.6f}, "
                f"CTCLoss: {_padded(one.train * 0.6)}, loss: {_padded(one.train)}, "
                "avg_reader_cost: 0.00015 s, avg_batch_cost: 0.51186 s, ips: 250.06955 samples/s"
            )
        out.append("eval model:: 100%|██████████| 205/205 [00:04<00:00, 44.29it/s]")
        best = max(best, one.score)
        out.append(f"{head}cur metric, acc: {one.score}, norm_edit_dis: {one.score}, fps: 812.3")
        out.append(f"{head}best metric, acc: {best}, fps: 812.3, best_epoch: {at}")
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)loss",
    shown=lambda m: as_read(f"{m.train:.4f}"),
    place=steps(10),
)
def batches_and_global_steps(course: Sequence[Moment]) -> str:
    """noahchalifour/rnnt-speech-recognition: its issue 26: an epoch, a batch and a step a line, and
    the whole run within the first epoch."""
    return "".join(
        f"Epoch: 0, Batch: {at * 10 + 10}, Global Step: {at * 10 + 10}, Step Time: 1.6160, "
        f"Loss: {one.train:.4f}\n"
        for at, one in enumerate(course)
    )


@form(
    "train.log",
    metric="(?i)reward|loss",
    shown=lambda m: as_read(f"{m.train:.4f}"),
    place=lambda at: Place(epoch=at + 1, step=at + 1),
    either={"(?i)reward": lambda m: as_read(f"{m.score:.4f}")},
)
def epochs_within_iterations(course: Sequence[Moment]) -> str:
    """TimZaman/dotaclient: its issue 34: PPO has four epochs in every iteration, so that the epoch
    is no clock."""
    out = []
    for at, one in enumerate(course, start=1):
        head = f"2019-02-03 08:{at + 10}:28,062 INFO     "
        out.append(f"{head}iteration {at}/10000")
        out += [f"{head} epoch {part}/4" for part in (1, 2, 3, 4)]
        out.append(
            f"{head}steps_per_s=443.39, avg_weight_age=4.9, reward_per_sec={one.score:.4f}, "
            f"loss={one.train:.4f}, entropy=7.487, advantage=0.121"
        )
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)loss",
    place=lambda at: Place(epoch=round((at + 1) * 0.08421, 5), step=at + 1),
    shown=lambda m: as_read(f"{m.train:.4g}"),
)
def ms_swift(course: Sequence[Moment]) -> str:
    """modelscope/ms-swift: swift/trainers/callback.py: the rows of transformers 5 behind the bar of
    tqdm, with the steps as a fraction."""
    out = []
    for at, one in enumerate(course, start=1):
        share = 100 * at // len(course)
        row = {
            "loss": f"{one.train:.4g}",
            "grad_norm": f"{one.train:.4g}",
            "learning_rate": f"{one.lr:.4g}",
            "epoch": f"{at * 0.08421:.5f}",
            "global_step/max_steps": f"{at}/{len(course)}",
            "elapsed_time": "56s",
            "remaining_time": "54m 36s",
        }
        out.append(
            f"\rTrain: {share:3d}%|▏         | {at}/{len(course)} [00:55<54:36, 55.53s/it]{row}\n"
        )
    return "".join(out)


@form(
    "train.log",
    metric="(?i)valid.*auc|valid_0|auc",
    shown=lambda m: as_read(f"{m.score:.6g}"),
    place=lambda at: Place(epoch=(at + 1) * 10, step=(at + 1) * 10),
)
def lightgbm(course: Sequence[Moment]) -> str:
    """lightgbm-org/LightGBM: python-package/lightgbm/callback.py, `log_evaluation`: the name has
    an apostrophe."""
    return "".join(
        f"[{at * 10}]\ttraining's auc: {min(1.0, one.score * 1.05):g}\t"
        f"valid_0's auc: {one.score:.6g}\n"
        for at, one in enumerate(course, start=1)
    )


@form("train.log", metric="(?i)test|val", shown=lambda m: as_read(f"{m.val:.7f}"), place=epochs(0))
def catboost(course: Sequence[Moment]) -> str:
    """catboost/catboost: catboost/libs/logging: `0:	learn: 0.69	test: 0.68	best: 0.68 (0)`: the
    number in front counts rounds, and the measure has no name."""
    best = math.inf
    out = []
    for at, one in enumerate(course):
        best = min(best, one.val)
        out.append(
            f"{at}:\tlearn: {one.train:.7f}\ttest: {one.val:.7f}\tbest: {best:.7f} ({at})\t"
            f"total: {at * 12 + 50}ms\tremaining: 4.1s"
        )
    return "\n".join(out) + "\n"
