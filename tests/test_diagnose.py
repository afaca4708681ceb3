"""From files to reports: every file gets one, and none disturbs another."""

from __future__ import annotations

import argparse
import gzip
import os
import pickle
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.formats import read_checkpoint
from ckptdoctor.rules import ALL_RULES, Case, Rule
from tests.builders import save


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch owned",)


def healthy(path: Path, epoch: int = 1) -> Path:
    return save(path, {"epoch": epoch, "model": {"w": torch.ones(3)}})


def strangers(folder: Path) -> dict[str, str]:
    """Files that are no checkpoints, and the code that each must get."""
    (folder / "empty.pth").touch()
    (folder / "page.pth").write_text("<!DOCTYPE html><title>Login</title>")
    (folder / "lfs.pth").write_text("version https://git-lfs.github.com/spec/v1\nsize 99\n")
    (folder / "packed.pth").write_bytes(gzip.compress(b"x" * 100))
    (folder / "zeros.pth").write_bytes(bytes(1000))
    (folder / "folder.pth").mkdir()
    os.mkfifo(folder / "fifo.pth")
    (folder / "dangling.pth").symlink_to(folder / "gone")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s.pth"))
    (folder / "evil.pth").write_bytes(pickle.dumps(Evil()))
    whole = healthy(folder / "cut.pth")
    whole.write_bytes(whole.read_bytes()[:200])
    not_checkpoints = ("empty", "page", "lfs", "packed", "zeros", "folder", "fifo", "s")
    return dict.fromkeys((f"{name}.pth" for name in not_checkpoints), "CD101") | {
        "dangling.pth": "CD108",
        "evil.pth": "CD106",
        "cut.pth": "CD102",
    }


def test_every_stranger_gets_its_code_and_the_others_their_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # paths of sockets have to be short
    expected = strangers(Path())
    good = [healthy(Path(f"good_{i}.pth"), i) for i in range(3)]
    files = [good[0], *sorted(map(Path, expected)), good[1], good[2]]
    found = {r.path.name: r for r in examine(files).checkpoints}
    for name, code in expected.items():
        assert code in {finding.code for finding in found[name].findings}, name
        assert found[name].verdict is not Verdict.HEALTHY
        assert all(f.message and f.remedy for f in found[name].findings if f.code == code), name
    assert all(found[path.name].verdict is Verdict.HEALTHY for path in good)
    assert not Path("owned").exists()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_file_without_permission_is_reported(tmp_path: Path) -> None:
    path = healthy(tmp_path / "a.pth")
    path.chmod(0)
    child = os.fork()
    if child == 0:  # root may read everything, so the child becomes somebody else
        if os.geteuid() == 0:
            os.setuid(65534)
        (report,) = examine([path]).checkpoints
        codes = [finding.code for finding in report.findings]
        os._exit(0 if codes == ["CD108"] and "denied" in report.findings[0].message else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_more_files_than_are_opened_ahead_keep_their_order(tmp_path: Path) -> None:
    paths = [healthy(tmp_path / f"{i}.pth", i) for i in range(40)]
    reports = examine(paths, Examination(jobs=3)).checkpoints
    assert [r.metadata.epoch for r in reports] == list(range(40))
    assert all(r.verdict is Verdict.HEALTHY for r in reports)


def test_no_file_stays_open(tmp_path: Path) -> None:
    paths = [healthy(tmp_path / f"{i}.pth", i) for i in range(20)]
    before = len(os.listdir("/proc/self/fd"))
    examine([*paths, tmp_path / "gone.pth"])
    assert len(os.listdir("/proc/self/fd")) == before


class Explodes(Rule):
    """A rule with a bug.

    What to do: report it.
    """

    code = "CD299"
    severity = Severity.ERROR

    def check(self, case: Case) -> Iterator[Finding]:
        """Fails half way."""
        yield self.finding("x", "half of the truth")
        raise ZeroDivisionError(case.checkpoint.path)


def test_a_rule_that_fails_is_noted_and_the_others_still_run(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {"model": {"w": torch.tensor([torch.nan])}})
    report = examine([path], Examination(rules=(Explodes, *ALL_RULES)))
    (crash,) = report.crashes
    assert (crash.rule, crash.path) == ("Explodes", path)
    assert "ZeroDivisionError" in crash.error
    assert [f.code for f in report.checkpoints[0].findings] == ["CD201"]


def test_details_are_kept_only_when_asked_for(tmp_path: Path) -> None:
    path = healthy(tmp_path / "a.pth")
    (brief,) = examine([path]).checkpoints
    assert brief.checkpoint is None
    assert not brief.stats
    (full,) = examine([path], Examination(keep_details=True)).checkpoints
    assert full.checkpoint is not None
    assert full.stats["model.w"].max == 1.0
    assert brief.tensors == full.tensors


def test_progress_adds_up_to_what_was_read(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", {"w": torch.zeros(3_000_000)})
    done: list[int] = []
    expected: list[int] = []
    examine(
        [path], Examination(progress=done.append, expect=lambda _, nbytes: expected.append(nbytes))
    )
    assert expected == [path.stat().st_size]
    assert 12_000_000 <= sum(done) <= expected[0]


def test_sources_are_left_as_they_are(tmp_path: Path) -> None:
    path = healthy(tmp_path / "a.pth")
    path.chmod(0o444)
    before = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
    examine([path])
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode) == before


def test_a_disk_error_in_the_middle_of_a_file_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = healthy(tmp_path / "bad.pth"), healthy(tmp_path / "good.pth")
    inode = bad.stat().st_ino
    true = os.preadv

    def failing(fd: int, buffers: Any, offset: int) -> int:
        if os.fstat(fd).st_ino == inode:
            raise OSError(5, "Input/output error")
        return true(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", failing)
    first, second = examine([bad, good]).checkpoints
    assert (first.verdict, first.nbytes) == (Verdict.UNREADABLE, bad.stat().st_size)
    (found,) = first.findings
    assert (found.code, found.message) == ("CD108", "cannot be read: Input/output error")
    assert dict(found.evidence) == {"errno": 5}
    assert second.verdict is Verdict.HEALTHY


def test_a_file_that_is_cut_between_header_and_tensors_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.pth", {"model": {"w": torch.ones(100_000)}})

    def read_then_cut(*args: Any, **how: Any) -> Any:
        found = read_checkpoint(*args, **how)
        os.truncate(path, 2000)
        return found

    monkeypatch.setattr("ckptdoctor.one_file.read_checkpoint", read_then_cut)
    (report,) = examine([path]).checkpoints
    assert [found.code for found in report.findings] == ["CD109"]
    assert report.verdict is not Verdict.HEALTHY
    assert report.tensors.scanned == 0


def test_an_unreadable_file_is_placed_by_the_epoch_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_epoch_7.pth"
    path.touch()
    (report,) = examine([path]).checkpoints
    assert (report.metadata.epoch, report.metadata.name_epoch) == (None, 7)


def test_findings_come_worst_first(tmp_path: Path) -> None:
    state = {
        "model": {"attn_mask": torch.tensor([-torch.inf]), "w": torch.tensor([torch.nan])},
        "code": Evil(),
        "args": argparse.Namespace(lr=1),
    }
    (report,) = examine([save(tmp_path / "a.pth", state)]).checkpoints
    severities = [found.severity for found in report.findings]
    assert severities == sorted(severities, reverse=True)
    assert {found.code for found in report.findings} == {"CD105", "CD106", "CD201", "CD203"}


def test_an_interrupt_ends_every_thread(tmp_path: Path) -> None:
    paths = [healthy(tmp_path / f"{at}.pth") for at in range(30)]

    def interrupt(path: Path, _: int) -> None:
        if path == paths[20]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(paths, Examination(expect=interrupt))
    assert not [t for t in threading.enumerate() if t.name.startswith("ckptdoctor-scan")]
