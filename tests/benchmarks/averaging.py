"""Whether the mean of the last files scores above them: small real trainings, averaged by us.

    python -m tests.benchmarks.averaging             24 trainings, two seeds of each
    python -m tests.benchmarks.averaging --kind NAME those whose name has NAME in it
    python -m tests.benchmarks.averaging --quick     one task with one seed, to see that it works
    python -m tests.benchmarks.averaging --write     and the table into docs/restore.md

Each training saves a file an epoch. ``restore --average 5`` makes the mean at the end of a
training, and at half of one under a cosine, as where a run dies; torch loads it and scores it on
examples that nothing was trained on. A mean is compared with the newest of its files, and with the
best of them by the same score, which is the harder rival: it was chosen by what it is judged by.
``offered`` says whether ``average_worth`` would offer it, which knows the files alone.

What is trained has wrong labels among the right ones, as data has, and goes on until the score
rises no more; "still rising" has none and stops early. Constant rate, a cosine, a step to a tenth
at half of the time.
"""

from __future__ import annotations

import argparse
import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from ckptdoctor.layouts.files import single
from ckptdoctor.recovery.average_choice import Averaging, choose_average
from ckptdoctor.recovery.average_worth import worth_averaging
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.restore import restore
from ckptdoctor.report import RunReport
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey
from tests.benchmarks.comes_back.tasks import TASKS, Data, Task
from tests.benchmarks.page import find_place, markdown, put

PAGE = Path(__file__).parents[2] / "docs" / "restore.md"
MARK = "averaging"
COUNT = 5
HELD_OUT = 1024


def constant(done: float) -> float:
    """The rate at a share of the training, over the first one."""
    return 1.0


def cosine(done: float) -> float:
    """To zero."""
    return 0.5 * (1 + math.cos(math.pi * done))


def step(done: float) -> float:
    """To a tenth at half."""
    return 1.0 if done < 0.5 else 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is trained, and how.

    Attributes:
        task: its name in ``TASKS``.
        optimizer: ``sgd`` or ``adamw``.
        rate: the first one.
        epochs: of a whole training.
        wrong: share of labels that are wrong.
    """

    task: str
    optimizer: str
    rate: float
    epochs: int
    wrong: float = 0.15
    batch_size: int = 32


KINDS = {
    "rings, MLP, SGD": Kind(task="rings", optimizer="sgd", rate=0.05, epochs=40),
    "sorting, transformer, AdamW": Kind(task="sorting", optimizer="adamw", rate=0.004, epochs=30),
    "shapes, U-Net with BN, AdamW": Kind(
        task="shapes-bn", optimizer="adamw", rate=0.01, epochs=30, wrong=0.1
    ),
    "shapes, U-Net, still rising": Kind(
        task="shapes", optimizer="sgd", rate=0.02, epochs=14, wrong=0.0
    ),
}
SCHEDULES = {"constant": constant, "cosine": cosine, "step": step}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One mean, and what it is held against; scores are higher better.

    Attributes:
        kind, schedule, place: which training, and where in it.
        rate: of the newest file over the highest.
        newest, best, mean: scores; best of the files that are averaged.
        old_statistics: with the running statistics of the newest; None without normalisation.
        refreshed: with those that ``update_bn`` finds; likewise.
        offered: whether plan would offer the mean.
    """

    kind: str
    schedule: str
    place: str
    rate: float
    newest: float
    best: float
    mean: float
    old_statistics: float | None
    refreshed: float | None
    offered: bool


# -- training ------------------------------------------------------------------------------------


def mislabelled(targets: Tensor, share: float, source: torch.Generator) -> Tensor:
    """The targets, so many of them drawn anew."""
    wrong = torch.rand(targets.shape, generator=source) < share
    if targets.is_floating_point():
        return torch.where(wrong, 1 - targets, targets)
    return torch.where(wrong, torch.randint(0, 4, targets.shape, generator=source), targets)


class Training:
    """A net with its data, which saves a file an epoch."""

    def __init__(self, kind: Kind, seed: int, schedule: Callable[[float], float]) -> None:
        torch.manual_seed(seed)
        self.kind, self.schedule = kind, schedule
        self.task: Task = TASKS[kind.task]
        source = torch.Generator().manual_seed(7919 * seed + 17)
        inputs, targets = self.task.data(self.task.training, source)
        self.held_out: Data = self.task.data(HELD_OUT, source)
        self.data: Data = inputs, mislabelled(targets, kind.wrong, source)
        self.net = self.task.net()
        make = torch.optim.AdamW if kind.optimizer == "adamw" else _sgd
        self.optimizer = make(self.net.parameters(), lr=kind.rate)

    def batches(self) -> Iterator[Tensor]:
        """The examples of an epoch."""
        order, size = torch.randperm(len(self.data[0])), self.kind.batch_size
        yield from (order[start : start + size] for start in range(0, len(order), size))

    def score(self) -> float:
        """On the held-out examples."""
        self.net.eval()
        with torch.no_grad():
            return self.task.score(self.net(self.held_out[0])[0], self.held_out[1])

    def run(self, folder: Path) -> list[float]:
        """Train, save; the score of each epoch."""
        scores = []
        for epoch in range(1, self.kind.epochs + 1):
            rate = self.kind.rate * self.schedule((epoch - 1) / self.kind.epochs)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.net.train()
            for chosen in self.batches():
                self.optimizer.zero_grad()
                output = self.net(self.data[0][chosen])[0]
                loss = self.task.loss(output, self.data[1][chosen])
                loss.backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()
            scores.append(self.score())
            state = {
                "epoch": epoch,
                "model": self.net.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                self.task.metric: scores[-1],
            }
            torch.save(state, folder / f"epoch_{epoch:03d}.pth")
        return scores

    def score_of(
        self, file: Path, *, statistics: Path | None = None, refresh: bool = False
    ) -> float:
        """That of a file's weights, with its running statistics, or another file's, or new ones."""
        weights = torch.load(file, weights_only=True)["model"]
        if statistics is not None:
            theirs = torch.load(statistics, weights_only=True)["model"]
            weights |= {name: theirs[name] for name in theirs if "running_" in name}
        self.net.load_state_dict(weights)
        if refresh:
            update_bn((self.data[0][chosen] for chosen in self.batches()), self.net)
        return self.score()


def _sgd(parameters: Iterator[nn.Parameter], lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9)


# -- averaging -----------------------------------------------------------------------------------


def report_of(folder: Path) -> RunReport:
    """What ``scan`` knows of the run."""
    (run,) = survey(discover([folder])).runs
    return run


def measured(training: Training, name: str, schedule: str, place: str, folder: Path) -> Row:
    """The mean of the last files of a folder."""
    run = report_of(folder)
    chosen = choose_average(run, Averaging(count=COUNT))
    newest, mean = chosen.newest.path, folder / "mean.pth"
    others = tuple(single(row.path) for row in chosen.others)
    restore(newest, mean, Edits(average=others))
    scores = [training.score_of(row.path) for row in (*chosen.others, chosen.newest)]
    layers = any(isinstance(module, nn.BatchNorm2d) for module in training.net.modules())
    epoch = int(chosen.newest.metadata.epoch or 0)
    return Row(
        kind=name,
        schedule=schedule,
        place=place,
        rate=training.schedule((epoch - 1) / training.kind.epochs),
        newest=scores[-1],
        best=max(scores),
        mean=training.score_of(mean),
        old_statistics=training.score_of(mean, statistics=newest) if layers else None,
        refreshed=training.score_of(mean, refresh=True) if layers else None,
        offered=bool(worth_averaging(run)),
    )


def rows_of(name: str, schedule: str, seed: int, folder: Path) -> Iterator[Row]:
    """One training, averaged at its end, and at half where the rate falls slowly."""
    whole = folder / "whole"
    whole.mkdir()
    training = Training(KINDS[name], seed, SCHEDULES[schedule])
    training.run(whole)
    if schedule == "cosine":
        half = folder / "half"
        half.mkdir()
        for file in sorted(whole.iterdir())[: training.kind.epochs // 2]:
            shutil.copy(file, half)
        yield measured(training, name, schedule, "at half", half)
    yield measured(training, name, schedule, "at its end", whole)


# -- the table -----------------------------------------------------------------------------------


def table(rows: Sequence[Row]) -> str:
    """A line a kind, schedule and place: means over the seeds, and gains in points."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.kind, row.schedule, row.place), []).append(row)
    return markdown(
        [
            "training",
            "rate",
            "newest",
            "best of 5",
            "mean of 5",
            "gain over newest, over best",
            "offered",
        ],
        [_line(key, group) for key, group in groups.items()],
    )


def _line(key: tuple[str, str, str], group: Sequence[Row]) -> list[str]:
    kind, schedule, place = key
    over_newest = " ".join(f"{100 * (row.mean - row.newest):+.1f}" for row in group)
    over_best = " ".join(f"{100 * (row.mean - row.best):+.1f}" for row in group)
    return [
        kind,
        f"{schedule} {place}: × {statistics.mean(row.rate for row in group):.2g}",
        *(
            f"{100 * statistics.mean(values):.1f}"
            for values in zip(*((row.newest, row.best, row.mean) for row in group), strict=True)
        ),
        f"{over_newest}, {over_best}",
        f"{sum(row.offered for row in group)} of {len(group)}",
    ]


def summary(rows: Sequence[Row]) -> str:
    """What the rows say of when a mean gains, and of running statistics."""
    lines = []
    for name, chosen in (
        ("offered", [row for row in rows if row.offered]),
        ("not offered", [row for row in rows if not row.offered]),
        ("a rate of a quarter and more", [row for row in rows if row.rate >= 0.25]),
        ("a lower rate", [row for row in rows if row.rate < 0.25]),
    ):
        if chosen:
            newest = [100 * (row.mean - row.newest) for row in chosen]
            best = [100 * (row.mean - row.best) for row in chosen]
            lines.append(
                f"{name}: {len(chosen)}; above the newest {sum(one > 0.05 for one in newest)}, by "
                f"{statistics.mean(newest):+.1f} points; above the best "
                f"{sum(one > 0.05 for one in best)}, by {statistics.mean(best):+.1f}"
            )
    normalised = [row for row in rows if row.refreshed is not None]
    if normalised:
        lines.append(
            "running statistics averaged "
            f"{100 * statistics.mean(row.mean for row in normalised):.1f}, of the newest "
            f"{100 * statistics.mean(row.old_statistics or 0.0 for row in normalised):.1f}, of "
            f"update_bn {100 * statistics.mean(row.refreshed or 0.0 for row in normalised):.1f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--kind", default="")
    parser.add_argument("--seeds", type=int, default=2, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.write:
        find_place(PAGE, MARK)
    rows: list[Row] = []
    kinds = [name for name in KINDS if options.kind in name]
    for name in kinds[: 1 if options.quick else None]:
        for schedule in SCHEDULES:
            count = 1 if options.quick else options.seeds
            for seed in range(options.first, options.first + count):
                start = time.monotonic()
                with tempfile.TemporaryDirectory() as folder:
                    rows += rows_of(name, schedule, seed, Path(folder))
                print(
                    f"{name}, {schedule}, seed {seed}: {time.monotonic() - start:.0f} s", flush=True
                )
    print(table(rows))
    print(summary(rows))
    if options.write:
        put(PAGE, MARK, table(rows))


if __name__ == "__main__":
    main()
