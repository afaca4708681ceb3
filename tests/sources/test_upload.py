"""What is restored to a URL is there whole or not at all, and nothing is replaced unasked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import ckptdoctor
from ckptdoctor.errors import RestoreError
from tests.builders import load
from tests.recovery.folders.builders import trainer_checkpoint

TO = "memory://clean/best.pth"


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's store in memory, empty."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture
def source(run_folder: Path) -> Path:
    return run_folder / "unet_epoch_1.pth"


def names(system: Any) -> list[str]:
    return sorted(system.store)


def restored(source: Path, to: str = TO, **options: Any) -> Any:
    return ckptdoctor.restore(source=source, output=to, **options)


def test_a_copy_and_its_manifest_are_written_and_nothing_else(
    memory: Any, source: Path, tmp_path: Path
) -> None:
    done = restored(source)
    assert names(memory) == ["/clean/best.pth", "/clean/best.pth.json"]
    assert memory.cat("/clean/best.pth") == source.read_bytes()
    noted = json.loads(memory.cat("/clean/best.pth.json"))
    assert noted["file"]["sha256"] == done.sha256
    assert "relative" not in noted["source"]
    assert str(done.destination) == TO


@pytest.mark.parametrize("folder", ["memory://clean/", "memory://clean/of/run/"])
def test_into_a_folder_it_is_written_under_its_usual_name(
    memory: Any, source: Path, folder: str
) -> None:
    done = restored(source, folder)
    assert str(done.destination) == f"{folder}best_model_clean.pth"
    place = folder.removeprefix("memory:/")
    assert memory.cat(f"{place}best_model_clean.pth") == source.read_bytes()
    with pytest.raises(RestoreError, match=r"best_model_clean\.pth exists and is not"):
        restored(source, folder)


def test_a_changed_checkpoint_is_written_as_it_is_here(
    memory: Any, source: Path, tmp_path: Path
) -> None:
    here = tmp_path / "here.pth"
    assert restored(source, str(here), weights_only=True).sha256
    restored(source, weights_only=True)
    there = tmp_path / "there.pth"
    there.write_bytes(memory.cat("/clean/best.pth"))
    assert load(there).keys() == load(here).keys()


def test_what_is_there_stays_without_force(memory: Any, source: Path) -> None:
    memory.pipe("/clean/best.pth", b"mine")
    with pytest.raises(RestoreError, match="exists and is not overwritten"):
        restored(source)
    assert {name: memory.cat(name) for name in names(memory)} == {"/clean/best.pth": b"mine"}
    restored(source, force=True)
    assert memory.cat("/clean/best.pth") == source.read_bytes()


def test_what_appears_meanwhile_stays(
    memory: Any, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = MemoryFileSystem.put_file

    def another_is_quicker(self: Any, lpath: str, rpath: str, **options: Any) -> None:
        whole(self, lpath, rpath, **options)
        self.pipe("/clean/best.pth", b"mine")

    monkeypatch.setattr(MemoryFileSystem, "put_file", another_is_quicker)
    with pytest.raises(RestoreError, match="has appeared meanwhile"):
        restored(source)
    assert {name: memory.cat(name) for name in names(memory)} == {"/clean/best.pth": b"mine"}


@pytest.mark.parametrize("error", [OSError("cut"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["put_file", "cp_file"])
def test_an_interrupted_upload_leaves_nothing(
    memory: Any, source: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    def breaks_off(self: Any, from_: str, to: str, **options: Any) -> None:
        if step == "put_file":  # half of it had arrived
            self.pipe(to, source.read_bytes()[:1000])
        raise error

    monkeypatch.setattr(MemoryFileSystem, step, breaks_off)
    with pytest.raises(type(error)):
        restored(source)
    assert names(memory) == []


def test_an_upload_that_arrives_changed_is_not_given_its_name(
    memory: Any, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flipped(self: Any, lpath: str, rpath: str, **options: Any) -> None:
        data = bytearray(Path(lpath).read_bytes())
        data[len(data) // 2] ^= 1
        self.pipe(rpath, bytes(data))

    monkeypatch.setattr(MemoryFileSystem, "put_file", flipped)
    with pytest.raises(OSError, match="reads back otherwise"):
        restored(source)
    assert names(memory) == []


def test_a_temporary_name_that_stays_is_told(
    memory: Any, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Any, path: str) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(MemoryFileSystem, "rm_file", refused)
    with pytest.raises(RestoreError, match=r"whole, but: memory://clean/\.ckptdoctor-\w+\.tmp"):
        restored(source)
    assert memory.cat("/clean/best.pth") == source.read_bytes()


def test_the_source_itself_a_folder_and_a_file_in_another_are_refused(
    memory: Any, source: Path
) -> None:
    memory.pipe("/run/epoch_1.pth", source.read_bytes())
    far = "memory://run/epoch_1.pth"
    with pytest.raises(RestoreError, match="is the source itself"):
        ckptdoctor.restore(source=far, output=far, force=True)
    with pytest.raises(RestoreError, match="is a folder"):
        restored(source, "memory://run", force=True)
    assert memory.cat("/run/epoch_1.pth") == source.read_bytes()


def test_a_checkpoint_of_several_files_is_refused(
    memory: Any, source: Path, tmp_path: Path
) -> None:
    folder = trainer_checkpoint(tmp_path / "checkpoint-1").path
    with pytest.raises(RestoreError, match="of several files is not written by URL"):
        restored(folder, "memory://clean/model")
    assert names(memory) == []


def test_a_copy_that_was_damaged_since_is_found_by_its_manifest(
    memory: Any, source: Path, tmp_path: Path
) -> None:
    """As a copy here is: its manifest lies beside it."""
    restored(source, "memory://damaged/best.pth")
    data = bytearray(memory.cat("/damaged/best.pth"))
    data[len(data) // 2] ^= 1
    memory.pipe("/damaged/best.pth", bytes(data))
    here = tmp_path / "best.pth"
    here.write_bytes(bytes(data))
    here.with_name("best.pth.json").write_bytes(memory.cat("/damaged/best.pth.json"))
    (near,) = ckptdoctor.scan(here).checkpoints
    (far,) = ckptdoctor.scan("memory://damaged/best.pth").checkpoints
    assert [one.code for one in far.findings] == [one.code for one in near.findings] != []
