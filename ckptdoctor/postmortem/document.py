"""What an autopsy says, as sections of sentences, commands and tables; every output draws these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from ckptdoctor.histories import History, Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.postmortem.causes.suspicion import Suspicion
from ckptdoctor.runs.departure.course import Course, Trait
from ckptdoctor.runs.departure.departures import Departure

__all__ = ["Autopsy", "Command", "Hashed", "Heat", "Part", "Row", "Section", "Table", "Worst"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, ready to be copied; of several lines, maybe."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells under a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Part = str | Command | Table
"""A sentence or several; or one of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the report.

    Attributes:
        key: what machines call it.
        title: what people call it.
        parts: in order.
    """

    key: str
    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """A tensor that is far outside its past, with the figure that tells so over the run.

    Attributes:
        name: of the tensor.
        trait: the figure.
        values: by checkpoint; NaN where none is known.
        place: the first checkpoint outside, as a number in the course.
        words: what it did there, in words that go on from its name.
    """

    name: str
    trait: Trait
    values: tuple[float, ...]
    place: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A module over the checkpoints: logs of ratios to its own past; None where none is known."""

    module: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """The modules over the checkpoints, the first ones outside first.

    Attributes:
        rows: the modules that are shown.
        columns: their checkpoints, as numbers in the course.
        hidden: how many modules are not shown.
    """

    rows: tuple[Row, ...] = ()
    columns: tuple[int, ...] = ()
    hidden: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """A file that the report speaks of, by the name that it has in the folder of the run."""

    name: str
    nbytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Autopsy:
    """What happened to a run.

    Attributes:
        name: of the run.
        headline: in one sentence.
        first: the sentence on what it began with.
        next: the command to go on with, in the folder of the run; "" where all is well.
        next_here: the same where the user is.
        stands_out: whether one tensor was first, and not nearly all at once.
        causes: the likeliest first.
        apart: why the plan goes by another cause than the first of these; "" where it does not.
        sections: of the report.
        worst: the ten tensors that are farthest outside their past, the first ones first.
        heat: the modules over the checkpoints.
        course: all figures.
        departures: all that left its past, the first ones first.
        history: the metric, rates and loss scale over the run.
        rates: the learning rate by position.
        scales: the loss scale by position.
        files: those that the report speaks of.
    """

    name: str
    headline: str
    first: str
    next: str
    next_here: str
    sections: tuple[Section, ...]
    stands_out: bool = True
    causes: tuple[Suspicion, ...] = ()
    apart: str = ""
    worst: tuple[Worst, ...] = ()
    heat: Heat = field(default_factory=Heat)
    course: Course = field(default_factory=Course, repr=False)
    departures: tuple[Departure, ...] = ()
    history: History = field(default_factory=History, repr=False)
    rates: Sequence[tuple[Position, float]] = ()
    scales: Sequence[tuple[Position, float]] = ()
    files: tuple[Hashed, ...] = ()
