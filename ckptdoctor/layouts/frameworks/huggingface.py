"""Hugging Face: the ``checkpoint-N`` folders of the Trainer, and exported models.

Source: ``transformers/trainer.py`` (``_save_checkpoint``: model, arguments, optimizer, scheduler,
scaler, random state, and ``trainer_state.json`` last), ``integrations/deepspeed.py``
(``deepspeed_load_checkpoint``), ``peft/utils/constants.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.finding import Severity
from ckptdoctor.layouts.contents import values_in
from ckptdoctor.layouts.files import Absent, CheckpointFiles, Form, PartRole, Pointer
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.found import Found, Place
from ckptdoctor.layouts.frameworks.deepspeed import tags as deepspeed
from ckptdoctor.layouts.frameworks.sharded_below import sharded_below
from ckptdoctor.layouts.layout import Layout
from ckptdoctor.layouts.side_files import SideFile, side_files
from ckptdoctor.layouts.texts.json_object import read_object
from ckptdoctor.layouts.texts.kinds import CONFIGURATION, TEXTS, broken_texts, is_model_config
from ckptdoctor.layouts.texts.trainer_state import at_its_best, scalars_of_state, step_of_name
from ckptdoctor.layouts.unknown import is_tensor_file, unknown_files
from ckptdoctor.layouts.weights.names import is_further, weight_name
from ckptdoctor.layouts.weights.shards import weights_in
from ckptdoctor.layouts.weights.submodels import models_below, names_of_modules

__all__ = ["LAYOUT"]

_STATE = "trainer_state.json"
_ARGS = "training_args.bin"
_OPTIMIZER = "optimizer.pt"
_SCHEDULER = "scheduler.pt"
_LATEST = "latest"
_SLICES = "sharded"  # torch/distributed/checkpoint/_consolidate_hf_safetensors.py
_OF_TRAINER = (_OPTIMIZER, _SCHEDULER, "rng_state.pth", "rng_state_0.pth", _ARGS)
_SIDE_FILES = (
    SideFile(
        pattern=re.compile(r"optimizer\.(?:pt|bin)"), role=PartRole.OPTIMIZER, prefix="optimizer."
    ),
    SideFile(
        pattern=re.compile(r"rank(?P<rank>\d{1,5})-of-\d{1,5}-optimizer\.pt"),
        role=PartRole.OPTIMIZER,
    ),
    SideFile(pattern=re.compile(r"scaler\.pt"), role=PartRole.SCALER),
    SideFile(pattern=re.compile(r"scheduler\.pt"), role=PartRole.SCHEDULER),
    SideFile(pattern=re.compile(r"rng_state(?:_(?P<rank>\d{1,5}))?\.pth"), role=PartRole.RNG),
    SideFile(pattern=re.compile(r"trainer_state\.json"), role=PartRole.STATE, form=Form.TEXT),
    SideFile(pattern=re.compile(r"training_args\.bin"), role=PartRole.ARGS, prefix="args."),
    *CONFIGURATION,
    *TEXTS,
)


def claim(folder: Folder) -> Iterator[CheckpointFiles]:
    """The folder itself, if it holds a model as transformers and PEFT save one, or a training's."""
    if any(name.startswith("random_states_") for name in folder.files):
        return  # accelerate's
    step = step_of_name(folder.path.absolute().name)
    weights = weights_in(Place(folder))
    if step is None:
        weights += models_below(folder, names_of_modules(folder))
    weights += _slices_below(folder, is_copy=bool(weights))
    if step is not None:
        below = (name for name in folder.folders if name != _SLICES)
        weights += sharded_below(folder) + models_below(folder, below)
    if not _is_one(folder, weights, step):
        return
    found = weights + side_files(Place(folder), _SIDE_FILES)
    if step is not None:
        found += unknown_files(folder, found)
    state = read_object(folder, _STATE)
    found += _of_state(folder, state, step) + _without_weights(folder, weights)
    found += _of_schedule(folder, state or {}) + broken_texts(folder, found)
    yield CheckpointFiles(
        path=folder.path,
        layout=LAYOUT.name,
        parts=found.parts,
        absent=found.absent,
        problems=found.problems,
        indexes=found.indexes,
        scalars=_scalars(_of_weights(folder, state or {}, step), step),
        finished=_written_last(folder, found),
    )


def _slices_below(folder: Folder, *, is_copy: bool) -> Found:
    """What ranks wrote of the weights, which torch's writer then puts together in the folder.

    Args:
        folder: of the checkpoint.
        is_copy: whether that is done.
    """
    names = folder.below(_SLICES).files if _SLICES in folder.folders else ()
    if not any((said := weight_name(name)) and said.rank for name in names):
        return Found()
    place = Place(folder.below(_SLICES), f"{_SLICES}/")
    return weights_in(place.beside(_SLICES) if is_copy else place)


def _is_one(folder: Folder, weights: Found, step: int | None) -> bool:
    """Whether what lies here is one checkpoint: a model alone is a file in a folder."""
    of_trainer = any(name in folder for name in (_STATE, *_OF_TRAINER))
    if step is not None:
        return bool(weights) or of_trainer or _is_empty(folder)
    if not weights:
        return _STATE in folder and _OPTIMIZER in folder
    if of_trainer or weights.indexes or weights.absent or _go_together(weights):
        return True
    if any((said := weight_name(part.name)) and said.total for part in weights.parts):
        return True
    known = {part.name for part in weights.parts}
    strangers = any(is_tensor_file(name) and name not in known for name in folder.files)
    return not strangers and is_model_config(folder)


def _go_together(weights: Found) -> bool:
    """Whether several files are the models of one checkpoint, and not those of several epochs.

    accelerate numbers models without a hole, and the first one not: ``model``, ``model_1``. Who
    has ``model_5`` and ``model_10``, or ``model_0`` and ``model_1``, numbered them by epochs.
    """
    if len(weights.parts) < 2:
        return False
    names = [said for part in weights.parts if (said := weight_name(part.name)) is not None]
    numbers = {said.place for said in names}
    if names and all(is_further(said.model) for said in names):
        return False
    return numbers == set(range(len(numbers)))


def _is_of_another(state: Mapping[str, Any], step: int | None) -> bool:
    """Whether a state is that of another step than its folder's."""
    said = state.get("global_step")
    return step is not None and isinstance(said, int) and said != step


def _scalars(state: Mapping[str, Any], step: int | None) -> dict[str, Scalar]:
    found = {} if _is_of_another(state, step) else scalars_of_state(state)
    if step is not None:
        found.setdefault("global_step", step)
    return found


def _of_weights(folder: Folder, state: Mapping[str, Any], step: int | None) -> Mapping[str, Any]:
    """When the weights were as they are: a Trainer that loads its best at the end exports that."""
    if step is not None or _OPTIMIZER in folder or _ARGS not in folder:
        return state
    loaded = values_in(folder.path / _ARGS).get("load_best_model_at_end")
    return at_its_best(state) if loaded is True else state


def _of_state(folder: Folder, state: Mapping[str, Any] | None, step: int | None) -> Found:
    """What it means that the state is not there, says nothing, or is that of another step."""
    if state is not None:
        if not _is_of_another(state, step):
            return Found()
        problem = Place(folder).problem(
            _STATE,
            f"{_STATE} says step {state['global_step']}, and the folder is that of step {step}: one"
            " of the two is from another save",
            severity=Severity.WARNING,
            remedy="Go on from another checkpoint.",
        )
        return Found(problems=(problem,))
    if _STATE in folder:
        problem = Place(folder).problem(
            _STATE,
            f"{_STATE} is cut, or no JSON: the Trainer cannot go on from here",
            severity=Severity.WARNING,
            remedy="Go on from another checkpoint, or copy its state and mend the step in it.",
        )
        return Found(problems=(problem,))
    if _OPTIMIZER in folder and (_SCHEDULER in folder or _ARGS in folder):
        because = f"{_OPTIMIZER} is there, and the Trainer writes it last and cannot go on without"
        return Found(absent=(Absent(name=_STATE, role=PartRole.STATE, because=because),))
    return Found()


def _of_schedule(folder: Folder, state: Mapping[str, Any]) -> Found:
    """A schedule that stands elsewhere than the training, whose every step it takes as well.

    But for steps that a loss scale drops, DeepSpeed's own, and a schedule that waits for a plateau.
    """
    if _SCHEDULER not in folder or "scaler.pt" in folder or _on_deepspeed(folder):
        return Found()
    values, step = values_in(folder.path / _SCHEDULER), state.get("global_step")
    taken = values.get("last_epoch")
    if "num_bad_epochs" in values or type(taken) is not int or type(step) is not int:
        return Found()
    if taken == step:
        return Found()
    problem = Place(folder).problem(
        _SCHEDULER,
        f"{_SCHEDULER} has taken {taken} steps, and {_STATE} says {step}: one of the two is from"
        " another save, or the schedule began anew",
        severity=Severity.WARNING,
        remedy="Go on from another checkpoint, or know that the rates will be others.",
    )
    return Found(problems=(problem,))


def _on_deepspeed(folder: Folder) -> bool:
    return any(deepspeed.parts_of(folder.below(name), name) for name in folder.folders)


def _is_empty(folder: Folder) -> bool:
    """Whether a save began here and wrote nothing: ``get_last_checkpoint`` goes by names alone."""
    return not folder.files and not folder.folders


def _without_weights(folder: Folder, weights: Found) -> Found:
    is_empty = _is_empty(folder)
    if weights or not (is_empty or _OPTIMIZER in folder):
        return Found()
    adapter = "adapter_config.json" in folder
    name = "adapter_model.safetensors" if adapter else "model.safetensors"
    because = f"{_OPTIMIZER} is there, and weights are not"
    if is_empty:
        because = "the folder is empty; a Trainer that looks for the newest takes it, and fails"
    return Found(absent=(Absent(name=name, role=PartRole.MODEL, because=because),))


def _written_last(folder: Folder, found: Found) -> str:
    if _STATE in folder or any(name in folder for name in _OF_TRAINER if name != _ARGS):
        return _STATE
    return _ARGS if _ARGS in folder else next((index.name for index in found.indexes), "")


def pointers(folder: Folder) -> Iterator[Pointer]:
    """The ``latest`` that is missing where DeepSpeed saved for the Trainer, which names no tag."""
    if step_of_name(folder.path.absolute().name) is None or _LATEST in folder:
        return
    if _on_deepspeed(folder):
        yield Pointer(path=folder.path / _LATEST, target="", leads_to=None)


LAYOUT = Layout(name="huggingface", claim=claim, pointers=pointers)
