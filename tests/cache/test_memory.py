"""What is believed, what is never kept, and what commands that vouch for a file do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ckptdoctor.cache import memory
from ckptdoctor.cache.memory import memory_for
from ckptdoctor.cache.texts import figures_and_names
from ckptdoctor.checkpoint import Scalar
from ckptdoctor.cli.recall import recall_words
from ckptdoctor.layouts.files import single
from tests.bad_inputs.running import called
from tests.builders import save
from tests.cache.support import counted, no_answers, settled
from tests.cli.support import training_state


def scanned(path: Path) -> int:
    """How many files a scan opens."""
    with settled(), no_answers(), counted() as reads:
        called("scan", path)
    return len(reads)


def _rewritten(path: Path) -> None:
    """In place, as large and as old as before."""
    status = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _replaced(path: Path) -> None:
    status = path.stat()
    shutil.copyfile(path, path.with_name("other"))
    os.utime(path.with_name("other"), ns=(status.st_atime_ns, status.st_mtime_ns))
    path.with_name("other").rename(path)


def _longer(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def _moved(path: Path) -> None:
    path.rename(path.with_name("model_2.pth"))


@pytest.mark.parametrize("change", [os.utime, _rewritten, _replaced, _longer, _moved])
@pytest.mark.one_in(2)
def test_a_file_that_changed_in_any_way_is_read_again(
    change: Callable[[Path], object], tmp_path: Path
) -> None:
    save(tmp_path / "model_1.pth", training_state(1))
    assert [scanned(tmp_path), scanned(tmp_path)] == [1, 0]
    change(tmp_path / "model_1.pth")
    assert [scanned(tmp_path), scanned(tmp_path)] == [1, 0]


def test_a_file_that_was_written_just_now_is_not_remembered(tmp_path: Path) -> None:
    path = save(tmp_path / "model_1.pth", training_state(1))
    found = memory_for(wanted=True)
    assert found is not None
    with found:
        asked = found.ask(Path(path), None)
        assert asked is not None
        assert not asked.settled
    called("scan", tmp_path)
    with counted() as reads:
        called("scan", tmp_path)
    assert len(reads) == 1
    assert memory._SETTLED_NS == 2_000_000_000


def test_the_same_file_by_another_path_or_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "model_1.pth", training_state(1))
    assert scanned(tmp_path) == 1
    monkeypatch.chdir(tmp_path)
    assert scanned(Path()) == scanned(Path("model_1.pth")) == 0
    os.link("model_1.pth", "model_2.pth")  # which is a change of the file, too
    assert scanned(Path()) == 2


@pytest.mark.parametrize(
    "command",
    [("restore", "--from"), ("inspect",), ("diff",)],
    ids=lambda one: one[0],
)
def test_what_vouches_for_a_file_reads_it(
    command: tuple[str, ...], cache: Path, tmp_path: Path
) -> None:
    path = Path(save(tmp_path / "model_1.pth", training_state(1)))
    assert scanned(tmp_path) == 1
    files = (path, path) if command == ("diff",) else (path,)
    with settled(), counted() as reads:
        code, _, err = called(*command, *files)
    assert (code, "remembered" in err) == (0, False)
    assert path in reads or command == ("diff",)  # which opens them in its own room
    (database,) = cache.glob("*.sqlite")
    before = database.stat().st_mtime_ns
    with settled():
        called(*command, *files)
    assert database.stat().st_mtime_ns == before


def test_a_copy_with_a_manifest_is_read_each_time(tmp_path: Path) -> None:
    path = save(tmp_path / "model_1.pth", training_state(1))
    assert called("restore", "--from", path)[0] == 0
    assert (tmp_path / "best_model_clean.pth").is_file()
    scanned(tmp_path)
    with settled(), no_answers(), counted() as reads:
        called("scan", tmp_path)
    assert {path.stem for path in reads} <= {"best_model_clean", "best_model_clean.pth"}
    assert tmp_path / "best_model_clean.pth" in reads


def test_holding_all_is_known_without_a_reading(tmp_path: Path) -> None:
    path = Path(save(tmp_path / "model_1.pth", training_state(1)))
    assert scanned(tmp_path) == 1
    found = memory_for(wanted=True)
    assert found is not None
    with found:
        assert found.holds_all([single(path)])
        assert not found.holds_all([single(path), single(tmp_path / "model_2.pth")])
        assert found.recall.of == 0


def test_nobody_who_does_not_want_it_has_it(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert memory_for(wanted=False) is None
    for value in ("1", "yes", "TRUE"):
        monkeypatch.setenv("CKPTDOCTOR_NO_CACHE", value)
        assert memory_for(wanted=True) is None
    assert not cache.exists()
    for value in ("", "0", "no"):
        monkeypatch.setenv("CKPTDOCTOR_NO_CACHE", value)
        found = memory_for(wanted=True)
        assert found is not None
        found.__exit__(None, None, None)


def test_which_texts_are_kept() -> None:
    kept: dict[str, Scalar] = {
        "callbacks.x.monitor": "val_loss",
        "optimizer.param_groups.0.params.3": "layer.weight",
        "__metadata__.step": "1200",
        "lr": 0.1,
        "flag": True,
        "nothing": None,
        "empty": "",
    }
    withheld = {
        "args.token": "hf_abcdef",
        "monitor_url": "val_loss",
        "name": "val_loss",
        "note": "12 of them",
        "monitor": "two words, and a secret",
    }
    plain = figures_and_names({**kept, **withheld})
    assert plain == {**kept, **dict.fromkeys(withheld, "")}


def test_a_file_whose_texts_tell_its_place_is_read_each_time(tmp_path: Path) -> None:
    info = '{"epoch": 7, "global_step": 1200}'
    from safetensors.torch import save_file

    for name, told in (("told", info), ("plain", "nothing of it")):
        (tmp_path / name).mkdir()
        metadata = {"format": "pt", "training_info": told}
        save_file({"w": torch.ones(2)}, tmp_path / name / "model.safetensors", metadata=metadata)
        scanned(tmp_path / name)
    assert scanned(tmp_path / "told") == 1
    assert scanned(tmp_path / "plain") == 0


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (200, 190, "2 of 3 files remembered, read 3 minutes ago"),
        (0.2, 0.1, "read a moment ago"),
        (-5, -5, "read a moment ago"),
        (90_000, 3600, "read 1 hour to 1 day ago"),
        (1, 1, "read 1 second ago"),
    ],
)
def test_the_line_that_says_so(first: float, last: float, said: str) -> None:
    assert said in recall_words(2, 3, first, last)
