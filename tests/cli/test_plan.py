"""``ckptdoctor plan`` as a user runs it; what it prints is run as well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.builders import save
from tests.cli.support import ANSI, run

TRAIN = """
import argparse, torch
parser = argparse.ArgumentParser()
parser.add_argument("--checkpoint-dir"); parser.add_argument("--resume-from")
parser.add_argument("--lr", type=float)
parser.add_argument("--deep-supervision", action="store_true")
args = parser.parse_args()
import os
os.makedirs(args.checkpoint_dir, exist_ok=True)
state = torch.load(args.resume_from, weights_only=True)
w = torch.nn.Parameter(torch.zeros(3))
optimizer = torch.optim.SGD([w], lr=args.lr, momentum=0.9)
optimizer.load_state_dict(state["optimizer"])
torch.save({"epoch": state["epoch"] + 1, "lr": optimizer.param_groups[0]["lr"], "flag": args.lr,
            "model": {"w": w.data}}, args.checkpoint_dir + "/next.pth")
"""
COMMAND = (
    "python train.py --checkpoint-dir checkpoints --resume-from checkpoints/best.pth --lr 0.2 "
    "--deep-supervision"
)


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """A small run that collapsed, with its script and its log."""
    w = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([w], lr=0.2, momentum=0.9)
    w.grad = torch.ones(3)
    optimizer.step()
    lines = []
    (tmp_path / "checkpoints").mkdir()
    for epoch, value in enumerate((0.60, 0.62, 0.64, 0.63, 0.002), start=86):
        state = {
            "epoch": epoch,
            "model": {"w": w.data if value > 0.1 else w.data * float("nan")},
            "optimizer": optimizer.state_dict(),
        }
        save(tmp_path / f"checkpoints/epoch_{epoch}.pth", state)
        lines.append(f"Epoch {epoch}: IoU: {value}\n")
    (tmp_path / "train.log").write_text("".join(lines))
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


def test_the_recommended_command_is_run_and_resumes_with_the_smaller_rate(story: Path) -> None:
    before = {path: path.read_bytes() for path in (story / "checkpoints").iterdir()}
    arguments = ("plan", "--added", "deep-supervision", "--command", COMMAND, "-f", "json")
    option = run(*arguments, cwd=story).json["options"][0]
    assert (option["name"], option["epoch"], option["recommended"]) == ("A", 88, True)
    command = option["command"].replace("python train.py", f"{sys.executable} train.py")
    command = command.replace("ckptdoctor ", f"{sys.executable} -m ckptdoctor ")
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=story, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    resumed = torch.load(story / "checkpoints_recovery/next.pth", weights_only=True)
    assert resumed["epoch"] == 89
    assert resumed["lr"] == pytest.approx(0.15), "the stored rate was scaled"
    assert resumed["flag"] == 0.15
    assert {path: path.read_bytes() for path in before} == before


def test_the_table_fits_and_is_plain(story: Path) -> None:
    outcome = run("plan", "--command", COMMAND, cwd=story)
    assert outcome.code == 0
    assert not ANSI.search(outcome.stdout)
    assert "(recommended)" in outcome.stdout
    assert "--lr 0.1 " in outcome.stdout, "half, after a collapse"
    assert "--warmup-epochs 5" in outcome.stdout
    prose = [line for line in outcome.stdout.splitlines() if not line.startswith("  python")]
    prose = [line for line in prose if not line.startswith("  ckptdoctor")]
    assert all(len(line) <= 80 for line in prose)


def test_exit_codes(story: Path, tmp_path: Path) -> None:
    wrong = run("plan", "--command", "python 'x", cwd=story)
    assert wrong.code == 2
    assert "line 1, column 8" in wrong.stderr
    assert run("plan", "--added", "magic", cwd=story).code == 2
    (tmp_path / "empty").mkdir()
    assert run("plan", tmp_path / "empty").code == 3
    fresh = run("plan", tmp_path / "empty", "--command", COMMAND, "-f", "json")
    assert fresh.code == 0
    assert [option["name"] for option in fresh.json["options"]] == ["C"]


def test_an_earlier_run_and_a_file(story: Path, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    other = save(tmp_path / "old/best.pth", {"epoch": 60, "model": {"w": torch.ones(3)}})
    out = tmp_path / "plan.json"
    done = run("plan", "--earlier", other.parent, "-f", "json", "-o", out, cwd=story)
    assert (done.code, done.stdout) == (0, "")
    assert str(other) in out.read_text()
