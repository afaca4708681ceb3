"""Boxes of a tensor that several files hold, and what two ways to cut it have in common."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from ckptdoctor.checkpoint import Role, TensorRecord
from ckptdoctor.compare import compare
from ckptdoctor.errors import CheckpointError
from ckptdoctor.layouts.opened import Piece, open_files, overlap
from ckptdoctor.runs.discover import checkpoint_at
from tests.builders import save

ROWS, COLUMNS = 6, 7


def cut(rows: list[int], columns: list[int]) -> list[tuple[slice, slice]]:
    return [
        (slice(top, bottom), slice(left, right))
        for top, bottom in zip([0, *rows], [*rows, ROWS], strict=True)
        for left, right in zip([0, *columns], [*columns, COLUMNS], strict=True)
    ]


def piece(whole: torch.Tensor, box: tuple[slice, slice]) -> Piece:
    """The box as the file of a rank holds it: contiguous, in a storage of its own."""
    part = whole[box].clone()
    return Piece(
        offsets=(box[0].start, box[1].start),
        record=TensorRecord(
            fqn="w",
            dtype="float32",
            shape=tuple(part.shape),
            stride=part.stride(),
            storage_offset=0,
            storage=None,
            role=Role.MODEL,
        ),
        fd=0,
        byteorder="little",
    )


def cuts(size: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, size), max_size=3).map(sorted)


@given(cuts(ROWS), cuts(COLUMNS), cuts(ROWS), cuts(COLUMNS))
def test_each_element_is_met_once_in_both(
    rows: list[int], columns: list[int], other_rows: list[int], other_columns: list[int]
) -> None:
    whole = torch.arange(ROWS * COLUMNS, dtype=torch.float32).reshape(ROWS, COLUMNS)
    met: list[float] = []
    for box in cut(rows, columns):
        for other in cut(other_rows, other_columns):
            views = overlap(piece(whole, box), piece(whole, other))
            if views is None:
                continue
            left, right = (
                torch.as_strided(whole[at].clone(), view.shape, view.stride, view.storage_offset)
                for at, view in zip((box, other), views, strict=True)
            )
            assert torch.equal(left, right)
            met += left.flatten().tolist()
    assert sorted(met) == whole.flatten().tolist()


def sharded(folder: Path, weights: dict[str, torch.Tensor]) -> Path:
    folder.mkdir()
    for at, (name, tensor) in enumerate(weights.items(), start=1):
        save_file({name: tensor}, folder / f"model-{at:05d}-of-{len(weights):05d}.safetensors")
    return folder


def test_a_sharded_folder_against_a_single_file(tmp_path: Path) -> None:
    weights = {"a": torch.randn(5, 4), "b": torch.randn(3)}
    folder = sharded(tmp_path / "checkpoint-1", weights)
    path = save(tmp_path / "model.pth", {"model": weights | {"b": weights["b"] + 1}})
    found = compare(folder, path)
    moved = {tensor.fqn: tensor.movement.changed for tensor in found.tensors}
    assert moved == {"a": 0, "b": 3}
    assert not found.added
    assert not found.removed


def test_a_part_that_cannot_be_read_is_told_and_left_out(tmp_path: Path) -> None:
    weights = {"a": torch.randn(5, 4), "b": torch.randn(3)}
    folder = sharded(tmp_path / "checkpoint-1", weights)
    other = sharded(tmp_path / "checkpoint-2", weights)
    (other / "model-00002-of-00002.safetensors").write_text("<html></html>")
    found = compare(folder, other)
    assert [tensor.fqn for tensor in found.tensors] == ["a"]
    assert "model-00002-of-00002.safetensors" in found.notes[0]
    (other / "model-00001-of-00002.safetensors").write_text("")
    with pytest.raises(CheckpointError), open_files(checkpoint_at(other)):
        pass
