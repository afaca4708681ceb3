"""A folder gets its name in one step, also where the system cannot exchange two names."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.errors import RestoreError
from ckptdoctor.recovery.folders import staging
from ckptdoctor.recovery.folders.staging import place, temporary_folder
from ckptdoctor.recovery.publish import PlacedError, rename_with


def staged(folder: Path, *, force: bool, ours: bool = False) -> Path | None:
    """A folder with one file in the place of ``clean``."""
    with temporary_folder(folder / "clean") as stage:
        (stage.path / "new").write_text("new")
        return place(stage, folder / "clean", force=force, ours=ours)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(params=["renameat2", "without it"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place, with and without the call that exchanges two names."""
    if request.param == "without it":
        monkeypatch.setattr(staging, "rename_with", lambda *_: False)
    return tmp_path


def test_a_new_folder_gets_its_name(folder: Path) -> None:
    assert staged(folder, force=False) is None
    assert names(folder) == ["clean", "clean/new"]


@pytest.mark.parametrize("ours", [False, True])
def test_an_old_folder_is_replaced_and_kept_unless_it_was_ours(folder: Path, ours: bool) -> None:
    (folder / "clean").mkdir()
    (folder / "clean" / "old").write_text("old")
    kept = staged(folder, force=True, ours=ours)
    assert kept == (None if ours else folder / "clean.old")
    assert names(folder) == [
        "clean",
        *(() if ours else ("clean.old", "clean.old/old")),
        "clean/new",
    ]
    again = staged(folder, force=True, ours=False)
    assert again == folder / ("clean.old" if ours else "clean.old_2")


def test_what_has_appeared_meanwhile_is_not_replaced(folder: Path) -> None:
    (folder / "clean").mkdir()
    with pytest.raises(RestoreError, match="appeared meanwhile"):
        staged(folder, force=False)
    (folder / "clean").rmdir()
    (folder / "clean").write_text("a file")
    with pytest.raises(RestoreError, match="is a file by now"):
        staged(folder, force=True)
    assert names(folder) == ["clean"]


def test_a_folder_of_the_users_is_never_removed_whatever_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "clean").mkdir()
    (folder / "clean" / "old").write_text("old")
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if Path(target).name == "clean.old":
            raise OSError(30, "Read-only file system")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PlacedError, match="is left behind as"):
        staged(folder, force=True)
    assert (folder / "clean" / "new").read_text() == "new"
    assert [path.read_text() for path in folder.glob(".ckptdoctor-*.tmp/old")] == ["old"]


def test_a_rename_that_refuses_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(FileExistsError):
        rename_with(tmp_path / "a", tmp_path / "b", 1)
