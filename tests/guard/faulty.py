"""Real trainings of small nets, into which one fault is put; with the guard and without it.

    python -m tests.guard.faulty RANK STORE GUARDED FAULTY

is one of two processes that train together; the flags are 0 or 1. It prints its outcome as JSON.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.amp.grad_scaler import GradScaler

from ckptdoctor.guard import NonFiniteError, TrainingGuard
from tests.leaving import leave

__all__ = ["CASES", "Case", "Fault", "Net", "Outcome", "train"]

BAD_STEP = 80  # from 0; late enough for the guard to know the usual norm
STEPS = 160
SCALE = 1024.0


class Fault(enum.Enum):
    """What goes wrong, once."""

    NONE = "none"
    NAN_BATCH = "NaN in one batch"
    INF_SAMPLE = "Inf in one sample"
    OVERFLOW = "fp16 overflow, fixed loss scale"
    OVERFLOW_SCALER = "fp16 overflow, GradScaler"
    LR = "learning rate times 10,000"
    BIT_FLIP = "exponent bit of one gradient element flips"
    ONE_RANK = "NaN in one of two ranks"


class Net(enum.Enum):
    """What is trained."""

    CONV = "conv net, SGD"
    CONV_BN = "conv net with BatchNorm, SGD"
    TRANSFORMER = "transformer, AdamW"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of the table.

    Args:
        options: of the guard; what a user would have chosen for this fault.
    """

    net: Net
    fault: Fault
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def is_half(self) -> bool:
        """Whether the forward pass runs in float16."""
        return self.fault in (Fault.OVERFLOW, Fault.OVERFLOW_SCALER)

    @property
    def without_fault(self) -> Case:
        """The training this one has to be compared with."""
        return Case(net=self.net, fault=Fault.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a training ended: loss and accuracy on held-out data, in ``eval`` mode."""

    loss: float
    accuracy: float
    dead: bool  # NaN or Inf in weights, buffers or optimizer state
    skipped: int = 0
    rollbacks: int = 0
    spikes: int = 0
    loss_spikes: int = 0


CASES = (
    Case(net=Net.CONV_BN, fault=Fault.NAN_BATCH),
    Case(net=Net.TRANSFORMER, fault=Fault.NAN_BATCH),
    Case(net=Net.CONV_BN, fault=Fault.INF_SAMPLE),
    Case(net=Net.CONV, fault=Fault.OVERFLOW),
    Case(net=Net.CONV, fault=Fault.OVERFLOW_SCALER),
    Case(
        net=Net.CONV,
        fault=Fault.LR,
        options={"action": "rollback", "on_spike": "rollback", "snapshot_every": 20},
    ),
    Case(net=Net.CONV, fault=Fault.BIT_FLIP, options={"on_spike": "skip"}),
    Case(net=Net.TRANSFORMER, fault=Fault.BIT_FLIP, options={"on_spike": "skip"}),
)


def images(count: int, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of 32 noisy gratings of 12 x 12, in one of four directions."""
    chance = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    for _ in range(count):
        kind = torch.randint(4, (32,), generator=chance)
        angle = (kind * math.pi / 4).view(-1, 1, 1)
        phase = torch.rand(32, 1, 1, generator=chance) * 2 * math.pi
        wave = torch.sin(rows * torch.cos(angle) + columns * torch.sin(angle) + phase)
        yield (wave + torch.randn(32, 12, 12, generator=chance)).unsqueeze(1), kind


def sequences(count: int, seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of 32 sequences that count in steps of their own, modulo 11, as one-hot vectors."""
    chance = torch.Generator().manual_seed(seed)
    for _ in range(count):
        start = torch.randint(11, (32, 1), generator=chance)
        step = torch.randint(1, 4, (32, 1), generator=chance)
        tokens = (start + step * torch.arange(9)) % 11
        yield torch.nn.functional.one_hot(tokens[:, :-1], 11).float(), tokens[:, 1:]


class Transformer(torch.nn.Module):
    """Two causal layers of 32 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Linear(11, 32)
        self.places = torch.nn.Parameter(torch.randn(8, 32) * 0.1)
        layer = torch.nn.TransformerEncoderLayer(32, 2, 64, dropout=0.0, batch_first=True)
        self.layers = torch.nn.TransformerEncoder(layer, 2)
        self.head = torch.nn.Linear(32, 11)
        self.register_buffer("mask", torch.ones(8, 8).triu(1).bool(), persistent=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits of shape (batch, 11, 8)."""
        hidden = self.layers(self.embed(tokens) + self.places, mask=self.mask)
        logits: torch.Tensor = self.head(hidden)
        return logits.transpose(1, 2)


def conv_net(norm: Callable[[int], torch.nn.Module]) -> torch.nn.Module:
    """Two convolutions and a classifier of four classes."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1),
        norm(8),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 16, 3, stride=2, padding=1),
        norm(16),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 4),
    )


def made(net: Net, seed: int) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """A net and its optimizer."""
    torch.manual_seed(seed)
    if net is Net.TRANSFORMER:
        model: torch.nn.Module = Transformer()
        return model, torch.optim.AdamW(model.parameters(), lr=3e-3)
    model = conv_net(torch.nn.BatchNorm2d if net is Net.CONV_BN else lambda _: torch.nn.Identity())
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def train(
    case: Case, *, guarded: bool, seed: int = 0, mode: str | None = None, rank: int | None = None
) -> Outcome:
    """Train from scratch; ``rank`` if another process trains along."""
    model, optimizer = made(case.net, seed)
    wrapped = model if rank is None else torch.nn.parallel.DistributedDataParallel(model)
    scaler = GradScaler("cpu", init_scale=SCALE) if case.fault is Fault.OVERFLOW_SCALER else None
    scale = SCALE if case.fault is Fault.OVERFLOW else 1.0
    options = {"mode": mode, "scaler": scaler, **case.options}
    guard = TrainingGuard(wrapped, optimizer, **options) if guarded else None
    source = sequences if case.net is Net.TRANSFORMER else images
    loss_spikes = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for at, (inputs, wanted) in enumerate(source(STEPS, seed=100 + seed + 7 * (rank or 0))):
            broken = case.fault if at == BAD_STEP else Fault.NONE
            spoil(broken, inputs, optimizer, rank)
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.float16, enabled=case.is_half):
                outputs = wrapped(inputs)
            loss = torch.nn.functional.cross_entropy(outputs.float(), wanted)
            if case.is_half and broken is not Fault.NONE:
                loss = loss * 1e6  # a sample with a wrong weight
            scaled = loss * scale if scaler is None else scaler.scale(loss)
            scaled.backward()  # type: ignore[no-untyped-call]
            if scale != 1.0:
                divide(model, scale)
            if broken is Fault.BIT_FLIP:
                flip(model)
            finish(guard, scaler, optimizer, loss)
            if guard is not None and guard.last is not None:
                loss_spikes += guard.last.loss_spike
        if guard is not None:
            guard.flush()
    told = outcome(model, optimizer, guard, source)
    return dataclasses.replace(told, loss_spikes=loss_spikes)


def spoil(
    fault: Fault, inputs: torch.Tensor, optimizer: torch.optim.Optimizer, rank: int | None
) -> None:
    """Put in those faults that come before the forward pass."""
    if fault is Fault.NAN_BATCH or (fault is Fault.ONE_RANK and rank == 1):
        inputs.flatten()[5] = math.nan
    elif fault is Fault.INF_SAMPLE:
        inputs.flatten()[5] = math.inf
    elif fault is Fault.LR:
        for group in optimizer.param_groups:
            group["lr"] *= 10_000


def flip(model: torch.nn.Module) -> None:
    """The highest exponent bit of one element: 0.01 becomes 3.4e36."""
    grads = [one.grad for one in model.parameters() if one.grad is not None]
    grads[0].view(torch.int32).view(-1)[3] ^= 1 << 30


def divide(model: torch.nn.Module, scale: float) -> None:
    """Take a fixed loss scale out of the gradients."""
    for one in model.parameters():
        if one.grad is not None:
            one.grad /= scale


def finish(
    guard: TrainingGuard | None,
    scaler: GradScaler | None,
    optimizer: torch.optim.Optimizer,
    loss: torch.Tensor,
) -> None:
    """The step itself."""
    if guard is not None:
        with contextlib.suppress(NonFiniteError):  # it is counted as what it left behind
            guard.step(loss)
    elif scaler is not None:
        scaler.step(optimizer)
        scaler.update()
    else:
        optimizer.step()


@torch.no_grad()
def outcome(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    guard: TrainingGuard | None,
    source: Callable[[int, int], Iterator[tuple[torch.Tensor, torch.Tensor]]],
) -> Outcome:
    """What the training came to."""
    model.eval()
    losses, right, of = [], 0, 0
    for inputs, wanted in source(8, 9999):
        outputs = model(inputs)
        losses.append(float(torch.nn.functional.cross_entropy(outputs, wanted)))
        right += int((outputs.argmax(1) == wanted).sum())
        of += wanted.numel()
    state = [value for one in optimizer.state.values() for value in one.values()]
    tensors = [*model.parameters(), *model.buffers(), *state]
    return Outcome(
        loss=sum(losses) / len(losses),
        accuracy=right / of,
        dead=not all(
            bool(one.isfinite().all()) for one in tensors if isinstance(one, torch.Tensor)
        ),
        skipped=0 if guard is None else guard.skipped,
        rollbacks=0 if guard is None else guard.rollbacks,
        spikes=0 if guard is None else guard.spikes,
    )


def main() -> None:
    """Train as one of two, and print the outcome."""
    rank, store = int(sys.argv[1]), sys.argv[2]
    guarded, faulty = (flag == "1" for flag in sys.argv[3:5])
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=2
    )
    try:
        case = Case(net=Net.CONV_BN, fault=Fault.ONE_RANK if faulty else Fault.NONE)
        told = train(case, guarded=guarded, rank=rank)
    finally:
        torch.distributed.destroy_process_group()
    print(json.dumps(dataclasses.asdict(told)))


if __name__ == "__main__":
    main()
    leave()
