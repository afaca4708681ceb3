"""A folder restored to a folder: what is copied, what is changed, and what is promised of both."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Verdict
from ckptdoctor.layouts.files import Absent, CheckpointFiles, PartRole
from ckptdoctor.manifest import check_folder, manifest_path, restored_from
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.folders.restore import restore_folder
from ckptdoctor.recovery.restore import restore
from ckptdoctor.recovery.restored import Restored
from ckptdoctor.report import Report
from tests.builders import data_span, load, patched, save
from tests.recovery.folders.builders import (
    LEARNING_RATE,
    digests,
    files_of,
    small_model,
    trained,
    trainer_checkpoint,
)


def restored(files: CheckpointFiles, edits: Edits | None = None, **options: bool) -> Restored:
    """What was done; the source is what it was."""
    before = digests(files.path)
    done = restore(files, files.path.with_name("best_model_clean"), edits, **options)
    assert digests(files.path) == before
    return done


def small_weights() -> dict[str, torch.Tensor]:
    return dict(trained()[0].state_dict())


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".")]


def test_every_file_is_copied_byte_by_byte(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    done = restored(files)
    assert done.destination == tmp_path / "best_model_clean"
    assert digests(done.destination) == digests(files.path)
    assert done.verified
    assert done.files == 6
    assert done.resume == f"Trainer.train(resume_from_checkpoint='{done.destination}')"
    assert leftovers(tmp_path) == []


def test_the_manifest_lists_each_file_and_a_digest_that_sha256sum_gives(tmp_path: Path) -> None:
    done = restored(trainer_checkpoint(tmp_path / "checkpoint-3"))
    manifest = json.loads((tmp_path / "best_model_clean.json").read_text())
    for file in manifest["files"]:
        raw = (done.destination / file["name"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(raw).hexdigest()
        assert file["nbytes"] == len(raw)
    assert len(manifest["files"]) == 6
    shell = "find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum"
    said = subprocess.run(
        shell, shell=True, cwd=done.destination, capture_output=True, text=True, check=True
    )
    assert said.stdout.split()[0] == done.sha256 == manifest["file"]["sha256"]
    assert manifest["source"]["sha256"] == done.sha256  # nothing was changed
    origin = restored_from(done.destination)
    assert origin is not None
    assert origin.source == tmp_path / "checkpoint-3"
    assert origin.scale == 1.0


def test_what_the_disk_took_and_did_not_keep_is_told_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiled(copies: list[CheckpointFiles], how: Examination) -> Report:
        (written,) = (one.path / "optimizer.pt" for one in copies)
        os.truncate(written, written.stat().st_size // 2)
        return examine(copies, how)

    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    monkeypatch.setattr("ckptdoctor.recovery.folders.restore.examine", spoiled)
    with pytest.raises(RestoreError, match=r"is not sound, and was not kept: CD102 optimizer\.pt"):
        restored(files)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]


def test_a_later_change_to_a_file_of_the_copy_is_noticed(tmp_path: Path) -> None:
    done = restored(trainer_checkpoint(tmp_path / "checkpoint-3"))
    assert list(check_folder(done.destination)) == []
    with (done.destination / "config.json").open("a") as file:
        file.write(" ")
    (done.destination / "scheduler.pt").unlink()
    found = list(check_folder(done.destination))
    assert [(problem.code, problem.subject) for problem in found] == [
        ("CD110", "config.json"),
        ("CD110", "scheduler.pt"),
    ]
    assert "No such file" in found[1].message
    (report,) = examine([files_of(done.destination)]).checkpoints
    assert [one.code for one in report.findings if one.code == "CD110"] == ["CD110", "CD110"]
    assert report.verdict is Verdict.SUSPECT


def test_a_rate_is_scaled_where_the_optimizer_and_the_scheduler_lie(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    done = restored(files, Edits(scale_lr=0.5))
    optimizer = load(done.destination / "optimizer.pt")
    (group,) = optimizer["param_groups"]
    assert group["initial_lr"] == LEARNING_RATE / 2
    assert group["lr"] == pytest.approx(LEARNING_RATE * 0.97 / 2)
    scheduler = load(done.destination / "scheduler.pt")
    assert scheduler["base_lrs"] == [LEARNING_RATE / 2]
    assert scheduler["_last_lr"] == [group["lr"]]
    same = set(digests(files.path)) - {"optimizer.pt", "scheduler.pt"}
    for name in same:
        assert digests(done.destination)[name] == digests(files.path)[name]
    before = load(files.path / "optimizer.pt")["state"]
    for at, state in optimizer["state"].items():
        assert all(tensor.equal(before[at][key]) for key, tensor in state.items())
    assert [action.name for action in done.actions] == ["scale-lr", "copy"]
    assert done.actions[0].message.startswith("4 stored learning rates times 0.5")
    torch.optim.AdamW(small_model().parameters()).load_state_dict(optimizer)


def test_a_rate_is_set_from_the_largest_of_all_files(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    done = restored(files, Edits(set_lr=1e-5))
    (group,) = load(done.destination / "optimizer.pt")["param_groups"]
    scheduler = load(done.destination / "scheduler.pt")
    assert group["lr"] == pytest.approx(1e-5)
    assert scheduler["base_lrs"] == [pytest.approx(1e-5)]
    assert scheduler["_last_lr"] == [group["lr"]]


def test_a_copy_of_a_copy_is_scaled_from_the_first(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    first = restored(files, Edits(scale_lr=0.75))
    again = restore(files_of(first.destination), tmp_path / "again", Edits(scale_lr=0.5))
    (group,) = load(again.destination / "optimizer.pt")["param_groups"]
    assert group["initial_lr"] == LEARNING_RATE * 0.5
    origin = restored_from(again.destination)
    assert origin is not None
    assert (origin.source, origin.scale) == (files.path, 0.5)


def test_a_poisoned_optimizer_is_reset_where_it_lies_at_the_root(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3", nan_in="optimizer")
    done = restored(files)
    optimizer = load(done.destination / "optimizer.pt")
    assert optimizer["state"] == {}
    assert optimizer["param_groups"] == load(files.path / "optimizer.pt")["param_groups"]
    assert done.actions[0].name == "reset-optimizer"
    assert done.actions[0].message.startswith("optimizer.pt: moments dropped, groups kept")
    model = small_model()
    fresh = torch.optim.AdamW(model.parameters())
    fresh.load_state_dict(optimizer)
    model.load_state_dict(load_file(done.destination / "model.safetensors"))


def test_an_optimizer_is_reset_when_asked(tmp_path: Path) -> None:
    done = restored(trainer_checkpoint(tmp_path / "checkpoint-3"), Edits(reset_optimizer=True))
    assert load(done.destination / "optimizer.pt")["state"] == {}


def test_an_optimizer_that_cannot_be_read_is_left_out_and_the_cost_is_said(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    path = files.path / "optimizer.pt"
    path.write_bytes(path.read_bytes()[:200])
    done = restored(files)
    assert not (done.destination / "optimizer.pt").exists()
    assert done.actions[0].name == "leave-out"
    assert "fresh optimizer" in done.actions[0].notice
    other = replace(files, layout="accelerate")
    with pytest.raises(RestoreError, match="does not load without it"):
        restore(other, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("cut", [False, True])
def test_a_trainer_does_not_go_on_without_its_state(cut: bool, tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    state = files.path / "trainer_state.json"
    if cut:
        state.write_text('{"global_step": 3, "ep')
    else:
        state.unlink()
        lost = Absent(name=state.name, role=PartRole.STATE, because="optimizer.pt is there")
        parts = tuple(part for part in files.parts if part.name != state.name)
        files = replace(files, parts=parts, absent=(lost,))
    with pytest.raises(RestoreError, match="does not load without it") as refusal:
        restored(files)
    assert "--to safetensors" in refusal.value.lines[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]


def test_a_pair_whose_optimizer_is_gone_is_copied_without_it(tmp_path: Path) -> None:
    made = trainer_checkpoint(tmp_path / "made")
    lost = Absent(name="optimizer_3.pth", role=PartRole.OPTIMIZER, because="model_2.pth has one")
    parts = tuple(part for part in made.parts if part.name == "model.safetensors")
    files = CheckpointFiles(path=parts[0].path, layout="pair", parts=parts, absent=(lost,))
    done = restore(files, tmp_path / "clean")
    assert sorted(digests(done.destination)) == ["model.safetensors"]
    assert done.actions[0].name == "leave-out"
    assert "fresh optimizer" in done.actions[0].notice


def test_nan_in_a_shard_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3", nan_in="model", shards=3)
    with pytest.raises(RestoreError, match="is corrupt"):
        restored(files)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]


@pytest.mark.parametrize("whole", [False, True])
def test_bad_tensors_of_a_shard_are_taken_from_another_folder(whole: bool, tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3", nan_in="model", shards=2)
    donor = trainer_checkpoint(tmp_path / "checkpoint-2", shards=1 if whole else 2)
    done = restored(files, Edits(graft=donor.path))
    assert done.actions[0].name == "graft"
    shard = "model-00001-of-00002.safetensors"
    found, expected = load_file(done.destination / shard), small_weights()
    assert found["0.weight"].equal(expected["0.weight"])
    changed = {
        name for name, raw in digests(done.destination).items() if raw != digests(files.path)[name]
    }
    assert changed == {shard}


def test_a_graft_that_has_nothing_to_give_is_refused(tmp_path: Path) -> None:
    sound = trainer_checkpoint(tmp_path / "checkpoint-2")
    bad = trainer_checkpoint(tmp_path / "checkpoint-3", nan_in="model")
    with pytest.raises(RestoreError, match="a bad tensor to graft"):
        restored(sound, Edits(graft=bad.path))
    with pytest.raises(RestoreError, match="no sound"):
        restored(bad, Edits(graft=trainer_checkpoint(tmp_path / "c", nan_in="model").path))


def test_what_needs_one_file_is_refused_in_a_clear_sentence(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    for edits, words in (
        (Edits(strip_prefix="module."), "add --to safetensors"),
        (Edits(use_ema=True), "needs weights and average in one file"),
        (Edits(reset_bn=True), "a running_var to reset"),
        (Edits(zero_nonfinite=True), "NaN or Inf among its weights"),
    ):
        with pytest.raises(RestoreError, match=words):
            restored(files, edits)


def test_a_loss_scale_that_collapsed_is_reset_in_its_file(tmp_path: Path) -> None:
    trainer_checkpoint(tmp_path / "checkpoint-3")
    scaler = {
        "scale": float("inf"),
        "growth_factor": 2.0,
        "backoff_factor": 0.5,
        "growth_interval": 2000,
        "_growth_tracker": 7,
    }
    save(tmp_path / "checkpoint-3" / "scaler.pt", scaler)
    done = restored(files_of(tmp_path / "checkpoint-3"))
    assert load(done.destination / "scaler.pt")["scale"] == 65536.0
    assert [action.name for action in done.actions] == ["reset-scaler", "copy"]


def test_a_shard_that_is_missing_is_refused(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3", shards=3)
    lost = "model-00003-of-00003.safetensors"
    (files.path / lost).unlink()
    files = replace(
        files_of(files.path),
        absent=(Absent(name=lost, role=PartRole.MODEL, because="the index names it"),),
    )
    with pytest.raises(RestoreError):
        restored(files)


def test_the_weights_alone_are_the_weights_and_the_texts(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3", shards=2)
    done = restored(files, Edits(weights_only=True))
    assert sorted(digests(done.destination)) == [
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "trainer_state.json",
    ]


def test_a_dry_run_writes_nothing_and_says_the_same(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3", nan_in="optimizer")
    said = restored(files, Edits(scale_lr=0.5), dry_run=True)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]
    assert not said.verified
    done = restored(files, Edits(scale_lr=0.5))
    assert said.actions == done.actions


def test_links_to_files_are_followed_and_links_to_folders_are_left(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (files.path / "model.safetensors").rename(blobs / "1")
    (files.path / "model.safetensors").symlink_to(blobs / "1")
    (files.path / "elsewhere").symlink_to(blobs)
    os.mkfifo(files.path / "pipe")
    done = restore(files, tmp_path / "best_model_clean")
    copy = done.destination / "model.safetensors"
    assert not copy.is_symlink()
    assert copy.read_bytes() == (blobs / "1").read_bytes()
    assert not (done.destination / "elsewhere").exists()
    notice = done.actions[-1].notice
    assert "elsewhere: a link to a folder" in notice
    assert "pipe: no regular file" in notice


def test_somebody_elses_file_in_the_place_of_the_manifest_of_its_weights_stays(
    tmp_path: Path,
) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    target = tmp_path / "weights.safetensors"
    note = manifest_path(target)
    note.write_text('{"lr": 0.1}')
    for dry_run in (True, False):
        with pytest.raises(RestoreError, match="and is something else"):
            restore(files, target, Edits(to_safetensors=True), force=True, dry_run=dry_run)
    assert note.read_text() == '{"lr": 0.1}'
    assert not target.exists()


def test_folders_below_are_copied_but_for_checkpoints_of_their_own(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "out")
    (files.path / "tokenizer").mkdir()
    (files.path / "tokenizer" / "vocab.json").write_text("{}")
    trainer_checkpoint(files.path / "checkpoint-1")
    (files.path / "tokenizer" / "runs").symlink_to(files.path / "checkpoint-1")
    done = restored(files)
    assert (done.destination / "tokenizer" / "vocab.json").read_text() == "{}"
    assert not (done.destination / "tokenizer" / "runs").exists()
    assert not (done.destination / "checkpoint-1").exists()
    assert "checkpoint-1: checkpoints of its own" in done.actions[-1].notice


# -- where it goes -------------------------------------------------------------------------------


def test_nothing_is_replaced_without_force(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    old = tmp_path / "best_model_clean"
    old.mkdir()
    (old / "mine.txt").write_text("mine")
    with pytest.raises(RestoreError, match="exists and is not overwritten"):
        restored(files)
    assert digests(old) == {"mine.txt": b"mine"}


def test_with_force_a_copy_of_ours_goes_and_any_other_folder_is_kept_aside(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    old = tmp_path / "best_model_clean"
    old.mkdir()
    (old / "mine.txt").write_text("mine")
    done = restored(files, force=True)
    assert digests(old) == digests(files.path)
    assert done.kept == tmp_path / "best_model_clean.old"
    assert digests(done.kept) == {"mine.txt": b"mine"}
    again = restored(files, Edits(scale_lr=0.5), force=True)
    assert again.kept is None
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "best_model_clean",
        "best_model_clean.json",
        "best_model_clean.old",
        "checkpoint-3",
    ]
    assert list(check_folder(old)) == []


@pytest.mark.parametrize("name", ["checkpoint-3", "checkpoint-3/inside", "."])
def test_a_destination_that_is_holds_or_lies_in_the_source_is_refused(
    name: str, tmp_path: Path
) -> None:
    files = trainer_checkpoint(tmp_path / "run" / "checkpoint-3")
    before = digests(tmp_path)
    with pytest.raises(RestoreError):
        restore(files, tmp_path / "run" / name, force=True)
    assert digests(tmp_path) == before


def test_a_file_in_the_way_is_never_replaced_by_a_folder(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    (tmp_path / "best_model_clean").write_text("mine")
    with pytest.raises(RestoreError, match="is a file"):
        restored(files, force=True)
    assert (tmp_path / "best_model_clean").read_text() == "mine"


def test_a_framework_that_takes_the_folder_above_gets_one_with_its_pointer(tmp_path: Path) -> None:
    trainer_checkpoint(tmp_path / "run" / "global_step400")
    files = files_of(tmp_path / "run" / "global_step400", "deepspeed")
    (tmp_path / "run" / "latest").write_text("global_step600")
    done = restore(files, tmp_path / "run" / "best_model_clean")
    assert (done.destination / "latest").read_text() == "global_step400"
    copy = done.destination / "global_step400"
    assert digests(copy) == digests(files.path)
    assert (tmp_path / "run" / "latest").read_text() == "global_step600"
    assert done.resume == f"engine.load_checkpoint('{done.destination}', tag='global_step400')"
    assert done.manifest == done.destination / "global_step400.json"
    assert restored_from(copy) is not None
    assert list(check_folder(copy)) == []


def test_a_folder_that_is_named_as_the_framework_needs_it_holds_the_files(tmp_path: Path) -> None:
    trainer_checkpoint(tmp_path / "run" / "global_step400")
    files = files_of(tmp_path / "run" / "global_step400", "deepspeed")
    (tmp_path / "other").mkdir()
    done = restore(files, tmp_path / "other" / "global_step400")
    assert digests(done.destination) == digests(files.path)
    assert done.resume == f"engine.load_checkpoint('{tmp_path / 'other'}', tag='global_step400')"


def test_what_has_no_room_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-3")
    size = os.statvfs(tmp_path)
    full = os.statvfs_result((*size[:4], 0, *size[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    with pytest.raises(RestoreError, match="are missing"):
        restored(files)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]


def test_files_side_by_side_become_a_folder_of_them(tmp_path: Path) -> None:
    made = trainer_checkpoint(tmp_path / "made")
    names = {"model.safetensors": "model_epoch_3.bin", "optimizer.pt": "optimizer_epoch_3.pth"}
    for name, new in names.items():
        (made.path / name).rename(tmp_path / new)
    (tmp_path / "model_epoch_4.bin").write_bytes(b"another")
    parts = tuple(
        replace(part, path=tmp_path / names[part.name], name=names[part.name])
        for part in made.parts
        if part.name in names
    )
    source = tmp_path / "model_epoch_3.bin"
    files = CheckpointFiles(path=source, layout="pair", parts=parts)
    done = restore_folder(files, tmp_path / "best_model_clean", Edits(scale_lr=0.5))
    assert sorted(digests(done.destination)) == sorted(names.values())
    (group,) = load(done.destination / "optimizer_epoch_3.pth")["param_groups"]
    assert group["initial_lr"] == LEARNING_RATE / 2
    origin = restored_from(done.destination / source.name)  # what the copy is called by
    assert origin is not None
    assert (origin.source, origin.scale) == (source, 0.5)
    assert list(check_folder(done.destination / source.name)) == []
    (done.destination / "optimizer_epoch_3.pth").unlink()
    assert [one.code for one in check_folder(done.destination / source.name)] == ["CD110"]


def test_a_schedule_in_a_file_of_its_own_is_told_to_lower_the_rate(tmp_path: Path) -> None:
    source = trainer_checkpoint(tmp_path / "checkpoint-3")
    scheduler = source.path / "scheduler.pt"
    save(scheduler, {"gamma": 8.0, "step_size": 3, "last_epoch": 3, "base_lrs": [LEARNING_RATE]})
    done = restore(files_of(source.path), tmp_path / "clean", Edits(lr_decay=0.3))
    assert [action.name for action in done.actions if action.name != "copy"] == ["lr-decay"]
    assert any("scheduler.pt: gamma 8 is 0.3" in action.message for action in done.actions)
    (after,) = (tmp_path / "clean").rglob("scheduler.pt")
    assert load(after)["gamma"] == 0.3
    with pytest.raises(RestoreError, match="no stored schedule multiplies the rate"):
        restore(trainer_checkpoint(tmp_path / "checkpoint-6"), tmp_path / "no", Edits(lr_decay=0.3))


def test_a_moment_with_a_flipped_bit_is_not_gone_on_from(tmp_path: Path) -> None:
    files = trainer_checkpoint(tmp_path / "checkpoint-100")
    path = files.path / "optimizer.pt"
    at, _ = data_span(path, "optimizer/data/1")
    patched(path, at, bytes([path.read_bytes()[at] ^ 1]))  # it stays finite
    done = restore(files, tmp_path / "clean")
    assert [action.name for action in done.actions] == ["reset-optimizer", "copy"]
    assert torch.load(tmp_path / "clean" / "optimizer.pt", weights_only=True)["state"] == {}
