"""The weights of several files in one: equal to those that were saved, by torch's own readers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ckptdoctor.errors import RestoreError
from ckptdoctor.layouts.files import CheckpointFiles, Part, PartRole
from ckptdoctor.manifest import restored_from
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.named import checkpoint_named
from ckptdoctor.recovery.restore import restore
from tests.builders import save
from tests.formats.dcp.folders import grid, read_by_torch, write
from tests.formats.dcp.folders import save as dcp_save
from tests.recovery.folders.builders import trained, trainer_checkpoint

WEIGHTS = Edits(to_safetensors=True)


def consolidated(files: CheckpointFiles, edits: Edits = WEIGHTS) -> dict[str, torch.Tensor]:
    """What the safetensors library loads of the file that was written."""
    target = files.path.with_name("best_model_clean.safetensors")
    done = restore(files, target, edits)
    assert done.verified
    assert done.destination == target
    return load_file(target)


def same(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> bool:
    return set(found) == set(expected) and all(
        found[name].dtype == tensor.dtype and found[name].equal(tensor)
        for name, tensor in expected.items()
    )


def test_shards_become_one_file(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3", shards=3)
    assert same(consolidated(files), trained()[0].state_dict())
    origin = restored_from(tmp_path / "best_model_clean.safetensors")
    assert origin is not None
    assert origin.source == files.path


def test_a_broken_optimizer_costs_no_weight(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3", shards=2)
    (files.path / "optimizer.pt").write_bytes(b"nothing")
    assert same(consolidated(files), trained()[0].state_dict())


def test_names_lose_a_prefix_and_nothing_else_is_changed_on_the_way(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    found = consolidated(files, Edits(to_safetensors=True, strip_prefix="0."))
    assert set(found) == {"weight", "bias", "2.weight", "2.bias"}
    with pytest.raises(RestoreError, match="make the other changes in a copy"):
        restore(files, tmp_path / "b.safetensors", Edits(to_safetensors=True, scale_lr=0.5))


def test_nan_in_the_weights_is_refused(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3", nan_in="model", shards=2)
    with pytest.raises(RestoreError, match="is corrupt"):
        consolidated(files)
    assert not (tmp_path / "best_model_clean.safetensors").exists()


def test_the_shares_of_ranks_are_not_put_together_by_guesswork(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"rank_{at}.pt", {"w": torch.ones(3)}) for at in range(2)]
    parts = tuple(
        Part(path=path, name=path.name, role=PartRole.MODEL, prefix=f"rank_{at}." if at else "")
        for at, path in enumerate(paths)
    )
    files = CheckpointFiles(path=paths[0], layout="ranks", parts=parts)
    with pytest.raises(RestoreError, match="share of a rank"):
        restore(files, tmp_path / "out.safetensors", WEIGHTS)


# -- torch.distributed.checkpoint ----------------------------------------------------------------


def test_a_saved_dict_is_what_torch_makes_of_it(tmp_path: Path) -> None:
    model, optimizer, _ = trained()
    state = {"model": model.state_dict(), "optim": optimizer.state_dict(), "step": 3}
    folder = dcp_save(tmp_path / "step-3", state)
    found = consolidated(checkpoint_named(folder))
    assert same(found, read_by_torch(folder, tmp_path / "torch.pt")["model"])
    assert same(found, model.state_dict())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
@pytest.mark.parametrize("counts", list(itertools.product((1, 2), (1, 3), (1, 2))))
@pytest.mark.one_in(4)
def test_boxes_of_any_cut_are_joined(
    counts: tuple[int, ...], dtype: torch.dtype, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    whole = torch.randint(0, 100, (5, 7, 4)).to(dtype)
    tensors = {"a.weight": whole, "b.weight": torch.randn(3)}
    folder = write(tmp_path / "step-1", tensors, boxes={"a.weight": grid((5, 7, 4), counts)})
    assert same(consolidated(checkpoint_named(folder)), tensors)


def test_rows_of_ranks_are_joined_block_by_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ckptdoctor.recovery.weights.boxes._BLOCK_NBYTES", 1 << 16)
    torch.manual_seed(0)
    whole = torch.randn(4000, 250)
    folder = write(
        tmp_path / "step-1", {"w.weight": whole}, boxes={"w.weight": grid((4000, 250), (4, 3))}
    )
    files = checkpoint_named(folder)
    found = consolidated(files)
    assert same(found, {"w.weight": whole})


def test_a_box_that_is_missing_is_refused(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "step-1",
        {"w.weight": torch.randn(8, 2)},
        boxes={"w.weight": grid((8, 2), (4, 1))},
    )
    (folder / "__1_0.distcp").unlink()
    with pytest.raises(RestoreError):
        consolidated(checkpoint_named(folder))
