"""``ckptdoctor restore`` on checkpoints that are folders, as a user runs it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.support import run
from tests.recovery.folders.builders import digests, trainer_checkpoint


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """Two folders of the Trainer, the newer with NaN in a shard."""
    for step, nan_in in ((3, ""), (6, "model")):
        files = trainer_checkpoint(tmp_path / "out" / f"checkpoint-{step}", nan_in=nan_in, shards=2)
        state = {"global_step": step, "epoch": step / 3}
        (files.path / "trainer_state.json").write_text(json.dumps(state))
    return tmp_path / "out"


def test_the_last_good_folder_is_copied_and_how_to_resume_is_said(series: Path) -> None:
    done = run("restore", series)
    assert done.code == 0, done.stderr
    assert digests(series / "best_model_clean") == digests(series / "checkpoint-3")
    assert f"Trainer.train(resume_from_checkpoint='{series / 'best_model_clean'}')" in done.stdout


def test_json_has_the_folder_and_its_digest(series: Path) -> None:
    done = run("restore", series, "--step", "3", "--format", "json")
    assert done.code == 0, done.stderr
    assert done.json["source"] == str(series / "checkpoint-3")
    assert done.json["destination"] == str(series / "best_model_clean")
    assert done.json["verified"] is True
    manifest = json.loads((series / "best_model_clean.json").read_text())
    assert done.json["sha256"] == manifest["file"]["sha256"]
    assert done.json["actions"][-1]["name"] == "copy"


@pytest.mark.parametrize("words", [("--step", "6"), ("--epoch", "2")])
def test_a_moment_that_is_not_sound_names_the_nearest(words: tuple[str, str], series: Path) -> None:
    done = run("restore", series, *words)
    assert done.code == 4
    assert f"no checkpoint of {words[0][2:]} {words[1]} is sound" in done.stderr
    assert f"ckptdoctor restore --from {series / 'checkpoint-3'}" in done.stderr
    assert not (series / "best_model_clean").exists()


@pytest.mark.parametrize("how", [("--from",), ()])
@pytest.mark.parametrize("name", ["optimizer.pt", "model-00001-of-00002.safetensors"])
@pytest.mark.one_in(2)
def test_one_part_is_never_the_result(name: str, how: tuple[str, ...], series: Path) -> None:
    before = digests(series)
    done = run("restore", *how, series / "checkpoint-3" / name)
    assert done.code == 4
    assert digests(series) == before
    if name != "optimizer.pt" or how:
        command = done.stderr.splitlines()[-1].removeprefix("ckptdoctor:").strip()
        assert command == f"ckptdoctor restore --from {series / 'checkpoint-3'}"
        assert run(*shlex.split(command)[1:]).code == 0


def test_a_folder_of_several_checkpoints_is_none(series: Path) -> None:
    done = run("restore", "--from", series)
    assert done.code == 4
    assert f"ckptdoctor restore --from {series / 'checkpoint-3'}" in done.stderr


def test_step_epoch_and_from_contradict_each_other(series: Path) -> None:
    assert run("restore", series, "--step", "3", "--epoch", "1").code == 2
    assert run("restore", "--from", series / "checkpoint-3", "--step", "3").code == 2


def test_a_damaged_folder_names_what_is_wrong(series: Path) -> None:
    done = run("restore", "--from", series / "checkpoint-6")
    assert done.code == 4
    assert "is corrupt: CD201" in done.stderr


def test_the_copy_is_no_candidate_and_is_shown_as_what_it_is(series: Path) -> None:
    assert run("restore", series, "--scale-lr", "0.5").code == 0
    report = run("scan", series, "--format", "json").json
    assert report["last_good"]["path"] == str(series / "checkpoint-3")
    (copy,) = [c for c in report["checkpoints"] if c["path"].endswith("best_model_clean")]
    assert copy["verdict"] == "healthy"
    assert copy["findings"] == []


def test_the_folder_where_one_stands_is_restored_beside_it(series: Path) -> None:
    here = series / "checkpoint-3"
    done = run("restore", "--from", ".", cwd=here)
    assert done.code == 0, done.stderr
    assert digests(series / "best_model_clean") == digests(here)
    scanned = run("scan", ".", "--format", "json", cwd=series / "best_model_clean")
    (copy,) = scanned.json["checkpoints"]
    assert copy["restored_from"] is not None
    assert copy["findings"] == []
