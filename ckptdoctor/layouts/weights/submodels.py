"""Models in the folders below a checkpoint's: adapters, averages, the parts of a pipeline."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from ckptdoctor.layouts.files import PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.found import Found, Place
from ckptdoctor.layouts.side_files import side_files
from ckptdoctor.layouts.texts.kinds import CONFIGURATION, TEXTS
from ckptdoctor.layouts.weights.shards import weights_in

__all__ = ["models_below", "names_of_modules"]

_AVERAGED = re.compile(r"(?:^|_)ema(?:_|$)")


def models_below(folder: Folder, names: Iterable[str]) -> Found:
    """The weights in folders below, each a model with its name before those of its tensors.

    Args:
        folder: of the checkpoint.
        names: of folders in it; those without weights give nothing.
    """
    found = Found()
    for name in names:
        role = PartRole.EMA if _AVERAGED.search(name.lower()) else PartRole.MODEL
        place = Place(folder.below(name), f"{name}/", f"{name}.", role)
        weights = weights_in(place)
        if weights:
            found += weights + side_files(place, (*CONFIGURATION, *TEXTS))
    return found


def names_of_modules(folder: Folder) -> list[str]:
    """The folders that the ``modules.json`` of a sentence-transformers model names."""
    if "modules.json" not in folder:
        return []
    try:
        modules = json.loads(folder.text("modules.json") or "")
    except (ValueError, RecursionError):
        return []
    paths = [module.get("path") for module in modules if isinstance(module, dict)]
    return [path for path in folder.folders if path in paths]
