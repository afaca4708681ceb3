"""Paths, folders and globs to the checkpoint files they mean."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ckptdoctor.natural import natural_key

__all__ = [
    "CHECKPOINT_SUFFIXES",
    "DIRECTORY_VARIABLE",
    "Discovery",
    "default_paths",
    "discover",
    "named_checkpoints",
]

DIRECTORY_VARIABLE = "CKPTDOCTOR_DIR"

CHECKPOINT_SUFFIXES = (
    ".pth",
    ".pt",
    ".ckpt",
    ".bin",
    ".safetensors",
    ".jit",
    ".pth.tar",
    ".pt.tar",
    ".ckpt.tar",
)
"""A file that ends so is examined whatever it holds; others if their first bytes say so."""

_PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib")  # examined in a folder if they hold tensors

_NOT_ALONE = (".distcp",)  # a part of a torch.distributed.checkpoint: no file of it stands alone
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "__MACOSX"})


@dataclass(slots=True)
class Discovery:
    """What the user's paths mean.

    Attributes:
        files: to examine, each once.
        missing: paths and globs that name nothing.
        empty: folders without a checkpoint.
        paths: as the user gave them.
    """

    files: list[Path] = field(default_factory=list)
    missing: list[Path] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)

    @property
    def one_by_one(self) -> bool:
        """Whether the user named each file, and no folder."""
        return bool(self.paths) and not any(map(os.path.isdir, self.paths))


def default_paths() -> list[Path]:
    """Where to look without a path: ``$CKPTDOCTOR_DIR``, else ``checkpoints/``, else here."""
    configured = os.environ.get(DIRECTORY_VARIABLE)
    if configured:
        return [Path(configured)]
    return [Path("checkpoints")] if Path("checkpoints").is_dir() else [Path()]


def discover(paths: Iterable[Path]) -> Discovery:
    """The files that the paths name: a file as it is, a folder with all below it, a glob.

    Args:
        paths: as the user gave them; none for :func:`default_paths`.
    """
    found = Discovery(paths=list(paths))
    seen: set[str] = set()
    for path in found.paths or default_paths():
        for expanded in _expand(path, found):
            if expanded.is_dir():
                files = sorted(_below(expanded), key=natural_key)
                if not files:
                    found.empty.append(expanded)
            else:
                files = [expanded]
            for file in files:
                identity = os.path.realpath(file)
                if identity not in seen:
                    seen.add(identity)
                    found.files.append(file)
    return found


def _expand(path: Path, found: Discovery) -> list[Path]:
    if os.path.lexists(path):
        return [path]
    if glob.has_magic(str(path)):
        matches = [Path(match) for match in glob.glob(str(path), recursive=True)]  # noqa: PTH207
        if matches:
            return sorted(matches, key=natural_key)
    found.missing.append(path)
    return []


def named_checkpoints(folder: Path) -> Iterator[Path]:
    """The files below a folder that are checkpoints by their names; none is opened."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [
            name for name in folders if not name.startswith(".") and name not in _SKIPPED_FOLDERS
        ]
        for name in names:
            if not name.startswith(".") and name.lower().endswith(CHECKPOINT_SUFFIXES):
                yield Path(parent, name)


def _below(folder: Path) -> Iterator[Path]:
    """Every checkpoint below a folder; hidden folders and links to folders are left alone."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [
            name for name in folders if not name.startswith(".") and name not in _SKIPPED_FOLDERS
        ]
        for name in names:
            path = Path(parent, name)
            if name.startswith(".") or name.lower().endswith(_NOT_ALONE):
                continue
            if name.lower().endswith(CHECKPOINT_SUFFIXES):
                yield path
                continue
            with contextlib.suppress(OSError):
                if _holds_checkpoint(path, is_pickle=name.lower().endswith(_PICKLE_SUFFIXES)):
                    yield path


def _holds_checkpoint(path: Path, *, is_pickle: bool) -> bool:
    from ckptdoctor.formats import looks_like_checkpoint, names_tensors  # seldom needed, slow

    return looks_like_checkpoint(path) or (is_pickle and names_tensors(path))
