"""How frameworks find the checkpoint that they are to go on from, and what they do without.

Sources: ``_load_optimizer_and_scheduler`` and ``_load_rng_state`` of transformers' Trainer,
``load_checkpoint`` of DeepSpeed and of Megatron-LM, ``Checkpointer`` of SpeechBrain,
``checkpoint.py`` of torchtitan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from ckptdoctor.layouts.files import CheckpointFiles, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.places import named

__all__ = ["Framework", "Placement", "caution_of", "framework_of", "placed", "taken_as"]


def _no_pointer(name: str) -> str:  # noqa: ARG001
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """What a framework needs of a checkpoint.

    Attributes:
        resume: what to say to it; ``{checkpoint}`` is the folder of the copy, called ``{name}``,
            ``{root}`` the one above it where the framework takes that.
        by_parent: whether it takes the folder above, and finds the checkpoint there by its name.
        pointer: the file in the folder above that names the checkpoint; "" for none.
        points: what that file says, by the name of the checkpoint.
        flag: that takes the checkpoint, as its scripts call it; "" where that is not known.
        warm_up: the flag that holds its warm-up, in steps; "" where that is not known.
        does_without: what it starts afresh where its file is missing: by role, what that costs.
    """

    resume: str = "{checkpoint}"
    by_parent: Callable[[CheckpointFiles], bool] = lambda _: False
    pointer: str = ""
    points: Callable[[str], str] = _no_pointer
    flag: str = ""
    warm_up: str = ""
    does_without: Mapping[PartRole, str]


_RNG = "random numbers go another way than in an undisturbed run"
_SMALL = {
    PartRole.RNG: _RNG,
    PartRole.ARGS: "give the arguments to the training script",
    PartRole.EMA: "the average starts afresh",
}
_ALWAYS = {**_SMALL, PartRole.STATE: "the training does not know where it stood"}
_TRAINER = {  # reads its state whatever happens, and the index of its shards
    **_SMALL,
    PartRole.OPTIMIZER: "the Trainer starts a fresh optimizer and a fresh schedule and says "
    "nothing: warm the learning rate up",
    PartRole.SCHEDULER: "the Trainer then loads no optimizer either: both start afresh",
    PartRole.SCALER: "the loss scale starts afresh: the first steps may be skipped",
    PartRole.CUSTOM: "the Trainer does not read it",
}
_SCRIPT = {
    **_ALWAYS,
    PartRole.OPTIMIZER: "the script has to start a fresh optimizer: warm the learning rate up",
    PartRole.SCHEDULER: "the script has to start the schedule again",
    PartRole.SCALER: "the loss scale starts afresh: the first steps may be skipped",
    PartRole.CUSTOM: "the script has to do without",
}


def _lies_bare(files: CheckpointFiles) -> bool:
    """Whether the parts lie in the folder itself, and not one below."""
    return any("/" not in part.name for part in files.parts if part.role is PartRole.MODEL)


def _folder_within(files: CheckpointFiles) -> str:
    """The folder in a checkpoint that holds its model; "" where that lies in it itself."""
    first = next((part.name for part in files.parts if part.role is PartRole.MODEL), "")
    return first.partition("/")[0] if "/" in first else ""


def _is_step(files: CheckpointFiles) -> bool:
    return re.fullmatch(r"step-\d{1,12}", named(files.path).name) is not None


def _iteration(name: str) -> str:
    number = re.fullmatch(r"iter_(\d{1,12})", name)
    return name if number is None else str(int(number[1]))


_FRAMEWORKS = {
    "huggingface": Framework(
        resume="Trainer.train(resume_from_checkpoint={checkpoint!r})",
        flag="--resume_from_checkpoint",
        warm_up="--warmup_steps",
        does_without=_TRAINER,
    ),
    "accelerate": Framework(
        resume="accelerator.load_state({checkpoint!r})",
        flag="--resume_from_checkpoint",
        does_without=_ALWAYS,
    ),
    "deepspeed": Framework(
        resume="engine.load_checkpoint({root!r}, tag={name!r})",
        by_parent=_lies_bare,
        pointer="latest",
        points=str,
        does_without=_ALWAYS,
    ),
    "megatron": Framework(
        resume="--load {root}",
        by_parent=_lies_bare,
        pointer="latest_checkpointed_iteration.txt",
        points=_iteration,
        flag="--load",
        does_without=_ALWAYS,
    ),
    "speechbrain": Framework(
        resume="Checkpointer({root!r}).recover_if_possible()",
        by_parent=lambda _: True,
        does_without=_ALWAYS,
    ),
    "torch-dcp": Framework(
        resume="dcp.load(state, checkpoint_id={checkpoint!r})",
        by_parent=_is_step,
        does_without=_ALWAYS,
    ),
    "diffusers": Framework(resume="from_pretrained({checkpoint!r})", does_without=_SCRIPT),
    "lightning": Framework(
        resume="Trainer.fit(model, ckpt_path={checkpoint!r})",
        flag="--ckpt_path",
        does_without=_ALWAYS,
    ),
}
_TRAINER_STATE = "trainer_state.json"
_EXPORTED = Framework(
    resume="from_pretrained({checkpoint!r})",
    flag="--model_name_or_path",
    warm_up="--warmup_steps",
    does_without=_TRAINER,
)
_ANY = Framework(does_without=_SCRIPT)  # a loop of the user's own: nobody knows what it asks for


def framework_of(files: CheckpointFiles) -> Framework:
    """What the framework that wrote a checkpoint needs of it.

    A Trainer goes on from its state: what has none is a model to begin with.
    """
    state = any(part.name == _TRAINER_STATE for part in files.parts)
    if files.layout == "huggingface" and not state:
        return _EXPORTED
    return _FRAMEWORKS.get(files.layout, _ANY)


def caution_of(files: CheckpointFiles) -> str:
    """What a flag alone does not tell a script; "" for nothing.

    Source: ``examples/text_to_image/train_text_to_image.py`` of diffusers, and its like.
    """
    name = named(files.path).name
    if files.layout != "accelerate" or not re.fullmatch(r"checkpoint-\d{1,12}", name):
        return ""
    return (
        f"scripts of diffusers look for {name} by its name in their --output_dir: copy it there "
        "first, under that name"
    )


def taken_as(files: CheckpointFiles, path: Path) -> Path | None:
    """What to tell the framework for this checkpoint: itself, or the folder above.

    None where it would take another one, because the pointer in the folder above does not name it.

    Args:
        files: the checkpoint, or what it is a copy of.
        path: where it lies.
    """
    framework = framework_of(files)
    if not framework.pointer or not framework.by_parent(files):
        return path
    said = (Folder(path.parent).text(framework.pointer) or "").strip()
    return path.parent if said == framework.points(named(path).name) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a copy goes.

    Attributes:
        root: what is made, and gets its name in one step.
        inner: the checkpoint's folder from there; "" where it is the root itself.
        pointer: the file beside it that names it, and what that says; None for none.
        resume: what to say to the framework.
    """

    root: Path
    inner: str
    pointer: tuple[str, str] | None
    resume: str

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's folder."""
        return self.root / self.inner if self.inner else self.root


def placed(files: CheckpointFiles, root: Path) -> Placement:
    """Where the copy of a checkpoint goes.

    Args:
        files: the checkpoint.
        root: the folder that the user names.
    """
    framework, name = framework_of(files), named(files.path).name
    by_parent = framework.by_parent(files)
    inner = name if by_parent and root.name != name else ""  # unless the user named it so
    pointer = (framework.pointer, framework.points(name)) if inner and framework.pointer else None
    resume = framework.resume.format(
        root=str(root.parent if by_parent and not inner else root),
        checkpoint=str(root / inner if inner else root),
        name=name if by_parent else _folder_within(files) or name,
    )
    return Placement(root=root, inner=inner, pointer=pointer, resume=resume)
