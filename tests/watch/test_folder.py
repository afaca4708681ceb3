"""A folder that is written to: what is new, and what is complete."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.diagnose import examine
from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import Absent, PartRole, single
from ckptdoctor.watch.folder import FolderWatch, looks_unfinished
from tests.builders import save
from tests.reports import report as reported


def checkpoint(path: Path, fill: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return save(path, {"model": {"w": torch.full((64,), fill)}})


def test_a_file_is_ready_once_it_has_come_to_rest(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path, settle_s=4.0)
    assert watch.poll(0.0) == ([], False)
    path = checkpoint(tmp_path / "a.pth")
    assert watch.poll(5.0) == ([], True)
    assert watch.poll(8.0) == ([], False)
    with path.open("ab") as file:
        file.write(b"more")
    assert watch.poll(10.0) == ([], True)
    assert watch.poll(13.9) == ([], False)
    assert watch.poll(14.0) == ([path], False)
    assert watch.poll(20.0) == ([path], False), "until it was examined"
    watch.done([path])
    assert watch.poll(25.0) == ([], False)


def test_a_file_that_is_written_over_is_ready_again(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "last.ckpt")
    watch = FolderWatch(tmp_path, settle_s=1.0)
    watch.poll(0.0)
    watch.done([path])
    status = path.stat()
    for at, change in enumerate(("time", "inode"), start=1):
        if change == "time":
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        else:
            copy = path.with_suffix(".tmp")
            shutil.copy2(path, copy)
            copy.replace(path)
        assert watch.poll(10.0 * at) == ([], True), change
        assert watch.poll(10.0 * at + 1) == ([path], False)
        watch.done([path])


def test_only_checkpoints_by_their_names_and_below(tmp_path: Path) -> None:
    kept = [checkpoint(tmp_path / name) for name in ("a.pt", "sub/b.safetensors", "c.PTH.TAR")]
    for name in (".hidden.pth", ".git/d.pth", "__pycache__/e.pth", "f.tmp", "g.log"):
        checkpoint(tmp_path / name)
    watch = FolderWatch(tmp_path, settle_s=0.0)
    ready, _ = watch.poll(0.0)
    assert sorted(ready) == sorted(kept)


def test_a_file_that_is_deleted_is_forgotten(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "a.pth")
    watch = FolderWatch(tmp_path, settle_s=0.0)
    watch.poll(0.0)
    path.unlink()
    assert watch.poll(1.0) == ([], False)
    watch.done([path])  # was examined meanwhile
    assert watch.times() == []
    checkpoint(path)
    assert watch.poll(2.0) == ([path], True)


def test_a_folder_that_vanishes_and_returns(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    old = checkpoint(folder / "a.pth")
    watch = FolderWatch(folder, settle_s=0.0)
    watch.poll(0.0)
    watch.done([old])
    folder.rename(tmp_path / "away")
    assert watch.poll(1.0) == ([], False)
    assert [watch.is_there] == [False]
    (tmp_path / "away").rename(folder)
    assert watch.poll(2.0) == ([], False), "the same files are no news"
    assert [watch.is_there] == [True]
    shutil.rmtree(folder)
    assert watch.poll(3.0) == ([], False)
    new = checkpoint(folder / "b.pth")
    assert watch.poll(4.0) == ([new], True)


def test_a_folder_that_cannot_be_listed_forgets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoint(tmp_path / "a.pth")
    watch = FolderWatch(tmp_path, settle_s=0.0)
    watch.poll(0.0)
    watch.done([path])

    def stale(_: object) -> None:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", stale)
        assert watch.poll(1.0) == ([], False)
        assert not watch.is_there
    assert watch.poll(2.0) == ([], False)


def test_a_link_to_nowhere_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "best.pth").symlink_to(tmp_path / "gone.pth")
    assert FolderWatch(tmp_path, settle_s=0.0).poll(0.0) == ([], False)


def test_times_are_those_of_the_files_in_order(tmp_path: Path) -> None:
    for name, when in (("a.pth", 300), ("b.pth", 100), ("c.pth", 200)):
        os.utime(checkpoint(tmp_path / name), (when, when))
    watch = FolderWatch(tmp_path, settle_s=0.0)
    watch.poll(0.0)
    assert watch.times() == [100.0, 200.0, 300.0]


def test_what_looks_cut_is_left_alone_for_a_minute(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "a.pth")
    os.truncate(path, path.stat().st_size // 2)
    (report,) = examine([path]).checkpoints
    assert looks_unfinished(report)
    watch = FolderWatch(tmp_path, settle_s=1.0)
    watch.poll(0.0)
    assert watch.may_be_unfinished(report, 59.0)
    assert not watch.may_be_unfinished(report, 60.0)
    checkpoint(path)
    watch.poll(100.0)
    (report,) = examine([path]).checkpoints
    assert not watch.may_be_unfinished(report, 101.0)
    assert not FolderWatch(tmp_path, settle_s=1.0).may_be_unfinished(report, 0.0)


@pytest.mark.parametrize(
    "lacks",
    [
        {"finished": "written_last.json"},
        {"absent": (Absent(name="shard_2.pth", role=PartRole.MODEL, because="the index"),)},
    ],
)
def test_a_checkpoint_that_lacks_a_file_is_left_alone_for_a_minute(
    lacks: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoint(tmp_path / "shard_1.pth")
    files = replace(single(path), **lacks)
    monkeypatch.setattr("ckptdoctor.watch.folder.named_checkpoints", lambda _: [files])
    watch = FolderWatch(tmp_path, settle_s=4.0)
    assert watch.poll(0.0) == ([], True)
    assert watch.poll(59.9) == ([], False)
    assert watch.poll(60.0) == ([path], False), "nothing more will come"


def test_what_is_odd_and_whole_is_not_being_written() -> None:
    bad = reported("a.pth", 1, codes=("CD104",))
    assert looks_unfinished(bad)
    odd = tuple(replace(one, severity=Severity.WARNING) for one in bad.findings)
    assert not looks_unfinished(replace(bad, findings=odd))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_every_beginning_of_a_file_looks_unfinished(tmp_path: Path, suffix: str) -> None:
    if suffix == ".pth":
        whole = checkpoint(tmp_path / "whole.pth").read_bytes()
    else:
        header = b'{"w":{"dtype":"F32","shape":[64],"data_offsets":[0,256]}}'
        whole = len(header).to_bytes(8, "little") + header + bytes(256)
    paths = []
    for nbytes in range(0, len(whole), 41):
        path = tmp_path / f"{nbytes}{suffix}"
        path.write_bytes(whole[:nbytes])
        paths.append(path)
    for report in examine(paths).checkpoints:
        assert looks_unfinished(report), (report.path.name, report.findings)
