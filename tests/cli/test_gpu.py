"""``ckptdoctor gpu`` as another process: on this machine, and with a driver that is made up."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.support import ANSI, run

REPO = str(Path(__file__).parent.parent.parent)

DRIVER = """
from tests.gpu.fake_nvml import GIB, nvml, process
import os, sys
answers = {"nvmlDeviceGetComputeRunningProcesses": [process(2**31 - 2, 9 * GIB)]}
sys.modules[__name__] = nvml(answers)
"""


def with_module(folder: Path, text: str) -> Mapping[str, str]:
    """An environment in which ``pynvml`` is this text."""
    (folder / "pynvml.py").write_text(text, encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join([str(folder), REPO])}


@pytest.mark.skipif(
    Path("/proc/driver/nvidia").exists() or Path("/dev/dxg").exists(), reason="there is a GPU"
)
@pytest.mark.skipif(importlib.util.find_spec("pynvml") is None, reason="needs nvidia-ml-py")
def test_without_a_gpu_there_is_nothing_to_examine() -> None:
    outcome = run("gpu")
    assert (outcome.code, outcome.stdout) == (3, "")
    assert outcome.stderr.startswith("ckptdoctor: no NVIDIA driver on this machine")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.slow
def test_without_the_package_it_says_what_to_install(tmp_path: Path) -> None:
    missing = with_module(tmp_path, "raise ModuleNotFoundError('pynvml', name='pynvml')")
    outcome = run("gpu", env=missing)
    assert (outcome.code, outcome.stdout) == (3, "")
    assert "pip install nvidia-ml-py" in outcome.stderr
    outcome = run("gpu", "--format", "json", env=missing)
    assert outcome.code == 3
    assert outcome.json["gpus"] == []
    assert "nvidia-ml-py" in outcome.json["unavailable"]


def test_with_a_gpu_it_shows_who_holds_its_memory(tmp_path: Path) -> None:
    env = {**with_module(tmp_path, DRIVER), "FORCE_COLOR": "1"}
    outcome = run("gpu", "--no-color", env=env)
    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr == ""
    assert not ANSI.search(outcome.stdout)
    first, *_ = outcome.stdout.splitlines()
    assert first == "GPU 0 NVIDIA L4: 19 GB of 26 GB in use"
    assert str(2**31 - 2) in outcome.stdout
    assert "What to do:" in outcome.stdout
    assert all(len(line) <= 80 for line in outcome.stdout.splitlines())
    assert ANSI.search(run("gpu", env=env).stdout)


@pytest.mark.slow
def test_quiet_json_and_a_file(tmp_path: Path) -> None:
    env = with_module(tmp_path, DRIVER)
    assert len(run("gpu", "-q", env=env).stdout.splitlines()) == 1
    destination = tmp_path / "gpu.json"
    outcome = run("gpu", "-f", "json", "-o", destination, env=env)
    assert (outcome.code, outcome.stdout) == (0, "")
    found = json.loads(destination.read_text())
    assert found["gpus"][0]["processes"][0]["used_bytes"] == 9 << 30
    assert found["gpus"][0]["processes"][0]["is_own"] is False
    assert run("gpu", "--format", "csv").code == 2


def test_it_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from ckptdoctor.__main__ import run; code = run(['gpu']);"
        "print('torch' in sys.modules); sys.exit(code)"
    )
    outcome = run(code=code, env=with_module(tmp_path, DRIVER))
    assert outcome.code == 0
    assert outcome.stdout.endswith("False\n")
