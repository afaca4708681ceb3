"""What goes wrong in one module: a rate, a bad batch, a flipped bit, a frozen norm, an overflow.

Each lays its hands on one tensor of one module, which chance chooses, at an epoch that chance
chooses; the training goes on, and what it does to the other tensors is its own doing.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from tests.benchmarks.first_bad.nets import NETS
from tests.benchmarks.first_bad.training import STEPS, Bench, Hook, Plan, constant, cosine

__all__ = ["FAULTS", "Faulty", "faulty_runs"]

_FIRST, _LAST = 9, 12
_HALF = 65504.0


@dataclass(frozen=True, kw_only=True)
class Faulty:
    """A training and its fault.

    Attributes:
        name: of both.
        kind: of the fault.
        plan: the training.
        tensor: that it began in; of a frozen norm any that it keeps.
        module: that the tensor is of.
        onset: the epoch in which it began.
        slow: whether it grows from epoch to epoch.
    """

    name: str
    kind: str
    plan: Plan
    tensor: str
    onset: int
    slow: bool

    @property
    def module(self) -> str:
        """The module of the tensor."""
        return self.tensor.rpartition(".")[0]


def _rate(tensor: str, onset: int, chance: random.Random) -> Hook:
    """The rate of one tensor grows from epoch to epoch, as of a schedule gone wrong."""
    growth = chance.choice((1.7, 2.0, 2.5))

    def before(bench: Bench) -> None:
        if bench.epoch < onset or bench.step:
            return
        names = [name for name, _ in bench.net.named_parameters()]
        group = bench.optimizer.param_groups[names.index(tensor)]
        group["lr"] *= growth ** (bench.epoch - onset + 1)

    return before


def _bad_batch(tensor: str, onset: int, chance: random.Random) -> Hook:
    """A batch whose goals of one head are wrong by several powers of ten."""
    stage, step = int(tensor.split(".")[1]), chance.randrange(STEPS)
    wrong = chance.choice((1e2, 3e2, 1e3))

    def before(bench: Bench) -> None:
        if (bench.epoch, bench.step) == (onset, step):
            bench.goals[stage] = bench.goals[stage] + wrong

    return before


def _bit_flip(tensor: str, onset: int, chance: random.Random) -> Hook:
    """A bit of the exponent of one element, so that it is the largest by far."""
    step = chance.randrange(STEPS)

    def before(bench: Bench) -> None:
        if bench.epoch != onset or bench.step < step:
            return
        with torch.no_grad():
            flat = bench.net.get_parameter(tensor).view(-1)
            flips = list(_flips(flat.tolist()))
            # The highest bit makes it so large that one step more turns all of the net to NaN.
            last = bench.step == STEPS - 1
            flips = [flip for flip in flips if last or abs(flip[1]) < _FLIPPED_HIGHEST]
            if flips and (bench.step == step or last) and not bench.done:
                index, value = chance.choice(flips)
                flat[index], bench.done = value, True

    return before


_FLIPPED_HIGHEST = 1e20


def _flips(values: list[float]) -> Iterator[tuple[int, float]]:
    """Where a flip makes the largest element, and what it is then."""
    most = max(map(abs, values))
    for index, value in enumerate(values):
        (bits,) = struct.unpack("<I", struct.pack("<f", value))
        for bit in range(23, 31):
            (flipped,) = struct.unpack("<f", struct.pack("<I", bits ^ (1 << bit)))
            if 4.0 * most < abs(flipped) < float("inf"):
                yield index, flipped


def _frozen_norm(tensor: str, onset: int, chance: random.Random) -> Hook:
    """A BatchNorm is left in eval mode: its statistics stay what they were."""
    module = tensor.rpartition(".")[0]

    def before(bench: Bench) -> None:
        if bench.epoch >= onset:
            bench.net.get_submodule(module).eval()

    return before


def _overflow(tensor: str, onset: int, chance: random.Random) -> Hook:
    """A decay of the wrong sign drives one weight up, until half cannot hold what it gives."""
    growth = chance.choice((1.6, 2.5, 4.0)) ** (1 / STEPS)

    def cast(_: nn.Module, __: object, out: torch.Tensor) -> torch.Tensor:
        return out.masked_fill(out.abs() > _HALF, torch.inf)

    def before(bench: Bench) -> None:
        if bench.epoch == onset and not bench.step:
            bench.net.get_submodule(tensor.rpartition(".")[0]).register_forward_hook(cast)
        if bench.epoch >= onset:
            with torch.no_grad():
                bench.net.get_parameter(tensor).mul_(growth)

    return before


_Make = Callable[[str, int, random.Random], Hook]
FAULTS: dict[str, tuple[_Make, bool]] = {
    "rate": (_rate, True),
    "bad batch": (_bad_batch, False),
    "bit flip": (_bit_flip, False),
    "frozen norm": (_frozen_norm, True),
    "overflow": (_overflow, True),
}
"""By kind, what makes it, and whether it grows from epoch to epoch."""


def faulty_runs(each: int = 10, seed: int = 0) -> list[Faulty]:
    """So many of each kind, over nets and optimizers in turns; with another seed others."""
    found = []
    for kind, (make, slow) in FAULTS.items():
        nets = ("mlp", "conv") if kind == "frozen norm" else ("mlp", "conv", "transformer")
        for number in range(each):
            chance = random.Random(f"{kind} {1000 * seed + number}")
            net, optimizer = nets[number % len(nets)], ("adamw", "sgd")[number // len(nets) % 2]
            tensor, onset = _target(kind, net, chance), chance.randint(_FIRST, _LAST)
            plan = Plan(
                net=net,
                seed=1000 * seed + number,
                optimizer=optimizer,
                schedule=(cosine, constant)[number % 2],
                before=make(tensor, onset, chance),
            )
            name = f"{kind} {net} {optimizer} {number}"
            found.append(
                Faulty(name=name, kind=kind, plan=plan, tensor=tensor, onset=onset, slow=slow)
            )
    return found


def _target(kind: str, net: str, chance: random.Random) -> str:
    model = NETS[net]()
    weights = [name for name, one in model.named_parameters() if one.ndim > 1]
    match kind:
        case "bad batch":
            return f"aux.{chance.randrange(len(model.aux))}.weight"
        case "frozen norm":
            names = [name for name, _ in model.named_buffers() if name.endswith("running_var")]
            return chance.choice(names)
        case _:
            return chance.choice(weights)
