"""How far a tensor is apart from others at each checkpoint, held against the whole past anew."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.departure.apart import _Ways
from ckptdoctor.runs.departure.past import lead_of, usual_distance
from ckptdoctor.runs.departure.peers import Crowd

_LOGS = st.lists(st.none() | st.floats(-9, 9), min_size=25, max_size=25)


@given(st.lists(_LOGS, min_size=2, max_size=5), st.sets(st.integers(0, 24), min_size=1))
def test_gone_through_once_it_is_what_the_whole_past_says(
    every: list[list[float | None]], places: set[int]
) -> None:
    logs = {f"w{at}": own for at, own in enumerate(every)}
    own, crowd = every[0], Crowd(logs)
    ways = _Ways(own, Crowd(logs))
    for place in sorted(places):
        ways.go_to(place)
        apart = [
            (at, lead.middle - crowd.at(at).middle)
            for at in range(place + 1)
            if (lead := lead_of(own, at)) is not None
        ]
        values = [value for _, value in apart]
        assert ways.last_place == (apart[-1][0] if apart else -1)
        if not apart:
            continue
        assert ways.now == values[-1]
        assert len(values) < 2 or ways.before == values[-2]
        expected = tuple(
            some[-1] / usual_distance(statistics.median(map(abs, some[:-1])), 100)
            if len(some) > 2
            else 0.0
            for some in (values, values[:-1])
        )
        assert ways.deviations(100) == pytest.approx(expected, rel=1e-12)
