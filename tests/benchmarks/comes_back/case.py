"""What a case is: a training that is healthy, and what kills it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.benchmarks.comes_back.tasks import TASKS, Task

__all__ = ["Case", "Kind", "Told"]


class Kind(StrEnum):
    """What killed it."""

    RATE = "rate"
    EVENT = "event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A case without its name and its reason, which come from the function that makes it.

    Attributes:
        healthy: arguments of the training script that end well.
        cause: arguments that are put behind them in the run that dies; the last of two counts.
        fault: an event within the run, as ``name:epoch``; a restart goes without it.
        stage: the epoch up to which it runs without the cause; then it is resumed with it.
        told: what is said to ``plan`` beyond the command.
    """

    healthy: str
    cause: str = ""
    fault: str = ""
    stage: int = 0
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One training, its healthy twin and its cause of death."""

    name: str
    kind: Kind
    why: str
    healthy: str
    cause: str
    fault: str
    stage: int
    told: str
    quick: bool

    @classmethod
    def of(cls, make: Callable[[], Told], kind: Kind, *, quick: bool) -> Case:
        """Named after the function that tells it; the first line of its docstring is the reason."""
        one = make()
        return cls(
            name=make.__name__.replace("_", "-"),
            kind=kind,
            why=(make.__doc__ or "").strip(),
            healthy=one.healthy,
            cause=one.cause,
            fault=one.fault,
            stage=one.stage,
            told=one.told,
            quick=quick,
        )

    @property
    def learns(self) -> Task:
        """The task."""
        words = self.healthy.split()
        return TASKS[words[words.index("--task") + 1]]

    @property
    def struck(self) -> int:
        """The epoch of the event; 0 where the rate kills."""
        return int(self.fault.partition(":")[2] or 0)

    @property
    def cuts(self) -> bool:
        """Whether the event stops the run with a damaged file and leaves its score alone."""
        return self.fault.startswith(("flip", "cut"))

    def arguments(self, seed: int) -> str:
        """Of the run that dies, as they are typed."""
        words = self.healthy.split()
        new = self.cause.split()
        for at, word in enumerate(new):
            if word.startswith("--") and word in words:
                words[words.index(word) + 1] = new[at + 1]
        known = set(words)
        for at, word in enumerate(new):
            if word.startswith("--") and word not in known:
                words.append(word)
                words += (
                    new[at + 1 : at + 2] if at + 1 < len(new) and new[at + 1][:2] != "--" else []
                )
        resume = f" --resume checkpoints/checkpoint_epoch_{self.stage:03d}.pt" if self.stage else ""
        return f"{' '.join(words)} --seed {seed}{resume} --save-dir checkpoints"
