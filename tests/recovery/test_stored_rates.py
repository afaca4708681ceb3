"""Scaled rates hold: whatever schedule goes on from a copy, every later rate is times the factor.

torch's own schedulers are the oracle: they load the copy and go on beside an undisturbed run.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as torch_lr
from torch.optim.swa_utils import SWALR

from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.restore import restore
from ckptdoctor.recovery.stored_rates import Kind, is_rate, kind_of, names_rate, what_stays
from tests.builders import load, save
from tests.cli.support import run
from tests.each import each

FACTOR, BEFORE, AFTER = 0.3, 4, 14
METRIC = 1.0


@dataclass(frozen=True, slots=True)
class Training:
    """An optimizer under a schedule; the next rates are what it would train with."""

    optimizer: torch.optim.Optimizer
    scheduler: Any
    step: Callable[[Any, int], None] = lambda scheduler, _: scheduler.step()

    def rates(self, start: int, count: int) -> list[list[float]]:
        """The rates of all groups after each of the next steps."""
        seen = []
        for at in range(start, start + count):
            self.optimizer.step()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.step(self.scheduler, at)
            seen.append([float(group["lr"]) for group in self.optimizer.param_groups])
        return seen

    def state(self) -> dict[str, Any]:
        """As a training script saves it."""
        return {"optimizer": self.optimizer.state_dict(), "scheduler": self.scheduler.state_dict()}


class TimmCosine:
    """Keeps what timm's ``CosineLRScheduler`` keeps, and computes from it what that computes."""

    def __init__(self, optimizer: torch.optim.Optimizer, *, field: str = "lr", warmup: int = 0):
        self.optimizer = optimizer
        self.param_group_field = field
        for group in optimizer.param_groups:
            group.setdefault(f"initial_{field}", group[field])
        self.base_values = [group[f"initial_{field}"] for group in optimizer.param_groups]
        self.metric = None
        self.t_initial, self.lr_min, self.warmup_t, self.warmup_lr_init = 12, 1e-3, warmup, 1e-4
        self.warmup_steps = [1 for _ in self.base_values]
        if warmup:
            self.warmup_steps = [(v - self.warmup_lr_init) / warmup for v in self.base_values]

    def state_dict(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def step(self, t: int) -> None:
        for group, base, more in zip(
            self.optimizer.param_groups, self.base_values, self.warmup_steps, strict=True
        ):
            half = 0.5 * (1 + math.cos(math.pi * min(t, self.t_initial) / self.t_initial))
            value = self.lr_min + (base - self.lr_min) * half
            if t < self.warmup_t:
                value = self.warmup_lr_init + t * more
            group[self.param_group_field] = value


def groups(*rates: float) -> list[dict[str, Any]]:
    return [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": rate} for rate in rates]


def sgd() -> torch.optim.Optimizer:
    return torch.optim.SGD(groups(0.1, 0.02), momentum=0.9)


def under(schedule: Callable[[torch.optim.Optimizer], Any]) -> Callable[[], Training]:
    def make() -> Training:
        optimizer = sgd()
        return Training(optimizer, schedule(optimizer))

    return make


def at_each(schedule: Callable[[torch.optim.Optimizer], Any]) -> Callable[[], Training]:
    """A schedule that is told the time, as timm's."""

    def make() -> Training:
        optimizer = sgd()
        return Training(optimizer, schedule(optimizer), lambda scheduler, t: scheduler.step(t))

    return make


def plateau() -> Training:
    optimizer = sgd()
    scheduler = torch_lr.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, min_lr=5e-3)
    return Training(optimizer, scheduler, lambda scheduler, _: scheduler.step(METRIC))


def warm_then_cosine(optimizer: torch.optim.Optimizer) -> torch_lr.SequentialLR:
    parts: list[Any] = [
        torch_lr.LinearLR(optimizer, 0.1, total_iters=6),
        torch_lr.CosineAnnealingLR(optimizer, 8, eta_min=1e-3),
    ]
    return torch_lr.SequentialLR(optimizer, parts, [6])


def tensors() -> Training:
    """Rates that are tensors, for a step that is compiled or captured."""
    parts = [group | {"lr": torch.tensor(group["lr"])} for group in groups(0.1, 0.02)]
    optimizer = torch.optim.Adam(parts, lr=torch.tensor(0.1))
    return Training(optimizer, torch_lr.StepLR(optimizer, 3, 0.5))


SCHEDULES: dict[str, Callable[[], Training]] = {
    "lambda": under(lambda o: torch_lr.LambdaLR(o, lambda t: 1 / (1 + t))),
    "multiplicative": under(lambda o: torch_lr.MultiplicativeLR(o, lambda _: 0.9)),
    "step": under(lambda o: torch_lr.StepLR(o, 3)),
    "multistep": under(lambda o: torch_lr.MultiStepLR(o, [2, 9])),
    "constant": under(lambda o: torch_lr.ConstantLR(o, total_iters=8)),
    "linear": under(lambda o: torch_lr.LinearLR(o, total_iters=9)),
    "exponential": under(lambda o: torch_lr.ExponentialLR(o, 0.9)),
    "polynomial": under(lambda o: torch_lr.PolynomialLR(o, 30, 2.0)),
    "cosine": under(lambda o: torch_lr.CosineAnnealingLR(o, 7, eta_min=1e-3)),
    "restarts": under(lambda o: torch_lr.CosineAnnealingWarmRestarts(o, 5, eta_min=1e-3)),
    "onecycle": under(lambda o: torch_lr.OneCycleLR(o, [0.4, 0.1], 20)),
    "three phases": under(lambda o: torch_lr.OneCycleLR(o, 0.4, 20, three_phase=True)),
    "cyclic": under(lambda o: torch_lr.CyclicLR(o, 0.01, 0.2, step_size_up=3)),
    "sequential": under(warm_then_cosine),
    "chained": under(
        lambda o: torch_lr.ChainedScheduler(
            [torch_lr.ConstantLR(o, 0.1, 6), torch_lr.ExponentialLR(o, 0.9)]
        )
    ),
    "swa": under(lambda o: SWALR(o, swa_lr=0.05, anneal_epochs=9)),
    "plateau": plateau,
    "tensors": tensors,
    "timm": at_each(TimmCosine),
    "timm, warming up": at_each(lambda o: TimmCosine(o, warmup=9)),
}


def copy_of(state: dict[str, Any], folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ``restore --scale-lr`` makes of a checkpoint, and what it says of it."""
    weights = {"model": {"w": torch.ones(3)}, "epoch": BEFORE}
    source = save(folder / "epoch_4.pth", weights | state)
    copy = folder / "copy.pth"
    words = ("restore", "--from", source, "--scale-lr", str(FACTOR), "-o", copy, "-f", "json")
    outcome = run(*words)
    assert outcome.code == 0, outcome.stderr
    return load(copy), outcome.json


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One file with every optimizer and its schedule, after some steps, scaled."""
    state = {}
    for name, make in SCHEDULES.items():
        training = make()
        training.rates(1, BEFORE)
        state[name] = training.state()
    return copy_of(state, tmp_path_factory.mktemp("run"))[0]


def times_factor(rates: list[list[float]]) -> list[list[float]]:
    return [[rate * FACTOR for rate in row] for row in rates]


def flat(rates: list[list[float]]) -> Iterator[float]:
    return itertools.chain.from_iterable(rates)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_later_rate_is_times_the_factor(name: str, scaled: dict[str, Any]) -> None:
    undisturbed = SCHEDULES[name]()
    undisturbed.rates(1, BEFORE)
    expected = times_factor(undisturbed.rates(BEFORE + 1, AFTER))
    resumed = SCHEDULES[name]()
    resumed.optimizer.load_state_dict(scaled[name]["optimizer"])
    resumed.scheduler.load_state_dict(scaled[name]["scheduler"])
    found = resumed.rates(BEFORE + 1, AFTER)
    precise = 1e-6 if name == "tensors" else 1e-9
    assert list(flat(found)) == pytest.approx(list(flat(expected)), rel=precise)
    assert len(set(flat(expected))) >= 4, "the schedule goes on, and does not stand still"


def test_a_rate_that_is_set_is_set_once_where_schedules_share_a_list(tmp_path: Path) -> None:
    training = SCHEDULES["sequential"]()
    training.rates(1, BEFORE)
    now = training.optimizer.param_groups[0]["lr"]
    source = save(
        tmp_path / "a.pth", {"model": {"w": torch.ones(3)}, "epoch": 4} | training.state()
    )
    restore(source, tmp_path / "b.pth", Edits(set_lr=now / 2))
    scheduler = load(tmp_path / "b.pth")["scheduler"]
    assert scheduler["_last_lr"][0] == pytest.approx(now / 2)
    assert scheduler["_schedulers"][0]["_last_lr"][0] == pytest.approx(now / 2)
    assert scheduler["_schedulers"][1]["eta_min"] == 1e-3, "a bound stays where a rate is set"


def test_a_schedule_of_another_field_is_left(tmp_path: Path) -> None:
    optimizer = sgd()
    momentum = TimmCosine(optimizer, field="momentum")
    rate = torch_lr.StepLR(optimizer, 3)
    state = {"optimizer": optimizer.state_dict(), "momentum_scheduler": momentum.state_dict()}
    copy, _ = copy_of(state | {"scheduler": rate.state_dict()}, tmp_path)
    assert copy["momentum_scheduler"] == momentum.state_dict()
    assert copy["optimizer"]["param_groups"][0]["initial_momentum"] == 0.9
    assert copy["scheduler"]["gamma"] == 0.1
    assert copy["optimizer"]["param_groups"][0]["lr"] == 0.1 * FACTOR


def test_the_average_of_a_schedule_free_optimizer_goes_on(tmp_path: Path) -> None:
    """The share of each new iterate, ``weight / weight_sum``, is that of the undisturbed run."""

    def share(group: dict[str, Any]) -> float:
        """As ``AdamWScheduleFree.step`` computes it, warming up."""
        rate = group["lr"] * (group["k"] + 1) / group["warmup_steps"]
        group["lr_max"] = max(rate, group["lr_max"])
        weight = group["lr_max"] ** group["weight_lr_power"]
        group["weight_sum"] += weight
        group["k"] += 1
        return float(weight / group["weight_sum"])

    optimizer = sgd()
    own = {"k": 0, "warmup_steps": 9, "lr_max": -1.0, "weight_sum": 0.0, "weight_lr_power": 2.0}
    for group in optimizer.param_groups:
        group.update(own, scheduled_lr=0.04)
    optimizer.param_groups[1]["k"] = 1
    first = optimizer.param_groups[0]
    for _ in range(BEFORE):
        share(first)
    copy, _ = copy_of({"optimizer": optimizer.state_dict()}, tmp_path)
    saved, untrained = copy["optimizer"]["param_groups"]
    assert saved["scheduled_lr"] == 0.04 * FACTOR
    assert untrained["lr_max"] == -1.0, "nothing was seen yet"
    expected = [share(first) for _ in range(AFTER)]
    assert [share(saved) for _ in range(AFTER)] == pytest.approx(expected, rel=1e-9)


def test_the_arguments_that_ultralytics_resumes_with(tmp_path: Path) -> None:
    arguments = {"lr0": 0.01, "lrf": 0.1, "warmup_bias_lr": 0.1, "optimizer": "SGD", "epochs": 9}
    state = {"optimizer": sgd().state_dict(), "train_args": arguments}
    copy, done = copy_of(state, tmp_path)
    changed = {"lr0": 0.01 * FACTOR, "warmup_bias_lr": 0.1 * FACTOR}
    assert copy["train_args"] == arguments | changed
    assert "not scaled" not in done["actions"][0]["notice"]
    (tmp_path / "auto").mkdir()
    state["train_args"] = arguments | {"optimizer": "auto"}
    _, done = copy_of(state, tmp_path / "auto")
    assert "optimizer=auto" in done["actions"][0]["notice"]


@each(
    ("scalars", "words"),
    [
        ({"optimizer_history.0.num_updates": 1200}, "--warmup-init-lr"),
        ({"optimizer.param_groups.0.relative_step": True}, "Adafactor"),
        ({"optimizer.param_groups.0.d0": 1e-6}, "Prodigy"),
        ({"opt_param_scheduler.max_lr": 1e-4}, "--override-opt-param-scheduler"),
        ({"lr_scheduler.best": 0.5, "lr_scheduler.last_epoch": 7}, "PlateauLRScheduler of timm"),
        ({"scheduler.best": 0.5, "scheduler.last_epoch": 7, "scheduler.num_bad_epochs": 1}, ""),
        ({"optimizer.param_groups.0.relative_step": False, "model.d0": 1, "lr": 0.1}, ""),
    ],
)
def test_what_cannot_be_scaled_is_named(scalars: dict[str, Any], words: str) -> None:
    said = what_stays(scalars)
    assert bool(said) is bool(words)
    assert words in " ".join(said)


@each(
    ("key", "expected"),
    [
        ("lr", True),
        ("swa_lr", True),
        ("warmup_lr_init", True),
        ("default_min_lr", True),
        ("base_learning_rate", True),
        ("lr_decay", False),
        ("lr_scale", False),
        ("min_lr_ratio", False),
        ("lr_lambdas", False),
        ("_get_lr_called_within_step", False),
        ("base_momentum", False),
    ],
)
def test_which_names_are_rates(key: str, expected: bool) -> None:
    assert names_rate(key) is expected


def test_rates_by_name_alone() -> None:
    assert is_rate("lr_scheduler.base_lrs.0")
    assert is_rate("scheduler.eta_min")
    assert not is_rate("model.eta_min")
    assert not is_rate("opt_param_scheduler.max_lr"), "Megatron compares it with its flags"
    kinds = [kind_of(name) for name in ("scheduler._last_lr.1", "g.initial_lr", "s.min_lrs.0")]
    assert kinds == [Kind.CURRENT, Kind.INITIAL, Kind.BOUND]
