"""A way in which some program prints the course of a training, and what is to be read of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

__all__ = [
    "Answer",
    "Form",
    "Moment",
    "Place",
    "Shown",
    "Where",
    "Writer",
    "as_read",
    "epochs",
    "form",
    "forms_of",
    "steps",
    "where",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a training measured in one epoch, or between two evaluations; a loss may be NaN.

    Attributes:
        score: on held-out data, 0 to 1, higher is better.
        train, val: losses, lower is better.
        lr: the learning rate.
    """

    score: float
    train: float
    val: float
    lr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a log a moment stands, as far as the log says it; either will do of both."""

    epoch: float | None = None
    step: int | None = None


Writer = Callable[[Sequence[Moment]], str]
Shown = Callable[[Moment], float | None]
Where = Callable[[int], Place]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a right reading of a log is.

    Attributes:
        metric: a pattern of the name of what the run is judged by.
        shown: the value of that metric, as it is printed; None where nobody can say.
        place: where the moment of a number from 0 stands.
    """

    metric: str
    shown: Shown
    place: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A way in which some program prints the course of a training.

    Attributes:
        name: unique.
        source: the repository and the file that it is taken from.
        file: the name that such a log has.
        write: moments to the text of a log.
        answers: readings that are right; where there are several, one is as good as another.
        hides_nan: whether a NaN loss is printed as 0.0 and nothing else tells of it.
    """

    name: str
    source: str
    file: str
    write: Writer
    answers: tuple[Answer, ...]
    hides_nan: bool = False


def epochs(first: int = 1) -> Where:
    """One moment an epoch."""
    return lambda at: Place(epoch=first + at)


def steps(every: int, first: int | None = None) -> Where:
    """One moment so many steps, the first of them after so many."""
    return lambda at: Place(step=(every if first is None else first) + at * every)


def where(*, every: int, share: float = 1.0, start: float | None = None) -> Where:
    """A log that tells of both: so many steps, and so much of an epoch, a moment."""
    begin = share if start is None else start
    return lambda at: Place(epoch=round(begin + at * share, 4), step=every * (at + 1))


def as_read(text: str) -> float:
    """The number that a text says."""
    return float(text)


def form(
    file: str,
    *,
    metric: str,
    shown: Shown,
    place: Where | None = None,
    either: Mapping[str, Shown] | None = None,
    or_place: Where | None = None,
    hides_nan: bool = False,
) -> Callable[[Writer], Form]:
    """Makes a form of a writer.

    Args:
        file: the name that such a log has.
        metric, shown: what the run is judged by.
        place: where the moments stand; by default one an epoch, from 1 on.
        either: other metrics that are as right, with their values.
        or_place: where the moments may be said to stand as well.
        hides_nan: whether a NaN loss is printed as 0.0 and nothing else tells of it.
    """
    places = [place or epochs(), *([] if or_place is None else [or_place])]
    answers = tuple(
        Answer(metric=name, shown=value, place=one)
        for name, value in [(metric, shown), *(either or {}).items()]
        for one in places
    )

    def made(write: Writer) -> Form:
        return Form(
            name=getattr(write, "__name__", "").replace("_", "-"),
            source=" ".join((write.__doc__ or "").split()),
            file=file,
            write=write,
            answers=answers,
            hides_nan=hides_nan,
        )

    return made


def forms_of(module: ModuleType) -> tuple[Form, ...]:
    """The forms of a module, in their order."""
    return tuple(value for value in vars(module).values() if isinstance(value, Form))
