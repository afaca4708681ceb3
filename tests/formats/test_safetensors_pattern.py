"""A safetensors file that is taken for one like those before it is what reading it anew gives."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Mapping
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from safetensors.torch import save, save_file

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.errors import CheckpointError
from ckptdoctor.formats import Limits, Repeats, opened, read_checkpoint

Read = Checkpoint | str


def tensors(epoch: int) -> dict[str, torch.Tensor]:
    """Sixty weights, and numbers beside them."""
    made = {f"layers.{at}.attention.weight": torch.full((2, 3), epoch + 1.0) for at in range(60)}
    return {**made, "epoch": torch.tensor(epoch), "best_miou": torch.tensor(epoch / 9)}


def read(path: Path, repeats: Repeats | None = None, limits: Limits | None = None) -> Read:
    """What a file gives: the checkpoint, or what is wrong with it."""
    with opened(path) as file:
        try:
            return read_checkpoint(file, limits, repeats=repeats)
        except CheckpointError as error:
            return f"{type(error).__name__}: {error} {error.runs}"


def is_repeated(path: Path, repeats: Repeats) -> bool:
    with opened(path) as file:
        return repeats.read(file, Limits.for_file(file.nbytes)) is not None


def assert_same(path: Path, repeats: Repeats, limits: Limits | None = None) -> None:
    """Hold what is taken over against what reading the file anew gives."""
    found, anew = read(path, repeats, limits), read(path, None, limits)
    assert found == anew or repr(found) == repr(anew)  # NaN is unlike itself
    if isinstance(found, Checkpoint) and isinstance(anew, Checkpoint):
        assert repr(found.scalars) == repr(anew.scalars)
        assert [t.storage in found.records for t in found.tensors] == [True] * len(found.tensors)


def of_epoch(
    folder: Path, epoch: int, metadata: Mapping[str, str] | None, name: str = "model"
) -> Path:
    path = folder / f"{name}_{epoch}.safetensors"
    save_file(tensors(epoch), path, None if metadata is None else dict(metadata))
    return path


@pytest.fixture
def taught(tmp_path: Path) -> Repeats:
    """What has met two files of a structure."""
    repeats = Repeats()
    for epoch in range(2):
        read(of_epoch(tmp_path, epoch, {"format": "pt", "epoch": str(epoch)}), repeats)
    return repeats


@pytest.mark.parametrize(
    "metadata",
    [
        {"format": "pt", "epoch": "7"},
        {"format": "pt", "epoch": "70000"},  # the payload begins elsewhere
        {},
        None,
        {"loss": "nan", "note": "x" * 200},
    ],
)
def test_files_of_a_run_are_not_read_anew(
    metadata: dict[str, str] | None, taught: Repeats, tmp_path: Path
) -> None:
    path = of_epoch(tmp_path, 7, metadata)
    assert is_repeated(path, taught)
    assert_same(path, taught)
    found = read(path, taught)
    assert isinstance(found, Checkpoint)
    assert found.scalars == {f"__metadata__.{key}": text for key, text in (metadata or {}).items()}
    assert found.path == path


def written(path: Path, header: str, payload: bytes) -> Path:
    data = header.encode("utf-8", "surrogatepass")
    path.write_bytes(struct.pack("<Q", len(data)) + data + payload)
    return path


def parts(epoch: int) -> tuple[str, bytes]:
    """The header of a file from its first tensor on, and its payload."""
    data = save(tensors(epoch))
    nbytes = struct.unpack("<Q", data[:8])[0]
    return data[8 : 8 + nbytes].decode()[1:], data[8 + nbytes :]


@pytest.mark.parametrize(
    "lead",
    [
        '{"__metadata__":{"epoch":7},',
        '{"__metadata__":{"epoch":"7",},',
        '{"__metadata__":{"epoch":"7","epoch":"8"},',
        '{"__metadata__":{"epoch":"\\u0037"},',
        '{"__metadata__":{"epoch":"\x01"},',
        '{"__metadata__":{"epoch":"é"},',
        '{"__metadata__":{"epoch":"\ud800"},',
        '{"__metadata__":["epoch"],',
        '{"__metadata__":null,',
        '{"__metadata__":{"a":"7"},"__metadata__":{"b":"7"},',
        '{"epoch":{"dtype":"F32","shape":[],"data_offsets":[0,4]},',
        '{"__metadata__":{"epoch":"' + "{" * 2000 + '"},',
        '{"__metadata__":{"epoch":"7"} ,',
        ' {"__metadata__":{"epoch":"7"},',
        '{"__metadata__":{"a":"' + "x" * (257 - 30) + "ustar" + '"},',
        '{"__metadata__":{"a":"' + "".join(f"{at:03}ustar" for at in range(40)) + '"},',
        "{",
        "",
    ],
)
@pytest.mark.parametrize("tail", ["", "  ", "\n", "\0", "x", "{}"])
@pytest.mark.one_in(4)
def test_metadata_that_nobody_writes_is_read_anew_or_alike(
    lead: str, tail: str, taught: Repeats, tmp_path: Path
) -> None:
    rest, payload = parts(7)
    assert_same(written(tmp_path / "odd.safetensors", lead + rest + tail, payload), taught)


def test_what_lies_behind_the_last_tensor_is_seen(taught: Repeats, tmp_path: Path) -> None:
    path = of_epoch(tmp_path, 7, {"format": "pt", "epoch": "7"})
    data = path.read_bytes()
    for other in (data + b"\0", data[:-1], data + b"cos\nsystem\n(S'true'\ntR.", data[:4000]):
        path.write_bytes(other)
        assert not is_repeated(path, taught)
        assert_same(path, taught)


def test_a_file_with_a_fault_is_no_pattern(tmp_path: Path) -> None:
    repeats = Repeats()
    for epoch in range(4):
        path = of_epoch(tmp_path, epoch, None)
        path.write_bytes(path.read_bytes() + b"x")
        assert_same(path, repeats)
        assert not is_repeated(path, repeats)


def test_another_name_may_be_another_thing(taught: Repeats, tmp_path: Path) -> None:
    path = of_epoch(tmp_path, 7, {"format": "pt", "epoch": "7"})
    for name in ("part.distcp", "x.metadata", "model.nemo", "model.bin"):
        assert_same(path.rename(tmp_path / name), taught)
        path = tmp_path / name


def test_limits_hold_as_for_the_first(taught: Repeats, tmp_path: Path) -> None:
    path = of_epoch(tmp_path, 7, {"format": "pt", "epoch": "7"})
    for limits in (
        Limits(tensors=10),
        Limits(tensors=62),
        Limits(tensors=61),
        Limits(tensors=63, tensors_of_more=5),
        Limits(scalars=1),
    ):
        assert_same(path, taught, limits)


def test_shards_of_one_size_are_told_apart(tmp_path: Path) -> None:
    repeats = Repeats()
    for at in range(6):
        made = {f"shard{at % 2}.{name}": value for name, value in tensors(at).items()}
        path = tmp_path / f"{at}.safetensors"
        save_file(made, path)
        assert_same(path, repeats)
    assert is_repeated(path, repeats)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
@pytest.mark.slow
def test_damage_is_seen_as_by_reading_it_anew(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("damaged")
    repeats = Repeats()
    for epoch in range(2):
        read(of_epoch(folder, epoch, {"epoch": str(epoch)}), repeats)
    path = of_epoch(folder, 7, {"epoch": "7"})
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 1, 2, 5])):
        at = chance.choice([chance.randrange(60), chance.randrange(len(data))])
        data[at] = chance.choice([data[at] ^ 1 << chance.randrange(8), chance.randrange(256)])
    path.write_bytes(data[: chance.choice([len(data), len(data), chance.randrange(len(data))])])
    assert_same(path, repeats)


def test_what_the_library_writes_first_is_its_metadata(tmp_path: Path) -> None:
    """What the pattern is made for; if that changes, files are only read more slowly."""
    data = of_epoch(tmp_path, 1, {"b": "1"}).read_bytes()
    assert next(iter(json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]]))) == "__metadata__"
