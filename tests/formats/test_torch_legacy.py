"""Checkpoints from before torch 1.6: stacked pickles, then the storages."""

from __future__ import annotations

import pickle
import random
import struct
from pathlib import Path

import pytest
import torch

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.errors import CheckpointError, CorruptCheckpointError, LimitExceededError
from ckptdoctor.finding import Severity
from ckptdoctor.formats import Limits, open_checkpoint
from ckptdoctor.formats.torch_legacy import MAGIC_NUMBER, PROTOCOL_VERSION
from tests.builders import load, load_unsafe, patched, save, training_checkpoint
from tests.each import each
from tests.formats.oracle import assert_same_tensors, described, listed


def raw_legacy(obj: bytes, keys: object, storages: bytes = b"") -> bytes:
    """A legacy file around any pickle of an object."""
    preamble: tuple[object, ...] = (MAGIC_NUMBER, PROTOCOL_VERSION, {})
    return (
        b"".join(pickle.dumps(part, 2) for part in preamble)
        + obj
        + pickle.dumps(keys, 2)
        + storages
    )


def tensor_pickle(pid: bytes, shape: bytes = b"K\x02\x85") -> bytes:
    """``{"w": _rebuild_tensor_v2(pid, 0, shape, (1,))}`` with any persistent id, as opcodes."""
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + pid + b"QK\x00" + shape + b"K\x01\x85\x89NtR"
    return b"}X\x01\x00\x00\x00w" + call + b"s."


def pid(key: bytes, numel: int = 2, view: bytes = b"N") -> bytes:
    return (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        + key
        + (b"X\x03\x00\x00\x00cpuK" + bytes([numel]) + view + b"t")
    )


KEY = b"X\x01\x00\x00\x00k"
FLOATS = struct.pack("<q4f", 4, 1, 2, 3, 4)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def problems(checkpoint: Checkpoint) -> list[tuple[str, str, str]]:
    return [(p.code, p.subject, p.message) for p in checkpoint.problems]


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    base = torch.arange(6.0)
    return {"a": base[:4], "b": base[2:], "c": torch.ones(2, dtype=torch.int16)}


@pytest.fixture
def path(tmp_path: Path, state: object) -> Path:
    return save(tmp_path / "old.pth", state, _use_new_zipfile_serialization=False)


def test_a_legacy_checkpoint_is_described(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", training_checkpoint(), _use_new_zipfile_serialization=False)
    checkpoint = open_checkpoint(path)
    assert checkpoint.format == "torch-legacy"
    assert checkpoint.problems == ()
    assert checkpoint.scalars["best_iou"] == 0.6413
    assert all(record.crc32 is None for record in checkpoint.records)
    storages = {tensor.storage.key for tensor in checkpoint.tensors if tensor.storage}
    assert storages == {record.key for record in checkpoint.records}


def test_the_oldest_protocol_that_torch_writes_is_read_too(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.pth",
        {"w": torch.arange(3.0), "n": 5},
        _use_new_zipfile_serialization=False,
        pickle_protocol=1,
    )
    checkpoint = open_checkpoint(path)
    assert (checkpoint.format, checkpoint.scalars["n"]) == ("torch-legacy", 5)
    assert_same_tensors(checkpoint, load_unsafe(path))


def test_views_of_a_storage_are_placed_inside_it(tmp_path: Path) -> None:
    """The sixth item of a persistent id: (key, first element, number of elements)."""
    views = b"(X\x01\x00\x00\x00vK\x01K\x02t"
    data = raw_legacy(tensor_pickle(pid(KEY, 4, views)), ["k"], FLOATS)
    checkpoint = open_checkpoint(write(tmp_path / "a.pth", data))
    assert checkpoint.problems == ()
    assert listed(checkpoint)["w"] == ("float32", (2,), struct.pack("<2f", 2, 3))
    assert_same_tensors(checkpoint, load(tmp_path / "a.pth"))


@pytest.mark.parametrize(
    "view",
    [
        b"(X\x01\x00\x00\x00vK\x03K\x02t",
        b"(X\x01\x00\x00\x00vJ\xff\xff\xff\xffK\x02t",
        b"(X\x01\x00\x00\x00vK\x00J\xff\xff\xff\xfft",
    ],
    ids=["beyond", "before", "negative"],
)
def test_views_outside_their_storage_are_lost(tmp_path: Path, view: bytes) -> None:
    data = raw_legacy(tensor_pickle(pid(KEY, 4, view)), ["k"], FLOATS)
    (tensor,) = open_checkpoint(write(tmp_path / "a.pth", data)).tensors
    assert (tensor.lost, tensor.storage) == (True, None)


@pytest.mark.parametrize(
    "view", [b"(NK\x01K\x02t", b"(KEYNK\x02t".replace(b"KEY", KEY), b"(" + KEY + b"K\x00Nt"]
)
def test_views_that_are_none_are_reported(tmp_path: Path, view: bytes) -> None:
    data = raw_legacy(tensor_pickle(pid(KEY, 4, view)), ["k"], FLOATS)
    checkpoint = open_checkpoint(write(tmp_path / "a.pth", data))
    assert checkpoint.tensors == ()
    assert problems(checkpoint)[0][0] == "CD104"


def test_keys_may_be_numbers(tmp_path: Path) -> None:
    data = raw_legacy(tensor_pickle(pid(b"K\x07", 4)), [7], FLOATS)
    checkpoint = open_checkpoint(write(tmp_path / "a.pth", data))
    assert listed(checkpoint)["w"][2] == struct.pack("<2f", 1, 2)


def test_cut_at_every_length_every_whole_storage_is_listed(
    tmp_path: Path, path: Path, state: dict[str, torch.Tensor], stride: int
) -> None:
    data = path.read_bytes()
    full = open_checkpoint(path)
    ends = {t.fqn: t.storage.offset + t.storage.nbytes for t in full.tensors if t.storage}
    cut = tmp_path / "cut.pth"
    answers = set()
    for length in range(1, len(data), stride):
        cut.write_bytes(data[:length])
        try:
            checkpoint = open_checkpoint(cut)
        except CheckpointError as error:
            answers.add(type(error).__name__)
            continue
        answers.add("Checkpoint")
        assert [p.code for p in checkpoint.problems] == ["CD102"]
        found = {tensor.fqn for tensor in checkpoint.tensors if not tensor.lost}
        assert found == {name for name, end in ends.items() if end <= length}
    assert answers == {"Checkpoint", "TruncatedCheckpointError", "UnknownFormatError"}


def test_a_cut_file_says_how_much_is_whole(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])
    (problem,) = open_checkpoint(path).problems
    assert problem.message == "the file is cut: 1 of 2 storages are whole"
    assert problem.evidence == {"whole": 1, "lost": 1}


def test_flipped_bytes_give_a_checkpoint_or_a_checkpoint_error(
    tmp_path: Path, path: Path, stride: int
) -> None:
    data = path.read_bytes()
    chance = random.Random(3)
    answers: dict[str, int] = {}
    bad = tmp_path / "bad.pth"
    for _ in range(1500 // stride):
        flipped = bytearray(data)
        flipped[chance.randrange(len(data))] = chance.randrange(256)
        bad.write_bytes(flipped)
        try:
            name = type(open_checkpoint(bad)).__name__
        except CheckpointError as error:
            name = type(error).__name__
        answers[name] = answers.get(name, 0) + 1
    assert answers["Checkpoint"] > 100 // stride
    assert answers["CorruptCheckpointError"] > 10 // stride


def test_bytes_behind_the_last_storage_are_reported(path: Path, state: object) -> None:
    path.write_bytes(path.read_bytes() + b"junk")
    checkpoint = open_checkpoint(path)
    (problem,) = checkpoint.problems
    assert (problem.code, problem.severity) == ("CD104", Severity.WARNING)
    assert problem.message == "4 bytes follow the last storage"
    assert_same_tensors(checkpoint, state)


def test_a_negative_size_is_reported(path: Path) -> None:
    first = open_checkpoint(path).records[0]
    patched(path, first.offset - 8, struct.pack("<q", -1))
    checkpoint = open_checkpoint(path)
    assert problems(checkpoint)[0][2] == "a size of -1 elements"
    assert all(tensor.lost for tensor in checkpoint.tensors)


def test_a_size_that_the_pickle_contradicts_is_reported(path: Path) -> None:
    """Which of the two is true cannot be told, nor where the storages behind it start."""
    first, second = open_checkpoint(path).records
    patched(path, second.offset - 8, struct.pack("<q", 1))
    checkpoint = open_checkpoint(path)
    ((code, subject, says),) = problems(checkpoint)
    assert (code, subject) == ("CD104", f"storage {second.key}")
    assert says.startswith("a size of 1 elements, and the pickle speaks of ")
    assert {t.storage is not None and t.storage.key for t in checkpoint.tensors if not t.lost} == {
        first.key
    }
    assert any(tensor.lost for tensor in checkpoint.tensors)
    assert checkpoint.records == (first,)


def test_another_protocol_version_is_reported(path: Path, state: object) -> None:
    data = path.read_bytes()
    patched(path, data.index(b"M" + struct.pack("<H", PROTOCOL_VERSION)) + 1, b"\xe8")
    checkpoint = open_checkpoint(path)
    says = "protocol version 1000 of the format, and torch reads only 1001"
    assert problems(checkpoint) == [("CD104", "file", says)]
    assert_same_tensors(checkpoint, state)


def test_a_cut_behind_an_object_without_tensors_is_told(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {"epoch": 3}, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    answers = set()
    for length in range(1, len(data)):
        path.write_bytes(data[:length])
        try:
            answers.add(problems(open_checkpoint(path))[0][0])
        except CheckpointError as error:
            answers.add(type(error).__name__)
    assert "CD102" in answers
    assert answers <= {"CD102", "TruncatedCheckpointError", "UnknownFormatError"}


def test_a_storage_that_no_tensor_uses_is_reported(tmp_path: Path) -> None:
    data = raw_legacy(tensor_pickle(pid(KEY)), ["z", "k"], FLOATS)
    checkpoint = open_checkpoint(write(tmp_path / "a.pth", data))
    assert ("CD104", "storage z", "no tensor tells what it holds") in problems(checkpoint)


@pytest.mark.parametrize("keys", [5, [None], {"k": 1}], ids=repr)
def test_a_list_of_keys_that_is_none_is_corrupt(tmp_path: Path, keys: object) -> None:
    path = write(tmp_path / "a.pth", raw_legacy(tensor_pickle(pid(KEY)), keys))
    with pytest.raises(CorruptCheckpointError, match="no list of keys"):
        open_checkpoint(path)


def test_keys_that_cannot_be_read_are_corrupt(tmp_path: Path) -> None:
    data = raw_legacy(tensor_pickle(pid(KEY)), [])
    path = write(tmp_path / "a.pth", data.removesuffix(pickle.dumps([], 2)) + b"\xff\xff")
    with pytest.raises(CorruptCheckpointError, match="no pickle opcode"):
        open_checkpoint(path)


@each(
    "pid_of",
    [
        b"N",
        b"(NNNt",
        pid(b"]"),
        pid(b"(((tttt".replace(b"tttt", b"ttt")),
        b"(NN" + KEY + b"NNt",
        b"(Nctorch\nNoStorage\n" + KEY + b"NNt",
        pid(KEY).replace(b"storage", b"sTorage"),
    ],
    ids=["none", "short", "list key", "tuple key", "no class", "unknown class", "another tag"],
)
def test_persistent_ids_that_name_no_storage_are_reported(tmp_path: Path, pid_of: bytes) -> None:
    path = write(tmp_path / "a.pth", raw_legacy(tensor_pickle(pid_of), []))
    checkpoint = open_checkpoint(path)
    assert checkpoint.tensors == ()
    (problem,) = checkpoint.problems
    assert "not a tensor that torch could have written" in problem.message


def test_an_object_that_cannot_be_read_is_corrupt(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pth", raw_legacy(b"]\xff", []))
    with pytest.raises(CorruptCheckpointError, match="no pickle opcode 0xff") as caught:
        open_checkpoint(path)
    assert caught.value.offset == path.read_bytes().index(b"]\xff") + 1


def test_the_opcode_limit_is_kept(path: Path) -> None:
    with pytest.raises(LimitExceededError, match="more than"):
        open_checkpoint(path, Limits(opcodes=40))
    with pytest.raises(LimitExceededError, match="more than"):
        open_checkpoint(path, Limits(opcodes=1))


def test_old_rebuild_calls_and_tensor_classes_are_read(tmp_path: Path) -> None:
    old = tensor_pickle(pid(KEY, 4)).replace(b"_tensor_v2", b"_tensor").replace(b"\x89N", b"")
    checkpoint = open_checkpoint(write(tmp_path / "a.pth", raw_legacy(old, ["k"], FLOATS)))
    assert listed(checkpoint) == described(load(tmp_path / "a.pth"))
    state = b"(" + pid(KEY, 4) + b"QK\x01K\x02\x85K\x01\x85t"
    older = b"}X\x01\x00\x00\x00wctorch\nFloatTensor\n)R" + state + b"bs."
    checkpoint = open_checkpoint(write(tmp_path / "b.pth", raw_legacy(older, ["k"], FLOATS)))
    assert listed(checkpoint)["w"] == ("float32", (2,), struct.pack("<2f", 2, 3))


def test_an_old_tensor_class_with_another_state_is_reported(tmp_path: Path) -> None:
    state = b"(" + pid(KEY, 4) + b"QNK\x02\x85K\x01\x85t"
    older = b"}X\x01\x00\x00\x00wctorch\nFloatTensor\n)R" + state + b"bs."
    checkpoint = open_checkpoint(write(tmp_path / "b.pth", raw_legacy(older, ["k"], FLOATS)))
    assert "torch.FloatTensor with a state it never has" in problems(checkpoint)[0][2]
    assert checkpoint.tensors == ()
