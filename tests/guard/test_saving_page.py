"""The examples of docs/saving.md run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.finding import Verdict
from tests.builders import load

PAGE = Path(__file__).parent.parent.parent / "docs" / "saving.md"


def example(heading: str, number: int = 0) -> str:
    section = PAGE.read_text(encoding="utf-8").partition(f"## `{heading}`")[2].partition("\n## ")[0]
    blocks: list[str] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    return blocks[number]


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the examples take for granted."""
    monkeypatch.chdir(tmp_path)
    model = torch.nn.Linear(3, 3)
    optimizer = torch.optim.AdamW(model.parameters())
    return {"torch": torch, "model": model, "optimizer": optimizer}


def run(code: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def test_safe_save(names: dict[str, Any], tmp_path: Path) -> None:
    run(example("safe_save"), names)
    assert load(tmp_path / "best_model.pth")["epoch"] == 88
    assert names["report"].epoch == 88
    run(example("safe_save", 1), names)
    assert (tmp_path / "with_slopes.pth").exists()


def test_keeper(names: dict[str, Any], tmp_path: Path) -> None:
    from ckptdoctor.diagnose import examine

    trained = []

    def train_and_evaluate(model: torch.nn.Module, optimizer: Any, epoch: int) -> float:
        trained.append(epoch)
        optimizer.zero_grad()
        model(torch.ones(2, 3)).sum().backward()
        optimizer.step()
        return 0.5 + 0.01 * min(epoch, 7)

    names |= {"train_and_evaluate": train_and_evaluate, "epochs": 12}
    run(example("CheckpointKeeper"), names)
    run(example("CheckpointKeeper"), names | {"epochs": 16})
    assert trained == [*range(12), *range(11, 16)]  # the file of epoch 10 was the last
    found = sorted((tmp_path / "checkpoints").glob("*.pth"))
    assert [path.name for path in found] == [
        "best_model.pth",
        "checkpoint_epoch_10.pth",
        "checkpoint_epoch_15.pth",
    ]
    assert load(found[0])["epoch"] == 7
    assert {report.verdict for report in examine(found).checkpoints} == {Verdict.HEALTHY}


def test_watchdog(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    evaluated: list[object] = []
    names |= {
        "batches": range(9),
        "train_step": lambda *_: torch.tensor(0.5),
        "evaluate": evaluated.append,
    }
    run(example("HangWatchdog"), names)
    assert evaluated == [names["model"]]
    assert names["watchdog"].alarms == []
    assert capsys.readouterr().out == ""
