"""One checkpoint and its statistics to findings. Add a rule: write the class, add it here."""

from __future__ import annotations

from ckptdoctor.rules.base import Case, Rule
from ckptdoctor.rules.container import (
    ChangedWhileRead,
    ChecksumMismatch,
    CodeInPickle,
    DamagedStructure,
    LimitExceeded,
    NotACheckpoint,
    Truncated,
    Unreadable,
    UnsafeClass,
)
from ckptdoctor.rules.training_state import NonFiniteEma, NonFiniteOptimizer, NonFiniteScaler
from ckptdoctor.rules.verdict import verdict_of
from ckptdoctor.rules.weights import InfByDesign, InfInWeights, NanInWeights

__all__ = ["ALL_RULES", "Case", "Rule", "verdict_of"]

ALL_RULES: tuple[type[Rule], ...] = (
    NotACheckpoint,
    Truncated,
    ChecksumMismatch,
    DamagedStructure,
    UnsafeClass,
    CodeInPickle,
    LimitExceeded,
    Unreadable,
    ChangedWhileRead,
    NanInWeights,
    InfInWeights,
    InfByDesign,
    NonFiniteOptimizer,
    NonFiniteScaler,
    NonFiniteEma,
)
"""Every rule, in the order of the codes."""
