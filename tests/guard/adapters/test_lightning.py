"""The callback in the real Lightning, with NaN in one batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

lightning = pytest.importorskip("lightning.pytorch")

from ckptdoctor.errors import NonFiniteError  # noqa: E402
from ckptdoctor.guard.adapters.lightning import GuardCallback  # noqa: E402
from tests.guard.adapters.data import BAD, is_finite, rows  # noqa: E402

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore"),  # Lightning's own, of its many dependencies
]


class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
    """A small net with BatchNorm and an Adam."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 1)
        )
        self.losses: list[float] = []

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        loss = torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])
        self.losses.append(float(loss.detach()))
        return loss

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=1e-2)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 100)
        return {"optimizer": optimizer, "lr_scheduler": schedule}


def fit(folder: Path, *callbacks: Any, module: Module | None = None, **options: Any) -> Module:
    module = module or Module()
    trainer = lightning.Trainer(
        max_epochs=3,
        accelerator="cpu",
        devices=1,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **options,
    )
    trainer.fit(module, torch.utils.data.DataLoader(rows(bad=True), batch_size=8))
    return module


def test_without_it_the_net_dies(tmp_path: Path) -> None:
    assert not is_finite(fit(tmp_path))


@pytest.mark.parametrize(
    "options", [{}, {"gradient_clip_val": 0.5}, {"accumulate_grad_batches": 2}], ids=str
)
def test_with_it_the_net_lives(tmp_path: Path, options: dict[str, Any]) -> None:
    callback = GuardCallback()
    module = fit(tmp_path, callback, **options)
    assert is_finite(module)
    assert callback.guard is not None
    assert callback.guard.skipped == 3, "the batch comes by once an epoch"
    finite = [loss for loss in module.losses if loss == loss]
    assert sum(finite[-8:]) < sum(finite[:8])


def test_raise_names_the_parameters(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"net\.0\.weight"):
        fit(tmp_path, GuardCallback(action="raise"))


def test_rollback_goes_back_with_a_smaller_rate(tmp_path: Path) -> None:
    callback = GuardCallback(action="rollback", snapshot_every=1, max_rollbacks=5)
    module = fit(tmp_path, callback)
    assert is_finite(module)
    assert callback.guard is not None
    assert callback.guard.rollbacks == 3
    (optimizer,) = [module.optimizers(use_pl_optimizer=False)]
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-2 / 8)


def test_state_goes_through_a_checkpoint(tmp_path: Path) -> None:
    callback = GuardCallback()
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        callbacks=[callback],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(Module(), torch.utils.data.DataLoader(rows(bad=True), batch_size=8))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = GuardCallback()
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        callbacks=[again],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = torch.utils.data.DataLoader(rows(bad=False), batch_size=8)
    trainer.fit(Module(), loader, ckpt_path=tmp_path / "a.ckpt")
    assert again.guard is not None
    assert again.guard.skipped == 1, "that of the first run"
    assert again.guard.steps == 2 * BAD.batches


def test_what_cannot_work_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="scaler: that is Lightning's own business"):
        GuardCallback(scaler=None)

    class Manual(Module):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False

    with pytest.raises(RuntimeError, match="automatic optimization"):
        fit(tmp_path, GuardCallback(), module=Manual())
