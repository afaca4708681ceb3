"""Rules of thumb for the learning rate of a restart."""

from __future__ import annotations

import math

import pytest

from ckptdoctor.errors import UsageError
from ckptdoctor.history import Alarm, AlarmKind, History, Shift, Span
from ckptdoctor.recovery.lr_rules import advise, parse_added

DECLINED = History(decline=Span(first=89, last=97))
COLLAPSED = History(decline=Span(first=89, last=97), collapse=98)
EXPLODED = History(
    alarms=(
        Alarm(
            kind=AlarmKind.EXPLOSION,
            name="loss",
            at=9,
            since=9,
            value=9.0,
            before=0.1,
            message="m",
        ),
    )
)


@pytest.mark.parametrize(
    ("added", "history", "factor", "low", "high", "warmup"),
    [
        (["deep-supervision"], None, 0.75, 0.7, 0.8, 0),
        (["deep-supervision"], COLLAPSED, 0.75, 0.7, 0.8, 0),
        (["deep-supervision,ema"], None, 0.7, 0.7, 0.7, 0),
        (["ema", "deep_supervision"], None, 0.7, 0.7, 0.7, 0),
        (["ema"], None, 1.0, 1.0, 1.0, 0),
        (["augmentation"], None, 0.875, 0.85, 0.9, 0),
        (["augmentation", "deep-supervision"], None, 0.6562, 0.595, 0.72, 0),
        (["batch-size:X4"], None, 2.0, 1.0, 4.0, 0),
        (["batch-size:2"], COLLAPSED, 1.0, 1.0, 2.0, 0),
        (["batch-size:0.25"], None, 0.5, 0.25, 1.0, 0),
        ([], DECLINED, 0.8, 0.75, 0.85, 5),
        ([], COLLAPSED, 0.5, 0.4, 0.6, 5),
        ([], EXPLODED, 0.5, 0.4, 0.6, 5),
        ([], History(shift=Shift(at=9, before=0.9, after=0.8)), 0.8, 0.75, 0.85, 5),
        ([], History(), 1.0, 1.0, 1.0, 0),
        ([], None, 1.0, 1.0, 1.0, 0),
        ([], History(decline=Span(first=1, last=9), restarts=1), 0.64, 0.5625, 0.7225, 5),
        (["deep-supervision"], History(collapse=9, restarts=2), 0.6, 0.525, 0.68, 5),
    ],
)
def test_the_table(
    added: list[str],
    history: History | None,
    factor: float,
    low: float,
    high: float,
    warmup: int,
) -> None:
    found = advise(parse_added(added), history)
    assert (found.factor, found.low, found.high) == pytest.approx((factor, low, high), rel=1e-3)
    assert found.warmup_epochs == warmup
    assert found.reasons
    assert found.low <= found.factor <= found.high
    assert math.isfinite(found.factor)


@pytest.mark.parametrize(
    "text",
    ["dropout", "batch-size", "batch-size:X0", "batch-size:Xfour", "batch-size:1" + "0" * 400],
)
def test_what_is_not_known_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="known are deep-supervision"):
        parse_added([text])


def test_the_factor_with_its_range_in_words() -> None:
    assert advise(parse_added(["deep-supervision"]), None).in_words() == "0.75 (range 0.7 to 0.8)"
    assert advise((), None).in_words() == "1"
