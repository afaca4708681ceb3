"""One checkpoint in its run to findings. Add a rule: write the class, add it here."""

from __future__ import annotations

import difflib

from ckptdoctor.errors import UsageError
from ckptdoctor.rules.added import added_rules
from ckptdoctor.rules.base import Case, Rule
from ckptdoctor.rules.container import (
    ChangedWhileRead,
    ChecksumMismatch,
    CodeInPickle,
    DamagedStructure,
    LimitExceeded,
    NotACheckpoint,
    NotWhatWasRestored,
    Truncated,
    Unreadable,
    UnsafeClass,
)
from ckptdoctor.rules.leaving import ModuleLeavesPast
from ckptdoctor.rules.metrics import (
    LevelShift,
    LossExplosion,
    MetricCollapse,
    MetricDeclining,
    NonFiniteInLog,
    Stalled,
)
from ckptdoctor.rules.parts import DanglingPointer, IncompleteCheckpoint
from ckptdoctor.rules.resume import ResumeChangedOptimizer
from ckptdoctor.rules.run import (
    DuplicateContent,
    JumpInWeights,
    NameMismatch,
    NoRecentBackup,
    UntrustedBest,
)
from ckptdoctor.rules.training_state import (
    LossScaleCollapsed,
    NegativeSecondMoment,
    NonFiniteOptimizer,
    OptimizerMismatch,
    UnsoundEma,
)
from ckptdoctor.rules.verdict import verdict_of
from ckptdoctor.rules.weights import (
    ConstantWeights,
    InfByDesign,
    InfInWeights,
    InvalidRunningVar,
    NanInWeights,
    NearLimit,
    SanitisedWeights,
)

__all__ = [
    "ALL_RULES",
    "FAMILIES",
    "Case",
    "Rule",
    "all_rules",
    "find_rule",
    "find_rules",
    "verdict_of",
]

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
    NotWhatWasRestored,
    IncompleteCheckpoint,
    DanglingPointer,
    NanInWeights,
    InfInWeights,
    InfByDesign,
    NearLimit,
    ConstantWeights,
    SanitisedWeights,
    InvalidRunningVar,
    NonFiniteOptimizer,
    NegativeSecondMoment,
    OptimizerMismatch,
    LossScaleCollapsed,
    UnsoundEma,
    MetricDeclining,
    MetricCollapse,
    LossExplosion,
    NonFiniteInLog,
    UntrustedBest,
    NameMismatch,
    DuplicateContent,
    NoRecentBackup,
    Stalled,
    JumpInWeights,
    ResumeChangedOptimizer,
    LevelShift,
    ModuleLeavesPast,
)
"""Every rule of ours, in the order of the codes."""


def all_rules() -> tuple[type[Rule], ...]:
    """Ours, then those that installed packages add."""
    return (*ALL_RULES, *added_rules())


_CLOSE = 3
"""So many codes are near a wrong one; of them one of its family is meant."""


def find_rule(code: str) -> type[Rule]:
    """The rule with this code; ``cd201`` and ``201`` will do.

    Raises:
        UsageError: there is none; the message names the nearest, where it looks like a code.
    """
    wanted = code.strip().upper()
    wanted = f"CD{wanted}" if wanted.isdecimal() else wanted
    known = {rule.code: rule for rule in all_rules()}
    if wanted in known:
        return known[wanted]
    said = f"{code!r} is no code of a finding, and none speaks of it"
    if not any(map(str.isdigit, wanted)):  # a word, to which no code is near
        raise UsageError(f"{said}. All of them: ckptdoctor explain")
    close = difflib.get_close_matches(wanted, known, n=len(known), cutoff=0.0)
    nearest = min(close[:_CLOSE], key=lambda one: (one[:3] != wanted[:3], close.index(one)))
    raise UsageError(
        f"{said}; the nearest is {nearest} ({known[nearest].title()}). "
        "All of them: ckptdoctor explain"
    )


def find_rules(words: str) -> list[type[Rule]]:
    """The rule with this code, those whose codes begin so, or those that speak of a word.

    Those whose title has the word come first.

    Raises:
        UsageError: there is none; the message names the nearest.
    """
    wanted = words.strip().upper()
    if wanted.removeprefix("CD").isdecimal():
        begun = f"CD{wanted.removeprefix('CD')}"
        family = [rule for rule in all_rules() if rule.code.startswith(begun)]
        return family or [find_rule(words)]
    found = [rule for rule in all_rules() if _speaks_of(rule, wanted)]
    if not found:
        return [find_rule(words)]
    return sorted(found, key=lambda rule: wanted not in rule.title().upper())


def _speaks_of(rule: type[Rule], words: str) -> bool:
    return len(words) > 1 and words in f"{rule.title()} {rule.meaning()} {rule.remedy()}".upper()


FAMILIES = {
    "CD1": "The file as a container",
    "CD2": "Model tensors",
    "CD3": "Training state",
    "CD4": "Run and metrics",
}
"""The first three characters of a code -> what the rules have in common."""
