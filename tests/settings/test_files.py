"""The file that is found, and those that an attacker would want to be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ckptdoctor.errors import UsageError
from ckptdoctor.settings.files import candidates_now, find_file, table_of
from ckptdoctor.settings.settings import Origin, settle

IGNORES = '[tool.ckptdoctor]\nignore = ["CD201"]\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with settings of its own, and a checkpoint in a folder of it."""
    for name in [one for one in os.environ if one.startswith("CKPTDOCTOR_")]:
        monkeypatch.delenv(name)
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    (project / "pyproject.toml").write_text(IGNORES)
    (project / "runs").mkdir()
    (project / "runs" / "a.pth").touch()
    monkeypatch.chdir(project)
    return project


def test_it_is_found_above_and_the_nearest_counts(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = project / "src" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_file([project / "runs"]).path == project / "pyproject.toml"
    (project / "src" / "ckptdoctor.toml").write_text("quiet = true")
    assert find_file([project / "runs"]).path == project / "src" / "ckptdoctor.toml"


def test_ckptdoctor_toml_counts_before_pyproject(project: Path) -> None:
    (project / "ckptdoctor.toml").write_text("quiet = true")
    assert find_file([project / "runs"]).path == project / "ckptdoctor.toml"


def test_a_pyproject_of_others_is_not_ours(project: Path) -> None:
    (project / "pyproject.toml").write_text('[project]\ndependencies = ["ckptdoctor"]\n[tool.x]')
    assert find_file([project / "runs"]).path is None


def test_the_search_ends_at_the_repository(project: Path) -> None:
    (project.parent / "ckptdoctor.toml").write_text("quiet = true")
    (project / "pyproject.toml").unlink()
    assert find_file([project / "runs"]).path is None


@pytest.mark.parametrize("examined", [".", "..", "*.pth", "model.pth", "missing.pth", "link"])
def test_one_that_lies_in_what_is_examined_is_not_believed(
    project: Path, examined: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = project / "downloads" / "model"
    stranger.mkdir(parents=True)
    (stranger / "model.pth").touch()
    (stranger / "link").symlink_to(stranger)
    (stranger / "ckptdoctor.toml").write_text('ignore = ["CD2"]')
    monkeypatch.chdir(stranger)
    found = find_file([Path(examined)])
    assert found.path == project / "pyproject.toml"
    assert [path.name for path, _ in found.passed_over] == ["ckptdoctor.toml"]
    assert "stranger" in found.passed_over[0][1]


def test_nor_is_one_that_a_link_leads_to(project: Path) -> None:
    (project / "pyproject.toml").unlink()
    (project / "runs" / "evil.toml").write_text('ignore = ["CD2"]')
    (project / "ckptdoctor.toml").symlink_to(project / "runs" / "evil.toml")
    found = find_file([project / "runs"])
    assert found.path is None
    assert len(found.passed_over) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no owners here")
def test_nor_one_that_belongs_to_somebody_else(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = (project / "pyproject.toml").stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    found = find_file([project / "runs"])
    if owner == 0:  # root may write everywhere anyway
        assert found.path is not None
        os.chown(project / "pyproject.toml", 4321, 4321)
        found = find_file([project / "runs"])
    assert found.path is None
    assert "another user" in found.passed_over[0][1]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no modes here")
def test_nor_one_that_everybody_may_write_to(project: Path) -> None:
    (project / "pyproject.toml").chmod(0o666)
    found = find_file([project / "runs"])
    assert found.path is None
    assert "everybody" in found.passed_over[0][1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_or_a_folder_of_that_name_is_passed_by(project: Path) -> None:
    os.mkfifo(project / "ckptdoctor.toml")
    assert find_file([project / "runs"]).path == project / "pyproject.toml"
    (project / "pyproject.toml").unlink()
    (project / "pyproject.toml").mkdir()
    assert find_file([project / "runs"]).path is None


def test_what_is_remembered_hangs_on_these_files(project: Path) -> None:
    before = candidates_now()
    assert candidates_now() == before
    (project / "ckptdoctor.toml").write_text("")
    between = candidates_now()
    assert between != before
    (project / "pyproject.toml").write_text(IGNORES + "quiet = true\n")
    assert candidates_now() != between


@pytest.mark.parametrize(
    "content",
    [b"[tool.ckptdoctor", b"[tool.ckptdoctor]\nx = \xff", b"x = " + b"[" * 9000, b"a = 1\na = 2"],
)
def test_what_is_no_toml_is_said(content: bytes) -> None:
    with pytest.raises(UsageError, match="no TOML"):
        table_of(Path("ckptdoctor.toml"), content)


def test_a_named_file_counts_wherever_it_lies(project: Path) -> None:
    (project / "runs" / "own.toml").write_text('fail-on = "never"')
    found = settle([Path("runs")], given={}, named=Path("runs/own.toml"))
    assert found.values["fail-on"].origin is Origin.NAMED_FILE


def test_a_found_file_must_not_make_all_pass(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.ckptdoctor]\nfail-on = "never"\n')
    with pytest.raises(UsageError, match="--config"):
        settle([Path("runs")], given={})


def test_the_environment_counts_before_the_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CKPTDOCTOR_IGNORE", "CD407")
    found = settle([Path("runs")], given={})
    assert found.values["ignore"].value == ("CD407",)
    assert found.values["ignore"].where == "CKPTDOCTOR_IGNORE"
    monkeypatch.setenv("CKPTDOCTOR_IGNORE", "")
    assert settle([Path("runs")], given={}).values["ignore"].where == "pyproject.toml"


def test_no_file_is_read_where_none_is_wanted(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settle([Path("runs")], given={}, no_file=True).file is None
    monkeypatch.setenv("CKPTDOCTOR_NO_CONFIG", "1")
    assert settle([Path("runs")], given={}).file is None


def test_paths_in_a_file_are_meant_from_its_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pyproject.toml").write_text('[tool.ckptdoctor]\nbaseline = "ci/b.json"\n')
    (project / "src").mkdir()
    monkeypatch.chdir(project / "src")
    (path,) = settle([project / "runs"], given={}).values["baseline"].paths()
    assert path == Path("../ci/b.json")
