"""Spikes are seen, and healthy trainings do not cry wolf."""

from __future__ import annotations

import math
import random

import pytest
import torch

from ckptdoctor.guard import Action, NonFiniteError, TrainingGuard
from ckptdoctor.guard.steps.spikes import SpikeDetector
from tests.guard.faulty import Case, Fault, Net, train
from tests.guard.nets import batches, loss_of, net, optimizers, weights


def heard(norms: list[float]) -> list[int]:
    detector = SpikeDetector()
    return [at for at, norm in enumerate(norms) if detector.add(norm)]


def scattered(count: int, sigma: float, seed: int = 0) -> list[float]:
    chance = random.Random(seed)
    return [math.exp(chance.gauss(0.0, sigma)) for _ in range(count)]


@pytest.mark.parametrize("sigma", [0.01, 0.1, 0.5, 1.0])
def test_scatter_is_no_spike(sigma: float) -> None:
    assert heard(scattered(5000, sigma)) == []


def test_a_falling_and_a_rising_norm_are_no_spike() -> None:
    falling = [100.0 * 0.99**at * norm for at, norm in enumerate(scattered(1000, 0.2))]
    assert heard(falling) == []
    assert heard([1.005**at for at in range(2000)]) == []


@pytest.mark.parametrize("sigma", [0.01, 0.2])
def test_a_hundred_times_the_median_is_a_spike(sigma: float) -> None:
    norms = scattered(300, sigma)
    norms[200] = 100.0
    norms[250] = math.inf  # finite gradients whose norm overflowed
    assert heard(norms) == [200, 250]


def test_nothing_is_a_spike_before_there_is_something_to_compare_with() -> None:
    norms = scattered(49, 0.1)
    norms[30] = 1e9
    assert heard(norms) == []
    assert SpikeDetector().limit == math.inf


def test_zeros_neither_divide_nor_deafen() -> None:
    assert heard([0.0] * 60 + [1e-3]) == [60]
    assert heard([0.0] * 300) == []


def test_a_new_level_is_learned() -> None:
    found = heard([1.0] * 100 + [1000.0] * 200)
    assert found == list(range(100, 110))  # then the level is the new one


def test_the_window_follows_and_round_trips() -> None:
    detector = SpikeDetector()
    for norm in scattered(400, 0.3):
        detector.add(norm)
    other = SpikeDetector()
    other.load_state_dict(detector.state_dict())
    assert other.limit == detector.limit
    assert 10.0 < detector.limit < 100.0
    for norm in scattered(300, 0.3, seed=2):
        assert other.add(50 * norm) == detector.add(50 * norm)
    assert other.state_dict() == detector.state_dict()


def spiky(on_spike: str, mode: str) -> tuple[TrainingGuard, list[bool]]:
    """A training with a hundred times the loss at step 71; which steps left the weights alone."""
    model = net()
    optimizer = optimizers(model)["sgd_fused"]
    for group in optimizer.param_groups:
        group["lr"] = 1e-4
    guard = TrainingGuard(model, optimizer, on_spike=on_spike, mode=mode)
    still = []
    for at, batch in enumerate(batches(90)):
        optimizer.zero_grad()
        loss = loss_of(model, batch) * (100.0 if at == 70 else 1.0)
        loss.backward()  # type: ignore[no-untyped-call]
        before = weights(model)
        guard.step(loss)
        still.append(torch.equal(weights(model), before))
    guard.flush()
    return guard, still


@pytest.mark.parametrize("mode", ["block", "async"])
@pytest.mark.one_in(2)
def test_spikes_in_training(mode: str) -> None:
    with pytest.warns(RuntimeWarning, match="step 71: gradient norm .* is a spike .*: step"):
        guard, still = spiky("warn", mode)
    assert (guard.spikes, guard.skipped, any(still)) == (1, 0, False)
    guard, still = spiky("ignore", mode)
    assert (guard.spikes, guard.skipped, any(still)) == (0, 0, False)
    guard, still = spiky("skip", mode)
    assert (guard.spikes, guard.skipped) == (1, 1)
    assert [at for at, one in enumerate(still) if one] == [70]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("net", [Net.CONV, Net.CONV_BN])
@pytest.mark.one_in(8)
def test_healthy_trainings_are_calm(net: Net, seed: int) -> None:
    case = Case(net=net, fault=Fault.NONE, options={"on_spike": "rollback"})
    told = train(case, guarded=True, seed=seed)
    assert (told.spikes, told.loss_spikes, told.skipped, told.rollbacks) == (0, 0, 0, 0)


@pytest.mark.parametrize("mode", ["block", "async"])
@pytest.mark.filterwarnings("ignore:.*is a spike.*:RuntimeWarning")
def test_an_explosion_that_stays_finite_is_undone(mode: str) -> None:
    model = net()
    optimizer = optimizers(model)["sgd_fused"]
    for group in optimizer.param_groups:
        group["lr"] = 1e-4
    guard = TrainingGuard(model, optimizer, on_spike="rollback", mode=mode, snapshot_every=10)
    for at, batch in enumerate(batches(90)):
        if at == 70:
            before = weights(model)
        for group in optimizer.param_groups:  # one step is far too large
            group["lr"] *= {70: 1e7, 71: 1e-7}.get(at, 1.0)
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        guard.step(loss)
    guard.flush()
    assert guard.rollbacks == 1
    assert optimizer.param_groups[0]["lr"] == pytest.approx(5e-5)
    assert torch.allclose(weights(model), before, atol=0.05)


def test_an_explosion_comes_to_an_end_too() -> None:
    model = net()
    optimizer = optimizers(model)["sgd"]
    guard = TrainingGuard(model, optimizer, on_spike="rollback", max_rollbacks=0)

    def train_on() -> None:
        for at, batch in enumerate(batches(90)):
            optimizer.zero_grad()
            loss = loss_of(model, batch) * (1e6 if at >= 70 else 1.0)
            loss.backward()  # type: ignore[no-untyped-call]
            guard.step(loss)

    with pytest.raises(NonFiniteError, match=r"step 75: gradient norm .* is a spike"):
        train_on()


def test_a_spike_of_the_loss_is_told_apart() -> None:
    model = net()
    optimizer = optimizers(model)["sgd"]
    guard = TrainingGuard(model, optimizer, on_spike="skip")
    for at, batch in enumerate(batches(61)):
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        report = guard.step(loss * (1000.0 if at == 60 else 1.0))
    assert report is not None
    assert (report.spike, report.loss_spike, report.action) == (False, True, Action.STEP)
    assert report.describe().endswith("is a spike")
    assert guard.skipped == 0
