"""What a file is made of, whatever the values: to hold a twin against the real one."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from tests.layouts.folders.tensors import Reader, spots

_RANKS = re.compile(r"-0000\d-of-0000\d")
_PATH = re.compile(r"[^.]*/.*\.ckpt")
"""The name of a tensor may hold the place of a file, as Lightning's ``best_k_models`` do."""


def outline(path: Path) -> set[str]:
    """The names of its tensors, and the keys at its root."""
    if path.suffix == ".json":
        return set(json.loads(path.read_text()))
    found = (
        {f"tensor {_PATH.sub('FILE', spot.name)}" for spot in spots(path)}
        if path.suffix != ".pkl"
        else set()
    )
    if path.suffix == ".safetensors" or not zipfile.is_zipfile(path) or path.suffix == ".distcp":
        return found
    return found | {f"key {key}" for key in _keys(path)}


def _keys(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        pickled = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if not pickled:
            return archive.namelist()
        root: Any = Reader(io.BytesIO(archive.read(pickled[0]))).load()
    return [str(key) for key in root] if isinstance(root, dict) else [type(root).__name__]


def name(relative: str) -> str:
    """A file's name without the count of shards, which goes by the size."""
    return _RANKS.sub("-K-of-N", relative)
