"""torchtune: ``epoch_K`` or ``step_N``, with weights as Hugging Face stores them.

Source: ``torchtune/training/checkpointing/_checkpointer.py`` (``save_checkpoint``: weights,
adapters twice, what lies beside the original model, and ``recipe_state.pt`` last). Older releases
keep one ``recipe_state/recipe_state.pt`` for the run, which goes with its newest checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ckptdoctor.checkpoint import Role
from ckptdoctor.layouts.files import CheckpointFiles, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.found import Found, Place
from ckptdoctor.layouts.layout import Layout
from ckptdoctor.layouts.shards import weights_in
from ckptdoctor.layouts.side_files import SideFile, side_files
from ckptdoctor.layouts.texts import CONFIGURATION, TEXTS, broken_texts

__all__ = ["LAYOUT"]

_RECIPE = "recipe_state.pt"
_ADAPTER = "adapter_model.pt"
_OF_A_RUN = "recipe_state"
_FOLDER = re.compile(r"(?:epoch|step)_\d{1,12}")
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
    own = _RECIPE in folder
    if not (own or _ADAPTER in folder or (path.parent / _OF_A_RUN / _RECIPE).is_file()):
        return
    weights = weights_in(Place(folder))
    if not weights and not own:
        return
    found = weights + side_files(Place(folder), _SIDE_FILES)
    if own:
        found += Found(parts=(_recipe(folder),))
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


def _recipe(folder: Folder) -> Part:
    """The optimizer, with the counters of the training beside it."""
    return Part(
        path=folder.path / _RECIPE,
        name=_RECIPE,
        role=PartRole.OPTIMIZER,
        role_of=_role_in_recipe,
        # The last checkpoint of a training has none.
        needed=False,
    )


def _role_in_recipe(name: str) -> Role | None:
    return None if name.startswith("optimizer") else Role.OTHER


LAYOUT = Layout(name="torchtune", claim=claim)
