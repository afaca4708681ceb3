"""A function of Python's sees a bucket as it is when it is called, not as it was before."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import ckptdoctor
from ckptdoctor.api.asking import looks_anew
from ckptdoctor.finding import Verdict
from tests.builders import save
from tests.sources.servers import Site, serving

HEALTHY, CORRUPT = Verdict.HEALTHY, Verdict.CORRUPT


def checkpoint(path: Path, value: float, *, numel: int = 8, epoch: int = 1) -> bytes:
    weights = torch.linspace(0.1, 0.9, numel)
    weights[0] = value
    return save(path, {"model": {"w": weights}, "epoch": epoch}).read_bytes()


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[tuple[str, Any]]:
    fsspec = pytest.importorskip("fsspec")
    system, root = fsspec.filesystem("memory"), f"/{uuid.uuid4().hex}"
    yield f"memory://{root}", lambda name, data: system.pipe_file(f"{root}/{name}", data)
    system.rm(root, recursive=True)


def verdicts(url: str) -> dict[str, Verdict]:
    return {one.path.name: one.verdict for one in ckptdoctor.scan(url).checkpoints}


def test_what_comes_and_what_changes(bucket: tuple[str, Any], tmp_path: Path) -> None:
    url, put = bucket
    made = tmp_path / "a.pth"
    put("run/net_1.pth", checkpoint(made, 1.0))
    assert verdicts(f"{url}/run") == {"net_1.pth": HEALTHY}
    put("run/net_2.pth", checkpoint(made, 1.0, epoch=2))
    put("run/net_1.pth", checkpoint(made, float("nan")))
    assert verdicts(f"{url}/run") == {"net_1.pth": CORRUPT, "net_2.pth": HEALTHY}
    assert ckptdoctor.inspect(f"{url}/run/net_1.pth").verdict is CORRUPT
    put("run/net_1.pth", checkpoint(made, 1.0, numel=400_000))
    assert ckptdoctor.inspect(f"{url}/run/net_1.pth").verdict is HEALTHY
    assert len(ckptdoctor.open_checkpoint(f"{url}/run/net_1.pth").tensors) == 1


def test_what_goes(bucket: tuple[str, Any], tmp_path: Path) -> None:
    url, put = bucket
    for epoch in (1, 2):
        put(f"run/net_{epoch}.pth", checkpoint(tmp_path / "a.pth", 1.0, epoch=epoch))
    found = ckptdoctor.scan(f"{url}/run")
    import fsspec

    fsspec.filesystem("memory").rm(f"{url.removeprefix('memory://')}/run/net_2.pth")
    assert verdicts(f"{url}/run") == {"net_1.pth": HEALTHY}
    first = next(one.path for one in found.checkpoints if one.path.name == "net_1.pth")
    assert ckptdoctor.inspect(first).verdict is HEALTHY, "a path of an earlier report is still one"


def test_of_a_web_server(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    root = tmp_path / "site" / "run"
    root.mkdir(parents=True)
    checkpoint(root / "net_1.pth", 1.0)
    with serving(root.parent) as site:
        assert isinstance(site, Site)
        assert verdicts(f"{site.url}/run/") == {"net_1.pth": HEALTHY}
        checkpoint(root / "net_2.pth", float("inf"), numel=99, epoch=2)
        assert verdicts(f"{site.url}/run/") == {"net_1.pth": HEALTHY, "net_2.pth": CORRUPT}


def test_two_calls_side_by_side_take_nothing_from_each_other(
    bucket: tuple[str, Any], tmp_path: Path
) -> None:
    """Whoever looks is not to find that what it saw is gone."""
    url, put = bucket
    put("run/net_1.pth", checkpoint(tmp_path / "a.pth", 1.0))
    ckptdoctor.scan(f"{url}/run")
    inside, leave = threading.Event(), threading.Event()
    seen: list[bool] = []

    @looks_anew
    def slow() -> None:
        from ckptdoctor.sources import path_of

        path = path_of(f"{url}/run/net_1.pth")
        path.stat()
        before = os.stat(path).st_ctime_ns
        inside.set()
        leave.wait(60)
        seen.append(os.stat(path).st_ctime_ns == before)

    other = threading.Thread(target=slow)
    other.start()
    assert inside.wait(60)
    assert verdicts(f"{url}/run") == {"net_1.pth": HEALTHY}
    leave.set()
    other.join()
    assert seen == [True]
