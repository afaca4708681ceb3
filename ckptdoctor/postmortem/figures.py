"""The figures of a run from its files: two of them open at a time, a chunk of each in memory."""

from __future__ import annotations

import contextlib
import math
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from pathlib import Path

from ckptdoctor.checkpoint import Role, TensorRecord
from ckptdoctor.errors import CheckpointError
from ckptdoctor.layouts.opened import OpenCheckpoint, Piece, open_files, overlap
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.postmortem.parameters import States, states_of
from ckptdoctor.rules.averaged import tails
from ckptdoctor.runs.departure.course import Course, CourseBuilder, Moment, Trait
from ckptdoctor.runs.departure.sampled import SampledCourse, gap_of
from ckptdoctor.runs.discover import checkpoint_at
from ckptdoctor.runs.run import Run
from ckptdoctor.scanning.cores import available_cores
from ckptdoctor.scanning.difference import Side
from ckptdoctor.scanning.elements import elements
from ckptdoctor.scanning.norms import Norms, load_norms
from ckptdoctor.scanning.pieces import Squares, is_measured, is_there, squares_of
from ckptdoctor.scanning.reading import FileShrankError

__all__ = ["Figures", "Looking", "Optimizers", "measure"]

_FEWEST = 2
_BATCH_NBYTES = 1 << 22
_BATCH_TENSORS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """How to look.

    Attributes:
        quick: from what a scan keeps alone, without reading a file again.
        jobs: threads; None for one a core.
        progress: told of the bytes that were looked at.
    """

    quick: bool = False
    jobs: int | None = None
    progress: Callable[[int], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizers:
    """What the checkpoints store of the optimizer beside its states.

    Attributes:
        steps: that it took, by checkpoint; None where that is not stored.
        beta2: by which its mean of squares decays a step; None where it is not known, or changes.
    """

    steps: tuple[float | None, ...] = ()
    beta2: float | None = None

    def steps_to(self, place: int) -> float | None:
        """The steps from the checkpoint before; None where they are not known."""
        if not 0 < place < len(self.steps):
            return None
        before, after = self.steps[place - 1], self.steps[place]
        return None if before is None or after is None or after <= before else after - before


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All that was measured."""

    course: Course
    optimizers: Optimizers = field(default_factory=Optimizers)


@dataclass(frozen=True, slots=True)
class _Work:
    """A tensor to measure: what it tells, of which parameter, and what it is held against."""

    trait: Trait
    name: str
    tensor: TensorRecord
    pieces: tuple[Piece, ...]
    before: tuple[Piece, ...] = ()


def measure(run: Run, how: Looking) -> Figures:
    """The figures of a run. A file that cannot be read, or was cut meanwhile, leaves a gap.

    Args:
        run: with what a scan says of its members.
        how: options.
    """
    sampled = SampledCourse(run.saved, run.history.clock, run.position, whole=True).course()
    if how.quick or len(run.saved) < _FEWEST:
        return Figures(course=sampled)
    builder = CourseBuilder(len(run.saved))
    for trait in (Trait.LARGEST, Trait.NON_FINITE):
        if trait in sampled.series:
            builder.series[trait] = dict(sampled.series[trait])  # type: ignore[arg-type]
    with ThreadPoolExecutor(how.jobs or available_cores()) as pool:
        measuring = _Measuring(builder, pool, how)
        measuring.run([one.path for one in run.saved], sampled.moments)
    course = Course(
        moments=sampled.moments,
        clock=sampled.clock,
        series=builder.series,
        numel=sampled.numel,
        buffers=sampled.buffers,
        exact=True,
    )
    return Figures(course=course, optimizers=measuring.optimizers)


class _Measuring:
    """Goes through the files in their order, each open as long as the next is looked at."""

    def __init__(self, course: CourseBuilder, pool: ThreadPoolExecutor, how: Looking) -> None:
        self._course = course
        self._pool = pool
        self._how = how
        self._threads = threading.local()
        self._steps: dict[int, float] = {}
        self._betas: set[float] = set()
        self._count = 0

    @property
    def optimizers(self) -> Optimizers:
        """What was stored beside the states."""
        return Optimizers(
            steps=tuple(self._steps.get(place) for place in range(self._count)),
            beta2=next(iter(self._betas)) if len(self._betas) == 1 else None,
        )

    def run(self, paths: Sequence[Path], moments: Sequence[Moment]) -> None:
        """Measure all of them."""
        self._count = len(paths)
        held = contextlib.ExitStack()
        before: OpenCheckpoint | None = None
        since = 0
        for place, path in enumerate(paths):
            stack = contextlib.ExitStack()
            try:
                opened = stack.enter_context(open_files(checkpoint_at(path)))
            except (CheckpointError, OSError):
                continue
            gap = gap_of(moments[since], moments[place])
            self._look(place, opened, before, gap)
            held.close()
            held, before, since = stack, opened, place
        held.close()

    def _look(
        self, place: int, opened: OpenCheckpoint, before: OpenCheckpoint | None, gap: float
    ) -> None:
        states = states_of(opened.checkpoint)
        for name, rate in states.rates.items():
            self._course.note(Trait.RATE, name, place, rate)
        steps = states.steps if states.counter is None else _counted(opened, states.counter)
        if steps is not None:
            self._steps[place] = steps
        self._betas |= states.betas2
        batches = list(_batches(_works(opened, before, states)))
        for batch, found in zip(batches, self._pool.map(self._measure, batches), strict=True):
            for work, squares in zip(batch, found, strict=True):
                if squares is not None:
                    self._note(place, work, squares, gap)

    def _note(self, place: int, work: _Work, squares: Squares, gap: float) -> None:
        note, scale = self._course.note, work.tensor.numel / squares.numel
        norm = math.sqrt(squares.own * scale) if squares.own >= 0.0 else math.nan
        if not math.isfinite(norm):
            if work.trait is not Trait.NORM:  # of weights the scan counted them
                is_average = work.trait is Trait.EMA
                note(Trait.BAD_AVERAGE if is_average else Trait.BAD_STATE, work.name, place, 1.0)
            return
        if work.trait is Trait.EMA:
            if squares.moved is not None and math.isfinite(squares.moved):
                note(Trait.EMA, work.name, place, math.sqrt(squares.moved * scale))
            return
        note(work.trait, work.name, place, norm)
        if work.trait is Trait.NORM and squares.moved is not None and math.isfinite(squares.moved):
            note(Trait.MOVED, work.name, place, math.sqrt(squares.moved * scale) / gap)

    def _measure(self, batch: Sequence[_Work]) -> list[Squares | None]:
        """The sums of a few tensors, by one thread."""
        norms = getattr(self._threads, "norms", None)
        if norms is None:
            norms = self._threads.norms = load_norms()
        found = [_squares(norms, work) for work in batch]
        if self._how.progress is not None:
            self._how.progress(sum(work.tensor.nbytes for work in batch))
        return found


def _counted(opened: OpenCheckpoint, counter: TensorRecord) -> float | None:
    """What a tensor of one element counts; None where it cannot be read."""
    code = _CODES.get(counter.dtype)
    if code is None or not is_there(counter):
        return None
    try:
        for piece in opened.pieces[counter.fqn]:
            raw = b"".join(elements(piece.fd, piece.record, piece.byteorder, 1))
            return float(struct.unpack(f"<{code}", raw)[0])
    except (FileShrankError, OSError, ValueError, struct.error):
        pass
    return None


_CODES = {"float32": "f", "float64": "d", "int64": "q", "int32": "i"}


def _works(
    opened: OpenCheckpoint, before: OpenCheckpoint | None, states: States
) -> Iterator[_Work]:
    """What to measure of a checkpoint."""
    earlier = {} if before is None else before.pieces
    models: dict[str, TensorRecord] = {}
    for tensor in opened.checkpoint.tensors:
        if tensor.role is Role.MODEL and is_measured(tensor):
            pieces = opened.pieces[tensor.fqn]
            yield _Work(Trait.NORM, tensor.fqn, tensor, pieces, earlier.get(tensor.fqn, ()))
            models.update((name, tensor) for name in tails(tensor.fqn, 2))
    for tensor in opened.checkpoint.tensors:
        if tensor.role is Role.EMA and is_measured(tensor):
            twin = next((models[name] for name in tails(tensor.fqn, 4) if name in models), None)
            if twin is not None and twin.shape == tensor.shape:
                other = opened.pieces[twin.fqn]
                yield _Work(Trait.EMA, twin.fqn, tensor, opened.pieces[tensor.fqn], other)
    for name, tensor in states.tensors:
        if is_measured(tensor):
            is_momentum = tensor.fqn.endswith("momentum_buffer")
            trait = Trait.MOMENTUM if is_momentum else Trait.SQUARES
            yield _Work(trait, name, tensor, opened.pieces[tensor.fqn])


def _batches(works: Iterable[_Work]) -> Iterator[list[_Work]]:
    batch: list[_Work] = []
    nbytes = 0
    for work in works:
        batch.append(work)
        nbytes += work.tensor.nbytes
        if nbytes >= _BATCH_NBYTES or len(batch) >= _BATCH_TENSORS:
            yield batch
            batch, nbytes = [], 0
    if batch:
        yield batch


def _squares(norms: Norms, work: _Work) -> Squares | None:
    """The sums of a tensor over all its pieces; None where it cannot be read."""
    parts: list[Squares] = []
    try:
        for piece in work.pieces:
            side = Side(piece.fd, piece.byteorder)
            shared = [pair for other in work.before if (pair := overlap(piece, other)) is not None]
            if len(work.before) != 1 or len(work.pieces) != 1 or len(shared) != 1:
                parts.append(squares_of(norms, side, piece.record, None))
                continue
            other = work.before[0]
            parts.append(
                squares_of(
                    norms, side, piece.record, (Side(other.fd, other.byteorder), other.record)
                )
            )
    except (FileShrankError, OSError, ValueError):
        return None
    if not parts or not sum(part.numel for part in parts):
        return None
    moved = [part.moved for part in parts if part.moved is not None]
    return Squares(
        numel=sum(part.numel for part in parts),
        own=sum(part.own for part in parts),
        moved=sum(moved) if len(moved) == len(parts) else None,
    )
