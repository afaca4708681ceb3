"""What a run's files are worth, found by evaluating each of them; ckptdoctor is not asked."""

from __future__ import annotations

import itertools
import math
import pickle
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.comes_back.tasks import Task

__all__ = [
    "BACK",
    "Line",
    "SavedFile",
    "end_score",
    "evaluate",
    "evaluate_one",
    "higher",
    "noise",
    "onset",
    "read_log",
]

BACK = 0.01
_LAST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An epoch as the training itself printed it."""

    epoch: int
    score: float
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFile:
    """A file and the score of what it holds; NaN where it cannot be gone on from."""

    path: Path
    epoch: int
    score: float


def read_log(path: Path, metric: str) -> list[Line]:
    """The last attempt at each epoch, in order."""
    found: dict[int, Line] = {}
    for text in path.read_text(encoding="utf-8").splitlines():
        if text.startswith("Epoch "):
            name, _, rest = text.partition(": ")
            values = dict(part.split(": ") for part in rest.split(" | "))
            epoch = int(name.removeprefix("Epoch "))
            found[epoch] = Line(epoch=epoch, score=float(values[metric]), rate=float(values["lr"]))
    return [found[epoch] for epoch in sorted(found)]


def higher(task: Task, score: float) -> float:
    """The score with its direction turned so that more is better; a NaN is the worst."""
    if math.isnan(score):
        return -math.inf
    return score if task.higher_is_better else -score


def evaluate(folder: Path, task: Task, seed: int) -> list[SavedFile]:
    """Every file of a folder, by name."""
    held_out = task.sets(seed)[1]
    return [_evaluated(path, task, held_out) for path in sorted(folder.glob("*.pt"))]


def evaluate_one(path: Path, task: Task, seed: int) -> SavedFile:
    """One file."""
    return _evaluated(path, task, task.sets(seed)[1])


@torch.no_grad()
def _evaluated(path: Path, task: Task, held_out: tuple[torch.Tensor, torch.Tensor]) -> SavedFile:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
        return SavedFile(path=path, epoch=-1, score=math.nan)
    model = task.net()
    model.load_state_dict(state["model"])
    found = model.eval()(held_out[0])[0]
    whole = all(value.isfinite().all() for value in _tensors(state)) and found.isfinite().all()
    score = task.score(found, held_out[1]) if whole else math.nan
    return SavedFile(path=path, epoch=int(state["epoch"]), score=score)


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _tensors(one)


def noise(healthy: list[Line], epoch: int) -> float:
    """How far a healthy run's score goes up and down from one epoch to the next around an epoch."""
    scores = [line.score for line in healthy if abs(line.epoch - epoch) <= 5]
    steps = [abs(b - a) for a, b in itertools.pairwise(scores)]
    return max(0.005, 1.5 * statistics.median(steps)) if steps else 0.005


def onset(task: Task, lines: list[Line], healthy: float) -> int | None:
    """The first epoch of a death; None where the run did not die.

    Dead is a run that ends with no number, or below half of its own best or of what a healthy one
    ends with (of an error: above twice). Its death began behind the last epoch that was worth nine
    tenths of the best up to then.
    """
    least, near = (0.5, 0.9) if task.higher_is_better else (2.0, 1.25)
    best = max(higher(task, line.score) for line in lines)
    if higher(task, lines[-1].score) >= max(best, higher(task, healthy)) * least:
        return None
    sound, top = 0, -math.inf
    for line in lines:
        score = higher(task, line.score)
        top = max(top, score)
        if -math.inf < top * near <= score:
            sound = line.epoch
    return next((line.epoch for line in lines if line.epoch > sound), lines[-1].epoch)


def end_score(task: Task, lines: list[Line]) -> float:
    """The median of the last three epochs; NaN counts as worst."""
    scores = sorted(higher(task, line.score) for line in lines[-_LAST:])
    middle = scores[len(scores) // 2]
    return middle if task.higher_is_better else -middle
