"""Stored rates as numbers: what they are to be, and what the manifest says of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Finding, Severity
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.recovery.draft import Action
from ckptdoctor.recovery.notes import is_trusted, scale_of
from ckptdoctor.recovery.rates import (
    Rate,
    Standard,
    rescaled,
    scaled_action,
    scaled_before,
    set_action,
    standard_of,
)
from tests.reports import report

PATH = Path("run/best.pth")
COPY = RestoredFrom(
    source=Path("run/e88.pth"), epoch=88, scale=0.5, set_lr=None, actions=("scale-lr",)
)


def test_a_rate_is_that_of_the_original_times_the_factor() -> None:
    assert rescaled(0.1, 0.75, 1.0) == pytest.approx(0.075)
    assert rescaled(0.05, 0.75, 0.5) == pytest.approx(0.075)
    assert rescaled(0.3 * 0.7, 0.7, 0.7) == 0.3 * 0.7  # nothing is reckoned twice
    assert rescaled(0.1 * 0.7, 1.0, 0.7) == 0.1  # without the noise of a division


def test_what_the_rates_of_a_copy_are_times_already() -> None:
    assert scaled_before(None, 0.8, PATH) == 1.0
    assert scaled_before(COPY, 0.8, PATH) == 0.5
    with pytest.raises(
        RestoreError, match=r"--set-lr 0\.001: scale that of the original"
    ) as caught:
        scaled_before(replace(COPY, scale=None, set_lr=0.001), 0.8, PATH)
    assert "--from run/e88.pth --scale-lr 0.8" in str(caught.value)
    with pytest.raises(RestoreError, match="a factor that is not told"):
        scaled_before(replace(COPY, scale=None), 0.8, PATH)
    mean = replace(COPY, scale=None, averaged=(Path("a"), Path("b"), Path("c")))
    with pytest.raises(RestoreError, match=r"the mean of 3 .* --average 3 --scale-lr 0\.8"):
        scaled_before(mean, 0.8, PATH)


RATES = [
    Rate(name="optimizer.param_groups.0.lr", old=0.1, new=0.05),
    Rate(name="optimizer.param_groups.1.lr", old=0.4, new=0.2),
    Rate(name="optimizer.param_groups.0.initial_lr", old=0.8, new=0.4),
    Rate(name="scheduler.base_lrs.0", old=9.0, new=4.5),
]


def test_the_largest_of_the_rates_that_were_scaled_are_told() -> None:
    done = scaled_action(RATES, 0.5, 1.0, None, PATH)
    assert done.message == (
        "4 stored learning rates times 0.5: lr 0.4 is 0.2 now, the schedule's own 0.8 is 0.4"
    )
    assert (done.name, done.factor) == ("scale-lr", 0.5)
    assert "wins over the --lr" in done.notice
    alone = scaled_action(RATES[:1], 0.5, 1.0, COPY, PATH)
    assert alone.message == "1 stored learning rates times 0.5: lr 0.1 is 0.05 now"
    again = scaled_action(RATES[:1], 0.4, 0.5, COPY, PATH)
    assert again.message.startswith(
        "1 stored learning rates are those of e88.pth times 0.4 now; in this copy of it they were "
        "times 0.5"
    )
    with pytest.raises(RestoreError, match="stores no learning rate"):
        scaled_action(RATES[2:], 0.5, 1.0, None, PATH)


def test_rates_that_are_set_keep_their_proportion_to_the_largest() -> None:
    stored = {one.name: one.old for one in RATES}
    now = standard_of(stored, PATH)
    assert now == Standard(current=0.4, initial=0.8)
    assert now.of("optimizer.param_groups.0.lr", 0.1, 1.0) == 0.25
    assert now.of("optimizer.param_groups.0.initial_lr", 0.2, 1.0) == 0.25
    assert standard_of({"a.lr": 0.3}, PATH) == Standard(current=0.3, initial=0.3)
    for rates in ({}, {"a.lr": 0.0}, {"a.base_lrs": 3.0}):
        with pytest.raises(RestoreError, match="no learning rate above 0"):
            standard_of(rates, PATH)
    assert set_action(0.01, now).message == (
        "the stored learning rate, 0.4 (initially 0.8), is 0.01 now"
    )
    assert set_action(0.01, now).set_lr == 0.01


def test_the_manifest_says_what_the_rates_are_over_those_of_the_first_checkpoint() -> None:
    copy = Action(name="copy", message="m")
    scaled = Action(name="scale-lr", message="m", factor=0.75)
    fixed = Action(name="set-lr", message="m", set_lr=0.1)
    mean = Action(name="average", message="m")
    assert scale_of(None, [copy]) == 1.0
    assert scale_of(COPY, [copy]) == 0.5
    assert scale_of(COPY, [copy, scaled]) == 0.75
    assert scale_of(COPY, [copy, fixed]) is None
    assert scale_of(COPY, [scaled, mean]) is None


def test_values_that_were_made_up_are_not_to_be_trusted_in_any_copy() -> None:
    sound = report("a", 1)
    made_up = replace(
        sound,
        findings=(
            Finding(
                code="CD206",
                severity=Severity.INFO,
                subject="w",
                message="m",
                evidence={"trusted": False},
            ),
        ),
    )
    assert is_trusted(sound, [Action(name="copy", message="m")])
    assert not is_trusted(sound, [Action(name="zero-nonfinite", message="m")])
    assert not is_trusted(made_up, [])
