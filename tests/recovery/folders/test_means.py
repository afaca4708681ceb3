"""The mean of the weights of folders, shard by shard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ckptdoctor.errors import RestoreError
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.manifest import restored_from
from ckptdoctor.recovery.average_choice import Averaging, choose_average
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.folders import means
from ckptdoctor.recovery.named import checkpoint_named
from ckptdoctor.recovery.restore import restore
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey
from tests.builders import save
from tests.recovery.folders.builders import digests, small_model, trainer_checkpoint


def series(out: Path, *, shards: int = 2, count: int = 3) -> list[CheckpointFiles]:
    """Folders as the Trainer writes them, their weights apart."""
    found = []
    for at in range(1, count + 1):
        folder = out / f"checkpoint-{at}00"
        trainer_checkpoint(folder, shards=shards)
        for path in folder.glob("model*.safetensors"):
            torch.manual_seed(at)
            moved = {name: one + torch.randn_like(one) for name, one in load_file(path).items()}
            save_file(moved, path, {"format": "pt"})
        state = {"global_step": at * 100, "epoch": float(at)}
        (folder / "trainer_state.json").write_text(json.dumps(state))
        found.append(checkpoint_named(folder))
    return found


@pytest.mark.parametrize("shards", [1, 2])
def test_every_shard_is_the_mean_of_its_namesakes(shards: int, tmp_path: Path) -> None:
    files = series(tmp_path, shards=shards)
    before = [digests(one.path) for one in files]
    target = tmp_path / "mean"
    done = restore(files[-1], target, Edits(average=tuple(files[:-1])))
    assert [digests(one.path) for one in files] == before
    weights: dict[str, torch.Tensor] = {}
    for path in sorted(target.glob("model*.safetensors")):
        ours, theirs = load_file(path), [load_file(one.path / path.name) for one in files]
        for name, tensor in ours.items():
            mean = torch.stack([one[name].double() for one in theirs]).mean(0)
            assert tensor.equal(mean.float()), name
        weights |= ours
    small_model().load_state_dict(weights, strict=True)
    others = {name: raw for name, raw in digests(target).items() if not name.startswith("model")}
    assert others.items() <= before[-1].items()
    assert done.averaged == tuple(one.path for one in files)
    assert done.actions[0].message.startswith("4 tensors of the model are the mean of 3")
    made = restored_from(target)
    assert made is not None
    assert made.averaged == done.averaged
    assert made.scale is None


def test_the_run_chooses_them(tmp_path: Path) -> None:
    series(tmp_path, count=4)
    (run,) = survey(discover([tmp_path])).runs
    found = choose_average(run, Averaging(count=3))
    rows = [row.path.name for row in (*found.others, found.newest)]
    assert rows == ["checkpoint-200", "checkpoint-300", "checkpoint-400"]


def test_pickled_weights_and_rates_in_one_go(tmp_path: Path) -> None:
    files = []
    for at in (1, 2):
        folder = tmp_path / f"checkpoint-{at}"
        trainer_checkpoint(folder)
        weights = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        save(folder / "pytorch_model.bin", {name: one * at for name, one in weights.items()})
        files.append(checkpoint_named(folder))
    target = tmp_path / "mean"
    restore(files[1], target, Edits(average=(files[0],), scale_lr=0.5))
    found = torch.load(target / "pytorch_model.bin", weights_only=True)
    assert found["0.weight"].equal((weights["0.weight"].double() * 1.5).float())
    optimizer = torch.load(target / "optimizer.pt", weights_only=True)
    source = torch.load(files[1].path / "optimizer.pt", weights_only=True)
    assert optimizer["param_groups"][0]["lr"] == source["param_groups"][0]["lr"] / 2


def test_parts_whose_names_count_are_averaged_with_those_of_other_numbers(tmp_path: Path) -> None:
    for at in (1, 2, 3):
        model = {"w": torch.full((3,), float(at)), "b": torch.full((2,), -float(at))}
        save(tmp_path / f"model_epoch_{at}.pth", model)
        state = {"state": {}, "param_groups": [{"lr": 0.1 * at, "params": [0, 1]}]}
        save(tmp_path / f"optimizer_epoch_{at}.pth", state)
    files = sorted(discover([tmp_path]).checkpoints, key=lambda one: one.path.name)
    assert len(files) == 3
    target = tmp_path / "mean"
    restore(files[2], target, Edits(average=(files[0], files[1])))
    found = [torch.load(path, weights_only=True) for path in sorted(target.glob("model*"))]
    assert [one["w"].tolist() for one in found] == [[2.0, 2.0, 2.0]]


def test_other_files_are_refused(tmp_path: Path) -> None:
    (one,) = series(tmp_path / "a", shards=1, count=1)
    (two,) = series(tmp_path / "b", shards=2, count=1)
    with pytest.raises(RestoreError, match="has no model-00001-of-00002"):
        restore(two, tmp_path / "mean", Edits(average=(one,)))
    assert not (tmp_path / "mean").exists()


def test_shares_of_ranks_are_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = series(tmp_path, count=2)
    monkeypatch.setattr(means, "is_zero", lambda views: True)
    with pytest.raises(RestoreError, match="--to safetensors"):
        restore(files[-1], tmp_path / "mean", Edits(average=tuple(files[:-1])))


def test_the_mean_of_folders_as_one_file_is_refused(tmp_path: Path) -> None:
    files = series(tmp_path, count=2)
    edits = Edits(average=tuple(files[:-1]), to_safetensors=True)
    with pytest.raises(RestoreError, match="make the other changes in a copy of the folder first"):
        restore(files[-1], tmp_path / "mean.safetensors", edits)


def test_a_mean_that_is_none_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ckptdoctor.recovery import average

    files = series(tmp_path, count=2)
    monkeypatch.setattr(average, "mean_of", lambda pieces, dtype: pieces[-1])
    with pytest.raises(RestoreError, match="is not the mean"):
        restore(files[-1], tmp_path / "mean", Edits(average=tuple(files[:-1])))
    assert not (tmp_path / "mean").exists()


def test_the_way_out_for_shares_of_ranks_is_one(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    for at, files in enumerate(series(tmp_path / "out"), start=1):
        target = weights / f"epoch_{at}.safetensors"
        restore(files, target, Edits(to_safetensors=True))
    (run,) = survey(discover([weights])).runs
    found = choose_average(run, Averaging(count=3))
    several = tuple(checkpoint_named(row.path) for row in found.others)
    restore(found.newest.path, weights / "best_model_average.safetensors", Edits(average=several))
    (again,) = survey(discover([weights])).runs
    assert again.last_good is not None
    assert again.last_good.path.name == "epoch_3.safetensors"
    assert [member.path.name for member in again.run.copies] == ["best_model_average.safetensors"]
