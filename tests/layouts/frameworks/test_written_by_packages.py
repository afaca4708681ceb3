"""Folders as the packages write them: every file is a part, and nothing is missed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import ckptdoctor
from ckptdoctor.finding import Verdict
from ckptdoctor.layouts.files import PartRole
from ckptdoctor.layouts.find import Claims, claims_in
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.report import CheckpointReport

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]

Writer = Callable[[Path], None]


def bert(**options: Any) -> Any:
    """A model of 1,106 parameters."""
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=32,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
        **options,
    )
    torch.manual_seed(0)
    return transformers.BertForSequenceClassification(config)


def train(model: Any, path: Path, **options: Any) -> Any:
    """Six steps of the Trainer, three checkpoints."""
    transformers = pytest.importorskip("transformers")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    data = [
        {"input_ids": torch.randint(0, 32, (6,)), "labels": torch.tensor(i % 2)} for i in range(16)
    ]
    arguments = transformers.TrainingArguments(
        str(path),
        max_steps=6,
        save_steps=2,
        eval_steps=2,
        eval_strategy="steps",
        logging_steps=1,
        per_device_train_batch_size=4,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        **options,
    )
    trainer = transformers.Trainer(
        model,
        arguments,
        train_dataset=data,
        eval_dataset=data,
        compute_metrics=lambda said: {
            "accuracy": float((said.predictions.argmax(-1) == said.label_ids).mean())
        },
    )
    trainer.train()
    return trainer


def trainer(path: Path) -> None:
    train(bert(), path)


def trainer_at_the_root(path: Path) -> None:
    finished = train(bert(), path)
    finished.save_model()
    finished.save_state()


def trainer_of_models_alone(path: Path) -> None:
    train(bert(), path, save_only_model=True)


def adapters(path: Path) -> None:
    peft = pytest.importorskip("peft")
    lora = peft.LoraConfig(target_modules=["query"], r=2, task_type="SEQ_CLS")
    train(peft.get_peft_model(bert(), lora), path)


def adapters_of_two_names(path: Path) -> None:
    peft = pytest.importorskip("peft")
    lora = peft.LoraConfig(target_modules=["query"], r=2, task_type="SEQ_CLS")
    model = peft.get_peft_model(bert(), lora)
    model.add_adapter("judge", lora)
    train(model, path)


def sharded(path: Path) -> None:
    for step in (2, 4, 6):
        bert().save_pretrained(path / f"checkpoint-{step}", max_shard_size="2KB")


def states_of_accelerate(path: Path, *, safe: bool = True) -> None:
    accelerate = pytest.importorskip("accelerate")
    project = accelerate.utils.ProjectConfiguration(
        project_dir=str(path), automatic_checkpoint_naming=True
    )
    accelerator = accelerate.Accelerator(cpu=True, project_config=project)
    model, head = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8)), nn.Linear(8, 2)
    optimizers = [torch.optim.AdamW(one.parameters(), lr=0.01) for one in (model, head)]
    schedule = torch.optim.lr_scheduler.StepLR(optimizers[0], 1)
    model, head, first, second, schedule = accelerator.prepare(model, head, *optimizers, schedule)
    state = Progress()
    accelerator.register_for_checkpointing(state, nn.Linear(4, 8))
    for _ in range(3):
        loss = head(model(torch.randn(8, 4))).square().mean()
        accelerator.backward(loss)
        first.step()
        second.step()
        schedule.step()
        state.epoch += 1
        accelerator.save_state(safe_serialization=safe)


def pickles_of_accelerate(path: Path) -> None:
    states_of_accelerate(path, safe=False)


class Progress:
    """What a script registers to find its place again."""

    epoch = 0

    def state_dict(self) -> dict[str, Any]:
        """Where it stands."""
        return {"epoch": self.epoch, "val_acc": self.epoch / 10}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.epoch = state["epoch"]


def pipeline(path: Path) -> None:
    diffusers = pytest.importorskip("diffusers")
    unet = diffusers.UNet2DModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(8, 8),
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
    )
    whole = diffusers.DDPMPipeline(unet, diffusers.DDPMScheduler())
    whole.save_pretrained(path / "whole")
    whole.save_pretrained(path / "shards", max_shard_size="20KB", variant="fp16")


def slices_of_torch(path: Path) -> None:
    dcp = pytest.importorskip("torch.distributed.checkpoint")
    weights = {"a.weight": torch.randn(8, 4), "b.weight": torch.randn(4)}
    ways: tuple[dict[str, Any], ...] = (
        {"fqn_to_index_mapping": {"a.weight": 1, "b.weight": 2}},
        {"save_distributed": True, "enable_consolidation": True},
        {"save_distributed": True},
    )
    for step, how in enumerate(ways):
        writer = dcp.HuggingFaceStorageWriter(path=str(path / f"way{step}" / "step-1"), **how)
        dcp.save(weights, storage_writer=writer, no_dist=True)


WRITERS: dict[Writer, int] = {
    trainer: 3,
    trainer_at_the_root: 4,
    trainer_of_models_alone: 3,
    adapters: 3,
    adapters_of_two_names: 3,
    sharded: 3,
    states_of_accelerate: 3,
    pickles_of_accelerate: 3,
    pipeline: 2,
    slices_of_torch: 3,
}


def reports(path: Path) -> dict[str, CheckpointReport]:
    """What a scan says of every checkpoint, by the path of its folder from here."""
    found = ckptdoctor.scan(path).checkpoints
    return {str(one.path.relative_to(path)): one for one in found}


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_every_file_is_a_part_and_none_is_missed(tmp_path: Path, write: Writer) -> None:
    write(tmp_path)
    claims = Claims()
    for _, folder in Folder(tmp_path).walk():
        list(claims_in(folder, claims))
    assert len(claims.checkpoints) == WRITERS[write]
    for files in claims.checkpoints:
        assert not files.absent
        assert not files.problems
        names = [part.name for part in files.parts]
        assert len(set(names)) == len(names)
        assert files.parts[0].role is PartRole.MODEL
        assert files.finished in ("", *names)
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path not in claims.taken]
    assert not left


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_all_are_healthy(tmp_path: Path, write: Writer) -> None:
    write(tmp_path)
    found = reports(tmp_path)
    assert len(found) == WRITERS[write]
    assert {one.verdict for one in found.values()} == {Verdict.HEALTHY}


def test_what_the_trainer_knows_of_its_checkpoints(tmp_path: Path) -> None:
    best = train(bert(), tmp_path, metric_for_best_model="accuracy", load_best_model_at_end=True)
    found = reports(tmp_path)
    for step in (2, 4, 6):
        report = found[f"checkpoint-{step}"]
        assert report.metadata.global_step == step
        assert report.metadata.epoch == step / 4
        (logged,) = (e for e in best.state.log_history if e["step"] == step and "eval_loss" in e)
        assert report.metadata.metric is not None
        assert report.metadata.metric.name == "eval_accuracy"
        assert report.metadata.metric.value == logged["eval_accuracy"]


def test_what_a_script_registered_with_accelerate(tmp_path: Path) -> None:
    states_of_accelerate(tmp_path)
    for number, report in reports(tmp_path / "checkpoints").items():
        epoch = int(number.removeprefix("checkpoint_")) + 1
        assert report.metadata.epoch == epoch
        assert report.metadata.metric is not None
        assert report.metadata.metric.value == epoch / 10


@pytest.mark.parametrize(
    "write", [trainer, adapters, sharded, states_of_accelerate], ids=lambda write: write.__name__
)
def test_each_part_that_is_deleted_is_named(tmp_path: Path, write: Writer) -> None:
    write(tmp_path)
    claims = Claims()
    for _, folder in Folder(tmp_path).walk():
        list(claims_in(folder, claims))
    newest = max(claims.checkpoints, key=lambda files: files.path.name)
    for part in newest.parts:
        if not part.needed:
            continue
        kept = part.path.read_bytes()
        part.path.unlink()
        report = reports(tmp_path)[str(newest.path.relative_to(tmp_path))]
        assert part.name in {finding.subject for finding in report.findings}, part.name
        assert report.verdict is not Verdict.HEALTHY
        if part.role is PartRole.MODEL:
            assert report.verdict in (Verdict.CORRUPT, Verdict.UNREADABLE), part.name
        part.path.write_bytes(kept)
