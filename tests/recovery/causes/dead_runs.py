"""Folders of runs that died, with files that torch wrote and a log, for the causes to be told."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from ckptdoctor.layouts.describe import describe
from ckptdoctor.recovery.plan import Plan, make_plan
from ckptdoctor.recovery.rewrite import Request
from ckptdoctor.runs.discover import checkpoint_at, discover
from ckptdoctor.survey import survey
from tests.builders import save

Make = Callable[[Optimizer], Any]


def dead_run(
    folder: Path,
    scores: Sequence[float],
    *,
    rates: Sequence[float] = (),
    norms: Sequence[float] = (),
    losses: Sequence[float] = (),
    schedule: Make | None = None,
    arguments: Callable[[int], Mapping[str, Any]] = lambda _: {},
    log: bool = True,
    poison: Callable[[int, dict[str, Any]], None] = lambda *_: None,
) -> Path:
    """Epochs from 1 on, a file each; weights are NaN where the score is.

    Args:
        folder: to write to.
        scores: of each epoch.
        rates: of each epoch, where no schedule makes them; the last one stays.
        norms: of the gradients of each epoch, in the log; none for a log without them.
        losses: of training, of each epoch, in the log; none for a log without them.
        schedule: of torch, made from an optimizer with a rate of 0.1.
        arguments: that the file of an epoch stores.
        log: whether there is one.
        poison: what is done to the state of an epoch before it is saved.
    """
    torch.manual_seed(0)
    parameter = torch.nn.Parameter(torch.rand(4, 4))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    made = None if schedule is None else schedule(optimizer)
    lines = []
    folder.mkdir(exist_ok=True)
    for epoch, score in enumerate(scores, start=1):
        if rates:
            optimizer.param_groups[0]["lr"] = rates[min(epoch, len(rates)) - 1]
        rate = optimizer.param_groups[0]["lr"]
        parameter.grad = torch.full((4, 4), 0.01)
        optimizer.step()
        if made is not None:
            made.step()
        weights = parameter.detach().clone()
        state = {
            "epoch": epoch,
            "model": {"w": weights * math.nan if math.isnan(score) else weights},
            "optimizer": optimizer.state_dict(),
            "args": dict(arguments(epoch)),
        }
        if made is not None:
            state["scheduler"] = made.state_dict()
        poison(epoch, state)
        save(folder / f"checkpoint_epoch_{epoch:02d}.pth", state)
        norm = f" | grad_norm: {norms[epoch - 1]:.4g}" if norms else ""
        loss = f"loss: {losses[epoch - 1]:.4f} | " if losses else ""
        lines.append(f"Epoch {epoch}: {loss}val_iou: {score:.4f} | lr: {rate:.6g}{norm}\n")
    if log:
        (folder / "train.log").write_text("".join(lines))
    return folder


def planned(folder: Path, **request: Any) -> Plan:
    """The plan of a folder with one run."""
    report = survey(discover([folder]))
    return make_plan(
        next(iter(report.runs)),
        Request(**request),
        stored=lambda path: describe(checkpoint_at(path)).scalars,
    )
