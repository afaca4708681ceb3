"""A cause that is thinkable, with what speaks for it and against it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field, replace

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.causes.cause import CauseKind

__all__ = ["KIND_OF", "Kind", "Suspicion", "Witness"]

_CLEAR, _LIKELY, _POSSIBLE = 2.75, 1.75, 0.75


class Kind(enum.Enum):
    """What sort of cause it is: what a witness speaks for or against."""

    RATE = "rate"
    OWN_RATE = "own_rate"
    FROZEN = "frozen"
    GROWTH = "growth"
    ELEMENT = "element"
    BATCH = "batch"
    BAD_STEP = "bad_step"
    REPLACED = "replaced"
    INPUTS = "inputs"
    OVERFLOW = "overflow"
    FILE = "file"
    AVERAGE = "average"
    OTHER = "other"


KIND_OF: Mapping[CauseKind, Kind] = {
    CauseKind.RATE_JUMPED: Kind.RATE,
    CauseKind.RATE_TOO_HIGH: Kind.RATE,
    CauseKind.SCHEDULE_RESTARTED: Kind.RATE,
    CauseKind.GRADIENTS_GREW: Kind.RATE,
    CauseKind.ADDED: Kind.RATE,
    CauseKind.BATCH_SIZE: Kind.RATE,
    CauseKind.OPTIMIZER_LOST: Kind.RATE,
    CauseKind.OVERFLOW: Kind.OVERFLOW,
    CauseKind.WEIGHTS_REPLACED: Kind.REPLACED,
    CauseKind.BAD_BATCH: Kind.BATCH,
    CauseKind.DATA_CHANGED: Kind.INPUTS,
    CauseKind.POISONED_STATE: Kind.AVERAGE,
    CauseKind.POISONED_MOMENTS: Kind.BAD_STEP,
    CauseKind.BROKEN_SAVING: Kind.FILE,
    CauseKind.UNKNOWN: Kind.OTHER,
}
"""What rates, losses and settings tell of, as a sort of cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A figure of the tensors, and what it says of each sort of cause.

    Attributes:
        words: a sentence with figures.
        says: by sort of cause, how much it speaks for it, or against where it is negative; one is
            as much as lies between possible and likely.
    """

    words: str
    says: Mapping[Kind, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """A cause that is thinkable.

    Attributes:
        kind: what sort it is.
        title: in a few words.
        score: how far the evidence goes: 1 is possible, 2 likely, 3 clear; less is unlikely.
        reasons: what speaks for it, with figures.
        against: what speaks against it.
        todo: what to do about it.
    """

    kind: Kind
    title: str
    score: float
    reasons: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    todo: tuple[str, ...] = field(default=())

    @property
    def word(self) -> str:
        """How sure it is."""
        if self.score >= _CLEAR:
            return "clear"
        if self.score >= _LIKELY:
            return "likely"
        return "possible" if self.score >= _POSSIBLE else "unlikely"

    @property
    def is_unlikely(self) -> bool:
        """Whether more speaks against it than for it."""
        return self.score < _POSSIBLE

    def heard(self, witness: Witness) -> Suspicion:
        """The same, once a witness was heard."""
        weight = witness.says.get(self.kind, 0.0)
        if not weight:
            return self
        told = (witness.words,)
        return replace(
            self,
            score=self.score + weight,
            reasons=self.reasons + (told if weight > 0.0 else ()),
            against=self.against + (told if weight < 0.0 else ()),
        )
