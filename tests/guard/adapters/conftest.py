"""Real frameworks, which take five seconds to import: only where `real` tests are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if "not real" in config.option.markexpr else None
