"""What far files cost: requests and bytes, and what faults of a network come to."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import ckptdoctor
from ckptdoctor.finding import Verdict
from ckptdoctor.sources.far_file import _joined
from ckptdoctor.sources.fetching import PIECE_NBYTES, SEGMENT_NBYTES
from ckptdoctor.sources.mirror import mirror
from ckptdoctor.sources.s3 import Range
from tests.builders import patched, save
from tests.cli.support import run
from tests.sources.servers import Site, serving

MOST_NBYTES = 256_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip and a safetensors of 24 MB, with a hundred tensors of 240 kB."""
    from safetensors.torch import save_file

    root = tmp_path_factory.mktemp("large")
    state = {f"l{at}.weight": torch.rand(60_000) for at in range(100)}
    save(root / "large.pth", {"model": state, "epoch": 4})
    save_file(state, root / "large.safetensors")
    return root


@pytest.fixture
def store(large: Path) -> Iterator[Site]:
    pytest.importorskip("aiohttp")
    with serving(large) as running:
        yield running


@pytest.mark.parametrize("name", ["large.pth", "large.safetensors"])
def test_three_requests_describe_a_file(store: Site, name: str) -> None:
    found = ckptdoctor.open_checkpoint(f"{store.url}/{name}")
    assert len(found.tensors) == 100
    assert len(store.asked) <= 3
    assert store.sent <= MOST_NBYTES


@pytest.mark.parametrize("name", ["large.pth", "large.safetensors"])
def test_headers_are_looked_at_for_as_little_twice(store: Site, name: str) -> None:
    """For which checkpoint the file is one, and for what is in it."""
    found = ckptdoctor.inspect(f"{store.url}/{name}", headers=True)
    assert len(found) == 100
    assert found.told_verdict is None
    assert "not examined" in repr(found)
    assert store.sent <= 2 * MOST_NBYTES


def test_no_thread_that_fetches_stays(store: Site) -> None:
    before = threading.enumerate()  # some are of fixtures that stay for the session
    ckptdoctor.scan(f"{store.url}/large.pth")
    made = [one for one in threading.enumerate() if one not in before]
    left = [one for one in made if one.name.startswith("ckptdoctor")]
    for one in left:  # told to end, and at most on their way out
        one.join(timeout=10)
    assert not any(one.is_alive() for one in left)


@pytest.mark.parametrize("name", ["large.pth", "large.safetensors"])
def test_a_scan_reads_each_byte_about_once_in_ranges(
    store: Site, large: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ckptdoctor.sources.far_file.WHOLE_NBYTES", 0)
    nbytes = (large / name).stat().st_size
    found = ckptdoctor.scan(f"{store.url}/{name}")
    assert found.checkpoints[0].verdict.value == "healthy"
    assert nbytes <= store.sent <= 1.05 * nbytes + MOST_NBYTES
    assert len(store.asked) <= 4 + nbytes / SEGMENT_NBYTES + 4


@pytest.mark.parametrize("piece", [PIECE_NBYTES, 5_000_000, 32 << 20])
def test_a_file_that_is_not_large_is_asked_for_once_from_end_to_end(
    store: Site, large: Path, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one request, or in as few pieces as there must be; and for nothing else."""
    monkeypatch.setattr("ckptdoctor.sources.far_file.PIECE_NBYTES", piece)
    here = ckptdoctor.scan(large)
    there = ckptdoctor.scan(f"{store.url}/")
    assert [one.verdict for one in there.checkpoints] == [one.verdict for one in here.checkpoints]
    for path in sorted(large.iterdir()):
        got = sorted(
            tuple(map(int, re.findall(r"\d+", asked)))
            for kind, of, asked in store.asked
            if (kind, of) == ("GET", f"/{path.name}")
        )
        nbytes = path.stat().st_size
        assert len(got) == -(-nbytes // piece)
        assert [got[0][0], *(end + 1 for _, end in got)] == [*(at for at, _ in got), nbytes]
    heads = [path for kind, path, _ in store.asked if kind == "HEAD"]
    assert len(heads) == len(set(heads)), "each answer tells its version: nobody asks afterwards"


@pytest.mark.slow
def test_headers_that_were_believed_are_held_against_the_file(tmp_path: Path, large: Path) -> None:
    pytest.importorskip("aiohttp")
    data = (large / "large.pth").read_bytes()
    at = data.index(b"large/data/50")  # in its local header; the directory stands at the end
    liar = tmp_path / "large.pth"
    liar.write_bytes(data)
    patched(liar, at, b"large/data/5X")
    here = ckptdoctor.scan(liar).checkpoints[0]
    with serving(tmp_path) as site:
        there = ckptdoctor.scan(f"{site.url}/large.pth").checkpoints[0]
    assert [one.code for one in here.findings] == ["CD104"]
    assert [one.message for one in there.findings] == [one.message for one in here.findings]


def test_a_short_while_of_trouble_is_waited_out(site: Site) -> None:
    site.busy, site.breaks = 2, 2
    found = ckptdoctor.scan(f"{site.url}/run/unet_epoch_0.pth")
    assert found.checkpoints[0].verdict.value == "healthy"


def test_what_stays_unreadable_is_a_finding_of_that_file(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ckptdoctor.sources.store import Store

    whole = Store.read

    def refuses(self: Store, path: str, start: int, end: int) -> Range:
        if path.endswith("_1.pth"):
            raise OSError(5, "the server answers 503 (5 attempts)")
        return whole(self, path, start, end)

    monkeypatch.setattr(Store, "read", refuses)
    found = ckptdoctor.scan(f"{site.url}/run/")
    told = {one.path.name: one for one in found.checkpoints}
    assert told["unet_epoch_0.pth"].verdict.value == "healthy"
    (finding,) = told["unet_epoch_1.pth"].findings
    assert finding.code == "CD108"
    assert finding.message == "cannot be read: the server answers 503 (5 attempts)"


def test_a_server_that_leads_round_in_circles_is_asked_once(site: Site) -> None:
    site.leads_to = "/run/unet_epoch_0.pth"
    with pytest.raises(OSError, match="unet_epoch_0"):
        ckptdoctor.open_checkpoint(f"{site.url}/run/unet_epoch_0.pth")
    rounds = 11  # as often as aiohttp goes on
    assert len(site.asked) <= 3 * rounds, len(site.asked)


def test_a_server_that_hangs_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ckptdoctor.sources.web._SILENT_S", 0.1)
    monkeypatch.setattr("ckptdoctor.sources.store._PATIENCE_S", 0.0)
    site.held = "/run/unet_epoch_0.pth"
    found = ckptdoctor.scan(f"{site.url}/run/unet_epoch_0.pth")
    assert [one.code for one in found.checkpoints[0].findings] == ["CD108"]
    assert len(site.asked) <= 20, "asked on and on"


def test_a_server_that_never_ends_fills_no_disk(site: Site, tmp_path: Path) -> None:
    from ckptdoctor.sources.far_path import far_path
    from ckptdoctor.sources.store import Store

    path = far_path(f"{site.url}/run/unet_epoch_0.pth")
    mount = mirror.of(os.fspath(path))
    assert mount is not None
    into = tmp_path / "copy"
    Store.download(mount[0].store, mount[0].at(mount[1]), str(into), 1000)
    assert into.stat().st_size == 1001, "one byte more than was told is enough to refuse it"


def test_the_attempts_come_to_an_end(site: Site) -> None:
    ckptdoctor.open_checkpoint(f"{site.url}/run/unet_epoch_0.pth")
    site.busy = 10_000
    before = len(site.asked)
    with pytest.raises(OSError, match="503"):
        ckptdoctor.open_checkpoint(f"{site.url}/run/unet_epoch_0.pth")
    assert 5 <= len(site.asked) - before <= 20


def test_a_file_that_changes_while_it_is_read_is_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ckptdoctor.sources.store import Store

    whole = Store.read

    def meanwhile(self: Store, path: str, start: int, end: int) -> Range:
        site.etag = '"another"'
        return whole(self, path, start, end)

    monkeypatch.setattr(Store, "read", meanwhile)
    found = ckptdoctor.scan(f"{site.url}/run/unet_epoch_0.pth")
    assert [one.code for one in found.checkpoints[0].findings] == ["CD109"]


def test_a_server_without_ranges_gives_files_whole(site: Site, run_folder: Path) -> None:
    site.has_ranges = False
    found = ckptdoctor.scan(f"{site.url}/run/")
    here = ckptdoctor.scan(run_folder)
    assert [one.verdict for one in found.checkpoints] == [one.verdict for one in here.checkpoints]


def test_a_server_that_sends_less_than_it_tells(site: Site) -> None:
    site.has_ranges, site.sends = False, 1000
    found = ckptdoctor.scan(f"{site.url}/run/unet_epoch_0.pth")
    (finding,) = found.checkpoints[0].findings
    assert finding.code == "CD108"


def test_a_server_that_answers_another_range_is_not_believed(
    site: Site, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells so itself: what it sends would be read as other weights."""
    monkeypatch.setattr("ckptdoctor.sources.far_file.WHOLE_NBYTES", 0)
    site.root, site.slips = large, 4096
    report = ckptdoctor.scan(f"{site.url}/large.safetensors")
    (one,) = report.checkpoints
    assert one.verdict is Verdict.UNREADABLE
    assert "CD108" in {finding.code for finding in one.findings}


def test_a_history_fetches_no_tensor(store: Site) -> None:
    outcome = run("history", f"{store.url}/large.pth", "--format", "json")
    assert outcome.code in (0, 3)
    assert store.sent <= 2 * MOST_NBYTES, store.asked


def test_ranges_are_joined_and_cut() -> None:
    near = [(0, 10), (20, 10), (5_000_000, 30 << 20)]
    found = _joined(near, 1 << 30)
    assert found[0] == (0, 30, 20)
    assert sum(expected for *_, expected in found) == 20 + (30 << 20)
    assert all(end - start <= SEGMENT_NBYTES for start, end, _ in found)
