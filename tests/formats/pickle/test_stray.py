"""Pickles beside the one that is read, or in a file that cannot be read."""

from __future__ import annotations

import bz2
import gc
import gzip
import io
import lzma
import os
import pickle
import random
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from ckptdoctor.diagnose import examine
from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Verdict
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.formats.pickle.machine import PickleMachine
from tests.builders import rezip, save
from tests.each import each

CALL = b"\x80\x02cos\nsystem\n(S'true'\ntR0}"
CODE = (("os.system", "os.system('true')"),)


def error_of(path: Path, data: bytes) -> CheckpointError:
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    return caught.value


@pytest.mark.parametrize("end", [b"", b"\xff", b"000000.", b"X\xff\xff\xff\x7f"], ids=repr)
def test_what_ran_before_the_damage_is_told(end: bytes, tmp_path: Path) -> None:
    assert error_of(tmp_path / "a.pth", CALL + end).runs == CODE


@pytest.mark.parametrize("before", [b"GGUF\x03\0\0\0\0" + b"0", b"x" * 600, b"\x89PNG"])
def test_a_pickle_within_something_else_is_found(before: bytes, tmp_path: Path) -> None:
    assert error_of(tmp_path / "a.pth", before + CALL + b".").runs == CODE


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


@each("pack", PACKERS.values(), ids=PACKERS)
@each("cut", [0, 3])
def test_a_pickle_that_is_packed_is_found(
    pack: Callable[[bytes], bytes], cut: int, tmp_path: Path
) -> None:
    packed = pack(CALL + b"." + os.urandom(1000))
    error = error_of(tmp_path / "a.joblib", packed[: len(packed) - cut])
    assert error.runs == CODE


@pytest.mark.parametrize("head", [b"\x1f\x8b", b"x\x9c", b"BZh", b"\xfd7zXZ\0", b"]\0\0"])
def test_what_only_looks_packed_is_no_more_than_damaged(head: bytes, tmp_path: Path) -> None:
    assert error_of(tmp_path / "a.pth", head + os.urandom(500)).runs == ()


def test_noise_names_no_code(tmp_path: Path) -> None:
    for seed in range(4):
        noise = b"\x01" + random.Random(seed).randbytes(1 << 20)
        assert error_of(tmp_path / f"{seed}.pth", noise).runs == ()


def test_a_cut_checkpoint_names_no_code(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.pth", {"w": torch.ones(5)}, _use_new_zipfile_serialization=False)
    assert error_of(tmp_path / "b.pth", whole.read_bytes()[:150]).runs == ()


def test_announced_pickles_do_not_cost_more_than_the_limit(tmp_path: Path) -> None:
    piece = b"\x80\x02B\x00\x00\x10\x00" + b"a" * 9
    assert error_of(tmp_path / "a.pth", b"\x01" + piece * (1 << 17)).runs == ()


def test_pickles_behind_the_first_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"epoch": 3}, 2) * 3 + CALL + b".")
    checkpoint = open_checkpoint(path)
    assert checkpoint.scalars == {"epoch": 3}
    assert [call.call for call in checkpoint.calls] == ["os.system('true')"]
    path.write_bytes(pickle.dumps({"epoch": 3}, 2) * 2 + b"\x01\x02\x03")
    assert open_checkpoint(path).calls == ()


@pytest.mark.parametrize("name", ["archive/data.pkl", "archive/DATA.PKL", "x/data.pkl", "a.pkl"])
def test_other_pickles_of_an_archive_are_read(name: str, tmp_path: Path) -> None:
    good = save(tmp_path / "good.pt", {"w": torch.ones(2)})
    path = rezip(good, tmp_path / "bad.pt", append=[(name, CALL + b".")])
    assert [call.name for call in open_checkpoint(path).calls] == ["os.system"]


def test_the_report_tells_code_before_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(CALL + b"\xff")
    (report,) = examine([path]).checkpoints
    assert report.verdict is Verdict.UNREADABLE
    assert [finding.code for finding in report.findings] == ["CD106", "CD104"]
    assert report.findings[0].message == "calls os.system('true')"


# -- archives ------------------------------------------------------------------------------------

EXEC = b"cbuiltins\nexec\n(Vx\ntR."


def archive_of(name: str, data: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("start", [b"", b"\x80\x02", b"\x80\x04"], ids=["0", "2", "4"])
@pytest.mark.one_in(4)
def test_an_archive_that_is_cut_tells_what_its_pickle_names_before_the_cut(
    start: bytes, method: int, tmp_path: Path
) -> None:
    """As soon as the whole name is there: whoever repairs the archive runs it."""
    noise = b"V" + random.Random(0).randbytes(600).hex().encode() + b"\n0"
    data = start + EXEC[:-1] + b"0" + noise + b"}."
    whole = archive_of("a/data.pkl", data, method)
    named = len(whole) if method else whole.index(b"exec\n") + 5
    told = 0
    for length in range(40, len(whole), 7):
        path = tmp_path / "cut.pth"
        path.write_bytes(whole[:length])
        (report,) = examine([path]).checkpoints
        assert report.verdict is not Verdict.HEALTHY
        codes = {finding.subject for finding in report.findings if finding.code == "CD106"}
        told += bool(codes)
        if length >= named:
            assert codes == {"builtins.exec"}, length
    assert told > 20


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("version", [1, 2])
def test_objects_in_numpy_archives_are_pickles(version: int, method: int, tmp_path: Path) -> None:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    array = b"\x93NUMPY" + bytes([version, 0]) + length + header + EXEC
    expected = (("builtins.exec", "builtins.exec('x')"),)
    assert error_of(tmp_path / "a.npy", array).runs == expected
    assert error_of(tmp_path / "a.npz", archive_of("arr_0.npy", array, method)).runs == expected


def test_an_array_of_numbers_tells_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(1000.0))
    np.savez_compressed(tmp_path / "a.npz", np.arange(1000.0))
    for name in ("a.npy", "a.npz"):
        assert error_of(tmp_path / name, (tmp_path / name).read_bytes()).runs == ()


def test_an_archive_in_an_archive_is_looked_into(tmp_path: Path) -> None:
    data = archive_of("model.pth", archive_of("a/data.pkl", EXEC))
    assert error_of(tmp_path / "a.zip", data).runs == (("builtins.exec", "builtins.exec('x')"),)


@each("lost", range(1, 60, 11))
def test_a_compressed_pickle_that_is_damaged_tells_what_comes_before(
    lost: int, tmp_path: Path
) -> None:
    packed = gzip.compress(EXEC + random.Random(0).randbytes(5000))
    data = packed[:-lost] + bytes(lost)
    assert error_of(tmp_path / "a.pkl.gz", data).runs[0][0] == "builtins.exec"


# -- what is packed within what is packed --------------------------------------------------------


def tar_of(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def deflated(name: str, data: bytes) -> bytes:
    return archive_of(name, data, zipfile.ZIP_DEFLATED)


OBJECTS = (
    b"\x93NUMPY\x01\0"
    + (118).to_bytes(2, "little")
    + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117)
    + b"\n"
    + EXEC
)
NESTED = {
    "a deflated checkpoint in a deflated archive": deflated("x.pth", deflated("a/data.pkl", EXEC)),
    "a deflated array in a deflated archive": deflated("x.npz", deflated("a.npy", OBJECTS)),
    "a deflated array in a tar": tar_of("x.npz", deflated("a.npy", OBJECTS)),
    "a deflated checkpoint in a tar in gzip": gzip.compress(
        tar_of("x.pth", deflated("a/data.pkl", EXEC))
    ),
    "a pickle of protocol 0 in a tar": tar_of("x.pkl", EXEC),
    "gzip in a stored archive": archive_of("x.pkl.gz", gzip.compress(EXEC)),
    "xz in gzip in a tar": tar_of("x", gzip.compress(lzma.compress(EXEC))),
    "a deflated checkpoint behind something": b"junk" * 99 + deflated("a/data.pkl", EXEC),
}


@each("data", NESTED.values(), ids=NESTED)
def test_what_is_packed_twice_is_looked_through(data: bytes, tmp_path: Path) -> None:
    runs = error_of(tmp_path / "a.bin", data).runs
    assert [name for name, _ in runs] == ["builtins.exec"]


def test_an_array_behind_many_megabytes_is_found_by_the_directory(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.npy", os.urandom(6 << 20))
        archive.writestr("b.npy", OBJECTS, zipfile.ZIP_DEFLATED)
    runs = error_of(tmp_path / "a.npz", out.getvalue()).runs
    assert [name for name, _ in runs] == ["builtins.exec"]


OTHERS = {
    "archive/extra.npy": OBJECTS,
    "archive/extra.pickle": EXEC,
    "archive/extra": b"\x80\x02" + EXEC,
    "archive/extra.pt": archive_of("a/data.pkl", EXEC),
    "archive/data/extra.npz": deflated("a.npy", OBJECTS),
    "archive/extra.joblib": zlib.compress(EXEC),
}


@each("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@each("name", OTHERS)
def test_other_records_of_a_sound_archive_are_looked_through(
    name: str, method: int, tmp_path: Path
) -> None:
    good = save(tmp_path / "good.pt", {"w": torch.ones(2)})
    path = rezip(good, tmp_path / "bad.pt", method=method, append=[(name, OTHERS[name])])
    assert {call.name for call in open_checkpoint(path).calls} == {"builtins.exec"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_record_in_which_a_sound_archive_is_cut_is_looked_through(
    method: int, tmp_path: Path
) -> None:
    good = save(tmp_path / "good.pt", {"w": torch.ones(2)})
    noise = b"V" + random.Random(0).randbytes(4000).hex().encode() + b"\n0"
    extra = ("archive/extra.pkl", EXEC[:-1] + b"0" + noise + b"N.")
    data = rezip(good, tmp_path / "bad.pt", method=method, append=[extra]).read_bytes()
    path = tmp_path / "cut.pt"
    path.write_bytes(data[: data.index(b"extra.pkl") + 1000])
    checkpoint = open_checkpoint(path)
    assert [call.name for call in checkpoint.calls] == ["builtins.exec"]
    assert [tensor.lost for tensor in checkpoint.tensors] == [False]


FAR = b"\x80\x02" + b"N0" * 700_000 + EXEC[:-1] + b"0\xff"


def _tar_nbytes(part: bytes) -> int:
    """What a member takes with its header."""
    return 512 + -(-len(part) // 512) * 512


@pytest.mark.parametrize("kind", ["bare", "legacy", "zip", "cut zip", "tar"])
@pytest.mark.one_in(4)
def test_what_the_reader_saw_far_into_a_damaged_pickle_is_told(kind: str, tmp_path: Path) -> None:
    """Farther than a search goes that starts anew."""
    preamble: tuple[object, ...] = (0x1950A86A20F9469CFC6C, 1001, {})
    head = b"".join(pickle.dumps(part, 2) for part in preamble)
    far = archive_of("a/data.pkl", FAR)
    none = pickle.dumps(0, 2)
    parts: dict[str, bytes] = {
        "storages": none + pickle.dumps([], 2),
        "tensors": none,
        "pickle": FAR,
    }
    data = {
        "bare": FAR,
        "legacy": head + FAR,
        "zip": far,
        "cut zip": far[: far.index(b"PK\1\2") - 2],
        "tar": b"".join(tar_of(name, part)[: _tar_nbytes(part)] for name, part in parts.items())
        + bytes(1024),
    }[kind]
    runs = error_of(tmp_path / "a.pth", data).runs
    assert [name for name, _ in runs] == ["builtins.exec"]


def test_records_of_torch_and_numbers_of_numpy_tell_nothing(tmp_path: Path) -> None:
    np.savez_compressed(
        tmp_path / "a.npz", a=np.arange(9.0), b=np.array(["x"]), c=np.zeros(2, "m8[s]")
    )
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(tmp_path / "a.npz")
    assert caught.value.runs == ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "a.pt")
    checkpoint = open_checkpoint(tmp_path / "a.pt")
    assert [use.name for use in checkpoint.globals if use.runs_code] == []
    assert checkpoint.calls == ()


@pytest.fixture
def _uncollected() -> Iterator[None]:
    """As in the program, which lives too short to collect."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_uncollected")
def test_a_search_keeps_nothing_of_what_it_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(50):
            archive.writestr(str(number), pickle.dumps([number] * 1000))
    with pytest.raises(CheckpointError):
        open_checkpoint(path)
    machines = [found for found in gc.get_objects() if issubclass(type(found), PickleMachine)]
    assert len(machines) >= 50
    assert sum(len(machine.data) + len(machine.stack) for machine in machines) == 0
