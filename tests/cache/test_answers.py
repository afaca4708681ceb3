"""An answer is given again only where the command would say the same; the oracle is --no-cache."""

from __future__ import annotations

import builtins
import contextlib
import io
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

from ckptdoctor import places
from ckptdoctor.cache import answers
from ckptdoctor.cache.file import NAME
from tests.bad_inputs.running import called
from tests.builders import save
from tests.cache.support import settled
from tests.cli.support import make_run, run, training_state
from tests.layouts.folders import TWINS
from tests.layouts.folders.truth import Layout

LOG = "epoch 8: val_iou=0.55\nepoch 9: val_iou=0.61\nepoch 10: val_iou=0.60\n"
COMMANDS = (("scan",), ("scan", "-f", "json", "-q"), ("rank",), ("history",))


@contextlib.contextmanager
def worked_through() -> Iterator[list[str]]:
    """The commands that are worked through meanwhile, and not answered from memory."""
    import ckptdoctor.__main__ as program

    seen: list[str] = []
    work = program._work

    def working(arguments: list[str]) -> int:
        seen.append(arguments[0])
        return work(arguments)

    with mock.patch.object(program, "_work", working):
        yield seen


def a_run(root: Path) -> Path:
    """A run whose files are all checkpoints, with a log."""
    folder = make_run(root / "project" / "run")
    (folder / "download.pth").unlink()
    (folder / "training.log").write_text(LOG)
    return folder


def test_the_second_answer_is_the_first_and_nothing_is_worked_through(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    with settled(), worked_through() as seen:
        called("scan", folder)  # rank and history find the files remembered
        first = [called(*command, folder) for command in COMMANDS]
        seen.clear()
        second = [called(*command, folder) for command in COMMANDS]
    assert seen == []
    assert [one[:2] for one in second] == [one[:2] for one in first]
    assert ["4 of 4 files remembered, read " in one[2] for one in second] == [
        True,
        False,
        True,
        True,
    ]


def _append(folder: Path) -> None:
    with (folder / "training.log").open("a") as log:
        log.write("epoch 11: val_iou=0.01\n")


def _rewrite(folder: Path) -> None:
    """As large as before, and as old: only the time of the change tells."""
    log = folder / "training.log"
    status = log.stat()
    log.write_text(LOG.replace("0.61", "0.99"))
    os.utime(log, ns=(status.st_atime_ns, status.st_mtime_ns))


def _poison(folder: Path) -> None:
    path = folder / "checkpoint_epoch_9.pth"
    status = path.stat()
    nan = save(folder.parent / "x", training_state(9, best=0.61, fill=float("nan")))
    path.write_bytes(Path(nan).read_bytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _new_log_beside(folder: Path) -> None:
    (folder / "metrics.csv").write_text("epoch,val_iou\n8,0.1\n9,0.9\n10,0.2\n")


def _new_logs_folder(folder: Path) -> None:
    (folder.parent / "logs").mkdir()
    (folder.parent / "logs" / "run.log").write_text(LOG.replace("0.60", "0.95"))


def _log_above(folder: Path) -> None:
    (folder / "training.log").rename(folder.parent / "training.log")


def _new_checkpoint(folder: Path) -> None:
    save(folder / "checkpoint_epoch_12.pth", training_state(12, best=0.7))


def _gone(folder: Path) -> None:
    (folder / "checkpoint_epoch_10.pth").unlink()


def _below(folder: Path) -> None:
    (folder / "more").mkdir()
    save(folder / "more" / "model_1.pth", training_state(1))


def _destination(folder: Path) -> None:
    for place in (folder, folder.parent, folder.parent.parent):
        (place / "best_model_clean.pth").touch()


def _pointer(folder: Path) -> None:
    (folder / "latest").write_text("checkpoint_epoch_77.pth")


def _dangling(folder: Path) -> None:
    (folder / "last.pth").symlink_to("checkpoint_epoch_99.pth")


def _all_gone(folder: Path) -> None:
    shutil.rmtree(folder)


CHANGES: tuple[Callable[[Path], None], ...] = (
    *(_append, _rewrite, _poison, _new_log_beside, _new_logs_folder, _log_above),
    *(_new_checkpoint, _gone, _below, _destination, _pointer, _dangling, _all_gone),
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.__name__)
@pytest.mark.one_in(6)
def test_a_change_is_seen(change: Callable[[Path], None], tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    with settled():
        for command in COMMANDS * 2:
            called(*command, folder)
        change(folder)
        for command in COMMANDS:
            assert called(*command, folder)[:2] == called(*command, folder, "--no-cache")[:2]


def test_another_environment_folder_or_option_is_another_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = a_run(tmp_path)
    with settled(), worked_through() as seen:
        for _ in range(2):
            called("scan", folder)
        assert seen == ["scan"]
        for name, value in (
            ("COLUMNS", "60"),
            ("FORCE_COLOR", "1"),
            ("CKPTDOCTOR_BACKEND", "eager"),
        ):
            with monkeypatch.context() as patch:
                patch.setenv(name, value)
                called("scan", folder)
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            called("scan", folder)
        called("scan", folder, "-v")
    assert seen == ["scan"] * 6


def test_without_paths_the_current_folder_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = a_run(tmp_path)
    monkeypatch.chdir(folder)
    with settled(), worked_through() as seen:
        first = called("scan")
        assert called("scan")[:2] == first[:2]
        assert seen == ["scan"]
        a_run(folder / "checkpoints")
        assert called("scan")[1] == called("scan", "--no-cache")[1] != first[1]


def test_what_does_more_than_print_is_worked_through_each_time(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    commands = (
        ("scan", folder, "-o", tmp_path / "out.txt"),
        ("scan", folder, folder / "missing"),
        ("plan", folder, "--command", "python train.py --lr 1 --token hf_secret"),
        ("scan", f"{folder}/*.pth"),
        ("scan", folder, "--no-cache"),
    )
    with settled(), worked_through() as seen:
        for command in commands * 2:
            called(*command)
    assert len(seen) == 2 * len(commands)


@pytest.mark.slow
def test_nothing_is_kept_of_what_was_changed_just_now(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    for _ in range(3):
        assert called("scan", folder)[2] == ""
    time.sleep(2.1)
    run("scan", folder)
    assert "4 of 4 files remembered" in run("scan", folder).stderr
    (folder / "training.log").touch()
    with worked_through() as seen:
        for _ in range(2):
            called("scan", folder)
    assert seen == ["scan", "scan"]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{",
        b"null",
        b'[0, "x", 1, 1, 1]',
        b"[0, 5, 1, 1, 1, false]",
        b"[" * 10**5,
        b'[0, "x", 1, 1, 1%s, false]' % (b"0" * 400),
    ],
)
@pytest.mark.one_in(3)
def test_a_hostile_answer_is_none(said: bytes, cache: Path, tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    with settled():
        fresh = called("scan", folder)
        with sqlite3.connect(cache / NAME) as connection:
            (key, program, folders, state) = connection.execute(
                "SELECT key, program, folders, state FROM answer"
            ).fetchone()
            asked = answers.Inquiry(key=key, program=program, folder=cache, began_ns=0)
            digest = answers._digest(asked, folders, state, said)
            connection.execute("UPDATE answer SET said = ?, digest = ?", (said, digest))
        assert called("scan", folder)[:2] == fresh[:2]


def test_no_text_of_a_file_lies_in_the_cache(cache: Path, tmp_path: Path) -> None:
    secret = "hf_" + "Q7x" * 12
    state = training_state(3) | {"args": {"token": secret, "lr": 0.1}, "note": secret}
    (tmp_path / "run").mkdir()
    save(tmp_path / "run" / "model_3.pth", state)
    save(tmp_path / "run" / "model_4.pth", {**state, "epoch": 4})
    with settled():
        for command in (*COMMANDS, ("plan",), ("scan", "-v"), ("scan", "-f", "html")):
            for _ in range(2):
                called(*command, tmp_path / "run")
        assert "remembered" in called("scan", tmp_path / "run")[2]
    for path in cache.iterdir():
        assert secret.encode() not in path.read_bytes()


@contextlib.contextmanager
def probed(root: Path) -> Iterator[set[str]]:
    """Every path below a folder that the program asks the system for, made absolute."""
    seen: set[str] = set()

    def told(original: Callable[..., Any]) -> Callable[..., Any]:
        def asking(path: Any, *arguments: Any, **more: Any) -> Any:
            if isinstance(path, str | os.PathLike):
                seen.add(os.path.abspath(path))
            return original(path, *arguments, **more)

        return asking

    names = ("stat", "lstat", "scandir", "listdir", "open", "access", "readlink")
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(mock.patch.object(os, name, told(getattr(os, name))))
        stack.enter_context(mock.patch.object(builtins, "open", told(builtins.open)))
        stack.enter_context(mock.patch.object(io, "open", told(io.open)))
        yield seen
    for path in sorted(seen):
        if not Path(path).is_relative_to(root):
            seen.discard(path)


def not_watched(root: Path, *arguments: str | Path) -> list[str]:
    """The paths that a command asked for, whose change would not be noticed."""
    folders: set[str] = set()
    looking = places.looking

    @contextlib.contextmanager
    def listening() -> Iterator[set[str]]:
        with looking() as found:
            yield found
        folders.update(found)

    with mock.patch.object(places, "looking", listening), probed(root) as seen:
        called(*arguments)
    assert folders
    known = folders | {str(above) for folder in folders for above in Path(folder).parents}
    return [path for path in seen if path not in known and os.path.dirname(path) not in folders]


@pytest.mark.parametrize("layout", TWINS, ids=lambda layout: layout.name)
@pytest.mark.one_in(6)
def test_every_place_that_is_looked_at_is_watched(layout: Layout, tmp_path: Path) -> None:
    layout.build(tmp_path)
    for command in ("scan", "history"):
        assert not_watched(tmp_path, command, tmp_path) == []


def test_every_place_of_a_log_is_watched(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    (folder / "ema").mkdir()
    save(folder / "ema" / "model_2.pth", {"model": {"w": torch.ones(2)}})
    for place in (folder / "logs", folder.parent / "logs", folder.parent / "runs" / "run"):
        place.mkdir(parents=True)
        (place / "train.log").write_text(LOG)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "other.log").write_text(LOG)
    for command in ("scan", "rank", "history"):
        log = ("--log", tmp_path / "elsewhere" / "other.log")
        assert not_watched(tmp_path, command, folder, *log) == []
        assert not_watched(tmp_path, command, folder / "checkpoint_epoch_9.pth") == []


def test_answers_are_counted_and_cleared_with_the_rest(cache: Path, tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    with settled():
        called("scan", folder)
        assert json.loads(called("cache", "-f", "json")[1])["results"] == 4
        called("cache", "--clear")
        with worked_through() as seen:
            called("scan", folder)
    assert seen == ["scan"]
