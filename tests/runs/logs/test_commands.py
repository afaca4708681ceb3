"""Command lines of a training that stand in its log, in one line or broken over several."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.runs.logs import read_logs
from tests.each import each

STAMP = "2026-01-02 10:00:00,123 INFO"
SCORES = "".join(f"Epoch {e}: val_acc {e / 10}\n" for e in range(1, 6))
WHOLE = "torchrun --nproc_per_node=4 train.py --lr 3e-4 --epochs 20"
STAMPED = (
    f"{STAMP} Command: torchrun --nproc_per_node=4 train.py \\\n"
    f"{STAMP}     --lr 3e-4 \\\n{STAMP} - --epochs 20\n"
)


def commands(folder: Path, text: str) -> tuple[str, ...]:
    path = folder / "train.log"
    path.write_text(text + SCORES)
    reading = read_logs([path])
    assert list(reading.epochs) == [1, 2, 3, 4, 5]
    return reading.commands


@each(
    "text",
    [
        f"{WHOLE}\n",
        "torchrun --nproc_per_node=4 \\\n    train.py \\\n    --lr 3e-4 \\\n    --epochs 20\n",
        "$ torchrun \\\n> --nproc_per_node=4 \\\n> train.py --lr 3e-4 \\\n> --epochs 20\n",
        "+ torchrun --nproc_per_node=4 train.py --lr 3e\\\n-4 --epochs 20\n",
        "torchrun --nproc_per_node=4\\\n\ttrain.py\\\n\t--lr 3e-4 \\\r\n--epochs 20\r\n",
        "torchrun --nproc_per_node=4 train.py --lr 3e-4 \\\n  --epochs 20 \\\n\n",
        STAMPED,
    ],
    ids=["whole", "script", "prompts", "within a word", "tabs and CRLF", "an empty line", "stamps"],
)
def test_a_command_is_what_a_shell_makes_of_its_lines(text: str, tmp_path: Path) -> None:
    assert commands(tmp_path, text) == (WHOLE,)


def test_where_a_command_broke_off_the_training_is_none_of_it(tmp_path: Path) -> None:
    told = commands(tmp_path, "python train.py --lr 0.1 \\\n")
    assert told == ("python train.py --lr 0.1 \\",)


def test_a_command_at_the_end_of_a_log_is_told(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text(SCORES + "python train.py --lr 0.1 \\\n  --wd 2 \\")
    assert read_logs([path]).commands == ("python train.py --lr 0.1 --wd 2 \\",)


def test_a_command_ends_after_some_lines(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text("python train.py --lr 1 \\\n" + "--wd 2 \\\n" * 1000)
    (command, *_) = read_logs([path]).commands
    assert command.count("--wd") < 200


def test_a_line_that_ends_in_a_backslash_and_is_no_command_opens_nothing(tmp_path: Path) -> None:
    assert commands(tmp_path, "writes to C:\\runs\\\nand so on\n") == ()
