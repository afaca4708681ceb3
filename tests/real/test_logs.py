"""Logs that real frameworks write, beside the checkpoints that they write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.metadata import Source
from ckptdoctor.natural import natural_key
from ckptdoctor.runs.discover import discover
from ckptdoctor.runs.logs import read_logs
from ckptdoctor.runs.wish import Wish
from ckptdoctor.survey import chronicles, survey
from tests.guard.adapters.data import rows

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]  # the frameworks' own

EPOCHS = 4


def fit(folder: Path, logger: Any) -> None:
    """Four epochs of a small net, a checkpoint after each."""
    lightning = pytest.importorskip("lightning.pytorch")

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Linear(4, 1)

        def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
            loss = torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])
            self.log("train_loss", loss, on_epoch=True)
            return loss

        def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
            self.log("val_iou", 0.5 + self.current_epoch / 100)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=1e-2)

    saver = lightning.callbacks.ModelCheckpoint(
        dirpath=folder / "checkpoints", save_top_k=-1, monitor="val_iou", mode="max"
    )
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        devices=1,
        logger=logger,
        callbacks=[saver],
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    loader = torch.utils.data.DataLoader(rows(bad=False), batch_size=8)
    trainer.fit(Module(), loader, loader)


@pytest.mark.parametrize("kind", ["csv", "tensorboard"])
def test_lightning(kind: str, tmp_path: Path) -> None:
    loggers = pytest.importorskip("lightning.pytorch.loggers")
    if kind == "csv":
        logger = loggers.CSVLogger(tmp_path, name="", version="")
    else:
        pytest.importorskip("tensorboard")
        logger = loggers.TensorBoardLogger(tmp_path, name="", version="")
    fit(tmp_path, logger)
    (found,) = chronicles([tmp_path / "checkpoints"], Wish()).histories
    assert found.metric == "val_iou"
    assert [(p.epoch, round(p.value, 4), p.source) for p in found.points] == [
        (epoch, 0.5 + epoch / 100, Source.LOG) for epoch in range(EPOCHS)
    ]
    assert found.unread == 0
    report = survey(discover([tmp_path / "checkpoints"]), wish=Wish())
    assert report.last_good is not None
    assert report.last_good.epoch == EPOCHS - 1
    assert not report.findings


def test_the_hugging_face_trainer(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from tests.guard.adapters.test_transformers import Net, Rows

    args = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=3,
        per_device_train_batch_size=8,
        logging_steps=1,
        report_to=[],
        save_strategy="epoch",
        use_cpu=True,
        disable_tqdm=True,
    )
    transformers.Trainer(model=Net(), args=args, train_dataset=Rows()).train()
    states = sorted(tmp_path.glob("checkpoint-*/trainer_state.json"), key=natural_key)
    assert len(states) == 3
    reading = read_logs([states[-1]])
    assert set(reading.epochs) >= {1, 2, 3}
    assert any(value != value for value in reading.epochs[1].values()), "the norm was NaN"
    assert reading.epoch_of_step(8) == 1
    found = chronicles([tmp_path], Wish())
    assert {finding.code for finding in found.findings} == {"CD404"}
    report = survey(discover([tmp_path]), wish=Wish())
    rows = sorted(report.checkpoints, key=lambda row: natural_key(row.path))
    assert [row.path.parent for row in rows] == [tmp_path] * 3, "a folder is a checkpoint"
    assert [row.metadata.epoch for row in rows] == [1, 2, 3], "told by the log, by the step"
    assert {row.metadata.epoch_source for row in rows} <= {Source.LOG, Source.CONTENTS}
