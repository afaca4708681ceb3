"""A flipped bit is put right in a new file; what may be something else is refused."""

from __future__ import annotations

import json
import math
import os
import random
import stat
from pathlib import Path

import pytest
import torch

from ckptdoctor import Certainty, Flip, FlipIn, RestoreError, UsageError
from ckptdoctor.recovery.repair.repair import repair_file, repaired_name
from ckptdoctor.scanning.flipped import Part
from tests.builders import central_entries, load, safetensors_file, save
from tests.recovery.repair.damaged import Whole, flipped, whole


@pytest.fixture
def one(tmp_path: Path) -> Whole:
    return whole(tmp_path)


@pytest.fixture
def large(tmp_path: Path) -> Whole:
    """More than the checksum alone decides of."""
    torch.manual_seed(0)
    return whole(tmp_path, {"weight": torch.randn(40_000) * 0.02}, "large.pth")


@pytest.mark.slow
def test_wherever_the_bit_is_the_file_is_again_what_it_was(one: Whole) -> None:
    chance = random.Random(0)
    for at in [*range(0, 60, 7), *chance.sample(range(len(one.data)), 60)]:
        path = flipped(one, [(at, chance.randrange(8))])
        before = path.read_bytes()
        done = repair_file(path, force=True)
        assert done.written, (at, done.refused)
        assert repaired_name(path).read_bytes() == one.data, at
        assert path.read_bytes() == before


def test_every_record_is_put_right(one: Whole) -> None:
    for record in ("data.pkl", "version", "byteorder", ".data/serialization_id", "data/0"):
        start, nbytes = one.span(record)
        path = flipped(one, [(start + nbytes - 1, 1)])
        (flip,) = repair_file(path, force=True).flips
        assert (flip.place, flip.record) == (FlipIn.DATA, f"model/{record}")
        assert repaired_name(path).read_bytes() == one.data


def test_it_says_which_element_it_is_and_what_it_was(one: Whole) -> None:
    path = flipped(one, [(one.element("data/0", 83) + 3, 6)])
    done = repair_file(path)
    (flip,) = done.flips
    was = load(one.path)["model_state_dict"]["weight"][2, 3].item()
    now = load(path)["model_state_dict"]["weight"][2, 3].item()
    assert flip == Flip(
        byte=one.element("data/0", 83) + 3,
        bit=6,
        place=FlipIn.DATA,
        record="model/data/0",
        tensor="model_state_dict.weight",
        index=(2, 3),
        dtype="float32",
        part=Part.EXPONENT,
        old=now,
        new=was,
    )
    assert done.certainty is Certainty.DECIDED
    assert done.odds < 1e-7


def test_a_nan_gets_its_bits_back(one: Whole) -> None:
    """The largest exponent of all, by one bit: 1.x becomes NaN or Inf."""
    state = {"weight": torch.full((64,), 1.25)}
    other = whole(one.path.parent, state, "ones.pth")
    path = flipped(other, [(other.element("data/0", 5) + 3, 6)])
    assert math.isnan(load(path)["weight"][5])
    (flip,) = repair_file(path).flips
    assert flip.new == 1.25
    assert flip.old is not None
    assert math.isnan(flip.old)
    assert repaired_name(path).read_bytes() == other.data


def test_a_mantissa_of_a_large_record_is_not_decided_by_its_checksum(large: Whole) -> None:
    path = flipped(large, [(large.element("data/0", 12_345), 4)])
    large.path.unlink()  # it would bear witness
    done = repair_file(path)
    assert not done.written
    assert done.certainty is Certainty.LIKELY
    assert done.odds == pytest.approx(8 * 160_000 / 2**32, rel=0.01)
    assert any("--accept-odds" in line for line in done.refused)
    assert not repaired_name(path).exists()
    assert repair_file(path, accept_odds=True).sha256 == large.sha256


def test_a_sha256_decides(large: Whole) -> None:
    path = flipped(large, [(large.element("data/0", 12_345), 4)])
    done = repair_file(path, sha256=large.sha256.upper())
    assert done.certainty is Certainty.PROVED
    assert done.sha256 == large.sha256
    assert done.odds == 0.0


def test_a_sha256_of_something_else_refuses_what_would_be_decided(one: Whole) -> None:
    path = flipped(one, [(one.element("data/0", 83) + 3, 6)])
    done = repair_file(path, sha256="0" * 64, accept_odds=True)
    assert not done.written
    assert any("SHA-256" in line for line in done.refused)


def test_what_is_no_sha256_is_said(one: Whole) -> None:
    with pytest.raises(UsageError, match="64 hexadecimal digits"):
        repair_file(one.path, sha256="abc")


def test_an_exponent_of_a_large_record_is_decided_by_the_other_elements(large: Whole) -> None:
    for bit in (3, 4, 5, 6):
        path = flipped(large, [(large.element("data/0", 12_345) + 3, bit)])
        done = repair_file(path, force=True)
        assert done.certainty is Certainty.DECIDED, (bit, done)
        assert done.sha256 == large.sha256


def test_a_flipped_checksum_is_told_from_flipped_data(one: Whole) -> None:
    entry = central_entries(one.data)["model/data/0"]
    start, nbytes = one.span("data/0")
    for at in (entry + 16 + 1, start + nbytes + 4 + 2):  # in the directory, in the descriptor
        path = flipped(one, [(at, 3)])
        (flip,) = repair_file(path, force=True).flips
        assert (flip.place, flip.byte, flip.bit) == (FlipIn.CHECKSUM, at, 3)
        assert repaired_name(path).read_bytes() == one.data


def test_a_checksum_that_was_hit_before_it_was_written_is_put_right_in_both_places(
    one: Whole,
) -> None:
    entry = central_entries(one.data)["model/data/0"]
    start, nbytes = one.span("data/0")
    path = flipped(one, [(entry + 17, 3), (start + nbytes + 5, 3)])
    done = repair_file(path)
    assert {flip.place for flip in done.flips} == {FlipIn.CHECKSUM}
    assert any("id of the archive" in witness for witness in done.witnesses)
    assert repaired_name(path).read_bytes() == one.data


# -- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [2, 3, 5, 17])
def test_several_bits_are_refused(one: Whole, bits: int) -> None:
    chance = random.Random(bits)
    start, nbytes = one.span("data/0")
    for _ in range(5):
        places = [(start + chance.randrange(nbytes), chance.randrange(8)) for _ in range(bits)]
        done = repair_file(flipped(one, set(places)))
        assert not done.written
        assert "more than one bit is wrong" in done.refused[0]


def test_one_bit_in_each_of_two_records_is_refused_unless_a_sha256_decides(one: Whole) -> None:
    bits = [(one.element("data/0", 3) + 3, 6), (one.span("version")[0], 0)]
    path = flipped(one, bits)
    done = repair_file(path, accept_odds=True)
    assert not done.written
    assert len(done.flips) == 2
    assert any("2 records are damaged at once" in line for line in done.refused)
    assert repair_file(path, sha256=one.sha256).sha256 == one.sha256


def test_a_page_of_zeros_is_refused_even_where_one_bit_would_do(tmp_path: Path) -> None:
    """The zeros were saved, so that one bit is in fact all that is wrong: it cannot be known."""
    weight = torch.randn(4096) * 0.02
    probe = whole(tmp_path, {"weight": weight}, "probe.pth")
    first = -probe.span("data/0")[0] % 512 // 4
    weight[first + 128 : first + 128 * 3] = 0.0
    one = whole(tmp_path, {"weight": weight}, "probe.pth")
    path = flipped(one, [(one.element("data/0", 0), 3)])
    done = repair_file(path, accept_odds=True)
    assert not done.written
    assert any("as a lost page leaves them" in line for line in done.refused)
    assert repair_file(path, sha256=one.sha256).written


def test_zeros_that_are_all_of_a_tensor_are_no_lost_page(tmp_path: Path) -> None:
    one = whole(tmp_path, {"bias": torch.zeros(1024), "weight": torch.ones(9)})
    path = flipped(one, [(one.element("data/0", 17) + 2, 1)])
    assert repair_file(path).sha256 == one.sha256


def test_a_record_with_other_nans_is_refused(tmp_path: Path) -> None:
    weight = torch.randn(512)
    weight[7] = float("nan")
    one = whole(tmp_path, {"weight": weight})
    path = flipped(one, [(one.element("data/0", 90), 2)])
    done = repair_file(path, accept_odds=True)
    assert not done.written
    assert any("1 other elements of the record are NaN" in line for line in done.refused)


def test_a_file_that_is_sound_is_not_written_again(one: Whole) -> None:
    done = repair_file(one.path)
    assert done.sound
    assert not done.written
    assert not repaired_name(one.path).exists()


def test_a_sound_file_that_is_another_is_told(one: Whole) -> None:
    assert "it is another file" in repair_file(one.path, sha256="0" * 64).refused[0]


def test_without_checksums_it_is_said_that_nothing_can_be_done(tmp_path: Path) -> None:
    state = {"weight": torch.ones(3)}
    legacy = save(tmp_path / "old.pth", state, _use_new_zipfile_serialization=False)
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    plain = safetensors_file(tmp_path / "w.safetensors", header, bytes(4))
    for path, says in ((legacy, "torch's format before 1.6"), (plain, "safetensors")):
        done = repair_file(path)
        assert done.refused[0].startswith(f"{path}: {says} stores no checksum")
    torch.serialization.set_crc32_options(compute_crc32=False)
    try:
        unchecked = save(tmp_path / "unchecked.pth", state)
    finally:
        torch.serialization.set_crc32_options(compute_crc32=True)
    assert "store no checksum" in repair_file(unchecked).refused[0]


def test_a_cut_file_is_refused(one: Whole) -> None:
    path = one.path.with_name("cut.pth")
    path.write_bytes(one.data[:-200])
    assert "it is cut" in repair_file(path).refused[0]


# -- what is written -----------------------------------------------------------------------------


def test_nothing_is_replaced_unless_forced(one: Whole) -> None:
    path = flipped(one, [(one.element("data/0", 3) + 3, 6)])
    repaired_name(path).write_text("mine")
    with pytest.raises(RestoreError, match="exists and is not overwritten"):
        repair_file(path)
    with pytest.raises(RestoreError, match="is the source itself"):
        repair_file(path, path, force=True)
    assert repaired_name(path).read_text() == "mine"
    assert repair_file(path, force=True).sha256 == one.sha256


def test_a_dry_run_writes_nothing(one: Whole) -> None:
    path = flipped(one, [(one.element("data/0", 3) + 3, 6)])
    before = sorted(os.listdir(path.parent))
    done = repair_file(path, dry_run=True)
    assert done.flips
    assert not done.written
    assert sorted(os.listdir(path.parent)) == before


def test_the_manifest_says_what_was_put_right(one: Whole) -> None:
    path = flipped(one, [(one.element("data/0", 83) + 3, 6)])
    path.chmod(0o640)
    done = repair_file(path)
    assert done.manifest is not None
    manifest = json.loads(done.manifest.read_text())
    assert manifest["file"]["sha256"] == one.sha256
    repair, flip = manifest["actions"]
    assert (repair["name"], repair["certainty"]) == ("repair", "decided")
    assert (flip["byte"], flip["bit"]) == (one.element("data/0", 83) + 3, 6)
    assert (flip["tensor"], flip["index"]) == ("model_state_dict.weight", [2, 3])
    assert flip["new"] == pytest.approx(load(one.path)["model_state_dict"]["weight"][2, 3].item())
    assert stat.S_IMODE(done.destination.stat().st_mode) == 0o640


def test_a_file_that_runs_code_is_not_copied(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("true",)

    one = whole(tmp_path, {"weight": torch.randn(64), "x": Evil()})
    path = flipped(one, [(one.element("data/0", 3) + 3, 6)])
    with pytest.raises(RestoreError, match="runs code"):
        repair_file(path)
    assert not repaired_name(path).exists()
