"""For all tests: torch uses one thread, and nothing is remembered beyond the session.

The tests' tensors are too small to share out; and the user's own cache is none of theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _own_cache() -> Iterator[None]:
    """A cache for the session; one of a test's own is set by the test."""
    before = os.environ.get("CKPTDOCTOR_CACHE_DIR")
    with TemporaryDirectory(prefix="ckptdoctor-tests-") as folder:
        os.environ["CKPTDOCTOR_CACHE_DIR"] = str(Path(folder) / "cache")
        yield
    if before is None:
        os.environ.pop("CKPTDOCTOR_CACHE_DIR")
    else:
        os.environ["CKPTDOCTOR_CACHE_DIR"] = before
