"""What torch.distributed.checkpoint leaves: by one rank, and by two, whose chunks are halves.

Two ranks are written by hand, because gloo takes seconds to start: the same items, each a
``torch.save`` of its own, end to end. ``test_twins.py`` holds them against two gloo processes.
"""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from tests.layouts.folders.huggingface import RNG_UNSEEN, trainer_files
from tests.layouts.folders.training import Stage, stages
from tests.layouts.folders.truth import (
    LOST_STATE,
    LOST_WEIGHTS,
    ODD,
    SOUND,
    Kind,
    Part,
    Series,
    folder_series,
    rule,
)
from tests.layouts.folders.writing import save, write_json

SAME_PLACES = {"swapped": "both say that the same items lie at the same places: nothing is lost"}
OPTIMIZER = (("optim*", Kind.OPTIMIZER), ("*exp_avg*", Kind.OPTIMIZER))
SLICES = (
    rule("*.distcp", Kind.WEIGHTS, inside=OPTIMIZER),
    rule(".metadata", Kind.INDEX, costs=LOST_WEIGHTS, unseen=SAME_PLACES),
)


def one_rank(root: Path) -> Series:
    """``dcp.save`` in one process: ``step-N``."""
    names = []
    for stage in stages():
        names.append(f"step-{stage.step}")
        state = {"model": stage.weights, "optim": stage.optimizer, "step": stage.step}
        plain_dcp(root / names[-1], state)
    rules = (rule("*.distcp", Kind.WEIGHTS, inside=OPTIMIZER, whole=True), *SLICES)
    return folder_series(root, names, rules)


def two_ranks(root: Path) -> Series:
    """FSDP2: halves of every tensor, the optimizer by the names of parameters."""
    names = []
    for stage in stages():
        names.append(f"step-{stage.step}")
        state = {"model": stage.weights, "optimizer": by_name(stage), "step": stage.step}
        by_two(root / names[-1], state)
    return folder_series(root, names, SLICES)


def torchtitan(root: Path) -> Series:
    """``checkpoint/step-N``: weights at the root of the names, a data loader for each rank."""
    names = []
    for stage in stages():
        names.append(f"checkpoint/step-{stage.step}")
        optimizer = {
            f"optimizer.state.{name}.{key}": value
            for name, state in by_name(stage)["state"].items()
            for key, value in state.items()
        }
        beside = {
            "lr_scheduler.last_epoch": stage.step,
            "lr_scheduler.base_lrs": [5e-3],
            "dataloader.dp_rank_0": pickle.dumps({"position": stage.step}),
            "dataloader.dp_rank_1": pickle.dumps({"position": stage.step}),
            "train_state.step": torch.tensor(stage.step, dtype=torch.int32),
            "train_state.ntokens_seen": torch.tensor(stage.step * 1024, dtype=torch.int64),
        }
        by_two(root / names[-1], {**stage.weights, **optimizer, **beside})
    return folder_series(root, names, SLICES)


def lightning_sharded(root: Path) -> Series:
    """A folder that is named like a file: a sharded state beside ``meta.pt``."""
    names = []
    for stage in stages():
        names.append(f"checkpoints/epoch={stage.epoch - 1}-step={stage.step}.ckpt")
        by_two(root / names[-1], {"state_dict": stage.weights, "optimizer_0": by_name(stage)})
        save(lightning_meta(stage), root / names[-1] / "meta.pt")
    return folder_series(root, names, (*SLICES, rule("meta.pt", Kind.STATE)))


def megatron_dist(root: Path) -> Series:
    """Megatron-Core's ``dist_ckpt``: ``iter_N`` with ``common.pt`` and ``metadata.json``."""
    names = []
    for stage in stages():
        names.append(f"iter_{stage.step:07}")
        folder = root / names[-1]
        fp32 = {f"optimizer.state.fp32_param.{k}": v for k, v in stage.weights.items()}
        moments = {
            f"optimizer.state.{key}.{name}": state[key]
            for name, state in by_name(stage)["state"].items()
            for key in ("exp_avg", "exp_avg_sq")
        }
        by_two(folder, {**stage.weights, **fp32, **moments}, later=True)
        common: dict[str, Any] = {
            "iteration": stage.step,
            "checkpoint_version": 3.0,
            "num_floating_point_ops": 1.0,
        }
        common["optimizer"] = {"param_groups": [{"lr": 5e-3, "step": stage.step}]}
        save(common, folder / "common.pt")
        write_json(folder / "metadata.json", {"sharded_backend": "torch_dist"})
        (root / "latest_checkpointed_iteration.txt").write_text(str(stage.step))
    inside = (("*fp32_param*", Kind.WEIGHTS), *OPTIMIZER)
    rules = (
        rule("*.distcp", Kind.WEIGHTS, inside=inside),
        rule(".metadata", Kind.INDEX, costs=LOST_WEIGHTS, unseen=SAME_PLACES),
        rule("common.pt", Kind.STATE, costs=SOUND | ODD | LOST_STATE),  # groups of the optimizer
        rule("metadata.json", Kind.INDEX),
    )
    return folder_series(root, names, rules, pointer("latest_checkpointed_iteration.txt"))


def trainer_fsdp(root: Path) -> Series:
    """transformers' Trainer on FSDP: DCP folders within ``checkpoint-N``."""
    names = []
    for stage in stages():
        names.append(f"checkpoint-{stage.step}")
        folder = root / names[-1]
        by_two(folder / "pytorch_model_fsdp_0", {"model": stage.weights})
        by_two(folder / "optimizer_0", {"optimizer": by_name(stage)})
        trainer_files(folder, stage, ranks=2)
        (folder / "optimizer.pt").unlink()
    rules = (
        rule("pytorch_model_fsdp_0/__*", Kind.WEIGHTS),
        rule("pytorch_model_fsdp_0/.metadata", Kind.INDEX, costs=LOST_WEIGHTS, unseen=SAME_PLACES),
        rule("optimizer_0/.metadata", Kind.OPTIMIZER, unseen=SAME_PLACES),
        rule("optimizer_0/*", Kind.OPTIMIZER),
        rule("scheduler.pt", Kind.SCHEDULER),
        rule("rng_state*.pth", Kind.RNG, unseen=RNG_UNSEEN),
        rule("trainer_state.json", Kind.STATE),
        rule("training_args.bin", Kind.ARGS),
    )
    return folder_series(root, names, rules)


def pointer(path: str) -> Part:
    """A text that names the newest checkpoint."""
    return Part(
        path=path,
        kind=Kind.POINTER,
        unseen={"deleted": "nobody knows that it was there: whoever copies a folder leaves it"},
    )


BEST_OF_LIGHTNING = "checkpoints/best.ckpt"


def lightning_meta(stage: Stage) -> dict[str, Any]:
    """A Lightning checkpoint without weights and optimizer."""
    callback = (
        "ModelCheckpoint{'monitor': 'val_acc', 'mode': 'max', 'every_n_train_steps': 0, "
        "'every_n_epochs': 1, 'train_time_interval': None}"
    )
    kth_value = torch.tensor(stage.score)
    return {
        "epoch": stage.epoch - 1,
        "global_step": stage.step,
        "pytorch-lightning_version": "2.6.6",
        "loops": {},
        "callbacks": {
            callback: {
                "monitor": "val_acc",
                "best_model_score": torch.tensor(max(score for *_, score in stage.history)),
                "best_model_path": "",
                "current_score": torch.tensor(stage.score),
                "dirpath": "checkpoints",
                "best_k_models": {BEST_OF_LIGHTNING: kth_value},
                "kth_best_model_path": BEST_OF_LIGHTNING,
                "kth_value": kth_value,  # the same tensor: the file lists it once
                "last_model_path": "",
            }
        },
        "lr_schedulers": [stage.scheduler],
    }


def by_name(stage: Stage) -> dict[str, Any]:
    """The optimizer's state as ``get_optimizer_state_dict`` gives it."""
    names = list(stage.weights)
    state = stage.optimizer
    group = {**state["param_groups"][0], "params": names}
    return {
        "state": {name: state["state"][at] for at, name in enumerate(names)},
        "param_groups": [group],
    }


def plain_dcp(folder: Path, state: dict[str, Any]) -> None:
    """``dcp.save`` of one process."""
    from torch.distributed.checkpoint.state_dict_saver import save as dcp_save

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that no other process takes part
        dcp_save(state, checkpoint_id=str(folder))


def by_two(folder: Path, state: Mapping[str, Any], *, later: bool = False) -> None:
    """As two ranks save it: tensors in halves, all else by the second."""
    from torch.distributed.checkpoint.filesystem import _StorageInfo
    from torch.distributed.checkpoint.metadata import (
        BytesStorageMetadata,
        ChunkStorageMetadata,
        Metadata,
        MetadataIndex,
        StorageMeta,
        TensorProperties,
        TensorStorageMetadata,
    )

    folder.mkdir(parents=True, exist_ok=True)
    names = ("__0_0.distcp", "__1_0.distcp")
    slices: tuple[list[bytes], list[bytes]] = ([], [])
    described: dict[str, Any] = {}
    places: dict[Any, Any] = {}

    def put(rank: int, key: Any, value: object) -> None:
        buffer = io.BytesIO()
        torch.save(value, buffer)
        item, at = buffer.getvalue(), sum(map(len, slices[rank]))
        slices[rank].append(item)
        places[key] = _StorageInfo(relative_path=names[rank], offset=at, length=len(item))

    paths = dict(_flat(state))
    for fqn, (_, value) in paths.items():
        if not isinstance(value, torch.Tensor):
            described[fqn] = BytesStorageMetadata()
            put(1, MetadataIndex(fqn), value)
            continue
        chunks = []
        for at, (rank, offset, chunk) in enumerate(_halves(value)):
            offsets = torch.Size([offset, *[0] * (value.dim() - 1)][: value.dim()])
            chunks.append(ChunkStorageMetadata(offsets=offsets, sizes=chunk.size()))
            put(rank, MetadataIndex(fqn, offsets, at), chunk.clone())
        described[fqn] = TensorStorageMetadata(
            properties=TensorProperties(dtype=value.dtype), size=value.size(), chunks=chunks
        )
    for name, items in zip(names, slices, strict=True):
        (folder / name).write_bytes(b"".join(items))
    document = Metadata(
        state_dict_metadata=described,
        planner_data={fqn: path for fqn, (path, _) in paths.items()},
        storage_data=places,
        storage_meta=StorageMeta(checkpoint_id=folder, save_id="4f0c", load_id=None, modules=[]),
        version=None if later else "1.0.0",
    )
    (folder / ".metadata").write_bytes(pickle.dumps(document, protocol=4))


def _halves(value: torch.Tensor) -> Iterator[tuple[int, int, torch.Tensor]]:
    if value.dim() == 0:
        yield 1, 0, value
        return
    middle = -(-value.size(0) // 2)
    yield 0, 0, value[:middle]
    yield 1, middle, value[middle:]


def _flat(
    value: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[str, tuple[tuple[str | int, ...], Any]]]:
    """As DCP flattens: dictionaries, and lists that hold any."""
    if isinstance(value, Mapping) and (value or not path):
        for key, item in value.items():
            yield from _flat(item, (*path, key))
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        for at, item in enumerate(value):
            yield from _flat(item, (*path, at))
    else:
        yield ".".join(map(str, path)), (path, value)
