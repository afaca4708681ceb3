from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ckptdoctor.layouts.files import Form, PartRole
from ckptdoctor.layouts.frameworks.speechbrain import LAYOUT
from tests.layouts.claims import absent, claim, claims, prefixes, roles, touch

META = "# yamllint disable\nWER: 12.5\nend-of-epoch: true\nunixtime: 1700000000.5\n"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """What ``Checkpointer.save_checkpoint`` leaves of a recipe."""
    folder = tmp_path / "save/CKPT+2024-01-02+03-04-05+00"
    folder.mkdir(parents=True)
    (folder / "CKPT.yaml").write_text(META)
    torch.save({"w": torch.zeros(2)}, folder / "model.ckpt")
    torch.save({"state": {}, "param_groups": []}, folder / "modelopt.ckpt")
    torch.save({"hyperparam_value": 0.1}, folder / "scheduler_model.ckpt")
    torch.save({"glob_mean": torch.zeros(2)}, folder / "normalizer.ckpt")
    (folder / "counter.ckpt").write_text("7")
    (folder / "brain.ckpt").write_text("avg_train_loss: 0.5\noptimizer_step: 80\nstep: 0\n")
    (folder / "dataloader-TRAIN.ckpt").write_text("None")
    return folder


def test_a_folder_is_one_checkpoint(saved: Path) -> None:
    found = claim(LAYOUT, saved)
    assert (found.path, found.layout) == (saved, "speechbrain")
    assert roles(found) == {
        "model.ckpt": "model",
        "normalizer.ckpt": "model",
        "modelopt.ckpt": "optimizer",
        "scheduler_model.ckpt": "scheduler",
        "brain.ckpt": "state",
        "counter.ckpt": "state",
        "dataloader-TRAIN.ckpt": "state",
        "CKPT.yaml": "state",
    }
    assert absent(found) == {}
    assert found.parts[0].name == "model.ckpt"
    assert claims(LAYOUT, saved.parent) == []


def test_texts_are_no_checkpoints(saved: Path) -> None:
    texts = {part.name for part in claim(LAYOUT, saved).parts if part.form is Form.TEXT}
    assert texts == {"brain.ckpt", "counter.ckpt", "dataloader-TRAIN.ckpt", "CKPT.yaml"}


def test_the_texts_say_where_the_training_stands(saved: Path) -> None:
    found = claim(LAYOUT, saved).scalars
    assert found == {
        "epoch": 7,
        "global_step": 80,
        "WER": 12.5,
        "end-of-epoch": True,
        "unixtime": 1700000000.5,
    }


def test_names_of_objects_are_kept_apart(saved: Path) -> None:
    found = prefixes(claim(LAYOUT, saved))
    assert found["model.ckpt"] == ""
    assert found["normalizer.ckpt"] == "normalizer."
    assert found["modelopt.ckpt"] == "modelopt."


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("optimizer.ckpt", "optimizer"),
        ("wav2vec_opt.ckpt", "optimizer"),
        ("opt_class.ckpt", "optimizer"),
        ("noam_scheduler.ckpt", "scheduler"),
        ("lr_annealing_whisper.ckpt", "scheduler"),
        ("scaler.ckpt", "scaler"),
        ("model_ema.ckpt", "ema"),
        ("adopted.ckpt", "model"),
        ("tokenizer.ckpt", "custom"),
    ],
)
def test_a_name_tells_what_an_object_is(saved: Path, name: str, role: str) -> None:
    torch.save({}, saved / name)
    assert roles(claim(LAYOUT, saved))[name] == role


def test_the_note_is_missed(saved: Path) -> None:
    (saved / "CKPT.yaml").unlink()
    assert absent(claim(LAYOUT, saved)) == {"CKPT.yaml": "state"}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("counter.ckpt", "\n", "it holds no number"),
        ("dataloader-TRAIN.ckpt", "No", "it holds neither a number nor None"),
        ("brain.ckpt", "avg_train_loss: 0.5\nopti", "it holds no step"),
        ("CKPT.yaml", META[:40], "it does not say when it was written, as each does"),
        ("CKPT.yaml", "", "it does not say when it was written, as each does"),
    ],
)
def test_a_cut_text_is_damage(saved: Path, name: str, text: str, problem: str) -> None:
    (saved / name).write_text(text)
    [one] = claim(LAYOUT, saved).absent
    assert (one.name, one.role, one.problem) == (name, PartRole.STATE, problem)


def test_texts_of_other_classes_are_whole(saved: Path) -> None:
    (saved / "tracker.ckpt").write_text("anything")
    (saved / "dataloader-TRAIN.ckpt").write_text("120")
    found = claim(LAYOUT, saved)
    assert absent(found) == {}
    assert roles(found)["tracker.ckpt"] == "custom"


def test_an_empty_file_is_no_text(saved: Path) -> None:
    (saved / "model.ckpt").write_bytes(b"")
    (saved / "counter.ckpt").write_bytes(b"")
    forms = {part.name: part.form for part in claim(LAYOUT, saved).parts}
    assert forms["model.ckpt"] is Form.TENSORS
    assert forms["counter.ckpt"] is Form.TENSORS


@pytest.mark.parametrize("names", [["model.ckpt", "optimizer.ckpt"], ["CKPT.yml"], []])
def test_other_folders_are_left_alone(tmp_path: Path, names: list[str]) -> None:
    assert claims(LAYOUT, touch(tmp_path / "run", names)) == []
    assert claims(LAYOUT, tmp_path / "CKPT+empty") == []
