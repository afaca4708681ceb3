"""Two processes that train together, with a fault in one of them.

    python -m tests.guard.ranks RANK STORE CASES

Prints one JSON object a case: what this rank saw and what its weights became.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from ckptdoctor.guard import NonFiniteError, TrainingGuard
from tests.guard.nets import NAN, batches, loss_of, normed_net, optimizers
from tests.leaving import leave

WORLD = 2
STEPS = 8
BAD_STEP = 3  # from 0
BAD_RANK = 1


def main() -> None:
    """Run the cases that the command line names."""
    rank, store, cases = int(sys.argv[1]), sys.argv[2], sys.argv[3].split(",")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=WORLD)
    try:
        for case in cases:
            wrapper, fault, mode, action = case.split("-")
            print(json.dumps({"case": case, **run(rank, wrapper, fault, mode, action)}), flush=True)
    finally:
        dist.destroy_process_group()


def run(rank: int, wrapper: str, fault: str, mode: str, action: str) -> dict[str, Any]:
    """Train with one fault in one rank; the step of the fault is dropped by both, or none is."""
    model, optimizer = made(wrapper)
    options: dict[str, Any] = {"action": action, "max_norm": 0.3}
    if action == "callback":  # the ranks do not agree: the most careful one is followed
        options["action"] = lambda _: "raise" if rank == BAD_RANK else "skip"
    guard = TrainingGuard(model, optimizer, mode=mode, snapshot_every=2, **options)
    norms: list[float] = []
    bad: list[list[str]] = []
    raised = ""
    for at, batch in enumerate(batches(STEPS, seed=10 + rank)):
        faulty = at == BAD_STEP and rank == BAD_RANK
        optimizer.zero_grad()
        loss: Any = loss_of(model, batch)
        (loss * (NAN if faulty and fault == "backward" else 1.0)).backward()
        if faulty and fault == "grads":
            first: Any = next(one.grad for one in model.parameters() if one.grad is not None)
            (first.to_local() if wrapper.startswith("fsdp") else first).view(-1)[0] = NAN
        try:
            report = guard.step(loss * NAN if faulty and fault == "loss" else loss)
        except NonFiniteError as error:
            raised = str(error)
            break
        if report is not None:
            norms.append(report.grad_norm)
            bad.append(list(report.bad_parameters))
    if not raised:
        guard.flush()
    buffers = [one.double().flatten() for one in model.buffers()]
    return {
        "weights": torch.cat([full(one).flatten() for one in model.parameters()]).tolist(),
        "finite_buffers": bool(torch.cat(buffers).isfinite().all()),
        "skipped": guard.skipped,
        "rollbacks": guard.rollbacks,
        "steps": guard.steps,
        "norms": norms,
        "bad": bad,
        "raised": raised,
        "lr": optimizer.param_groups[0]["lr"],
    }


def made(wrapper: str) -> tuple[Any, torch.optim.Optimizer]:
    """The same net on every rank, wrapped as the case says."""
    model: Any = normed_net()
    if wrapper == "ddp":
        model = DistributedDataParallel(model)
    elif wrapper in {"fsdp", "fsdpfused"}:
        for layer in (model[0], model[3]):
            fully_shard(layer)
        fully_shard(model)
    return model, optimizers(model)["adam" if wrapper == "fsdp" else "adamw_fused"]


def full(tensor: torch.Tensor) -> torch.Tensor:
    """All of a parameter, of which each rank may hold a shard."""
    gather = getattr(tensor, "full_tensor", None)
    return (tensor if gather is None else gather()).detach()


if __name__ == "__main__":
    main()
    leave()
