"""One framework, in a process of its own."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import torch

from tests.leaving import leave

MODULES = {
    "transformers": "trainer",
    "transformers-shards": "trainer",
    "peft": "trainer",
    "accelerate": "accelerating",
    "accelerate-numbered": "accelerating",
    "dcp": "processes",
    "fsdp2": "processes",
    "lightning": "lightnings",
    "lightning-sharded": "lightnings",
    "deepspeed-zero2": "speeding",
    "deepspeed-zero3": "speeding",
    "mmengine": "engines",
    "stable-baselines3": "agents",
}


def main() -> None:
    """``NAME train FOLDER``, or ``NAME resume WEIGHTS.pt CHECKPOINT...``."""
    torch.set_num_threads(1)
    name, what, first, *rest = sys.argv[1:]
    module = importlib.import_module(f"tests.layouts.folders.real.{MODULES[name]}")
    if what == "train":
        module.train(name, Path(first))
    else:
        ended = module.resume(name, [Path(path) for path in rest])
        if ended is not None:  # None: another rank saves them
            torch.save(ended, first)


if __name__ == "__main__":
    main()
    leave()  # of a framework that shares out one process is a rank
