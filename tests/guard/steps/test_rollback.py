"""Going back: all of the training as it was, with a lower learning rate, a few times at most."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from ckptdoctor.guard import Action, NonFiniteError, TrainingGuard
from ckptdoctor.guard.learning_rate import scale_learning_rate
from tests.each import each
from tests.guard.nets import NAN, batches, is_finite, loss_of, net, normed_net, optimizers, weights

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*non-finite.*:RuntimeWarning"),
    # torch warns of a scheduler that steps before its optimizer: the first step was dropped.
    pytest.mark.filterwarnings("ignore:Detected call of .lr_scheduler:UserWarning"),
]
Schedulers = torch.optim.lr_scheduler


class Training:
    """A guarded training that can be told to go wrong."""

    def __init__(self, kind: str = "adamw_fused", mode: str = "block", **options: Any) -> None:
        self.model = normed_net()
        self.optimizer = optimizers(self.model)[kind]
        self.scheduler = Schedulers.LambdaLR(self.optimizer, lambda at: 0.99**at)
        options = {"action": "rollback", "snapshot_every": 5, "mode": mode, **options}
        self.guard = TrainingGuard(self.model, self.optimizer, scheduler=self.scheduler, **options)
        self.batches = batches(1000)

    def step(self, factor: float = 1.0) -> None:
        self.optimizer.zero_grad()
        loss = loss_of(self.model, next(self.batches)) * factor
        loss.backward()  # type: ignore[no-untyped-call]
        self.guard.step(loss)
        self.scheduler.step()

    @property
    def lr(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def everything(self) -> list[torch.Tensor]:
        state = [value for one in self.optimizer.state.values() for value in one.values()]
        tensors = [*self.model.parameters(), *self.model.buffers(), *state]
        return [tensor.detach().clone() for tensor in tensors if isinstance(tensor, torch.Tensor)]


@pytest.mark.parametrize("kind", ["adamw_fused", "adam", "sgd_momentum", "rmsprop"])
@pytest.mark.parametrize("mode", ["block", "async"])
@pytest.mark.one_in(3)
def test_all_goes_back(kind: str, mode: str) -> None:
    training = Training(kind, mode)
    for _ in range(6):
        training.step()
    training.guard.flush()
    then, lr_then = training.everything(), training.lr
    for _ in range(4):
        training.step()
    same = [id(parameter) for parameter in training.model.parameters()]
    training.step(NAN)
    if mode == "async":
        training.step()  # the verdict comes with the next step, which is dropped with it
    assert training.guard.rollbacks == 1
    assert [id(parameter) for parameter in training.model.parameters()] == same
    for now, before in zip(training.everything(), then, strict=True):
        assert torch.equal(now, before)
    # The scheduler went back as well; in "async" it had stepped before the snapshot, too.
    late = 0.99 if mode == "async" else 1.0
    assert training.lr == pytest.approx(0.5 * lr_then * late, rel=1e-6)
    for _ in range(20):
        training.step()
    training.guard.flush()
    assert is_finite(training.model, training.optimizer)
    assert training.lr == pytest.approx(0.5 * lr_then * late * 0.99**20, rel=1e-6)


@pytest.mark.parametrize("mode", ["block", "async"])
def test_before_the_first_good_step_there_is_nothing_to_go_back_from(mode: str) -> None:
    training = Training(mode=mode)
    before = weights(training.model)
    lr = training.lr
    training.step(NAN)
    assert (training.guard.rollbacks, training.guard.skipped) == (0, 1)
    assert torch.equal(weights(training.model), before)
    assert training.lr == pytest.approx(lr * 0.99)
    training.step()
    training.guard.flush()
    assert is_finite(training.model, training.optimizer)


@pytest.mark.parametrize("mode", ["block", "async"])
@pytest.mark.parametrize("poisoned", range(1, 8))
@pytest.mark.one_in(3)
def test_a_snapshot_never_holds_what_a_bad_batch_left(mode: str, poisoned: int) -> None:
    """The forward pass wrote NaN to the running statistics, whenever a snapshot was due."""
    training = Training(mode=mode, snapshot_every=2)
    given = list(batches(10, (poisoned,)))
    for batch in given:
        training.optimizer.zero_grad()
        loss = loss_of(training.model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        training.guard.step(loss)
    training.guard.flush()
    assert training.guard.rollbacks == 1
    assert is_finite(training.model, training.optimizer)


def test_the_second_time_goes_further_back() -> None:
    training = Training()
    seen = []
    for at in range(13):
        training.step()
        if at in (0, 5, 10):
            seen.append(weights(training.model))
    training.step(NAN)
    assert torch.equal(weights(training.model), seen[2])
    training.step()
    training.step(NAN)
    assert torch.equal(weights(training.model), seen[1])
    assert training.guard.rollbacks == 2


def test_a_snapshot_from_the_middle_of_an_explosion_is_not_trusted() -> None:
    training = Training()
    for at in range(11):
        training.step()
        if at == 5:
            before = weights(training.model)
    training.step(NAN)  # the newest snapshot is of the step before
    assert torch.equal(weights(training.model), before)


def test_rollbacks_come_to_an_end() -> None:
    training = Training(max_rollbacks=2)
    first = training.lr
    for _ in range(6):
        training.step()
    for _ in range(2):
        training.step(math.inf)
    assert training.lr == pytest.approx(first * 0.25 * 0.99, rel=1e-2)
    with pytest.raises(NonFiniteError, match="2 rollbacks did not help"):
        training.step(NAN)
    assert is_finite(training.model, training.optimizer)


def test_a_callback_may_ask_for_a_rollback() -> None:
    training = Training(action=lambda report: Action.ROLLBACK, rollback_lr_factor=0.1)
    before = training.lr
    training.step()
    training.step(NAN)
    assert training.guard.rollbacks == 1
    assert training.lr == pytest.approx(before * 0.1 * 0.99)


def test_no_snapshot_is_taken_where_none_is_needed() -> None:
    training = Training(action="skip")
    training.step()
    assert training.guard._course.rollback._snapshots.empty


def test_the_average_goes_back_too() -> None:
    model = net()
    optimizer = optimizers(model)["sgd"]
    averaged = torch.optim.swa_utils.AveragedModel(model)
    guard = TrainingGuard(model, optimizer, action="rollback", ema=averaged, snapshot_every=1000)
    for at, batch in enumerate(batches(5)):
        optimizer.zero_grad()
        loss = loss_of(model, batch) * (NAN if at == 4 else 1.0)
        loss.backward()  # type: ignore[no-untyped-call]
        guard.step(loss)
    assert averaged.n_averaged == 1
    assert torch.equal(weights(averaged.module), weights(model))


def test_the_state_goes_on_counting() -> None:
    training = Training(max_rollbacks=1)
    training.step()
    training.step(NAN)
    other = Training(max_rollbacks=1)
    other.guard.load_state_dict(training.guard.state_dict())
    assert other.guard.rollbacks == 1
    with pytest.raises(NonFiniteError):
        other.step(NAN)


SCHEDULERS: dict[str, Any] = {
    "lambda": lambda optimizer: Schedulers.LambdaLR(optimizer, lambda at: 0.9**at),
    "cosine": lambda optimizer: Schedulers.CosineAnnealingLR(optimizer, T_max=20),
    "step": lambda optimizer: Schedulers.StepLR(optimizer, step_size=3),
    "one_cycle": lambda optimizer: Schedulers.OneCycleLR(optimizer, max_lr=0.1, total_steps=20),
    "sequential": lambda optimizer: Schedulers.SequentialLR(
        optimizer,
        [Schedulers.ConstantLR(optimizer, 0.5, 3), Schedulers.CosineAnnealingLR(optimizer, 20)],
        [3],
    ),
    "plateau": lambda optimizer: Schedulers.ReduceLROnPlateau(optimizer, patience=2, min_lr=1e-9),
    "cyclic": lambda optimizer: Schedulers.CyclicLR(
        optimizer, base_lr=0.01, max_lr=0.1, step_size_up=4, cycle_momentum=False
    ),
    "warm_restarts": lambda optimizer: Schedulers.CosineAnnealingWarmRestarts(optimizer, 5),
}


@each("name", SCHEDULERS)
def test_a_scaled_rate_stays_scaled(name: str) -> None:
    def run(scaled: bool) -> list[float]:
        optimizer = torch.optim.SGD(net().parameters(), lr=0.1)
        scheduler: Any = SCHEDULERS[name](optimizer)
        rates = []
        for at in range(18):
            if scaled and at == 6:
                scale_learning_rate([optimizer], [scheduler], 0.5)
            optimizer.step()
            if name == "plateau":
                scheduler.step(1.0)
            else:
                scheduler.step()
            rates.append(float(optimizer.param_groups[0]["lr"]))
        return rates

    plain, halved = run(scaled=False), run(scaled=True)
    assert halved[:6] == plain[:6]
    assert halved[6:] == pytest.approx([0.5 * rate for rate in plain[6:]], rel=1e-4, abs=1e-7)


def test_a_rate_that_is_a_tensor_stays_the_same_tensor() -> None:
    rate = torch.tensor(0.1)
    optimizer = torch.optim.SGD(net().parameters(), lr=rate)
    scale_learning_rate([optimizer], [], 0.5)
    assert optimizer.param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(0.05)


def test_no_snapshot_is_taken_soon_after_a_spike() -> None:
    training = Training("sgd", on_spike="skip", snapshot_every=10)
    taken = []
    for at in range(90):
        training.step(1e4 if at == 55 else 1.0)
        taken.append(training.guard._course.rollback._snapshots._taken[-1].step)
    assert training.guard.spikes == 1
    assert sorted(set(taken)) == [1, 11, 21, 31, 41, 51, 66, 76, 86]
