"""Paths, folders and globs to the checkpoint files they mean."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from pathlib import Path

from ckptdoctor.layouts.files import CheckpointFiles, PartRole, Pointer, single
from ckptdoctor.layouts.find import Claims, claims_in
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks.archives import claim_file
from ckptdoctor.layouts.siblings import with_siblings
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.natural import natural_key
from ckptdoctor.places import Places, looks_into, named
from ckptdoctor.sources import path_of
from ckptdoctor.sources.descriptors import is_far

__all__ = [
    "CHECKPOINT_SUFFIXES",
    "DIRECTORY_VARIABLE",
    "Discovery",
    "checkpoint_at",
    "checkpoint_in",
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
    ".nemo",
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
        checkpoints: to examine, each once.
        pointers: files that name one of them.
        missing: paths and globs that name nothing.
        empty: folders without a checkpoint.
        paths: as the user gave them.
    """

    checkpoints: list[CheckpointFiles] = field(default_factory=list)
    pointers: list[Pointer] = field(default_factory=list)
    missing: list[Path] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)

    @property
    def files(self) -> list[Path]:
        """What the checkpoints are called: files, and folders that are one."""
        return [files.path for files in self.checkpoints]

    @property
    def one_by_one(self) -> bool:
        """Whether the user named each file, and no folder."""
        return bool(self.paths) and not any(map(os.path.isdir, self.paths))


def default_paths() -> list[Path]:
    """Where to look without a path: ``$CKPTDOCTOR_DIR``, else ``checkpoints/``, else here."""
    configured = os.environ.get(DIRECTORY_VARIABLE)
    looks_into(path_of(configured).parent if configured else Path())
    if configured:
        return [path_of(configured)]
    return [Path("checkpoints")] if Path("checkpoints").is_dir() else [Path()]


def discover(paths: Iterable[Path]) -> Discovery:
    """The checkpoints that the paths name: a file as it is, a folder with all below it, a glob.

    Args:
        paths: as the user gave them; none for :func:`default_paths`.
    """
    found = Discovery(paths=list(paths))
    claims = Claims()
    every = [one for path in found.paths or default_paths() for one in _expand(path, found)]
    together = _together([path for path in every if not path.is_dir()])
    seen: set[Path] = set()
    places = Places()
    for path in every:
        if path.is_dir():
            inside = _inside(path, claims)
            if not inside:
                found.empty.append(path)
        else:
            inside = [together.get(path) or checkpoint_in(path)]
        for files in inside:
            identity = places.of(files.path)
            if identity not in seen:
                seen.add(identity)
                found.checkpoints.append(files)
    found.checkpoints[:] = with_siblings(found.checkpoints)
    found.pointers += claims.pointers
    return found


def _inside(folder: Path, claims: Claims) -> list[CheckpointFiles]:
    """The checkpoints below a folder, in order.

    A part may lie in a folder that was looked at before its checkpoint's.
    """
    below = sorted(_below(folder, claims), key=lambda one: natural_key(one.path))
    linked = _led_to(claims)

    def is_part(path: Path) -> bool:
        return path in claims.taken or (bool(linked) and os.path.realpath(path) in linked)

    return [one for one in below if not (one.is_single and is_part(one.path))]


def _led_to(claims: Claims) -> set[str]:
    """The files that parts are links to, as in a cache of blobs: they are no checkpoints beside."""
    parts = (part.path for files in claims.checkpoints for part in files.parts)
    return {os.path.realpath(path) for path in parts if path.is_symlink()}


def checkpoint_at(path: Path) -> CheckpointFiles:
    """The checkpoint that a path names: the folder that it is, the files that go with it, or it."""
    folder = Folder(path if path.is_dir() else path.parent)
    for files in claims_in(folder, Claims()):
        if files.path == path:
            return with_siblings([files])[0]
    return checkpoint_in(path)


def checkpoint_in(path: Path) -> CheckpointFiles:
    """The checkpoint that a file is, whatever its name: an archive is one of several parts."""
    return claim_file(path) or single(path)


def _together(paths: Sequence[Path]) -> dict[Path, CheckpointFiles]:
    """By path, the checkpoint of files that were named one by one, where they are one."""
    found: dict[Path, CheckpointFiles] = {}
    for parent in dict.fromkeys(path.parent for path in paths) if len(paths) > 1 else ():
        folder = named(parent)  # that of `model.safetensors` is `.`, and has no name
        given = {folder / path.name: path for path in paths if path.parent == parent}
        for files in claims_in(Folder(folder), Claims()):
            own = [given[part.path] for part in files.parts if part.path in given]
            model = {p.path for p in files.parts if p.role is PartRole.MODEL and p.needed}
            if len(own) > 1 and model <= given.keys():
                found |= dict.fromkeys(own, files)
    return found


def _expand(path: Path, found: Discovery) -> list[Path]:
    looks_into(path.parent)
    if os.path.lexists(path):
        return [path]
    if glob.has_magic(os.fspath(path)):
        _look_below(path)
        found_there = glob.glob(os.fspath(path), recursive=True)  # noqa: PTH207
        if found_there:
            return sorted((type(path)(match) for match in found_there), key=natural_key)
    found.missing.append(path)
    return []


def _look_below(pattern: Path) -> None:
    """Tell of the folders that a pattern looks into; the system is asked by no path of ours."""
    if not is_far(pattern):
        return
    parts = pattern.parts
    first = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    waiting = [(type(pattern)(*parts[:first]), first)]
    while waiting:
        folder, at = waiting.pop()
        looks_into(folder)
        if at == len(parts) - 1 and parts[at] != "**":
            continue
        for name in Folder(folder).folders:
            if parts[at] == "**":
                waiting.append((folder / name, at))
            elif fnmatch.fnmatchcase(name, parts[at]):
                waiting.append((folder / name, at + 1))


def named_checkpoints(root: Path) -> Iterator[CheckpointFiles]:
    """What is a checkpoint below a folder by names alone; no tensor file is opened."""
    return _below(root, Claims(), by_name=True)


def _below(root: Path, claims: Claims, *, by_name: bool = False) -> Iterator[CheckpointFiles]:
    """Every checkpoint below a folder; hidden folders and links to folders are left alone."""
    waiting = [Folder(root)]
    while waiting:
        folder = waiting.pop()
        for files in claims_in(folder, claims):  # the folder where one stands has a name too
            yield replace(files, path=named(files.path))
        for name in folder.files:
            path = folder.path / name
            if name.startswith(".") or path in claims.taken or name.lower().endswith(_NOT_ALONE):
                continue
            if name.lower().endswith(CHECKPOINT_SUFFIXES):
                yield single(path)
            if by_name or name.lower().endswith(CHECKPOINT_SUFFIXES):
                continue
            with contextlib.suppress(OSError):
                if _holds_checkpoint(path, is_pickle=name.lower().endswith(_PICKLE_SUFFIXES)):
                    yield single(path)
        waiting += [
            folder.below(name)
            for name in folder.folders
            if not name.startswith(".") and name not in _SKIPPED_FOLDERS
        ]


def _holds_checkpoint(path: Path, *, is_pickle: bool) -> bool:
    from ckptdoctor.formats import looks_like_checkpoint, names_tensors  # seldom needed, slow

    return looks_like_checkpoint(path) or (is_pickle and names_tensors(path))
