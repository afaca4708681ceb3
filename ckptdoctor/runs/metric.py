"""Which metric a run is judged by, and where its values stand.

In this order: what the user names; what the files call best; a validation score; a validation loss;
a training value last. A name without a split that has a ``val_`` twin beside it is the training
value. Where the files call something best under another name than the log (``best_metric`` beside
``Dice``), the values tell which it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from ckptdoctor.errors import UsageError
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import (
    Metric,
    MetricKind,
    Mode,
    Source,
    Split,
    best_of,
    is_best,
    is_half,
    is_loss,
    is_part_of_loss,
    is_smoothed,
    is_test,
    plain_name,
    plain_of,
    split_of,
    weight_of,
)
from ckptdoctor.runs.logs import LogReading
from ckptdoctor.runs.member import Member
from ckptdoctor.runs.series import (
    SAME,
    TRAINING,
    Series,
    bests_of,
    class_of,
    falls,
    series_of,
    unknown_in,
    values_of,
)
from ckptdoctor.runs.trend.witness import FLOATS
from ckptdoctor.runs.wish import Wish

__all__ = ["Choice", "choose_metric", "refuse_what_is_not_there"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The metric of a run.

    Attributes:
        name: as it is shown; "" where none is known.
        mode: which direction is better; None where nobody knows.
        in_files: the names of scores that files hold of it.
        in_logs: the name that logs give it; "" where they do not.
        bests: the names under which files carry the best of it along.
        known: every metric that there is, with its direction, to choose another from.
        unknown: names that look like scores and are not understood.
        falling: those of them whose values fall over the run.
    """

    name: str = ""
    mode: Mode | None = None
    in_files: frozenset[str] = frozenset()
    in_logs: str = ""
    bests: frozenset[str] = frozenset()
    known: Mapping[str, Mode | None] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    falling: frozenset[str] = frozenset()

    def is_of(self, metric: Metric) -> bool:
        """Whether a value is one of this metric."""
        return (
            metric.name in self.in_files
            or metric.name in self.bests
            or (bool(self.in_logs) and metric.name == self.in_logs)
        )

    def of_file(self, member: Member) -> Metric | None:
        """A file's own score."""
        return self._first(member, MetricKind.SCORE, self.in_files)

    def carried(self, member: Member) -> Metric | None:
        """The best that a file carries along."""
        return self._first(member, MetricKind.RUNNING_BEST, self.bests)

    def _first(self, member: Member, kind: MetricKind, names: frozenset[str]) -> Metric | None:
        data = member.metadata
        every = (*data.metrics, *data.not_understood)
        found = [m for m in every if m.kind is kind and m.name in names]
        found.sort(key=lambda metric: metric.source is Source.FILENAME)  # that is rounded
        return replace(found[0], mode=self.mode) if found else None

    def of_log(self, values: Mapping[str, float]) -> Metric | None:
        """The score among the values that a log has of an epoch."""
        if not self.in_logs or self.in_logs not in values:
            return None
        return Metric(
            name=self.in_logs,
            value=values[self.in_logs],
            mode=self.mode,
            kind=MetricKind.SCORE,
            source=Source.LOG,
        )


def choose_metric(members: Sequence[Member], reading: LogReading, wish: Wish) -> Choice:
    """What the run is judged by; an empty choice where nothing is known, or the wish is not there.

    Args:
        members: the checkpoints.
        reading: what the logs say.
        wish: what the user says.
    """
    series = series_of(members, reading)
    bests = bests_of(members)
    known = {one.name: one.metric.mode for one in series}
    known |= {name: metric.mode for name, metric in bests.items() if name not in known}
    if wish.metric:
        chosen = _wished(series, bests, reading, members, wish)
    else:
        chosen = _found(series, bests, members, reading)
        if wish.mode is not None:
            chosen = replace(chosen, mode=wish.mode)
    unknown = unknown_in(members, reading)
    falling = frozenset(name for name in unknown if falls(name, members, reading))
    return replace(chosen, known=known, unknown=unknown, falling=falling)


# -- choosing ------------------------------------------------------------------------------------


def _found(
    series: Sequence[Series],
    bests: Mapping[str, Metric],
    members: Sequence[Member],
    reading: LogReading,
) -> Choice:
    measured = _finite(series, members, reading)
    for best in sorted(bests.values(), key=_rank_of_best):
        named = [one for one in measured if _is_best_of(best, one)]
        if named:
            return _choice(named, bests)
        alike = _by_values(best, measured, members, reading)
        if alike:
            chosen = _choice(alike, bests)
            return replace(chosen, bests=chosen.bests | {best.name})
        if best.mode is not None or not series:
            break
    usable = measured
    usable = [one for one in usable if one.metric.mode is not None] or usable
    means = {one.plain for one in usable}  # beside mIoU an IoU is that of a class
    usable = [one for one in usable if f"m{one.plain}" not in means]
    validated = [one for one in usable if class_of(one) < TRAINING]
    if bests and not validated:  # better the best of a validation than a training value
        first = min(bests.values(), key=_rank_of_best)
        if first.mode is not None:
            return _of_best(first, bests)
    if not usable:
        return _of_best(min(bests.values(), key=_rank_of_best), bests) if bests else Choice()
    carried = {
        plain_of(best_of(name))
        for log in reading.logs
        for name in log.names
        if is_best(name) and _mean_beside(name) not in log.names
    }
    carried = {plain for plain in carried if not is_half(plain)}
    lead = min(usable, key=lambda one: (class_of(one), one.plain not in carried, _preference(one)))
    return _choice([one for one in usable if _is_same(lead, one)], bests)


_A_SERIES = 4


def _finite(
    series: Sequence[Series], members: Sequence[Member], reading: LogReading
) -> list[Series]:
    """Those that were measured at all; every one, where none was ever finite."""
    known = [
        one
        for one in series
        if any(math.isfinite(value) for _, value in values_of(one, members, reading))
    ]
    known = known or list(series)
    if max((one.count for one in known), default=0) < _A_SERIES:
        return known
    # What a log tells once is a summary at its end.
    return [one for one in known if one.count > 1 or not one.in_log]


_END = re.compile(r"(?<![a-zA-Z])(?:max|min)(?=@?\d{0,5}$)")


def _mean_beside(name: str) -> str:
    """What stands beside the ends of a spread: beside ``score/mean`` a ``score/max`` is no best."""
    mean, ends = _END.subn("mean", name)
    return mean if ends else ""


def _rank_of_best(metric: Metric) -> tuple[object, ...]:
    return metric.mode is None, is_loss(metric.name), weight_of(plain_name(metric)), metric.name


def _preference(one: Series) -> tuple[object, ...]:
    return (
        class_of(one),
        is_half(one.plain),
        one.split is not Split.VALIDATION,
        is_test(one.name),
        is_smoothed(one.name),
        one.metric.mode is not Mode.MAX,
        is_part_of_loss(one.name),
        FLOATS.search(one.name) is not None,
        -one.count,
        weight_of(one.plain),
        is_loss(one.name) or _SAID_MEAN.search(one.name) is None,
        one.in_log,
        one.name,
    )


_SAID_MEAN = re.compile(r"(?<![a-zA-Z])(?:mean|avg|average)(?![a-zA-Z])", re.IGNORECASE)
"""Of two of one metric, what a name calls so is no value of a class or of a batch."""


def _is_best_of(best: Metric, one: Series) -> bool:
    """Whether a score is what a file calls best: of the same name, and not of training for it."""
    if plain_name(best) != one.plain:
        return False
    wanted = split_of(best_of(best.name))
    if one.split is wanted:
        return True
    return wanted is not Split.TRAINING and (
        one.split is Split.VALIDATION or class_of(one) < TRAINING
    )


def _is_same(lead: Series, one: Series) -> bool:
    return one.plain == lead.plain and (
        one.split is lead.split or Split.TRAINING not in (one.split, lead.split)
    )


def _choice(same: Sequence[Series], bests: Mapping[str, Metric]) -> Choice:
    """The choice of a metric that stands under several names."""
    logs = sorted((one for one in same if one.in_log), key=_preference)
    files = sorted((one for one in same if not one.in_log), key=_preference)
    lead = (logs or files)[0]
    files = [one for one in files if is_smoothed(one.name) is is_smoothed(lead.name)]
    modes = [one.metric.mode for one in (*logs, *files) if one.metric.mode is not None]
    plains = {one.plain for one in same}
    splits = {one.split for one in same}
    carried = frozenset(
        name
        for name, best in bests.items()
        if plain_name(best) in plains
        and (split_of(best_of(name)) is Split.TRAINING) == (splits == {Split.TRAINING})
    )
    return Choice(
        name=lead.name,
        mode=modes[0] if modes else None,
        in_files=frozenset(one.name for one in files),
        in_logs=logs[0].name if logs else "",
        bests=carried,
    )


def _of_best(best: Metric, bests: Mapping[str, Metric]) -> Choice:
    """Where there is only what files carry along."""
    same = [name for name, other in bests.items() if plain_name(other) == plain_name(best)]
    return Choice(name=best.name, mode=best.mode, bests=frozenset(same))


# -- by value ------------------------------------------------------------------------------------


def _by_values(
    best: Metric, series: Sequence[Series], members: Sequence[Member], reading: LogReading
) -> list[Series]:
    """The score that reached what the files call best, each time that they do; [] if none did."""
    carried: dict[float, float | None] = {}  # a best, and the first epoch that holds it
    for member in members:
        for metric in member.metadata.metrics:
            if metric.name == best.name and math.isfinite(metric.value) and metric.value:
                carried.setdefault(metric.value, member.metadata.epoch)
    fits = []
    for one in sorted(series, key=_preference):
        if class_of(one) == TRAINING and split_of(best_of(best.name)) is Split.VALIDATION:
            continue
        values = list(values_of(one, members, reading))
        reached = (_is_among(value, at, values) for value, at in carried.items())
        if carried and values and all(reached):
            fits.append(one)
    if not fits:
        return []
    first = fits[0]  # what it reached may be smoothed: the score itself tells a fall sooner
    return [one for one in series if one.plain == first.plain and one.split is first.split]


def _is_among(value: float, at: float | None, values: Sequence[tuple[float | None, float]]) -> bool:
    """Whether a value was reached up to an epoch, one more where files count from 0."""
    return any(
        abs(known - value) <= SAME * abs(value)
        for epoch, known in values
        if at is None or epoch is None or epoch <= at + 1
    )


# -- what the user names -------------------------------------------------------------------------


def _wished(
    series: Sequence[Series],
    bests: Mapping[str, Metric],
    reading: LogReading,
    members: Sequence[Member],
    wish: Wish,
) -> Choice:
    """What the user names: that name to the letter, or else the metric that it means."""
    wanted = wish.metric.lower()
    exact = [one for one in series if one.name.lower() == wanted]
    raw = {key for values in reading.told.values() for key in values if key.lower() == wanted}
    held = {
        metric.name
        for member in members
        for metric in member.metadata.not_understood
        if metric.name.lower() == wanted
    }
    meant = _meant(wish.metric)
    plain = [one for one in series if one.plain == meant and one.split is not Split.TRAINING]
    same = exact or plain or [one for one in series if one.plain == meant]
    if same:
        chosen = _choice(same, bests)
    elif raw or held:
        chosen = Choice(
            name=min(raw or held), in_files=frozenset(held), in_logs=min(raw, default="")
        )
    else:
        named = [b for name, b in bests.items() if wanted in (name.lower(), plain_name(b))]
        chosen = _of_best(named[0], bests) if named else Choice()
    return chosen if wish.mode is None else replace(chosen, mode=wish.mode)


def _meant(name: str) -> str:
    """What a name measures, where it does not say of which data, nor that it is the best."""
    bare = split_of(name) is Split.UNSAID and best_of(name) == name
    return plain_of(name) if bare else name.lower()


def refuse_what_is_not_there(choices: Sequence[Choice], wish: Wish | None) -> None:
    """Nothing, where at least one run has the metric that the user names.

    Raises:
        UsageError: none has it, or nobody knows which direction of it is better.
    """
    if wish is None or not wish.metric or not choices:
        return
    found = [choice for choice in choices if choice.name]
    if not found:
        known = sorted({name for choice in choices for name in choice.known})
        if wish.may_come and not known:
            return
        there = f"there are {', '.join(known[:12])}" if known else "no metric is known here"
        raise UsageError(f"--metric {wish.metric}: no such metric; {there}")
    if all(choice.mode is None for choice in found):
        raise UsageError(
            f"--metric {wish.metric}: say which direction is better with --mode max or --mode min"
        )
