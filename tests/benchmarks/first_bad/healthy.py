"""Healthy trainings whose rates and parts change as people have them change."""

from __future__ import annotations

from tests.benchmarks.first_bad.training import Bench, Hook, Plan, constant, cosine

__all__ = ["healthy_runs"]


def _restarts(epoch: int, epochs: int) -> float:
    return 0.02 + 0.98 * cosine(epoch % 7, 7)


def _drops(epoch: int, epochs: int) -> float:
    return 0.1 ** (3 * epoch // epochs)


def _warm_up(epoch: int, epochs: int) -> float:
    return (epoch + 1) / 6 if epoch < 6 else cosine(epoch - 6, epochs - 6)


def _one_cycle(epoch: int, epochs: int) -> float:
    top = 2 * epochs // 5
    return 0.04 + 0.96 * (epoch / top if epoch < top else cosine(epoch - top, epochs - top))


def _raised(epoch: int, epochs: int) -> float:
    return 0.2 if epoch < 10 else 1.0


def _unfreeze(at: int) -> Hook:
    """All but the heads stand still up to an epoch."""

    def before(bench: Bench) -> None:
        if bench.step == 0:
            bench.net.stages.requires_grad_(bench.epoch >= at)

    return before


def _unfreeze_by_and_by(bench: Bench) -> None:
    """A stage more every few epochs, the last one first."""
    if bench.step == 0:
        for at, stage in enumerate(reversed(bench.net.stages)):
            stage.requires_grad_(bench.epoch >= 5 * at)


def _thaw_by_rate(bench: Bench) -> None:
    """The same by rates: that of a frozen stage is 0, and warms up once it is thawed."""
    for at, stage in enumerate(reversed(bench.net.stages)):
        warm = min(1.0, max(0.0, (bench.epoch - 4 * at + 1) / 3))
        own = {id(one) for one in stage.parameters()}
        for group in bench.optimizer.param_groups:
            if id(group["params"][0]) in own and bench.step == 0:
                group["lr"] *= warm * 0.5**at


def _nothing(bench: Bench) -> None:
    pass


_KINDS = {
    "thawing by rate": (constant, _thaw_by_rate),
    "cosine": (cosine, _nothing),
    "warm restarts": (_restarts, _nothing),
    "drops": (_drops, _nothing),
    "warm-up": (_warm_up, _nothing),
    "one cycle": (_one_cycle, _nothing),
    "raised": (_raised, _nothing),
    "unfreezing": (cosine, _unfreeze(8)),
    "unfreezing by and by": (constant, _unfreeze_by_and_by),
    "unfreezing, restarts": (_restarts, _unfreeze(7)),
}


def healthy_runs(times: int = 3, seed: int = 0) -> list[tuple[str, Plan]]:
    """Every kind with every net in turns, so many times; with their names."""
    nets, optimizers = ("mlp", "conv", "transformer"), ("adamw", "sgd", "adam")
    found = []
    for turn in range(times):
        for at, (kind, (schedule, before)) in enumerate(_KINDS.items()):
            net, optimizer = nets[(at + turn) % 3], optimizers[(at // 3 + turn) % 3]
            plan = Plan(
                net=net,
                seed=1000 * seed + 100 + 10 * turn + at,
                optimizer=optimizer,
                schedule=schedule,
                before=before,
                average=at % 2 == 0,
            )
            found.append((f"{kind} {net} {optimizer} {turn}", plan))
    return found
