"""safetensors files, those of the library and those that it refuses."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest
import safetensors
import torch
from safetensors.torch import load_file, save_file

from ckptdoctor.checkpoint import Role
from ckptdoctor.errors import (
    CheckpointError,
    CorruptCheckpointError,
    LimitExceededError,
    TruncatedCheckpointError,
)
from ckptdoctor.formats import Limits, locate_scalars, open_checkpoint
from tests.builders import safetensors_file, tensor_of
from tests.each import each
from tests.formats.oracle import described, listed

DTYPES = """
float64 float32 float16 bfloat16 float8_e4m3fn float8_e5m2 complex64
int64 int32 int16 int8 uint8 uint16 uint32 uint64 bool
""".split()


def entry(dtype: str = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def write(path: Path, header: object, payload: bytes = b"\0" * 8) -> Path:
    return safetensors_file(path, json.dumps(header).encode(), payload)


def says(path: Path) -> list[str]:
    return [f"{p.subject}: {p.message}" for p in open_checkpoint(path).problems]


def test_every_dtype_of_the_library_is_read_as_the_library_does(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tensors = {dtype: tensor_of(dtype, 3, 2) for dtype in DTYPES}
    tensors |= {"scalar": torch.tensor(5.0), "empty": torch.zeros(0, 3)}
    save_file(tensors, path, metadata={"format": "pt", "epoch": "3"})
    checkpoint = open_checkpoint(path)
    assert checkpoint.format == "safetensors"
    assert checkpoint.problems == ()
    assert checkpoint.scalars == {"__metadata__.format": "pt", "__metadata__.epoch": "3"}
    ours = listed(checkpoint)
    assert ours == described(load_file(path))
    with safetensors.safe_open(path, "pt") as theirs:
        assert set(ours) == set(theirs.keys())


def test_roles_follow_the_first_part_of_a_name(tmp_path: Path) -> None:
    header = {
        name: entry(offsets=(8 * i, 8 * i + 8))
        for i, name in enumerate(["w", "optimizer.x", "ema.w", "metrics.w", "scheduler"])
    }
    checkpoint = open_checkpoint(write(tmp_path / "a.st", header, b"\0" * 40))
    assert [tensor.role for tensor in checkpoint.tensors] == [
        Role.MODEL,
        Role.OPTIMIZER,
        Role.EMA,
        Role.MODEL,
        Role.MODEL,
    ]


def test_metadata_that_is_no_object_of_texts_is_told_and_read_all_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "a.st", {"__metadata__": {"n": 1, "l": [1], "s": "x"}}, b"")
    scalars = {"__metadata__.n": 1, "__metadata__.l": "[1]", "__metadata__.s": "x"}
    assert open_checkpoint(path).scalars == scalars
    refused = "the safetensors library refuses the file"
    assert says(path) == [f"__metadata__: holds values that are no texts: 'n', 'l'; {refused}"]
    for odd in ([1], "x", 5, True):
        path = write(tmp_path / "b.st", {"__metadata__": odd}, b"")
        assert open_checkpoint(path).scalars == {}
        assert says(path) == [f"__metadata__: is no object of texts; {refused}"]


def test_a_header_longer_than_the_format_allows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.st"
    path.write_bytes(struct.pack("<Q", 100_000_001) + b"{}")
    with pytest.raises(LimitExceededError, match="a header of 100000001 bytes"):
        open_checkpoint(path)


def test_of_a_header_of_more_tensors_than_the_limit_the_first_are_read(tmp_path: Path) -> None:
    header = {name: entry(offsets=(8 * i, 8 * i + 8)) for i, name in enumerate("abcdef")}
    path = write(tmp_path / "a.st", header, bytes(48))
    checkpoint = open_checkpoint(path, Limits(tensors=3, tensors_of_more=2))
    assert [tensor.fqn for tensor in checkpoint.tensors] == ["a", "b"]
    (problem,) = checkpoint.problems
    assert problem.code == "CD107"
    assert problem.message.startswith(
        "more tensors than a file can need, of which 2 were read: the"
    )
    assert not open_checkpoint(path, Limits(tensors=6, tensors_of_more=2)).problems


def test_braces_in_texts_are_counted_and_cost_no_tensor(tmp_path: Path) -> None:
    header = {"__metadata__": {"workflow": "{" * 100}, "a": entry()}
    path = write(tmp_path / "a.st", header)
    checkpoint = open_checkpoint(path, Limits(tensors=3, tensors_of_more=2))
    assert (len(checkpoint.tensors), checkpoint.problems) == (1, ())


@pytest.mark.slow
def test_two_hundred_thousand_tensors_are_all_there(tmp_path: Path) -> None:
    count = 200_000
    entries = (
        b'"w%d":{"dtype":"F32","shape":[2],"data_offsets":[%d,%d]}' % (at, 8 * at, 8 * at + 8)
        for at in range(count)
    )
    path = safetensors_file(tmp_path / "a.st", b"{" + b",".join(entries) + b"}", bytes(8 * count))
    checkpoint = open_checkpoint(path)
    assert (len(checkpoint.tensors), checkpoint.problems) == (count, ())


@each(
    "header",
    [
        b"{nonsense}",
        b'{"a": \xff}',
        b"{" + b'"a":{' * 100_000,
        b'{"a": 1, "a": 2}',
        b'{"a": {"dtype": "F32", "dtype": "F32"}}',
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=["no json", "no utf-8", "deep", "duplicate", "duplicate inside", "a huge number"],
)
def test_a_header_that_is_no_json_is_corrupt(tmp_path: Path, header: bytes) -> None:
    path = safetensors_file(tmp_path / "a.st", header)
    with pytest.raises(CorruptCheckpointError, match="its header is no JSON"):
        open_checkpoint(path)


@each(
    ("bad", "why"),
    [
        (5, "describes no tensor"),
        ([], "describes no tensor"),
        ({}, "describes no tensor"),
        (entry(dtype="F12"), "dtype 'F12' is unknown"),
        ({**entry(), "dtype": []}, "describes no tensor"),
        (entry(shape=[-2]), "describes no tensor"),
        (entry(shape=[2.0]), "describes no tensor"),
        (entry(shape=[True, 2]), "describes no tensor"),
        (entry(shape=5), "describes no tensor"),
        (entry(shape=[2**64]), "describes no tensor"),
        (entry(shape=[1 << 62] * 5000), "describes no tensor"),
        (entry(offsets=[8, 0]), "describes no tensor"),
        (entry(offsets=[0]), "describes no tensor"),
        (entry(shape=[3]), "its shape takes 12 bytes, its place is 8"),
        (entry(shape=[1 << 62] * 100), "its place is 8"),
    ],
)
def test_an_entry_that_describes_no_tensor_is_reported(
    tmp_path: Path, bad: object, why: str
) -> None:
    path = write(tmp_path / "a.st", {"bad": bad})
    assert any(text.startswith("bad: ") and text.endswith(why) for text in says(path))


def test_an_overlap_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "a.st", {"a": entry(), "b": entry(offsets=(4, 12))}, b"\0" * 12)
    assert says(path) == ["b: its place overlaps the tensor before it"]


def test_a_hole_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "a.st", {"a": entry(), "b": entry(offsets=(12, 20))}, b"\0" * 20)
    assert says(path) == ["b: its place leaves a hole before it"]


def test_bytes_behind_the_last_tensor_are_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "a.st", {"a": entry()}, b"\0" * 11)
    assert says(path) == ["file: 3 bytes follow the last tensor"]


def test_cut_at_every_length_every_whole_tensor_is_listed(tmp_path: Path) -> None:
    path, cut = tmp_path / "a.st", tmp_path / "cut.st"
    save_file({"a": torch.ones(3), "b": torch.zeros(2)}, path)
    data = path.read_bytes()
    full = open_checkpoint(path)
    ends = {t.fqn: t.storage.offset + t.storage.nbytes for t in full.tensors if t.storage}
    start = 8 + struct.unpack("<Q", data[:8])[0]
    for length in range(9, start):
        cut.write_bytes(data[:length])
        with pytest.raises(TruncatedCheckpointError, match="ends inside its header"):
            open_checkpoint(cut)
    for length in range(start, len(data)):
        cut.write_bytes(data[:length])
        checkpoint = open_checkpoint(cut)
        assert [p.code for p in checkpoint.problems] == ["CD102"]
        whole = {tensor.fqn for tensor in checkpoint.tensors if not tensor.lost}
        assert whole == {name for name, end in ends.items() if end <= length}


def test_flipped_bytes_give_a_checkpoint_or_a_checkpoint_error(tmp_path: Path, stride: int) -> None:
    path, bad = tmp_path / "a.st", tmp_path / "bad.st"
    save_file({"a": torch.ones(3), "b": torch.zeros(2)}, path, metadata={"k": "v"})
    data = path.read_bytes()
    chance = random.Random(11)
    answers: dict[str, int] = {}
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
    assert answers["CorruptCheckpointError"] > 100 // stride


def test_a_safetensors_file_has_no_located_scalars(tmp_path: Path) -> None:
    path = write(tmp_path / "a.st", {"a": entry(), "__metadata__": {"k": "1"}})
    assert locate_scalars(path) == {}
