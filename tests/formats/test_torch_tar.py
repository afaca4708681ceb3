"""Checkpoints from before torch 0.1.10: a tar of storages, tensors and a pickle."""

from __future__ import annotations

import io
import random
import re
import tarfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.errors import (
    CheckpointError,
    CorruptCheckpointError,
    LimitExceededError,
    TruncatedCheckpointError,
    UnknownFormatError,
)
from ckptdoctor.finding import Severity
from ckptdoctor.formats import Limits, locate_scalars, open_checkpoint
from tests.builders import TarPid, load_unsafe, torch_tar
from tests.each import each
from tests.formats.oracle import assert_same_tensors, listed, read_elements


def build(path: Path, **changes: Any) -> Path:
    """Two storages, a view of the first, three tensors."""
    parts: dict[str, Any] = {
        "storages": [
            (10, torch.FloatStorage, torch.arange(6.0)),
            (11, torch.LongStorage, torch.arange(3)),
        ],
        "tensors": [
            (20, 10, torch.FloatTensor, (2, 3), (3, 1), 0),
            (21, 11, torch.LongTensor, (2,), (1,), 1),
            (22, 10, torch.FloatTensor, (3, 2), (1, 3), 0),
        ],
        "obj": OrderedDict(
            [("a", TarPid(20)), ("b", [TarPid(21)]), ("t", TarPid(22)), ("epoch", 3)]
        ),
    }
    return torch_tar(path, **{**parts, **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return build(tmp_path / "old.pth.tar")


def test_a_tar_checkpoint_is_what_torch_reads(path: Path) -> None:
    checkpoint = open_checkpoint(path)
    assert checkpoint.format == "torch-tar"
    assert checkpoint.problems == ()
    assert checkpoint.scalars["epoch"] == 3
    assert_same_tensors(checkpoint, load_unsafe(path))


def test_views_of_storages_are_placed_inside_them(tmp_path: Path) -> None:
    path = build(
        tmp_path / "a.tar",
        views=[(12, 10, 2, 3)],
        tensors=[(20, 12, torch.FloatTensor, (3,), (1,), 0)],
        obj={"v": TarPid(20)},
    )
    checkpoint = open_checkpoint(path)
    assert listed(checkpoint)["v"][2] == torch.tensor([2.0, 3.0, 4.0]).numpy().tobytes()
    assert [record.key for record in checkpoint.records] == ["10", "11", "10/12"]


def test_a_tensor_beyond_its_storage_is_lost(tmp_path: Path) -> None:
    path = build(
        tmp_path / "a.tar",
        tensors=[(20, 10, torch.FloatTensor, (7,), (1,), 0)],
        obj={"v": TarPid(20)},
    )
    checkpoint = open_checkpoint(path)
    assert [tensor.lost for tensor in checkpoint.tensors] == [True]
    assert [problem.code for problem in checkpoint.problems] == ["CD104"]


def test_ids_that_name_nothing_are_passed_over(tmp_path: Path) -> None:
    path = build(tmp_path / "a.tar", obj={"a": TarPid((20,)), "b": TarPid(99), "c": TarPid([])})
    assert [tensor.fqn for tensor in open_checkpoint(path).tensors] == ["a"]


@pytest.mark.parametrize("part", ["storages", "tensors", "pickle"])
def test_an_archive_without_a_part_is_truncated(tmp_path: Path, part: str) -> None:
    path = build(tmp_path / "a.tar", leave_out=part)
    with pytest.raises(TruncatedCheckpointError, match=f"without its {part}"):
        open_checkpoint(path)


BROKEN: dict[str, dict[str, Any]] = {
    "no storage class": {"storages": [(10, str, torch.zeros(1))]},
    "an unhashable key": {"storages": [([], torch.FloatStorage, torch.zeros(1))]},
    "a view of nothing": {"views": [(12, 99, 0, 1)]},
    "a negative view": {"views": [(12, 10, -1, 1)]},
    "a view that is no tuple": {"views": [5]},
    "views that are none": {"views": 5},
    "a negative size": {"tensors": [(20, 10, torch.FloatTensor, (-1,), (1,), 0)]},
    "too many dimensions": {"tensors": [(20, 10, torch.FloatTensor, (1,) * 65, (1,) * 65, 0)]},
    "an unknown storage": {"tensors": [(20, 99, torch.FloatTensor, (1,), (1,), 0)]},
}


@each("changes", BROKEN.values(), ids=list(BROKEN))
def test_parts_as_torch_never_wrote_them_are_corrupt(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = build(tmp_path / "a.tar", **changes)
    with pytest.raises(CorruptCheckpointError, match="not as torch wrote them"):
        open_checkpoint(path)


def test_a_storage_larger_than_the_file_is_corrupt(path: Path) -> None:
    data = path.read_bytes()
    at = data.index((6).to_bytes(8, "little"))
    path.write_bytes(data[:at] + b"\xff" * 7 + b"\x7f" + data[at + 8 :])
    with pytest.raises(CorruptCheckpointError):
        open_checkpoint(path)


def test_a_pickle_that_cannot_be_read_is_corrupt(path: Path) -> None:
    data = path.read_bytes()
    at = data.index(b"ccollections")
    path.write_bytes(data[:at] + b"\xff" + data[at + 1 :])
    with pytest.raises(CorruptCheckpointError, match="0xff"):
        open_checkpoint(path)


def test_the_opcode_limit_is_kept(path: Path) -> None:
    with pytest.raises(LimitExceededError, match="opcodes"):
        open_checkpoint(path, Limits(opcodes=5))


def test_cut_at_every_length_is_a_checkpoint_or_an_error(
    tmp_path: Path, path: Path, stride: int
) -> None:
    data = path.read_bytes()
    whole = listed(open_checkpoint(path))
    cut = tmp_path / "cut.tar"
    answers = set()
    for length in (*range(512, len(data), 7 * stride), len(data) - 1):
        cut.write_bytes(data[:length])
        try:
            checkpoint = open_checkpoint(cut)
        except CheckpointError as error:
            answers.add(type(error).__name__)
        else:
            answers.add("Checkpoint")
            assert listed(checkpoint) == whole  # only the padding behind the pickle was cut
    assert answers >= {"Checkpoint", "TruncatedCheckpointError"}
    assert answers <= {"Checkpoint", "TruncatedCheckpointError", "CorruptCheckpointError"}


AS_TORCH_DID = ("sys_info", "pickle", "tensors", "storages")


@pytest.mark.slow
def test_cut_at_every_length_every_whole_storage_is_listed(tmp_path: Path, stride: int) -> None:
    path = build(tmp_path / "a.tar", views=[(12, 11, 1, 1)], order=AS_TORCH_DID)
    whole = open_checkpoint(path)
    before = listed(whole)
    ends = {ref.key: ref.offset + ref.nbytes for ref in whole.records if "/" not in ref.key}
    storages = {"a": "10", "b.0": "11", "t": "10"}
    data = path.read_bytes()
    start = data.index(b"storages\0")
    for length in range(start + 512, len(data), stride):
        path.write_bytes(data[:length])
        checkpoint = open_checkpoint(path)
        assert [problem.code for problem in checkpoint.problems] == ["CD102"]
        found = {tensor.fqn for tensor in checkpoint.tensors if not tensor.lost}
        assert found == {name for name, key in storages.items() if ends[key] <= length}
        for tensor in checkpoint.tensors:
            if not tensor.lost:
                assert (tensor.dtype, tensor.shape) == before[tensor.fqn][:2]
                assert read_elements(path, tensor) == before[tensor.fqn][2]
        assert {tensor.fqn: tensor.dtype for tensor in checkpoint.tensors} == {
            "a": "float32",
            "b.0": "int64",
            "t": "float32",
        }


def test_a_cut_tar_says_how_much_is_whole(tmp_path: Path) -> None:
    path = build(tmp_path / "a.tar", order=AS_TORCH_DID)
    first, _ = open_checkpoint(path).records
    path.write_bytes(path.read_bytes()[: first.offset + first.nbytes])
    (problem,) = open_checkpoint(path).problems
    assert (problem.code, problem.severity) == ("CD102", Severity.ERROR)
    assert problem.message == "the file is cut: 2 of 3 tensors are whole"
    assert problem.evidence == {"whole": 2, "lost": 1}


def test_a_tar_without_the_zeros_at_its_end_may_be_cut(path: Path) -> None:
    """All that torch wrote is there; tarfile, which wrote it, pads to a multiple of 10,240."""
    assert path.stat().st_size == 10_240
    path.write_bytes(path.read_bytes()[:-1])
    checkpoint = open_checkpoint(path)
    (problem,) = checkpoint.problems
    assert (problem.code, problem.severity) == ("CD102", Severity.WARNING)
    assert "10239 bytes are no multiple of 10240" in problem.message
    assert_same_tensors(checkpoint, load_unsafe(path))


def test_a_cut_tar_whose_tensors_are_of_no_known_class_is_corrupt(tmp_path: Path) -> None:
    path = build(tmp_path / "a.tar", tensors=[(20, 11, str, (2,), (1,), 0)], order=AS_TORCH_DID)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"storages\0") + 513])
    with pytest.raises(CorruptCheckpointError, match="not as torch wrote them"):
        open_checkpoint(path)


def test_flipped_bytes_give_a_checkpoint_or_a_checkpoint_error(
    tmp_path: Path, path: Path, stride: int
) -> None:
    data = path.read_bytes()
    used = [at for at, byte in enumerate(data) if byte]
    chance = random.Random(5)
    answers: dict[str, int] = {}
    bad = tmp_path / "bad.tar"
    for _ in range(1500 // stride):
        flipped = bytearray(data)
        flipped[chance.choice(used)] = chance.randrange(256)
        bad.write_bytes(flipped)
        try:
            name = type(open_checkpoint(bad)).__name__
        except CheckpointError as error:
            name = type(error).__name__
        answers[name] = answers.get(name, 0) + 1
    assert answers["Checkpoint"] > 20 // stride
    assert answers["CorruptCheckpointError"] > 20 // stride


def test_another_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data.pth.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("photos/cat.png"), io.BytesIO())
    says = "not a checkpoint but a tar archive that holds 'photos/cat.png': unpack it first"
    with pytest.raises(UnknownFormatError, match=re.escape(says)):
        open_checkpoint(path)


@pytest.mark.slow
def test_an_archive_of_archives_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "many.tar"
    with tarfile.open(path, "w") as archive:
        for index in range(10_010):
            archive.addfile(tarfile.TarInfo(f"{index}"), io.BytesIO())
    with pytest.raises(UnknownFormatError, match="holds '0'"):
        open_checkpoint(path)


def test_scalars_in_a_tar_are_not_located(path: Path) -> None:
    assert locate_scalars(path) == {}


HEADERS: dict[str, tuple[bytes, bytes]] = {
    "long names of long names": (b"L", b"00000000002\0"),
    "a long name of eight gigabytes": (b"L", b"77777777777\0"),
    "a header for headers": (b"x", b"77777777777\0"),
    "a sparse member": (b"S", b"00000000512\0"),
    "a size of 2**80": (b"0", b"\x80\0" + b"\xff" * 10),
}


@pytest.mark.parametrize(("kind", "nbytes"), HEADERS.values(), ids=list(HEADERS))
@pytest.mark.one_in(5)
def test_what_tar_was_extended_by_is_passed_over(
    tmp_path: Path, kind: bytes, nbytes: bytes
) -> None:
    header = bytearray(tarfile.TarInfo("storages").tobuf(tarfile.GNU_FORMAT))
    header[124:136], header[156:157], header[148:156] = nbytes, kind, b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    path = tmp_path / "a.tar"
    path.write_bytes((bytes(header) + b"a".ljust(512, b"\0")) * 3000)
    with pytest.raises(CheckpointError):
        open_checkpoint(path)


@pytest.mark.parametrize("digits", [b"0000000000x\0", b"-0000000001\0", b"\xff" * 12])
def test_a_size_that_is_none_is_damage(path: Path, digits: bytes) -> None:
    header = bytearray(path.read_bytes())
    header[124:136], header[148:156] = digits, b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    path.write_bytes(header)
    with pytest.raises(CorruptCheckpointError, match="a member of size"):
        open_checkpoint(path)
