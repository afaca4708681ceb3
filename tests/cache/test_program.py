"""A result is of one program: a changed source, another backend, another version ask anew."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ckptdoctor.cache import program


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package."""
    copy = tmp_path / "ckptdoctor"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(program._PACKAGE, copy, ignore=ignored)
    return copy


def test_it_is_the_same_for_the_same_sources(package: Path) -> None:
    before = program.fingerprint(package)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "x.pyc").touch()
    assert program.fingerprint(package) == before
    assert program.fingerprint() == program.fingerprint() != before


def test_any_changed_source_is_another_program(package: Path) -> None:
    seen = {program.fingerprint(package)}
    sources = sorted(package.rglob("*.py"))
    assert len(sources) > 300
    for source in sources[::10]:
        status = source.stat()
        source.write_bytes(source.read_bytes()[::-1])  # as long, and as old
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
        seen.add(program.fingerprint(package))
    assert len(seen) == 1 + len(sources[::10])
    (package / "rules" / "added.py").touch()
    seen.add(program.fingerprint(package))
    (package / "rules" / "added.py").unlink()
    (package / "rules" / "weights.py").unlink()
    seen.add(program.fingerprint(package))
    assert len(seen) == 3 + len(sources[::10])


def test_another_version_and_another_backend(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = program.fingerprint(package)
    with monkeypatch.context() as patch:
        patch.setenv("CKPTDOCTOR_BACKEND", "eager")
        assert program.fingerprint(package) != before
    monkeypatch.setattr(program, "__version__", "99")
    assert program.fingerprint(package) != before
