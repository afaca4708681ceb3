"""The guard in a training loop: what it drops, what it lets through, and what it leaves behind."""

from __future__ import annotations

import copy
import logging
import math
import warnings
from typing import Any

import pytest
import torch

from ckptdoctor.guard import Action, NonFiniteError, StepReport, TrainingGuard
from tests.guard.nets import (
    NAN,
    batches,
    is_finite,
    loss_of,
    net,
    normed_net,
    optimizers,
    weights,
)

KINDS = ("sgd", "sgd_momentum", "sgd_fused", "adam", "adamw_fused", "adagrad_fused", "rmsprop")
EXACT_IN_ASYNC = ("sgd", "sgd_fused", "adamw_fused", "adagrad_fused")
bad_steps_warn = pytest.mark.filterwarnings("ignore:.*non-finite.*:RuntimeWarning")


def train(
    model: torch.nn.Module,
    guard: TrainingGuard,
    optimizer: torch.optim.Optimizer,
    count: int = 12,
    bad: tuple[int, ...] = (),
) -> None:
    for batch in batches(count, bad):
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        guard.step(loss)
    guard.flush()


def reference(kind: str, count: int = 12, left_out: tuple[int, ...] = ()) -> torch.Tensor:
    """The weights of a training without a guard that never saw some of the batches."""
    model = net()
    optimizer = optimizers(model)[kind]
    for at, batch in enumerate(batches(count)):
        if at not in left_out:
            optimizer.zero_grad()
            loss_of(model, batch).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return weights(model)


@pytest.mark.parametrize("mode", ["block", "async"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.one_in(3)
def test_a_healthy_training_is_not_changed(kind: str, mode: str) -> None:
    model = net()
    optimizer = optimizers(model)[kind]
    guard = TrainingGuard(model, optimizer, mode=mode)
    train(model, guard, optimizer)
    assert torch.equal(weights(model), reference(kind))
    assert (guard.steps, guard.skipped, guard.spikes) == (12, 0, 0)


@bad_steps_warn
@pytest.mark.parametrize("bad", [(0,), (5,), (4, 5), (11,)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.one_in(3)
def test_a_bad_batch_leaves_no_trace(kind: str, bad: tuple[int, ...]) -> None:
    model = net()
    optimizer = optimizers(model)[kind]
    guard = TrainingGuard(model, optimizer, mode="block")
    train(model, guard, optimizer, bad=bad)
    assert torch.equal(weights(model), reference(kind, left_out=bad))
    assert guard.skipped == len(bad)


@bad_steps_warn
@pytest.mark.parametrize("bad", [(0,), (5,), (4, 5), (11,)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.one_in(3)
def test_async_drops_the_step_on_the_device(kind: str, bad: tuple[int, ...]) -> None:
    model = net()
    optimizer = optimizers(model)[kind]
    guard = TrainingGuard(model, optimizer, mode="async")
    train(model, guard, optimizer, bad=bad)
    assert is_finite(model, optimizer)
    assert guard.skipped == len(bad)
    if kind in EXACT_IN_ASYNC:
        assert torch.equal(weights(model), reference(kind, left_out=bad))


def test_without_the_guard_the_same_training_dies() -> None:
    model = net()
    optimizer = optimizers(model)["adam"]
    for batch in batches(12, (5,)):
        optimizer.zero_grad()
        loss_of(model, batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert not is_finite(model, optimizer)


@bad_steps_warn
def test_async_reports_one_step_late() -> None:
    model = net()
    optimizer = optimizers(model)["adamw_fused"]
    guard = TrainingGuard(model, optimizer, mode="async")
    seen: list[tuple[int, bool] | None] = []
    for batch in batches(5, (2,)):
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        report = guard.step(loss)
        seen.append(None if report is None else (report.step, report.finite))
    # The first step is looked at before it is taken, in any mode.
    assert seen == [(1, True), (1, True), (2, True), (3, False), (4, True)]
    last = guard.flush()
    assert last is not None
    assert last.step == 5


def test_raise_names_the_parameters_and_keeps_the_weights() -> None:
    model = net()
    optimizer = optimizers(model)["adam"]
    guard = TrainingGuard(model, optimizer, action="raise")
    train(model, guard, optimizer, count=3)
    before = weights(model)
    optimizer.zero_grad()
    loss = loss_of(model, next(batches(1)))
    loss.backward()  # type: ignore[no-untyped-call]
    grad = next(model[2].parameters()).grad
    assert grad is not None
    grad[0, 3] = math.inf
    with pytest.raises(
        NonFiniteError, match=r"step 4: non-finite gradients \(loss 0\.\d+\) of 2\.w"
    ):
        guard.step(loss)
    assert torch.equal(weights(model), before)
    assert guard.last is not None
    assert guard.last.bad_parameters == ("2.weight",)
    assert guard.last.action is Action.RAISE
    assert isinstance(NonFiniteError("x"), FloatingPointError)


def test_raise_in_async_comes_a_step_late_without_harm() -> None:
    model = net()
    optimizer = optimizers(model)["adamw_fused"]
    guard = TrainingGuard(model, optimizer, action="raise", mode="async")
    with pytest.raises(NonFiniteError, match="step 6: non-finite"):
        train(model, guard, optimizer, bad=(5,))
    assert torch.equal(weights(model), reference("adamw_fused", count=5))


@bad_steps_warn
def test_a_bad_loss_with_good_gradients_is_bad() -> None:
    model = net()
    optimizer = optimizers(model)["sgd"]
    guard = TrainingGuard(model, optimizer)
    loss_of(model, next(batches(1))).backward()  # type: ignore[no-untyped-call]
    before = weights(model)
    report = guard.step(NAN)
    assert report is not None
    assert not report.finite
    assert report.bad_parameters == ()
    assert math.isfinite(report.grad_norm)
    assert torch.equal(weights(model), before)


@bad_steps_warn
@pytest.mark.parametrize("mode", ["block", "async"])
def test_a_bad_micro_batch_makes_the_accumulated_step_bad(mode: str) -> None:
    model = net()
    optimizer = optimizers(model)["sgd_fused"]
    guard = TrainingGuard(model, optimizer, mode=mode)
    for at in range(3):
        optimizer.zero_grad()
        for micro, batch in enumerate(batches(4, seed=at)):
            loss = loss_of(model, batch) / 4
            if (at, micro) == (1, 2):
                loss = loss * NAN
            if micro < 3:
                guard.observe(loss)
            if math.isfinite(loss.item()):  # its gradients are good: the loss alone tells
                loss.backward()  # type: ignore[no-untyped-call]
        before = weights(model)
        guard.step(loss)
        assert torch.equal(weights(model), before) == (at == 1)
    guard.flush()
    assert guard.skipped == 1


@bad_steps_warn
@pytest.mark.parametrize("mode", ["block", "async"])
def test_running_statistics_survive_a_bad_batch(mode: str) -> None:
    model, clean = normed_net(), normed_net()
    optimizer, other = optimizers(model)["adamw_fused"], optimizers(clean)["adamw_fused"]
    guard = TrainingGuard(model, optimizer, mode=mode)
    train(model, guard, optimizer, bad=(5,))
    for at, batch in enumerate(batches(12)):
        if at != 5:
            other.zero_grad()
            loss_of(clean, batch).backward()  # type: ignore[no-untyped-call]
            other.step()
    for (name, mine), theirs in zip(model.named_buffers(), clean.buffers(), strict=True):
        assert torch.equal(mine, theirs), name


@bad_steps_warn
@pytest.mark.parametrize("mode", ["block", "async"])
def test_a_dropped_batch_is_not_counted_by_a_cumulative_average(mode: str) -> None:
    """With ``momentum=None`` the count weighs every later batch: one too many shows in the mean."""
    model, clean = normed_net(), normed_net()
    for one in (model, clean):
        assert isinstance(one[1], torch.nn.BatchNorm1d)
        one[1].momentum = None
    optimizer, other = optimizers(model)["sgd"], optimizers(clean)["sgd"]
    guard = TrainingGuard(model, optimizer, mode=mode)
    train(model, guard, optimizer, bad=(2, 3))
    for at, batch in enumerate(batches(12)):
        if at not in (2, 3):
            other.zero_grad()
            loss_of(clean, batch).backward()  # type: ignore[no-untyped-call]
            other.step()
    assert model.state_dict()["1.num_batches_tracked"] == 10
    for (name, mine), theirs in zip(model.named_buffers(), clean.buffers(), strict=True):
        assert torch.equal(mine, theirs), name


@pytest.mark.parametrize("mode", ["block", "async"])
@pytest.mark.parametrize("kind", ["sgd_momentum", "sgd_fused", "adam", "adamw_fused"])
def test_clipping_is_that_of_torch(kind: str, mode: str) -> None:
    model, theirs = net(), net()
    optimizer, other = optimizers(model)[kind], optimizers(theirs)[kind]
    guard = TrainingGuard(model, optimizer, mode=mode, max_norm=0.1)
    train(model, guard, optimizer)
    norms = []
    for batch in batches(12):
        other.zero_grad()
        loss_of(theirs, batch).backward()  # type: ignore[no-untyped-call]
        norms.append(float(torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.1)))
        other.step()
    assert max(norms) > 0.1
    assert torch.allclose(weights(model), weights(theirs), rtol=1e-5, atol=1e-7)
    assert guard.last is not None
    assert guard.last.grad_norm == pytest.approx(norms[-1], rel=1e-5)


@bad_steps_warn
def test_the_norm_that_clipping_returned_is_used_again() -> None:
    model = net()
    optimizer = optimizers(model)["sgd"]
    guard = TrainingGuard(model, optimizer)
    for batch in batches(3, (1,)):
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        total = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        report = guard.step(grad_norm=total)
        assert report is not None
        assert report.loss is None
        assert math.isnan(report.grad_norm) == math.isnan(float(total))
    assert guard.skipped == 1
    assert is_finite(model, optimizer)


@bad_steps_warn
def test_a_callback_decides() -> None:
    seen: list[StepReport] = []

    def decide(report: StepReport) -> str:
        seen.append(report)
        return "raise" if len(seen) == 2 else "skip"

    model = net()
    optimizer = optimizers(model)["adam"]
    guard = TrainingGuard(model, optimizer, action=decide)
    with pytest.raises(NonFiniteError):
        train(model, guard, optimizer, bad=(3, 7))
    assert [report.step for report in seen] == [4, 8]
    assert guard.steps == 8


def test_a_bad_step_cannot_be_taken() -> None:
    model = net()
    optimizer = optimizers(model)["adam"]
    with pytest.raises(ValueError, match="cannot be taken"):
        TrainingGuard(model, optimizer, action="step")
    guard = TrainingGuard(model, optimizer, action=lambda _: Action.STEP)
    with pytest.raises(ValueError, match="cannot be taken"):
        train(model, guard, optimizer, bad=(0,))


@bad_steps_warn
def test_skipping_for_ever_ends() -> None:
    model = net()
    optimizer = optimizers(model)["adam"]
    guard = TrainingGuard(model, optimizer, max_consecutive=4)
    with pytest.raises(NonFiniteError, match="4 bad steps in a row"):
        train(model, guard, optimizer, bad=(2, 3, 4, 5, 6))
    assert guard.steps == 6


@bad_steps_warn
@pytest.mark.parametrize("mode", ["block", "async"])
def test_several_optimizers_together_and_apart(mode: str) -> None:
    one, two = net(0), net(1)
    first, second = optimizers(one)["adamw_fused"], optimizers(two)["sgd"]
    both = torch.nn.ModuleDict({"one": one, "two": two})
    guard = TrainingGuard(both, [first, second], mode=mode)
    for at, batch in enumerate(batches(6, (3,))):
        first.zero_grad()
        second.zero_grad()
        loss = loss_of(one, batch) + loss_of(two, batch.nan_to_num())
        loss.backward()  # type: ignore[no-untyped-call]
        before = weights(both)
        guard.step(loss)
        assert torch.equal(weights(both), before) == (at == 3)
    second.zero_grad()
    loss = loss_of(two, next(batches(1)))
    loss.backward()  # type: ignore[no-untyped-call]
    before_one, before_two = weights(one), weights(two)
    guard.step(loss, optimizer=second)
    assert torch.equal(weights(one), before_one)
    assert not torch.equal(weights(two), before_two)
    with pytest.raises(ValueError, match="not one of those"):
        guard.step(loss, optimizer=torch.optim.SGD(net().parameters()))


@bad_steps_warn
@pytest.mark.parametrize("mode", ["block", "async"])
def test_the_average_takes_part_in_good_steps_only(mode: str) -> None:
    model = net()
    optimizer = optimizers(model)["adamw_fused"]
    swa: Any = torch.optim.swa_utils
    averaged = swa.AveragedModel(model, multi_avg_fn=swa.get_ema_multi_avg_fn(0.9))
    by_hand = copy.deepcopy(averaged)
    calls: list[torch.Tensor] = []
    guard = TrainingGuard(model, optimizer, mode=mode, ema=averaged)
    heard = TrainingGuard(model, optimizer, ema=lambda given: calls.append(weights(given)))
    train(model, guard, optimizer, bad=(4, 5))

    clean = net()
    other = optimizers(clean)["adamw_fused"]
    for at, batch in enumerate(batches(12)):
        if at not in (4, 5):
            other.zero_grad()
            loss_of(clean, batch).backward()  # type: ignore[no-untyped-call]
            other.step()
            by_hand.update_parameters(clean)
    assert torch.equal(weights(averaged.module), weights(by_hand.module))
    assert averaged.n_averaged == 10

    train(model, heard, optimizer, count=2, bad=(0,))
    assert len(calls) == 1
    assert torch.equal(calls[0], weights(model))
    with pytest.raises(TypeError, match="AveragedModel or a callable"):
        TrainingGuard(model, optimizer, ema=3)


def test_parameters_without_gradient_and_frozen_ones() -> None:
    model = net()
    next(model.parameters()).requires_grad_(False)
    unused = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.SGD([*model.parameters(), unused], lr=0.1)
    guard = TrainingGuard(model, optimizer)
    train(model, guard, optimizer, count=2)
    optimizer.zero_grad()
    report = guard.step(0.5)  # no gradient at all
    assert report is not None
    assert (report.finite, report.grad_norm) == (True, 0.0)


@bad_steps_warn
@pytest.mark.parametrize("mode", ["block", "async"])
def test_sparse_gradients(mode: str) -> None:
    torch.manual_seed(0)
    table = torch.nn.Embedding(20, 4, sparse=True)
    optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
    guard = TrainingGuard(table, optimizer, mode=mode, max_norm=0.5)
    for at in range(4):
        optimizer.zero_grad()
        loss = table(torch.tensor([1, 1, 3])).square().sum()
        (loss * (NAN if at == 2 else 1.0)).backward()
        before = weights(table)
        guard.step(loss)
        assert torch.equal(weights(table), before) == (at == 2)
        guard.flush()
        if at == 0:
            dense = table.weight.detach()[[1, 1, 3]]
            assert guard.last is not None
            assert guard.last.grad_norm > 0.5
            moved = (weights(table) - before).view(20, 4)
            assert float(moved.norm()) == pytest.approx(0.1 * 0.5, rel=1e-4)
            assert dense.isfinite().all()
    assert guard.skipped == 1


@bad_steps_warn
def test_a_compiled_model() -> None:
    model = net()
    compiled: Any = torch.compile(model, backend="eager")
    optimizer = optimizers(model)["adam"]
    guard = TrainingGuard(compiled, optimizer)
    train(compiled, guard, optimizer, bad=(2,))
    assert torch.equal(weights(model), reference("adam", left_out=(2,)))
    assert guard.skipped == 1


def test_names_lose_what_wrappers_add() -> None:
    inner = net()
    wrapped = torch.nn.Module()
    wrapped.module = inner
    optimizer = optimizers(inner)["sgd"]
    stray = torch.nn.Parameter(torch.ones(1))
    optimizer.add_param_group({"params": [stray]})
    compiled: Any = torch.compile(wrapped, backend="eager")
    guard = TrainingGuard(compiled, optimizer, action="raise")
    for parameter in inner.parameters():
        parameter.grad = torch.full_like(parameter, NAN)
    stray.grad = torch.full((1,), NAN)
    with pytest.raises(NonFiniteError, match=r"of 0\.weight, 0\.bias, 2\.weight and 2 more"):
        guard.step()
    assert guard.last is not None
    assert guard.last.bad_parameters[-1] == "param_groups[1]['params'][0]"


def test_a_loss_must_be_one_number() -> None:
    model = net()
    guard = TrainingGuard(model, optimizers(model)["sgd"])
    with pytest.raises(ValueError, match="one number"):
        guard.step(torch.zeros(3))


def test_what_is_said(caplog: pytest.LogCaptureFixture) -> None:
    model = net()
    optimizer = optimizers(model)["adam"]
    guard = TrainingGuard(model, optimizer)
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.INFO):
        warnings.simplefilter("always")
        train(model, guard, optimizer, bad=(1, 2, 3, 4, 5))
    assert len(caught) == 3  # of the 1st, 2nd and 4th
    assert "step 2: non-finite gradients (loss nan) of 0.weight" in str(caught[0].message)
    mine = [record for record in caplog.records if record.name == "ckptdoctor.guard"]
    assert len(mine) == 5
    assert all(record.levelno == logging.WARNING for record in mine)


@bad_steps_warn
@pytest.mark.parametrize("mode", ["block", "async"])
def test_the_state_round_trips(mode: str) -> None:
    def guarded() -> tuple[torch.nn.Module, torch.optim.Optimizer, TrainingGuard]:
        model = net()
        optimizer = optimizers(model)["adamw_fused"]
        return model, optimizer, TrainingGuard(model, optimizer, mode=mode)

    model, optimizer, guard = guarded()
    train(model, guard, optimizer, bad=(3, 11))
    state = guard.state_dict()
    _, _, other = guarded()
    other.load_state_dict(state)
    assert other.state_dict() == state
    assert (other.steps, other.skipped) == (12, 2)
    assert_plain(state)


def assert_plain(value: Any) -> None:
    """Nothing but what ``torch.load(weights_only=True)`` reads."""
    if isinstance(value, dict):
        for one in value.values():
            assert_plain(one)
    elif isinstance(value, list):
        for one in value:
            assert_plain(one)
    else:
        assert isinstance(value, int | float | str)


def test_check_takes_the_gradients_of_a_bad_step_away() -> None:
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    guard = TrainingGuard(model, optimizer, max_norm=1e-3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    batch = next(iter(batches(1)))
    (model(batch).sum() * float("nan")).backward()
    with pytest.warns(RuntimeWarning, match="non-finite gradients"):
        report = guard.check(float("nan"))
    assert report.action is Action.SKIP
    assert all(parameter.grad is None for parameter in model.parameters())
    optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model(batch).sum().backward()
    assert guard.check().action is Action.STEP
    norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)
    assert (guard.steps, guard.skipped) == (2, 1)


def test_check_leaves_an_overflow_to_the_scaler_that_belongs_to_the_framework(
    recwarn: pytest.WarningsRecorder,
) -> None:
    model = net()
    guard = TrainingGuard(model, torch.optim.SGD(model.parameters(), lr=0.1), action="raise")
    (model(next(iter(batches(1)))).sum() * float("inf")).backward()
    assert guard.check(1.0, loss_scale=1024.0).action is Action.SKIP
    assert not recwarn.list
