"""What the guard costs a training step, against the usual ways to look for NaN.

    python -m tests.benchmarks.guard_cost            10 and 100 million parameters
    python -m tests.benchmarks.guard_cost --quick    1 million, to see that it works

A transformer, forward, backward and a fused AdamW. The candidates take turns, a step each; a ratio
is within a round, and the median of all rounds is shown. On CUDA, how often a step made the host
wait is counted as well.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ckptdoctor.guard import TrainingGuard

WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy")
MAX_NORM = 1e-3  # always exceeded
SIZES = {"1": (128, 5), "10": (512, 3), "100": (1024, 8)}  # millions: channels, layers


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A net, its optimizer and its guards."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    inputs: torch.Tensor
    guards: dict[str, TrainingGuard]


Finish = Callable[[Training, torch.Tensor], None]


def plain(training: Training, loss: torch.Tensor) -> None:
    """No check at all."""
    training.optimizer.step()


def clipped(training: Training, loss: torch.Tensor) -> None:
    """torch's own clipping."""
    torch.nn.utils.clip_grad_norm_(training.model.parameters(), MAX_NORM)
    training.optimizer.step()


def looped(training: Training, loss: torch.Tensor) -> None:
    """The usual loop over all gradients."""
    grads = [one.grad for one in training.model.parameters() if one.grad is not None]
    if torch.isfinite(loss) and all(torch.isfinite(grad).all() for grad in grads):
        training.optimizer.step()


def ignite_check() -> Finish | None:
    """Ignite's own: looks at the loss once the step was taken; None where it is not installed."""
    try:
        from ignite.engine import Engine
        from ignite.handlers import TerminateOnNan
    except ImportError:
        return None
    engine, handler = Engine(lambda _, batch: batch), TerminateOnNan()

    def finish(training: Training, loss: torch.Tensor) -> None:
        training.optimizer.step()
        engine.state.output = loss.detach()  # type: ignore[assignment]
        handler(engine)

    return finish


def lightning_check() -> Finish | None:
    """Lightning's own: looks at the loss once the step was taken; None where it is not there."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from lightning.fabric import Fabric
            from lightning.fabric.utilities.spike import SpikeDetection
    except ImportError:
        return None
    fabric = Fabric(accelerator="auto", devices=1)
    handler = SpikeDetection(mode="max", warmup=10**9)
    seen = 0

    def finish(training: Training, loss: torch.Tensor) -> None:
        nonlocal seen
        training.optimizer.step()
        handler.on_train_batch_end(fabric, loss.detach(), None, seen)
        seen += 1

    return finish


def guarded(mode: str, *, clip: bool = False) -> Finish:
    """The guard."""
    key = f"{mode} clip" if clip else mode

    def finish(training: Training, loss: torch.Tensor) -> None:
        training.guards[key].step(loss)

    return finish


def made(millions: str, device: str) -> Training:
    """A transformer of about that many parameters."""
    channels, layers = SIZES[millions]
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(
        channels, channels // 64, 4 * channels, dropout=0.0, batch_first=True
    )
    model = torch.nn.TransformerEncoder(layer, layers).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    tokens = (32, 512) if device == "cuda" else (4, 128)
    guards = {
        f"{mode}{' clip' if clip else ''}": TrainingGuard(
            model, optimizer, mode=mode, max_norm=MAX_NORM if clip else None
        )
        for mode in ("block", "async")
        for clip in (False, True)
    }
    inputs = torch.randn(*tokens, channels, device=device)
    return Training(model=model, optimizer=optimizer, inputs=inputs, guards=guards)


def step(training: Training, finish: Finish, *, anomaly: bool = False) -> tuple[float, float]:
    """Seconds of a whole step, and of what comes after the backward pass."""
    wait()
    start = time.perf_counter()
    with torch.autograd.set_detect_anomaly(anomaly, check_nan=anomaly):
        training.optimizer.zero_grad()
        loss = (training.model(training.inputs) - training.inputs.flip(-1)).square().mean()
        loss.backward()
    middle = time.perf_counter()  # on CUDA this says nothing: the device is still at it
    finish(training, loss)
    wait()
    end = time.perf_counter()
    return end - start, end - middle


def wait() -> None:
    """Until the device is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def waits(training: Training, finish: Finish) -> float:
    """How often a step makes the host wait for the device."""
    from torch.profiler import ProfilerActivity, profile

    def once() -> None:
        training.optimizer.zero_grad()
        loss = (training.model(training.inputs) - training.inputs.flip(-1)).square().mean()
        loss.backward()
        finish(training, loss)

    once()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        for _ in range(10):
            once()
    counts = [int(one.count) for one in profiled.key_averages() if one.key in WAITS]
    return sum(counts) / 10


def measure(millions: str, device: str, rounds: int) -> None:
    """Print the figures of one size."""
    training = made(millions, device)
    candidates: dict[str, tuple[Finish, bool]] = {
        "optimizer.step()": (plain, False),
        "guard, block": (guarded("block"), False),
        "guard, async": (guarded("async"), False),
        "clip_grad_norm_": (clipped, False),
        "guard, block, max_norm": (guarded("block", clip=True), False),
        "guard, async, max_norm": (guarded("async", clip=True), False),
        "loop of isfinite().all()": (looped, False),
        "detect_anomaly": (plain, True),
    }
    others = {
        "Ignite's TerminateOnNan": ignite_check(),
        "Lightning's spike check": lightning_check(),
    }
    candidates |= {name: (finish, False) for name, finish in others.items() if finish is not None}
    if device == "cpu":  # reading costs nothing there, so that nobody needs the other mode
        candidates = {name: one for name, one in candidates.items() if "async" not in name}
    names = list(candidates)
    for finish, anomaly in candidates.values():
        step(training, finish, anomaly=anomaly)
    times: list[dict[str, tuple[float, float]]] = []
    for at in range(rounds):
        order = names[at % len(names) :] + names[: at % len(names)]
        took = {}
        for name in order:
            finish, anomaly = candidates[name]
            took[name] = step(training, finish, anomaly=anomaly)
        times.append(took)
    count = sum(one.numel() for one in training.model.parameters())
    base = [one["optimizer.step()"] for one in times]
    whole = statistics.median(total for total, _ in base)
    print(f"\n{count / 1e6:.1f} million parameters, {device}; a step takes {whole * 1e3:.1f} ms")
    for name, (finish, _) in candidates.items():
        pairs = [(one[name], one["optimizer.step()"]) for one in times]
        ratio = statistics.median(mine[0] / theirs[0] for mine, theirs in pairs)
        line = f"  {name:<26} {ratio:6.3f} x the step"
        if device == "cpu":
            own = statistics.median(mine[1] - theirs[1] for mine, theirs in pairs)
            line += f"   {own * 1e3:+8.2f} ms after backward ({own / whole:+.1%})"
        else:
            line += f"   {waits(training, finish):4.1f} waits a step"
        print(line)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        for millions in ("1",) if options.quick else ("10", "100"):
            rounds = options.rounds if device == "cuda" or millions != "100" else 7
            measure(millions, device, rounds)


if __name__ == "__main__":
    main()
