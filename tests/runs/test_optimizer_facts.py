"""What torch's own optimizers and schedules store, and what differs after a resume."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor import open_checkpoint
from ckptdoctor.runs.optimizer_facts import ChangeKind, OptimizerFacts, changes

Optimizer = torch.optim.Optimizer
Schedules = torch.optim.lr_scheduler


def parts(count: int = 2) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.zeros(3)) for _ in range(count)]


def adamw(**settings: Any) -> Optimizer:
    return torch.optim.AdamW(parts(), **{"lr": 1e-3, **settings})


Make = Callable[[Optimizer], Any]


def states(
    optimizer: Optimizer, make: Make | None, epochs: int, *, steps: int = 1
) -> Iterator[dict[str, Any]]:
    """What a script saves after each epoch."""
    schedule = None if make is None else make(optimizer)
    for _ in range(epochs):
        for _ in range(steps):
            optimizer.step()
            if schedule is not None:
                schedule.step()
        saved: dict[str, Any] = {"optimizer": optimizer.state_dict()}
        if schedule is not None:
            saved["scheduler"] = schedule.state_dict()
        yield torch.load(_copied(saved), weights_only=False)


def _copied(saved: dict[str, Any]) -> Any:
    import io

    buffer = io.BytesIO()
    torch.save(saved, buffer)
    buffer.seek(0)
    return buffer


def facts(folder: Path, saved: list[dict[str, Any]]) -> list[OptimizerFacts]:
    found = []
    for at, state in enumerate(saved):
        path = folder / f"{at}.pt"
        torch.save({"epoch": at, "model": {"w": torch.zeros(2)}, **state}, path)
        found.append(OptimizerFacts.of(open_checkpoint(path).scalars))
    return found


def told(folder: Path, *attempts: Iterator[dict[str, Any]]) -> list[tuple[int, ChangeKind]]:
    saved = [state for attempt in attempts for state in attempt]
    return [(change.at, change.kind) for change in changes(facts(folder, saved))]


def decaying(optimizer: Optimizer) -> Any:
    return Schedules.ExponentialLR(optimizer, 0.6)


CHAINED: Make = lambda optimizer: Schedules.SequentialLR(  # noqa: E731
    optimizer,
    [
        Schedules.LinearLR(optimizer, 0.001, total_iters=4),
        Schedules.CosineAnnealingLR(optimizer, 12),
    ],
    [4],
)


def test_what_is_read(tmp_path: Path) -> None:
    both: list[dict[str, Any]] = [{"params": parts(3)}, {"params": parts(1), "lr": 0.5}]
    grouped = torch.optim.SGD(both, lr=0.1, momentum=0.9)
    (found,) = facts(tmp_path, list(states(grouped, decaying, 1)))
    assert found.rate == pytest.approx(0.3)
    ((root, groups),) = found.optimizers
    assert root == "optimizer."
    assert [(group.count, group.family) for group in groups] == [(3, "SGD"), (1, "SGD")]
    assert groups[1].initial_rate == 0.5
    assert dict(groups[0].settings)["momentum"] == 0.9
    ((_, schedule),) = found.schedules
    assert (schedule.count, schedule.base_rates) == (1, (0.1, 0.5))
    assert OptimizerFacts.of({"epoch": 3, "model.last_epoch": 2}) == OptimizerFacts()


def test_a_schedule_that_starts_again(tmp_path: Path) -> None:
    first, again = states(adamw(), decaying, 7), states(adamw(), decaying, 3)
    assert told(tmp_path, first, again) == [
        (7, ChangeKind.SCHEDULE),
        (7, ChangeKind.RATE),
    ]


def test_a_rate_that_jumps_without_a_schedule(tmp_path: Path) -> None:
    slow = adamw(lr=1e-5)
    assert told(tmp_path, states(slow, None, 4), states(adamw(lr=1e-3), None, 2)) == [
        (4, ChangeKind.RATE)
    ]


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: Schedules.StepLR(optimizer, 6, gamma=30),
        lambda optimizer: Schedules.LambdaLR(optimizer, lambda step: 1.0 if step < 6 else 30.0),
        lambda optimizer: Schedules.LambdaLR(  # a second cycle of twenty times the first
            optimizer, lambda step: (1 - step / 6.01) if step < 6 else 20.0
        ),
    ],
)
def test_a_rate_far_above_all_before_whatever_the_schedule(make: Make, tmp_path: Path) -> None:
    assert told(tmp_path, states(adamw(), make, 9)) == [(5, ChangeKind.RATE)]


def test_another_optimizer(tmp_path: Path) -> None:
    sgd = torch.optim.SGD(parts(), lr=1e-3, momentum=0.9)
    assert told(tmp_path, states(adamw(), None, 3), states(sgd, None, 2)) == [
        (3, ChangeKind.FAMILY)
    ]


def test_other_groups(tmp_path: Path) -> None:
    two = torch.optim.AdamW([{"params": parts(1)}, {"params": parts(1)}], lr=1e-3)
    more = torch.optim.AdamW([{"params": parts(2)}, {"params": parts(4)}], lr=1e-3)
    assert told(tmp_path, states(adamw(), None, 3), states(two, None, 1)) == [
        (3, ChangeKind.GROUPS)
    ]
    assert told(tmp_path, states(adamw(), None, 3), states(more, None, 1)) == [
        (3, ChangeKind.GROUPS_ADDED)
    ]


def test_another_setting(tmp_path: Path) -> None:
    plain, heavy = adamw(weight_decay=0.01), adamw(weight_decay=0.1)
    assert told(tmp_path, states(plain, None, 3), states(heavy, None, 3)) == [
        (3, ChangeKind.SETTING)
    ]
    moving = [adamw(weight_decay=0.01 * at) for at in range(1, 7)]
    assert told(tmp_path, *(states(one, None, 1) for one in moving)) == [], "a schedule of its own"


@pytest.mark.parametrize(
    "make",
    [
        decaying,
        lambda optimizer: Schedules.CosineAnnealingWarmRestarts(optimizer, T_0=5),
        lambda optimizer: Schedules.CosineAnnealingWarmRestarts(optimizer, T_0=3, T_mult=2),
        lambda optimizer: Schedules.CosineAnnealingLR(optimizer, 4),
        lambda optimizer: Schedules.OneCycleLR(optimizer, max_lr=1e-2, total_steps=60),
        lambda optimizer: Schedules.CyclicLR(
            optimizer, 1e-6, 1e-2, step_size_up=9, cycle_momentum=False
        ),
        lambda optimizer: Schedules.LambdaLR(optimizer, lambda step: 1 - (step % 7) / 7.01),
        lambda optimizer: Schedules.LinearLR(optimizer, 0.001, total_iters=9),
        lambda optimizer: Schedules.MultiStepLR(optimizer, [4, 8]),
        CHAINED,
        None,
    ],
)
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.one_in(3)
def test_what_schedules_do_by_themselves(make: Make | None, steps: int, tmp_path: Path) -> None:
    assert told(tmp_path, states(adamw(), make, 18, steps=steps)) == []


def test_a_faithful_resume(tmp_path: Path) -> None:
    first = adamw()
    schedule = decaying(first)
    for _ in range(3):
        first.step()
        schedule.step()
    before = {"optimizer": first.state_dict(), "scheduler": schedule.state_dict()}
    saved = [*states(adamw(), decaying, 3)]
    second = adamw()
    second.load_state_dict(before["optimizer"])
    after = decaying(second)
    after.load_state_dict(before["scheduler"])
    second.step()
    after.step()
    saved.append({"optimizer": second.state_dict(), "scheduler": after.state_dict()})
    assert [*changes(facts(tmp_path, saved))] == []


def test_files_without_an_optimizer_may_stand_between(tmp_path: Path) -> None:
    saved: list[dict[str, Any]] = [*states(adamw(), decaying, 4)]
    saved[2:2] = [{}, {}]
    assert [*changes(facts(tmp_path, saved))] == []
    assert [*changes([])] == []
