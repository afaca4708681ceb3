"""Whether ``restore`` can make sound weights of bad ones, from what else is in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ckptdoctor.checkpoint import Role, TensorRecord, TensorStats
from ckptdoctor.dtypes import Kind
from ckptdoctor.finding import Finding, Severity
from ckptdoctor.formats.zip.flipped_bit import MOST_ODDS
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.rules.averaged import twins
from ckptdoctor.rules.base import Case
from ckptdoctor.rules.by_design import is_by_design
from ckptdoctor.shell import command_line

__all__ = ["Rescue", "repair_command", "rescue_command", "rescue_option"]

_USE_EMA = "--use-ema"
_RESET_BN = "--reset-bn"

_EDITED = ("torch-zip", "torch-legacy", "pickle")  # the others are copied as they are
_RUNNING = ("running_mean", "running_var")


@dataclass(frozen=True, slots=True)
class Rescue:
    """What else in a file may help where its weights are broken.

    Attributes:
        option: of ``restore``; "" where none makes the weights sound.
        advice: a sentence with the command, behind a space; "" where there is nothing to say.
        ema_finite: whether the averaged weights are finite; None where there are none.
    """

    option: str = ""
    advice: str = ""
    ema_finite: bool | None = None

    @property
    def evidence(self) -> dict[str, Any]:
        """What a finding says of it to programs."""
        return {"rescue": self.option} if self.option else {}

    @classmethod
    def of(cls, case: Case) -> Rescue:
        """What helps one checkpoint."""
        option, ema_finite = _option(case), _ema_is_finite(case)
        if not option:
            return cls(advice=f" {_FINITE}." if ema_finite else "", ema_finite=ema_finite)
        command = command_line("ckptdoctor", "restore", "--from", case.checkpoint.path, option)
        return cls(option, f" {_WHY[option]}: {command}", ema_finite)


_FINITE = "The EMA in this file is finite"
_WHY = {
    _USE_EMA: f"{_FINITE} and can take the place of the weights",
    _RESET_BN: "Nothing but running statistics is broken, and they can be reset",
}


def rescue_command(path: Path, findings: Iterable[Finding], *more: str | Path) -> str:
    """The command that rescues a checkpoint with these findings; "" where none does.

    Args:
        path: the checkpoint.
        findings: what the rules said of it.
        more: words behind the option.
    """
    known = list(findings)
    if command := repair_command(path, known, *more):
        return command
    option = rescue_option(known)
    return command_line("ckptdoctor", "restore", "--from", path, option, *more) if option else ""


def repair_command(
    path: Path, findings: Iterable[Finding], *more: str | Path, decided: bool = False
) -> str:
    """The command that puts a checkpoint's one wrong bit right; "" where there is none.

    Args:
        path: the checkpoint.
        findings: what the rules said of it.
        more: words behind the file.
        decided: whether it must be sure that a file is written, and nothing else has to be known.
    """
    unread = command_line("ckptdoctor", "repair", path)
    for finding in findings:
        file = finding.evidence.get("file")
        if "flipped_bit" in finding.evidence and isinstance(file, str):
            if decided and not _is_decided(finding):
                continue
            own = Path(file) == path  # of a folder it is one of its files
            return command_line("ckptdoctor", "repair", Path(file), *(more if own else ()))
        if finding.remedy.endswith(f": {unread}"):  # no tensor can be named, nor a bit of it
            return command_line("ckptdoctor", "repair", path, *more)
    return ""


def _is_decided(finding: Finding) -> bool:
    """Whether the checksum, or where the bit is, leaves no other damage to be thought of."""
    odds = finding.evidence.get("odds", 0.0)
    exponent = finding.evidence.get("flipped_part") == "exponent"
    return exponent or (isinstance(odds, float) and odds <= MOST_ODDS)


def rescue_option(findings: Iterable[Finding]) -> str:
    """The option of ``restore`` that rescues a checkpoint with these findings; "" for none."""
    options = (finding.evidence.get("rescue") for finding in findings)
    return next((str(option) for option in options if option in (_USE_EMA, _RESET_BN)), "")


def _option(case: Case) -> str:
    """The option of ``restore`` that makes the weights sound; "" where none does."""
    checkpoint = case.checkpoint
    damaged = any(problem.severity > Severity.INFO for problem in case.problems)
    lost = any(tensor.lost for tensor in checkpoint.tensors)
    hostile = checkpoint.calls or any(use.runs_code for use in checkpoint.globals)
    if checkpoint.format not in _EDITED or damaged or lost or hostile:
        return ""
    bad = list(_unsound(case))
    if not bad:
        return ""
    if all(tensor.fqn.rpartition(".")[2] in _RUNNING for tensor in bad):
        return _RESET_BN if all(map(_may_be_reset, _statistics(case))) else ""
    return _USE_EMA if _ema_is_whole(case) else ""


def _unsound(case: Case) -> Iterator[TensorRecord]:
    """The tensors of the model that are not finite, or are variances below zero."""
    for tensor, stats in case.tensors(Role.MODEL):
        negative = tensor.fqn.endswith("running_var") and (stats.min or 0.0) < 0.0
        if negative or (stats.non_finite and not is_by_design(case, tensor, stats)):
            yield tensor


def _statistics(case: Case) -> Iterator[TensorRecord]:
    for tensor, _ in case.tensors(Role.MODEL, Role.EMA):
        if tensor.fqn.rpartition(".")[2] in _RUNNING:
            yield tensor


def _may_be_reset(tensor: TensorRecord) -> bool:
    """Whether its bytes can be replaced where they lie."""
    is_float = tensor.dtype_info.kind is Kind.FLOAT and tensor.dtype_info.itemsize > 1
    return is_float and tensor.storage is not None and tensor.storage.is_plain


def _ema_is_whole(case: Case) -> bool:
    """Whether the average has a sound counterpart of all weights, and can be put in their place."""
    averaged = dict[str, TensorStats]((t.fqn, stats) for t, stats in case.tensors(Role.EMA))
    model = [tensor for tensor, _ in case.tensors(Role.MODEL)]
    pairs, alone = twins(model, (t for t, _ in case.tensors(Role.EMA)))
    if not pairs or alone or any(averaged[twin.fqn].non_finite for _, twin in pairs):
        return False
    # Within an object of a class, bytes are exchanged, and have to be of the same kind.
    plain = all(use.allowed for use in case.checkpoint.globals)
    alike = all((a.dtype, a.stride) == (b.dtype, b.stride) for a, b in pairs)
    return plain or alike


def _ema_is_finite(case: Case) -> bool | None:
    """Whether the averaged weights are finite; None where there are none."""
    averaged = [tensor for tensor in case.checkpoint.tensors if tensor.role is Role.EMA]
    if not averaged:
        return None
    lost = any(tensor.lost for tensor in averaged)
    return not lost and next(case.non_finite(Role.EMA), None) is None
