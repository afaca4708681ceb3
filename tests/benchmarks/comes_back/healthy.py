"""Thirty healthy runs of every task, schedule and optimizer: nothing of them deserves an alarm."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.comes_back import oracle
from tests.benchmarks.comes_back.play import ckptdoctor, run_here
from tests.benchmarks.comes_back.tasks import TASKS

__all__ = ["HEALTHY", "alarms"]

# ``rare`` finds nothing at all in its first epochs: its F1 starts at 0.
HEALTHY = tuple(
    line.strip()
    for line in """
    --task shapes --scheduler onecycle --lr 0.1
    --task shapes --scheduler cosine --lr 0.05
    --task shapes --scheduler step --lr 0.05
    --task shapes --scheduler timm --warmup-epochs 4 --lr 0.1
    --task shapes --optimizer adamw --scheduler lambda --warmup-epochs 3 --lr 0.005
    --task shapes-bn --scheduler onecycle --lr 0.2
    --task shapes-bn --scheduler plateau --lr 0.05
    --task sorting --optimizer adamw --batch-size 64 --scheduler lambda --warmup-epochs 3 --lr 0.005
    --task sorting --optimizer adamw --batch-size 64 --scheduler onecycle --lr 0.01
    --task sorting --optimizer adamw --batch-size 64 --scheduler cosine --lr 0.003
    --task rings --batch-size 64 --scheduler cosine --lr 0.1
    --task rings --batch-size 64 --scheduler sequential --warmup-epochs 3 --lr 0.2
    --task rings --batch-size 64 --optimizer adamw --scheduler onecycle --lr 0.01
    --task rings --batch-size 32 --scheduler plateau --lr 0.05
    --task rings --batch-size 64 --scheduler step --lr 0.1 --ema
    --task waves --batch-size 64 --scheduler cosine --lr 0.1
    --task waves --batch-size 64 --optimizer adamw --scheduler timm --warmup-epochs 3 --lr 0.01
    --task waves --batch-size 64 --scheduler plateau --lr 0.05
    --task waves --batch-size 64 --optimizer adamw --scheduler onecycle --lr 0.01 --amp
    --task waves --batch-size 32 --scheduler step --lr 0.05
    --task rare --batch-size 64 --scheduler cosine --lr 0.2
    --task rare --batch-size 64 --scheduler onecycle --lr 0.2
    --task rare --batch-size 64 --scheduler cosine --lr 0.1
    --task rare --batch-size 64 --scheduler lambda --warmup-epochs 5 --lr 0.2
    --task rare --batch-size 64 --optimizer adamw --scheduler cosine --lr 0.003
    --task rare --batch-size 64 --optimizer adamw --scheduler onecycle --lr 0.01
    --task rare --batch-size 32 --scheduler plateau --lr 0.05
    --task rare --batch-size 64 --scheduler step --lr 0.1
    --task rare --batch-size 64 --scheduler timm --warmup-epochs 4 --lr 0.2
    --task rare --batch-size 64 --scheduler sequential --warmup-epochs 4 --lr 0.1
    """.strip().splitlines()
)

_FIRST = 8
"""Epochs within which a hard task may score nothing."""


def alarms(folder: Path, line: str, seed: int) -> list[int]:
    """The epochs at which ``history`` warned of a healthy run; each is a false alarm.

    The log is looked at after each of the first epochs, after every fifth, and whole.
    """
    folder.mkdir()
    run_here(folder, f"{line} --epochs 20 --seed {seed} --save-dir checkpoints --save-every 100")
    log = folder / "checkpoints/train.log"
    words = line.split()
    last = oracle.read_log(log, TASKS[words[words.index("--task") + 1]].metric)[-1].epoch
    text = log.read_text(encoding="utf-8").splitlines()
    part, found = folder / "part.log", []
    for epoch in sorted({*range(2, min(_FIRST, last)), *range(5, last, 5), last}):
        end = max(at for at, one in enumerate(text) if one.startswith(f"Epoch {epoch}:")) + 1
        part.write_text("\n".join(text[:end]) + "\n", encoding="utf-8")
        done = ckptdoctor(folder, "history", part.name, "--fail-on", "warning", "-q")
        found += [epoch] if done.returncode else []
    return found
