"""What the tests of workers share."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from ckptdoctor.executors.workers import Workers
from tests.builders import save
from tests.cache.conftest import cache

__all__ = ["ROOT", "cache", "executor", "many", "workers"]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    """Two processes of ours."""
    with Workers(2) as running:
        yield running


@pytest.fixture(scope="session", params=["threads", "processes", "a pool of Python's"])
def executor(request: pytest.FixtureRequest, workers: Workers) -> Iterator[Executor]:
    """Each kind of executor that comes without a package."""
    if request.param == "processes":
        yield workers
    elif request.param == "threads":
        with ThreadPoolExecutor(2) as threads:
            yield threads
    else:
        spawning = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(2, mp_context=spawning) as pool:
            yield pool


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A run of twelve checkpoints, one with NaN, one cut, one that is a page."""
    root = tmp_path / "run"
    root.mkdir()
    for epoch in range(12):
        state = {f"l{at}.weight": torch.full((8, 8), 0.1 * epoch + at) for at in range(4)}
        if epoch == 7:
            state["l2.weight"][3, 3] = float("nan")
        save(root / f"unet_{epoch}.pth", {"model_state_dict": state, "epoch": epoch})
    cut = root / "unet_9.pth"
    cut.write_bytes(cut.read_bytes()[:-1200])
    (root / "unet_3.pth").write_text("<html><body>404</body></html>")
    return root
