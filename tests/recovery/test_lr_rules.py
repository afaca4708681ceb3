"""Rules of thumb for the learning rate of a restart."""

from __future__ import annotations

import math

import pytest

from ckptdoctor.errors import UsageError
from ckptdoctor.recovery.added import parse_added
from ckptdoctor.recovery.causes.cause import Cause, CauseKind, Remedy, Sure
from ckptdoctor.recovery.lr_rules import advise
from tests.each import each

COLLAPSED = Remedy(factor=0.5, low=0.4, high=0.6, warmup_epochs=5, reason="it collapsed")
DECLINED = Remedy(factor=0.8, low=0.75, high=0.85, warmup_epochs=5, reason="it declined")
SEEN = Remedy(factor=0.1, low=0.07, high=0.15, warmup_epochs=5, reason="the edge was seen")
WELL = Remedy(factor=1.0, low=0.5, high=1.0, warmup_epochs=0, reason="the rate did no harm")


def because(
    remedy: Remedy | None, kind: CauseKind = CauseKind.UNKNOWN, sure: Sure = Sure.LIKELY
) -> Cause:
    return Cause(kind=kind, sure=sure, evidence=("e",), remedy=remedy)


@each(
    ("added", "remedy", "factor", "low", "high", "warmup"),
    [
        (["deep-supervision"], None, 0.75, 0.7, 0.8, 0),
        (["deep-supervision"], COLLAPSED, 0.375, 0.28, 0.48, 5),
        (["deep-supervision,ema"], None, 0.7, 0.7, 0.7, 0),
        (["ema", "deep_supervision"], None, 0.7, 0.7, 0.7, 0),
        (["ema"], None, 1.0, 1.0, 1.0, 0),
        (["augmentation"], None, 0.875, 0.85, 0.9, 0),
        (["augmentation", "deep-supervision"], None, 0.6562, 0.595, 0.72, 0),
        (["batch-size:X4"], None, 2.0, 1.0, 4.0, 0),
        (["batch-size:2"], COLLAPSED, 0.5, 0.4, 1.2, 5),
        (["batch-size:0.25"], None, 0.5, 0.25, 1.0, 0),
        ([], DECLINED, 0.8, 0.75, 0.85, 5),
        ([], COLLAPSED, 0.5, 0.4, 0.6, 5),
        ([], WELL, 1.0, 0.5, 1.0, 0),
        ([], None, 1.0, 1.0, 1.0, 0),
    ],
)
def test_the_table(
    added: list[str],
    remedy: Remedy | None,
    factor: float,
    low: float,
    high: float,
    warmup: int,
) -> None:
    found = advise(parse_added(added), () if remedy is None else (because(remedy),))
    assert (found.factor, found.low, found.high) == pytest.approx((factor, low, high), rel=1e-3)
    assert found.warmup_epochs == warmup
    assert found.reasons
    assert found.low <= found.factor <= found.high
    assert math.isfinite(found.factor)


@each("what", ["deep-supervision", "augmentation", "ema", "batch-size:X8"])
@each("remedy", [COLLAPSED, DECLINED, SEEN, WELL])
@each("kind", [CauseKind.RATE_TOO_HIGH, CauseKind.ADDED, CauseKind.UNKNOWN])
def test_naming_what_was_added_never_gives_a_weaker_remedy(
    what: str, remedy: Remedy, kind: CauseKind
) -> None:
    causes = (because(remedy, kind),)
    with_it, without = advise(parse_added([what]), causes), advise((), causes)
    assert with_it.factor <= without.factor
    assert with_it.warmup_epochs == without.warmup_epochs


def test_rates_that_were_seen_were_seen_with_the_addition_at_work() -> None:
    seen = (because(SEEN, CauseKind.RATE_TOO_HIGH),)
    assert advise(parse_added(["deep-supervision"]), seen).factor == SEEN.factor
    half = (because(COLLAPSED, CauseKind.RATE_TOO_HIGH),)
    assert advise(parse_added(["deep-supervision"]), half).factor == pytest.approx(0.375)


def test_the_likeliest_cause_decides_and_the_strongest_of_several_as_likely() -> None:
    clear = because(WELL, CauseKind.POISONED_STATE, Sure.CLEAR)
    assert advise((), (clear, because(COLLAPSED))).factor == 1.0
    assert advise((), (because(COLLAPSED), because(SEEN, CauseKind.BATCH_SIZE))).factor == 0.1


def test_again_after_a_restart_asks_for_less_unless_the_rates_told() -> None:
    assert advise((), (because(DECLINED),), restarts=2).factor == pytest.approx(0.64)
    assert advise((), (), restarts=2).factor == 1.0
    poisoned = because(WELL, CauseKind.POISONED_STATE)
    assert advise((), (poisoned,), restarts=2).factor == 1.0, "the rate has nothing to do with it"
    assert advise((), (because(SEEN, CauseKind.RATE_TOO_HIGH),), restarts=2).factor == 0.1


@pytest.mark.parametrize(
    "text",
    ["dropout", "batch-size", "batch-size:X0", "batch-size:Xfour", "batch-size:1" + "0" * 400],
)
def test_what_is_not_known_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="known are deep-supervision"):
        parse_added([text])


def test_the_factor_with_its_range_in_words() -> None:
    assert advise(parse_added(["deep-supervision"])).in_words() == "0.75 (range 0.7 to 0.8)"
    assert advise(()).in_words() == "1"
