"""What a diagnosis returns: findings, and the verdict that follows from them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Aside", "Evidence", "Finding", "SetAside", "Severity", "Verdict", "Weighed"]

Evidence = object
"""A value that JSON can hold once non-finite floats are spelled out."""


class Severity(enum.IntEnum):
    """How much a finding matters; ordered, so that ``>=`` reads as "at least"."""

    INFO = 10
    WARNING = 20
    ERROR = 30

    @property
    def label(self) -> str:
        """The name in JSON and on the command line."""
        return self.name.lower()


class Verdict(enum.Enum):
    """What a checkpoint is good for, best first."""

    HEALTHY = "healthy"
    SUSPECT = "suspect"  # finite, with something odd
    SALVAGEABLE = "salvageable"  # sound model weights beside something that is not
    CORRUPT = "corrupt"  # non-finite or lost model weights
    UNREADABLE = "unreadable"

    @property
    def rank(self) -> int:
        """0 for healthy up to 4 for unreadable."""
        return list(Verdict).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """That the user gave a finding another severity than its rule.

    Attributes:
        was: what the rule gave.
        by: who wants so: an option, a variable, a file.
    """

    was: Severity
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a rule noticed.

    Attributes:
        code: ``CDnnn``; see ``ckptdoctor explain``.
        severity: how much it matters.
        subject: what it is about: an fqn, a record, a file.
        message: one sentence, with its figures.
        evidence: the same figures for machines.
        remedy: what to do, or "".
        weighed: where the severity is the user's and not the rule's.
    """

    code: str
    severity: Severity
    subject: str
    message: str
    evidence: Mapping[str, Evidence] = field(default_factory=lambda: MappingProxyType({}))
    remedy: str = ""
    weighed: Weighed | None = None

    @property
    def is_lowered(self) -> bool:
        """Whether it counts less than its rule says, because the user wants so."""
        return self.weighed is not None and self.severity < self.weighed.was


class Aside(enum.Enum):
    """Why a finding does not count."""

    NOT_SELECTED = "not selected"
    IGNORED = "ignored"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A finding that the user wants neither shown nor counted; the verdict rests upon it still.

    Attributes:
        finding: as the rule made it.
        why: what was done with it.
        by: who wants so: an option, a variable, a file.
    """

    finding: Finding
    why: Aside
    by: str
