"""What accelerate's ``save_state`` leaves, and those who save with it or beside it.

Source: folders that accelerate 1.15 and diffusers 0.42 wrote; torchtune's by its source (0.6).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.layouts.folders.distributed import SAME_PLACES, plain_dcp
from tests.layouts.folders.huggingface import RNG_UNSEEN, SCALER_UNSEEN, grad_scaler
from tests.layouts.folders.training import Stage, stages
from tests.layouts.folders.truth import LOST_WEIGHTS, Kind, Part, Series, folder_series, rule
from tests.layouts.folders.writing import save, shards, tensors_file, write_json

OLDER_WHOLE = {"swapped": "all else is the same in every pipeline: it is the older one, whole"}
STATE = (
    rule("model.safetensors", Kind.WEIGHTS),
    rule("pytorch_model_fsdp_0/__*", Kind.WEIGHTS),
    rule("pytorch_model_fsdp_0/.metadata", Kind.INDEX, costs=LOST_WEIGHTS, unseen=SAME_PLACES),
    rule("optimizer.bin", Kind.OPTIMIZER),
    rule("optimizer_0/__*", Kind.OPTIMIZER),
    rule("optimizer_0/.metadata", Kind.OPTIMIZER, unseen=SAME_PLACES),
    rule("scheduler.bin", Kind.SCHEDULER),
    rule("scaler.pt", Kind.SCALER, unseen=SCALER_UNSEEN),
    rule("random_states_*.pkl", Kind.RNG, unseen=RNG_UNSEEN),
    rule("custom_checkpoint_*.pkl", Kind.STATE),
)


def named(root: Path) -> Series:
    """``save_state("epoch_K")``: the folder's name is the user's."""
    names = []
    for stage in stages():
        names.append(f"epoch_{stage.epoch}")
        folder = root / names[-1]
        tensors_file(folder / "model.safetensors", stage.weights)
        _beside(folder, stage)
    return folder_series(root, names, STATE)


def numbered(root: Path) -> Series:
    """``checkpoints/checkpoint_K``: automatic names, a custom object, a scaler, two ranks."""
    names = []
    for stage in stages():
        names.append(f"checkpoints/checkpoint_{stage.epoch - 1}")
        folder = root / names[-1]
        tensors_file(folder / "model.safetensors", stage.weights)
        _beside(folder, stage, ranks=2)
        save(grad_scaler(stage), folder / "scaler.pt")
        custom = {"epoch": stage.epoch, "global_step": stage.step, "val_accuracy": stage.score}
        save(custom, folder / "custom_checkpoint_0.pkl")
    return folder_series(root, names, STATE)


def fsdp(root: Path) -> Series:
    """FSDP with a sharded state: the model and the optimizer are DCP folders within."""
    names = []
    for stage in stages():
        names.append(f"checkpoint_{stage.epoch - 1}")
        folder = root / names[-1]
        plain_dcp(folder / "pytorch_model_fsdp_0", {"model": stage.weights})
        plain_dcp(folder / "optimizer_0", {"optimizer": stage.optimizer})
        save(stage.scheduler, folder / "scheduler.bin")
        save(_random_states(stage), folder / "random_states_0.pkl")
    return folder_series(root, names, STATE)


def diffusers_training(root: Path) -> Series:
    """diffusers' training scripts: ``checkpoint-N/unet`` and ``unet_ema`` beside accelerate's."""
    names = []
    for stage in stages():
        names.append(f"checkpoint-{stage.step}")
        folder = root / names[-1]
        for name, weights in (("unet", stage.weights), ("unet_ema", stage.ema)):
            write_json(folder / name / "config.json", {"_class_name": "UNet2DConditionModel"})
            tensors_file(folder / name / "diffusion_pytorch_model.safetensors", weights)
        _beside(folder, stage)
    rules = (
        rule("unet/*.safetensors", Kind.WEIGHTS),
        rule("unet_ema/*.safetensors", Kind.EMA),
        rule("*/config.json", Kind.TEXT),
    )
    return folder_series(root, names, (*rules, *STATE))


def diffusers_pipeline(root: Path) -> Series:
    """Three exported pipelines: several models of which one is trained on."""
    names = []
    kept = stages(seed=7)[0].weights
    for stage in stages():
        names.append(f"pipeline-{stage.step}")
        folder = root / names[-1]
        index: dict[str, object] = {"_class_name": "StableDiffusionPipeline"}
        index["_diffusers_version"] = "0.42.1"
        index |= {name: ["diffusers", "Model"] for name in ("unet", "vae", "text_encoder")}
        write_json(folder / "model_index.json", index)
        tensors_file(folder / "unet/diffusion_pytorch_model.safetensors", stage.weights)
        tensors_file(folder / "vae/diffusion_pytorch_model.safetensors", kept)
        tensors_file(folder / "text_encoder/model.safetensors", kept)
        for name in ("unet", "vae", "text_encoder"):
            write_json(folder / name / "config.json", {"_class_name": name})
        write_json(folder / "scheduler/scheduler_config.json", {"_class_name": "DDIMScheduler"})
        write_json(folder / "tokenizer/tokenizer_config.json", {"model_max_length": 77})
    rules = (
        rule("unet/*.safetensors", Kind.WEIGHTS, unseen=OLDER_WHOLE),
        rule("*/*.safetensors", Kind.WEIGHTS),
        rule("model_index.json", Kind.INDEX, costs=frozenset({"healthy", "suspect"})),
        rule("*.json", Kind.TEXT),
    )
    return folder_series(root, names, rules)


def torchtune(root: Path) -> Series:
    """``epoch_K`` with shards as Hugging Face's; the recipe's state is the newest's alone."""
    names = []
    for stage in stages():
        names.append(f"epoch_{stage.epoch - 1}")
        folder = root / names[-1]
        shards(folder, stage.weights, "model", ".safetensors", 2)
        write_json(folder / "config.json", {"model_type": "llama"})
        recipe = {
            "optimizer": stage.optimizer,
            "seed": 1,
            "epochs_run": stage.epoch,
            "total_epochs": 3,
            "max_steps_per_epoch": 20,
        }
        save(recipe, root / "recipe_state/recipe_state.pt")
    rules = (
        rule("model-*.safetensors", Kind.WEIGHTS),
        rule("*.index.json", Kind.INDEX),
        rule("config.json", Kind.TEXT),
    )
    lone = Part(
        path="recipe_state/recipe_state.pt",
        kind=Kind.OPTIMIZER,
        unseen={"deleted": "only the newest ever has one, and a run may save none"},
    )
    return folder_series(root, names, rules, lone)


def _beside(folder: Path, stage: Stage, *, ranks: int = 1) -> None:
    save(stage.optimizer, folder / "optimizer.bin")
    save(stage.scheduler, folder / "scheduler.bin")
    for rank in range(ranks):
        save(_random_states(stage), folder / f"random_states_{rank}.pkl")


def _random_states(stage: Stage) -> dict[str, Any]:
    states = stage.random_states
    return {
        "step": 0,
        "random_state": states["python"],
        "numpy_random_seed": states["numpy"],
        "torch_manual_seed": states["cpu"],
    }
