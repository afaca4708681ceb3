"""Logs of generative models and of agents: GANs, diffusion, Stable-Baselines3."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from tests.runs.logs.forms.form import Moment, Place, as_read, epochs, form, steps, where


@form("loss_log.txt", metric="(?i)G_GAN|cycle|G_L1|idt|D_", shown=lambda m: None)
def cyclegan(course: Sequence[Moment]) -> str:
    """junyanz/pytorch-CycleGAN-and-pix2pix: util/visualizer.py, `print_current_losses`. Which of
    the losses counts nobody says."""
    out = ["================ Training Loss (Thu Jan  2 03:04:05 2025) ================"]
    for at, one in enumerate(course, start=1):
        for count in (100, 200):
            out.append(
                f"(epoch: {at}, iters: {count}, time: 0.342, data: 0.214) "
                f"D_A: {one.train * 0.3:.3f} G_GAN: {one.train * 0.8:.3f} "
                f"cycle_A: {one.train:.3f} idt_A: {one.train * 0.4:.3f} "
            )
        out.append(f"End of epoch {at} / {len(course)} \t Time Taken: 67 sec")
        out.append(f"learning rate {one.lr:.7f} -> {one.lr:.7f}")
    return "\n".join(out) + "\n"


@form(
    "metric-fid50k_full.jsonl",
    metric="(?i)fid",
    shown=lambda m: 100 - m.score * 100,
    place=lambda at: Place(epoch=at * 200, step=at * 200),
)
def stylegan_metrics(course: Sequence[Moment]) -> str:
    """NVlabs/stylegan2-ada-pytorch: metrics/metric_main.py, `report_metric`: the number is in the
    name of the snapshot, in thousands of images."""
    rows = [
        {
            "results": {"fid50k_full": 100 - one.score * 100},
            "metric": "fid50k_full",
            "total_time": 312.4,
            "num_gpus": 1,
            "snapshot_pkl": f"network-snapshot-{at * 200:06d}.pkl",
            "timestamp": 1_700_000_000 + at * 900,
        }
        for at, one in enumerate(course)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


@form(
    "train.log",
    metric="(?i)loss",
    shown=lambda m: as_read(f"{m.train:.4f}"),
    place=lambda at: Place(epoch=at * 4, step=at * 4),
)
def stylegan_ticks(course: Sequence[Moment]) -> str:
    """NVlabs/stylegan2-ada-pytorch: training/training_loop.py; a fork that prints its losses. The
    clock is `kimg`."""
    return "".join(
        f"tick {at:<5d} kimg {at * 4:<8.1f} time {at}m 05s       sec/tick 124.1   sec/kimg 31.02   "
        f"maintenance 0.1    cpumem 3.91   gpumem 12.14  augment 0.012  loss {one.train:.4f}\n"
        for at, one in enumerate(course)
    )


@form(
    "stats.jsonl",
    metric="(?i)loss",
    shown=lambda m: m.train,
    place=lambda at: Place(epoch=at * 4, step=at * 4),
)
def stylegan_stats(course: Sequence[Moment]) -> str:
    """NVlabs/stylegan2-ada-pytorch: torch_utils/training_stats.py: an object a value."""
    out = []
    for at, one in enumerate(course):
        row = {
            "Loss/G/loss": {"num": 4000, "mean": one.train, "std": 0.3},
            "Progress/tick": {"num": 1, "mean": float(at), "std": 0.0},
            "Progress/kimg": {"num": 1, "mean": at * 4.0, "std": 0.0},
            "timestamp": 1_700_000_000.5 + at * 90,
        }
        out.append(json.dumps(row))
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)loss",
    shown=lambda m: as_read(f"{m.train:.3g}"),
    place=where(every=40, start=1),
)
def kohya(course: Sequence[Moment]) -> str:
    """kohya-ss/sd-scripts: train_network.py: one bar over all epochs, `avr_loss` behind it."""
    out = ["running training / 学習開始\n  num train images * repeats / 学習画像の数: 400\n"]
    for at, one in enumerate(course, start=1):
        out.append(f"\nepoch {at}/{len(course)}\n")
        for count in (at * 40 - 20, at * 40):
            share = 100 * at // len(course)
            out.append(
                f"\rsteps: {share:3d}%|███▋      | {count}/{len(course) * 40} "
                f"[12:34<21:10,  1.98it/s, avr_loss={one.train:.3g}]"
            )
        out.append("\nsaving checkpoint: out/lora.safetensors\n")
    return "".join(out)


@form(
    "train.log",
    metric="(?i)loss",
    shown=lambda m: as_read(f"{m.train:.3g}"),
    place=steps(50),
)
def diffusers(course: Sequence[Moment]) -> str:
    """huggingface/diffusers: examples/text_to_image/train_text_to_image.py: `step_loss` in one bar
    over all steps."""
    out = []
    for at, one in enumerate(course, start=1):
        share = 100 * at // len(course)
        out.append(
            f"\rSteps: {share:3d}%|█         | {at * 50}/{len(course) * 50} "
            f"[01:00<09:00,  1.71it/s, lr={one.lr:.3g}, step_loss={one.train:.3g}]"
        )
    return "".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)psnr",
    shown=lambda m: as_read(f"{m.score * 40:.4f}"),
    place=lambda at: Place(epoch=at, step=(at + 1) * 5000),
)
def basicsr(course: Sequence[Moment]) -> str:
    """XPixelGroup/BasicSR: basicsr/utils/logger.py and models/sr_model.py: `iter:` with thousands,
    and the best behind the value."""
    out = []
    best = (-math.inf, 0)
    for at, one in enumerate(course):
        count = (at + 1) * 5000
        stamp = f"2021-05-03 10:{at + 10}:00,101 INFO: "
        for now in (count - 2500, count):
            out.append(
                f"{stamp}[EDSR_..][epoch:{at:3d}, iter:{now:8,d}, lr:({one.lr:.3e},)] "
                f"[eta: 1 day, 2:03:04, time (data): 0.213 (0.002)] l_pix: {one.train:.4e} "
            )
        best = max(best, (one.score * 40, count))
        out.append(
            f"{stamp}Validation Set5\n\t # psnr: {one.score * 40:.4f}\tBest: {best[0]:.4f} @ "
            f"{best[1]} iter\n"
        )
    return "\n".join(out) + "\n"


@form(
    "train.log",
    metric="(?i)ep_rew_mean|mean_reward",
    shown=lambda m: as_read(f"{m.score * 400:.3g}"),
    place=steps(2048),
)
def stable_baselines_3(course: Sequence[Moment]) -> str:
    """DLR-RM/stable-baselines3: stable_baselines3/common/logger.py, `HumanOutputFormat`."""
    out = []
    for at, one in enumerate(course, start=1):
        rows = [
            ("rollout/", ""),
            ("   ep_len_mean", f"{one.score * 500:.3g}"),
            ("   ep_rew_mean", f"{one.score * 400:.3g}"),
            ("time/", ""),
            ("   fps", "1123"),
            ("   iterations", f"{at}"),
            ("   time_elapsed", f"{at * 2}"),
            ("   total_timesteps", f"{at * 2048}"),
            ("train/", ""),
            ("   approx_kl", "0.0082"),
            ("   learning_rate", f"{one.lr:.3g}"),
            ("   loss", f"{one.train:.3g}"),
            ("   n_updates", f"{at * 10 - 10}"),
        ]
        line = "-" * 40
        out.append(line)
        out += [f"| {name:<23}| {value:<12}|" for name, value in rows]
        out.append(line)
    return "\n".join(out) + "\n"


@form("progress.csv", metric="(?i)ep_rew_mean", shown=lambda m: m.score * 400, place=steps(2048))
def stable_baselines_3_csv(course: Sequence[Moment]) -> str:
    """DLR-RM/stable-baselines3: stable_baselines3/common/logger.py, `CSVOutputFormat`."""
    names = "rollout/ep_len_mean rollout/ep_rew_mean time/iterations time/total_timesteps"
    lines = [",".join([*names.split(), "train/loss", "train/learning_rate"])]
    for at, one in enumerate(course, start=1):
        row = (one.score * 500, one.score * 400, at, at * 2048, one.train, one.lr)
        lines.append(",".join(str(cell) for cell in row))
    return "\n".join(lines) + "\n"


@form(
    "train.log",
    metric="(?i)val.*loss",
    shown=lambda m: as_read(f"{m.val:.6f}"),
    place=epochs(0),
)
def vae_example(course: Sequence[Moment]) -> str:
    """pytorch/examples: vae/main.py, with `====> Validation set loss`."""
    out = []
    for at, one in enumerate(course):
        for done in (0, 30000):
            out.append(
                f"Train Epoch: {at} [{done}/60000 ({done // 600}%)]\tLoss: {one.train * 1.02:.6f}"
            )
        out.append(f"====> Epoch: {at} Average loss: {one.train:.4f}")
        out.append(f"====> Validation set loss: {one.val:.6f}")
    return "\n".join(out) + "\n"
