"""As many threads as cores, and no more than a container is granted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ckptdoctor.scanning.cores import available_cores


@pytest.fixture(autouse=True)
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def version_1(root: Path, quota: str, period: str) -> Path:
    (root / "cpu").mkdir()
    (root / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (root / "cpu" / "cpu.cfs_period_us").write_text(f"{period}\n")
    return root


@pytest.mark.parametrize(
    ("told", "cores"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("20000 100000\n", 1),
        ("6400000 100000\n", 8),
        ("nonsense\n", 8),
        ("0 0\n", 8),
    ],
)
def test_what_a_container_is_granted(told: str, cores: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(told)
    assert available_cores(tmp_path) == cores


def test_what_an_older_kernel_grants(tmp_path: Path) -> None:
    assert available_cores(version_1(tmp_path, "300000", "100000")) == 3


def test_without_a_bound_all_cores(tmp_path: Path) -> None:
    assert available_cores(tmp_path / "none") == 8
    assert available_cores(version_1(tmp_path, "-1", "100000")) == 8


@pytest.mark.parametrize(("known", "told"), [(6, 6), (None, 1)])
def test_where_nobody_tells_of_a_bound(
    known: int | None, told: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: known)
    assert available_cores(tmp_path) == told
