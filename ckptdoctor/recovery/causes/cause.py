"""A cause: what it is, how sure, by what evidence, and what it asks of the learning rate."""

from __future__ import annotations

import enum

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Cause", "CauseKind", "Remedy", "Sure"]


class CauseKind(enum.Enum):
    """What may have killed a run."""

    RATE_JUMPED = "learning rate jumped"
    RATE_TOO_HIGH = "learning rate too high"
    SCHEDULE_RESTARTED = "schedule started again"
    OPTIMIZER_LOST = "resumed without the optimizer"
    GRADIENTS_GREW = "gradients made larger, learning rate not lower"
    ADDED = "what was added"
    BATCH_SIZE = "batch size changed, learning rate not"
    OVERFLOW = "half precision overflowed"
    WEIGHTS_REPLACED = "weights were reset or overwritten"
    BAD_BATCH = "a bad batch, or a bug"
    DATA_CHANGED = "data, targets or loss changed"
    POISONED_STATE = "the average or running statistics were poisoned"
    POISONED_MOMENTS = "the moments of the optimizer were poisoned"
    BROKEN_SAVING = "files were damaged as they were written, or since"
    UNKNOWN = "not known"


class Sure(enum.IntEnum):
    """How far the evidence goes."""

    POSSIBLE = 1
    LIKELY = 2
    CLEAR = 3

    @property
    def word(self) -> str:
        """In words."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What a cause asks of the learning rate.

    Attributes:
        factor: to multiply it with.
        low, high: between which it may lie.
        warmup_epochs: to add; 0 for none.
        reason: why this factor, in words that stand alone.
        decay: what a stored schedule that raises the rate has to multiply it with, or None.
        forget: whether the optimizer is to begin with empty moments.
    """

    factor: float
    low: float
    high: float
    warmup_epochs: int
    reason: str
    decay: float | None = None
    forget: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a run may have gone wrong.

    Attributes:
        kind: what it is.
        sure: how far the evidence goes.
        evidence: what speaks for it, sentences with figures.
        remedy: what it asks of the rate; None for nothing.
        todo: what to do beside, sentences; options and lines of code as they are typed.
    """

    kind: CauseKind
    sure: Sure
    evidence: tuple[str, ...]
    remedy: Remedy | None = None
    todo: tuple[str, ...] = ()

    @property
    def is_rate(self) -> bool:
        """Whether a lower rate is the cure."""
        return self.kind in _OF_THE_RATE

    def in_words(self) -> str:
        """``learning rate jumped (clear): …``."""
        return f"{self.kind.value} ({self.sure.word}): {'; '.join(self.evidence)}"


_OF_THE_RATE = frozenset(
    {
        CauseKind.RATE_JUMPED,
        CauseKind.RATE_TOO_HIGH,
        CauseKind.SCHEDULE_RESTARTED,
        CauseKind.OPTIMIZER_LOST,
        CauseKind.GRADIENTS_GREW,
        CauseKind.BATCH_SIZE,
        CauseKind.OVERFLOW,
    }
)
