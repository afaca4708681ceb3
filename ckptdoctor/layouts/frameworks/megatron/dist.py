"""Megatron-Core's distributed checkpoints: torch's, with ``common.pt`` and ``metadata.json``.

Source: Megatron-LM, ``megatron/core/dist_checkpointing/serialization.py``: what is not sharded goes
into ``common.pt`` first, ``metadata.json`` is written last, and ``check_is_distributed_checkpoint``
takes no folder without it. NeMo 2 keeps one in ``weights/``, beside ``context/``.
"""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.layouts.files import Absent, CheckpointFiles, Form, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks import dcp
from ckptdoctor.layouts.texts.json_object import read_object

__all__ = ["dist_checkpoint"]

_COMMON = "common.pt"
_META = "metadata.json"
_BACKEND = "sharded_backend"
_NEMO = "weights", "context"


def dist_checkpoint(folder: Folder, name: str) -> CheckpointFiles | None:
    """The parts of a folder of Megatron-Core, or of NeMo; None where it is none.

    Args:
        folder: it.
        name: of the layout that it is to have.
    """
    weights, context = _NEMO
    below = f"{weights}/" if weights in folder.folders and context in folder.folders else ""
    home = folder.below(weights) if below else folder
    meta = read_object(home, _META) if _META in home else None
    if _COMMON not in home and (meta is None or _BACKEND not in meta):
        return None
    sharded = dcp.parts_of(folder, weights if below else "")
    if sharded is None:
        return None
    return CheckpointFiles(
        path=folder.path,
        layout=name,
        parts=(*sharded.parts, *_parts(home, below)),
        absent=(*sharded.absent, *_absent(home, below, is_read=meta is not None)),
        problems=sharded.problems,
        finished=below + _META,
    )


def _parts(home: Folder, below: str) -> Iterator[Part]:
    if _COMMON in home:
        # The groups of the optimizer with their rates, the arguments, the iteration.
        yield Part(
            path=home.path / _COMMON,
            name=below + _COMMON,
            role=PartRole.OPTIMIZER,
        )
    if _META in home:
        yield Part(path=home.path / _META, name=below + _META, role=PartRole.STATE, form=Form.TEXT)


def _absent(home: Folder, below: str, *, is_read: bool) -> Iterator[Absent]:
    if _COMMON not in home:
        yield Absent(
            name=below + _COMMON,
            role=PartRole.OPTIMIZER,
            because="Megatron writes what is not sharded into it",
        )
    if _META not in home:
        yield Absent(
            name=below + _META,
            role=PartRole.STATE,
            because="Megatron writes it last, and takes no folder for a checkpoint without it",
        )
    elif not is_read:
        yield Absent(
            name=below + _META,
            role=PartRole.STATE,
            because="Megatron takes no folder for a checkpoint without it",
            problem="it holds no JSON object",
        )
