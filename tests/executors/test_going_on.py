"""A scan that was ended goes on at what is missing: results are kept as they come."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from ckptdoctor.cache.memory import memory_for
from ckptdoctor.executors.task import Orders
from ckptdoctor.executors.workers import Workers
from ckptdoctor.measure import Examination
from ckptdoctor.render.machine.as_json import scan_json
from ckptdoctor.report import Report
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey
from tests.cache.support import settled


class Counting(Executor):
    """Notes what is read, by whoever reads it.

    Args:
        workers: they.
    """

    def __init__(self, workers: Executor) -> None:
        self.workers = workers
        self.read: list[str] = []

    def submit(self, work: Any, orders: Orders, /, **_: Any) -> Future[Any]:  # type: ignore[override]
        self.read += [order.path.name for order in orders.each]
        return self.workers.submit(work, orders)


def scanned(folder: Path, executor: Executor, *, ends_after: int = 0) -> Report:
    """The report; interrupted after so many files."""
    left = [ends_after]

    def note(_: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    with settled():
        memory = memory_for(wanted=True)
        assert memory is not None
        with memory:
            how = Examination(memory=memory, executor=executor, progress=note)
            return survey(discover([folder]), how)


def test_the_second_start_reads_what_is_missing(many: Path, workers: Workers) -> None:
    (many / "unet_3.pth").unlink()
    (many / "unet_9.pth").unlink()
    first = Counting(workers)
    with pytest.raises(KeyboardInterrupt):
        scanned(many, first, ends_after=6)
    second = Counting(workers)
    found = scanned(many, second)
    assert len(second.read) == len(set(second.read)) == 10 - 6
    third = Counting(workers)
    assert scan_json(scanned(many, third)) == scan_json(found)
    assert third.read == []
    assert scan_json(survey(discover([many]), Examination())) == scan_json(found)


def test_what_a_worker_found_is_kept_as_if_it_had_been_found_here(
    many: Path, workers: Workers
) -> None:
    scanned(many, workers)
    with settled():
        memory = memory_for(wanted=True)
        assert memory is not None
        with memory:
            survey(discover([many]), Examination(memory=memory))
            recall = memory.recall
    assert (recall.files, recall.of) == (11, 12)  # a page is looked at each time
