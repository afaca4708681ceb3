"""Faults in real trainings: guarded they end as if nothing had been, unguarded they die."""

from __future__ import annotations

from functools import lru_cache

import pytest

from tests.guard.faulty import CASES, Case, Fault, Net, Outcome, train

NOISE = 0.03  # accuracy moves by a hundredth from seed to seed
CONV = [case for case in CASES if case.net is not Net.TRANSFORMER]


@lru_cache
def faultless(net: Net) -> Outcome:
    return train(Case(net=net, fault=Fault.NONE), guarded=False)


def identified(case: Case) -> str:
    return f"{case.net.name}-{case.fault.name}"


# Skipped and rolled back without waiting for the device: of the one and the other a fault each.
_ASYNC = (Fault.NAN_BATCH, Fault.LR)


@pytest.mark.parametrize(
    ("case", "mode"),
    [
        *(pytest.param(case, "block", id=f"{identified(case)}-block") for case in CONV),
        *(
            pytest.param(
                case,
                "async",
                id=f"{identified(case)}-async",
                marks=() if case.fault in _ASYNC else pytest.mark.slow,
            )
            for case in CONV
        ),
    ],
)
@pytest.mark.one_in(4)
def test_a_guarded_training_survives(case: Case, mode: str) -> None:
    told = train(case, guarded=True, mode=mode)
    assert not told.dead
    assert told.accuracy > faultless(case.net).accuracy - NOISE
    assert told.skipped >= 1


@pytest.mark.parametrize("case", CONV, ids=identified)
@pytest.mark.one_in(4)
def test_an_unguarded_training_dies(case: Case) -> None:
    told = train(case, guarded=False)
    if case.fault is Fault.OVERFLOW_SCALER:  # the scaler's own check is enough for that
        assert told.accuracy > faultless(case.net).accuracy - NOISE
    else:
        assert told.dead
        assert told.accuracy < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("case", [one for one in CASES if one not in CONV], ids=identified)
def test_a_transformer(case: Case) -> None:
    assert train(case, guarded=False).dead
    for mode in ("block", "async"):
        told = train(case, guarded=True, mode=mode)
        assert not told.dead
        assert told.accuracy > faultless(case.net).accuracy - NOISE


@pytest.mark.parametrize("net", [Net.CONV, Net.CONV_BN])
@pytest.mark.one_in(2)
def test_the_guard_changes_nothing_where_nothing_is_wrong(net: Net) -> None:
    told = train(Case(net=net, fault=Fault.NONE), guarded=True)
    assert told == faultless(net)
