"""A search for pickles beside the one that is read says so when it gives up."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import zipfile
from pathlib import Path

import pytest
import torch

from ckptdoctor.diagnose import examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.pickle.stray import code_in_noise
from ckptdoctor.formats.source import MemorySource
from ckptdoctor.recovery.restore import restore
from tests.bad_inputs.bypass.tars import _archive, _member
from tests.builders import save

LONG = b"N0" * 410_000 + b"cposix\nsystem\n(S'true'\ntR."
WIDE = b"B" + struct.pack("<I", 17 << 20) + bytes(17 << 20) + b"0cposix\nsystem\n(S'true'\ntR."
BURNS = b"".join(b"\x80\x02B" + struct.pack("<I", 3 << 20) for _ in range(9000)) + bytes(4 << 20)


def zipped(folder: Path, **more: bytes) -> Path:
    sound = save(folder / "sound.pt", {"w": torch.ones(2)})
    path = folder / "a.pt"
    with zipfile.ZipFile(sound) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
        for name, data in more.items():
            kind = zipfile.ZIP_DEFLATED if len(data) > 1 << 24 else zipfile.ZIP_STORED
            new.writestr(f"sound/{name.replace('_', '.')}", data, kind)
    return path


def in_tar(folder: Path) -> Path:
    path = folder / "a.pth"
    path.write_bytes(_member("Vq", b"\n0" + LONG) + _archive())
    return path


def behind(folder: Path) -> Path:
    path = folder / "a.pth"
    path.write_bytes(pickle.dumps({"epoch": 3}, 2) + LONG)
    return path


def with_header(folder: Path) -> Path:
    path = folder / "a.safetensors"
    payload = b"\n0" + LONG
    place = {"dtype": "U8", "shape": [len(payload)], "data_offsets": [0, len(payload)]}
    header = json.dumps({"w": place}).encode().ljust(256 + ord("V"))
    path.write_bytes(struct.pack("<Q", len(header)) + header + payload)
    return path


MADE = {
    "in capitals": lambda folder: zipped(folder, Data_pkl=LONG),
    "another record": lambda folder: zipped(folder, notes_bin=LONG),
    "behind what is inflated": lambda folder: zipped(folder, DATA_PKL=WIDE),
    "behind pickles that take all that is looked at": lambda folder: zipped(
        folder, a_bin=BURNS, b_bin=LONG
    ),
    "in a tar": in_tar,
    "behind the first pickle": behind,
    "in a safetensors file": with_header,
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
@pytest.mark.one_in(8)
def test_what_was_not_looked_through_is_told_and_not_restored(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = make(tmp_path)
    found = [p for p in open_checkpoint(path).problems if p.code == "CD107"]
    assert found
    assert all(problem.severity is Severity.ERROR for problem in found)
    (report,) = examine([path]).checkpoints
    assert report.verdict is not Verdict.HEALTHY
    with pytest.raises(RestoreError, match="exhaust its reader"):
        restore(path, tmp_path / "out.pt")
    assert not (tmp_path / "out.pt").exists()


@pytest.mark.slow
def test_many_records_are_no_reason(tmp_path: Path) -> None:
    """Of storages, and of others; and what torch alone reads, in C++."""
    path = save(tmp_path / "a.pt", {"w": torch.ones(2)})
    out = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
        for number in range(11_000):
            new.writestr(f"a/extra/{number}", random.Random(number).randbytes(20))
        for number in range(17):
            new.writestr(f"a/large/{number}", bytes(4 << 20), zipfile.ZIP_DEFLATED)
        new.writestr("a/code/a.py.debug_pkl", b"N0" * 410_000 + b"N.")
    path.write_bytes(out.getvalue())
    assert [p for p in open_checkpoint(path).problems if p.code == "CD107"] == []


def test_a_pickle_behind_many_large_records_is_run(tmp_path: Path) -> None:
    large = {f"a{number}_bin": bytes(4 << 20) for number in range(17)}
    path = zipped(tmp_path, **large, Data_pkl=b"cposix\nsystem\n(S'true'\ntR.")
    assert [call.call for call in open_checkpoint(path).calls] == ["posix.system('true')"]


@pytest.mark.parametrize("spaced", [None, 1])
@pytest.mark.one_in(2)
def test_an_honest_header_is_no_pickle(spaced: int | None) -> None:
    """Whatever its length is, which a pickle reader takes for opcodes."""
    chance = random.Random(7)
    for number in range(2048):
        sizes = [chance.randrange(1, 60) for _ in range(chance.randrange(1, 30))]
        ends = [sum(sizes[: at + 1]) for at in range(len(sizes))]
        entries = {
            f"layers.{at}.{chance.choice(['weight', 'bias', 'c', 'Inv'])}": {
                "dtype": "U8",
                "shape": [size],
                "data_offsets": [end - size, end],
            }
            for at, (size, end) in enumerate(zip(sizes, ends, strict=True))
        }
        header = json.dumps(entries, indent=spaced).encode()
        header += b" " * ((number - len(header)) % 256)
        data = struct.pack("<Q", len(header)) + header + chance.randbytes(ends[-1])
        assert code_in_noise(MemorySource(data), Limits.for_file(len(data))) == []


def test_a_program_that_is_too_long_to_be_read_is_told(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", {"w": torch.ones(2)})
    more = {"constants.pkl": pickle.dumps((), 2), "code/__torch__.py": b"\n" * ((4 << 20) + 1)}
    out = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        for name, data in more.items():
            new.writestr(f"a/{name}", data)
    path.write_bytes(out.getvalue())
    assert [p.subject for p in open_checkpoint(path).problems if p.code == "CD107"] == [
        "a/code/__torch__.py"
    ]
