"""The same series, written and resumed by the real frameworks, each in a process of its own.

    python -m tests.layouts.folders.real transformers train FOLDER
    python -m tests.layouts.folders.real transformers resume WEIGHTS.pt CHECKPOINT...

``resume`` trains on from each checkpoint, and saves a list of the weights that this ends with.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tests.layouts.folders import TWINS, accelerated, deepspeeds, distributed, huggingface
from tests.layouts.folders.others import ONE_FILE, SB3_MEMBERS, UNSEEN_ALONE, archives
from tests.layouts.folders.truth import Kind, Part, Rules, Series, folder_series, rule

__all__ = ["FRAMEWORKS", "Framework"]

MODEL_PARALLEL = (*distributed.SLICES, rule("meta.pt", Kind.STATE))
_ONE = Part(path="", kind=Kind.WEIGHTS, inside=ONE_FILE, whole=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """A framework that is installed, and the twin that stands for it elsewhere."""

    name: str
    package: str
    checkpoints: tuple[str, str, str]
    rules: Rules | Part
    """Of the files of a folder; a part where a checkpoint is a single file."""
    pointers: tuple[Part, ...] = ()

    def train(self, root: Path) -> Series:
        """Let it write a series of three."""
        self._run("train", str(root))
        names = self.checkpoints
        if not isinstance(self.rules, Part):
            return folder_series(root, names, self.rules, *self.pointers)
        if self.rules.member:
            return archives(root, list(names), SB3_MEMBERS)
        part = replace(self.rules, path=names[-1], sibling=names[-2])
        listed = tuple((name,) for name in names)
        return Series(root=root, checkpoints=listed, parts=(part, *self.pointers))

    def resume(self, scratch: Path, *paths: Path) -> list[dict[str, torch.Tensor]]:
        """The weights after training on from each of these checkpoints."""
        saved = scratch / "weights.pt"
        self._run("resume", str(saved), *map(str, paths))
        found: list[dict[str, torch.Tensor]] = torch.load(saved)
        return found

    def twin(self, root: Path) -> Series:
        """The series that stands for it."""
        (layout,) = (layout for layout in TWINS if layout.name == self.name)
        return layout.build(root)

    def _run(self, *arguments: str) -> None:
        module = ["-W", "ignore", "-m", "tests.layouts.folders.real", self.name]
        finished = subprocess.run(
            [sys.executable, *module, *arguments],
            cwd=Path(__file__).parents[4],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert finished.returncode == 0, finished.stdout[-500:] + finished.stderr[-2000:]


_TRAINER = ("checkpoint-4", "checkpoint-8", "checkpoint-12")
_STEPS = ("step-4", "step-8", "step-12")
_TAGS = ("global_step4", "global_step8", "global_step12")
_LATEST = (distributed.pointer("latest"),)

FRAMEWORKS: tuple[Framework, ...] = (
    Framework(
        name="transformers",
        package="transformers",
        checkpoints=_TRAINER,
        rules=huggingface.TRAINER,
    ),
    Framework(
        name="transformers-shards",
        package="transformers",
        checkpoints=_TRAINER,
        rules=huggingface.TRAINER,
    ),
    Framework(name="peft", package="peft", checkpoints=_TRAINER, rules=huggingface.TRAINER),
    Framework(
        name="accelerate",
        package="accelerate",
        checkpoints=("epoch_1", "epoch_2", "epoch_3"),
        rules=accelerated.STATE,
    ),
    Framework(
        name="accelerate-numbered",
        package="accelerate",
        checkpoints=(
            "checkpoints/checkpoint_0",
            "checkpoints/checkpoint_1",
            "checkpoints/checkpoint_2",
        ),
        rules=accelerated.STATE,
    ),
    Framework(name="dcp", package="torch", checkpoints=_STEPS, rules=distributed.SLICES),
    Framework(name="fsdp2", package="torch", checkpoints=_STEPS, rules=distributed.SLICES),
    Framework(
        name="lightning",
        package="lightning",
        checkpoints=("epoch=0-step=4.ckpt", "epoch=1-step=8.ckpt", "epoch=2-step=12.ckpt"),
        rules=replace(_ONE, unseen={"deleted": UNSEEN_ALONE}),
    ),
    Framework(
        name="lightning-sharded",
        package="lightning",
        checkpoints=("epoch=0-step=4.ckpt", "epoch=1-step=8.ckpt", "epoch=2-step=12.ckpt"),
        rules=MODEL_PARALLEL,
    ),
    Framework(
        name="deepspeed-zero2",
        package="deepspeed",
        checkpoints=_TAGS,
        rules=deepspeeds.RULES,
        pointers=_LATEST,
    ),
    Framework(
        name="deepspeed-zero3",
        package="deepspeed",
        checkpoints=_TAGS,
        rules=deepspeeds.RULES_OF_3,
        pointers=_LATEST,
    ),
    Framework(
        name="mmengine",
        package="mmengine",
        checkpoints=("epoch_1.pth", "epoch_2.pth", "epoch_3.pth"),
        rules=_ONE,
        pointers=(distributed.pointer("last_checkpoint"),),
    ),
    Framework(
        name="stable-baselines3",
        package="stable_baselines3",
        checkpoints=("rl_model_16_steps.zip", "rl_model_32_steps.zip", "rl_model_48_steps.zip"),
        rules=Part(path="", kind=Kind.WEIGHTS, member="policy.pth"),
    ),
)
