"""What is said of a metric carries its places: epochs, and steps where the run counts those."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from ckptdoctor.finding import Finding, Severity
from ckptdoctor.histories import Alarm, AlarmKind, Clock, History, Point, Shift, Span
from ckptdoctor.metadata import Mode, Source
from ckptdoctor.rules.base import Rule
from ckptdoctor.rules.metrics import (
    LevelShift,
    LossExplosion,
    MetricCollapse,
    MetricDeclining,
    NonFiniteInLog,
    Stalled,
)
from tests.each import each

RULES: dict[type[Rule], tuple[str, dict[str, int]]] = {
    MetricDeclining: (
        "iou declined from 0.7 at {2} to 0.1 at {4}",
        {"first_step": 3000, "last_step": 4000, "best_step": 2000},
    ),
    MetricCollapse: ("iou collapsed from 0.7 at {2} to 0.1 at {4}", {"step": 4000}),
    LevelShift: ("iou fell from 0.7 to 0.4 at {3}, and has stayed there", {"step": 3000}),
    LossExplosion: ("it is so", {"step": 3000}),
    NonFiniteInLog: ("loss is NaN from {3} on", {"step": 3000}),
    Stalled: ("it is so", {"step": 3000}),
}
EPOCHS = (10, 11, 12, 13)
STEPS = (1000, 2000, 3000, 4000)


def history(clock: Clock = Clock.EPOCH) -> History:
    """Best at the second place, and everything wrong from the third on."""
    places = STEPS if clock is Clock.STEP else EPOCHS
    points = tuple(
        Point(
            at=at,
            epoch=10 + nth,
            step=STEPS[nth],
            value=value,
            source=Source.LOG,
        )
        for nth, (at, value) in enumerate(zip(places, (0.6, 0.7, 0.4, 0.1), strict=True))
    )
    values = {point.at: {"iou": point.value, "loss": 1.0} for point in points}
    third, last = places[2:]
    alarms = tuple(
        Alarm(
            kind=kind,
            name="loss",
            at=third,
            since=third,
            value=math.nan if kind is AlarmKind.NON_FINITE else 9.0,
            before=1.0,
            message="it is so",
        )
        for kind in AlarmKind
        if kind is not AlarmKind.RATE
    )
    return History(
        metric="iou",
        mode=Mode.MAX,
        clock=clock,
        points=points,
        values=values,
        best=points[1],
        decline=Span(first=third, last=last),
        collapse=last,
        shift=Shift(at=third, before=0.7, after=0.4),
        alarms=alarms,
    )


def found(rule: type[Rule], known: History) -> list[Finding]:
    return [*rule().check_history(known)]


@each("rule", RULES)
def test_nothing_is_said_where_nothing_is_wrong(rule: type[Rule]) -> None:
    assert found(rule, History()) == []
    sound = replace(history(), decline=None, collapse=None, shift=None, alarms=())
    assert found(rule, sound) == []


@each("rule", RULES)
def test_what_is_wrong_is_told_with_its_epoch_and_with_its_step_where_steps_count(
    rule: type[Rule],
) -> None:
    message, steps = RULES[rule]
    for clock, places in ((Clock.EPOCH, EPOCHS), (Clock.STEP, STEPS)):
        (one,) = found(rule, history(clock))
        assert one.message == message.format("", *map(clock.say, places))
        assert {k: v for k, v in one.evidence.items() if "step" in k} == (
            steps if clock is Clock.STEP else {}
        )
        epochs = {k: v for k, v in one.evidence.items() if "epoch" in k}
        assert epochs == {
            key.replace("step", "epoch"): EPOCHS[STEPS.index(step)] for key, step in steps.items()
        } | ({"best_epoch": 11} if rule is MetricCollapse else {})


def test_what_came_back_is_a_warning_and_what_stands_still_no_longer_is_none() -> None:
    known = history()
    back = replace(known, alarms=tuple(replace(one, lasting=False) for one in known.alarms))
    (exploded,), (non_finite,) = found(LossExplosion, back), found(NonFiniteInLog, back)
    assert (exploded.severity, exploded.message) == (Severity.WARNING, "it is so, and came back")
    assert non_finite.severity is Severity.WARNING
    assert non_finite.message == "loss is NaN at epoch 12, and came back"
    assert found(Stalled, back) == []
    assert [one.severity for one in found(LossExplosion, known)] == [Severity.ERROR]
    assert [one.severity for one in found(NonFiniteInLog, known)] == [Severity.ERROR]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loss": math.inf}, "loss is inf from epoch 12 on"),
        ({"loss": math.nan, "iou": math.nan}, "loss and iou are NaN from epoch 12 on"),
        ({"a": math.nan, "b": math.inf, "c": 0.0}, "a and b and c are not finite from epoch 12 on"),
        (dict.fromkeys("abcde", math.nan), "a, b, c and 2 more are NaN from epoch 12 on"),
    ],
)
def test_the_names_of_what_is_not_finite_are_told_together(
    values: dict[str, float], message: str
) -> None:
    known = history()
    (alarm,) = (one for one in known.alarms if one.kind is AlarmKind.NON_FINITE)
    later = [replace(alarm, name=name, value=value) for name, value in values.items()]
    passing = replace(alarm, name="passing", at=10, lasting=False)
    (one,) = found(NonFiniteInLog, replace(known, alarms=(passing, *later)))
    assert one.message == message
    assert one.evidence["names"] == [*values]


def test_a_metric_to_minimise_rises_and_a_collapse_to_nan_needs_no_best() -> None:
    (one,) = found(LevelShift, replace(history(), mode=Mode.MIN))
    assert one.message.startswith("iou rose from 0.7 to 0.4")
    known = history()
    broken = replace(known.points[-1], value=math.nan)
    (one,) = found(MetricCollapse, replace(known, best=None, points=(*known.points[:-1], broken)))
    assert one.message == "iou collapsed to NaN at epoch 13"
