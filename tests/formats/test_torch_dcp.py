"""Files of torch.distributed.checkpoint, held against what torch itself reads of them."""

from __future__ import annotations

import math
import os
import pickle
import shutil
import struct
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.distributed.checkpoint.metadata import Metadata

from ckptdoctor.checkpoint import Checkpoint, Role
from ckptdoctor.errors import (
    CheckpointError,
    CorruptCheckpointError,
    LimitExceededError,
    TruncatedCheckpointError,
    UnknownFormatError,
    UnsupportedCheckpointError,
)
from ckptdoctor.finding import Severity
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.formats.dcp.metadata import read_metadata
from ckptdoctor.formats.dcp.slices import slices_by_file
from ckptdoctor.formats.open_file import opened
from ckptdoctor.formats.torch_dcp import read_slices
from ckptdoctor.sources import positioned
from tests.costs import calls
from tests.each import each
from tests.formats.dcp.folders import Seen, described, grid, read_by_torch, save, seen, write

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.uint8)


def training_state() -> dict[str, Any]:
    """A model, its optimizer after a step, and where the training stands."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(5, 4)).sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "optim": optimizer.state_dict(),
        "epoch": 7,
        "best": 0.5,
        "note": "hé",
        "lrs": [0.1, 0.2],
    }


def flat(node: Any, name: str = "") -> dict[str, Any]:
    """Leaves by their dotted paths."""
    items: Iterable[tuple[Any, Any]]
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, list | tuple):
        items = ((str(at), one) for at, one in enumerate(node))
    else:
        return {name: node}
    found: dict[str, Any] = {}
    for key, one in items:
        found |= flat(one, f"{name}.{key}" if name else str(key))
    return found


def assert_as_torch_reads(found: Seen, loaded: Any) -> None:
    """Names, types, shapes, and what the elements are."""
    leaves = flat(loaded)
    tensors = {name: one for name, one in leaves.items() if isinstance(one, torch.Tensor)}
    assert set(found.tensors) == set(tensors)
    for name, tensor in tensors.items():
        record = found.tensors[name]
        assert record.shape == tuple(tensor.shape)
        assert f"torch.{record.dtype}" == str(tensor.dtype)
        if tensor.numel():
            stats, wide = found.stats[name], tensor.double()
            finite = wide[wide.isfinite()]
            assert stats.numel == tensor.numel()
            assert stats.nan == int(wide.isnan().sum())
            assert stats.posinf == int(wide.isposinf().sum())
            assert stats.min == (finite.min().item() if finite.numel() else None)
            assert stats.max == (finite.max().item() if finite.numel() else None)
            bad = (~wide.isfinite()).nonzero().tolist()
            assert stats.first_bad_index == (tuple(bad[0]) if bad else None)
    scalars = {name: one for name, one in leaves.items() if name not in tensors}
    assert {name: found.scalars[name] for name in scalars} == scalars


def test_what_dcp_saves_is_read_as_torch_reads_it(tmp_path: Path) -> None:
    folder = save(tmp_path / "step-7", training_state())
    found = seen(folder)
    assert found.is_sound
    assert_as_torch_reads(found, read_by_torch(folder, tmp_path / "torch.pt"))
    assert found.tensors["model.0.weight"].role is Role.MODEL
    assert found.tensors["optim.state.0.exp_avg"].role is Role.OPTIMIZER


def test_only_names_that_torch_writes_are_met_and_none_is_worth_a_remark(tmp_path: Path) -> None:
    found = seen(save(tmp_path / "d", training_state()))
    uses = [use for part in found.parts.values() for use in part.globals]
    assert uses
    assert all(use.allowed and use.known and not use.runs_code for use in uses)


@st.composite
def cut_tensors(draw: st.DrawFn) -> dict[str, tuple[torch.Tensor, list[int]]]:
    found = {}
    for number in range(draw(st.integers(1, 4))):
        shape = draw(st.lists(st.integers(0, 5), max_size=3))
        dtype = draw(st.sampled_from(DTYPES))
        tensor = torch.randint(-100, 100, shape).to(dtype)
        if dtype.is_floating_point and tensor.numel() and draw(st.booleans()):
            at = draw(st.integers(0, tensor.numel() - 1))
            tensor.view(-1)[at] = draw(st.sampled_from([math.nan, math.inf, -math.inf]))
        counts = [draw(st.integers(1, 3)) for _ in shape]
        found[f"model.layer{number}.weight"] = tensor, counts
    return found


@given(cut_tensors(), st.integers(1, 3))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.slow
def test_chunks_are_joined_to_what_torch_joins_them_to(
    tmp_path: Path, cut: dict[str, tuple[torch.Tensor, list[int]]], files: int
) -> None:
    folder = tmp_path / "cut"
    shutil.rmtree(folder, ignore_errors=True)
    tensors = {fqn: tensor for fqn, (tensor, _) in cut.items()}
    boxes = {fqn: grid(tensor.shape, counts) for fqn, (tensor, counts) in cut.items()}
    write(folder, tensors, boxes=boxes, values={"epoch": 3}, files=files)
    found = seen(folder)
    assert found.is_sound
    assert_as_torch_reads(found, read_by_torch(folder, tmp_path / "torch.pt"))


@given(
    st.recursive(
        st.one_of(
            st.integers(-(2**40), 2**40),
            st.booleans(),
            st.text(max_size=5),
            st.sampled_from(DTYPES).map(lambda dtype: torch.arange(3).to(dtype)),
            st.just(torch.ones(2, 3).t()),
        ),
        lambda inner: st.dictionaries(
            st.text("abmst", min_size=1, max_size=4), inner, min_size=1, max_size=3
        ),
        max_leaves=8,
    ).filter(lambda node: isinstance(node, dict))
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.slow
def test_any_state_dict_is_read_back_as_torch_reads_it(
    tmp_path: Path, state: dict[str, Any]
) -> None:
    folder = tmp_path / "any"
    shutil.rmtree(folder, ignore_errors=True)
    save(folder, state)
    found = seen(folder)
    assert found.is_sound
    assert_as_torch_reads(found, read_by_torch(folder, tmp_path / "torch.pt"))


def small(folder: Path, change: Callable[[Metadata], object] = lambda _: None) -> Path:
    """Two files: a weight in two chunks, a bias, a moment, a value."""
    torch.manual_seed(1)
    weight = torch.randn(4, 3)
    return write(
        folder,
        {
            "model.weight": weight,
            "model.bias": torch.randn(3),
            "optim.state.weight.exp_avg": torch.randn(4, 3),
        },
        boxes={"model.weight": grid((4, 3), (2, 1))},
        values={"step": 5},
        change=change,
    )


def test_samples_of_rows_are_those_of_the_whole_in_its_order(tmp_path: Path) -> None:
    found = seen(small(tmp_path / "d"))
    loaded = read_by_torch(tmp_path / "d", tmp_path / "t.pt")
    assert found.stats["model.weight"].sample == loaded["model.weight"].numpy().tobytes()


def test_tensors_cut_across_their_rows_have_no_samples(tmp_path: Path) -> None:
    boxes = {"w": grid((4, 4), (1, 2))}
    found = seen(write(tmp_path / "d", {"w": torch.randn(4, 4)}, boxes=boxes))
    assert found.stats["w"].sample == b""


@pytest.mark.parametrize("name", ["__0_0.distcp", "__1_0.distcp"])
def test_every_cut_of_a_file_is_named_and_its_tensors_are_lost(
    tmp_path: Path, name: str, stride: int
) -> None:
    folder = small(tmp_path / "d")
    slices = slices_by_file(described(folder))[name]
    for length in reversed(range(0, (folder / name).stat().st_size, stride)):
        os.truncate(folder / name, length)
        with opened(folder / name) as file:
            found = read_slices(file, slices)
        held = [item for item in slices.items if item.start + item.nbytes > length]
        told = next(problem for problem in found.problems if problem.code == "CD102")
        assert told.evidence["lost"] == len(held)
        lost = {tensor.fqn for tensor in found.tensors if tensor.lost}
        assert lost == {item.name for item in held if item.shape is not None}


def test_values_behind_a_cut_count_as_what_they_belong_to(tmp_path: Path) -> None:
    folder = write(tmp_path / "d", {}, values={"optim.lr": 0.1}, files=1)
    (folder / "__0_0.distcp").write_bytes(b"PK")
    roles = [problem.evidence.get("role") for problem in seen(folder).problems]
    assert "optimizer" in roles


@pytest.mark.slow
def test_every_cut_of_the_description_is_refused(tmp_path: Path) -> None:
    folder = small(tmp_path / "d")
    for length in reversed(range((folder / ".metadata").stat().st_size)):
        os.truncate(folder / ".metadata", length)
        with pytest.raises(CheckpointError):
            described(folder)
    with pytest.raises(CheckpointError):
        seen(folder)


@pytest.mark.slow
def test_every_flipped_bit_is_named_or_changes_nothing(tmp_path: Path, stride: int) -> None:
    folder = small(tmp_path / "d")
    path = folder / "__1_0.distcp"
    data = bytearray(path.read_bytes())
    sound = seen(folder)
    stored = [(ref.offset, ref.offset + ref.nbytes) for ref in sound.parts[path.name].records]
    for at in range(0, len(data), 7 * stride):
        data[at] ^= 1 << at % 8
        path.write_bytes(data)
        found = seen(folder)
        if any(start <= at < end for start, end in stored):
            assert not found.is_sound, at
        elif found.is_sound:
            assert found.stats == sound.stats
        data[at] ^= 1 << at % 8


def zeroed(folder: Path, name: str, fqn: str) -> None:
    """Zeros where an item of a file should be, as a hole in it would be read."""
    item = next(item for item in described(folder).items if (item.file, item.fqn) == (name, fqn))
    data = bytearray((folder / name).read_bytes())
    data[item.start : item.start + item.nbytes] = bytes(item.nbytes)
    (folder / name).write_bytes(data)


def test_a_slice_that_is_none_is_named_with_its_tensor(tmp_path: Path) -> None:
    folder = small(tmp_path / "d")
    name = next(item.file for item in described(folder).items if item.fqn == "model.bias")
    zeroed(folder, name, "model.bias")
    found = seen(folder)
    assert found.lost == {"model.bias"}
    (problem,) = found.problems
    assert (problem.code, problem.subject) == ("CD104", "model.bias")
    assert "torch.save" in problem.message


def test_a_chunk_that_is_lost_costs_its_tensor(tmp_path: Path) -> None:
    folder = small(tmp_path / "d")
    zeroed(folder, "__1_0.distcp", "model.weight")
    found = seen(folder)
    assert found.lost == {"model.weight"}
    assert "model.weight" not in found.stats
    (problem,) = found.problems
    assert problem.subject == "model.weight"
    assert problem.message.startswith("[0:2, 0:3]: ")


def move(fqn: str, **changes: Any) -> Callable[[Metadata], object]:
    """A change of where the description places an item."""

    def change(metadata: Metadata) -> None:
        for index, info in metadata.storage_data.items():
            if index.fqn == fqn:
                for name, value in changes.items():
                    setattr(info, name, value)

    return change


def test_an_item_in_the_place_of_another_is_named(tmp_path: Path) -> None:
    def change(metadata: Metadata) -> None:
        places = {index.fqn: info for index, info in metadata.storage_data.items()}
        other = places["optim.state.weight.exp_avg"]
        places["model.bias"].relative_path = other.relative_path
        places["model.bias"].offset, places["model.bias"].length = other.offset + 64, 500

    found = seen(small(tmp_path / "d", change))
    assert any("another item" in p.message and p.subject == "model.bias" for p in found.problems)


@pytest.mark.parametrize(
    ("size", "dtype", "says"),
    [((5,), torch.float32, "[5]"), ((3,), torch.float16, "float16")],
)
def test_a_tensor_that_is_not_what_is_described_is_named(
    tmp_path: Path, size: tuple[int, ...], dtype: torch.dtype, says: str
) -> None:
    def change(metadata: Metadata) -> None:
        entry: Any = metadata.state_dict_metadata["model.bias"]
        entry.size = entry.chunks[0].sizes = torch.Size(size)
        entry.properties.dtype = dtype

    found = seen(small(tmp_path / "d", change))
    (problem,) = found.problems
    assert (problem.code, problem.subject) == ("CD104", "model.bias")
    assert says in problem.message
    assert problem.evidence["role"] == "model"


def test_bytes_behind_the_last_item_are_a_warning(tmp_path: Path) -> None:
    folder = small(tmp_path / "d")
    with (folder / "__0_0.distcp").open("ab") as file:
        file.write(b"more")
    found = seen(folder)
    (problem,) = found.problems
    assert (problem.code, problem.severity) == ("CD104", Severity.WARNING)
    assert "4 bytes" in problem.message
    assert not found.lost


def test_a_transform_cannot_be_read_in_place_and_is_said(tmp_path: Path) -> None:
    folder = small(tmp_path / "d", move("model.bias", transform_descriptors=["zstandard"]))
    with pytest.raises(UnsupportedCheckpointError, match="zstandard"):
        seen(folder)


class _Chosen:
    """Pickles as a call of the attacker's choosing."""

    def __init__(self, call: tuple[Any, ...]) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


def test_code_in_the_description_is_named_and_not_run(tmp_path: Path) -> None:
    proof = tmp_path / "proof"

    def change(metadata: Metadata) -> None:
        metadata.planner_data = _Chosen((print, ("x",)))
        metadata.storage_meta = _Chosen((eval, (f"open({str(proof)!r}, 'w')",)))  # type: ignore[assignment]

    found = seen(small(tmp_path / "d", change))
    part = found.parts[".metadata"]
    assert any("eval" in call.call for call in part.calls)
    assert any(use.runs_code for use in part.globals)
    assert not proof.exists()


def test_code_in_a_value_is_named_and_not_run(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    call = (eval, (f"open({str(proof)!r}, 'w')",))
    folder = write(tmp_path / "d", {"w": torch.ones(2)}, values={"hook": _Chosen(call)})
    found = seen(folder)
    assert any("eval" in call.call for part in found.parts.values() for call in part.calls)
    assert not proof.exists()


def test_code_before_the_damage_of_a_description_is_told(tmp_path: Path) -> None:
    def change(metadata: Metadata) -> None:
        metadata.state_dict_metadata["code"] = _Chosen((eval, ("1",)))  # type: ignore[assignment]

    folder = small(tmp_path / "d", change)
    data = (folder / ".metadata").read_bytes()
    (folder / ".metadata").write_bytes(data[:-20])
    with pytest.raises(TruncatedCheckpointError) as caught, opened(folder / ".metadata") as file:
        read_metadata(file)
    assert any("eval" in name for name, _ in caught.value.runs)


@each("size", [(1 << 62,), (1 << 40, 1 << 40), (-1,), (1.5,), ("a",), (1,) * 200])
def test_sizes_that_no_tensor_has_are_named(tmp_path: Path, size: tuple[Any, ...]) -> None:
    def change(metadata: Metadata) -> None:
        metadata.state_dict_metadata["model.bias"].size = size  # type: ignore[union-attr]

    folder = small(tmp_path / "d", change)
    found = described(folder)
    assert "model.bias" not in found.tensors
    assert any(problem.subject == "'model.bias'" for problem in found.problems)


def test_places_beyond_all_files_cost_nothing_but_their_tensors(tmp_path: Path) -> None:
    folder = small(tmp_path / "d", move("model.bias", offset=1 << 61, length=1 << 61))
    assert seen(folder).lost == {"model.bias"}


@pytest.mark.slow
def test_items_that_share_a_place_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "d", {f"w{number}": torch.ones(2) for number in range(50)}, files=1)
    slices = slices_by_file(described(folder))["__0_0.distcp"]
    first = slices.items[0]

    def read(count: int) -> Checkpoint:
        crowd = tuple(replace(first, name=f"w{number}") for number in range(count))
        with opened(folder / "__0_0.distcp") as file:
            return read_slices(file, replace(slices, items=crowd))

    cost = calls(lambda: read(1))
    reads = 0
    pread = os.pread

    def counted(fd: int, nbytes: int, offset: int) -> bytes:
        nonlocal reads
        reads += 1
        return pread(fd, nbytes, offset)

    monkeypatch.setattr(positioned, "pread", counted)
    found: list[Checkpoint] = []
    assert calls(lambda: found.append(read(5000))) < 5000 * cost
    assert reads == 1
    assert sum(not tensor.lost for tensor in found[0].tensors) == 1
    assert len(found[0].problems) < 120


def test_a_description_that_holds_itself_is_read_to_its_end(tmp_path: Path) -> None:
    def change(metadata: Metadata) -> None:
        metadata.planner_data = {"model.bias": metadata, "all": [metadata]}

    assert described(small(tmp_path / "d", change)).tensors.keys() >= {"model.bias"}


def test_deep_nesting_is_no_recursion(tmp_path: Path) -> None:
    (tmp_path / ".metadata").write_bytes(b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".")
    with pytest.raises(UnknownFormatError), opened(tmp_path / ".metadata") as file:
        read_metadata(file)


def test_a_bomb_of_opcodes_ends_at_the_limit(tmp_path: Path) -> None:
    (tmp_path / ".metadata").write_bytes(b"\x80\x04" + b"\x8b" + struct.pack("<i", 1 << 30) + b"x")
    with (
        pytest.raises((LimitExceededError, CorruptCheckpointError)),
        opened(tmp_path / ".metadata") as file,
    ):
        read_metadata(file)


def test_items_beyond_what_a_file_of_its_size_explains_are_refused(tmp_path: Path) -> None:
    folder = small(tmp_path / "d")
    with opened(folder / ".metadata") as file:
        from ckptdoctor.formats import Limits

        with pytest.raises(LimitExceededError, match="more than 3 items"):
            read_metadata(file, Limits(tensors=3))


@pytest.mark.parametrize("root", [3, {"a": 1}, [1, 2], "text"])
def test_another_pickle_is_no_description(tmp_path: Path, root: Any) -> None:
    (tmp_path / ".metadata").write_bytes(pickle.dumps(root))
    with (
        pytest.raises(UnknownFormatError, match="not a description"),
        opened(tmp_path / ".metadata") as file,
    ):
        read_metadata(file)


def test_bytes_behind_the_description_are_named(tmp_path: Path) -> None:
    folder = small(tmp_path / "d")
    with (folder / ".metadata").open("ab") as file:
        file.write(b"more")
    assert any("4 bytes follow" in problem.message for problem in described(folder).problems)


@pytest.mark.parametrize("name", [".metadata", "__0_0.distcp"])
def test_a_part_that_is_named_alone_names_its_folder(tmp_path: Path, name: str) -> None:
    folder = small(tmp_path / "d")
    with pytest.raises(UnknownFormatError) as caught:
        open_checkpoint(folder / name)
    assert "its folder is the checkpoint" in caught.value.message
    assert f"ckptdoctor scan {folder}" in caught.value.remedy


def test_tensors_of_several_parts_are_read_from_a_slice(tmp_path: Path) -> None:
    sparse = torch.eye(3).to_sparse()
    values = {"extra": {"a": [torch.ones(2)]}}
    found = seen(write(tmp_path / "d", {"w": sparse, "v": torch.ones(4)}, values=values))
    assert found.is_sound
    assert set(found.tensors) == {"w.indices", "w.values", "v", "extra.a.0"}
