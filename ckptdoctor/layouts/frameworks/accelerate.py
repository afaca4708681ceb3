"""Accelerate: what ``Accelerator.save_state`` writes, one folder a save.

The training scripts of diffusers save so as well, with their models in folders below.

Source: ``accelerate/checkpointing.py`` (``save_accelerator_state``: models, optimizers, schedulers,
samplers, scaler, random states; ``save_custom_state`` after it), ``utils/fsdp_utils.py``,
``utils/constants.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.layouts.files import Absent, CheckpointFiles, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.found import Found, Place
from ckptdoctor.layouts.frameworks.sharded_below import sharded_below
from ckptdoctor.layouts.layout import Layout
from ckptdoctor.layouts.numbered import holes
from ckptdoctor.layouts.side_files import SideFile, side_files
from ckptdoctor.layouts.texts.kinds import CONFIGURATION, TEXTS, broken_texts
from ckptdoctor.layouts.texts.trainer_state import step_of_name
from ckptdoctor.layouts.unknown import unknown_files
from ckptdoctor.layouts.weights.names import weight_name
from ckptdoctor.layouts.weights.shards import weights_in
from ckptdoctor.layouts.weights.submodels import models_below

__all__ = ["LAYOUT"]


def _several(name: str, role: PartRole, *, needed: bool = True) -> SideFile:
    """A file of each object that was prepared: ``optimizer.bin``, ``optimizer_1.bin``."""
    pattern = re.compile(rf"{name}(?P<further>_\d{{1,4}})?\.bin")
    return SideFile(pattern=pattern, role=role, needed=needed)


_SIDE_FILES = (
    SideFile(
        pattern=re.compile(r"pytorch_model_fsdp(?:_\d{1,4})?_rank(?P<rank>\d{1,5})\.bin"),
        role=PartRole.MODEL,
    ),
    SideFile(
        pattern=re.compile(r"optimizer_\d{1,4}_rank(?P<rank>\d{1,5})\.bin"),
        role=PartRole.OPTIMIZER,
    ),
    _several("optimizer", PartRole.OPTIMIZER),
    SideFile(pattern=re.compile(r"scaler\.pt"), role=PartRole.SCALER),
    _several("scheduler", PartRole.SCHEDULER),
    SideFile(pattern=re.compile(r"random_states_(?P<rank>\d{1,5})\.pkl"), role=PartRole.RNG),
    SideFile(pattern=re.compile(r"custom_checkpoint_(?P<rank>\d{1,4})\.pkl"), role=PartRole.CUSTOM),
    _several("sampler", PartRole.STATE),
    _several("dl_state_dict", PartRole.STATE),
    *CONFIGURATION,
    *TEXTS,
)
_RANDOM = re.compile(r"random_states_\d{1,5}\.pkl")
_OF_TRAINER = ("trainer_state.json", "scheduler.pt", "rng_state.pth", "rng_state_0.pth")
_BESIDE_OPTIMIZER = ("scheduler.bin", "sampler.bin", "custom_checkpoint_0.pkl")
_FURTHER = re.compile(r"((?:pytorch_)?model)_(\d{1,4})(\.(?:safetensors|bin))")


def claim(folder: Folder) -> Iterator[CheckpointFiles]:
    """The folder itself, if a state was saved into it."""
    if not _is_state(folder):
        return
    weights = weights_in(Place(folder)) + models_below(folder, folder.folders)
    below = sharded_below(folder)
    found = weights + _models_between(weights) + below + side_files(Place(folder), _SIDE_FILES)
    strangers = unknown_files(folder, found)
    if not strangers and not any(_is_weights(part.role) for part in found.parts):
        found += _without_weights()
    found += strangers
    found += broken_texts(folder, found)
    yield CheckpointFiles(
        path=folder.path,
        layout=LAYOUT.name,
        parts=tuple(sorted(found.parts, key=lambda part: part.role is not PartRole.MODEL)),
        absent=found.absent,
        problems=found.problems,
        indexes=found.indexes,
        scalars=_scalars(folder),
        finished=_written_last(found),
    )


def _is_state(folder: Folder) -> bool:
    if any(_RANDOM.fullmatch(name) for name in folder.files):
        return True
    if any(name in folder for name in _OF_TRAINER):
        return False
    if "optimizer.bin" not in folder:
        return "scheduler.bin" in folder and _has_models_below(folder)
    weights = ("model.safetensors", "pytorch_model.bin", "pytorch_model_fsdp.bin")
    return any(name in folder for name in (*_BESIDE_OPTIMIZER, *weights))


def _has_models_below(folder: Folder) -> bool:
    """Whether the folders below hold what goes with a scheduler here."""
    return bool(sharded_below(folder) or models_below(folder, folder.folders))


def _is_weights(role: PartRole) -> bool:
    return role is PartRole.MODEL


def _scalars(folder: Folder) -> dict[str, Scalar]:
    """The step, where diffusers' scripts name it; ``checkpoint_3`` is the fourth save."""
    step = step_of_name(folder.path.absolute().name)
    return {} if step is None else {"global_step": step}


def _models_between(weights: Found) -> Found:
    """Models that are missing among those that were prepared one after another."""
    names = [part.name for part in weights.parts]
    named = [said for name in names if (said := _FURTHER.fullmatch(name))]
    if not named:
        return Found()
    last = max(named, key=lambda said: int(said[2]))
    numbers = {int(said[2]) for said in named}
    if any((own := weight_name(name)) and own.model == "model" for name in names):
        numbers.add(0)
    lost = (f"{last[1]}{f'_{number}' if number else ''}{last[3]}" for number in holes(numbers, 0))
    because = f"{last.string} is there, and models are numbered as they were prepared"
    return Found(
        absent=tuple(Absent(name=name, role=PartRole.MODEL, because=because) for name in lost)
    )


def _without_weights() -> Found:
    because = "the state of a training is there, and weights are not"
    return Found(absent=(Absent(name="model.safetensors", role=PartRole.MODEL, because=because),))


def _written_last(found: Found) -> str:
    """The objects that a script registered come after the random states."""
    names = [part.name for part in found.parts]
    for start in ("custom_checkpoint_", "random_states_"):
        own = [name for name in names if name.startswith(start)]
        if own:
            return own[-1] if start == "custom_checkpoint_" else own[0]
    return ""


LAYOUT = Layout(name="accelerate", claim=claim)
