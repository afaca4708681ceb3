"""torchtune: ``epoch_K`` or ``step_N``, with weights as Hugging Face stores them.

Source: ``torchtune/training/checkpointing/_checkpointer.py`` (``save_checkpoint``: weights,
adapters twice, what lies beside the original model, and ``recipe_state.pt`` last). Older releases
keep one ``recipe_state/recipe_state.pt`` beside all checkpoints, that of the newest: it is a part
of it, and lies in ``recipe_state/`` of a copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.checkpoint import Role
from ckptdoctor.layouts.contents import values_in
from ckptdoctor.layouts.files import CheckpointFiles, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.found import Found, Place
from ckptdoctor.layouts.layout import Layout
from ckptdoctor.layouts.side_files import SideFile, side_files
from ckptdoctor.layouts.texts.kinds import CONFIGURATION, TEXTS, broken_texts
from ckptdoctor.layouts.weights.shards import weights_in
from ckptdoctor.places import looks_into

__all__ = ["LAYOUT"]

_RECIPE = "recipe_state.pt"
_ADAPTER = "adapter_model.pt"
_OF_A_RUN = "recipe_state"
_FOLDER = re.compile(r"(epoch|step)_(\d{1,12})")
_RUN = "epochs_run"
_SIDE_FILES = (
    SideFile(pattern=re.compile(r"adapter_model\.pt"), role=PartRole.MODEL, prefix="adapter."),
    *CONFIGURATION,
    *TEXTS,
)


def claim(folder: Folder) -> Iterator[CheckpointFiles]:
    """The folder itself, if torchtune wrote it."""
    path = folder.path.absolute()
    if not _FOLDER.fullmatch(path.name):
        return
    of_run = path.parent / _OF_A_RUN / _RECIPE
    looks_into(of_run.parent)
    own = _RECIPE in folder
    if not (own or _ADAPTER in folder or of_run.is_file()):
        return
    weights = weights_in(Place(folder))
    if not weights and not own:
        return
    found = weights + side_files(Place(folder), _SIDE_FILES)
    if own:
        found += Found(parts=(_recipe(_RECIPE, folder.path / _RECIPE),))
    elif of_run.is_file() and _goes_with(of_run, path):
        place = folder.path.parent / _OF_A_RUN / _RECIPE
        found += Found(parts=(_recipe(f"{_OF_A_RUN}/{_RECIPE}", place),))
    found += broken_texts(folder, found)
    yield CheckpointFiles(
        path=folder.path,
        layout=LAYOUT.name,
        parts=tuple(sorted(found.parts, key=lambda part: part.role is not PartRole.MODEL)),
        absent=found.absent,
        problems=found.problems,
        indexes=found.indexes,
        finished=_RECIPE if own else "",
    )


def _goes_with(recipe: Path, path: Path) -> bool:
    """Whether a run's recipe is that of a checkpoint: the epoch that it counts, else the newest."""
    kind, number = _number(path.name)
    run = values_in(recipe).get(_RUN)
    if kind == "epoch" and isinstance(run, int):
        return run == number + 1
    beside = (_number(name) for name in Folder(path.parent).folders if _FOLDER.fullmatch(name))
    return number >= max((other for of, other in beside if of == kind), default=number)


def _number(name: str) -> tuple[str, int]:
    said = _FOLDER.fullmatch(name)
    return (said[1], int(said[2])) if said else ("", 0)


def _recipe(name: str, path: Path) -> Part:
    """The optimizer; its ``epochs_run`` is by one more than the number of the folder."""
    return Part(
        path=path,
        name=name,
        role=PartRole.OPTIMIZER,
        prefix="recipe_state.",
        role_of=_role_in_recipe,
        needed=False,  # the last checkpoint of a training has none
    )


def _role_in_recipe(name: str) -> Role | None:
    return None if name.startswith("optimizer") else Role.OTHER


LAYOUT = Layout(name="torchtune", claim=claim)
