"""A run counted in epochs, in steps, or by the numbers of its files."""

from __future__ import annotations

import json

import pytest

from ckptdoctor.histories import AlarmKind, Clock, History, Point, Position, Span
from ckptdoctor.metadata import Mode, Source
from ckptdoctor.render.machine.history import history_json
from ckptdoctor.report import RunReport
from ckptdoctor.rules.metrics import MetricCollapse, MetricDeclining
from ckptdoctor.runs.run import Run
from ckptdoctor.runs.trend.monitor import Monitor
from ckptdoctor.runs.trend.trend import trend_of
from ckptdoctor.survey import Chronicles

VALUES = [0.2, 0.4, 0.5, 0.55, 0.58, 0.6, 0.61, 0.62, 0.622, 0.624]
FALLEN = [*VALUES, 0.02, 0.01]


def history(clock: Clock, every: Position, epochs: Position | None = None) -> History:
    """A run that collapses at its eleventh value."""
    points = tuple(
        Point(
            at=at * every,
            epoch=at * every if clock is Clock.EPOCH else None if epochs is None else at * epochs,
            step=round(at * every) if clock is Clock.STEP else None,
            value=value,
            source=Source.LOG,
        )
        for at, value in enumerate(FALLEN, start=1)
    )
    trend = trend_of({point.at: point.value for point in points}, Mode.MAX, clock)
    best = next(point for point in points if point.at == trend.best)
    return History(
        metric="iou",
        mode=Mode.MAX,
        clock=clock,
        points=points,
        best=best,
        decline=Span(first=points[8].at, last=points[9].at),
        collapse=trend.collapse,
    )


@pytest.mark.parametrize(
    ("clock", "at", "words"),
    [
        (Clock.EPOCH, 12, "epoch 12"),
        (Clock.EPOCH, 12.5, "epoch 12.5"),
        (Clock.STEP, 8000, "step 8000"),
        (Clock.STEP, 12_345_678, "step 12345678"),
        (Clock.NUMBER, 4, "checkpoint 4"),
    ],
)
def test_a_position_in_words(clock: Clock, at: Position, words: str) -> None:
    assert clock.say(at) == words


@pytest.mark.parametrize(
    ("found", "at", "epoch", "step", "words"),
    [
        (history(Clock.EPOCH, 1), 11, 11, None, "epoch 11"),
        (history(Clock.EPOCH, 0.25), 2.75, 2.75, None, "epoch 2.75"),
        (history(Clock.STEP, 4000), 44_000, None, 44_000, "step 44000"),
        (history(Clock.STEP, 4000, 0.5), 44_000, 5.5, 44_000, "step 44000"),
        (history(Clock.NUMBER, 2), 22, None, None, "checkpoint 22"),
    ],
)
def test_a_collapse_on_any_clock(
    found: History, at: Position, epoch: Position | None, step: int | None, words: str
) -> None:
    assert found.collapse == at
    assert found.value_at(at) == 0.02
    assert found.last_at == found.points[-1].at
    document = json.loads(history_json(Chronicles(runs=(RunReport(run=Run(history=found)),))))
    assert document["collapse"] == {"epoch": epoch, "step": step}
    assert document["decline"]["from"] == found.points[8].at
    assert document["decline"]["to_step"] == (found.points[9].at if step else None)
    assert document["best"]["step"] == found.points[9].step
    (told,) = MetricCollapse().check_history(found)
    assert told.message.endswith(f"to 0.02 at {words}")
    assert told.evidence["epoch"] == epoch
    assert told.evidence.get("step") == step
    (declining,) = MetricDeclining().check_history(found)
    assert declining.message.endswith(f"at {found.clock.say(found.points[9].at)}")


@pytest.mark.parametrize("clock", list(Clock))
def test_what_is_told_does_not_depend_on_the_clock(clock: Clock) -> None:
    every = 4000 if clock is Clock.STEP else 1
    monitor = Monitor("iou", Mode.MAX, clock)
    told = [
        (at, alarm)
        for at, value in enumerate(FALLEN, start=1)
        for alarm in monitor.update(at * every, {"iou": value})
    ]
    assert [(at, alarm.kind) for at, alarm in told] == [(11, AlarmKind.COLLAPSE)]
    assert told[0][1].message.endswith(f"at {clock.say(11 * every)}")


def test_the_first_steps_of_a_run_are_as_young_as_its_first_epochs() -> None:
    guesses = [0.1, 0.04, 0.12, 0.05, 0.3, 0.4]
    young = {4000 * at: value for at, value in enumerate(guesses, start=1)}
    assert trend_of(young, Mode.MAX, Clock.STEP).collapse is None
    resumed = {400_000 + at: value for at, value in young.items()}
    assert trend_of({**resumed, 440_000: 0.04}, Mode.MAX, Clock.STEP).collapse == 440_000
    assert trend_of({401_000: 0.13, 405_000: 0.06}, Mode.MAX, Clock.STEP).collapse == 405_000
