"""What a rule is: a class that looks at one checkpoint in its run and says what it noticed."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import ClassVar

from ckptdoctor.checkpoint import (
    Checkpoint,
    Problem,
    Role,
    Scalar,
    TensorRecord,
    TensorStats,
    ZeroTail,
)
from ckptdoctor.finding import Evidence, Finding, Severity
from ckptdoctor.histories import History
from ckptdoctor.layouts.files import CheckpointFiles, Part, PartRole
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Metadata
from ckptdoctor.report import CheckpointReport
from ckptdoctor.runs.run import NO_RUN, Run

__all__ = ["Case", "PartCase", "Rule"]

Pair = tuple[TensorRecord, TensorStats]
"""A tensor, and what its elements are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that is known of one checkpoint when the rules look at it.

    Attributes:
        checkpoint: as the reader described it.
        stats: by fqn, for every tensor whose bytes are there.
        problems: what reader and scan met.
        unchecked: records without a stored checksum.
        metadata: epoch, step and metric.
        zero_tail: the zeros that the file ends with; None where there are none.
        run: the checkpoints that it was saved among.
        files: those that form it; None where it is a part of such.
        parts: what is known of each of its files; () for a single file.
    """

    checkpoint: Checkpoint
    stats: Mapping[str, TensorStats]
    problems: tuple[Problem, ...]
    unchecked: int
    metadata: Metadata
    zero_tail: ZeroTail | None = None
    run: Run = field(default=NO_RUN, repr=False)
    files: CheckpointFiles | None = field(default=None, repr=False)
    parts: tuple[PartCase, ...] = field(default=(), repr=False)
    _pairs: dict[tuple[Role, ...] | None, Sequence[Pair]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def lacks_weights(self) -> bool:
        """Whether a file that held weights of the model is missing, or cannot be read."""
        lost = [one.part.role for one in self.parts if one.failed]
        lost += [absent.role for absent in (self.files.absent if self.files is not None else ())]
        return PartRole.MODEL in lost

    def tensors(self, *roles: Role) -> Iterator[Pair]:
        """The tensors that were measured, of these roles or of all."""
        found = self._pairs.get(roles)
        if found is None:  # every rule asks for them
            found = self._pairs[roles] = self._measured(roles)
        return iter(found)

    def non_finite(self, *roles: Role) -> Iterator[Pair]:
        """The tensors with at least one NaN or Inf."""
        bad = self._pairs.get(None)
        if bad is None:
            bad = self._pairs[None] = [pair for pair in self.tensors() if pair[1].non_finite]
        return (pair for pair in bad if not roles or pair[0].role in roles)

    def _measured(self, roles: tuple[Role, ...]) -> Sequence[Pair]:
        if roles:
            return [pair for pair in self.tensors() if pair[0].role in roles]
        known = self.stats
        return [(one, known[one.fqn]) for one in self.checkpoint.tensors if one.fqn in known]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCase:
    """All that is known of one file of a checkpoint that consists of several.

    Attributes:
        part: the file, and what it is in the checkpoint.
        case: what is in it, by the names of the checkpoint; None where nothing could be read, and
            for a text.
        nbytes: its size.
        format: None where nothing could be read.
        failed: why nothing could be read.
    """

    part: Part
    case: Case | None = None
    nbytes: int = 0
    format: str | None = None
    failed: tuple[Finding, ...] = ()

    @property
    def values(self) -> dict[str, Scalar]:
        """What it holds beside tensors, by the names that the file gives them."""
        prefix, case = self.part.prefix, self.case
        if case is None:
            return {}
        return {name.removeprefix(prefix): one for name, one in case.checkpoint.scalars.items()}


class Rule:
    """One judgement. The docstring of a subclass is what ``ckptdoctor explain`` shows.

    Its first line is the title. The paragraphs that follow say what it means, how sure it is, and,
    after ``What to do:``, the remedy.

    Attributes:
        code: ``CDnnn``.
        severity: that of its findings, unless it says otherwise.
        label: the title in two or three words, for a table.
        of_file: whether it looks at one file, and so at each part of a checkpoint on its own.
    """

    code: ClassVar[str]
    severity: ClassVar[Severity]
    label: ClassVar[str]
    of_file: ClassVar[bool] = False

    def check(self, case: Case) -> Iterator[Finding]:  # noqa: ARG002
        """What the rule noticed about the checkpoint, nothing if all is well."""
        return iter(())

    def check_run(self, run: Run, rows: Sequence[CheckpointReport]) -> Iterator[Finding]:  # noqa: ARG002
        """What the rule noticed about a run as a whole, given the reports in its order."""
        return iter(())

    def check_history(self, history: History) -> Iterator[Finding]:  # noqa: ARG002
        """What the rule noticed about the metrics of a run over its epochs."""
        return iter(())

    @classmethod
    def title(cls) -> str:
        """The rule in a few words."""
        return inspect.cleandoc(cls.__doc__ or "").splitlines()[0].rstrip(".")

    @classmethod
    def meaning(cls) -> str:
        """What it means and how sure it is: the paragraphs between title and remedy."""
        body = inspect.cleandoc(cls.__doc__ or "").partition("\n")[2]
        return body.partition("What to do:")[0].strip()

    @classmethod
    def remedy(cls) -> str:
        """What to do, in general; a sentence or more, code between single backticks."""
        _, _, advice = inspect.cleandoc(cls.__doc__ or "").partition("What to do:")
        text = " ".join(advice.replace("``", "`").split())
        return text[:1].upper() + text[1:]

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
