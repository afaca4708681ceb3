"""Folders of torch.distributed.checkpoint: what belongs to them, and what they lack."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save

from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import CheckpointFiles, Form, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks.dcp import LAYOUT, parts_of
from tests.formats.dcp.folders import grid, seen, write


def claimed(folder: Path) -> CheckpointFiles:
    (found,) = LAYOUT.claim(Folder(folder))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files: weights in both, a moment in the second."""
    return write(
        tmp_path / "step-100",
        {
            "model.w": torch.randn(4, 2),
            "model.b": torch.randn(2),
            "optim.state.w.exp_avg": torch.randn(4, 2),
        },
        boxes={"model.w": grid((4, 2), (2, 1))},
    )


def test_a_folder_is_one_checkpoint_of_all_its_files(folder: Path) -> None:
    found = claimed(folder)
    assert [(part.name, part.role, part.form) for part in found.parts] == [
        ("__0_0.distcp", PartRole.MODEL, Form.DCP),
        ("__1_0.distcp", PartRole.MODEL, Form.DCP),
        (".metadata", PartRole.MODEL, Form.DCP),
    ]
    assert found.path == folder
    assert found.finished == ".metadata"
    assert not found.absent
    assert not found.problems


def test_parts_can_be_kept_in_a_dict(folder: Path) -> None:
    assert len({part: part.name for part in claimed(folder).parts}) == 3


def test_files_of_another_number_of_ranks_are_not_missed(folder: Path) -> None:
    assert [part.name for part in claimed(folder).parts if part.needed] == [".metadata"]


def test_a_file_of_optimizer_state_alone_is_the_optimizers(tmp_path: Path) -> None:
    tensors = {"model.w": torch.ones(2), "optim.state.w.exp_avg": torch.ones(2)}
    found = claimed(write(tmp_path, tensors))
    assert [part.role for part in found.parts] == [
        PartRole.MODEL,
        PartRole.OPTIMIZER,
        PartRole.MODEL,
    ]


def test_an_absent_file_is_named_with_the_tensors_that_it_costs(folder: Path) -> None:
    (folder / "__1_0.distcp").unlink()
    (absent,) = claimed(folder).absent
    assert (absent.name, absent.role) == ("__1_0.distcp", PartRole.MODEL)
    assert absent.tensors == ("model.w", "optim.state.w.exp_avg")
    assert ".metadata places 2 items in it" in absent.because
    assert seen(folder).lost == {"model.w"}


def test_without_a_description_the_save_was_not_finished(folder: Path) -> None:
    (folder / ".metadata").unlink()
    found = claimed(folder)
    (absent,) = found.absent
    assert (absent.name, absent.role) == (".metadata", PartRole.MODEL)
    assert "not finished" in absent.because
    assert {part.form for part in found.parts} == {Form.TEXT}


def test_a_damaged_description_is_a_part_that_cannot_be_read(folder: Path) -> None:
    os.truncate(folder / ".metadata", 100)
    found = claimed(folder)
    part = next(part for part in found.parts if part.name == ".metadata")
    assert part.role is PartRole.MODEL
    with pytest.raises(CheckpointError, match="cut"):
        seen(folder)


def test_a_file_of_another_save_is_a_note(folder: Path) -> None:
    (folder / "__7_0.distcp").write_bytes(b"PK")
    found = claimed(folder)
    (problem,) = found.problems
    assert (problem.severity, problem.subject) == (Severity.INFO, "__7_0.distcp")
    assert any(part.name == "__7_0.distcp" and part.form is Form.TEXT for part in found.parts)


def test_a_rank_that_stores_nothing_is_no_note(folder: Path) -> None:
    (folder / "__7_0.distcp").write_bytes(b"")
    assert not claimed(folder).problems


def test_a_hole_between_chunks_is_a_problem_of_the_folder(tmp_path: Path) -> None:
    boxes = {"model.w": grid((4, 2), (2, 1))[:1]}
    found = claimed(write(tmp_path, {"model.w": torch.ones(4, 2)}, boxes=boxes))
    (problem,) = found.problems
    assert problem.subject == "model.w"
    assert "4 of its 8 elements" in problem.message


def test_a_file_named_outside_of_the_folder_is_not_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret.distcp"
    secret.write_bytes(b"PK")

    def change(metadata: Metadata) -> None:
        for info in metadata.storage_data.values():
            info.relative_path = "../secret.distcp"

    found = claimed(write(tmp_path / "d", {"w": torch.ones(2)}, change=change))
    assert secret not in {part.path.resolve() for part in found.parts}
    assert [one.name for one in found.absent] == ["../secret.distcp"]


def test_a_folder_within_is_told_by_its_name(folder: Path) -> None:
    found = parts_of(Folder(folder.parent), folder.name)
    assert found is not None
    assert {part.name for part in found.parts} == {
        f"{folder.name}/{name}" for name in ("__0_0.distcp", "__1_0.distcp", ".metadata")
    }
    assert found.finished == f"{folder.name}/.metadata"


def test_other_folders_are_none(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "model.pt")
    assert list(LAYOUT.claim(Folder(tmp_path))) == []
    assert parts_of(Folder(tmp_path), "absent") is None


def rank_by_rank(folder: Path) -> Path:
    """Two ranks that did not talk: each describes what it wrote itself."""
    for rank in range(2):
        part = write(
            folder / f"rank{rank}",
            {"model.w": torch.arange(8.0).view(4, 2), "model.b": torch.ones(2)},
            boxes={"model.w": grid((4, 2), (2, 1))},
            values={"step": 3},
            files=1,
        )
        metadata = pickle.loads((part / ".metadata").read_bytes())
        metadata.state_dict_metadata["model.w"].chunks = [
            metadata.state_dict_metadata["model.w"].chunks[rank]
        ]
        for index, info in list(metadata.storage_data.items()):
            info.relative_path = f"__{rank}_0.distcp"
            if index.fqn == "model.w" and index.index != rank:
                del metadata.storage_data[index]
        (folder / f"__{rank}.metadata").write_bytes(pickle.dumps(metadata))
        (part / "__0_0.distcp").rename(folder / f"__{rank}_0.distcp")
        (part / ".metadata").unlink()
        part.rmdir()
    return folder


def test_descriptions_of_single_ranks_are_put_together(tmp_path: Path) -> None:
    found = seen(rank_by_rank(tmp_path))
    assert not found.problems
    assert not found.files.absent
    assert found.stats["model.w"].max == 7
    assert not found.tensors["model.w"].lost


def test_the_description_of_one_rank_is_missed(tmp_path: Path) -> None:
    rank_by_rank(tmp_path)
    (tmp_path / "__1.metadata").unlink()
    (absent,) = claimed(tmp_path).absent
    assert absent.name == "__1.metadata"


def test_one_rank_alone_is_described_as_torch_describes_it(tmp_path: Path) -> None:
    state = {"model": torch.nn.Linear(3, 2).state_dict()}
    with pytest.warns(UserWarning, match="disabled"):
        dcp_save(state, storage_writer=FileSystemWriter(tmp_path / "d", thread_count=2))
    found = seen(tmp_path / "d")
    assert found.is_sound
    assert set(found.tensors) == {"model.weight", "model.bias"}


def test_saving_again_in_fewer_files_leaves_no_false_alarm(folder: Path) -> None:
    write(folder, {"model.w": torch.ones(3)}, files=1)
    found = seen(folder)
    assert set(found.tensors) == {"model.w"}
    assert [problem.severity for problem in found.problems] == [Severity.INFO]
