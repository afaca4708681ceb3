"""Workers that die cost time, and no file its verdict but the one that kills them."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import ckptdoctor
from ckptdoctor.executors.crew import LostWorkersError
from ckptdoctor.executors.task import Orders, examined
from ckptdoctor.executors.workers import Workers
from ckptdoctor.render.machine.as_json import scan_json
from tests.executors.conftest import ROOT
from tests.executors.deadly import DyingWorkers, die_once_at


@pytest.fixture(autouse=True)
def _tests_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


@pytest.mark.slow
def test_a_pool_of_which_one_process_is_killed_costs_no_verdict(many: Path, tmp_path: Path) -> None:
    once = tmp_path / "died"
    forking = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        2, mp_context=forking, initializer=die_once_at, initargs=("unet_5.pth", str(once))
    ) as pool:
        found = ckptdoctor.scan(many, executor=pool)
    assert once.exists()
    assert scan_json(found) == scan_json(ckptdoctor.scan(many))


def test_a_file_that_kills_two_workers_is_a_finding_of_that_file(many: Path) -> None:
    with DyingWorkers(2, "unet_5.pth") as workers:
        found = ckptdoctor.scan(many, executor=workers)
    here = {one.path.name: one.verdict for one in ckptdoctor.scan(many).checkpoints}
    told = {one.path.name: one.verdict for one in found.checkpoints}
    assert told == here | {"unet_5.pth": ckptdoctor.Verdict.UNREADABLE}
    (lost,) = (one for one in found.checkpoints if one.path.name == "unet_5.pth")
    (finding,) = lost.findings
    assert finding.code == "CD108"
    assert finding.message == "cannot be read: 2 workers ended while they read it"
    assert lost.nbytes == (many / "unet_5.pth").stat().st_size


class Cancelling(Executor):
    """Loses the first tasks, or all, as dask does when a scheduler goes away."""

    def __init__(self, lost: int) -> None:
        self.lost, self.sizes = lost, []  # type: ignore[var-annotated]

    def submit(self, work: Any, /, *args: Any, **_: Any) -> Future[Any]:
        (orders,) = args
        self.sizes.append(len(orders.each))
        done: Future[Any] = Future()
        if self.lost > 0:
            self.lost -= 1
            done.cancel()
            done.set_running_or_notify_cancel()
        else:
            done.set_result(work(orders))
        return done


def test_a_batch_that_was_lost_is_done_again_file_by_file(many: Path) -> None:
    for at in range(60):
        (many / f"unet_{100 + at}.pth").write_bytes((many / "unet_2.pth").read_bytes())
    executor = Cancelling(lost=1)
    executor._max_workers = 2  # type: ignore[attr-defined]
    found = ckptdoctor.scan(many, executor=executor)
    assert scan_json(found) == scan_json(ckptdoctor.scan(many))
    first = executor.sizes[0]
    assert first > 1
    assert executor.sizes.count(1) == first


class KilledWorker(Exception):  # noqa: N818  (dask calls it so)
    """As dask's, which is told of every task that a worker held when it died."""


class Holding(Executor):
    """A worker that holds what it is given for a moment; a file kills it with all that it holds."""

    def __init__(self, name: str) -> None:
        self._max_workers, self.name = 8, name
        self.lock = threading.Lock()
        self.timer = threading.Timer(0.0, self.let_go)
        self.held: list[tuple[Future[Any], Any, Any]] = []

    def submit(self, work: Any, /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        (orders,) = args
        with self.lock:
            self.held.append((future, work, orders))
            if any(one.path.name == self.name for one in orders.each):
                for lost, _, _ in self.held:
                    lost.set_exception(KilledWorker())
                self.held.clear()
            self.timer.cancel()
            self.timer = threading.Timer(0.1, self.let_go)
            self.timer.start()
        return future

    def let_go(self) -> None:
        with self.lock:
            for future, work, orders in self.held:
                future.set_result(work(orders))
            self.held.clear()


def test_a_file_that_kills_a_worker_takes_no_other_along(many: Path) -> None:
    for at in range(60):
        (many / f"unet_{100 + at}.pth").write_bytes((many / "unet_2.pth").read_bytes())
    found = ckptdoctor.scan(many, executor=Holding("unet_5.pth"))
    here = {one.path.name: one.verdict for one in ckptdoctor.scan(many).checkpoints}
    told = {one.path.name: one.verdict for one in found.checkpoints}
    assert told == here | {"unet_5.pth": ckptdoctor.Verdict.UNREADABLE}


def test_an_executor_that_cancels_all_is_an_error_not_a_verdict(many: Path) -> None:
    with pytest.raises(LostWorkersError):
        ckptdoctor.scan(many, executor=Cancelling(lost=10**6))


def test_ctrl_c_cancels_what_is_queued(many: Path) -> None:
    class Slow(Executor):
        def __init__(self) -> None:
            self.given: list[Future[Any]] = []

        def submit(self, work: Any, /, *args: Any, **_: Any) -> Future[Any]:
            self.given.append(Future())
            if len(self.given) == 1:
                self.given[0].set_result(work(*args))
            return self.given[-1]

    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    slow = Slow()
    with pytest.raises(KeyboardInterrupt):
        ckptdoctor.scan(many, executor=slow, progress=interrupt)
    assert len(slow.given) > 1
    assert all(one.cancelled() for one in slow.given[1:])


def test_an_error_of_ours_in_a_worker_is_raised_here(many: Path) -> None:
    class Failing(Executor):
        def submit(self, work: Any, /, *args: Any, **_: Any) -> Future[Any]:
            done: Future[Any] = Future()
            done.set_exception(ZeroDivisionError("ours"))
            return done

    with pytest.raises(ZeroDivisionError, match="ours"):
        ckptdoctor.scan(many, executor=Failing())


def test_a_worker_with_another_version_is_refused(many: Path) -> None:
    told = examined(Orders(each=(), folder="/", version="0.0.1"))
    assert isinstance(told, str)
    assert "0.0.1" in told


@pytest.mark.slow
def test_processes_are_gone_when_the_executor_is_shut_down() -> None:
    workers = Workers(2)
    pids = {workers.submit(_pid).result() for _ in range(4)}
    running = list(workers._processes)
    assert pids <= {one.pid for one in running}
    workers.shutdown()
    assert all(one.poll() is not None for one in running)


def _pid() -> int:
    import os

    return os.getpid()
