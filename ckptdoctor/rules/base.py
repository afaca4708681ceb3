"""What a rule is: a class that looks at one checkpoint and says what it noticed."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from ckptdoctor.checkpoint import Checkpoint, Problem, TensorRecord, TensorStats
from ckptdoctor.finding import Evidence, Finding, Severity
from ckptdoctor.metadata import Metadata

__all__ = ["Case", "Rule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that is known of one checkpoint when the rules look at it.

    Attributes:
        checkpoint: as the reader described it.
        stats: by fqn, for every tensor whose bytes are there.
        problems: what reader and scan met.
        unchecked: records without a stored checksum.
        metadata: epoch, step and metric.
    """

    checkpoint: Checkpoint
    stats: Mapping[str, TensorStats]
    problems: tuple[Problem, ...]
    unchecked: int
    metadata: Metadata

    def non_finite(self) -> Iterator[tuple[TensorRecord, TensorStats]]:
        """The tensors with at least one NaN or Inf."""
        for tensor in self.checkpoint.tensors:
            stats = self.stats.get(tensor.fqn)
            if stats is not None and stats.non_finite:
                yield tensor, stats


class Rule:
    """One judgement. The docstring of a subclass is what ``ckptdoctor explain`` shows.

    Its first line is the title. The paragraphs that follow say what it means, how sure it is, and,
    after ``What to do:``, the remedy.
    """

    code: ClassVar[str]
    severity: ClassVar[Severity]

    def check(self, case: Case) -> Iterator[Finding]:
        """What the rule noticed about the checkpoint, nothing if all is well."""
        raise NotImplementedError

    @classmethod
    def title(cls) -> str:
        """The rule in a few words."""
        return inspect.cleandoc(cls.__doc__ or "").splitlines()[0].rstrip(".")

    @classmethod
    def remedy(cls) -> str:
        """What to do, in general."""
        _, _, advice = inspect.cleandoc(cls.__doc__ or "").partition("What to do:")
        return " ".join(advice.split())

    def finding(
        self,
        subject: str,
        message: str,
        *,
        severity: Severity | None = None,
        remedy: str | None = None,
        **evidence: Evidence,
    ) -> Finding:
        """A finding of this rule."""
        return Finding(
            code=self.code,
            severity=severity or self.severity,
            subject=subject,
            message=message,
            evidence=evidence,
            remedy=self.remedy() if remedy is None else remedy,
        )

    def from_problems(self, case: Case) -> Iterator[Finding]:
        """The problems with this rule's code that reader and scan met, as findings."""
        return (self.from_problem(p) for p in case.problems if p.code == self.code)

    @classmethod
    def from_problem(cls, problem: Problem) -> Finding:
        """A problem as a finding; where it does not say what to do, the rule does."""
        return Finding(
            code=problem.code,
            severity=problem.severity,
            subject=problem.subject,
            message=problem.message,
            evidence=problem.evidence,
            remedy=problem.remedy or cls.remedy(),
        )
