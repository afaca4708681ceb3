"""Forty columns: words stay whole, and what is a table elsewhere is a list."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import ckptdoctor
from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.render.console.inspect import inspect_text
from ckptdoctor.render.console.scan import scan_text
from ckptdoctor.render.console.screen import Screen
from ckptdoctor.tasks.inspect import inspect
from tests.builders import save


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("narrow")
    (root / "run").mkdir()
    for epoch in range(3):
        state = {"w": torch.arange(4.0) + epoch}
        save(root / "run" / f"epoch_{epoch}.pth", {"model": state, "epoch": epoch})
    whole = root / "checkpoint-10"
    whole.mkdir()
    names = [f"model-0000{at}-of-00002.safetensors" for at in (1, 2)]
    for at, name in enumerate(names):
        values = torch.full((2, 2), (1.0, float("nan"))[at])
        save_file({f"layer.{at}.weight": values}, whole / name, metadata={"format": "pt"})
    index = {f"layer.{at}.weight": name for at, name in enumerate(names)}
    text = json.dumps({"metadata": {"total_size": 32}, "weight_map": index})
    (whole / "model.safetensors.index.json").write_text(text)
    return root


def test_parts_are_a_list_with_whole_words(folder: Path) -> None:
    how = Examination(keep_details=True)
    found = inspect(folder / "checkpoint-10", lambda files: examine(files, how))
    report = replace(found.checkpoint, path=Path("checkpoint-10"))
    screen = Screen(width=40, colour=False)
    lines = inspect_text(report, list(found.shown), screen, everything=False).splitlines()
    assert max(map(len, lines)) <= 40
    at = lines.index("✗ model-00002-of-00002.safetensors")
    said = " ".join(lines[at + 1 : at + 3]).split("✓")[0].split()
    assert " ".join(said).startswith("model, safetensors, ")
    assert said[-1] == "corrupt"
    assert not [line for line in lines if line.strip() in ("part", "role", "format")]


def test_what_is_said_of_the_last_good_hangs_below_it(folder: Path) -> None:
    report = ckptdoctor.scan(folder / "run", progress=False)
    lines = scan_text(report, Screen(width=40, colour=False)).splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("Last good:"))
    behind = lines[at + 1 : lines.index("", at)]
    assert len(behind) == 2  # "healthy, epoch 2, no score known", broken
    assert all(line.startswith((" " * 11, "Next:", "Error:", "Warning:")) for line in behind)
