"""The curve and its pixels: whatever the figures are, the plot stays within its box."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.finding import Verdict
from ckptdoctor.metadata import Metric, MetricKind, Mode
from ckptdoctor.render.html.curve import Curve, Point, curve_of
from ckptdoctor.render.html.plot import draw, ticks
from ckptdoctor.report import CheckpointReport, Report
from tests.reports import metric, report, score, with_last_good


def run_of(*values: float | None, kind: MetricKind = MetricKind.SCORE) -> Report:
    def held(value: float | None) -> Metric | None:
        return None if value is None else metric(value, name="iou", kind=kind)

    rows = [report(f"{n}.pth", n, held(value)) for n, value in enumerate(values)]
    return with_last_good(Report(checkpoints=tuple(rows)))


def curve_in(found: Report) -> Curve | None:
    good = found.last_good
    return curve_of(found.checkpoints, None if good is None else good.path)


def curve(*values: float, kind: MetricKind = MetricKind.SCORE) -> Curve:
    found = curve_in(run_of(*values, kind=kind))
    assert found is not None
    return found


def test_what_cannot_be_drawn_is_counted() -> None:
    found = curve_in(run_of(0.5, math.nan, None, math.inf, 0.6))
    assert found is not None
    assert [(point.x, point.y) for point in found.points] == [(0, 0.5), (4, 0.6)]
    assert found.left_out == "2 checkpoints whose iou is not finite, 1 checkpoint without iou"


def test_no_metric_is_no_curve() -> None:
    assert curve_in(Report()) is None
    assert curve_in(run_of(None, None)) is None


def test_a_metric_that_is_nowhere_finite_is_a_curve_without_points() -> None:
    found = curve(math.nan, math.nan)
    assert found.points == ()
    assert "2 checkpoints" in found.left_out
    assert draw(found, 400, 300).marks == ()


def test_the_metric_that_most_hold_is_drawn() -> None:
    rows = (
        report("a.pth", 1, score(0.1, name="acc")),
        report("b.pth", 2, score(0.2)),
        report("c.pth", 3, score(0.3)),
    )
    found = curve_in(Report(checkpoints=rows))
    assert found is not None
    assert (found.metric, len(found.points)) == ("iou", 2)
    assert found.left_out == "1 checkpoint without iou"


def test_without_epochs_steps_are_counted_and_without_steps_the_files() -> None:
    def axis(*rows: CheckpointReport) -> tuple[str, list[float]]:
        found = curve_in(Report(checkpoints=rows))
        assert found is not None
        return found.axis, [point.x for point in found.points]

    a, b = report("a.pth", None, score(1.0), step=100), report("b.pth", None, score(1.0), step=200)
    assert axis(a, b) == ("step", [100, 200])
    c, d = report("c.pth", None, score(1.0)), report("d.pth", None, score(1.0))
    assert axis(c, d) == ("checkpoint", [1, 2])
    assert axis(a, report("e.pth", 3, score(1.0))) == ("epoch", [3])


def test_the_best_so_far_is_a_line_of_steps() -> None:
    drawing = draw(curve(0.1, 0.3, 0.2), 400, 300)
    heights = [mark.y for mark in sorted(drawing.marks, key=lambda mark: mark.x)]
    assert drawing.best.count("H") == 2
    assert drawing.best.endswith(f"V{min(heights):g}")
    assert drawing.scores.count("L") == 2


def test_a_running_best_joins_no_scores() -> None:
    drawing = draw(curve(0.1, 0.3, 0.3, kind=MetricKind.RUNNING_BEST), 400, 300)
    assert drawing.scores == ""
    assert drawing.best


def test_a_lower_metric_steps_down() -> None:
    rows = [
        report(f"{n}.pth", n, score(value, name="loss", mode=Mode.MIN))
        for n, value in enumerate((0.5, 0.2, 0.9))
    ]
    found = curve_in(Report(checkpoints=tuple(rows)))
    assert found is not None
    drawing = draw(found, 400, 300)
    assert drawing.best.endswith(f"V{max(mark.y for mark in drawing.marks):g}")


def test_where_no_direction_is_better_there_is_no_best() -> None:
    rows = [report(f"{n}.pth", n, score(float(n), mode=None)) for n in range(3)]
    found = curve_in(Report(checkpoints=tuple(rows)))
    assert found is not None
    assert draw(found, 400, 300).best == ""


def test_the_last_good_one_is_drawn_last() -> None:
    drawing = draw(curve(0.1, 0.9, 0.2), 400, 300)
    assert [mark.point.last_good for mark in drawing.marks] == [False, False, True]


def test_two_on_one_place_stand_side_by_side() -> None:
    rows = (report("best.pth", 5, score(0.5)), report("epoch_5.pth", 5, score(0.5)))
    found = curve_in(Report(checkpoints=rows))
    assert found is not None
    first, second = draw(found, 400, 300).marks
    assert abs(first.x - second.x) >= 10


@pytest.mark.parametrize("width", [360, 960])
def test_one_point_stands_in_the_middle(width: int) -> None:
    drawing = draw(curve(0.5), width, 300)
    (mark,) = drawing.marks
    assert mark.x == pytest.approx((drawing.left + drawing.right) / 2, abs=1)
    assert drawing.best == drawing.scores == ""
    assert drawing.x_ticks
    assert drawing.y_ticks


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e308), st.integers(2, 20))
def test_ticks_are_finite_in_order_and_few(low: float, span: float, most: int) -> None:
    high = min(low + span, 1.7e308)
    found = ticks(low, max(low, high), most)
    assert 1 <= len(found) <= 2 * most + 2
    assert all(map(math.isfinite, found))
    assert all(a < b for a, b in pairwise(found))


@given(
    st.lists(
        st.tuples(st.integers(0, 10**12), st.floats(allow_nan=False, allow_infinity=False)),
        max_size=30,
    ),
    st.sampled_from(MetricKind),
    st.sampled_from([*Mode, None]),
)
def test_everything_stays_in_its_box(
    places: list[tuple[int, float]], kind: MetricKind, mode: Mode | None
) -> None:
    points = [
        Point(x=x, y=y, verdict=Verdict.HEALTHY, label="", last_good=False)
        for x, y in sorted(places)
    ]
    drawing = draw(
        Curve(metric="m", kind=kind, mode=mode, axis="epoch", points=tuple(points), left_out=""),
        360,
        260,
    )
    assert 0 < drawing.left < drawing.right <= 360
    assert len(drawing.marks) == len(points)
    for mark in drawing.marks:
        assert drawing.left <= mark.x <= drawing.right
        assert drawing.top <= mark.y <= drawing.bottom
    for tick in (*drawing.x_ticks, *drawing.y_ticks):
        assert math.isfinite(tick.at)
    assert "nan" not in drawing.best + drawing.scores
    assert "inf" not in drawing.best + drawing.scores
