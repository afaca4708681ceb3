"""A flipped bit of a compressed record: TorchScript's code, and what ``zipfile`` deflated."""

from __future__ import annotations

import random
import struct
import warnings
import zipfile
from pathlib import Path

import pytest
import torch

from ckptdoctor import Certainty, Flip, FlipIn
from ckptdoctor.diagnose import examine
from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.formats.zip.packed_bit import tried_nbytes
from ckptdoctor.recovery.repair import suspicion
from ckptdoctor.recovery.repair.repair import repair_file, repaired_name
from ckptdoctor.rules.rescue import repair_command
from tests.builders import central_entries, rezip
from tests.recovery.repair.damaged import Whole, flipped, whole


class Net(torch.nn.Module):
    """What has code of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(6, 6)
        self.norm = torch.nn.BatchNorm1d(6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A layer and its norm."""
        return torch.relu(self.norm(self.first(x)))


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    path = tmp_path_factory.mktemp("script") / "net.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls it deprecated; its files are there
        torch.jit.save(torch.jit.script(Net()), str(path))
    return Whole(path)


@pytest.fixture
def deflated(tmp_path: Path) -> Whole:
    """All records are compressed, the weights and the pickle too."""
    state = {"weight": torch.arange(400) // 7, "epoch": 88}
    stored = whole(tmp_path, state, "model.pth")
    return Whole(rezip(stored.path, tmp_path / "packed.pth", method=zipfile.ZIP_DEFLATED))


def packed_span(one: Whole, name: str) -> tuple[int, int]:
    """Where a record lies in the archive."""
    with zipfile.ZipFile(one.path) as archive:
        info = archive.getinfo(name)
    assert info.compress_type == zipfile.ZIP_DEFLATED
    names = struct.unpack_from("<HH", one.data, info.header_offset + 26)
    return info.header_offset + 30 + sum(names), info.compress_size


def compressed(one: Whole) -> list[str]:
    """The names of the compressed records."""
    with zipfile.ZipFile(one.path) as archive:
        return [i.filename for i in archive.infolist() if i.compress_type == zipfile.ZIP_DEFLATED]


def test_code_of_torchscript_is_put_right(script: Whole) -> None:
    chance = random.Random(0)
    for name in compressed(script):
        start, nbytes = packed_span(script, name)
        at, bit = start + chance.randrange(nbytes - 2), chance.randrange(8)
        path = flipped(script, [(at, bit)], "damaged.pt")
        done = repair_file(path, force=True)
        assert done.flips == (Flip(byte=at, bit=bit, place=FlipIn.DATA, record=name),)
        assert done.certainty is Certainty.DECIDED
        assert done.odds == pytest.approx((8 * nbytes + 32) / 2**32)
        assert repaired_name(path).read_bytes() == script.data


@pytest.mark.parametrize("record", ["data.pkl", "data/0", "version"])
def test_whatever_is_deflated_is_put_right(deflated: Whole, record: str) -> None:
    start, nbytes = packed_span(deflated, f"model/{record}")
    path = flipped(deflated, [(start + nbytes // 2, 1)])
    assert repair_file(path).sha256 == deflated.sha256


def test_a_checksum_that_was_hit_is_told_from_the_data(deflated: Whole) -> None:
    entry = central_entries(deflated.data)["model/data/0"]
    with zipfile.ZipFile(deflated.path) as archive:
        header = archive.getinfo("model/data/0").header_offset
    both = [(entry + 17, 3), (header + 15, 3)]  # as where it was hit before it was written
    for bits in (both[:1], both[1:], both):
        path = flipped(deflated, bits)
        done = repair_file(path, force=True)
        assert {flip.place for flip in done.flips} == {FlipIn.CHECKSUM}
        assert repaired_name(path).read_bytes() == deflated.data


def test_a_scan_says_which_bit_it_is_and_what_puts_it_right(script: Whole) -> None:
    name = next(one for one in compressed(script) if one.endswith("batchnorm.py.debug_pkl"))
    start, nbytes = packed_span(script, name)
    codes = set()
    for at in range(start + 12, start + nbytes - 12, nbytes // 6):
        path = flipped(script, [(at, 3)], "damaged.pt")
        (report,) = examine([path]).checkpoints
        (finding,) = [one for one in report.findings if one.severity is Severity.ERROR]
        codes.add(finding.code)
        assert (finding.evidence["flipped_byte"], finding.evidence["flipped_bit"]) == (at, 3)
        assert finding.remedy.endswith(f"ckptdoctor repair {path}")
        assert repair_command(path, report.findings, decided=True)
    assert codes == {"CD103", "CD104"}  # it inflates to something else, or not at all


def test_a_record_that_cannot_be_inflated_at_all_has_the_command_too(script: Whole) -> None:
    """Code is read by a scan, so that the file is unreadable where it does not inflate."""
    name = next(one for one in compressed(script) if one.endswith(".py"))
    start, _ = packed_span(script, name)
    for bit in range(8):
        path = flipped(script, [(start + 20, bit)], "damaged.pt")
        (report,) = examine([path]).checkpoints
        if report.verdict is Verdict.UNREADABLE:
            break
    assert repair_command(path, report.findings) == f"ckptdoctor repair {path}"


def test_several_bits_are_refused(script: Whole) -> None:
    chance = random.Random(0)
    for name in compressed(script):
        start, nbytes = packed_span(script, name)
        for many in (2, 3, 17):
            numbers = chance.sample(range(8 * (nbytes - 2)), many)
            bits = [(start + number // 8, number % 8) for number in numbers]
            done = repair_file(flipped(script, bits, "damaged.pt"), dry_run=True, force=True)
            assert not done.written
            assert "more than one bit is wrong" in done.refused[0]


@pytest.mark.slow
def test_two_bits_that_give_the_same_contents_are_told_and_a_sha256_decides(tmp_path: Path) -> None:
    """A copy of what stands in several places may come from either."""
    state = {"weight": torch.tensor([1, 2, 3, 4] * 50), "epoch": 88}
    stored = whole(tmp_path, state, "model.pth")
    one = Whole(rezip(stored.path, tmp_path / "packed.pth", method=zipfile.ZIP_DEFLATED))
    start, nbytes = packed_span(one, "model/data/0")
    for number in range(8 * nbytes):
        path = flipped(one, [(start + number // 8, number % 8)])
        done = repair_file(path, dry_run=True)
        if done.refused:
            break
    assert "single bits would make it fit" in done.refused[0]
    told = f"bit {number % 8} of byte {start + number // 8}, in model/data/0"
    assert any(told in line for line in done.refused)
    assert repair_file(path, sha256=one.sha256).sha256 == one.sha256


def test_what_is_too_large_to_try_is_said(deflated: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    start, nbytes = packed_span(deflated, "model/data/0")
    path = flipped(deflated, [(start + nbytes // 2, 1)])
    most = tried_nbytes(nbytes, 3200)
    monkeypatch.setattr(suspicion, "MOST_TRIED_NBYTES", most - 1)
    (says, *_) = repair_file(path).refused
    assert f"'model/data/0' is compressed, and {8 * nbytes:,} bits are too many" in says
    monkeypatch.setattr(suspicion, "MOST_TRIED_NBYTES", most)
    with monkeypatch.context() as hurried:  # bytes may be made so that they take much longer
        hurried.setattr("ckptdoctor.formats.zip.packed_bit.MOST_S", -1.0)
        (says, *_) = repair_file(path).refused
        assert "are too many to try each of them" in says
    assert "flipped_bit" in str(examine([path]).checkpoints[0].findings)
    with monkeypatch.context() as hurried:
        hurried.setattr("ckptdoctor.formats.zip.packed_bit._BESIDE_S", -1.0)
        assert "flipped_bit" not in str(examine([path]).checkpoints[0].findings)
    assert repair_file(path).written
