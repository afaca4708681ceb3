"""Files of ``joblib.dump``: arrays in the stream, objects in arrays, compression."""

from __future__ import annotations

import os
import pickle
import random
from collections import OrderedDict
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch

from ckptdoctor.diagnose import examine
from ckptdoctor.errors import CheckpointError, UnsupportedCheckpointError
from ckptdoctor.finding import Verdict
from ckptdoctor.formats import compressed, locate_scalars, open_checkpoint
from tests.builders import small_model, training_checkpoint
from tests.each import each
from tests.formats.oracle import assert_same_tensors

COMPRESSIONS = [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)]
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def arrays() -> dict[str, Any]:
    return {
        "doubles": np.arange(6.0),
        "fortran": np.asfortranarray(np.arange(6, dtype=np.float16).reshape(2, 3)),
        "other order": np.arange(3, dtype=">i4"),
        "none": np.zeros((0, 3)),
        "scalar": np.array(5.0),
        "flags": np.array([True, False]),
        "complex": np.array([1 + 2j]),
        "large": np.arange(70_000, dtype=np.float32),
        "tensor": torch.arange(3.0),
        "last": np.arange(3, dtype=np.int8),
    }


def native(tree: dict[str, Any]) -> dict[str, Any]:
    """Arrays in the byte order of this machine, as torch wants them."""
    return {
        name: value.astype(value.dtype.newbyteorder("="))
        if isinstance(value, np.ndarray)
        else value
        for name, value in tree.items()
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("compress", COMPRESSIONS, ids=str)
@pytest.mark.one_in(3)
def test_arrays_are_those_that_joblib_loads(tmp_path: Path, compress: Any, protocol: int) -> None:
    path = tmp_path / "a.joblib"
    joblib.dump(arrays(), path, compress=compress, protocol=protocol)
    try:
        loaded = joblib.load(path)
    except (ValueError, UnicodeDecodeError, pickle.UnpicklingError):
        pytest.skip("joblib itself cannot read this protocol")
    if compress and protocol < 2:
        pytest.skip("told as what it is: unpack it first")
    checkpoint = open_checkpoint(path)
    assert (checkpoint.format, checkpoint.problems) == ("joblib", ())
    assert [use.name for use in checkpoint.globals if use.runs_code] == []
    assert_same_tensors(checkpoint, native(loaded))


@pytest.mark.parametrize("compress", COMPRESSIONS, ids=str)
@pytest.mark.parametrize("make", [small_model, lambda: small_model().state_dict()])
@pytest.mark.one_in(3)
def test_torch_objects(tmp_path: Path, make: Any, compress: Any) -> None:
    path = tmp_path / "a.joblib"
    obj = make()
    joblib.dump(obj, path, compress=compress)
    loaded = joblib.load(path)
    (report,) = examine([path]).checkpoints
    assert report.verdict is Verdict.HEALTHY
    state = loaded.state_dict() if isinstance(loaded, torch.nn.Module) else loaded
    checkpoint = open_checkpoint(path)
    assert_same_tensors(checkpoint, dict(state))


def test_what_stands_in_arrays_of_objects_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.joblib"
    objects = np.array([torch.arange(2.0), {"n": 3}, "x"], dtype=object)
    joblib.dump({"before": 1, "objects": objects, "after": np.arange(2.0)}, path)
    checkpoint = open_checkpoint(path)
    assert [tensor.fqn for tensor in checkpoint.tensors] == ["objects.0", "after"]
    assert checkpoint.scalars == {"before": 1, "objects.1.n": 3, "objects.2": "x"}


def test_what_others_take_the_first_array_of_objects_for_is_no_code(tmp_path: Path) -> None:
    """They would name ``collections.dtype``, which there is not, and go no further."""
    path = tmp_path / "a.joblib"
    state = OrderedDict(weight=np.array([np.ones(2), np.ones(2), "a"], dtype=object))
    joblib.dump({"epoch": 1, "state_dict": state}, path)
    with pytest.raises(AttributeError, match="dtype"), path.open("rb") as file:
        pickle.load(file)
    (report,) = examine([path]).checkpoints
    assert report.verdict is Verdict.HEALTHY


def test_text_and_dates_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.joblib"
    tree = {
        "words": np.array(["ab", "c"]),
        "bytes": np.array([b"ab"]),
        "days": np.array(["2020-01-01"], dtype="datetime64[D]"),
        "records": np.zeros(2, dtype=[("a", "f4"), ("b", "i8")]),
        "named records": np.zeros(2, dtype=[("a", "f4")]).view(np.recarray),
        "long text": np.array(["ab", "c"], dtype=np.dtypes.StringDType()),
        "after": np.arange(2.0),
    }
    joblib.dump(tree, path)
    checkpoint = open_checkpoint(path)
    assert checkpoint.problems == ()
    assert [tensor.fqn for tensor in checkpoint.tensors] == ["after"]


# -- code ----------------------------------------------------------------------------------------


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("true",)


def calls_of(path: Path) -> list[str]:
    return [call.call for call in open_checkpoint(path).calls]


@each(
    "compress",
    COMPRESSIONS,
)
def test_code_in_an_array_of_objects_is_named(tmp_path: Path, compress: Any) -> None:
    path = tmp_path / "a.joblib"
    tree = {"w": torch.ones(2), "a": np.array([Evil(), 1], dtype=object)}
    joblib.dump(tree, path, compress=compress)
    assert calls_of(path) == ["posix.system('true')"]


def test_code_behind_an_array_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.joblib"
    joblib.dump({"a": np.arange(3.0), "b": Evil()}, path)
    assert calls_of(path) == ["posix.system('true')"]


@pytest.mark.parametrize("padding", [b"", b"."])
def test_code_that_others_see_in_the_bytes_of_an_array_is_named(
    tmp_path: Path, padding: bytes
) -> None:
    """``pickle.load`` takes for opcodes what ``joblib.load`` takes for elements."""
    path = tmp_path / "a.joblib"
    hidden = b"cos\nsystem\n(S'true'\ntR0" + b"N" * 41
    joblib.dump({"a": np.frombuffer(hidden, np.uint8)}, path)
    data = path.read_bytes()
    assert calls_of(path) == []  # the byte before them is no opcode: nobody comes so far
    at = data.index(hidden)
    start = data.rindex(b"b", 0, at) + 1
    path.write_bytes(data[:start] + b"N" + b"N" * 78 + data[at:])
    assert "os.system('true')" in calls_of(path)


def test_a_wrapper_that_is_made_in_another_way_is_one(tmp_path: Path) -> None:
    """joblib looks at the class of the object alone."""
    path = tmp_path / "a.joblib"
    joblib.dump({"a": np.frombuffer(b"B\xff\xff\xff\x7f" * 4, np.uint8), "b": Evil()}, path)
    data = path.read_bytes()
    made = b")\x81"
    other = b"0ccopyreg\n__newobj__\nh\x04\x85R"
    assert data.count(b"\x94" + made) == 1
    stack_global = data.index(b"\x94" + made)
    path.write_bytes(data[: stack_global + 1] + other + data[stack_global + 3 :])
    named = {use.name for use in _uses(path)}
    assert named & {"os.system", "posix.system"}


def _uses(path: Path) -> list[Any]:
    try:
        return [use for use in open_checkpoint(path).globals if use.runs_code]
    except CheckpointError as error:
        from types import SimpleNamespace

        return [SimpleNamespace(name=name) for name, _ in error.runs]


# -- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [0, 3, ("xz", 3)], ids=str)
@pytest.mark.one_in(3)
@pytest.mark.slow
def test_a_cut_file_is_never_healthy(tmp_path: Path, compress: Any, stride: int) -> None:
    path = tmp_path / "a.joblib"
    tree = {"w": torch.arange(40.0), "a": np.arange(40.0), "b": np.arange(9, dtype=np.int16)}
    joblib.dump(tree, path, compress=compress)
    data = path.read_bytes()
    whole = 0
    for length in range(1, len(data), stride):
        path.write_bytes(data[:length])
        (report,) = examine([path]).checkpoints
        assert report.verdict not in (Verdict.HEALTHY, Verdict.SUSPECT), length
        assert "CD106" not in {finding.code for finding in report.findings}
        whole += report.tensors.scanned > 0
    assert whole > 100 // stride or compress


def test_an_array_that_the_cut_goes_through_keeps_its_shape(tmp_path: Path) -> None:
    path = tmp_path / "a.joblib"
    joblib.dump({"w": np.arange(3.0), "v": np.arange(8.0).reshape(2, 4)}, path)
    path.write_bytes(path.read_bytes()[:-20])
    whole, lost = open_checkpoint(path).tensors[:2]
    assert (whole.fqn, whole.lost) == ("w", False)
    assert (lost.fqn, lost.shape, lost.lost) == ("v", (2, 4), True)


@pytest.mark.parametrize("compress", [0, 3], ids=str)
def test_flipped_bytes_give_a_checkpoint_or_a_checkpoint_error(
    tmp_path: Path, compress: Any, stride: int
) -> None:
    path = tmp_path / "a.joblib"
    tree = {"w": torch.arange(4.0), "a": np.arange(5.0), "o": np.array([1, "x"], dtype=object)}
    joblib.dump(tree, path, compress=compress)
    data = path.read_bytes()
    chance = random.Random(5)
    answers = set()
    for _ in range(800 // stride):
        flipped = bytearray(data)
        flipped[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(flipped)
        try:
            answers.add(type(open_checkpoint(path)).__name__)
        except CheckpointError as error:
            answers.add(type(error).__name__)
    assert answers >= {"Checkpoint", "CorruptCheckpointError"} or compress


def test_what_is_too_large_to_unpack_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressed, "_HELD_NBYTES", 1 << 20)
    path = tmp_path / "a.joblib"
    joblib.dump({"w": torch.zeros(1 << 19)}, path, compress=3)
    with pytest.raises(UnsupportedCheckpointError, match="joblib") as caught:
        open_checkpoint(path)
    assert "without compress" in caught.value.remedy


def test_a_compressed_pickle_without_a_tensor_is_to_be_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.joblib"
    joblib.dump({"epoch": 3}, path, compress=3)
    with pytest.raises(CheckpointError, match="unpack it first"):
        open_checkpoint(path)


def test_scalars_have_no_place_in_a_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "a.joblib"
    joblib.dump(training_checkpoint(), path)
    assert locate_scalars(path)["epoch"].value == 88
    joblib.dump(training_checkpoint(), path, compress=3)
    assert locate_scalars(path) == {}
    assert open_checkpoint(path).scalars["epoch"] == 88
