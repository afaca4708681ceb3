"""The verdict that findings add up to, and the only place that says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ckptdoctor.checkpoint import Role, TensorRecord
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.layouts.files import PartRole
from ckptdoctor.weightless import has_weights

__all__ = ["DECISIVE", "verdict_of", "verdict_of_part", "verdict_of_parts"]

_BROKEN_WEIGHTS = frozenset({"CD201", "CD202"})
_BROKEN_STATE = frozenset({"CD301", "CD302", "CD304", "CD305"})
_OF_THE_TRAINING = frozenset({"CD411"})
"""What the next steps do with the weights: nothing is odd about the file."""
_NOTHING_TO_READ = frozenset({"CD101", "CD108"})
DECISIVE = (_BROKEN_WEIGHTS | _BROKEN_STATE) - {"CD305"}
"""What says of the tensors of one file what that file is good for."""
_MINOR = frozenset({Role.OTHER, Role.SCHEDULER})
_STATE_ROLES = frozenset({PartRole.EMA, PartRole.OPTIMIZER, PartRole.SCALER})


def verdict_of(
    findings: Iterable[Finding],
    tensors: Iterable[TensorRecord] | None,
    *,
    needs_weights: bool = True,
    of_several: bool = False,
) -> Verdict:
    """What a checkpoint with these findings is good for.

    Args:
        findings: all of them.
        tensors: of the checkpoint; None where nothing could be read.
        needs_weights: whether it is odd without a model's weights.
        of_several: whether it consists of several files, or is one of them: then a random state or
            a schedule that is damaged makes it odd, as one in a file of its own does.
    """
    if tensors is None:
        return Verdict.UNREADABLE
    tensors = list(tensors)
    serious = [finding for finding in findings if finding.severity >= Severity.WARNING]
    codes = {finding.code for finding in serious if finding.severity is Severity.ERROR}
    if codes & _NOTHING_TO_READ:
        return Verdict.UNREADABLE
    lost = {tensor.role for tensor in tensors if tensor.lost}
    if codes & _BROKEN_WEIGHTS or Role.MODEL in lost:
        return Verdict.CORRUPT
    hit = _damaged_roles(serious, tensors)
    if Role.MODEL in hit:
        return Verdict.CORRUPT
    beside = (lost | hit) - (_MINOR if of_several else frozenset())
    if codes & _BROKEN_STATE or beside:
        return Verdict.SALVAGEABLE
    if "CD102" in codes:  # cut, but every tensor is whole, if there are any
        return Verdict.SALVAGEABLE if tensors else Verdict.UNREADABLE
    if lost | hit:
        return Verdict.SUSPECT
    odd = [finding for finding in serious if finding.code not in _OF_THE_TRAINING]
    whole = not needs_weights or has_weights(tensors)
    return Verdict.HEALTHY if not odd and whole else Verdict.SUSPECT


def verdict_of_part(findings: Iterable[Finding], tensors: Iterable[TensorRecord]) -> Verdict:
    """What one file of a checkpoint is good for; nobody expects a model in an optimizer's."""
    return verdict_of(findings, tensors, needs_weights=False, of_several=True)


def verdict_of_parts(
    findings: Sequence[Finding],
    tensors: Sequence[TensorRecord],
    parts: Iterable[tuple[PartRole, Verdict]],
) -> Verdict:
    """What a checkpoint of several files is good for: as much as its worst needed part.

    Args:
        findings: all of them; those about one file, there or missing, say which in their evidence.
        tensors: of the parts that are needed.
        parts: what each file holds, and what it is good for by itself.
    """
    whole = [f for f in findings if "part_role" not in f.evidence and f.code != "CD111"]
    verdicts = [verdict_of(whole, tensors, of_several=True)]
    verdicts += [_cost(role, verdict) for role, verdict in parts]
    verdicts += [
        _cost(PartRole(str(finding.evidence["role"])), Verdict.UNREADABLE)
        if "role" in finding.evidence
        else Verdict.SUSPECT
        for finding in findings
        if finding.code == "CD111"
    ]
    worst = max(verdicts, key=lambda verdict: verdict.rank)
    lost = worst is Verdict.CORRUPT and not has_weights(tensors)
    return Verdict.UNREADABLE if lost else worst


def _cost(role: PartRole, verdict: Verdict) -> Verdict:
    """What it means for the checkpoint that a part is what it is."""
    if verdict in (Verdict.HEALTHY, Verdict.SUSPECT):
        return verdict
    if verdict is Verdict.CORRUPT:  # weights lie in it, whatever else does
        return verdict
    if role is PartRole.MODEL:
        return Verdict.SALVAGEABLE if verdict is Verdict.SALVAGEABLE else Verdict.CORRUPT
    return Verdict.SALVAGEABLE if role in _STATE_ROLES else Verdict.SUSPECT


def _damaged_roles(findings: Iterable[Finding], tensors: Iterable[TensorRecord]) -> set[Role]:
    """The parts of the state whose bytes are not what torch wrote."""
    damaged: set[str] = set()
    roles: set[Role] = set()
    for finding in findings:
        if finding.code in ("CD103", "CD104"):
            names = finding.evidence.get("tensors")
            damaged.update(names if isinstance(names, list) else ())
            damaged.add(finding.subject)
            role = finding.evidence.get("role")
            if role in _ROLES:  # of a tensor that could not even be described
                roles.add(Role(role))
    return roles | {tensor.role for tensor in tensors if tensor.fqn in damaged}


_ROLES = frozenset(role.value for role in Role)
