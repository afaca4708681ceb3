"""Files to cases where the workers of an executor read them.

Names, runs and verdicts are given here, from what comes back of each file, in the order in which
they would be had the files been read here. What cannot be sent is read here.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import TypeVar

from ckptdoctor.cache.memory import Question
from ckptdoctor.cache.result import FileState, Result, scanned_as
from ckptdoctor.cache.unpacking import Structures
from ckptdoctor.checkpoint import Checkpoint, Problem
from ckptdoctor.errors import UsageError
from ckptdoctor.executors.crew import Crew
from ckptdoctor.executors.ordering import order_for
from ckptdoctor.executors.task import Order
from ckptdoctor.executors.wire import Answer, failed_of, result_of
from ckptdoctor.formats import Repeats
from ckptdoctor.layouts.assemble import in_checkpoint
from ckptdoctor.layouts.files import CheckpointFiles, Part
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifests import Manifests
from ckptdoctor.measure import Examination, Reading, case_of, report_of
from ckptdoctor.one_file import Failed
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules import Case
from ckptdoctor.scanning.scanner import Scanner

__all__ = ["measured_elsewhere"]

T = TypeVar("T")


def measured_elsewhere(
    found: Sequence[CheckpointFiles],
    how: Examination,
    executor: Executor,
    kept: Callable[[Case | CheckpointReport], T],
) -> list[T]:
    """As :func:`~ckptdoctor.measure.measure`, by the workers of an executor.

    Raises:
        LostWorkersError: the executor takes no work, or gives none back.
        UsageError: its workers cannot do the work, or do not see the files.
    """
    repeats, structures = Repeats(), Structures()
    with contextlib.ExitStack() as stack:
        scanner = stack.enter_context(Scanner(how.jobs, progress=how.progress))
        readings = [
            _Elsewhere(files, repeats, kept, how=how, scanner=scanner, structures=structures)
            for files in found
        ]
        count = sum(len(reading.to_read) for reading in readings)
        crew: Crew[tuple[_Elsewhere[T], Part]] = stack.enter_context(Crew(executor, count))
        for (reading, part), answer in crew.answers(_orders(readings)):
            reading.take(part, answer)
    return [reading.result() for reading in readings]


def _orders(
    readings: Sequence[_Elsewhere[T]],
) -> Iterator[tuple[tuple[_Elsewhere[T], Part], Order, int]]:
    for reading in readings:
        for part in reading.to_read:
            ordered = reading.order(part)
            if ordered is not None:
                yield (reading, part), *ordered


@dataclass(frozen=True, slots=True)
class _Told:
    """What a worker, or the memory, told of a file.

    Attributes:
        result: as it was told.
        is_new: whether it is not remembered yet.
        manifest: what contradicts the note beside the file.
        state: what the file was when it had been read.
    """

    result: Result
    is_new: bool
    manifest: tuple[Problem, ...] = ()
    state: FileState | None = None


class _Elsewhere(Reading[T]):
    """The files of one checkpoint, read by workers."""

    def __init__(
        self,
        files: CheckpointFiles,
        repeats: Repeats,
        kept: Callable[[Case | CheckpointReport], T],
        *,
        how: Examination,
        scanner: Scanner,
        structures: Structures,
    ) -> None:
        super().__init__(files, repeats, kept, Manifests())
        self._how = how
        self._scanner = scanner
        self._structures = structures
        self._asked: dict[Part, Question | None] = {}
        self._nbytes: dict[Part, int] = {}
        self._told: dict[Part, _Told | Failed | None] = {}

    def order(self, part: Part) -> tuple[Order, int] | None:
        """What a worker is asked for; None where that is remembered, or cannot be sent."""
        memory, own = self._how.memory, self._own(part)
        asked = self._asked[part] = None if memory is None else memory.ask(part.path, own)
        known = None if memory is None or asked is None else memory.result(asked)
        if known is not None:
            self._keep(part, _Told(known, is_new=False))
            return None
        ordered = order_for(part.path, own)
        if ordered is None:
            self._keep(part, None)
            return None
        self._nbytes[part] = ordered[1]
        if self._how.expect is not None:
            self._how.expect(part.path, ordered[1])
        return ordered

    def take(self, part: Part, answer: Answer) -> None:
        """What a worker says of a part.

        Raises:
            UsageError: the worker does not see the file.
        """
        if answer.packed is None:
            failed = failed_of(answer)
            _refuse_what_is_not_seen(part, failed)
            self._keep(part, failed)
        else:
            result, manifest = result_of(answer, part.path, self._structures)
            self._keep(part, _Told(result, True, tuple(manifest), answer.state))  # noqa: FBT003
        if self._how.progress is not None:
            self._how.progress(self._nbytes.pop(part, 0))

    def _own(self, part: Part) -> Part | None:
        return None if self.files.is_single else part

    def _keep(self, part: Part, told: _Told | Failed | None) -> None:
        """Keep what is known of a part until all are: names depend on the parts before."""
        self._told[part] = told
        if len(self._told) == len(self.to_read):
            for one in self.to_read:
                self.note(one, self._settled(one, self._told.pop(one)))

    def _settled(self, part: Part, told: _Told | Failed | None) -> Case | CheckpointReport:
        if isinstance(told, Failed):
            return report_of(part.path, told)
        memory, asked, own = self._how.memory, self._asked.pop(part), self._own(part)
        if told is not None:
            checkpoint = told.result.checkpoint
            if own is not None:
                checkpoint = in_checkpoint(checkpoint, own, self.taken)
            result = _by_names_of(checkpoint, told.result)
            if result is not None:
                if own is not None:
                    self.taken.update(tensor.fqn for tensor in checkpoint.tensors)
                if told.is_new and memory and asked and told.state is not None:
                    memory.keep(asked, result, told.state, checkpoint)
                return case_of(checkpoint, result, own, told.manifest)
            if memory and asked and not told.is_new:
                memory.forget(asked)
        self.open(part, self._scanner, self._how)
        return self.scanned(part)


def _by_names_of(checkpoint: Checkpoint, result: Result) -> Result | None:
    """A result by the names of a checkpoint whose other parts were not known when it was made.

    None where more than names differ, or a sentence holds one of them.
    """
    scanned = scanned_as(checkpoint)
    if scanned == result.scanned:
        return result
    roles = [[role for _, role in names] for names in (scanned, result.scanned)]
    if roles[0] != roles[1] or result.problems:
        return None
    names = {old: new for (old, _), (new, _) in zip(result.scanned, scanned, strict=True)}
    stats = {names[old]: replace(one, fqn=names[old]) for old, one in result.stats.items()}
    return replace(result, scanned=scanned, stats=stats)


def _refuse_what_is_not_seen(part: Part, failed: Failed) -> None:
    """Raise where a worker does not find a file that is there."""
    is_gone = any(one.evidence.get("errno") == errno.ENOENT for one in failed.problems)
    if is_gone and part.path.exists():
        raise UsageError(
            f"{part.path}: the workers do not see this file: it has to lie where all of them do"
        )
