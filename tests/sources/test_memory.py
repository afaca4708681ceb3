"""How much memory far files take, by what the system tells of a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.benchmarks.large_objects import SCAN, serving

pytest.importorskip("s3fs")

pytestmark = [
    pytest.mark.slow,  # three processes, and 800 MB are read
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells no peak"),
]
MOST_MB = 128


def test_large_objects_take_little_more_than_the_same_files_here(tmp_path: Path) -> None:
    """What the libraries take that open S3, some 40 MB, is part of it."""
    folder = tmp_path / "bkt" / "run"
    folder.mkdir(parents=True)
    save_file({"w": torch.rand(50_000_000)}, folder / "u_0.safetensors")
    os.link(folder / "u_0.safetensors", folder / "u_1.safetensors")
    with serving(tmp_path) as environment:
        taken = {
            place: json.loads(
                subprocess.check_output(
                    [sys.executable, "-c", SCAN, place], env={**os.environ, **environment}
                )
            )[2]
            for place in (str(folder), "s3://bkt/run")
        }
    here, there = taken.values()
    assert there - here <= MOST_MB, taken
