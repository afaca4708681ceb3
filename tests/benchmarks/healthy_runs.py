"""Folders of checkpoints as trainings leave them: every optimizer, every schedule, every habit."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tests.benchmarks.healthy_habits import write_habits
from tests.benchmarks.healthy_nets import TASKS, conv_net
from tests.benchmarks.healthy_training import Epoch, optimizers, schedules, train
from tests.benchmarks.healthy_writer import Writer

__all__ = ["FAMILIES"]

INF = float("inf")


def _plain(at: Epoch) -> dict[str, Any]:
    """What most scripts write."""
    return {
        "epoch": at.number,
        "model_state_dict": at.net.state_dict(),
        "optimizer_state_dict": at.optimizer.state_dict(),
        "scheduler_state_dict": at.scheduler.state_dict() if at.scheduler else None,
        "ema_state_dict": at.average.state_dict(),
        "scaler_state_dict": at.scaler,
        "val_acc": at.accuracy,
        "val_loss": at.loss,
        "best_acc": at.best,
    }


def _optimizers(writer: Writer) -> None:
    """A run for each optimizer; the first file holds the untrained net and an empty state."""
    for name, (task, make) in writer.share(optimizers(), 6).items():
        with writer.attempt(f"optimizer {name}"):
            for at in train(TASKS[task](), make):
                writer.save(f"optimizers/{name}/epoch_{at.number}.pth", _plain(at))
                if at.is_best:
                    writer.save(f"optimizers/{name}/best.pth", _plain(at))
            writer.save(f"optimizers/{name}/last.pth", _plain(at))


def _schedules(writer: Writer) -> None:
    """A run for each schedule, in turns with SGD and AdamW, saved every other epoch."""
    makers = [
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
        lambda p: torch.optim.AdamW(p, lr=3e-3),
    ]
    for turn, (name, schedule) in enumerate(writer.share(schedules(), 4).items()):
        make = makers[0 if name == "CyclicLR" else turn % 2]
        with writer.attempt(f"schedule {name}"):
            for at in train(TASKS["conv"](), make, schedule=schedule):
                if at.number % 2 == 0:
                    writer.save(f"schedules/{name}/checkpoint_{at.number}.pth.tar", _plain(at))


def _nets(writer: Writer) -> None:
    """A run for each kind of net, with AdamW; weights alone as well."""
    for name, task in writer.share(TASKS, 4).items():
        make = optimizers()["sparse-adam" if name == "sparse-bag" else "adamw"][1]
        for at in train(task(), make):
            writer.save(f"nets/{name}/net_epoch_{at.number}.pt", _plain(at))
            if at.number >= 3:
                weights = {key: one.clone() for key, one in at.net.state_dict().items()}
                writer.save(f"nets/{name}-weights/weights_{at.number}.pth", weights)
                folder = f"nets/{name}-hub/checkpoint-{at.step}"
                writer.save_safetensors(f"{folder}/model.safetensors", weights)


def _scalers(writer: Writer) -> None:
    """Gradient scalers: growing every few steps, at its default, late in a long training."""
    scalers: dict[str, Callable[[], Any]] = {
        "default": lambda: torch.amp.GradScaler("cpu"),
        "growing": lambda: torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3),
        "off": lambda: torch.amp.GradScaler("cpu", enabled=False),
        "cuda-off": lambda: torch.cuda.amp.GradScaler(enabled=False),
    }
    for name, make in scalers.items():
        with writer.attempt(f"scaler {name}"):
            for at in train(TASKS["conv"](), torch.optim.Adam, scaled=make()):
                writer.save(f"scalers/{name}/ckpt_{at.number}.pth", _plain(at))


def _averages(writer: Writer) -> None:
    """Averages: slow ones that have hardly left the start, an SWA, one with half precision."""
    for decay in (0.0, 0.5, 0.99, 0.9999):
        for at in train(TASKS["conv"](), lambda p: torch.optim.Adam(p, lr=3e-2), decay=decay):
            timm = {
                "epoch": at.number,
                "arch": "conv",
                "state_dict": at.net.state_dict(),
                "optimizer": at.optimizer.state_dict(),
                "version": 2,
                "args": argparse.Namespace(lr=3e-2, model_ema=True),
                "state_dict_ema": at.average.module.state_dict(),
                "metric": at.accuracy * 100,
            }
            writer.save(f"averages/timm-{decay}/checkpoint-{at.number}.pth.tar", timm)
            shadow = {
                "decay": decay,
                "optimization_step": at.step,
                "shadow_params": list(at.average.module.parameters()),
            }
            writer.save(f"averages/diffusers-{decay}/ema_{at.number}.pth", shadow)
    swa = torch.optim.swa_utils.AveragedModel(conv_net())
    for at in train(TASKS["conv"](), torch.optim.Adam):
        swa.update_parameters(at.net)
        state = {"epoch": at.number, "model": at.net.state_dict(), "swa_model": swa.state_dict()}
        writer.save(f"averages/swa/epoch{at.number}.pth", state)
        half = {"epoch": at.number, "model": at.net.state_dict()}
        half["ema"] = copy.deepcopy(at.average.module).half().state_dict()
        writer.save(f"averages/half/epoch{at.number}.pth", half)


def _long(writer: Writer) -> None:
    """A long training with a plateau: the best stays where it was, backups every five epochs."""
    schedule = schedules()["ReduceLROnPlateau"]
    make = lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9)  # noqa: E731
    rows = []
    for at in train(TASKS["conv"](), make, epochs=12 if writer.quick else 60, schedule=schedule):
        rows.append(f"Epoch {at.number}: val_loss: {at.loss:.4f} val_acc: {at.accuracy:.4f}")
        if at.number % 5 == 0:
            writer.save(f"long/plateau/backup_epoch_{at.number}.pth", _plain(at))
        if at.is_best:
            writer.save("long/plateau/best_model.pth", _plain(at))
    writer.save("long/plateau/last.pth", _plain(at))
    writer.beside("long/plateau/train.log", "\n".join(rows) + "\n")


def _fine_tuning(writer: Writer) -> None:
    """From a pretrained net: first the head alone, then all of it, then a merge of two of them."""
    task = TASKS["conv"]()
    adamw = lambda p: torch.optim.AdamW(p, lr=3e-3)  # noqa: E731
    writer.save("fine-tuning/pretrained.pth", {"model": task.net.state_dict()})
    number = 0
    for frozen in (True, False):
        for name, parameter in task.net.named_parameters():
            parameter.requires_grad = name.startswith("6.") or not frozen
        for at in train(task, adamw, epochs=3):
            if at.number:
                number += 1
                state = {**_plain(at), "epoch": number}
                del state["best_acc"]
                writer.save(f"fine-tuning/stage_epoch_{number}.pth", state)


def _warming(writer: Writer) -> None:
    """A schedule that starts near zero and ends fast, no score in the files, others beside them."""
    for name in ("LinearLR", "warm-up-from-zero", "OneCycleLR"):
        task = TASKS["conv"]()
        writer.save(f"warming/{name}/init.pth", task.net.state_dict())
        fast = lambda p: torch.optim.Adam(p, lr=3e-2)  # noqa: E731
        for at in train(task, fast, epochs=8, schedule=schedules()[name]):
            state = {"epoch": at.number, "model": at.net.state_dict()}
            writer.save(f"warming/{name}/epoch_{at.number}.pth", state)
            if at.number == 2:
                writer.save(f"warming/{name}/best.pth", at.net.state_dict())
        writer.save(f"warming/{name}/averaged.pth", at.average.module.state_dict())
        writer.save(f"warming/{name}/last.pth", at.net.state_dict())
        named = {"epoch": at.number, "arch": "conv", "model": at.net.state_dict()}
        for other in ("net-224", "resnet50", "weights_640", "conv_b_16-224", "ckpt-2024"):
            writer.save(f"warming/names/{other}.pth", named)


def _pruning(writer: Writer) -> None:
    """Round after round, more of the weights are masked, and the rest is trained on."""
    prune: Any = __import__("torch.nn.utils.prune", fromlist=["remove"])
    task = TASKS["matrices"]()
    layers = [(one, "weight") for one in task.net.modules() if isinstance(one, nn.Linear)]
    for number in range(1, 7):
        prune.global_unstructured(layers, prune.L1Unstructured, amount=0.4)
        *_, at = train(task, lambda p: torch.optim.Adam(p, lr=1e-3), epochs=1, decay=None)
        state = {"epoch": number, "model": at.net.state_dict(), "val_acc": at.accuracy}
        writer.save(f"pruning/round_epoch{number}.pth", state)


def _folds(writer: Writer) -> None:
    """Cross validation: one net a fold, each from a start of its own, all in one folder."""
    for fold in range(2 if writer.quick else 5):
        torch.manual_seed(fold)
        slow = lambda p: torch.optim.AdamW(p, lr=1e-4)  # noqa: E731
        for at in train(TASKS["conv"](), slow, epochs=5):
            if at.number in (4, 5):
                kind = "last" if at.number == 5 else "best"
                writer.save(f"folds/fold{fold}_{kind}.pth", at.net.state_dict())
                state = {"epoch": at.number, "model": at.net.state_dict()}
                writer.save(f"folds-epochs/fold{fold}_{kind}.pth", state)
        rank = {"epoch": 1, "model": at.net.state_dict(), "rank": fold}
        writer.save(f"ranks/model_rank{fold}.pth", rank)


class _Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, noise: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.body(noise)
        return made


def _gan(writer: Writer) -> None:
    """Two nets against each other, the discriminator under spectral norm, and an EMA."""
    generator, judge = _Generator(), nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2))
    judge.append(nn.utils.parametrizations.spectral_norm(nn.Linear(16, 1)))
    average = copy.deepcopy(generator)
    opt_g = torch.optim.Adam(generator.parameters(), 2e-3, betas=(0.0, 0.99))
    opt_d = torch.optim.Adam(judge.parameters(), 2e-3, betas=(0.0, 0.99))
    bce = nn.functional.binary_cross_entropy_with_logits
    for step in range(61):
        real, noise = torch.randn(16, 2) * 0.5 + 1, torch.randn(16, 4)
        scores = torch.cat([judge(real), judge(generator(noise).detach())])
        opt_d.zero_grad()
        bce(scores, torch.cat([torch.ones(16, 1), torch.zeros(16, 1)])).backward()  # type: ignore[no-untyped-call]
        opt_d.step()
        opt_g.zero_grad()
        bce(judge(generator(noise)), torch.ones(16, 1)).backward()  # type: ignore[no-untyped-call]
        opt_g.step()
        for old, new in zip(average.parameters(), generator.parameters(), strict=True):
            old.data.lerp_(new.data, 0.05)
        if step % 20 == 0:
            state = {
                "g": generator.state_dict(),
                "d": judge.state_dict(),
                "g_ema": average.state_dict(),
                "g_optim": opt_g.state_dict(),
                "d_optim": opt_d.state_dict(),
                "args": argparse.Namespace(r1=10),
                "ada_aug_p": 0.0,
            }
            writer.save(f"gan/stylegan/{step:06d}.pt", state)
            writer.save(f"gan/basicsr/net_g_{step}.pth", {"params_ema": average.state_dict()})
            writer.save(f"gan/pix2pix/{step}_net_G.pth", generator.state_dict())
            writer.save(f"gan/pix2pix/{step}_net_D.pth", judge.state_dict())


def _diffusion(writer: Writer) -> None:
    """A denoiser with its schedule as buffers, one of them with a terminal SNR of zero."""
    for terminal in (False, True):
        betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
        kept = (1 - betas).cumprod(0)
        if terminal:
            first, *_, last = kept.sqrt()
            kept = ((kept.sqrt() - last) * first / (first - last)).square()
        net = nn.Sequential(nn.Linear(3, 32), nn.SiLU(), nn.Linear(32, 2))
        for name, buffer in {
            "betas": betas,
            "alphas_cumprod": kept,
            "sqrt_recip_alphas_cumprod": (1 / kept).sqrt(),
            "sqrt_recipm1_alphas_cumprod": (1 / kept - 1).sqrt(),
            "log_one_minus_alphas_cumprod": (1 - kept).log(),
            "logvar": torch.zeros(1000),
        }.items():
            net.register_buffer(name, buffer.float())
        optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
        average = copy.deepcopy(net)
        for step in range(41):
            clean, noise = torch.randn(16, 2) * 0.3 + 1, torch.randn(16, 2)
            at = torch.randint(0, 999, (16,))
            part = kept[at].float()[:, None]
            noisy = part.sqrt() * clean + (1 - part).sqrt() * noise
            loss = (net(torch.cat([noisy, at[:, None] / 1000], 1)) - noise).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            for old, new in zip(average.parameters(), net.parameters(), strict=True):
                old.data.lerp_(new.data, 1e-3)
            if step % 20 == 0:
                state = {
                    "step": step,
                    "model": net.state_dict(),
                    "opt": optimizer.state_dict(),
                    "ema": average.state_dict(),
                }
                kind = "terminal" if terminal else "linear"
                writer.save(f"diffusion/{kind}/model-{step // 20}.pt", state)
        writer.save(f"diffusion/{kind}-alone/unet.pt", net.state_dict())


def _reinforcement(writer: Writer) -> None:
    """An agent: twin critics and their targets, a temperature, running statistics of the input."""
    actor, critic = nn.Linear(6, 2), nn.ModuleList([nn.Linear(8, 1) for _ in range(2)])
    target = copy.deepcopy(critic)
    log_alpha = torch.zeros(1, requires_grad=True)
    optim = [
        torch.optim.Adam(actor.parameters(), 1e-3),
        torch.optim.Adam(critic.parameters(), 1e-3),
        torch.optim.Adam([log_alpha], 1e-3),
    ]
    for step in range(1, 31):
        state = torch.randn(16, 6)
        action = actor(state).tanh()
        value = torch.stack([one(torch.cat([state, action], 1)) for one in critic])
        loss = (value - state.sum(1, keepdim=True)).square().mean() + (log_alpha.exp() - 0.2).abs()
        for one in optim:
            one.zero_grad()
        loss.sum().backward()  # type: ignore[no-untyped-call]
        for one in optim:
            one.step()
        for old, new in zip(target.parameters(), critic.parameters(), strict=True):
            old.data.lerp_(new.data, 0.005)
        if step % 10 == 0:
            agent = {
                "actor": actor.state_dict(),
                "critic": critic.state_dict(),
                "critic_target": target.state_dict(),
                "log_alpha": log_alpha,
                "actor_optimizer": optim[0].state_dict(),
                "critic_optimizer": optim[1].state_dict(),
                "alpha_optimizer": optim[2].state_dict(),
                "obs_rms": {"mean": torch.zeros(6).double(), "var": torch.ones(6), "count": 1e-4},
                "best_reward": float("-inf"),
                "epoch": step // 10,
            }
            writer.save(f"rl/agent_{step}.pt", agent)


FAMILIES: dict[str, Callable[[Writer], None]] = {
    "optimizers": _optimizers,
    "schedules": _schedules,
    "nets": _nets,
    "scalers": _scalers,
    "averages": _averages,
    "habits": write_habits,
    "long": _long,
    "fine-tuning": _fine_tuning,
    "warming": _warming,
    "pruning": _pruning,
    "folds": _folds,
    "gan": _gan,
    "diffusion": _diffusion,
    "rl": _reinforcement,
}
"""Name -> what writes these runs."""
