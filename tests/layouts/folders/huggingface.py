"""What transformers' Trainer leaves: single, sharded, adapter, and in the older .bin form.

Source: folders that transformers 5.23 and peft 0.21 wrote; ``test_twins.py`` compares.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.layouts.folders.training import Stage, adamw, stages
from tests.layouts.folders.truth import Kind, Series, folder_series, rule
from tests.layouts.folders.writing import (
    foreign,
    instance,
    save,
    shards,
    tensors_file,
    write,
    write_json,
)

RNG_UNSEEN = {
    "swapped": "a generator that nothing draws from stays as it was: equal bytes prove nothing"
}
SCALER_UNSEEN = {"swapped": "a scale and its count may be equal in two checkpoints, and often are"}
TRAINER = (
    rule("model.safetensors", Kind.WEIGHTS),
    rule("model-*.safetensors", Kind.WEIGHTS),
    rule("pytorch_model-*.bin", Kind.WEIGHTS),
    rule("adapter_model.safetensors", Kind.WEIGHTS),
    rule("*.index.json", Kind.INDEX),
    rule("optimizer.pt", Kind.OPTIMIZER),
    rule("scheduler.pt", Kind.SCHEDULER),
    rule("scaler.pt", Kind.SCALER, unseen=SCALER_UNSEEN),
    rule("rng_state*.pth", Kind.RNG, unseen=RNG_UNSEEN),
    rule("trainer_state.json", Kind.STATE),
    rule("training_args.bin", Kind.ARGS),
    rule("config.json", Kind.TEXT),
    rule("adapter_config.json", Kind.ARGS),
    rule("generation_config.json", Kind.TEXT),
    rule("tokenizer*", Kind.TEXT),
    rule("README.md", Kind.TEXT),
)


def single(root: Path) -> Series:
    """One ``model.safetensors``."""
    return _trainer(root, _whole)


def sharded(root: Path) -> Series:
    """Three shards with an index, mixed precision, two ranks."""
    return _trainer(root, _three_shards, ranks=2, scaled=True)


def older(root: Path) -> Series:
    """``pytorch_model-0000K-of-00002.bin`` with its index."""
    return _trainer(root, _two_bins)


def adapter(root: Path) -> Series:
    """peft's LoRA: only the adapter is saved."""
    return _trainer(root, _adapter, optimizer=lambda stage: adamw(_low_rank(stage).values(), stage))


def _whole(folder: Path, stage: Stage) -> None:
    tensors_file(folder / "model.safetensors", stage.weights)


def _three_shards(folder: Path, stage: Stage) -> None:
    shards(folder, stage.weights, "model", ".safetensors", 3)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        write_json(folder / name, {"version": "1.0"})


def _two_bins(folder: Path, stage: Stage) -> None:
    shards(folder, stage.weights, "pytorch_model", ".bin", 2)


def _low_rank(stage: Stage) -> dict[str, torch.Tensor]:
    prefix = "base_model.model."
    return {
        f"{prefix}embed.lora_A.weight": stage.weights["embed.weight"][:4].clone(),
        f"{prefix}embed.lora_B.weight": stage.weights["embed.weight"][:, :4].clone(),
        f"{prefix}body.lora_A.weight": stage.weights["body.weight"][:4].clone(),
        f"{prefix}body.lora_B.weight": stage.weights["body.weight"][:, :4].clone(),
    }


def _adapter(folder: Path, stage: Stage) -> None:
    tensors_file(folder / "adapter_model.safetensors", _low_rank(stage))
    write_json(
        folder / "adapter_config.json",
        {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["body", "embed"]},
    )
    write(folder / "README.md", "---\nlibrary_name: peft\n---\n\n# Model Card\n")


def _trainer(
    root: Path, write_model: Any, *, ranks: int = 1, scaled: bool = False, optimizer: Any = None
) -> Series:
    names = []
    for stage in stages():
        names.append(f"checkpoint-{stage.step}")
        folder = root / names[-1]
        write_model(folder, stage)
        if not (folder / "adapter_config.json").is_file():
            write_json(folder / "config.json", {"architectures": ["Net"], "model_type": "net"})
        trainer_files(folder, stage, ranks=ranks)
        if optimizer is not None:
            save(optimizer(stage), folder / "optimizer.pt")
        if scaled:
            save(grad_scaler(stage), folder / "scaler.pt")
    return folder_series(root, names, TRAINER)


def trainer_files(folder: Path, stage: Stage, *, ranks: int = 1) -> None:
    """What lies beside the model in ``checkpoint-N``."""
    save(stage.optimizer, folder / "optimizer.pt")
    save(stage.scheduler, folder / "scheduler.pt")
    for rank in range(ranks):
        name = "rng_state.pth" if ranks == 1 else f"rng_state_{rank}.pth"
        save(stage.random_states, folder / name)
    write_json(folder / "trainer_state.json", trainer_state(stage))
    with foreign("transformers.training_args", "TrainingArguments") as arguments:
        save(
            instance(arguments, output_dir="out", learning_rate=5e-3, seed=42),
            folder / "training_args.bin",
        )


def trainer_state(stage: Stage) -> dict[str, Any]:
    """``trainer_state.json``."""
    log: list[dict[str, Any]] = []
    for epoch, step, loss, score in stage.history:
        log.append(
            {"epoch": float(epoch), "grad_norm": 0.9, "learning_rate": 4e-3, "loss": loss + 0.05}
            | {"step": step}
        )
        log.append({"epoch": float(epoch), "eval_accuracy": score, "eval_loss": loss, "step": step})
    return {
        "best_global_step": None,
        "best_metric": None,
        "best_model_checkpoint": None,
        "epoch": float(stage.epoch),
        "eval_steps": 500,
        "global_step": stage.step,
        "is_hyper_param_search": False,
        "is_local_process_zero": True,
        "is_world_process_zero": True,
        "log_history": log,
        "logging_steps": 500,
        "max_steps": 60,
        "num_input_tokens_seen": 0,
        "num_train_epochs": 3,
        "save_steps": 500,
        "stateful_callbacks": {},
        "total_flos": 1829952.0,
        "train_batch_size": 8,
        "trial_name": None,
        "trial_params": None,
    }


def grad_scaler(stage: Stage) -> dict[str, Any]:
    """``GradScaler.state_dict()``: Python numbers alone."""
    return {
        "scale": 65536.0,
        "growth_factor": 2.0,
        "backoff_factor": 0.5,
        "growth_interval": 2000,
        "_growth_tracker": stage.step,
    }
