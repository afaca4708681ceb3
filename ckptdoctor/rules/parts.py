"""CD111 and CD112: checkpoints of several files, and what points to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ckptdoctor.finding import Finding, Severity
from ckptdoctor.layouts.files import Absent, Part, PartRole, Pointer
from ckptdoctor.places import place_of
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules.base import Case, Rule
from ckptdoctor.runs.foreign import StrangePart
from ckptdoctor.runs.run import Run

__all__ = ["DanglingPointer", "IncompleteCheckpoint", "is_needed", "of_part"]

_NEEDED = frozenset({PartRole.MODEL, PartRole.EMA, PartRole.OPTIMIZER, PartRole.SCALER})
_HOSTILE = frozenset({"CD106", "CD107"})
_COSTS = {
    PartRole.MODEL: "weights of the model are lost",
    PartRole.EMA: "the averaged weights are lost",
    PartRole.OPTIMIZER: "a resume starts with a fresh optimizer",
    PartRole.SCALER: "a resume starts with a fresh loss scale",
    PartRole.SCHEDULER: "a resume starts the schedule again",
    PartRole.RNG: "a resume draws other random numbers",
    PartRole.STATE: "a resume does not know where the training stood",
    PartRole.ARGS: "the arguments of the training are lost",
    PartRole.CUSTOM: "what the script kept in it is lost",
}
_SHOWN = 3
_LISTED = 20
_TOLD = 500  # parts that are missing, each with a finding of its own


def is_needed(role: PartRole) -> bool:
    """Whether the state of the training is less without it; the others make it odd at most."""
    return role in _NEEDED


def of_part(finding: Finding, part: Part) -> Finding:
    """A finding about a file, as one about the checkpoint that the file is a part of."""
    severity = finding.severity
    if not is_needed(part.role) and finding.code not in _HOSTILE:
        severity = min(severity, Severity.WARNING)
    whole = finding.subject == "file"
    return replace(
        finding,
        severity=severity,
        subject=part.name if whole else finding.subject,
        message=finding.message if whole else f"in {part.name}: {finding.message}",
        evidence={**finding.evidence, "part": part.name, "part_role": part.role.value},
    )


class IncompleteCheckpoint(Rule):
    """A part is missing.

    The checkpoint consists of several files, and one that an index, a count of ranks, or every
    other checkpoint of the run has is not there. Certain where an index or a count says so. Without
    a shard of the model the weights are lost; without the optimizer a resume starts a fresh one,
    and most frameworks say nothing about it. As a warning: what is missing costs no more than the
    order of the data, or a setting; or a part is the same in two checkpoints of the run and
    different in all others, while the rest of the two differs: one of them has the file of the
    other, and nobody can tell which.

    What to do: copy the missing file again from where it was written; if it was never written, go
    on from an earlier checkpoint.
    """

    code = "CD111"
    severity = Severity.ERROR
    label = "part missing"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a part that is not there, up to a bound."""
        absent = sorted(
            case.files.absent if case.files is not None else (),
            key=lambda one: not is_needed(one.role),
        )
        yield from map(self._say, absent[:_TOLD])
        yield from self._more(absent[_TOLD:])
        roles = {one.part.name: one.part.role for one in case.parts}
        for one in case.run.strange_parts.get(case.checkpoint.path, ()):
            yield self._strange(one, roles.get(one.name, PartRole.STATE))

    def _more(self, untold: Sequence[Absent]) -> Iterator[Finding]:
        """All others as one for each role: an index may name a million files."""
        for role, count in Counter(one.role for one in untold).items():
            yield self.finding(
                "file",
                f"{count} more parts are missing: {_COSTS[role]}",
                severity=None if is_needed(role) else Severity.WARNING,
                role=role.value,
                count=count,
            )

    def _strange(self, one: StrangePart, role: PartRole) -> Finding:
        other = one.other.path
        if one.is_foreign:
            return self.finding(
                one.name,
                f"it is that of {other.name}, by the steps that it counts; its own is lost",
                severity=None if is_needed(role) else Severity.WARNING,
                part=one.name,
                role=role.value,
                other=str(other),
            )
        return self.finding(
            one.name,
            f"it is the same in {other.name}, and the rest is not: one of the two checkpoints has "
            "the file of the other",
            severity=Severity.WARNING,
            remedy="Go on from another checkpoint, or copy the file again for both.",
            part=one.name,
            other=str(other),
        )

    def _say(self, absent: Absent) -> Finding:
        what = absent.problem or "missing"
        return self.finding(
            absent.name,
            f"{what}: {absent.because}; {_cost(absent)}",
            severity=None if is_needed(absent.role) else Severity.WARNING,
            part=absent.name,
            role=absent.role.value,
            is_there=bool(absent.problem),
            tensors=list(absent.tensors[:_LISTED]),
            count=len(absent.tensors),
        )


def _cost(absent: Absent) -> str:
    if absent.role is PartRole.MODEL and absent.tensors:
        shown = ", ".join(absent.tensors[:_SHOWN])
        more = len(absent.tensors) - _SHOWN
        return f"it holds {shown}" + (f" and {more} more tensors" if more > 0 else "")
    return _COSTS[absent.role]


class DanglingPointer(Rule):
    """A pointer that leads nowhere.

    A file such as ``latest`` or ``last_checkpoint`` names the checkpoint to go on from, and no
    checkpoint of that name is there: it was deleted, or was never written to its end. A resume that
    follows the pointer fails, or starts from nothing without a word.

    What to do: write the name of a sound checkpoint into it, or name the checkpoint when you
    resume.
    """

    code = "CD112"
    severity = Severity.ERROR
    label = "dangling pointer"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding a pointer that a resume from this checkpoint follows."""
        yield from (self._say(one) for one in case.run.pointers if _is_inside(one, case))

    def check_run(self, run: Run, rows: Sequence[CheckpointReport]) -> Iterator[Finding]:
        """One finding a pointer that lies beside the checkpoints."""
        folders = {place_of(row.path) for row in rows} if run.pointers else set()
        for pointer in run.pointers:
            if pointer.leads_to is None and place_of(pointer.path.parent) not in folders:
                yield self._say(pointer)

    def _say(self, pointer: Pointer) -> Finding:
        said = f"says {pointer.target!r}, and there is no such checkpoint"
        if not pointer.target:
            said = "says nothing, and a resume goes on from what it names"
        return self.finding(
            pointer.path.name,
            f"{pointer.path.name} {said}",
            path=str(pointer.path),
            target=pointer.target,
        )


def _is_inside(pointer: Pointer, case: Case) -> bool:
    inside = place_of(pointer.path.parent) == place_of(case.checkpoint.path)
    return inside and pointer.leads_to is None
