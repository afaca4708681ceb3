"""How many epochs a restart may take to reach a target, as far as the run's own pace tells."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from ckptdoctor.histories import History, Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Mode

__all__ = ["Timeline", "duration", "timeline_of"]

_FEWEST_POINTS = 6
_LATEST = 20
_NEAREST = 10
_FARTHEST = 10  # times the epochs that were seen: no extrapolation beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Epochs and time from a checkpoint to a target.

    Attributes:
        target: the metric to reach.
        start_epoch: that of the checkpoint.
        low, high: epochs from there; ``high`` is None where the slower pace never gets there.
        epoch_s: the usual time of an epoch in seconds; None where the logs do not tell.
        method: how it was estimated, or why there is no estimate.
    """

    target: float
    start_epoch: int | None = None
    low: int | None = None
    high: int | None = None
    epoch_s: float | None = None
    method: str = ""


def timeline_of(history: History | None, start_epoch: int | None, target: float) -> Timeline:
    """The estimate; without figures where the data does not carry one.

    Args:
        history: of the run.
        start_epoch: the epoch of the checkpoint to go on from.
        target: of the metric.
    """
    if history is None or history.mode is None or start_epoch is None:
        return Timeline(target=target, method="none: the metric over the epochs is not known")
    sign = 1.0 if history.mode is Mode.MAX else -1.0
    points = [(at, score) for at, score in history.scores if at <= start_epoch]
    if len(points) < _FEWEST_POINTS:
        few = f"none: {len(points)} scores up to epoch {start_epoch} are too few"
        return Timeline(target=target, start_epoch=start_epoch, method=few)
    level = max(value for _, value in points)
    missing = sign * target - level
    if missing <= 0:
        reached = "none needed: the checkpoint has reached it"
        return Timeline(target=target, start_epoch=start_epoch, low=0, high=0, method=reached)
    return _from_pace(points, missing, history, start_epoch, target)


def _from_pace(
    points: Sequence[tuple[Position, float]],
    missing: float,
    history: History,
    start_epoch: int,
    target: float,
) -> Timeline:
    fast = _slopes(points[-_LATEST:])[1]
    slow = _slopes(points[-_NEAREST:])[0]
    most = _FARTHEST * (points[-1][0] - points[0][0] + 1)
    if fast <= 0 or missing / fast > most:
        flat = "none: the metric was hardly rising before; the target is out of its reach"
        return Timeline(target=target, start_epoch=start_epoch, method=flat)
    low = _epochs(missing / fast)
    high = _epochs(missing / slow) if slow > 0 and missing / slow <= most else None
    first = points[-_LATEST:][0][0]
    return Timeline(
        target=target,
        start_epoch=start_epoch,
        low=low,
        high=None if high is None else max(low, high),
        epoch_s=history.epoch_s,
        method=f"the slopes between all pairs of scores of epochs {first} to {points[-1][0]}, "
        "their quartiles, kept up in a straight line; most runs slow down",
    )


def _epochs(exact: float) -> int:
    """Whole epochs; what is over by rounding alone is no further one."""
    return math.ceil(exact - 1e-6)


def _slopes(points: Sequence[tuple[Position, float]]) -> tuple[float, float]:
    """The lower and the upper quartile of the slopes between all pairs (Theil and Sen)."""
    slopes = [
        (later - value) / (end - start)
        for at, (start, value) in enumerate(points)
        for end, later in points[at + 1 :]
    ]
    lower, _, upper = statistics.quantiles(slopes, n=4)
    return lower, upper


def duration(seconds: float) -> str:
    """A time in words: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
