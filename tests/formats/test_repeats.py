"""A file that is taken for one like those before it gives what reading it as the first would."""

from __future__ import annotations

import io
import pickle
import random
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.errors import CheckpointError
from ckptdoctor.formats import Limits, Repeats, opened, read_checkpoint
from ckptdoctor.formats.pickle.nodes import PickleError
from ckptdoctor.formats.pickle.opcodes import TRACKING_DISPATCH
from tests.builders import patched, save, small_model, training_checkpoint
from tests.each import each

SIZES = [8, 40_000]
"""Elements of the largest tensor: a little file is read by one call, and the other by many."""


def contents(epoch: int) -> dict[str, Any]:
    """A training checkpoint with every kind of place that a number can have."""
    model = small_model()
    made: dict[str, Any] = training_checkpoint()
    made["epoch"] = epoch
    made["loss"] = epoch / 7
    made["history"] = [epoch + i / 3 for i in range(30)]
    made["counts"] = list(range(epoch, epoch + 20))
    made["nested"] = OrderedDict(a=(epoch, 1.5), b={"c": [epoch]})
    made["shape"] = torch.Size((epoch % 3 + 1, 2))
    made["best"] = torch.tensor(epoch / 9)
    made["weights"] = model.state_dict()
    return made


def other_epochs(tmp_path: Path, make: Callable[[int], Any] = contents) -> Iterator[Path]:
    for epoch in range(30, 40):
        yield save(tmp_path / f"checkpoint_{epoch}.pth", make(epoch))


def read(path: Path, repeats: Repeats | None = None) -> Checkpoint | str:
    """What a file gives: the checkpoint, or what is wrong with it."""
    with opened(path) as file:
        try:
            return read_checkpoint(file, repeats=repeats)
        except CheckpointError as error:
            return f"{type(error).__name__}: {error} {error.runs}"


def taught(paths: Iterator[Path]) -> Repeats:
    """What has met two files of a structure."""
    repeats = Repeats()
    for _ in range(2):
        read(next(paths), repeats)
    return repeats


def is_repeated(path: Path, repeats: Repeats) -> bool:
    with opened(path) as file:
        return repeats.read(file, Limits.for_file(file.nbytes)) is not None


@each("longest", SIZES)
def test_files_of_a_run_give_what_they_would_as_the_first(tmp_path: Path, longest: int) -> None:
    paths = other_epochs(tmp_path, lambda epoch: contents(epoch) | {"long": torch.zeros(longest)})
    repeats = taught(paths)
    for path in paths:
        found = read(path, repeats)
        assert found == read(path)
        assert isinstance(found, Checkpoint)
        assert repr(found.scalars) == repr(read(path).scalars)  # type: ignore[union-attr]
        assert list(found.scalars) == list(read(path).scalars)  # type: ignore[union-attr]


def test_the_third_file_is_not_read_as_the_first(tmp_path: Path) -> None:
    def make(epoch: int) -> dict[str, Any]:
        return {"epoch": epoch, "model": small_model().state_dict()}

    paths = other_epochs(tmp_path, make)
    repeats = taught(paths)
    marked = [read(path, repeats) for path in paths]
    assert len({one.structure for one in marked if isinstance(one, Checkpoint)}) == 1
    assert all(isinstance(one, Checkpoint) and one.structure is not None for one in marked)


def test_a_name_of_another_length_is_no_other_structure(tmp_path: Path) -> None:
    def make(epoch: int) -> dict[str, Any]:
        return {"epoch": epoch, "model": small_model().state_dict()}

    repeats = taught(other_epochs(tmp_path, make))
    longer = save(tmp_path / "a_much_longer_name.pth", make(77))
    assert is_repeated(longer, repeats)
    assert read(longer, repeats) == read(longer)


@each(
    "change",
    [
        lambda made: made.update(epoch=300),  # an opcode of another length
        lambda made: made.update(epoch=None),
        lambda made: made.update(epoch=True),
        lambda made: made.update(loss="low"),
        lambda made: made["model"].pop("0.bias"),
        lambda made: made["model"].update(extra=torch.zeros(2)),
        lambda made: made["model"].update({"0.bias": torch.zeros(3)}),
        lambda made: made["model"].update({"0.bias": torch.zeros(2, dtype=torch.int32)}),
        lambda made: made.update(net=made.pop("model")),
    ],
)
def test_another_structure_is_read_anew(
    change: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    def make(epoch: int) -> dict[str, Any]:
        return {"epoch": epoch, "loss": 0.5, "model": dict(small_model().state_dict())}

    repeats = taught(other_epochs(tmp_path, make))
    other = make(33)
    change(other)
    path = save(tmp_path / "checkpoint_99.pth", other)
    assert not is_repeated(path, repeats)
    assert read(path, repeats) == read(path)


class _Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.getcwd, ()


def test_what_names_code_is_never_a_pattern(tmp_path: Path) -> None:
    def make(epoch: int) -> dict[str, Any]:
        return {"epoch": epoch, "model": {"w": torch.zeros(2)}, "hook": _Runs()}

    paths = other_epochs(tmp_path, make)
    repeats = taught(paths)
    path = next(paths)
    assert not is_repeated(path, repeats)
    found = read(path, repeats)
    assert isinstance(found, Checkpoint)
    assert [call.name for call in found.calls] == ["posix.getcwd"]


def test_a_name_that_became_code_is_seen(tmp_path: Path) -> None:
    def make(epoch: int) -> dict[str, Any]:
        return {"epoch": epoch, "model": {"w": torch.zeros(2)}, "at": OrderedDict(x=1)}

    paths = other_epochs(tmp_path, make)
    repeats = taught(paths)
    path = next(paths)
    data = path.read_bytes()
    at = data.index(b"ccollections\nOrderedDict\n")
    patched(path, at, b"cos\n" + b"s" * 20 + b"\n")
    assert not is_repeated(path, repeats)
    found = read(path, repeats)
    assert found == read(path)
    assert isinstance(found, Checkpoint)
    assert any(use.runs_code for use in found.globals)


# -- numbers that decide something ---------------------------------------------------------------


def _archive(path: Path, pickled: bytes, values: int) -> Path:
    """A file of torch with a pickle of its own making."""
    save(path, {"w": torch.zeros(values)})
    with zipfile.ZipFile(path) as archive:
        records = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in records.items():
            archive.writestr(name, pickled if name.endswith("data.pkl") else data)
    return path


def _pickled(value: bytes, use: bytes) -> bytes:
    """A dict with a number that was remembered, and what else is done with it."""
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQK\x00"
    )
    return b"\x80\x02}q\x00(X\x01\x00\x00\x00n" + value + b"X\x01\x00\x00\x00w" + tensor + use


@pytest.mark.parametrize(
    ("kept", "used"),
    [
        (b"K%cq\x05", b"h\x05\x85K\x01\x85\x89NtRu."),  # the number itself, remembered
        (b"(K%ctq\x05", b"h\x05K\x01\x85\x89NtRu."),  # a tuple that is a shape as well
        (b"](K%ceq\x05", b"h\x05K\x01\x85\x89NtRu."),  # and a list
    ],
)
def test_a_number_that_is_a_size_as_well_is_no_plain_one(
    kept: bytes, used: bytes, tmp_path: Path
) -> None:
    repeats = Repeats()
    for at in range(2):
        path = _archive(tmp_path / f"{at}.pth", _pickled(kept % 3, used), 4)
        assert isinstance(read(path, repeats), Checkpoint)
    path = _archive(tmp_path / "2.pth", _pickled(kept % 2, used), 4)
    found = read(path, repeats)
    assert found == read(path)
    assert isinstance(found, Checkpoint)
    assert [tensor.shape for tensor in found.tensors] == [(2,)]


# -- any bytes -----------------------------------------------------------------------------------

SEED_EPOCHS = (30, 31, 33)


@pytest.fixture(scope="module", params=SIZES)
def taught_once(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Repeats, Path, bytes]:
    folder = tmp_path_factory.mktemp("repeats")

    def make(epoch: int) -> dict[str, Any]:
        return {
            "epoch": epoch,
            "loss": epoch / 7,
            "history": [epoch / 3, 0.5, epoch],
            "model": small_model().state_dict(),
            "long": torch.zeros(request.param),
            "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]},
        }

    paths = other_epochs(folder, make)
    repeats = taught(paths)
    path = next(paths)
    assert is_repeated(path, repeats)
    return repeats, path, path.read_bytes()


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Some bytes of a file changed, mostly where its structure lies."""
    changed = bytearray(data)
    directory, start = data.index(b"PK\x01\x02"), data.index(b"\x80\x02}")
    for _ in range(chance.choice((1, 1, 2, 5))):
        low, high = chance.choice(((0, len(data)), (directory, len(data)), (start, start + 900)))
        at = chance.randrange(low, high)
        changed[at] = chance.choice((changed[at] ^ 1 << chance.randrange(8), chance.randrange(256)))
    return bytes(changed)


def _agree(repeats: Repeats, path: Path, data: bytes) -> None:
    path.write_bytes(data)
    fresh, repeated = read(path), read(path, repeats)
    assert repr(repeated) == repr(fresh)
    assert repeated == fresh or "nan" in repr(getattr(fresh, "scalars", ""))


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
@pytest.mark.slow
def test_damage_is_seen_as_by_reading_it_as_the_first(
    seed: int, taught_once: tuple[Repeats, Path, bytes]
) -> None:
    repeats, path, data = taught_once
    _agree(repeats, path, damaged(data, random.Random(seed)))


@pytest.mark.fuzz
@settings(max_examples=20_000, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_damage_is_seen_as_by_reading_it_as_the_first_at_length(
    seed: int, taught_once: tuple[Repeats, Path, bytes]
) -> None:
    repeats, path, data = taught_once
    _agree(repeats, path, damaged(data, random.Random(seed)))


# -- numbers in runs -----------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.floats()
        | st.integers(-(2**40), 2**40)
        | st.integers(0, 300)
        | st.booleans()
        | st.none(),
        max_size=200,
    ),
    st.integers(2, 5),
)
def test_runs_of_numbers_are_those_that_pickle_reads(values: list[Any], protocol: int) -> None:
    from ckptdoctor.formats.pickle.machine import PickleMachine
    from ckptdoctor.formats.source import MemorySource

    data = pickle.dumps([values, [1.5] * 3, values], protocol)
    root, end = PickleMachine(MemorySource(data)).run()
    assert repr(root[0]) == repr(values)
    assert end == len(data)


def test_a_run_of_numbers_ends_where_its_frame_does() -> None:
    from ckptdoctor.formats.pickle.machine import PickleMachine
    from ckptdoctor.formats.source import MemorySource

    numbers = b"K\x01K\x02K\x03"
    lies = b"\x80\x04\x95" + struct.pack("<Q", 4) + b"(" + numbers + b"t."  # ends within an opcode
    with pytest.raises(PickleError, match="frame"):
        PickleMachine(MemorySource(lies)).run()


def test_numbers_in_runs_are_counted_as_opcodes() -> None:
    from ckptdoctor.formats.pickle.machine import PickleMachine
    from ckptdoctor.formats.source import MemorySource

    data = pickle.dumps([0.5] * 500, 2)
    few = replace(Limits.for_file(len(data)), opcodes=100)
    machine = PickleMachine(MemorySource(data), few)
    with pytest.raises(PickleError, match="opcodes"):
        machine.run()
    assert machine.gave_up
    assert len(TRACKING_DISPATCH) == 256
    assert io.BytesIO(data).read(1) == b"\x80"
