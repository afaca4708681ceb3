"""What was not understood, and what was not believed, in sentences."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from ckptdoctor.metadata import Mode, Split, is_loss, split_of
from ckptdoctor.runs.run import Formed, Run

__all__ = ["notes_of"]

_MOST_NAMES = 3


def notes_of(formed: Formed, *, several: bool | None = None) -> tuple[str, ...]:
    """A sentence each: logs that gave nothing, logs set aside, metrics that were not understood.

    Args:
        formed: the runs.
        several: whether there are other runs beside; None where these are all.
    """
    several = len(formed.runs) > 1 if several is None else several
    return tuple(dict.fromkeys(_notes(formed, several=several)))


def _notes(formed: Formed, *, several: bool) -> Iterator[str]:
    for path in formed.silent:
        yield (f"{path}: no epoch with a value was found in it; --log-pattern tells how to read it")
    for path in formed.unmatched:
        if path not in formed.silent:
            yield f"{path}: no line of it fits the --log-pattern, and so it told nothing"
    for run in formed.runs:
        whose = f"{run.name}: " if several else ""
        for one in run.aside:
            yield f"{whose}{one.path} was set aside: it {one.reason}"
        unknown = _not_understood(run)
        if unknown:
            mode = Mode.MIN if unknown[0] in run.choice.falling else Mode.MAX
            yield (
                f"{whose}not understood: {', '.join(unknown[:_MOST_NAMES])}; "
                f"try --metric {shlex.quote(unknown[0])} --mode {mode.value}"
            )


def _not_understood(run: Run) -> list[str]:
    """Names that look like a validation score, where no such score was understood."""
    choice = run.choice
    name = choice.name
    told = name and split_of(name) is not Split.TRAINING and not is_loss(name)
    return [] if told else list(choice.unknown)
