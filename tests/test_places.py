"""Many paths lead where each of them leads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ckptdoctor.places import Places, place_of


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.pth").touch()
    (tmp_path / "real" / "link.pth").symlink_to("a.pth")
    (tmp_path / "real" / "circle").symlink_to("circle")
    (tmp_path / "linked").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("is_absolute", [True, False])
def test_each_leads_where_it_leads_alone(tree: Path, is_absolute: bool) -> None:
    places = Places()
    names = "real/a.pth real/link.pth linked/a.pth linked/link.pth real/circle linked/../real/a.pth"
    for name in (*names.split(), "real/none.pth", "none/a.pth", "real", "linked", ".", "..", "/"):
        path = tree / name if is_absolute else Path(name)
        assert places.of(path) == places.of(path) == place_of(path)


def test_a_folder_is_resolved_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    realpath = os.path.realpath

    def noted(path: str, *, strict: bool = False) -> str:
        asked.append(path)
        return realpath(path, strict=strict)

    monkeypatch.setattr(os.path, "realpath", noted)
    places = Places()
    found = {places.of(tree / "linked" / f"{at}.pth") for at in range(100)}
    assert len(found) == 100
    assert len(asked) == 1


def test_a_folder_that_cannot_be_looked_into_raises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: object, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "lstat", refused)
    assert Places().of(tmp_path / "a.pth").name == "a.pth"
