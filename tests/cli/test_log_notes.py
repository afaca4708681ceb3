"""A log that the user names and that gives nothing is said, whatever is written and however."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.builders import save
from tests.cli.support import run
from tests.each import each

COMMANDS = (
    *("scan", "scan -q", "scan -f csv", "scan -f json", "scan -f markdown"),
    *("rank", "rank -q", "rank -f csv", "history", "plan", "plan -q", "autopsy"),
    *("restore --epoch 2", "restore --epoch 2 -q"),
)


@each("command", COMMANDS)
def test_a_named_log_that_gave_nothing_is_said_once(command: str, tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        contents = {"epoch": epoch, "iou": epoch / 9, "model": {"w": torch.ones(3)}}
        save(tmp_path / f"unet_{epoch}.pth", contents)
    (tmp_path / "notes.txt").write_text("nothing to be read here\n")
    outcome = run(*command.split(), ".", "--log", "notes.txt", cwd=tmp_path)
    told = " ".join(f"{outcome.stdout} {outcome.stderr}".split())
    assert outcome.code == 0, told
    assert told.count("notes.txt: no epoch with a value was found in it") == 1, told
