"""CD413 names the module that left first, and how many followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from ckptdoctor.finding import Finding
from ckptdoctor.rules.leaving import ModuleLeavesPast
from ckptdoctor.runs.departure.course import Course, Moment, Trait
from ckptdoctor.runs.departure.departures import Departure
from ckptdoctor.runs.run import Run


def left(name: str, place: int = 6, trait: Trait = Trait.NORM) -> Departure:
    return Departure(name=name, trait=trait, place=place, excess=2.0, deviations=9.0)


def told(*departed: Departure) -> list[Finding]:
    """What is said of a run whose tensors have left their past like that."""
    grown: Mapping[str, Sequence[float]] = {
        name: [1.0] * 6 + [9.0] * 2
        for name in ("enc.weight", "enc.bias", "dec.weight", "head.weight")
    }
    course = Course(
        moments=tuple(Moment(name=f"epoch_{at}.pth", at=at) for at in range(8)),
        series={Trait.NORM: grown},
        numel=dict.fromkeys(grown, 4),
    )
    run = Run()
    vars(run).update(departures=departed, _movement=({}, course))
    return [*ModuleLeavesPast().check_run(run, ())]


@pytest.mark.parametrize(
    ("names", "followed"),
    [
        (("enc.weight", "enc.bias"), 0),
        (("enc.weight", "dec.weight", "enc.bias"), 1),
        (("enc.weight", "dec.weight", "head.weight"), 2),
    ],
)
def test_the_first_module_is_told_with_how_many_followed(
    names: Sequence[str], followed: int
) -> None:
    (found,) = told(*(left(name, 6 + (at > 0)) for at, name in enumerate(names)))
    assert (found.subject, found.evidence["checkpoint"]) == ("enc", "epoch_6.pth")
    assert found.evidence["modules_that_followed"] == followed
    assert ("followed" in found.message) is bool(followed)


def test_where_nan_came_first_another_code_tells_it() -> None:
    nan = left("dec.weight", 6, Trait.NON_FINITE)
    assert told(nan) == told(nan, left("enc.weight", 7)) == told() == []
    assert [one.subject for one in told(nan, left("enc.weight", 6))] == ["enc"]
    assert [one.subject for one in told(left("enc.weight", 6), nan)] == ["enc"]
