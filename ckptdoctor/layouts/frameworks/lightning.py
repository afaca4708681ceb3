"""Lightning's sharded checkpoints: a folder ``….ckpt`` of ``.metadata``, its files and ``meta.pt``.

Source: ``save_checkpoint`` of ``strategies/fsdp.py`` and ``model_parallel.py`` of Lightning 2.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ckptdoctor.layouts.files import Absent, CheckpointFiles, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks import dcp
from ckptdoctor.layouts.layout import Layout

__all__ = ["LAYOUT"]

_NAME = "lightning"
_META = "meta.pt"  # epoch, step, loops and callbacks
_SUFFIX = ".ckpt"


def _claim(folder: Folder) -> Iterator[CheckpointFiles]:
    if _META not in folder and not folder.path.name.endswith(_SUFFIX):
        return
    found = dcp.parts_of(folder)
    if found is None:
        return
    if _META in folder:
        meta = Part(path=folder.path / _META, name=_META, role=PartRole.STATE)
        yield replace(found, layout=_NAME, parts=(*found.parts, meta))
    else:
        lacking = Absent(
            name=_META, role=PartRole.STATE, because="Lightning writes it into every such folder"
        )
        yield replace(found, layout=_NAME, absent=(*found.absent, lacking))


LAYOUT = Layout(name=_NAME, claim=_claim)
