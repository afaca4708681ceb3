"""Files to cases: open, scan, and say what came of it.

Headers are read here while the scanner's threads read tensors, so that neither waits.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from ckptdoctor.cache.memory import Memory, Question
from ckptdoctor.cache.result import Result, scanned_as
from ckptdoctor.checkpoint import Checkpoint, Problem, TensorStats
from ckptdoctor.errors import ExhaustedError
from ckptdoctor.finding import Verdict
from ckptdoctor.formats import Repeats
from ckptdoctor.formats.dcp.joined import Joined
from ckptdoctor.layouts.assemble import assembled, in_checkpoint
from ckptdoctor.layouts.describe import describe
from ckptdoctor.layouts.files import CheckpointFiles, Form, Part
from ckptdoctor.layouts.reading import with_chunks_joined
from ckptdoctor.layouts.weights.index_check import with_indexes
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import check_folder
from ckptdoctor.manifests import Manifests
from ckptdoctor.metadata import Metadata, epoch_from_name, read_metadata
from ckptdoctor.one_file import AHEAD, Failed, Pending, begun, finished
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules import ALL_RULES, Case, Rule, all_rules
from ckptdoctor.rules.base import PartCase
from ckptdoctor.rules.container import CodeInPickle
from ckptdoctor.scanning.scanner import Scanner
from ckptdoctor.sources.ahead import Ahead

__all__ = ["Examination", "Reading", "case_of", "described", "measure", "nbytes_of", "report_of"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Examination:
    """How to examine.

    Attributes:
        jobs: threads; None for one a core.
        keep_details: keep each checkpoint's tensors and statistics in its report.
        rules: those to run.
        progress: told of the bytes scanned, in batches, from several threads.
        expect: told of the bytes that a file will take, before they are scanned.
        memory: asked before a file is read, and told after; None to read each.
        executor: of ``concurrent.futures``, whose workers read the files; None to read them here.
        copies: of this process, which read a share of the files each; 0 for none.
        promptly: whether somebody waits for each checkpoint: one that is scanned is not kept
            waiting while more are opened.
    """

    jobs: int | None = None
    keep_details: bool = False
    rules: tuple[type[Rule], ...] = field(default_factory=all_rules)
    progress: Callable[[int], None] | None = None
    expect: Callable[[Path, int], None] | None = None
    memory: Memory | None = None
    executor: Executor | None = None
    copies: int = 0
    promptly: bool = False


def measure(
    found: Sequence[CheckpointFiles], how: Examination, kept: Callable[[Case | CheckpointReport], T]
) -> list[T]:
    """What is to be kept of every checkpoint, in order, once all of its files were read.

    A checkpoint of several files is always a case, whatever can be read of it.

    Args:
        found: the checkpoints.
        how: options.
        kept: given a checkpoint as the rules want it, or its report where nothing could be read,
            returns what is kept of it. Many of the former do not fit into memory together.
    """
    repeats, manifests = Repeats(), Manifests()
    readings = [Reading(files, repeats, kept, manifests) for files in found]
    with contextlib.ExitStack() as stack:
        scanner = stack.enter_context(Scanner(how.jobs, progress=how.progress))
        ahead = stack.enter_context(ahead_of(readings, how.memory))
        waiting: deque[tuple[Reading[T], Part]] = deque()
        for reading in readings:
            for part in reading.to_read:
                ahead.begin()
                while waiting and (
                    len(waiting) > AHEAD
                    or ahead.waits(part.path)
                    or (how.promptly and waiting[0][0].is_scanned(waiting[0][1]))
                ):
                    _finish_first(waiting)
                try:
                    reading.open(part, scanner, how)
                except ExhaustedError:  # the first of those that are open may be closed
                    if not waiting:
                        raise
                    while waiting:
                        _finish_first(waiting)
                    reading.open(part, scanner, how)
                ahead.opened(part.path)
                waiting.append((reading, part))
        while waiting:
            _finish_first(waiting)
    return [reading.result() for reading in readings]


def described(
    files: CheckpointFiles, memory: Memory | None, repeats: Repeats | None = None
) -> Checkpoint:
    """What a checkpoint holds, without a look at its tensors; what cannot be read is left out.

    Args:
        files: the checkpoint.
        memory: what is remembered of its files; they are opened unless it is all of them.
        repeats: the structures of those that were read before, where there are any.

    Raises:
        CheckpointError: nothing could be read.
        OSError: no file of it can be opened.
    """
    known = None if memory is None else _described_before(files, memory)
    return describe(files, repeats) if known is None else known


def _described_before(files: CheckpointFiles, memory: Memory) -> Checkpoint | None:
    read: list[tuple[Part, Checkpoint]] = []
    taken: set[str] = set()
    for part in files.parts:
        if part.form is Form.TEXT:
            continue
        own = None if files.is_single else part
        found = _recalled(memory, memory.ask(part.path, own), own, taken)
        if found is None:
            return None
        taken.update(name for name, _ in found[1].scanned)
        read.append((part, found[0]))
    if files.is_single:
        return read[0][1]
    if not read:
        return None
    whole = assembled(files, read)
    joined = with_chunks_joined(files.parts, whole.tensors, {})
    return whole if joined is None else replace(whole, tensors=joined.tensors)


def ahead_of(readings: Iterable[Reading[T]], memory: Memory | None) -> Ahead:
    """What is fetched of far files before they are opened, unless it is remembered."""

    def is_known(part: Part, own: Part | None) -> bool:
        return memory is not None and memory.holds(part.path, own)

    return Ahead(
        (part.path, partial(is_known, part, None if reading.files.is_single else part))
        for reading in readings
        for part in reading.to_read
    )


def _finish_first(waiting: deque[tuple[Reading[T], Part]]) -> None:
    reading, part = waiting.popleft()
    reading.finish(part)


class Reading(Generic[T]):
    """The files of one checkpoint, on the way from bytes to what is kept of it.

    Args:
        files: they.
        repeats: the structures of files that were read before.
        kept: as :func:`measure` is given it.
        manifests: the notes beside the files.

    Attributes:
        files: as given.
        to_read: those that hold more than a text.
        taken: names that those parts have of which it is known what they hold.
    """

    def __init__(
        self,
        files: CheckpointFiles,
        repeats: Repeats,
        kept: Callable[[Case | CheckpointReport], T],
        manifests: Manifests,
    ) -> None:
        self.files = files
        self._manifests = manifests
        self._repeats = repeats
        self._kept = kept
        self._results: list[T] = []
        self._open: dict[Part, _Begun | Case | CheckpointReport] = {}
        self._done: dict[Part, Case | CheckpointReport] = {}
        self.taken: set[str] = set()
        self.to_read = [part for part in dict.fromkeys(files.parts) if part.form is not Form.TEXT]
        self._count = len(self.to_read)

    def open(self, part: Part, scanner: Scanner, how: Examination) -> None:
        """Read the header of a part and start its scan."""
        own = None if self.files.is_single else part
        found = self._opened(part, own, scanner, how)
        if own is not None and not isinstance(found, CheckpointReport):
            seen = found.pending.checkpoint if isinstance(found, _Begun) else found.checkpoint
            self.taken.update(tensor.fqn for tensor in seen.tensors)
        self._open[part] = found

    def _opened(
        self, part: Part, own: Part | None, scanner: Scanner, how: Examination
    ) -> _Begun | Case | CheckpointReport:
        """Read the header and start the scan; a report at once where nothing can be read."""
        path, memory = part.path, how.memory
        asked = None if memory is None else memory.ask(path, own)
        recalled = _recalled(memory, asked, own, self.taken)
        if recalled is not None:
            return case_of(*recalled, own)
        pending = begun(
            path,
            own,
            scanner,
            taken=self.taken,
            repeats=self._repeats,
            expect=how.expect,
            has_note=own is None and self._manifests.has_note(path),
        )
        if isinstance(pending, Failed):
            return report_of(path, pending)
        return _Begun(pending=pending, path=path, part=own, asked=asked, memory=memory)

    def is_scanned(self, part: Part) -> bool:
        """Whether nothing is to be waited for of a part that was opened."""
        found = self._open[part]
        return not isinstance(found, _Begun) or found.pending.scan.is_done

    def finish(self, part: Part) -> None:
        """Wait for the scan of a part."""
        self.note(part, self.scanned(part))

    def scanned(self, part: Part) -> Case | CheckpointReport:
        """What came of a part that was opened, waited for."""
        return _finish(self._open.pop(part))

    def note(self, part: Part, found: Case | CheckpointReport) -> None:
        """Take what came of a part; after the last one nothing but what is kept stays."""
        self._done[part] = found
        if len(self._done) == self._count:
            self._results.append(self._kept(self._whole()))
            self._done.clear()
            self.taken.clear()

    def result(self) -> T:
        """What is kept of the checkpoint."""
        if not self._results:  # nothing of it is read
            self._results.append(self._kept(self._whole()))
        return self._results[0]

    def _whole(self) -> Case | CheckpointReport:
        if self.files.is_single:
            (found,) = self._done.values()
            return found
        parts = tuple(self._part(part) for part in self.files.parts)
        return _whole(self.files, parts)

    def _part(self, part: Part) -> PartCase:
        found = self._done.get(part)
        if isinstance(found, Case):
            checkpoint = found.checkpoint
            return PartCase(
                part=part, case=found, nbytes=checkpoint.nbytes, format=checkpoint.format
            )
        if found is not None:
            return PartCase(part=part, nbytes=found.nbytes, failed=found.findings)
        nbytes = part.member.nbytes if part.member is not None else nbytes_of(part.path)
        return PartCase(part=part, nbytes=nbytes, format="text")


def nbytes_of(path: Path) -> int:
    """The size of a file; 0 of one that is gone."""
    try:
        return path.stat().st_size
    except OSError:  # gone since it was listed
        return 0


def _whole(files: CheckpointFiles, parts: tuple[PartCase, ...]) -> Case:
    """The parts as one case."""
    read = [(part, part.case) for part in parts if part.case is not None]
    checkpoints = [(one.part, case.checkpoint) for one, case in read]
    files, checkpoint = with_indexes(files, checkpoints), assembled(files, checkpoints)
    stats: dict[str, TensorStats] = {}
    for _, case in read:
        stats.update(case.stats)
    joined = with_chunks_joined(files.parts, checkpoint.tensors, stats)
    if joined is not None:
        checkpoint, stats = replace(checkpoint, tensors=joined.tensors), joined.stats
        parts = tuple(_naming_tensors(part, joined) for part in parts)
    return Case(
        checkpoint=replace(checkpoint, nbytes=sum(part.nbytes for part in parts)),
        stats=stats,
        problems=(*files.problems, *check_folder(files.path)),
        unchecked=0,
        metadata=read_metadata(checkpoint),
        files=files,
        parts=parts,
    )


def _naming_tensors(part: PartCase, joined: Joined) -> PartCase:
    """The part with problems that name tensors, not the chunks of them."""
    if part.case is None:
        return part
    told = tuple(map(joined.told, part.case.problems))
    return replace(part, case=replace(part.case, problems=told))


@dataclass(slots=True)
class _Begun:
    """A file that is being scanned, and what was asked of it before."""

    pending: Pending
    path: Path
    part: Part | None
    asked: Question | None
    memory: Memory | None


def _finish(begun_file: _Begun | Case | CheckpointReport) -> Case | CheckpointReport:
    """What is known of the file once it is scanned."""
    if not isinstance(begun_file, _Begun):
        return begun_file
    found = finished(begun_file.pending, is_remembered=begun_file.memory is not None)
    if isinstance(found, Failed):
        return report_of(begun_file.path, found)
    if begun_file.memory is not None and begun_file.asked is not None and found.state is not None:
        begun_file.memory.keep(begun_file.asked, found.result, found.state, found.checkpoint)
    return case_of(found.checkpoint, found.result, begun_file.part, found.manifest)


def case_of(
    checkpoint: Checkpoint, result: Result, part: Part | None, manifest: tuple[Problem, ...] = ()
) -> Case:
    """A file as the rules want it.

    Args:
        checkpoint: what it holds, by the names of the checkpoint that it is a part of.
        result: what reader and scan said of it.
        part: what it is of a checkpoint of several; None for a single file.
        manifest: what contradicts the note beside it.
    """
    return Case(
        checkpoint=checkpoint,
        stats=result.stats,
        problems=(*checkpoint.problems, *result.problems, *manifest),
        unchecked=result.unchecked,
        metadata=read_metadata(checkpoint) if part is None else Metadata(),
        zero_tail=result.zero_tail,
    )


def _recalled(
    memory: Memory | None, asked: Question | None, part: Part | None, taken: Container[str]
) -> tuple[Checkpoint, Result] | None:
    """What is remembered of a file, by the names of its checkpoint; None where it is to be read."""
    if memory is None or asked is None or (result := memory.result(asked)) is None:
        return None
    if part is None:
        return result.checkpoint, result
    checkpoint = in_checkpoint(result.checkpoint, part, taken)
    if scanned_as(checkpoint) != result.scanned:  # its neighbours gave it other names then
        memory.forget(asked)
        return None
    return checkpoint, result


def report_of(path: Path, failed: Failed) -> CheckpointReport:
    """The report on a file that gave nothing."""
    return CheckpointReport(
        path=path,
        nbytes=failed.nbytes,
        verdict=Verdict.UNREADABLE,
        metadata=Metadata(name_epoch=epoch_from_name(path)),
        findings=(
            *CodeInPickle().before_damage(failed.runs),
            *(
                rule.from_problem(problem)
                for problem in failed.problems
                for rule in ALL_RULES
                if rule.code == problem.code
            ),
        ),
    )
