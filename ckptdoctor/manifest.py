"""The note beside a restored file: where it comes from, what was done, and what it must hash to.

``best_model_clean.pth.json`` beside ``best_model_clean.pth``, ``best_model_clean.json`` beside the
folder ``best_model_clean``; docs/restore.md has the schema.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ckptdoctor.checkpoint import Problem
from ckptdoctor.destination import opened_for_reading
from ckptdoctor.errors import DestinationError
from ckptdoctor.finding import Severity
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.places import named
from ckptdoctor.sources import is_url
from ckptdoctor.sources.descriptors import is_far, pread
from ckptdoctor.version import __version__

__all__ = [
    "FileNote",
    "MeanOf",
    "RestoredFrom",
    "actions_of",
    "check_folder",
    "check_manifest",
    "digest_of",
    "is_manifest",
    "manifest_path",
    "manifest_text",
    "restored_from",
    "sha256_noted",
    "sha256_of",
]

SCHEMA_VERSION = 1
_CHUNK_NBYTES = 1 << 22
_MOST_NBYTES = 16 << 20  # a folder of 100,000 files takes some 14 MB
_SHA256_CHARS = 64


def manifest_path(checkpoint: Path) -> Path:
    """``best_model_clean.pth`` -> ``best_model_clean.pth.json``."""
    checkpoint = named(checkpoint)
    return checkpoint.parent / f"{checkpoint.name}.json"


def is_manifest(path: Path) -> bool:
    """Whether there is a manifest of ours.

    Raises:
        OSError: it cannot be read, so nobody knows.
    """
    try:
        return bool(_parsed(path))
    except (FileNotFoundError, DestinationError):
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileNote:
    """One file of a folder.

    Attributes:
        name: its path from the folder, with slashes.
        nbytes: its size.
        sha256: of its bytes.
    """

    name: str
    nbytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanOf:
    """A checkpoint whose weights go into a mean.

    Attributes:
        path: the file or the folder.
        sha256: of its bytes; "" for a folder.
        epoch: where it stands; None where that is not known.
    """

    path: Path
    sha256: str = ""
    epoch: float | None = None


def digest_of(files: Iterable[FileNote]) -> str:
    """What a folder hashes to: the SHA-256 of the lines ``sha256sum`` prints of its sorted files.

    Sorted by the bytes of their names: ``LC_ALL=C sort``.
    """
    lines = sorted((os.fsencode(file.name), file.sha256.encode()) for file in files)
    digest = hashlib.sha256()
    for name, sha256 in lines:
        digest.update(sha256 + b"  " + name + b"\n")
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredFrom:
    """What the manifest beside a restored file says of it.

    Attributes:
        source: the checkpoint that it goes back to; of a copy of a copy the first one.
        epoch: of that checkpoint, even where only its name told it.
        scale: its learning rates over those of ``source``: 1.0 where they are the same, None where
            that is not known, as after ``--set-lr``, and of an average, which is a copy of nothing.
        set_lr: the rate that was set, or None.
        decay: what a schedule that raised the rate multiplies it with since; None for no such.
        actions: the names of what was done to it.
        averaged: the checkpoints whose weights it is the mean of; () for a copy.
    """

    source: Path
    epoch: float | None
    scale: float | None
    set_lr: float | None
    actions: tuple[str, ...]
    averaged: tuple[Path, ...] = ()
    decay: float | None = None


def restored_from(path: Path) -> RestoredFrom | None:
    """Where a file comes from, if a manifest of ours lies beside it that names this very file.

    By name and size: whether the bytes are still the same is asked by :func:`check_manifest`, for a
    folder by :func:`check_folder`. What lies in a restored folder comes from where that does.
    """
    return _restored_from(path) or _restored_from(_folder_of(path))


def _folder_of(path: Path) -> Path:
    """The restored folder that holds a file, if its manifest lists that; else the path itself."""
    if path.is_dir():
        return path
    manifest = _read(manifest_path(path.parent))
    return path.parent if any(file.name == path.name for file in _files(manifest)) else path


def _restored_from(path: Path) -> RestoredFrom | None:
    path = named(path)
    manifest = _read(manifest_path(path))
    file, source = _part(manifest, "file"), _part(manifest, "source")
    if manifest.get("schema_version") != SCHEMA_VERSION or file.get("name") != path.name:
        return None
    origin = _part(manifest, "origin") or source
    try:
        same = file.get("nbytes") == _nbytes(path, manifest)
    except OSError:
        return None
    if not same or not isinstance(origin.get("path"), str):
        return None
    done = [action for action in _list(manifest, "actions") if isinstance(action, dict)]
    names = tuple(str(action.get("name")) for action in done)
    if _REPAIR in names and not _part(manifest, "origin"):
        return None  # the very file that was damaged, as training saved it
    unchanged = 1.0 if _CHANGES_RATES.isdisjoint(names) else None
    return RestoredFrom(
        source=_found(origin, path),
        epoch=_number(manifest.get("epoch")),
        scale=_positive(manifest.get("scale")) if "scale" in manifest else unchanged,
        set_lr=next((v for a in done if (v := _positive(a.get("set_lr"))) is not None), None),
        decay=next((v for a in done if (v := _positive(a.get("decay"))) is not None), None),
        actions=names,
        averaged=tuple(
            _found(one, path)
            for one in _list(manifest, "averaged")
            if isinstance(one, dict) and isinstance(one.get("path"), str)
        ),
    )


def _nbytes(path: Path, manifest: Mapping[str, Any]) -> int:
    """The size of a file; of a folder that of the files that were restored."""
    if not path.is_dir():
        return path.stat().st_size
    return sum((path / file.name).stat().st_size for file in _files(manifest))


def _files(manifest: Mapping[str, Any]) -> Iterator[FileNote]:
    """The files of a folder, as far as their names stay within it."""
    for file in _list(manifest, "files"):
        if not isinstance(file, dict):
            continue
        name, nbytes, sha256 = file.get("name"), file.get("nbytes"), file.get("sha256")
        if not (isinstance(name, str) and isinstance(nbytes, int) and isinstance(sha256, str)):
            continue
        if not Path(name).is_absolute() and ".." not in Path(name).parts:
            yield FileNote(name=name, nbytes=nbytes, sha256=sha256)


_REPAIR = "repair"
_CHANGES_RATES = frozenset({"scale-lr", "set-lr"})


def _part(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    part = content.get(key)
    return part if isinstance(part, dict) else {}


def _list(content: Mapping[str, Any], key: str) -> list[Any]:
    part = content.get(key)
    return part if isinstance(part, list) else []


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def _positive(value: object) -> float | None:
    number = _number(value)
    return float(number) if number is not None and number > 0.0 else None


def _found(origin: Mapping[str, Any], path: Path) -> Path:
    """The original as seen from here: the manifest may have been written in another folder."""
    told = Path(origin["path"])
    if is_url(origin["path"]):
        return told
    relative = origin.get("relative")
    near = path.parent / (relative if isinstance(relative, str) else told.name)
    near = Path(os.path.normpath(near))
    gone = not near.exists()
    return told if gone and (told.is_absolute() or told.exists()) else near


def manifest_text(
    *,
    source: Path,
    source_sha256: str,
    destination: Path,
    sha256: str,
    nbytes: int,
    epoch: float | None,
    actions: Sequence[Mapping[str, object]],
    trusted: bool,
    origin: Path | None = None,
    scale: float | None = 1.0,
    files: Sequence[FileNote] = (),
    averaged: Sequence[MeanOf] = (),
) -> str:
    """The manifest, as JSON.

    Args:
        source: the checkpoint that the file was made from.
        source_sha256: of its bytes.
        destination: the file.
        sha256: of its bytes.
        nbytes: its size.
        epoch: of the source.
        actions: what was done, each with a name, a message and a notice.
        trusted: False where values were made up.
        origin: the checkpoint that ``source`` is a copy of; None where it is none.
        scale: the learning rates over those of the first checkpoint; None where nobody can tell.
        files: of a folder, those in it.
        averaged: the checkpoints whose weights were averaged, ``source`` among them; () for a copy.
    """
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "ckptdoctor", "version": __version__},
        "source": _place(source, destination) | {"sha256": source_sha256},
        "file": {"name": destination.name, "nbytes": nbytes, "sha256": sha256},
        "epoch": epoch,
        "actions": [
            {name: value for name, value in action.items() if value is not None}
            for action in actions
        ],
        "scale": scale,
        "trusted": trusted,
    }
    if files:
        content["files"] = [
            {"name": file.name, "nbytes": file.nbytes, "sha256": file.sha256} for file in files
        ]
    if averaged:
        content["averaged"] = [
            _place(one.path, destination) | {"sha256": one.sha256 or None, "epoch": one.epoch}
            for one in averaged
        ]
    if origin is not None:
        content["origin"] = _place(origin, destination)
    return json.dumps(content, indent=2) + "\n"


def _place(source: Path, destination: Path) -> dict[str, str]:
    """A path as it was named, and from the folder of the file, which may be moved together."""
    if is_far(source) or is_far(destination):
        return {"path": str(source)}
    return {"path": str(source), "relative": os.path.relpath(source, destination.parent)}


def sha256_of(fd: int) -> str:
    """The SHA-256 of an open file, in hexadecimal."""
    digest, offset = hashlib.sha256(), 0
    while data := pread(fd, _CHUNK_NBYTES, offset):
        digest.update(data)
        offset += len(data)
    return digest.hexdigest()


def check_manifest(path: Path, fd: int) -> Iterator[Problem]:
    """Whether a file is still what was restored; nothing where no manifest of ours lies beside it.

    Args:
        path: the checkpoint.
        fd: the same, open.
    """
    manifest = _read(manifest_path(path))
    file = manifest.get("file")
    expected = file.get("sha256") if isinstance(file, dict) else None
    if manifest.get("schema_version") != SCHEMA_VERSION or not isinstance(expected, str):
        return
    if len(expected) != _SHA256_CHARS:
        return
    found = sha256_of(fd)
    if found != expected:
        yield Problem(
            code="CD110",
            severity=Severity.WARNING,
            subject="file",
            message=f"its SHA-256 is {found[:12]}…, the manifest beside it says {expected[:12]}…",
            evidence={"sha256": found, "expected": expected},
        )
    elif manifest.get("trusted") is False:
        yield _UNTRUSTED


_UNTRUSTED = Problem(
    code="CD206",
    severity=Severity.WARNING,
    subject="file",
    message="its manifest says that NaN and Inf were replaced by 0",
    evidence={"trusted": False},
)


def sha256_noted(path: Path) -> str:
    """The SHA-256 that a manifest of ours beside a file says it has; "" where none does."""
    manifest = _read(manifest_path(path))
    file = _part(manifest, "file")
    sha256 = file.get("sha256")
    known = manifest.get("schema_version") == SCHEMA_VERSION and file.get("name") == path.name
    return sha256 if known and isinstance(sha256, str) and len(sha256) == _SHA256_CHARS else ""


def check_folder(folder: Path) -> Iterator[Problem]:
    """Whether a folder still is what was restored; nothing where no manifest of ours lies beside.

    Every file that the manifest lists is read; one that it does not list says nothing.

    Args:
        folder: it; or a file in it that the checkpoint is called by; or an archive of several.
    """
    folder = named(_folder_of(folder))
    if folder.is_file():
        with contextlib.suppress(OSError), os.fdopen(opened_for_reading(folder), "rb") as file:
            yield from check_manifest(folder, file.fileno())
        return
    manifest = _read(manifest_path(folder))
    if manifest.get("schema_version") != SCHEMA_VERSION:
        return
    if _part(manifest, "file").get("name") != folder.name:
        return
    changed = [problem for file in _files(manifest) for problem in _changed(folder, file)]
    yield from changed
    if not changed and manifest.get("trusted") is False:
        yield _UNTRUSTED


def _changed(folder: Path, file: FileNote) -> Iterator[Problem]:
    """What is wrong with one file of a restored folder."""
    try:
        fd = opened_for_reading(folder / file.name)
    except OSError as error:
        message = f"{file.name}: the manifest beside the folder lists it: {error.strerror or error}"
        evidence: dict[str, object] = {"file": file.name, "expected": file.sha256}
    else:
        try:
            found = sha256_of(fd)
        finally:
            os.close(fd)
        if found == file.sha256:
            return
        message = (
            f"its SHA-256 is {found[:12]}…, the manifest beside the folder says {file.sha256[:12]}…"
        )
        evidence = {"file": file.name, "sha256": found, "expected": file.sha256}
    yield Problem(
        code="CD110",
        severity=Severity.WARNING,
        subject=file.name,
        message=message,
        evidence=evidence,
    )


def actions_of(checkpoint: Path) -> list[str]:
    """The names of what was done to a restored file; empty where no manifest lies beside it."""
    manifest = _read(manifest_path(checkpoint)) or _read(manifest_path(_folder_of(checkpoint)))
    actions = _list(manifest, "actions")
    return [str(action.get("name")) for action in actions if isinstance(action, dict)]


def _read(path: Path) -> dict[str, Any]:
    """The manifest; {} where there is none that could be read."""
    try:
        return _parsed(path)
    except OSError:
        return {}


def _parsed(path: Path) -> dict[str, Any]:
    """The manifest; {} where the file is none of ours."""
    with path.open("rb") if is_far(path) else os.fdopen(opened_for_reading(path), "rb") as file:
        raw = file.read(_MOST_NBYTES)
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    ours = isinstance(content, dict) and isinstance(content.get("tool"), dict)
    return content if ours and content["tool"].get("name") == "ckptdoctor" else {}
