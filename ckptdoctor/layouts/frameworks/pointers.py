"""Files that name the checkpoint to go on from: ``latest``, ``last_checkpoint``, links.

Sources: DeepSpeed ``engine.save_checkpoint`` (``latest``) and ``ds_to_universal.py``
(``latest_universal``), Megatron-LM ``get_checkpoint_tracker_filename``, ``CheckpointHook`` of
MMEngine and ``Checkpointer`` of fvcore (``last_checkpoint``: a path, or a name),
``tf.train.Checkpoint`` (``checkpoint``), Lightning and NeMo (``last.ckpt`` as a link).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ckptdoctor.layouts.files import CheckpointFiles, Pointer
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.layout import Layout
from ckptdoctor.places import looks_into

__all__ = ["LAYOUT"]

_ITERATION = "latest_checkpointed_iteration.txt"  # of Megatron-LM, and of verl
_MOST_CHARS = 4096  # as long as a path may be
_TENSORFLOW = re.compile(r'^model_checkpoint_path: ?"([^"\n]{1,4096})"', re.MULTILINE)
_SEPARATORS = re.compile(r"[\\/]")
_A_CHECKPOINT = re.compile(
    r"\.(?:pt|pth|ckpt|bin|safetensors|tar)$|(?:^|[^a-z])(?:last|latest|best|final|checkpoint|ckpt)",
    re.IGNORECASE,
)


def _pointers(folder: Folder) -> Iterator[Pointer]:
    for name, read in _TEXTS.items():
        if name in folder and folder.nbytes(name) <= _MOST_CHARS:
            target = read(folder.text(name) or "")
            if target is not None and "://" not in target:
                yield Pointer(
                    path=folder.path / name, target=target, leads_to=_place(folder, name, target)
                )
    yield from _dangling(folder)


def _path(text: str) -> str | None:
    """The one line of a text; None where it is none, such as in a checkpoint named ``latest``."""
    line = text.strip()
    return line if line.isprintable() else None


def _name(text: str) -> str | None:
    """The one word of a text that may as well be a note."""
    word = _path(text)
    return word if word and not re.search(r"\s", word) else None


def _iteration(text: str) -> str | None:
    word = text.strip()
    return word if word.isdecimal() or word in ("", "release") else _name(text)


def _tensorflow(text: str) -> str | None:
    found = _TENSORFLOW.search(text)
    return found[1] if found else None


_TEXTS: dict[str, Callable[[str], str | None]] = {
    "latest": _path,
    "latest_universal": _path,
    "latest.txt": _name,
    "last_checkpoint": _path,
    _ITERATION: _iteration,
    "checkpoint": _tensorflow,
}


def _place(folder: Folder, name: str, target: str) -> Path | None:
    """Where a pointer leads: what bears the name beside it first, since folders are moved."""
    if not target:
        return None
    beside = folder.path / _SEPARATORS.split(target.rstrip("\\/"))[-1]
    elsewhere = folder.path / target  # the target itself, where that is a whole path
    places = [beside, elsewhere] if Path(target).is_absolute() else [elsewhere, beside]
    if name == _ITERATION and target.isdecimal():
        number = int(target)
        names = (f"iter_{number:07d}", f"global_step_{number}", f"global_step{number}")
        places = [folder.path / one for one in names] + places
    return next((found for place in places if (found := _there(place)) is not None), None)


def _there(path: Path) -> Path | None:
    """A file, a folder that is not empty, or a file whose ending the pointer leaves out."""
    looks_into(path.parent)
    looks_into(path)
    with contextlib.suppress(OSError):
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            return path
        named = (one for one in Folder(path.parent).files if one.startswith(f"{path.name}."))
        if (name := next(named, None)) is not None:
            return path.with_name(name)
    return None


def _dangling(folder: Folder) -> Iterator[Pointer]:
    """Links of a checkpoint's name to what is not there."""
    with contextlib.suppress(OSError), os.scandir(folder.path) as entries:
        links = sorted(entry.name for entry in entries if entry.is_symlink())
        for link in (folder.path / name for name in links if _A_CHECKPOINT.search(name)):
            if not link.exists():
                yield Pointer(path=link, target=str(link.readlink()), leads_to=None)


def _claim(folder: Folder) -> Iterator[CheckpointFiles]:  # noqa: ARG001
    return iter(())


LAYOUT = Layout(name="pointers", claim=_claim, pointers=_pointers)
