"""Whoever reads the files, the report is the same to the byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import ckptdoctor
from ckptdoctor.elsewhere import measured_elsewhere
from ckptdoctor.executors.workers import Workers
from ckptdoctor.measure import Examination
from ckptdoctor.render.machine.as_json import scan_json
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules import Case
from ckptdoctor.runs.discover import discover
from ckptdoctor.shelf import Shelf
from ckptdoctor.sources import path_of
from ckptdoctor.sources.mirror import mirror
from tests.bad_inputs.catalogue import ALL_KINDS
from tests.bad_inputs.each_format import EACH_FORMAT
from tests.bad_inputs.running import made
from tests.builders import save
from tests.cache.support import counted
from tests.layouts.folders import TWINS
from tests.layouts.folders.truth import Layout
from tests.sources.servers import Site, serving

_PARTS = 12
DEFAULT = ("transformers-shards", "deepspeed-zero2", "fsdp2", "nemo")
"""An index, shares of ranks that have the same names, a ``.metadata``, an archive."""


def same(executor: Executor, *paths: Path | str) -> str:
    """The report, which is that of a scan without an executor."""
    here = scan_json(ckptdoctor.scan(*paths))
    assert scan_json(ckptdoctor.scan(*paths, executor=executor)) == here
    return here


@pytest.mark.one_in(3)
def test_of_a_run_with_damage(many: Path, executor: Executor) -> None:
    told = same(executor, many)
    assert told.count('"verdict": "healthy"') >= 9
    assert "CD201" in told


def test_the_files_are_not_opened_here(many: Path, workers: Workers) -> None:
    with counted() as read:
        ckptdoctor.scan(many, executor=workers)
    assert read == []


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param(one, id=one.name, marks=() if one.name in DEFAULT else pytest.mark.slow)
        for one in TWINS
    ],
)
@pytest.mark.one_in(2)
def test_of_checkpoints_of_several_files(layout: Layout, tmp_path: Path, workers: Workers) -> None:
    layout.build(tmp_path)
    same(workers, tmp_path)


def test_of_each_format(tmp_path: Path, workers: Workers) -> None:
    for sample in EACH_FORMAT:
        folder = tmp_path / sample.name.replace("/", "_")
        folder.mkdir()
        (folder / "model_3.pth").write_bytes(sample.data)
    same(workers, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*no checkpoint in this folder")
@pytest.mark.parametrize("part", range(_PARTS))
def test_of_bad_inputs(part: int, tmp_path: Path, workers: Workers) -> None:
    paths = []
    for number, kind in enumerate(ALL_KINDS[part::_PARTS]):
        if not kind.why_not():
            (folder := tmp_path / str(number)).mkdir()
            paths.append(made(kind, folder))
    same(workers, *paths)


def test_of_cases_that_are_put_away(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What files of one structure share is kept once; those of other sizes share it not."""
    monkeypatch.setattr("ckptdoctor.keeper._TENSORS_IN_FULL", 0)
    for epoch in range(6):
        whole = torch.full((64 + 8 * (epoch % 2),), 0.5 + epoch)
        save(tmp_path / f"net_{epoch}.pth", {"model": {"a.weight": whole[:64]}, "epoch": epoch})
    found = ckptdoctor.scan(tmp_path, executor=workers, keep_details=False)
    assert scan_json(found) == scan_json(ckptdoctor.scan(tmp_path))
    kept: list[Case] = []
    shelf = Shelf()

    def put_away(case: Case | CheckpointReport) -> None:
        assert isinstance(case, Case)
        folded = shelf.folded(case)
        assert folded.unfolded().checkpoint.records == tuple(case.checkpoint.records)
        kept.append(case)

    files = discover([tmp_path]).checkpoints
    measured_elsewhere(files, Examination(), workers, put_away)
    marks = [case.checkpoint.structure for case in kept]
    assert len({id(mark) for mark in marks}) == 2
    assert {ref.nbytes for case in kept for ref in case.checkpoint.records} >= {256, 288}


def test_of_a_path_from_the_current_folder(
    many: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker was started somewhere else."""
    monkeypatch.chdir(many)
    same(workers, "unet_0.pth", ".")


def test_details_are_those_of_a_scan_here(many: Path, workers: Workers) -> None:
    here = ckptdoctor.scan(many, keep_details=True)
    there = ckptdoctor.scan(many, keep_details=True, executor=workers)
    pairs = list(zip(there.checkpoints, here.checkpoints, strict=True))
    assert all(dict(one.stats) == dict(other.stats) for one, other in pairs)
    tensors = [[row.checkpoint and row.checkpoint.tensors for row in pair] for pair in pairs]
    assert all(one == other for one, other in tensors)
    assert [one.sample for one in there.checkpoints[0].stats.values() if one.sample] == [
        one.sample for one in here.checkpoints[0].stats.values() if one.sample
    ]


@pytest.fixture
def site(many: Path) -> Iterator[Site]:
    pytest.importorskip("aiohttp")
    with serving(many.parent) as running:
        yield running


@pytest.mark.slow
def test_of_a_url(site: Site, workers: Workers) -> None:
    """Files of a server; a worker lists no folder, and asks for no size."""
    url = f"{site.url}/run/"
    here = scan_json(ckptdoctor.scan(url))
    before = _listings(site)
    assert scan_json(ckptdoctor.scan(url, executor=workers)) == here
    assert _listings(site) == 2 * before, "each call lists anew, and no worker does"


def _listings(site: Site) -> int:
    return sum(path.endswith("/") for _, path, _ in site.asked)


def test_of_a_url_whose_file_is_another_by_now(site: Site, many: Path, workers: Workers) -> None:
    """A worker that has seen the file before knows what this process knows of it."""
    url = f"{site.url}/run/unet_5.pth"
    assert ckptdoctor.scan(url, executor=workers).checkpoints[0].metadata.epoch == 5
    site.etag = '"two"'
    (many / "unet_5.pth").write_bytes((many / "unet_7.pth").read_bytes() + b"\0" * 64)
    mirror.forget(os.fspath(path_of(url)))
    (row,) = ckptdoctor.scan(url, executor=workers).checkpoints
    assert row.nbytes == (many / "unet_5.pth").stat().st_size
    assert "CD109" not in {one.code for one in row.findings}


def test_progress_counts_every_byte(many: Path, workers: Workers) -> None:
    told: list[tuple[int, int]] = []
    ckptdoctor.scan(many, executor=workers, progress=lambda *both: told.append(both))
    whole = sum(path.stat().st_size for path in many.iterdir())
    assert told[-1] == (whole, whole)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_file_that_the_workers_do_not_see_is_an_error_not_a_verdict(many: Path) -> None:
    class Elsewhere(ThreadPoolExecutor):
        def submit(self, work, orders):  # type: ignore[no-untyped-def, override]
            for order in orders.each:
                os.rename(order.path, f"{order.path}.away")
            try:
                done = super().submit(work, orders)
                done.result()
                return done
            finally:
                for order in orders.each:
                    os.rename(f"{order.path}.away", order.path)

    with Elsewhere(1) as executor, pytest.raises(ckptdoctor.UsageError, match="do not see"):
        ckptdoctor.scan(many, executor=executor)
