"""Lost bytes given back by the parity that safe_save wrote."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptdoctor.formats.source import FileSource, MemorySource
from ckptdoctor.guard import safe_save
from ckptdoctor.guard.saving.parity import ParityThread
from ckptdoctor.recovery.parity.form import Description, Parity, parity_path, read_parity
from ckptdoctor.recovery.parity.rebuilt import lost_blocks, rebuilt, widened
from ckptdoctor.recovery.repair.flip import Certainty
from ckptdoctor.recovery.repair.repair import repair_file
from tests.recovery.repair.damaged import Whole

SHARE = 0.01


@pytest.fixture
def saved(tmp_path: Path) -> Whole:
    return Whole(save_with_parity(tmp_path, 0))


def save_with_parity(folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    state = {"model_state_dict": {f"w{n}": torch.randn(9_000) for n in range(6)}, "epoch": seed}
    path = folder / "model.pth"
    safe_save(state, path, parity=SHARE)
    return path


def zeroed(data: bytes, at: int, size: int) -> bytes:
    return data[:at] + bytes(size) + data[at + size :]


def overwritten(data: bytes, at: int, size: int) -> bytes:
    return data[:at] + random.Random(at).randbytes(size) + data[at + size :]


def removed(data: bytes, at: int, size: int) -> bytes:
    return data[:at] + data[at + size :]


def cut(data: bytes, at: int, size: int) -> bytes:
    return data[: len(data) - size] if at else data[: len(data) - 1]


@pytest.mark.parametrize("damage", [zeroed, overwritten, removed, cut])
@pytest.mark.one_in(4)
def test_any_run_of_one_percent_is_given_back(
    saved: Whole, damage: Callable[[bytes, int, int], bytes]
) -> None:
    size = len(saved.data) // 100
    chance = random.Random(0)
    places = [
        0,
        1,
        len(saved.data) - size,
        *(chance.randrange(len(saved.data) - size) for _ in "12"),
    ]
    for at in places:
        saved.path.write_bytes(damage(saved.data, at, size))
        done = repair_file(saved.path, force=True)
        assert done.certainty is Certainty.PROVED, (at, done.refused)
        assert done.destination.read_bytes() == saved.data


def test_a_flipped_bit_is_named_and_proved(saved: Whole) -> None:
    data = bytearray(saved.data)
    data[len(data) // 2] ^= 4
    saved.path.write_bytes(data)
    done = repair_file(saved.path)
    (flip,) = done.flips
    assert (flip.byte, flip.bit) == (len(data) // 2, 2)
    assert done.certainty is Certainty.PROVED
    assert done.sha256 == saved.sha256


def test_more_than_that_is_refused(saved: Whole) -> None:
    size = len(saved.data) // 50
    saved.path.write_bytes(zeroed(saved.data, 50_000, size))
    done = repair_file(saved.path, accept_odds=True)
    assert not done.written
    assert "more is lost than" in done.refused[-1]


@pytest.mark.parametrize("other", [1, 2])
def test_the_parity_of_another_save_is_never_believed(tmp_path: Path, other: int) -> None:
    """As a kill between the two names leaves it: older, or newer."""
    old = Whole(save_with_parity(tmp_path, 0))
    parity = parity_path(old.path).read_bytes()
    new = Whole(save_with_parity(tmp_path, other))
    parity_path(new.path).write_bytes(parity)
    new.path.write_bytes(zeroed(new.data, 60_000, 1_000))
    done = repair_file(new.path)
    assert not done.written
    assert "another save" in done.refused[-1]


def test_another_save_that_differs_in_its_last_tensor_alone_is_told(tmp_path: Path) -> None:
    """What differs is one run, less than the parity gives back: the checksums tell."""
    state = {"w": torch.randn(60_000), "bias": torch.zeros(4)}
    path = tmp_path / "model.pth"
    safe_save(state, path, parity=0.05)
    parity = parity_path(path).read_bytes()
    safe_save({**state, "bias": torch.ones(4)}, path, parity=0.05)
    data = path.read_bytes()
    parity_path(path).write_bytes(parity)
    path.write_bytes(zeroed(data, len(data) // 2, 64))
    done = repair_file(path)
    assert not done.written
    assert "another save" in done.refused[-1]


@pytest.mark.parametrize("at", [0, 20, 300, 4_000, -1])
def test_a_parity_that_is_damaged_itself_is_not_used(saved: Whole, at: int) -> None:
    path = parity_path(saved.path)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    assert read_parity(path) is None
    path.write_bytes(data[: len(data) // 2])
    assert read_parity(path) is None
    saved.path.write_bytes(zeroed(saved.data, 50_000, 500))
    assert not repair_file(saved.path).written


def test_a_sector_that_the_disk_no_longer_gives_counts_as_lost(saved: Whole) -> None:
    parity = read_parity(parity_path(saved.path))
    assert parity is not None

    class Failing(MemorySource):
        def read(self, offset: int, nbytes: int) -> bytes:
            if offset < 70_000 < offset + nbytes:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return self.data[offset : offset + nbytes]

    source = Failing(saved.data)
    lost = lost_blocks(source, parity)
    view = rebuilt(source, parity, lost)
    assert len(lost) == 1
    assert view is not None
    start = lost[0] * parity.description.block_nbytes
    assert view.read(start, 100) == saved.data[start : start + 100]


def test_a_file_with_such_a_sector_is_repaired(
    saved: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = FileSource.read
    source = os.stat(saved.path).st_ino

    def failing(self: FileSource, offset: int, nbytes: int) -> bytes:
        first = self.file_offset + offset
        if first < 70_000 < first + nbytes and os.fstat(self.fd).st_ino == source:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(self, offset, nbytes)

    monkeypatch.setattr(FileSource, "read", failing)
    done = repair_file(saved.path)
    assert done.certainty is Certainty.PROVED
    assert done.destination.read_bytes() == saved.data


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_whatever_the_size_a_run_of_the_share_is_given_back(data: st.DataObject) -> None:
    nbytes = data.draw(st.integers(1, 30_000))
    share = data.draw(st.sampled_from([0.001, 0.01, 0.1, 0.5]))
    content = random.Random(nbytes).randbytes(nbytes)
    parity = parity_of(content, share)
    size = max(1, round(nbytes * share))
    at = data.draw(st.integers(0, nbytes - size))
    kind = data.draw(st.sampled_from([zeroed, removed]))
    source = widened(MemorySource(kind(content, at, size)), parity)
    view = rebuilt(source, parity, lost_blocks(source, parity))
    assert view is not None
    assert view.read(0, nbytes) == content
    assert view.read(at, 10) == content[at : at + 10]


def parity_of(content: bytes, share: float) -> Parity:
    fd = os.memfd_create("parity")
    try:
        os.write(fd, content)
        return ParityThread(fd, len(content), share).parity("digest")
    finally:
        os.close(fd)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    parity = parity_of(bytes(range(256)) * 50, 0.02)
    path = tmp_path / "x.parity"
    path.write_bytes(parity.packed("x"))
    assert read_parity(path) == parity


@pytest.mark.parametrize("nbytes", [1, 5_000, 10**6, 10**9, 10**12])
def test_it_takes_little_more_than_the_share(nbytes: int) -> None:
    what = Description.for_share(nbytes, 0.01)
    assert what.run_nbytes >= nbytes // 100
    assert what.file_nbytes < 0.011 * nbytes + 20_000
