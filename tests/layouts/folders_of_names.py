"""Folders for tests of layouts, which look at names and at texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ckptdoctor.layouts.files import CheckpointFiles, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.layout import Layout

SHARDS = tuple(f"model-{number:05d}-of-00003.safetensors" for number in (1, 2, 3))


def folder_of(path: Path, *names: str, texts: Mapping[str, Any] | None = None) -> Path:
    """A folder with files of these names, and JSON texts.

    Args:
        path: of the folder.
        names: of files, with folders before them.
        texts: objects, by the names of their files.
    """
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(b"{}" if name.endswith(".json") else b"tensors")
    for name, value in (texts or {}).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(json.dumps(value))
    return path


def index_of(shards: Mapping[str, list[str]], total: int = 0) -> dict[str, Any]:
    """An index as ``save_pretrained`` writes it."""
    mapped = {tensor: name for name, tensors in shards.items() for tensor in tensors}
    return {"metadata": {"total_size": total}, "weight_map": mapped}


def three_shards() -> dict[str, Any]:
    """The index of a model in three shards, with one tensor each."""
    return index_of({name: [f"layers.{at}.weight"] for at, name in enumerate(SHARDS)}, 12)


def claims(layout: Layout, path: Path) -> list[CheckpointFiles]:
    """What a layout says of a folder."""
    return list(layout.claim(Folder(path)))


def claimed(layout: Layout, path: Path) -> CheckpointFiles:
    """The one checkpoint that a layout sees in a folder."""
    (only,) = claims(layout, path)
    return only


def roles(files: CheckpointFiles) -> dict[str, PartRole]:
    """What each part holds, by its name."""
    return {part.name: part.role for part in files.parts}


def prefixes(files: CheckpointFiles) -> dict[str, str]:
    """What is put before the names of each part's tensors."""
    return {part.name: part.prefix for part in files.parts}


def said(files: CheckpointFiles) -> str:
    """All problems, as they are told."""
    return "\n".join(problem.message for problem in files.problems)
