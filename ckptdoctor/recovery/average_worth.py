"""Whether the mean of the last good checkpoints may score above each of them, and how it is made.

A mean gains where weights wander about a place that they do not reach: at a learning rate that is
still high, once the score no longer rises faster than it jumps about. Where the rate has come down,
at the end of a cosine or behind a step, weights have reached it, and their mean scores what they
do. Where the score still rises, older weights only hold it back. Measured by
``python -m tests.benchmarks.averaging``; docs/restore.md has the figures.

Sources: SWA (arXiv 1803.05407) averages at a constant or cyclic rate; "Early Weight Averaging meets
High Learning Rates" (2306.03241): the gain grows with the rate; model soups (2203.05482).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ckptdoctor.errors import RestoreError
from ckptdoctor.histories import Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.average_choice import Averaging, Chosen, choose_average
from ckptdoctor.recovery.next_step import Asked, same_question
from ckptdoctor.report import CheckpointReport, RunReport
from ckptdoctor.runs.trend.named import rate_of
from ckptdoctor.runs.trend.noise import noise_of
from ckptdoctor.shell import command_line

__all__ = ["Offer", "doubt_of", "offer_average", "worth_averaging"]

_COUNT = 5
_FEWEST = 3
_LEAST_RATE = 0.25
"""Of the run's highest: below it 1 of 28 means scored above the best of its files."""
_MOST_RISE = 2.0
"""Over the scores that are looked at, in units of their noise."""
_LEAST_NOISE = 0.001
"""Of the score: what jumps about by less has nothing to gain."""
_FEWEST_SCORES = 8  # that noise_of needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A mean that may be worth making.

    Attributes:
        reason: why, a sentence with its figures.
        command: the command that makes it.
    """

    reason: str
    command: str


def worth_averaging(run: RunReport, asked: Asked | None = None, *, several: bool = False) -> str:
    """Why the mean of the last good checkpoints may be worth making, and the command; or "".

    Args:
        run: ranked.
        asked: what the user asked, so that the command asks the same.
        several: whether there are other runs, so that the command must name this one.
    """
    offer = offer_average(run, asked, several=several)
    return "" if offer is None else f"{offer.reason}:  {offer.command}"


def offer_average(
    run: RunReport, asked: Asked | None = None, *, several: bool = False
) -> Offer | None:
    """The same in two parts; None where a mean is not worth making, or nobody can tell.

    Args:
        run: ranked.
        asked: what the user asked.
        several: whether there are other runs.
    """
    try:
        chosen = choose_average(run, Averaging(count=_COUNT))
    except RestoreError:
        return None
    count, signs = len(chosen.others) + 1, _Signs.of(run, chosen)
    share, noise = signs.share, signs.noise
    if share is None or noise is None or count < _FEWEST:
        return None
    if signs.rate_is_low or signs.still_gets_better or noise < _LEAST_NOISE * signs.level:
        return None
    words = same_question(run, asked or Asked(), several=several)
    return Offer(
        reason=f"the mean of the last {count} good checkpoints may score above each of them: "
        f"{_rate_in_words(share)}, and {run.metric} jumps about by "
        f"{noise:.2g} and hardly gets better",
        command=command_line("ckptdoctor", "restore", *words, "--average", str(_COUNT)),
    )


def doubt_of(run: RunReport, chosen: Chosen) -> str:
    """Why a mean that the user asks for may gain nothing; "" where nothing speaks against it.

    Args:
        run: ranked.
        chosen: what is averaged.
    """
    signs = _Signs.of(run, chosen)
    if signs.still_gets_better:
        return (
            f"{run.metric} still gets better from one to the next: older weights only hold the "
            "newest back, and their mean may score less"
        )
    if signs.rate_is_low:
        return (
            f"the learning rate is down to {signs.share:.2g} of its highest: the weights hardly "
            "move any more, and their mean scores about what they do"
        )
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signs:
    """What tells whether a mean gains.

    Attributes:
        share: the learning rate of the newest over the highest; None where it is not known.
        noise: how much the score jumps about; None where too few are known.
        rise: how much better the later half of the scores is than the earlier one.
        level: the largest of them, without its sign.
    """

    share: float | None
    noise: float | None
    rise: float
    level: float

    @classmethod
    def of(cls, run: RunReport, chosen: Chosen) -> _Signs:
        """Of these checkpoints of a run."""
        scores = _scores(run, chosen)
        return cls(
            share=_share_of_peak(run, chosen),
            noise=noise_of(scores),
            rise=_rise(scores),
            level=max(map(abs, scores), default=0.0),
        )

    @property
    def rate_is_low(self) -> bool:
        """Whether the weights have come to rest."""
        return self.share is not None and self.share < _LEAST_RATE

    @property
    def still_gets_better(self) -> bool:
        """Whether the score rises faster than it jumps about."""
        return self.noise is not None and self.rise > _MOST_RISE * self.noise


def _rate_in_words(share: float) -> str:
    if math.isclose(share, 1.0):
        return "the learning rate is as high as it ever was"
    return f"the learning rate is still {share:.2g} of its highest"


def _share_of_peak(run: RunReport, chosen: Chosen) -> float | None:
    """The learning rate of the newest over the highest until then; None where it is not known."""
    rates: list[float] = []
    for member in run.run.course:
        if member.optimizer.rate is not None:
            rates.append(member.optimizer.rate)
        if member.path == chosen.newest.path:
            if member.optimizer.rate is None:
                rates = _logged_rates(run, run.run.position(member.metadata))
            break
    return rates[-1] / max(rates) if rates and max(rates) > 0.0 else None


def _logged_rates(run: RunReport, until: Position | None) -> list[float]:
    if until is None:
        return []
    told = ((at, rate_of(values)) for at, values in sorted(run.history.values.items()))
    return [rate for at, rate in told if rate is not None and at <= until]


def _scores(run: RunReport, chosen: Chosen) -> Sequence[float]:
    """The scores from the first of the checkpoints to the newest, higher better; or the last 8."""
    first, last = (run.run.position(one.metadata) for one in (_oldest(chosen), chosen.newest))
    history = run.history
    if first is None or last is None or history.mode is None:
        return ()
    scores = [(at, score) for at, score in history.scores if at <= last]
    spanned = sum(at >= first for at, _ in scores)
    return [score for _, score in scores[-max(_FEWEST_SCORES, spanned) :]]


def _oldest(chosen: Chosen) -> CheckpointReport:
    return (*chosen.others, chosen.newest)[0]


def _rise(scores: Sequence[float]) -> float:
    """How much better the later half of the scores is than the earlier one."""
    half = len(scores) // 2
    if not half:
        return 0.0
    early, late = scores[:half], scores[-half:]
    return sum(late) / half - sum(early) / half
