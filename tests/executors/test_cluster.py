"""A real dask cluster of two processes."""

from __future__ import annotations

import copyreg
import importlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import ckptdoctor
from ckptdoctor.render.machine.as_json import scan_json
from tests.cli.support import run
from tests.executors.conftest import ROOT
from tests.executors.deadly import die_at, die_once_at

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(find_spec("distributed") is None, reason="dask is not installed"),
]


@pytest.fixture(scope="module")
def distributed() -> Iterator[Any]:
    """dask, imported for these tests alone: it has every exception pickled in a way of its own."""
    before = dict(copyreg.dispatch_table)
    yield importlib.import_module("distributed")
    copyreg.dispatch_table.clear()
    copyreg.dispatch_table.update(before)


@pytest.fixture
def cluster(distributed: Any) -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as running:
        yield running


def test_the_command_says_the_same(many: Path, cluster: Any) -> None:
    here = run("scan", many, "-f", "json", "--no-cache")
    address = cluster.scheduler_address
    there = run("scan", many, "-f", "json", "--no-cache", "--cluster", address)
    assert (there.code, there.stdout) == (here.code, here.stdout)
    assert there.stderr == ""


def test_a_worker_that_is_killed_costs_no_verdict(
    many: Path, cluster: Any, tmp_path: Path, distributed: Any
) -> None:
    here = scan_json(ckptdoctor.scan(many))
    once = tmp_path / "died"
    with distributed.Client(cluster, set_as_default=False) as client:
        client.run(_with_tests, str(ROOT))
        client.run(die_once_at, "unet_5.pth", str(once))
        found = ckptdoctor.scan(many, executor=client.get_executor())
    assert once.exists()
    assert scan_json(found) == here


def test_a_file_that_kills_every_worker_is_a_finding(
    many: Path, cluster: Any, distributed: Any
) -> None:
    root = str(ROOT)

    class Dying(distributed.WorkerPlugin):  # type: ignore[misc]
        def setup(self, worker: Any) -> None:
            sys.path.insert(0, root)
            die_at("unet_5.pth")

    with distributed.Client(cluster, set_as_default=False) as client:
        client.run(_with_tests, root)
        client.register_plugin(Dying())
        found = ckptdoctor.scan(many, executor=client.get_executor())
    told = {one.path.name: one.verdict for one in found.checkpoints}
    here = {one.path.name: one.verdict for one in ckptdoctor.scan(many).checkpoints}
    assert told == here | {"unet_5.pth": ckptdoctor.Verdict.UNREADABLE}


def _with_tests(root: str) -> None:
    sys.path.insert(0, root)


def test_an_address_where_nobody_is(many: Path) -> None:
    soon = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
    told = run("scan", many, "--cluster", "tcp://127.0.0.1:1", env=soon)
    assert told.code == 3
    assert told.stderr == "ckptdoctor: tcp://127.0.0.1:1: no dask scheduler answers there\n"


def test_what_is_no_address(many: Path) -> None:
    told = run("scan", many, "--cluster", "nonsense::")
    assert told.code == 2
    assert "no address of a dask scheduler" in told.stderr


def test_ctrl_c_ends_it(many: Path, cluster: Any, distributed: Any) -> None:
    command = [sys.executable, "-m", "ckptdoctor", "scan", str(many), "--no-cache"]
    with distributed.Client(cluster, set_as_default=False) as client:
        client.run(_slow_down)
        child = subprocess.Popen(
            [*command, "--cluster", cluster.scheduler_address],
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        while not any(client.processing().values()):
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "interrupted" in said


def _slow_down() -> None:
    from ckptdoctor.formats import opened

    def slowly(path: Path) -> Any:
        time.sleep(1)
        return opened(path)

    mock.patch("ckptdoctor.one_file.opened", slowly).start()
