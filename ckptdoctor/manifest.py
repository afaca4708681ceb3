"""The note beside a restored file: where it comes from, what was done, and what it must hash to.

``best_model_clean.pth.json`` beside ``best_model_clean.pth``; docs/restore.md has the schema.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ckptdoctor.checkpoint import Problem
from ckptdoctor.destination import opened_for_reading
from ckptdoctor.errors import DestinationError
from ckptdoctor.finding import Severity
from ckptdoctor.version import __version__

__all__ = [
    "actions_of",
    "check_manifest",
    "is_manifest",
    "manifest_path",
    "manifest_text",
    "sha256_of",
]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredFrom:
    source: Path
    epoch: int | float | None = None
    scale: float | None = None
    actions: tuple[str, ...] = ()


def restored_from(checkpoint: Path) -> RestoredFrom | None:
    return None


_CHUNK_NBYTES = 1 << 22
_MOST_NBYTES = 1 << 20
_SHA256_CHARS = 64


def manifest_path(checkpoint: Path) -> Path:
    """``best_model_clean.pth`` -> ``best_model_clean.pth.json``."""
    return checkpoint.with_name(f"{checkpoint.name}.json")


def is_manifest(path: Path) -> bool:
    """Whether there is a manifest of ours.

    Raises:
        OSError: it cannot be read, so nobody knows.
    """
    try:
        return bool(_parsed(path))
    except (FileNotFoundError, DestinationError):
        return False


def manifest_text(
    *,
    source: Path,
    source_sha256: str,
    destination: Path,
    sha256: str,
    nbytes: int,
    epoch: float | None,
    actions: Sequence[Mapping[str, str]],
    trusted: bool,
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
    """
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "ckptdoctor", "version": __version__},
        "source": {"path": str(source), "sha256": source_sha256},
        "file": {"name": destination.name, "nbytes": nbytes, "sha256": sha256},
        "epoch": epoch,
        "actions": [dict(action) for action in actions],
        "trusted": trusted,
    }
    return json.dumps(content, indent=2) + "\n"


def sha256_of(fd: int) -> str:
    """The SHA-256 of an open file, in hexadecimal."""
    digest, offset = hashlib.sha256(), 0
    while data := os.pread(fd, _CHUNK_NBYTES, offset):
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
        yield Problem(
            code="CD206",
            severity=Severity.WARNING,
            subject="file",
            message="its manifest says that NaN and Inf were replaced by 0",
            evidence={"trusted": False},
        )


def actions_of(checkpoint: Path) -> list[str]:
    """The names of what was done to a restored file; empty where no manifest lies beside it."""
    actions = _read(manifest_path(checkpoint)).get("actions")
    return [
        str(action.get("name"))
        for action in (actions if isinstance(actions, list) else ())
        if isinstance(action, dict)
    ]


def _read(path: Path) -> dict[str, Any]:
    """The manifest; {} where there is none that could be read."""
    try:
        return _parsed(path)
    except OSError:
        return {}


def _parsed(path: Path) -> dict[str, Any]:
    """The manifest; {} where the file is none of ours."""
    with os.fdopen(opened_for_reading(path), "rb") as file:
        raw = file.read(_MOST_NBYTES)
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    ours = isinstance(content, dict) and isinstance(content.get("tool"), dict)
    return content if ours and content["tool"].get("name") == "ckptdoctor" else {}
