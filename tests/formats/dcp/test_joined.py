"""Chunks put together: of two folders, in part lost, and what is said of them."""

from __future__ import annotations

import zlib
from pathlib import Path

import torch

from ckptdoctor.checkpoint import Problem, Role
from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks.dcp import parts_of
from tests.formats.dcp.folders import Seen, grid, seen, write


def two_folders(root: Path) -> CheckpointFiles:
    """As accelerate saves under FSDP: the model in one folder, the optimizer in another."""
    boxes = {"model.w": grid((4, 2), (2, 1)), "optimizer.state.w.exp_avg": grid((4, 2), (2, 1))}
    write(root / "model_0", {"model.w": torch.arange(8.0).view(4, 2)}, boxes=boxes)
    write(root / "optimizer_0", {"optimizer.state.w.exp_avg": torch.ones(4, 2)}, boxes=boxes)
    found = [parts_of(Folder(root), name) for name in ("model_0", "optimizer_0")]
    parts = [part for one in found if one is not None for part in one.parts]
    return CheckpointFiles(path=root, layout="accelerate", parts=tuple(parts))


def test_chunks_of_two_folders_are_joined_each_in_its_own(tmp_path: Path) -> None:
    found = Seen(two_folders(tmp_path))
    assert found.is_sound
    assert {fqn: tensor.shape for fqn, tensor in found.tensors.items()} == {
        "model.w": (4, 2),
        "optimizer.state.w.exp_avg": (4, 2),
    }
    assert set(found.joined.pieces) == set(found.tensors)
    assert found.joined.roles["optimizer.state.w.exp_avg"] is Role.OPTIMIZER
    assert found.stats["model.w"].max == 7


def test_a_problem_of_a_chunk_is_told_as_one_of_its_tensor(tmp_path: Path) -> None:
    found = Seen(two_folders(tmp_path))
    chunk = "optimizer.state.w.exp_avg[0:2, 0:2]"
    problem = Problem(
        code="CD103",
        severity=Severity.ERROR,
        subject=chunk,
        message="checksum mismatch",
        evidence={"tensors": [chunk]},
    )
    told = found.joined.told(problem)
    assert told.subject == "optimizer.state.w.exp_avg"
    assert told.message == "[0:2, 0:2]: checksum mismatch"
    assert told.evidence == {"tensors": ["optimizer.state.w.exp_avg"], "role": "optimizer"}
    other = Problem(code="CD102", severity=Severity.ERROR, subject="file", message="cut")
    assert found.joined.told(other) is other


def test_the_checksum_of_the_whole_is_that_of_its_rows(tmp_path: Path) -> None:

    found = Seen(two_folders(tmp_path))
    storage = found.tensors["model.w"].storage
    assert storage is not None
    assert storage.crc32 == zlib.crc32(torch.arange(8.0).numpy().tobytes())
    assert storage.nbytes == 32


def test_the_first_bad_element_is_that_of_the_whole(tmp_path: Path) -> None:
    weight = torch.zeros(4, 4)
    weight[1, 3] = weight[3, 0] = float("nan")
    boxes = {"w": grid((4, 4), (2, 2))}
    found = seen(write(tmp_path / "d", {"w": weight}, boxes=boxes))
    assert found.stats["w"].first_bad_index == (1, 3)
    assert found.stats["w"].nan == 2


def test_a_tensor_of_empty_chunks_alone_is_whole(tmp_path: Path) -> None:
    boxes = {"w": [((0, 0), (0, 3)), ((0, 0), (0, 3))]}
    found = seen(write(tmp_path / "d", {"w": torch.zeros(0, 3)}, boxes=boxes))
    assert found.tensors["w"].shape == (0, 3)
    assert not found.lost
