"""Gradients that a resume made larger, which is as if the learning rate had been raised.

SGD's step is as long as the gradient, so that steps which are added up, or a heavier loss, take a
run past the edge at a rate that was healthy before. Adam's kind divides by the gradient's size.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.causes.settings import (
    Setting,
    adds_losses,
    multiplies_gradients,
    same,
)
from ckptdoctor.recovery.causes.trouble import Trouble
from ckptdoctor.recovery.stored_command import stored_arguments
from ckptdoctor.runs.optimizer_facts import OptimizerFacts
from ckptdoctor.runs.run import Run

__all__ = ["Grown", "grown_of"]

_LEAST = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """What made the gradients larger behind the last position at which all was well.

    Attributes:
        setting: that was changed.
        times: how many times larger they are, at most.
    """

    setting: Setting
    times: float

    @property
    def exact(self) -> bool:
        """Whether just as many times: the losses of further heads reach some layers only."""
        return not adds_losses(self.setting.name)

    def in_words(self) -> str:
        """``accumulate 1 -> 16, which makes gradients 16 times as large``."""
        times = f"{'' if self.exact else 'up to '}{self.times:.3g} times"
        return f"{self.setting.in_words()}, which makes gradients {times} as large"


def grown_of(
    settings: Sequence[Setting],
    run: Run,
    trouble: Trouble,
    scalars: Mapping[str, Scalar],
    stored: Callable[[Path], Mapping[str, Scalar] | None],
) -> Grown | None:
    """The setting that multiplied the gradients of SGD most; None for no such.

    Args:
        settings: that differ from those of the sound checkpoint.
        run: its checkpoints tell where the setting changed.
        trouble: plain only behind that, while all was well before.
        scalars: that the sound checkpoint stores.
        stored: those that another one does.
    """
    if not _is_sgd(scalars):
        return None
    found = [
        Grown(setting=one, times=one.times)
        for one in settings
        if one.times is not None
        and one.times >= _LEAST
        and any(grows(one.name) for grows in (multiplies_gradients, adds_losses))
        and _lies_between(one, run, trouble, stored)
    ]
    return max(found, key=lambda one: one.times, default=None)


def _is_sgd(scalars: Mapping[str, Scalar]) -> bool:
    return any(
        group.family == "SGD"
        for _, groups in OptimizerFacts.of(scalars).optimizers
        for group in groups
    )


def _lies_between(
    setting: Setting,
    run: Run,
    trouble: Trouble,
    stored: Callable[[Path], Mapping[str, Scalar] | None],
) -> bool:
    """Whether it changed behind the last position at which all was well, and before the death."""
    members = list(run.course)
    first_new = bisect_left(members, 1, key=lambda one: _is_new(setting, stored(one.path)))
    before = members[:first_new]
    changed = None if not before else run.position(before[-1].metadata)
    if changed is None or trouble.well is None or trouble.at is None:
        return False
    return trouble.well <= changed < trouble.at


def _is_new(setting: Setting, scalars: Mapping[str, Scalar] | None) -> bool:
    arguments = stored_arguments(scalars or {})
    return setting.name not in arguments or not same(arguments[setting.name], setting.before)
