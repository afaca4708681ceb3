"""Statistics that were put away are those that were given, to the last bit and type."""

from __future__ import annotations

import math
import struct

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from ckptdoctor.checkpoint import TensorStats
from ckptdoctor.figures import Drawer, are_finite, sample_of

_EXTREMES = (
    st.none()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(width=32, allow_nan=False, allow_infinity=False)
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([0.0, -0.0, 2**53 + 1, 0.1, 65504.0])
)
_COUNTS = st.just(0) | st.integers(0, 2**40)


@st.composite
def _stats(draw: st.DrawFn) -> dict[str, TensorStats]:
    names = draw(st.lists(st.text(max_size=5), max_size=5, unique=True))
    is_usual = draw(st.booleans())
    extremes = st.floats(width=32, allow_nan=False, allow_infinity=False)
    return {
        name: TensorStats(
            fqn=name,
            numel=draw(st.integers(0, 2**60)),
            nan=0 if is_usual else draw(_COUNTS),
            posinf=0 if is_usual else draw(_COUNTS),
            neginf=0 if is_usual else draw(_COUNTS),
            min=draw(extremes if is_usual else _EXTREMES),
            max=draw(extremes if is_usual else _EXTREMES),
            first_bad_index=None
            if is_usual
            else draw(st.none() | st.lists(st.integers(0, 9), max_size=3).map(tuple)),
            saturated=0 if is_usual else draw(_COUNTS),
            sample=draw(st.binary(max_size=9)),
        )
        for name in names
    }


def exactly(stats: TensorStats) -> tuple[object, ...]:
    """All of it: a zero has a sign, and a number is whole or not."""
    bits = [
        struct.pack("<d", one) if isinstance(one, float) else one for one in (stats.min, stats.max)
    ]
    return stats, stats.sample, bits, type(stats.min), type(stats.max)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files=st.lists(_stats(), max_size=3))
def test_what_is_put_away_is_what_was_given(files: list[dict[str, TensorStats]]) -> None:
    drawer = Drawer()
    for stats, kept in [(stats, drawer.figures(stats)) for stats in files * 2]:
        assert list(kept) == list(stats)
        assert len(kept) == len(stats)
        assert [*map(exactly, kept.whole().values())] == [*map(exactly, stats.values())]
        assert [exactly(kept[name]) for name in stats] == [*map(exactly, stats.values())]
        assert kept.get("no such tensor") is None
        assert are_finite(kept) == are_finite(stats)
        for name in (*stats, "no such tensor"):
            assert sample_of(kept, name) == sample_of(stats, name)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stats=_stats(), data=st.data())
def test_some_of_them_are_a_view(stats: dict[str, TensorStats], data: st.DataObject) -> None:
    drawer = Drawer()
    kept = drawer.figures(stats)
    some = data.draw(st.lists(st.sampled_from(sorted(stats)), unique=True)) if stats else []
    view = kept.only(drawer.chosen(kept, some, tuple(some)))
    expected = {name: stats[name] for name in some}
    assert dict(view) == view.whole() == expected
    assert are_finite(view) == are_finite(expected)
    assert "no such tensor" not in view


def test_names_are_kept_once() -> None:
    drawer = Drawer()
    given_twice = [
        {name: TensorStats(fqn=name, numel=4, min=at, max=at + 0.5) for name in ("a", "b")}
        for at in (0.25, 0.75)
    ]
    first, second = map(drawer.figures, given_twice)
    assert first.places is second.places


def test_what_is_not_finite_is_told_of_the_tensors_that_are_meant() -> None:
    drawer = Drawer()
    kept = drawer.figures(
        {
            "good": TensorStats(fqn="good", numel=1, min=1.0, max=1.0),
            "bad": TensorStats(fqn="bad", numel=1, neginf=1, first_bad_index=(0,)),
        }
    )
    assert not kept.are_finite
    assert kept.only(drawer.chosen(kept, ["good"], 1)).are_finite
    assert not kept.only(drawer.chosen(kept, ["bad"], 2)).are_finite
    assert kept["bad"].min is None
    assert math.copysign(1, kept["good"].min or 0) == 1
