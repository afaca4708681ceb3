"""What a cluster needs and is not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bad_inputs.running import called


def test_without_dask_the_command_that_brings_it(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    for command in ("scan", "rank", "plan", "autopsy"):
        code, out, err = called(command, many, "--cluster", "tcp://127.0.0.1:8786")
        assert (code, out) == (2, "")
        assert err == (
            "ckptdoctor: --cluster: dask is not installed: pip install 'ckptdoctor[dask]'\n"
        )
