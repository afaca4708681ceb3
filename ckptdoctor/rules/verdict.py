"""The verdict that findings add up to, and the only place that says so."""

from __future__ import annotations

from collections.abc import Iterable

from ckptdoctor.checkpoint import Role, TensorRecord
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.weightless import has_weights

__all__ = ["verdict_of"]

_BROKEN_WEIGHTS = frozenset({"CD201", "CD202"})
_BROKEN_STATE = frozenset({"CD301", "CD302", "CD304", "CD305"})
_OF_THE_TRAINING = frozenset({"CD411"})
"""What the next steps do with the weights: nothing is odd about the file."""
_NOTHING_TO_READ = frozenset({"CD101", "CD108"})


def verdict_of(findings: Iterable[Finding], tensors: Iterable[TensorRecord] | None) -> Verdict:
    """What a checkpoint with these findings is good for.

    Args:
        findings: all of them.
        tensors: of the checkpoint; None where nothing could be read.
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
    if codes & _BROKEN_STATE or lost or hit:
        return Verdict.SALVAGEABLE
    if "CD102" in codes:  # cut, but every tensor is whole, if there are any
        return Verdict.SALVAGEABLE if tensors else Verdict.UNREADABLE
    odd = [finding for finding in serious if finding.code not in _OF_THE_TRAINING]
    return Verdict.HEALTHY if not odd and has_weights(tensors) else Verdict.SUSPECT


def _damaged_roles(findings: Iterable[Finding], tensors: Iterable[TensorRecord]) -> set[Role]:
    """The parts of the state whose bytes are not what torch wrote."""
    damaged: set[str] = set()
    roles: set[Role] = set()
    for finding in findings:
        if finding.code in ("CD103", "CD104"):
            names = finding.evidence.get("tensors")
            damaged.update(names if isinstance(names, list) else ())
            damaged.add(finding.subject)
            if "role" in finding.evidence:  # of a tensor that could not even be described
                roles.add(Role(finding.evidence["role"]))
    return roles | {tensor.role for tensor in tensors if tensor.fqn in damaged}
