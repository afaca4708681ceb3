"""Logs of programs that train other people's models: Ludwig, RLlib, the detectors of TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, as_read, epochs, form, steps


@form("train.log", metric="(?i)validation.*accuracy", shown=lambda m: as_read(f"{m.score:.4f}"))
def ludwig(course: Sequence[Moment]) -> str:
    """ludwig-ai/ludwig: ludwig/utils/metrics_printed_table.py: a column for each part of the
    data, a row for each metric."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            f"Epoch {at}",
            "╒════════════╤═════════╤══════════════╤════════╕",
            "│            │   train │   validation │   test │",
            "╞════════════╪═════════╪══════════════╪════════╡",
            f"│ accuracy   │  {one.score:.4f} │       {one.score:.4f} │ {one.score - 0.01:.4f} │",
            "├────────────┼─────────┼──────────────┼────────┤",
            f"│ loss       │  {one.train:.4f} │       {one.val:.4f} │ {one.val * 1.02:.4f} │",
            "╘════════════╧═════════╧══════════════╧════════╛",
        ]
    return "\n".join(out) + "\n"


@form(
    "progress.csv",
    metric="episode_reward_mean",
    shown=lambda m: m.score * 200,
    place=steps(1),
)
def rllib(course: Sequence[Moment]) -> str:
    """ray-project/ray: python/ray/tune/logger/csv.py: an iteration of RLlib a row."""
    head = (
        "episode_reward_max,episode_reward_min,episode_reward_mean,episode_len_mean,"
        "timesteps_total,training_iteration,time_total_s,info/learner/total_loss\n"
    )
    return head + "".join(
        f"{one.score * 220},{one.score * 150},{one.score * 200},{one.score * 90},"
        f"{at * 4000},{at},{at * 12.5},{one.train}\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "train.log",
    metric="(?i)loss/total_loss",
    shown=lambda m: as_read(f"{m.train:.7f}"),
    place=steps(100),
)
def tensorflow_detection(course: Sequence[Moment]) -> str:
    """tensorflow/models: research/object_detection/model_lib_v2.py: the step in one line, and
    what `pprint` makes of the losses in those below."""
    out = []
    for at, one in enumerate(course, start=1):
        out += [
            f"INFO:tensorflow:Step {at * 100} per-step time 0.312s",
            f"INFO:tensorflow:{{'Loss/classification_loss': {one.train * 0.4:.7f},",
            f" 'Loss/localization_loss': {one.train * 0.5:.7f},",
            f" 'Loss/total_loss': {one.train:.7f},",
            " 'learning_rate': 0.0266665}",
        ]
    return "\n".join(out) + "\n"


@form(
    "log.txt",
    metric="(?i)val.*total loss",
    shown=lambda m: as_read(f"{m.val:.4f}"),
    place=steps(1000),
)
def fastspeech_2(course: Sequence[Moment]) -> str:
    """ming024/FastSpeech2: train.py and evaluate.py: many losses in a line, told apart by the
    words in front of them."""

    def losses(total: float) -> str:
        parts = {"Mel": 0.4, "Mel PostNet": 0.3, "Pitch": 0.1, "Energy": 0.1, "Duration": 0.1}
        told = [f"{name} Loss: {total * share:.4f}" for name, share in parts.items()]
        return ", ".join([f"Total Loss: {total:.4f}", *told])

    return "".join(
        f"Step {at * 1000}/900000, {losses(one.train)}\n"
        f"Validation Step {at * 1000}, {losses(one.val)}\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "train.log",
    metric="(?i)val.*loss",
    shown=lambda m: as_read(f"{m.val:.4f}"),
    place=steps(100),
)
def llama2_c(course: Sequence[Moment]) -> str:
    """karpathy/llama2.c: train.py: `100 | loss 2.31` counts the steps that `step 100:` names."""
    out = ["step 0: train loss 10.4012, val loss 10.4213"]
    for at, one in enumerate(course, start=1):
        out += [
            f"{at * 100 - back} | loss {one.train:.4f} | lr {one.lr:e} | 102.33ms | mfu 12.31%"
            for back in (99, 50)
        ]
        out.append(f"step {at * 100}: train loss {one.train:.4f}, val loss {one.val:.4f}")
    return "\n".join(out[1:]) + "\n"


@form("train.log", metric="(?i)test.*accuracy", shown=lambda m: as_read(f"{m.score:f}"))
def pointnet_2(course: Sequence[Moment]) -> str:
    """yanx27/Pointnet_Pointnet2_pytorch: train_classification.py: of the instances and of the
    classes in one line."""
    stamp = "2021-03-27 21:18:40,123 - Model - INFO - "
    return "".join(
        f"{stamp}Epoch {at} ({at}/200):\n"
        f"{stamp}Train Instance Accuracy: {one.score * 1.01:f}\n"
        f"{stamp}Test Instance Accuracy: {one.score:f}, Class Accuracy: {one.score * 0.9:f}\n"
        f"{stamp}Best Instance Accuracy: {one.score:f}, Class Accuracy: {one.score * 0.9:f}\n"
        for at, one in enumerate(course, start=1)
    )


@form(
    "out.log",
    metric="(?i)top1",
    shown=lambda m: as_read(f"{m.score:.4f}"),
    place=epochs(1),
)
def open_clip(course: Sequence[Moment]) -> str:
    """mlfoundations/open_clip: src/training/train.py: training counts from 0, an evaluation says
    how many epochs are done."""
    out = []
    for at, one in enumerate(course, start=1):
        stamp = f"2023-05-01,{at // 60:02d}:{at % 60:02d}:10 | INFO | "
        out += [
            f"{stamp}Train Epoch: {at - 1} [{done:>6}/10240 ({share}%)] Data (t): 0.110 "
            f"Batch (t): 0.452, 1132.1/s LR: {one.lr:f} Logit Scale: 14.286 "
            f"Contrastive_loss: {one.train:.5g} ({one.train:.5g}) "
            f"Loss: {one.train:.5g} ({one.train:.5g})"
            for done, share in ((512, 5), (10240, 100))
        ]
        out.append(
            f"{stamp}Eval Epoch: {at} imagenet-zeroshot-val-top1: {one.score:.4f}\t"
            f"imagenet-zeroshot-val-top5: {min(1.0, one.score * 1.1):.4f}"
        )
    return "\n".join(out) + "\n"
