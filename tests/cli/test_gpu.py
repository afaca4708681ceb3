"""``ckptdoctor gpu`` where there is no GPU: a clear line, and 3."""

from __future__ import annotations

import pytest
import torch

from tests.cli.support import run


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_no_gpu_is_said() -> None:
    table = run("gpu")
    assert (table.code, table.stdout) == (3, "")
    assert "GPU" in table.stderr
    assert "Traceback" not in table.stderr
    found = run("gpu", "--format", "json")
    assert found.code == 3
    assert found.json["gpus"] == []
    assert found.json["error"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_is_shown() -> None:  # pragma: no cover
    outcome = run("gpu", "--format", "json")
    assert outcome.code == 0
    assert outcome.json["gpus"][0]["total_bytes"] > 0
    assert all(len(line) <= 80 for line in run("gpu").stdout.splitlines())
