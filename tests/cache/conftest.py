"""A cache of its own for every test."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache, not made yet; in no folder that a test examines."""
    folder = tmp_path_factory.mktemp("home") / "ckptdoctor"
    monkeypatch.setenv("CKPTDOCTOR_CACHE_DIR", str(folder))
    monkeypatch.delenv("CKPTDOCTOR_NO_CACHE", raising=False)
    return folder
