"""Together with a GradScaler, on the CPU."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch.amp.grad_scaler import GradScaler

from ckptdoctor.guard import NonFiniteError, TrainingGuard
from tests.guard.nets import NAN, batches, is_finite, loss_of, net, optimizers, weights

bad_steps_warn = pytest.mark.filterwarnings("ignore:.*non-finite.*:RuntimeWarning")
MODES = pytest.mark.parametrize("mode", ["block", "async"])
KINDS = pytest.mark.parametrize("kind", ["adamw_fused", "adam", "sgd_fused", "sgd_momentum"])


def scaler_of(init_scale: float = 1024.0, growth_interval: int = 2000) -> GradScaler:
    return GradScaler("cpu", init_scale=init_scale, growth_interval=growth_interval)


@MODES
@KINDS
@pytest.mark.parametrize("overflows", [(), (2, 5)])
@pytest.mark.one_in(3)
def test_it_does_what_the_scaler_does_alone(
    kind: str, mode: str, overflows: tuple[int, ...]
) -> None:
    def factor(at: int) -> float:
        return float("inf") if at in overflows else 1.0

    model, alone = net(), net()
    mine, other = optimizers(model)[kind], optimizers(alone)[kind]
    scaler, reference = scaler_of(growth_interval=3), scaler_of(growth_interval=3)
    guard = TrainingGuard(model, mine, scaler=scaler, mode=mode)
    for at, batch in enumerate(batches(10)):
        mine.zero_grad()
        loss = loss_of(model, batch)
        (scaler.scale(loss) * factor(at)).backward()  # type: ignore[no-untyped-call]
        guard.step(loss)
        other.zero_grad()
        (reference.scale(loss_of(alone, batch)) * factor(at)).backward()  # type: ignore[no-untyped-call]
        reference.step(other)
        reference.update()
    guard.flush()
    assert torch.equal(weights(model), weights(alone))
    assert scaler.state_dict() == reference.state_dict()
    assert guard.skipped == len(overflows)


@MODES
@pytest.mark.parametrize("action", ["raise", "rollback", "skip"])
def test_an_overflow_is_the_business_of_the_scaler(action: str, mode: str) -> None:
    """No action and no warning, as long as there is a lower scale to try."""
    model = net()
    optimizer = optimizers(model)["adamw_fused"]
    scaler = scaler_of()
    guard = TrainingGuard(model, optimizer, scaler=scaler, action=action, mode=mode)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for at, batch in enumerate(batches(6)):
            optimizer.zero_grad()
            loss = loss_of(model, batch)
            scaled = scaler.scale(loss) * (float("inf") if at in (0, 3) else 1.0)
            scaled.backward()  # type: ignore[no-untyped-call]
            guard.step(loss)
        guard.flush()
    assert (guard.skipped, guard.rollbacks) == (2, 0)
    assert scaler.get_scale() == 256.0
    assert guard.last is not None
    assert guard.last.loss_scale == 256.0
    assert is_finite(model, optimizer)


@bad_steps_warn
@MODES
def test_a_bad_loss_is_not(mode: str) -> None:
    model = net()
    optimizer = optimizers(model)["adamw_fused"]
    scaler = scaler_of()
    guard = TrainingGuard(model, optimizer, scaler=scaler, action="raise", mode=mode)

    def train() -> None:
        for batch in batches(4, (2,)):
            optimizer.zero_grad()
            loss = loss_of(model, batch)
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            guard.step(loss)

    with pytest.raises(NonFiniteError):
        train()
    assert scaler.get_scale() == 512.0


@bad_steps_warn
@MODES
def test_a_collapsing_scale_is_told(mode: str) -> None:
    model = net()
    optimizer = optimizers(model)["adamw_fused"]
    scaler = scaler_of(init_scale=4.0)
    guard = TrainingGuard(model, optimizer, scaler=scaler, mode=mode)

    def train() -> None:
        for batch in batches(8):
            optimizer.zero_grad()
            loss = loss_of(model, batch)
            (scaler.scale(loss) * NAN).backward()  # type: ignore[no-untyped-call]
            guard.step(loss)
        guard.flush()

    with pytest.warns(RuntimeWarning, match="the loss scale fell to 0"):
        train()
    assert guard.skipped == 8


@MODES
def test_a_spike_does_not_lower_the_scale(mode: str) -> None:
    model = net()
    optimizer = optimizers(model)["adamw_fused"]
    scaler = scaler_of()
    guard = TrainingGuard(model, optimizer, scaler=scaler, on_spike="skip", mode=mode)
    for at, batch in enumerate(batches(70)):
        optimizer.zero_grad()
        loss = loss_of(model, batch) * (1000.0 if at == 60 else 1.0)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        before = weights(model)
        guard.step(loss)
        assert torch.equal(weights(model), before) == (at == 60)
    guard.flush()
    assert guard.skipped == 1
    assert scaler.get_scale() == 1024.0


@MODES
@KINDS
def test_clipping_is_done_after_unscaling(kind: str, mode: str) -> None:
    model, alone = net(), net()
    mine, other = optimizers(model)[kind], optimizers(alone)[kind]
    scaler = scaler_of()
    guard = TrainingGuard(model, mine, scaler=scaler, mode=mode, max_norm=0.1)
    for batch in batches(8):
        mine.zero_grad()
        loss = loss_of(model, batch)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        guard.step(loss)
        other.zero_grad()
        loss_of(alone, batch).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(alone.parameters(), 0.1)
        other.step()
    assert torch.allclose(weights(model), weights(alone), rtol=1e-4, atol=1e-6)


def test_gradients_that_the_caller_unscaled_are_not_unscaled_again() -> None:
    model = net()
    optimizer = optimizers(model)["sgd"]
    scaler = scaler_of()
    guard = TrainingGuard(model, optimizer, scaler=scaler)
    for batch in batches(2):
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        scaler.unscale_(optimizer)
        total = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        report = guard.step(loss, grad_norm=total)
        assert report is not None
        assert report.grad_norm == pytest.approx(float(total), rel=1e-5)


@MODES
def test_two_optimizers_share_a_scaler(mode: str) -> None:
    one, two = net(0), net(1)
    first, second = optimizers(one)["adamw_fused"], optimizers(two)["sgd_fused"]
    both = torch.nn.ModuleDict({"one": one, "two": two})
    scaler = scaler_of(growth_interval=1)
    guard = TrainingGuard(both, [first, second], scaler=scaler, mode=mode)
    for batch in batches(3):
        first.zero_grad()
        second.zero_grad()
        losses = loss_of(one, batch), loss_of(two, batch)
        for loss in losses:
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        guard.step(losses[0], optimizer=first, update_scaler=False)
        guard.step(losses[1], optimizer=second)
    guard.flush()
    assert scaler.get_scale() == 1024.0 * 2**3
    assert (guard.steps, guard.skipped) == (6, 0)


@bad_steps_warn
@MODES
def test_a_rollback_does_not_bring_the_scale_back_up(mode: str) -> None:
    model = net()
    optimizer = optimizers(model)["adamw_fused"]
    scaler = scaler_of()
    guard = TrainingGuard(model, optimizer, scaler=scaler, action="rollback", mode=mode)
    for at, batch in enumerate(batches(8, (4,))):
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        scaled = scaler.scale(loss) * (float("inf") if at == 2 else 1.0)
        scaled.backward()  # type: ignore[no-untyped-call]
        guard.step(loss)
    guard.flush()
    assert guard.rollbacks == 1
    assert scaler.get_scale() == 256.0


def test_a_disabled_scaler_is_none() -> None:
    model = net()
    optimizer = optimizers(model)["sgd"]
    scaler = GradScaler("cpu", enabled=False)
    guard = TrainingGuard(model, optimizer, scaler=scaler)
    loss = loss_of(model, next(batches(1)))
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    report = guard.step(loss)
    assert report is not None
    assert report.loss_scale is None
