"""What is said of a path that leads nowhere: what is there, and what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.runs.absent import why_absent

NONE = "no such file or folder"
MEANT = f"{NONE}; did you mean run/checkpoint_epoch_9.pth?"
HELD = "run, which has checkpoint_epoch_8.pth, checkpoint_epoch_9.pth, checkpoint_epoch_10.pth"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One run, as seen from the folder above."""
    for name in (*(f"checkpoint_epoch_{epoch}.pth" for epoch in range(8, 12)), ".hidden.pth"):
        path = tmp_path / "run" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("rnu", f"{NONE}; did you mean run?"),
        ("nothing_like_it", NONE),
        ("run/checkpoint_epoch_9", MEANT),
        ("run/checkpoint_epoch_9.pt", MEANT),
        ("run/Checkpoint_Epoch_9.PTH", MEANT),
        ("run/chekpoint_epoch_9.pth", MEANT),
        ("run/*.ckpt", f"nothing matches in {HELD} and 1 more"),
        ("run/a/*.ckpt", "nothing matches in run/a"),
        ("wurn/a/b.pth", f"{NONE}: no wurn in this folder, which has empty, run"),
        ("run/a/b.pth", f"{NONE}: no a in {HELD} and 1 more"),
        ("empty/a/b.pth", f"{NONE}: no a in empty"),
        ("/no_such_root/a.pth", f"{NONE}: no no_such_root in /"),
        ("C:\\runs\\a.pth", f"{NONE}; this is no Windows: under WSL it is /mnt/c/runs/a.pth"),
        ("..\\a.pth", f"{NONE}; this is no Windows: write ../a.pth"),
    ],
)
def test_it_says_what_is_there_and_what_was_meant(folder: Path, path: str, sentence: str) -> None:
    assert not (folder / path).exists()
    assert why_absent(Path(path)) == f"{path}: {sentence}"


def test_of_several_that_only_differ_in_the_suffix_the_first_three_are_named(folder: Path) -> None:
    for suffix in ("yaml", "pth", "json", "txt"):
        (folder / f"best.{suffix}").touch()
    assert why_absent(Path("best"), "file") == (
        "best: no such file; did you mean best.json or best.pth or best.txt?"
    )


def test_a_pattern_in_the_name_of_a_file_that_is_there_but_for_the_suffix(folder: Path) -> None:
    (folder / "best[1].pth").touch()
    assert why_absent(Path("best[1]")).startswith(f"best[1]: {NONE}; did you mean ")


def test_what_a_far_store_said_is_told_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = PermissionError(13, "Forbidden")
    monkeypatch.setattr("ckptdoctor.runs.absent.trouble_of", lambda _: denied)
    assert why_absent(Path("a.pth")) == "a.pth: Forbidden"
    monkeypatch.setattr("ckptdoctor.runs.absent.trouble_of", lambda _: OSError("no answer"))
    assert why_absent(Path("a.pth")) == "a.pth: no answer"
