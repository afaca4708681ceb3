"""The generated training curves do what they are said to do."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter

import pytest

from ckptdoctor.metadata import Mode
from tests.runs.curves import Curve, CurveKind, make_curve, make_curves

SEEDS = (0, 1, 2)
NAN_KINDS = {CurveKind.NAN_FROZEN, CurveKind.NAN_METRIC, CurveKind.NAN_HIDDEN}
kinds = pytest.mark.parametrize("kind", CurveKind, ids=lambda kind: kind.name)


def curves(kind: CurveKind) -> list[Curve]:
    return [make_curve(kind, index, seed) for seed in SEEDS for index in range(16)]


def goodness(curve: Curve) -> list[float]:
    """The metric turned so that more is better and 1 is twice as good as 0.5."""
    values = [row[curve.metric] for row in curve.values.values()]
    return values if curve.mode is Mode.MAX else [1 / value for value in values]


def at(curve: Curve, epoch: int | None) -> int:
    """The place of an epoch in the run."""
    assert epoch is not None
    return epoch - min(curve.values)


def test_kinds_have_equal_shares() -> None:
    counts = Counter(curve.kind for curve in make_curves(500))
    assert set(counts) == set(CurveKind)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_run_depends_on_its_seed_kind_and_number_alone() -> None:
    few, many = make_curves(34, seed=3), make_curves(170, seed=3)
    assert repr(many[:34]) == repr(few)  # NaN is not equal to itself
    assert repr(make_curve(few[20].kind, 1, seed=3)) == repr(few[20])
    assert repr(make_curves(34, seed=4)) != repr(few)


def test_a_run_stays_what_it_was() -> None:
    """Figures that were published can be measured again."""
    curve = make_curve(CurveKind.DECLINE_COLLAPSE, 0)
    assert (curve.metric, curve.onset, curve.fall, len(curve.values)) == ("dice", 52, 61, 110)
    assert curve.values[52] == {"dice": 0.4689, "loss": 0.4591}


@kinds
@pytest.mark.one_in(3)
def test_every_run(kind: CurveKind) -> None:
    for curve in curves(kind):
        epochs = list(curve.values)
        assert epochs == list(range(epochs[0], epochs[0] + len(epochs)))
        assert epochs[0] in (0, 1)
        assert 60 <= len(epochs) <= 140
        assert len({tuple(row) for row in curve.values.values()}) == 1
        assert curve.healthy is kind.healthy
        assert (curve.onset is None) == (curve.healthy and curve.until is None)
        assert (curve.fall is None) == (kind is not CurveKind.DECLINE_COLLAPSE)
        assert (curve.metric in ("loss", "val_loss")) == (curve.mode is Mode.MIN)
        if curve.onset is not None:
            assert epochs[10] < curve.onset <= epochs[-5]


@kinds
@pytest.mark.one_in(3)
def test_values_are_in_range_and_finite_where_nothing_is_wrong(kind: CurveKind) -> None:
    for curve in curves(kind):
        for epoch, row in curve.values.items():
            sound = kind not in NAN_KINDS or (curve.onset is not None and epoch < curve.onset)
            for name, value in row.items():
                if name in ("loss", "val_loss", "grad_norm"):
                    assert not sound or 0 < value < math.inf
                elif math.isfinite(value):
                    assert 0 <= value <= 1
                if sound:
                    assert math.isfinite(value)


def test_both_directions_and_all_companions_occur() -> None:
    every = make_curves(260)
    for kind in set(CurveKind) - {CurveKind.NAN_FROZEN, CurveKind.NAN_HIDDEN}:
        assert {curve.mode for curve in every if curve.kind is kind} == set(Mode)
    names = {name for curve in every for row in curve.values.values() for name in row}
    assert names == {"iou", "dice", "accuracy", "loss", "val_loss", "grad_norm"}


@pytest.mark.parametrize(
    "kind",
    [CurveKind.NOISY, CurveKind.PLATEAU, CurveKind.RESTARTS, CurveKind.STEPS],
    ids=lambda kind: kind.name,
)
def test_a_healthy_run_never_loses_much_and_ends_near_its_best(kind: CurveKind) -> None:
    for curve in curves(kind):
        good = goodness(curve)
        best = list(itertools.accumulate(good, max))
        assert all(value > 0.7 * top for value, top in zip(good, best, strict=True))
        assert max(good[-25:]) > 0.9 * best[-1]


def test_a_plateau_is_flat_and_other_runs_are_not() -> None:
    for curve in curves(CurveKind.PLATEAU):
        good = goodness(curve)
        middle, end = len(good) // 2, 3 * len(good) // 4
        ratio = statistics.fmean(good[end:]) / statistics.fmean(good[middle:end])
        assert ratio == pytest.approx(1.0, abs=0.03)
    for curve in curves(CurveKind.NOISY):
        good = goodness(curve)
        half = len(good) // 2
        assert statistics.fmean(good[half:]) > 1.02 * statistics.fmean(good[:half])


def test_restarts_dip_again_and_again() -> None:
    for curve in curves(CurveKind.RESTARTS):
        good = goodness(curve)
        assert any(
            statistics.fmean(good[at : at + 3]) < 0.99 * statistics.fmean(good[at - 3 : at])
            for at in range(10, len(good) - 3)
        )


@pytest.mark.slow
def test_what_passes_by_itself_has_an_end() -> None:
    for kind in CurveKind:
        passes = kind in (CurveKind.SPIKE, CurveKind.OTHER_DATA)
        assert all((curve.until is not None) is passes for curve in curves(kind))


def test_a_shift_lasts_and_other_data_does_not() -> None:
    for kind, lasts in ((CurveKind.SHIFT, True), (CurveKind.OTHER_DATA, False)):
        for curve in curves(kind):
            good, onset = goodness(curve), at(curve, curve.onset)
            before, after = statistics.fmean(good[onset - 4 : onset]), statistics.median(good[-4:])
            assert (after < 0.99 * before) is lasts


def test_warm_up_starts_with_nothing() -> None:
    for curve in curves(CurveKind.WARM_UP):
        good = goodness(curve)
        assert max(good[:3]) < 0.3 * statistics.fmean(good[-5:])


def test_steps_lead_upwards() -> None:
    for curve in curves(CurveKind.STEPS):
        good = goodness(curve)
        first = round(len(good) * 0.35)
        before, after = good[first - 5 : first], good[first : first + 5]
        assert statistics.fmean(after) > 1.05 * statistics.fmean(before)


def test_a_spike_lasts_one_epoch() -> None:
    for curve in curves(CurveKind.SPIKE):
        good, spike = goodness(curve), at(curve, curve.onset)
        around = statistics.fmean(good[spike - 2 : spike] + good[spike + 1 : spike + 3])
        assert good[spike] < 0.75 * around
        assert min(good[spike + 1 :]) > 0.8 * around


def test_a_decline_goes_on_to_the_end_at_its_rate() -> None:
    for curve in curves(CurveKind.DECLINE):
        good, onset = goodness(curve), at(curve, curve.onset)
        epochs = len(good) - onset
        assert epochs >= 25
        lost = math.log(statistics.fmean(good[onset - 4 : onset]) / statistics.fmean(good[-4:]))
        assert 0.001 < lost / epochs < 0.022
        middle = onset + epochs // 2
        assert statistics.fmean(good[middle:]) < statistics.fmean(good[onset:middle])


def test_a_collapse_halves_the_metric_at_once_and_for_good() -> None:
    for curve in curves(CurveKind.COLLAPSE):
        good, onset = goodness(curve), at(curve, curve.onset)
        assert max(good[onset:]) < 0.5 * good[onset - 1]


def test_a_decline_may_announce_a_collapse() -> None:
    for curve in curves(CurveKind.DECLINE_COLLAPSE):
        good, onset, fall = goodness(curve), at(curve, curve.onset), at(curve, curve.fall)
        assert 6 <= fall - onset <= 12
        assert min(good[onset:fall]) > 0.7 * good[onset - 1]
        assert max(good[fall:]) < 0.5 * good[fall - 1]


def test_an_exploded_loss_is_twenty_times_what_it_was() -> None:
    for curve in curves(CurveKind.EXPLOSION):
        losses = [row["loss"] for row in curve.values.values()]
        onset = at(curve, curve.onset)
        assert min(losses[onset:]) > 20 * losses[onset - 1]
        assert max(goodness(curve)[onset + 2 :]) < 0.5 * goodness(curve)[onset - 1]


def test_what_turns_nan_and_what_hides_it() -> None:
    for curve in curves(CurveKind.NAN_FROZEN):
        rows, onset = list(curve.values.values()), at(curve, curve.onset)
        assert all(math.isnan(row["loss"]) for row in rows[onset:])
        assert len({row[curve.metric] for row in rows[onset - 1 :]}) == 1
    for curve in curves(CurveKind.NAN_METRIC):
        rows, onset = list(curve.values.values()), at(curve, curve.onset)
        assert all(math.isnan(row[curve.metric]) for row in rows[onset:])
    for curve in curves(CurveKind.NAN_HIDDEN):
        rows, onset = list(curve.values.values()), at(curve, curve.onset)
        assert all(row["loss"] == 0.0 and math.isnan(row["grad_norm"]) for row in rows[onset:])
