"""The pickle at the start of a file: how torch's old format begins, and all of a bare pickle.

A bare pickle holds its tensors itself: torch's as files within it, numpy's as byte strings or,
where ``joblib.dump`` wrote it, behind their descriptions.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ckptdoctor.checkpoint import Problem, TensorRecord
from ckptdoctor.errors import (
    CheckpointError,
    CorruptCheckpointError,
    LimitExceededError,
    TruncatedCheckpointError,
    UnknownFormatError,
)
from ckptdoctor.finding import Severity
from ckptdoctor.formats.arrays import JOBLIB_ARRAY
from ckptdoctor.formats.joblib_arrays import JoblibMachine
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.nodes import (
    GlobalRef,
    Node,
    PickleError,
    PickleLimitError,
    PickleTruncatedError,
)
from ckptdoctor.formats.pickle.unfinished import unfinished
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.lean_dataclass import dataclass

__all__ = [
    "CUT_REMEDY",
    "FirstPickle",
    "cut_before_tensors",
    "cut_within",
    "error_from",
    "run_first",
]

CUT_REMEDY = "Copy it again from where it was written, or use an earlier checkpoint."


@dataclass(frozen=True, slots=True)
class FirstPickle:
    """What stands at the start of a file.

    Attributes:
        root: the object; of a pickle that is cut, what had been built of it.
        end: where the pickle ends.
        machine: which read it.
        is_cut: whether the file ends before the pickle does.
    """

    root: Node
    end: int
    machine: PickleMachine
    is_cut: bool = False


def run_first(
    path: Path,
    source: ByteSource,
    limits: Limits,
    machines: list[PickleMachine],
    *,
    track_scalars: bool = False,
) -> FirstPickle:
    """Read the first pickle, as its writer would.

    Args:
        path: of the file.
        source: its bytes, unpacked.
        limits: bounds on the work.
        machines: takes those that ran, for what they saw.
        track_scalars: as for the machine.

    Raises:
        UnknownFormatError: it is no pickle.
        CorruptCheckpointError: it cannot be read.
        LimitExceededError: reading would cost more than the file explains.
    """
    plain = _OrdinaryMachine(source, limits, track_scalars=track_scalars)
    machines.append(plain)
    try:
        first = _run(path, plain, source)
    except CheckpointError:
        if JOBLIB_ARRAY not in plain.globals:
            raise
    else:
        if JOBLIB_ARRAY not in plain.globals:
            return first
    joblib = JoblibMachine(source, limits, track_scalars=track_scalars)
    machines[:] = [joblib]
    try:
        return _run(path, joblib, source)
    finally:  # others take the bytes of arrays for opcodes
        joblib.adopt(plain, 0, until=plain.fails_at)


class _OrdinaryMachine(PickleMachine):
    """Reads a pickle as ``pickle.load`` does, and notes where that goes no further.

    Within an array of objects it takes texts from before it, and asks for what there is not:
    ``collections.dtype``.

    Attributes:
        fails_at: the first place where it does so, outside of files within the pickle.
    """

    __slots__ = ("fails_at",)

    def __init__(
        self, source: ByteSource, limits: Limits | None = None, *, track_scalars: bool = False
    ) -> None:
        super().__init__(source, limits, track_scalars=track_scalars)
        self.fails_at = sys.maxsize

    def name_global(self, module: Node, name: Node, at: int) -> GlobalRef:
        """The global that the opcode at ``at`` names; recorded."""
        if (
            type(module) is str
            and name == "dtype"
            and module.partition(".")[0] in sys.stdlib_module_names
        ):
            self.fails_at = min(self.fails_at, at)
        return super().name_global(module, name, at)


def _run(path: Path, machine: PickleMachine, source: ByteSource) -> FirstPickle:
    try:
        root, end = machine.run(0)
    except PickleTruncatedError as error:
        _refuse_stranger(path, machine, source, error)
        return FirstPickle(unfinished(machine), source.nbytes, machine, is_cut=True)
    except PickleLimitError as error:
        raise error_from(path, error) from error
    except PickleError as error:
        _refuse_stranger(path, machine, source, error)
        raise error_from(path, error) from error
    return FirstPickle(root, end, machine)


def _refuse_stranger(
    path: Path, machine: PickleMachine, source: ByteSource, error: PickleError
) -> None:
    head = source.read(0, 2)
    looks_pickled = len(head) == 2 and head[0] == 0x80 and 2 <= head[1] <= 5
    if not (machine.globals or machine.persistent_ids or looks_pickled):
        raise UnknownFormatError(
            path,
            "not a checkpoint: neither a zip archive nor a pickle",
            remedy="Compare its size and its checksum with the original's, and copy it again.",
        ) from error


def error_from(path: Path, error: PickleError) -> CheckpointError:
    """What a pickle that cannot be read says of its file."""
    if isinstance(error, PickleLimitError):
        return LimitExceededError(path, error.message, offset=error.offset)
    if isinstance(error, PickleTruncatedError):
        return cut_before_tensors(path, error.offset)
    return CorruptCheckpointError(path, error.message, offset=error.offset)


def cut_before_tensors(path: Path, offset: int) -> CheckpointError:
    """The file holds no tensor as a whole."""
    return TruncatedCheckpointError(
        path,
        "the file ends inside its pickle, before the first tensor",
        offset=offset,
        remedy=CUT_REMEDY,
    )


def cut_within(tensors: Sequence[TensorRecord]) -> Problem:
    """What is left of a pickle that holds its tensors itself; nobody knows how many it had."""
    whole = sum(not tensor.lost for tensor in tensors)
    lost = next((tensor.fqn for tensor in tensors if tensor.lost), None)
    count = "one tensor is" if whole == 1 else f"{whole} tensors are"
    return Problem(
        code="CD102",
        severity=Severity.ERROR,
        subject="file",
        message=f"the file is cut inside its pickle: {count} whole, what followed is lost",
        evidence={"whole": whole, "first_lost": lost},
        remedy=CUT_REMEDY,
    )
