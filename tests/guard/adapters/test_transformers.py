"""The callback in the real Hugging Face Trainer, which hides NaN from its own log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from ckptdoctor.errors import NonFiniteError  # noqa: E402
from ckptdoctor.guard.adapters.transformers import GuardCallback  # noqa: E402
from tests.guard.adapters.data import BAD, is_finite, rows  # noqa: E402

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore"),  # of transformers and what it brings along
]


class Net(torch.nn.Module):
    """Takes what the Trainer gives, and returns its loss."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 1)
        )

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        out = self.net(x)
        return {"loss": torch.nn.functional.mse_loss(out, labels), "logits": out}


class Rows(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """By name."""

    def __init__(self) -> None:
        self.tensors = rows(bad=True).tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, at: int) -> dict[str, torch.Tensor]:
        return {"x": self.tensors[0][at], "labels": self.tensors[1][at]}


def train(folder: Path, *callbacks: Any, **options: Any) -> tuple[Net, Any]:
    args = transformers.TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=2,
        per_device_train_batch_size=8,
        learning_rate=1e-2,
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        **options,
    )
    net = Net()
    trainer = transformers.Trainer(
        model=net, args=args, train_dataset=Rows(), callbacks=list(callbacks)
    )
    trainer.train()
    return net, trainer


def test_without_it_the_net_dies_and_the_log_hides_it(tmp_path: Path) -> None:
    net, trainer = train(tmp_path)
    assert not is_finite(net)
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert all(float(loss) == float(loss) for loss in losses), "no NaN is ever logged"


@pytest.mark.parametrize("options", [{}, {"gradient_accumulation_steps": 2}], ids=str)
def test_with_it_the_net_lives(tmp_path: Path, options: dict[str, Any]) -> None:
    callback = GuardCallback()
    net, _ = train(tmp_path, callback, **options)
    assert is_finite(net)
    assert callback.guard is not None
    assert callback.guard.skipped == 2
    each = 2 if options else 1
    assert callback.guard.steps == 2 * BAD.batches // each


def test_raise_and_rollback(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"net\.0\.weight"):
        train(tmp_path, GuardCallback(action="raise"))
    callback = GuardCallback(action="rollback", snapshot_every=1)
    net, _ = train(tmp_path, callback)
    assert is_finite(net)
    assert callback.guard is not None
    assert callback.guard.rollbacks == 2


def test_state_and_refusals(tmp_path: Path) -> None:
    first = GuardCallback()
    train(tmp_path, first)
    second = GuardCallback()
    second.load_state_dict(first.state_dict())
    train(tmp_path, second)
    assert second.guard is not None
    assert second.guard.skipped == 4
    with pytest.raises(TypeError, match="the Trainer's own business"):
        GuardCallback(ema=None)
