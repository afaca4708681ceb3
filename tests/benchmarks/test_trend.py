"""The benchmark of trend detectors counts what it says it counts."""

from __future__ import annotations

import importlib.util
import json
import math

import pytest

from ckptdoctor.metadata import Mode
from tests.benchmarks import trend
from tests.benchmarks.trend_rivals import (
    ChangePoints,
    Kernel,
    NonFinite,
    Signal,
    ThreeInARow,
    ZScore,
    alarm_epochs,
    change_point_alarms,
)
from tests.benchmarks.trend_score import Alarms, Outcome, score, tune
from tests.runs.curves import Curve, CurveKind, make_curves


def curve(
    kind: CurveKind,
    *,
    onset: int | None = None,
    until: int | None = None,
    fall: int | None = None,
    values: list[float] | None = None,
) -> Curve:
    return Curve(
        kind=kind,
        metric="iou",
        mode=Mode.MAX,
        values={at: {"iou": value} for at, value in enumerate(values or [0.5] * 30)},
        onset=onset,
        until=until,
        fall=fall,
        healthy=kind.healthy,
    )


@pytest.mark.parametrize(
    ("alarms", "delay", "false_alarms"),
    [((), None, 0), ((9,), None, 1), ((10,), 0, 0), ((3, 4, 14, 15), 4, 2), ((29,), 19, 0)],
)
def test_a_fault_is_found_at_its_onset_or_later(
    alarms: tuple[int, ...], delay: int | None, false_alarms: int
) -> None:
    outcome = Outcome(curve=curve(CurveKind.DECLINE, onset=10), alarms=alarms)
    assert (outcome.delay, outcome.false_alarms) == (delay, false_alarms)


@pytest.mark.parametrize(
    ("alarms", "delay", "false_alarms"),
    [((), None, 0), ((10,), 0, 0), ((11,), None, 1), ((3, 10, 20), 0, 2)],
)
def test_an_alarm_counts_at_a_spike_only(
    alarms: tuple[int, ...], delay: int | None, false_alarms: int
) -> None:
    outcome = Outcome(curve=curve(CurveKind.SPIKE, onset=10, until=10), alarms=alarms)
    assert (outcome.delay, outcome.false_alarms) == (delay, false_alarms)


def test_every_alarm_in_a_healthy_run_is_false() -> None:
    outcome = Outcome(curve=curve(CurveKind.NOISY), alarms=(0, 17))
    assert (outcome.delay, outcome.false_alarms) == (None, 2)


@pytest.mark.parametrize(
    ("alarms", "warned"), [((9,), False), ((10,), True), ((19,), True), ((20,), False)]
)
def test_a_warning_comes_in_the_decline_and_before_the_fall(
    alarms: tuple[int, ...], warned: bool
) -> None:
    announced = curve(CurveKind.DECLINE_COLLAPSE, onset=10, fall=20)
    assert Outcome(curve=announced, alarms=alarms).warned is warned


def test_the_figures_of_a_kind() -> None:
    run = curve(CurveKind.COLLAPSE, onset=10)
    alarms = [(10,), (10,), (12,), (5, 18), ()]
    figures = score("a", "collapse", [Outcome(curve=run, alarms=one) for one in alarms])
    assert (figures.runs, figures.found, figures.healthy) == (5, 0.8, False)
    assert (figures.delay_median, figures.delay_p95) == (1, 8)
    assert (figures.false_alarms, figures.runs_with_false_alarm) == (0.2, 0.2)
    assert figures.warned is None


def test_tuning_keeps_false_alarms_rare_before_it_finds_more() -> None:
    curves = make_curves(4 * len(CurveKind))

    def eager(run: Curve) -> tuple[int, ...]:
        return tuple(run.values)

    def slow(run: Curve) -> tuple[int, ...]:
        return () if run.healthy else (max(run.values),)

    def quick(run: Curve) -> tuple[int, ...]:
        return () if run.healthy or run.onset is None else (run.onset,)

    candidates = {"blind": lambda run: (), "eager": eager, "slow": slow, "quick": quick}
    assert tune(candidates, curves).settings == ("quick", "quick")
    del candidates["quick"]
    assert tune(candidates, curves).settings == ("slow", "slow")
    del candidates["slow"]
    assert tune(candidates, curves).settings == ("blind", "blind")


def test_a_setting_is_measured_on_runs_that_did_not_choose_it() -> None:
    curves = make_curves(4 * len(CurveKind))
    first = {id(run) for run in curves[: 2 * len(CurveKind)]}

    def good_in(half: bool) -> Alarms:
        def alarms(run: Curve) -> tuple[int, ...]:
            known = (id(run) in first) is half
            return (run.onset,) if known and not run.healthy and run.onset is not None else ()

        return alarms

    tuned = tune({"first half": good_in(True), "second half": good_in(False)}, curves)
    assert tuned.settings == ("second half", "first half")
    assert [one.curve for one in tuned.outcomes] == curves
    assert not any(one.alarms for one in tuned.outcomes)


def test_not_finite_is_told_once_a_stretch() -> None:
    values = [0.5, math.nan, math.inf, 0.5, math.nan]
    assert alarm_epochs(NonFinite(), curve(CurveKind.NAN_METRIC, onset=1, values=values)) == (1, 4)


@pytest.mark.parametrize(
    ("values", "alarms"),
    [
        ([0.5, 0.49, 0.48, 0.47, 0.46], (3,)),
        ([0.5, 0.49, 0.48, 0.49, 0.48], ()),
        ([0.5, 0.2, 0.2], (1,)),
        ([0.5, math.nan, 0.49], ()),
    ],
)
def test_three_in_a_row(values: list[float], alarms: tuple[int, ...]) -> None:
    run = curve(CurveKind.DECLINE, onset=1, values=values)
    assert alarm_epochs(ThreeInARow("iou", Mode.MAX), run) == alarms
    falling = curve(CurveKind.DECLINE, onset=1, values=[1 / value for value in values])
    assert alarm_epochs(ThreeInARow("iou", Mode.MIN), falling) == alarms


WAVES = [0.5 + 0.01 * (-1) ** at for at in range(20)]


def test_the_z_score_alarms_once_an_excursion_and_on_the_bad_side_only() -> None:
    fallen = curve(CurveKind.COLLAPSE, onset=20, values=[*WAVES, 0.1, 0.1, 0.1])
    assert alarm_epochs(ZScore("iou", Mode.MAX, 0.1, 4), fallen) == (20,)
    assert alarm_epochs(ZScore("iou", Mode.MIN, 0.1, 4), fallen) == ()


@pytest.mark.parametrize("kernel", Kernel)
@pytest.mark.one_in(2)
@pytest.mark.slow
def test_change_points_are_told_where_they_are_for_the_worse(kernel: Kernel) -> None:
    pytest.importorskip("ruptures")
    setting = ChangePoints(kernel=kernel, signal=Signal.LEVELS, penalty=3)
    low, high = [value - 0.3 for value in WAVES], WAVES
    fallen = change_point_alarms(setting, curve(CurveKind.COLLAPSE, onset=20, values=high + low))
    assert len(fallen) == 1
    assert 20 <= fallen[0] <= 23
    assert change_point_alarms(setting, curve(CurveKind.NOISY, values=low + high)) == ()


@pytest.mark.slow
def test_a_change_of_slope_counts_where_it_points_down() -> None:
    pytest.importorskip("ruptures")
    setting = ChangePoints(kernel=Kernel.L2, signal=Signal.DIFFERENCES, penalty=3)
    rise = [0.3 + 0.01 * at for at in range(20)]
    flat, falling = [rise[-1]] * 20, [rise[-1] - 0.01 * at for at in range(1, 20)]
    assert change_point_alarms(setting, curve(CurveKind.PLATEAU, values=rise + flat)) == ()
    assert change_point_alarms(setting, curve(CurveKind.DECLINE, onset=20, values=rise + falling))


@pytest.mark.slow
def test_the_output_without_ruptures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = trend.measure(make_curves(8 * len(CurveKind)), seed=0)
    assert list(result.scores) == ["ckptdoctor", "isfinite", "3 in a row", "EMA z-score"]
    ours = {one.kind: one for one in result.scores["ckptdoctor"]}
    assert ours["collapse"].found == ours["loss explosion"].found == 1.0
    assert ours["collapse"].delay_p95 is not None
    assert ours["collapse"].delay_p95 <= 1
    assert ours["NaN metric"].found == ours["loss 0.0, grad_norm NaN"].found == 1.0
    assert ours[trend.HEALTHY].false_alarms <= 0.1
    blind = {one.kind: one for one in result.scores["isfinite"]}
    assert [blind[kind.value].found for kind in CurveKind if "NaN" in kind.value] == [1.0] * 3
    text = trend.as_text(result)
    assert all(kind.value in text for kind in CurveKind)
    assert "ruptures: not installed" in text
    document = json.loads(trend.as_json(result))
    assert document["runs"] == 8 * len(CurveKind)
    assert len(document["scores"]) == 4 * (len(CurveKind) + 3)
