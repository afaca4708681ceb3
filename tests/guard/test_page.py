"""The page runs, and the names it uses are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import ckptdoctor.guard
from tests.guard.nets import batches, net

PAGE = (Path(__file__).parents[2] / "docs" / "guard.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_exported_name_is_there() -> None:
    assert sorted(ckptdoctor.guard.__all__) == list(ckptdoctor.guard.__all__)
    for name in ckptdoctor.guard.__all__:
        assert getattr(ckptdoctor.guard, name) is not None
    assert set(ckptdoctor.guard.__all__) <= set(dir(ckptdoctor.guard))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = ckptdoctor.guard.Nothing  # type: ignore[attr-defined]


def test_the_loops_of_the_page_run(capsys: pytest.CaptureFixture[str]) -> None:
    def pairs(_: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [(batch, batch.sum(1, keepdim=True)) for batch in batches(8)]

    scores = iter((0.5, 0.4, 0.35, 0.3))
    space: dict[str, object] = {
        "make_model": net,
        "make_loader": pairs,
        "loss_of": torch.nn.functional.mse_loss,
        "evaluate": lambda model, loader: next(scores),
    }
    for block in BLOCKS[:2]:  # the loop, and the one that accumulates
        exec(block.replace("range(120)", "range(4)"), space)
    told = capsys.readouterr().out
    assert "epoch 3: 0 of 32 steps dropped" in told
    assert "epoch 3: the metric is declining since epoch 1; stop, and restart from epoch 0" in told
    guard = space["guard"]
    assert isinstance(guard, ckptdoctor.guard.TrainingGuard)
    assert guard.steps == 34


def test_the_page_names_every_option() -> None:
    import inspect

    options = inspect.signature(ckptdoctor.guard.TrainingGuard).parameters
    missing = [name for name in options if not re.search(rf"\b{name}\b", PAGE)]
    assert missing == []
