"""The training script of the cases, as people write them; strict about what it resumes from.

Each case's folder gets a ``train.py`` that calls ``main``. It saves everything that a resume needs
and refuses (exit 3) a file where anything of that is missing or of another kind. The stored rate
wins over ``--lr``, because that is what ``load_state_dict`` does.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from tests.benchmarks.comes_back.faults import Fault
from tests.benchmarks.comes_back.schedules import SCHEDULES, TimmCosine
from tests.benchmarks.comes_back.tasks import TASKS, Data

__all__ = ["REFUSED", "STOP", "main", "options_of"]

REFUSED = 3
STOP = "TRAIN_STOP"
_LARGEST_HALF = 65504.0


class Scaler:
    """A gradient scaler in numbers: what would overflow in half precision is not stepped on."""

    def __init__(self) -> None:
        self.scale, self.tracker = 1024.0, 0

    def state_dict(self) -> dict[str, Any]:
        return {"scale": self.scale, "_growth_tracker": self.tracker, "growth_factor": 2.0}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.scale, self.tracker = state["scale"], state["_growth_tracker"]

    def allows(self, norm: float) -> bool:
        """Whether a step may be made; adapts the scale."""
        good = math.isfinite(norm) and norm * self.scale < _LARGEST_HALF
        self.tracker = self.tracker + 1 if good else 0
        if not good:
            self.scale /= 2
        elif self.tracker == 50:
            self.scale, self.tracker = self.scale * 2, 0
        return good


class Training:
    """What changes while training, and the loop."""

    def __init__(self, args: argparse.Namespace) -> None:
        torch.manual_seed(args.seed)
        self.args, self.fault = args, Fault.from_environment()
        self.task = TASKS[args.task]
        self.data, self.held_out = self.task.sets(args.seed)
        self.model = self.task.net()
        self.ema = copy.deepcopy(self.model) if args.ema else None
        self.scaler = Scaler() if args.amp else None
        self.optimizer: torch.optim.Optimizer
        if args.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=args.lr, momentum=0.9)
        else:
            self.optimizer = torch.optim.AdamW(
                self.model.parameters(), lr=args.lr, betas=(0.9, args.beta2)
            )
        steps = math.ceil(len(self.data[0]) / args.batch_size)
        self.scheduler = SCHEDULES[args.scheduler](self.optimizer, args, steps)
        self.epoch = 0
        self.best = -math.inf if self.task.higher_is_better else math.inf

    def state(self, score: float) -> dict[str, Any]:
        """All that a resume needs."""
        state = {
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "best_score": self.best,
            self.task.metric: score,
            "args": {**vars(self.args), "save_dir": str(self.args.save_dir)},
        }
        if self.ema is not None:
            state["ema"] = self.ema.state_dict()
        if self.scaler is not None:
            state["scaler"] = self.scaler.state_dict()
        return state

    def load(self, path: Path) -> None:
        """Go on from a file; refuses one that lacks anything."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            refuse(f"{path}: {error}")
        wanted = {"epoch", "model", "optimizer", "scheduler", "best_score"}
        wanted |= ({"ema"} if self.ema else set()) | ({"scaler"} if self.scaler else set())
        if missing := wanted - state.keys():
            refuse(f"{path}: without {', '.join(sorted(missing))}")
        try:
            self.model.load_state_dict(state["model"])
            if self.ema is not None:
                self.ema.load_state_dict(state["ema"])
            if not self.args.fresh_optimizer:
                self.optimizer.load_state_dict(state["optimizer"])
                if self.scheduler.state_dict().keys() != state["scheduler"].keys():
                    refuse(f"{path}: the schedule stored is of another kind")
                self.scheduler.load_state_dict(state["scheduler"])
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            refuse(f"{path}: {error}")
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.best = state["epoch"], state["best_score"]

    def run(self) -> None:
        """Train up to the last epoch, with a log and files of each."""
        folder: Path = self.args.save_dir
        folder.mkdir(parents=True, exist_ok=True)
        stop = min(self.args.epochs, int(os.environ.get(STOP, self.args.epochs)))
        with (folder / "train.log").open("a", encoding="utf-8") as log:
            print(f"command: python train.py {' '.join(sys.argv[1:])}", file=log)
            if self.args.resume:
                print(f"resumed from {self.args.resume}", file=log, flush=True)
            while self.epoch < stop:
                self.epoch += 1
                rate = self.optimizer.param_groups[0]["lr"]
                loss, norm = self.train_epoch()
                self.fault.after_epoch(self.epoch, self.model, self.ema, self.optimizer)
                score = self.evaluate()
                line = f"Epoch {self.epoch}: loss: {loss:.4f} | {self.task.metric}: {score:.4f}"
                print(f"{line} | lr: {rate:.6g} | grad_norm: {norm:.4g}", file=log, flush=True)
                self.step_schedule(score)
                self.save(score)

    def train_epoch(self) -> tuple[float, float]:
        """Mean loss and mean norm of the gradient."""
        order = torch.Generator().manual_seed(1000 * self.args.seed + self.epoch)
        losses, norms = [], []
        self.model.train()
        shuffled = torch.randperm(len(self.data[0]), generator=order)
        for number, batch in enumerate(torch.split(shuffled, self.args.batch_size)):
            chosen = (self.data[0][batch], self.data[1][batch])
            loss, norm = self.train_step(self.fault.batch(self.epoch, number, chosen, self.task))
            losses.append(loss)
            norms.append(norm)
        return sum(losses) / len(losses), sum(norms) / len(norms)

    def train_step(self, batch: Data) -> tuple[float, float]:
        inputs, targets = batch
        found = self.model(inputs, self.args.deep_supervision)
        if self.args.amp:
            found = [one.half().float() for one in found]
        loss = torch.stack([self.task.loss(one, targets) for one in found]).sum()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = total_norm(self.model)
        if self.scaler is None or self.scaler.allows(norm):
            self.optimizer.step()
        if self.args.scheduler == "onecycle":
            self.scheduler.step()  # type: ignore[attr-defined]
        if self.ema is not None:
            with torch.no_grad():
                for mean, value in zip(
                    self.ema.state_dict().values(), self.model.state_dict().values(), strict=True
                ):
                    mean.lerp_(value, 0.1) if mean.is_floating_point() else mean.copy_(value)
        return loss.item(), norm

    def step_schedule(self, score: float) -> None:
        if isinstance(self.scheduler, TimmCosine):
            self.scheduler.step(self.epoch)
        elif isinstance(self.scheduler, lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(score)
        elif self.args.scheduler != "onecycle":
            self.scheduler.step()  # type: ignore[attr-defined]

    @torch.no_grad()
    def evaluate(self) -> float:
        """The score on what is held out."""
        net = (self.model if self.ema is None else self.ema).eval()
        found: Tensor = net(self.held_out[0])[0]
        score = self.task.score(found, self.held_out[1])
        return score if bool(found.isfinite().all()) else math.nan

    def save(self, score: float) -> None:
        better = score > self.best if self.task.higher_is_better else score < self.best
        self.best = score if better else self.best
        names = ["last.pt"]
        if self.epoch % self.args.save_every == 0:
            names.append(f"checkpoint_epoch_{self.epoch:03d}.pt")
        paths = [self.args.save_dir / name for name in names]
        state = self.state(score)
        if self.fault.save(self.epoch, state, paths):
            return
        for path in paths + ([self.args.save_dir / "best.pt"] if better else []):
            torch.save(state, path)


def total_norm(model: nn.Module) -> float:
    """Of all gradients."""
    norms = [p.grad.norm() for p in model.parameters() if p.grad is not None]
    return float(torch.stack(norms).norm())


def refuse(why: str) -> NoReturn:
    """End, as a strict script does."""
    print(f"train.py: cannot resume: {why}", file=sys.stderr)
    raise SystemExit(REFUSED)


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """What a command line says."""
    parser = argparse.ArgumentParser(prog="train.py", allow_abbrev=False)
    parser.add_argument("--task", choices=list(TASKS), required=True)
    parser.add_argument("--optimizer", choices=("sgd", "adamw"), default="sgd")
    parser.add_argument("--scheduler", choices=list(SCHEDULES), default="cosine")
    parser.add_argument("--lr", type=float, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--gamma", type=float, default=0.3)
    parser.add_argument("--step-size", type=int, default=8)
    parser.add_argument("--cycle-epochs", type=int, default=0)
    parser.add_argument("--cycle-decay", type=float, default=0.5)
    parser.add_argument("--warmup-epochs", type=int, default=0)
    parser.add_argument("--beta2", type=float, default=0.999)
    parser.add_argument("--deep-supervision", type=int, default=1, metavar="HEADS")
    parser.add_argument("--fresh-optimizer", action="store_true")
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--ema", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=2)
    parser.add_argument("--resume", default="")
    parser.add_argument("--save-dir", type=Path, required=True)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Train."""
    torch.set_num_threads(1)
    args = options_of(arguments)
    training = Training(args)
    if args.resume:
        training.load(Path(args.resume))
    training.run()
