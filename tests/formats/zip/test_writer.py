"""What is written is what torch writes of the same, record by record."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.formats.zip import writer
from ckptdoctor.formats.zip.writer import write_torch_zip


def records_of(archive: zipfile.ZipFile) -> dict[str, tuple[bytes, int, int]]:
    """By name within the folder: bytes, method, and where the bytes begin, modulo 64."""
    found = {}
    for info in archive.infolist():
        assert archive.fp is not None
        archive.fp.seek(info.header_offset + 26)
        sizes = archive.fp.read(4)
        name, extra = (int.from_bytes(sizes[at : at + 2], "little") for at in (0, 2))
        start = info.header_offset + 30 + name + extra
        data = archive.read(info)
        assert zlib.crc32(data) == info.CRC
        found[info.filename.partition("/")[2]] = data, info.compress_type, start % 64
    return found


@pytest.mark.parametrize("tensors", [0, 1, 12])
def test_it_is_what_torch_writes_with_its_places_and_its_id(tensors: int, tmp_path: Path) -> None:
    state: dict[str, Any] = {f"w{at}": torch.arange(40.0 * at + 3) for at in range(tensors)} | {
        "epoch": 7
    }
    torch.save(state, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        theirs = records_of(archive)
    storages = {
        name.removeprefix("data/"): (len(data), [data[:5], data[5:]])
        for name, (data, *_) in theirs.items()
        if name.startswith("data/")
    }
    out = io.BytesIO()
    crcs = write_torch_zip(out, theirs["data.pkl"][0], storages)
    with zipfile.ZipFile(out) as archive:
        ours = records_of(archive)
    identity = ".data/serialization_id"
    # The first half of it stands for names, ours in an order of our own.
    assert ours[identity][0][20:] == theirs[identity][0][20:]
    assert len(ours[identity][0]) == len(theirs[identity][0])
    assert list(ours) == list(theirs)
    del ours[identity], theirs[identity]
    assert ours == theirs
    assert crcs == {key: zlib.crc32(theirs[f"data/{key}"][0]) for key in storages}
    out.seek(0)
    loaded = torch.load(out, weights_only=True)
    assert all(torch.equal(loaded[name], state[name]) for name in state if name != "epoch")


def test_a_storage_of_more_than_2_gb_has_its_place_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    monkeypatch.setattr(writer, "_ZIP64_LIMIT", 1000)
    out = io.BytesIO()
    large, small = bytes(range(256)) * 8, b"1234"
    write_torch_zip(out, b"\x80\x02N.", {"0": (len(large), [large]), "1": (4, [small])})
    with zipfile.ZipFile(out) as archive:
        found = records_of(archive)
    assert found["data/0"] == (large, zipfile.ZIP_STORED, 0)
    assert found["data/1"] == (small, zipfile.ZIP_STORED, 0)


def test_what_is_shorter_than_was_said_is_no_checkpoint() -> None:
    with pytest.raises(OSError, match="data/0: 3 bytes were there instead of 4"):
        write_torch_zip(io.BytesIO(), b"\x80\x02N.", {"0": (4, [b"123"])})
