"""Whether the chunks of a tensor make it up, held against a count of every element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributed.checkpoint.metadata import ChunkStorageMetadata, Metadata

from ckptdoctor.checkpoint import FileIdentity, Problem
from ckptdoctor.formats.dcp import tiling
from ckptdoctor.formats.dcp.described import Chunk, DcpMetadata, Item, WholeTensor
from ckptdoctor.formats.dcp.slices import roles_of
from ckptdoctor.formats.dcp.tiling import tiling_problems
from tests.costs import calls
from tests.formats.dcp.folders import Box, described, grid, write

NOTHING = FileIdentity(device=0, inode=0, nbytes=0, mtime_ns=0)


def problems_of(size: tuple[int, ...], boxes: Sequence[Box]) -> list[Problem]:
    """What is said of one tensor, every chunk of which a file holds."""
    chunks = tuple(Chunk(offsets=at, sizes=sizes) for at, sizes in boxes)
    tensor = WholeTensor(fqn="w", dtype="float32", size=size, chunks=chunks)
    items = tuple(
        Item(fqn="w", offsets=chunk.offsets, file="f", start=0, nbytes=1) for chunk in chunks
    )
    metadata = DcpMetadata(
        path=Path("m"), identity=NOTHING, tensors={"w": tensor}, values=frozenset(), items=items
    )
    return list(tiling_problems(metadata, roles_of(metadata)))


@st.composite
def cut(draw: st.DrawFn) -> tuple[tuple[int, ...], list[Box]]:
    size = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    boxes = grid(size, [draw(st.integers(1, 3)) for _ in size])
    for _ in range(draw(st.integers(0, 2))):  # move, drop, stretch or repeat one
        at = draw(st.integers(0, len(boxes) - 1)) if boxes else None
        if at is None:
            break
        offsets, sizes = boxes[at]
        how = draw(st.sampled_from(["move", "drop", "stretch", "repeat"]))
        dim = draw(st.integers(0, len(size) - 1))
        shift = tuple(draw(st.integers(0, 2)) if one == dim else 0 for one in range(len(size)))
        if how == "drop":
            del boxes[at]
        elif how == "move":
            boxes[at] = tuple(map(sum, zip(offsets, shift, strict=True))), sizes
        elif how == "stretch":
            boxes[at] = offsets, tuple(map(sum, zip(sizes, shift, strict=True)))
        else:
            boxes.append(boxes[at])
    return size, boxes


@given(cut())
@settings(max_examples=300, deadline=None)
@pytest.mark.slow
def test_chunks_are_sound_if_and_only_if_each_element_is_in_one(
    made: tuple[tuple[int, ...], list[Box]],
) -> None:
    size, boxes = made
    count = np.zeros([2 * one + 8 for one in size], dtype=int)
    for offsets, sizes in boxes:
        spans = zip(offsets, sizes, strict=True)
        count[tuple(slice(at, at + reach) for at, reach in spans)] += 1
    inside = count[tuple(slice(0, one) for one in size)]
    sound = bool((inside == 1).all()) and count.sum() == inside.sum()
    assert bool(problems_of(size, boxes)) is not sound


@pytest.mark.parametrize(
    ("boxes", "says"),
    [
        ([((0,), (4,)), ((4,), (3,))], "its chunks hold 7 of its 8 elements"),
        ([((0,), (5,)), ((4,), (4,))], "two of its chunks overlap: [0:5] and [4:8]"),
        ([((0,), (4,)), ((5,), (4,))], "[5:9], lies outside of its [8]"),
    ],
)
def test_what_is_wrong_is_said_with_its_figures(boxes: list[Box], says: str) -> None:
    (problem,) = problems_of((8,), boxes)
    assert says in problem.message
    assert (problem.code, problem.subject) == ("CD104", "w")
    assert problem.evidence["role"] == "model"


def test_ranks_that_hold_nothing_of_a_tensor_are_no_fault() -> None:
    assert problems_of((3,), [((0,), (2,)), ((2,), (1,)), ((3,), (0,)), ((3,), (0,))]) == []
    assert problems_of((0, 3), [((0, 0), (0, 3))]) == []


def test_no_chunk_of_a_grid_is_compared_with_each_other() -> None:
    def work(side: int) -> int:
        boxes = grid((4096, 4096), (side, side))
        assert len(boxes) == side**2
        return calls(lambda: problems_of((4096, 4096), boxes))

    assert work(64) < 20 * work(16)  # of 16 times as many; 256 times where it is the square


def test_chunks_made_to_take_long_end_at_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes: list[Box] = [((0, at), (1200, 1)) for at in range(600)]
    boxes += [((at, 600), (1, 1)) for at in range(1200)]
    compared = 0

    def share(one: Chunk, other: Chunk) -> bool:
        nonlocal compared
        compared += 1
        return real(one, other)

    real = tiling._share
    monkeypatch.setattr(tiling, "_share", share)
    monkeypatch.setattr(tiling, "_COMPARED", 20_000)
    (problem,) = problems_of((1200, 601), boxes)
    assert "too long" in problem.message
    assert 10_000 < compared <= 20_000  # of half a million pairs


def lacking(fqn: str) -> Callable[[Metadata], object]:
    def change(metadata: Metadata) -> None:
        index = next(index for index in metadata.storage_data if index.fqn == fqn)
        del metadata.storage_data[index]

    return change


def test_a_chunk_that_no_file_holds_is_named(tmp_path: Path) -> None:
    boxes = {"w": grid((4,), (2,))}
    folder = write(tmp_path, {"w": torch.ones(4)}, boxes=boxes, change=lacking("w"))
    metadata = described(folder)
    (problem,) = tiling_problems(metadata, roles_of(metadata))
    assert problem.message == "no file holds 1 of its 2 chunks, by .metadata"


def test_many_faults_are_summed_up(tmp_path: Path) -> None:
    def change(metadata: Metadata) -> None:
        entries: dict[str, Any] = metadata.state_dict_metadata
        for entry in entries.values():
            entry.chunks.append(ChunkStorageMetadata(torch.Size([0]), torch.Size([2])))

    tensors = {f"model.{number}": torch.ones(2) for number in range(30)}
    metadata = described(write(tmp_path, tensors, change=change))
    found = list(tiling_problems(metadata, roles_of(metadata)))
    assert len(found) == 21
    assert found[-1].message.startswith("10 more")
    assert found[-1].evidence["role"] == "model"
