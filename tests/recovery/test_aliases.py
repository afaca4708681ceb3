"""A destination that is the source under another name is refused, and the source stays."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.bad_inputs.running import called
from tests.builders import save, training_checkpoint

REFUSED = 4
SOURCE = "checkpoint_epoch_88.pth"
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc and namespaces are Linux's")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with the source in it."""
    folder = tmp_path / "run"
    folder.mkdir()
    save(folder / SOURCE, training_checkpoint())
    return folder


def state(path: Path) -> tuple[str, int, int, int]:
    status = path.stat()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return digest, status.st_mtime_ns, status.st_ino, status.st_nlink


def refused(folder: Path, source: str | Path, output: str | Path, *options: str) -> str:
    """What is said; the source and everything beside it is what it was."""
    before, names = state(folder / SOURCE), sorted(p.name for p in folder.rglob("*"))
    command = ("restore", "--from", source, "-o", output, *options)
    code, _, said = called(*command)
    assert code == REFUSED, said
    assert state(folder / SOURCE) == before
    assert sorted(p.name for p in folder.rglob("*")) == names
    return said


def hard_link(folder: Path) -> Path:
    other = folder / "hard.pth"
    os.link(folder / SOURCE, other)
    return other


def hard_link_elsewhere(folder: Path) -> Path:
    other = folder.parent / "elsewhere"
    other.mkdir()
    os.link(folder / SOURCE, other / "hard.pth")
    return other / "hard.pth"


def symbolic_link(folder: Path) -> Path:
    (folder / "soft.pth").symlink_to(SOURCE)
    return folder / "soft.pth"


def links_in_a_row(folder: Path) -> Path:
    (folder / "one.pth").symlink_to(folder / SOURCE)
    (folder / "two.pth").symlink_to("one.pth")
    return folder / "two.pth"


def folder_that_is_a_link(folder: Path) -> Path:
    (folder.parent / "link").symlink_to(folder)
    return folder.parent / "link" / SOURCE


def folder_that_links_to_itself(folder: Path) -> Path:
    (folder / "self").symlink_to(".")
    return folder / "self" / "self" / SOURCE


def way_up_and_down(folder: Path) -> Path:
    (folder / "sub").mkdir()
    return folder / "sub" / ".." / ".." / folder.name / SOURCE


def by_the_working_folder(folder: Path) -> Path:
    return Path("/proc/self/cwd") / os.path.relpath(folder / SOURCE)


ALIASES: tuple[Any, ...] = (
    lambda folder: folder / SOURCE,
    hard_link,
    hard_link_elsewhere,
    symbolic_link,
    links_in_a_row,
    folder_that_is_a_link,
    folder_that_links_to_itself,
    way_up_and_down,
    pytest.param(by_the_working_folder, marks=needs_linux),
)


@pytest.mark.parametrize("options", [(), ("--force", "--scale-lr", "0.5")])
@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.one_in(3)
def test_the_source_under_another_name(
    alias: Callable[[Path], Path], options: tuple[str, ...], run: Path
) -> None:
    assert "is the source itself" in refused(run, run / SOURCE, alias(run), *options)


@pytest.mark.parametrize("alias", ALIASES)
def test_the_source_is_named_by_its_alias(alias: Callable[[Path], Path], run: Path) -> None:
    assert "is the source itself" in refused(run, alias(run), run / SOURCE, "--force")


def test_a_slash_behind_the_name(run: Path) -> None:
    assert "is the source itself" in refused(run, run / SOURCE, f"{run / SOURCE}/", "--force")


def test_a_dry_run_refuses_as_well(run: Path) -> None:
    said = refused(run, run / SOURCE, symbolic_link(run), "--force", "--dry-run")
    assert "is the source itself" in said


@needs_linux
@pytest.mark.parametrize("where", ["/proc/self/fd", "/dev/fd"])
def test_an_open_descriptor(where: str, run: Path) -> None:
    with (run / SOURCE).open("rb") as file:
        alias = f"{where}/{file.fileno()}"
        assert "is the source itself" in refused(run, run / SOURCE, alias, "--force")
        assert "is the source itself" in refused(run, alias, run / SOURCE, "--force")


@needs_linux
def test_a_descriptor_of_another_file(run: Path) -> None:
    with (run.parent / "other.pth").open("w+b") as file:
        said = refused(run, run / SOURCE, f"/proc/self/fd/{file.fileno()}", "--force")
    assert "nothing was written" in said or "cannot be written" in said


def test_the_donor_of_a_graft_is_a_source(run: Path) -> None:
    donor = save(run / "donor.pth", training_checkpoint())
    before = state(donor)
    said = refused(run, run / SOURCE, donor, "--graft", str(donor), "--force")
    assert "is the source itself" in said
    assert state(donor) == before


def test_the_working_folder_is_the_folder_of_the_source(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run)
    assert "is the source itself" in refused(run, SOURCE, f"./{SOURCE}", "--force")
    (run.parent / "link").symlink_to(run)
    monkeypatch.chdir(run.parent / "link")
    assert "is the source itself" in refused(run, run / SOURCE, SOURCE, "--force")


def test_the_default_name_is_a_link_to_the_source(run: Path) -> None:
    (run / "best_model_clean.pth").symlink_to(SOURCE)
    before = state(run / SOURCE)
    code, _, said = called("restore", "--epoch", "88", run, "--force")
    assert code == REFUSED, said
    assert state(run / SOURCE) == before


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_link_to_another_file_is_replaced_and_that_file_stays(
    link: Callable[[Path, Path], None], run: Path
) -> None:
    other = run / "epoch_80.pth"
    other.write_bytes(b"another")
    link(other, run / "best.pth")
    code, _, said = called("restore", "--from", run / SOURCE, "-o", run / "best.pth", "--force")
    assert code == 0, said
    assert other.read_bytes() == b"another"
    assert not (run / "best.pth").is_symlink()


def test_a_dangling_link_is_something_that_is_there(run: Path) -> None:
    (run / "best.pth").symlink_to("nowhere.pth")
    assert "exists and is not overwritten" in refused(run, run / SOURCE, run / "best.pth")
    assert not (run / "nowhere.pth").exists()


# -- the manifest is a destination, too ----------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--force",)])
@pytest.mark.parametrize("link", [None, os.link, os.symlink])
def test_the_manifest_would_be_the_source(
    link: Callable[[Path, Path], None] | None, options: tuple[str, ...], run: Path
) -> None:
    note = run / "clean.pth.json"
    if link is None:
        shutil.copy2(run / SOURCE, note)
        before, source = note.read_bytes(), note
    else:
        link(run / SOURCE, note)
        before, source = note.read_bytes(), run / SOURCE
    assert "is the source itself" in refused(run, source, run / "clean.pth", *options)
    assert note.read_bytes() == before


@pytest.mark.parametrize("options", [(), ("--force",)])
def test_somebody_elses_file_with_the_name_of_the_manifest_stays(
    options: tuple[str, ...], run: Path
) -> None:
    note = run / "clean.pth.json"
    note.write_text('{"lr": 0.1}')
    assert "is something else" in refused(run, run / SOURCE, run / "clean.pth", *options)
    assert note.read_text() == '{"lr": 0.1}'


def test_a_folder_with_the_name_of_the_manifest(run: Path) -> None:
    (run / "clean.pth.json").mkdir()
    assert "is something else" in refused(run, run / SOURCE, run / "clean.pth", "--force")


def test_an_old_manifest_without_its_file_is_replaced(run: Path) -> None:
    command = ("restore", "--from", run / SOURCE, "-o", run / "clean.pth")
    assert called(*command)[0] == 0
    (run / "clean.pth").unlink()
    assert called(*command)[0] == 0


# -- file systems --------------------------------------------------------------------------------


def in_namespace(mount: str, folder: Path, then: Sequence[str]) -> tuple[int, str]:
    """A command behind a mount that nobody else sees; skips where it is not permitted."""
    words = " ".join(f"'{word}'" for word in then)
    script = f"cd '{folder}' && {mount} || exit 77; {words}"
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("there is no unshare(1)")
    done = subprocess.run(
        [unshare, "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode in (1, 77) and ("mount" in done.stderr or "unshare" in done.stderr):
        pytest.skip(f"mounting is not permitted: {done.stderr.strip()[:200]}")
    return done.returncode, done.stderr


@functools.cache
def program() -> tuple[str, ...]:
    return (sys.executable, "-m", "ckptdoctor", "restore")


@needs_linux
@pytest.mark.parametrize("what", ["file", "folder"])
@pytest.mark.one_in(2)
@pytest.mark.slow
def test_a_bind_mount(what: str, run: Path) -> None:
    before = state(run / SOURCE)
    output: Path
    if what == "file":
        (run / "bound.pth").touch()
        mount, output = f"mount --bind {SOURCE} bound.pth", Path("bound.pth")
    else:
        (run / "bound").mkdir()
        mount, output = "mount --bind . bound", Path("bound", SOURCE)
    command = [*program(), "--from", SOURCE, "-o", str(output), "--force"]
    code, said = in_namespace(mount, run, command)
    assert (code, "is the source itself" in said) == (REFUSED, True), said
    assert state(run / SOURCE) == before


@needs_linux
def test_a_folder_that_does_not_tell_capitals_apart(run: Path) -> None:
    (run / "folded").mkdir()
    other = SOURCE.upper()
    fold = (
        "mount -t tmpfs -o casefold tmpfs folded && mkdir folded/a && chattr +F folded/a && "
        f"cp {SOURCE} folded/a/ && test -e folded/a/{other}"
    )
    command = [*program(), "--from", f"folded/a/{SOURCE}", "-o", f"folded/a/{other}", "--force"]
    code, said = in_namespace(f"{{ {fold}; }}", run, command)
    assert (code, "is the source itself" in said) == (REFUSED, True), said


def test_a_name_in_capitals_that_the_folder_takes_for_the_same(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no such folder can be mounted: ``stat`` answers as it would there."""

    def folding(real: Callable[..., Any], path: Any, *rest: Any, **options: Any) -> Any:
        named = isinstance(path, str | os.PathLike) and os.path.basename(path)
        if named == SOURCE.upper():
            path = os.path.join(os.path.dirname(path), SOURCE)
        return real(path, *rest, **options)

    for name in ("stat", "lstat", "access"):
        monkeypatch.setattr(os, name, functools.partial(folding, getattr(os, name)))
    said = refused(run, run / SOURCE, run / SOURCE.upper(), "--force")
    assert "is the source itself" in said
