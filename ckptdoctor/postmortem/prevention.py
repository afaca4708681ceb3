"""What to change for good, what to watch with which thresholds, and how long it takes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator

from ckptdoctor.histories import History
from ckptdoctor.metadata import Mode
from ckptdoctor.postmortem.document import Command, Part, Table
from ckptdoctor.postmortem.material import Material
from ckptdoctor.recovery.save_interval import save_advice
from ckptdoctor.recovery.timeline import duration
from ckptdoctor.runs.departure.course import Trait
from ckptdoctor.runs.departure.words import figure_at
from ckptdoctor.runs.trend.named import is_loss, is_norm
from ckptdoctor.runs.trend.noise import noise_of

__all__ = ["for_good", "timeline", "to_watch"]

_SIGMAS = 4.0
_OVER_NORM = 2.0
_LATEST = 20
_FEWEST = 6
_LEAST_NOISE = 0.005  # of the best, as in the ranking


def for_good(of: Material) -> Iterator[Part]:
    """Guard, keeper, and how often to save."""
    evidence = of.evidence
    if evidence is None and of.onset.first is None:
        return
    norm = None if evidence is None else evidence.usual_norm
    most = f"{_OVER_NORM * norm:.2g}" if norm is not None else "1.0"
    why = (
        f"gradients had a norm of {norm:.3g} at the median while all was well; {most} is twice that"
        if norm is not None
        else "no log tells the norm of the gradients; 1.0 is what most scripts clip at"
    )
    yield f"Drop steps that are not finite, and clip the others ({why}):"
    yield Command(
        text="from ckptdoctor.guard import TrainingGuard\n"
        f"guard = TrainingGuard(model, optimizer, max_norm={most})\n"
        "guard.step(loss)  # in place of optimizer.step()"
    )
    lost = _lost(of)
    if lost:
        yield lost
    metric, mode = of.report.history.metric, of.report.history.mode
    if metric and mode is not None:
        yield "Keep the best and the last sound ones, and write none that is not:"
        yield Command(
            text="from ckptdoctor.guard import CheckpointKeeper\n"
            f"keeper = CheckpointKeeper('checkpoints', metric={metric!r}, mode={mode.value!r})"
        )
    advice = "" if evidence is None else save_advice(of.report, evidence.trouble)
    if advice:
        yield f"{advice[:1].upper()}{advice[1:]}."
    yield "Have the run watched, so that the next time is told by the checkpoint and the epoch:"
    yield Command(text="ckptdoctor watch . --exit-on-alert")


def _lost(of: Material) -> str:
    history, good = of.report.history, of.report.last_good
    last, at = history.last_at, None if good is None else good.epoch
    if last is None or at is None or history.clock.value != "epoch" or last <= at:
        return ""
    took = "" if history.epoch_s is None else f", {duration((last - at) * history.epoch_s)}"
    return f"{last - at:g} epochs behind the last good checkpoint are lost{took}."


def to_watch(of: Material) -> Iterator[Part]:
    """Thresholds by this run's own noise."""
    rows = [*_metric(of.report.history), *_logged(of), *_module(of)]
    if rows:
        yield Table(head=("value", "usual", "stop where"), rows=tuple(rows))
    if of.report.history.mode is not None:
        yield (
            "Stop as well where the metric falls three epochs in a row, whatever the figures: this "
            "is what CD401 tells."
        )
    elif not rows:
        yield "No threshold can be given: the files and logs tell no value often enough."


def _metric(history: History) -> Iterator[tuple[str, str, str]]:
    scores = history.scores
    if history.best is None or history.mode is None:
        return
    calm = [value for at, value in scores if at <= history.best.at][-_LATEST:]
    noise = noise_of(calm)
    if noise is None:
        return
    is_smooth = noise < _LEAST_NOISE * abs(history.best.value)
    noise = max(noise, _LEAST_NOISE * abs(history.best.value))
    sign = 1.0 if history.mode is Mode.MAX else -1.0
    limit = sign * (max(calm) - _SIGMAS * noise)
    word = "below" if history.mode is Mode.MAX else "above"
    yield (
        history.metric,
        f"{history.best.value:.4g} at best, ± {noise:.2g}"
        + (" (half a percent: it hardly jumps)" if is_smooth else " from epoch to epoch"),
        f"{word} {limit:.4g} ({_SIGMAS:g} times the noise)",
    )


def _logged(of: Material) -> Iterator[tuple[str, str, str]]:
    """Losses and gradient norms, up to where all was well."""
    history, evidence = of.report.history, of.evidence
    end = None if evidence is None else evidence.trouble.well
    if end is None:
        end = history.last_at
    if end is None:
        return
    names = dict.fromkeys(name for values in history.values.values() for name in values)
    for name in names:
        if not (is_loss(name) or is_norm(name)) or name == history.metric:
            continue
        known = [
            value
            for at, values in sorted(history.values.items())
            if at <= end and math.isfinite(value := values.get(name, math.nan))
        ][-_LATEST:]
        if len(known) >= _FEWEST:
            middle, noise = statistics.median(known), noise_of(known) or 0.0
            limit = max(_OVER_NORM * max(known), middle + _SIGMAS * noise)
            yield name, f"{middle:.4g} at the median", f"above {limit:.3g}, or NaN"


def _module(of: Material) -> Iterator[tuple[str, str, str]]:
    """How far the tensor may move that it began with."""
    first, course = of.onset.first, of.figures.course
    if first is None or first.is_buffer or not of.onset.stands_out:
        return
    known = [
        value
        for place in range(1, first.place)
        if math.isfinite(value := figure_at(course, first.name, Trait.MOVED, place))
    ][-_LATEST:]
    if len(known) >= 3:
        yield (
            f"way of {first.name} from checkpoint to checkpoint, of its norm",
            f"{statistics.median(known):.3g} at the median",
            f"above {_OVER_NORM * max(known):.3g}, twice the farthest of {len(known)}",
        )


def timeline(of: Material) -> Iterator[Part]:
    """Back to where it was, and to the target."""
    history, good = of.report.history, of.report.last_good
    best, at = history.best, None if good is None else good.epoch
    pace = history.epoch_s
    if best is not None and at is not None and history.clock.value == "epoch":
        back = max(0.0, best.at - at)
        if back:
            took = "" if pace is None else f", {duration(back * pace)}"
            yield f"{back:g} epochs from the last good checkpoint to where the best was{took}."
        else:
            scored = f"{best.value:.4g}"
            yield f"The last good checkpoint is that of the best, {scored}: nothing to regain."
    if pace is not None:
        yield f"An epoch took {duration(pace)} at the median, by the times in the log."
    line = of.plan.timeline
    if line is None:
        if best is not None:
            words = of.relative.words("ckptdoctor", "autopsy", *of.question)
            yield f"To a target of your own: {words} --target VALUE."
        return
    if line.low is None:
        why = line.method.removeprefix("none: ").capitalize()
        yield f"To {line.target:.4g}: no estimate. {why}."
        return
    high = "perhaps never" if line.high is None else f"{line.high}"
    yield f"To {line.target:.4g}: {line.low} to {high} epochs. From {line.method}."
