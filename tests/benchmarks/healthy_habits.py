"""One training, saved as each framework and many a script saves: names, keys, folders."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable

import torch
from torch import nn

from tests.benchmarks.healthy_nets import TASKS
from tests.benchmarks.healthy_training import Epoch, train
from tests.benchmarks.healthy_writer import Writer

__all__ = ["write_habits"]

INF = float("inf")


def _lightning(writer: Writer, at: Epoch) -> None:
    callback = (
        "ModelCheckpoint{'monitor': 'val_acc', 'mode': 'max', 'every_n_train_steps': 0, "
        "'every_n_epochs': 1, 'train_time_interval': None}"
    )
    scores = {
        "monitor": "val_acc",
        "best_model_score": torch.tensor(at.best) if at.number else None,
        "best_model_path": "epoch=1-step=12.ckpt",
        "current_score": torch.tensor(at.accuracy) if at.number else None,
        "dirpath": "checkpoints",
        "best_k_models": {"epoch=1-step=12.ckpt": torch.tensor(at.best)},
        "kth_best_model_path": "",
        "kth_value": torch.tensor(float("-inf") if not at.number else at.best),
        "last_model_path": "",
    }
    stopping = {
        "wait_count": 0,
        "stopped_epoch": 0,
        "best_score": torch.tensor(INF),
        "patience": 3,
    }
    state = {
        "epoch": at.number,
        "global_step": at.step,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": {f"model.{key}": one for key, one in at.net.state_dict().items()},
        "loops": {"fit_loop": {"epoch_progress": {"current": {"completed": at.number}}}},
        "callbacks": {callback: scores, "EarlyStopping{'monitor': 'val_loss'}": stopping},
        "optimizer_states": [at.optimizer.state_dict()],
        "lr_schedulers": [at.scheduler.state_dict()],
        "MixedPrecision": at.scaler,
        "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 1e-3, "max_norm": INF},
    }
    writer.save(f"habits/lightning/epoch={at.number}-step={at.step}.ckpt", state)
    writer.save("habits/lightning/last.ckpt", state)


def _hugging_face(writer: Writer, at: Epoch) -> None:
    folder = f"habits/trainer/checkpoint-{at.step}"
    if not at.number:
        return
    writer.save(f"{folder}/pytorch_model.bin", dict(at.net.state_dict()))
    writer.save(f"{folder}/optimizer.pt", at.optimizer.state_dict())
    writer.save(f"{folder}/scheduler.pt", at.scheduler.state_dict())
    writer.save(f"{folder}/scaler.pt", at.scaler)
    rng = {"python": random.getstate(), "cpu": torch.random.get_rng_state(), "cuda": []}
    writer.save(f"{folder}/rng_state.pth", rng)
    writer.save_safetensors(f"{folder}/model.safetensors", at.net.state_dict())
    text = f'{{"epoch": {at.number}.0, "global_step": {at.step}, "best_metric": null,'
    history = f'"log_history": [{{"epoch": {at.number}.0, "loss": {at.loss}, "step": {at.step}}}]}}'
    writer.beside(f"{folder}/trainer_state.json", text + history)


def _mmengine(writer: Writer, at: Epoch) -> None:
    state = {
        "meta": {"epoch": at.number, "iter": at.step, "seed": 1, "dataset_meta": {"classes": "a"}},
        "state_dict": at.net.state_dict(),
        "message_hub": {
            "log_scalars": {"train/loss": [at.loss], "val/best": [float("nan")]},
            "runtime_info": {"best_score": at.best},
        },
        "optimizer": at.optimizer.state_dict(),
        "param_schedulers": [at.scheduler.state_dict()],
    }
    writer.save(f"habits/mmengine/iter_{at.step}.pth", state)


def _detectron(writer: Writer, at: Epoch) -> None:
    if at.step:
        state = {
            "model": at.net.state_dict(),
            "optimizer": at.optimizer.state_dict(),
            "scheduler": at.scheduler.state_dict(),
            "iteration": at.step - 1,
        }
        writer.save(f"habits/detectron/model_{at.step - 1:07d}.pth", state)
        writer.save("habits/detectron/model_final.pth", state)


def _torchvision(writer: Writer, at: Epoch) -> None:
    state = {
        "model": at.net.state_dict(),
        "optimizer": at.optimizer.state_dict(),
        "lr_scheduler": at.scheduler.state_dict(),
        "epoch": at.number,
        "args": argparse.Namespace(lr=0.1, clip=INF, device="cuda"),
        "scaler": at.scaler,
        "model_ema": at.average.state_dict(),
    }
    writer.save(f"habits/torchvision/model_{at.number}.pth", state)
    writer.save("habits/torchvision/checkpoint.pth", state)


def _fairseq(writer: Writer, at: Epoch) -> None:
    state = {
        "args": None,
        "cfg": {"model": {"dropout": 0.1}},
        "model": at.net.state_dict(),
        "criterion": None,
        "optimizer_history": [{"num_updates": at.step, "lr_scheduler_state": {"best": at.loss}}],
        "task_state": {},
        "extra_state": {"train_iterator": {"epoch": at.number + 1}, "val_loss": at.loss},
        "last_optimizer_state": at.optimizer.state_dict(),
    }
    writer.save(f"habits/fairseq/checkpoint{at.number}.pt", state)
    writer.save(f"habits/fairseq/checkpoint_{at.number}_{at.step}.pt", state)
    writer.save("habits/fairseq/checkpoint_last.pt", state)


def _nnunet(writer: Writer, at: Epoch) -> None:
    nan = float("nan")
    state = {
        "network_weights": at.net.state_dict(),
        "optimizer_state": at.optimizer.state_dict(),
        "grad_scaler_state": at.scaler or None,
        "logging": {"mean_fg_dice": [at.accuracy], "dice_per_class_or_region": [[nan, 0.5]]},
        "_best_ema": at.best or None,
        "current_epoch": at.number + 1,
        "init_args": {"fold": 0},
        "trainer_name": "nnUNetTrainer",
    }
    if at.number:
        writer.save("habits/nnunet/checkpoint_latest.pth", state)
    if at.is_best:
        writer.save("habits/nnunet/checkpoint_best.pth", state)


def _wrapped(writer: Writer, at: Epoch) -> None:
    weights = at.net.state_dict()
    for prefix in ("module.", "_orig_mod.", "_forward_module.", "module._orig_mod."):
        state = {
            "epoch": at.number,
            "model": {prefix + key: one for key, one in weights.items()},
            "optimizer": at.optimizer.state_dict(),
            "ema": at.average.module.state_dict(),
        }
        writer.save(f"habits/{prefix}/ckpt_ep{at.number:03d}.pth", state)


def _steps(writer: Writer, at: Epoch) -> None:
    """Named after the step, counted under a key of the script's own; and other names."""
    state = {"model": at.net.state_dict(), "optim": at.optimizer.state_dict()}
    for key in ("n_iter", "train_steps", "images_seen", "it"):
        counted = {**state, "epoch": at.number, key: at.step * 50}
        writer.save(f"habits/steps-{key}/checkpoint_{at.step * 50}.pt", counted)
    writer.save(f"habits/nerf/{at.step * 1000:06d}.tar", {**state, "global_step": at.step * 1000})
    named = f"weights.{at.number:02d}-{at.loss:.2f}.pt"
    writer.save(f"habits/keras-names/{named}", {**state, "val_loss": at.loss})
    folder = f"habits/accelerate/epoch_{at.number}"
    writer.save(f"{folder}/pytorch_model.bin", state["model"])
    writer.save(f"{folder}/optimizer.bin", state["optim"])
    writer.save(f"{folder}/random_states_0.pkl", {"torch_manual_seed": torch.get_rng_state()})


def _shards(writer: Writer, at: Epoch) -> None:
    weights = list(at.net.state_dict().items())
    half = len(weights) // 2
    folder = f"habits/sharded/checkpoint-{at.step}"
    for number, part in enumerate((weights[:half], weights[half:]), start=1):
        writer.save(f"{folder}/pytorch_model-{number:05d}-of-00002.bin", dict(part))
        writer.save_safetensors(f"{folder}/model-{number:05d}-of-00002.safetensors", dict(part))
    deepspeed = f"habits/deepspeed/global_step{at.step}"
    flat = nn.utils.parameters_to_vector(at.net.parameters()).detach()
    module = {key: one.half() if one.is_floating_point() else one for key, one in weights}
    model = {"module": module, "global_steps": at.step, "dp_world_size": 2, "loss_scale": 65536}
    writer.save(f"{deepspeed}/mp_rank_00_model_states.pt", model)
    for rank, piece in enumerate(flat.chunk(2)):
        groups = [piece.clone()]
        optim = {
            "loss_scaler": {"cur_scale": 65536.0, "cur_iter": at.step},
            "single_partition_of_fp32_groups": groups,
            "base_optimizer_state": {"state": {0: {"exp_avg": torch.zeros_like(piece)}}},
            "partition_count": [2],
        }
        name = f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
        writer.save(f"{deepspeed}/{name}", {"optimizer_state_dict": optim, "ds_version": "0.15"})


HABITS: tuple[Callable[[Writer, Epoch], None], ...] = (
    *(_lightning, _hugging_face, _mmengine, _detectron, _torchvision, _fairseq, _nnunet, _wrapped),
    *(_steps, _shards),
)


def write_habits(writer: Writer) -> None:
    """The same training, saved as many frameworks and scripts save."""
    task = TASKS["conv"]()
    scaled = None
    with writer.attempt("a scaler on the CPU"):
        scaled = torch.amp.GradScaler("cpu")
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR
    rows = ["epoch,val_loss,val_acc"]
    for at in train(task, torch.optim.AdamW, epochs=6, schedule=schedule, scaled=scaled):
        for habit in HABITS:
            habit(writer, at)
        rows.append(f"{at.number},{at.loss:.4f},{at.accuracy:.4f}")
    for name in ("torchvision", "nerf", "detectron"):
        writer.beside(f"habits/{name}/metrics.csv", "\n".join(rows) + "\n")
