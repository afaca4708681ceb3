"""Archives written anew from either side: which bit of a header is wrong."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zipfile
from pathlib import Path

import pytest
import torch

from ckptdoctor.formats.source import MemorySource
from ckptdoctor.formats.zip.skeleton import skeletons
from ckptdoctor.formats.zip.writer import write_torch_zip
from ckptdoctor.recovery.repair.sums import with_bits
from tests.builders import rezip, save


@pytest.fixture(scope="module")
def of_torch(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("torch") / "model.pth"
    return save(path, {"a": torch.arange(40.0), "b": torch.ones(3), "epoch": 3}).read_bytes()


def differing(data: bytes) -> list[tuple[tuple[int, int], ...]]:
    return [one.differing for one in skeletons(MemorySource(data))]


def outside(data: bytes) -> list[int]:
    """The bytes beside the records."""
    inside: set[int] = set()
    for bone in next(skeletons(MemorySource(data))).bones:
        inside.update(range(bone.offset, bone.offset + bone.stored_nbytes))
    return [at for at in range(len(data)) if at not in inside]


def test_what_torch_writes_is_as_it_should_be(of_torch: bytes) -> None:
    assert differing(of_torch) == [(), ()]


def test_what_we_write_is_as_it_should_be() -> None:
    out = io.BytesIO()
    write_torch_zip(out, b"\x80\x02N.", {"0": (400, [bytes(400)]), "1": (7, [b"1234567"])})
    assert () in differing(out.getvalue())


def test_every_bit_of_a_header_is_found(of_torch: bytes) -> None:
    chance = random.Random(0)
    places = outside(of_torch)
    for at in chance.sample(places, 400):
        mask = 1 << chance.randrange(8)
        data = bytearray(of_torch)
        data[at] ^= mask
        assert ((at, mask),) in differing(bytes(data)), (at, mask)


def test_two_bits_of_headers_are_never_taken_for_one(of_torch: bytes) -> None:
    chance = random.Random(1)
    places = outside(of_torch)
    for _ in range(200):
        one, other = chance.sample(places, 2)
        data = bytearray(of_torch)
        data[one] ^= 1 << chance.randrange(8)
        data[other] ^= 1 << chance.randrange(8)
        if {one, other} & _padding(of_torch):
            continue  # more than one wrong byte there, which nobody reads, is taken as it is
        for found in differing(bytes(data)):
            assert len(found) != 1 or found[0][1].bit_count() != 1, (one, other, found)


def _padding(data: bytes) -> set[int]:
    return {
        at for at in range(len(data)) if data[at : at + 1] == b"Z" or data[at : at + 2] == b"FB"
    }


def test_where_header_and_directory_alone_tell_a_time_either_may_be_right() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for minute in range(4):
            info = zipfile.ZipInfo(f"model/{minute}", (2024, 1, 1, 10, minute, 0))
            archive.writestr(info, b"weights")
    data = bytearray(out.getvalue())
    assert differing(bytes(data)) == [(), ()]
    in_header, in_directory = 10, data.index(b"PK\x01\x02") + 12
    data[in_header] ^= 1  # two seconds
    assert differing(bytes(data)) == [((in_header, 1),), ((in_directory, 1),)]


def test_records_that_were_found_are_not_searched_for_again(of_torch: bytes) -> None:
    data = bytearray(of_torch)
    data[data.index(b"PK\x01\x02") + 28] ^= 64  # the directory is no directory any more
    found = differing(bytes(data))
    assert [len(one) for one in found if len(one) <= 1] == [1]
    assert len(found) == len([*skeletons(MemorySource(bytes(data)))]) <= 2


def test_an_archive_of_another_writer_has_no_single_wrong_bit(
    tmp_path: Path, of_torch: bytes
) -> None:
    (tmp_path / "model.pth").write_bytes(of_torch)
    path = rezip(tmp_path / "model.pth", tmp_path / "again.pth", method=zipfile.ZIP_DEFLATED)
    assert all(len(found) != 1 for found in differing(path.read_bytes()))


def test_of_torchscript_every_bit_of_a_header_is_found_though_some_is_compressed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "script.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that it is old
        torch.jit.save(torch.jit.script(torch.nn.Linear(3, 2)), path)
    data = path.read_bytes()
    assert differing(data) == [(), ()]
    chance = random.Random(2)
    for at in chance.sample(outside(data), 200):
        mask = 1 << chance.randrange(8)
        new = bytearray(data)
        new[at] ^= mask
        assert ((at, mask),) in differing(bytes(new)), (at, mask)


def test_attributes_of_packed_files_are_their_own(of_torch: bytes) -> None:
    """A text among binaries, one file that may be run, two seconds later: nothing is wrong."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(of_torch)) as old,
        zipfile.ZipFile(packed, "w") as new,
    ):
        for at, name in enumerate(old.namelist()):
            info = zipfile.ZipInfo(name, (2024, 1, 1, 10, 0, 4 if at < 3 else 6))
            info.internal_attr = name.endswith("version")
            info.external_attr = (0o100644 | (at == 2)) << 16
            new.writestr(info, old.read(name))
    assert differing(packed.getvalue()) == [(), ()]


def test_of_two_bytes_of_padding_the_one_like_all_others_is_right(tmp_path: Path) -> None:
    state = {str(at): torch.arange(64.0) for at in range(12)}  # 6 bytes between header and data
    data = save(tmp_path / "plain.pth", state).read_bytes()
    short = data.index(b"FB\x02\x00ZZ") + 4
    for at in (short, short + 1):
        new = bytearray(data)
        new[at] ^= 128
        assert set(differing(bytes(new))) == {((at, 128),)}


class Hole:
    """A source with zeros in its middle that take no memory."""

    file_offset = None

    def __init__(self, before: bytes, zeros: int, behind: bytes) -> None:
        self._parts = before, behind
        self._behind = len(before) + zeros
        self.nbytes = self._behind + len(behind)

    def read(self, offset: int, nbytes: int) -> bytes:
        """Up to ``nbytes`` from ``offset``."""
        end = min(offset + nbytes, self.nbytes)
        before, behind = self._parts
        first = before[offset:end]
        last = behind[max(0, offset - self._behind) : max(0, end - self._behind)]
        return first + bytes(max(0, end - offset - len(first) - len(last))) + last


def beyond_4_gb(zeros: int) -> Hole:
    """What torch 2.13 writes, byte by byte, of a storage of so many zeros between two small ones.

    Source: ``torch.save`` of a storage of 4 GB and 1 MB.
    """
    before, central, count = b"", b"", 0
    behind = b""
    for name, size in ((b"m/data/0", 40), (b"m/data/1", zeros), (b"m/data/2", 40)):
        at = len(before) + len(behind) + (zeros if behind else 0)
        wide = [size, size] if size > 0xFFFFFFFE else []
        wide += [at] if at > 0xFFFFFFFE else []
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        fill = -(at + 30 + len(name) + len(extra) + 4) % 64
        padding = extra + b"FB" + struct.pack("<H", fill) + b"Z" * fill
        fixed = struct.pack("<4s5H3I", b"PK\x03\x04", 0, 2056, 0, 0, 0, 0, 0, 0)
        header = fixed + struct.pack("<HH", len(name), len(padding)) + name + padding
        form = "<4sIQQ" if wide else "<4sIII"
        descriptor = struct.pack(form, b"PK\x07\x08", 7, size, size)
        if size == zeros:
            before, behind = before + header, descriptor
        elif behind:
            behind += header + bytes(size) + descriptor
        else:
            before += header + bytes(size) + descriptor
        narrow = [min(size, 0xFFFFFFFF)] * 2
        central += struct.pack("<4s6H3I", b"PK\x01\x02", 0, 0, 2056, 0, 0, 0, 7, *narrow)
        central += struct.pack("<5HI", len(name), len(extra), 0, 0, 0, 0)
        central += struct.pack("<I", min(at, 0xFFFFFFFF)) + name + extra
        count += 1
    start = len(before) + zeros + len(behind)
    end = start + len(central)
    ends = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 798, 45, 0, 0, 3, 3, len(central), start)
    ends += struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    narrow = [len(central), min(start, 0xFFFFFFFF)]
    ends += struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, *narrow, 0)
    return Hole(before, zeros, behind + central + ends)


@pytest.mark.parametrize("zeros", [3 << 30, (4 << 30) + (1 << 20)])
def test_bits_of_headers_are_found_beyond_2_and_4_gb(zeros: int) -> None:
    source = beyond_4_gb(zeros)
    assert [one.differing for one in skeletons(source)] == [(), ()]
    bones = next(skeletons(source)).bones
    places = [at for bone in bones for at in range(bone.header, bone.header + 40)]
    places += range(bones[-1].header, bones[-1].offset)
    places += [at for bone in bones for at in range(bone.offset + bone.nbytes, bone.end)]
    assert_found(source, random.Random(3).sample(places, 25))


def test_bits_of_the_sizes_beside_a_name_are_found_beyond_4_gb() -> None:
    source = beyond_4_gb((4 << 30) + (1 << 20))
    _, large, behind = next(skeletons(source)).bones
    for bone, nbytes in ((large, 20), (behind, 12)):
        start = bone.header + 30 + len(bone.name)
        assert_found(source, [start, start + 2, *range(start + 4, start + nbytes, 3)])


@pytest.mark.slow  # without the directory descriptors are looked for in all of it
def test_bits_of_the_directory_are_found_beyond_4_gb() -> None:
    source = beyond_4_gb((4 << 30) + (1 << 20))
    places = range(next(skeletons(source)).bones[-1].end, source.nbytes)
    assert_found(source, random.Random(4).sample(places, 12))


def assert_found(source: Hole, places: list[int]) -> None:
    chance = random.Random(5)
    for at in places:
        mask = 1 << chance.randrange(8)
        found = [one.differing for one in skeletons(with_bits(source, [(at, mask)]))]
        assert ((at, mask),) in found, (at, mask, found)


def test_nothing_is_said_of_what_is_no_archive() -> None:
    assert differing(b"") == []
    assert all(len(found) != 1 for found in differing(b"PK\x03\x04" + bytes(100)))
