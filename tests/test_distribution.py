"""The sdist and the wheel: as PyPI wants them, complete, and working where they are installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from ckptdoctor.version import __version__

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


def call(*arguments: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    finished = subprocess.run(
        [sys.executable, "-P", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("dist")
    call("-m", "build", "--outdir", folder, ROOT, cwd=folder)
    return folder


def wheel_in(dist: Path) -> Path:
    (wheel,) = dist.glob("*.whl")
    return wheel


def test_pypi_takes_both(dist: Path) -> None:
    pytest.importorskip("twine")
    files = sorted(dist.iterdir())
    assert [path.name for path in files] == [
        f"ckptdoctor-{__version__}-py3-none-any.whl",
        f"ckptdoctor-{__version__}.tar.gz",
    ]
    assert call("-m", "twine", "check", "--strict", *files, cwd=dist).count("PASSED") == 2


def test_their_sizes_are_those_that_the_pages_tell(dist: Path) -> None:
    text = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"The wheel takes ([\d.]+) MB, the sdist ([\d.]+) MB", text)
    (sdist,) = dist.glob("*.tar.gz")
    for path, size in zip((wheel_in(dist), sdist), map(float, told), strict=True):
        assert abs(path.stat().st_size / 1e6 - size) < 0.1 * size, path.name
    pages = [ROOT / "README.md", ROOT / "docs" / "notebooks.md"]
    for page in pages:
        found = re.findall(r"wheel takes ([\d.]+) MB", page.read_text(encoding="utf-8"))
        assert set(found) <= {told[0]}, page.name


def test_the_wheel_is_the_package_and_nothing_else(dist: Path) -> None:
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "ckptdoctor").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel_in(dist)) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == ours
    assert "ckptdoctor/py.typed" in names


def test_the_sdist_holds_what_its_tests_need(dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "docs/ci.md", "tests/builders.py"} <= names
    assert not [name for name in names if name.startswith("tests/") and name.endswith(".pth")]


def test_it_works_where_it_was_installed(dist: Path, tmp_path: Path) -> None:
    """Without its dependencies, which are here already: torch takes gigabytes."""
    place = tmp_path / "site"
    call("-m", "pip", "install", "-q", "--no-deps", "--target", place, wheel_in(dist), cwd=tmp_path)
    env = {"PYTHONPATH": str(place), "CKPTDOCTOR_NO_CACHE": "1"}
    where = call("-c", "import ckptdoctor; print(ckptdoctor.__file__)", cwd=tmp_path, env=env)
    assert Path(where.strip()).is_relative_to(place)
    told = call("-m", "ckptdoctor", "--version", cwd=tmp_path, env=env)
    assert told == f"ckptdoctor {__version__}\n"
    call("-m", "ckptdoctor", "demo", "run", cwd=tmp_path, env=env)
    for form in ("html", "json"):  # the page has a template, which must have come along
        scan = ("scan", "run/checkpoints", "-f", form, "--fail-on", "never")
        assert call("-m", "ckptdoctor", *scan, cwd=tmp_path, env=env)


def test_the_size_that_is_told_is_true(dist: Path) -> None:
    text = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    told = re.search(r"The wheel takes (\d+\.\d) MB", text)
    assert told is not None
    assert wheel_in(dist).stat().st_size / 1e6 == pytest.approx(float(told[1]), rel=0.25)
