"""The doctor from Python: what it answers, what it raises, and what it leaves alone."""

from __future__ import annotations

import ast
import asyncio
import errno
import gc
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

import ckptdoctor
from ckptdoctor import diagnose
from ckptdoctor.api import asking
from ckptdoctor.rules import Case, Rule
from tests.builders import save
from tests.cli.support import make_run, make_sparse, run, training_state

SLOW = "torch rich typer jinja2 numpy asyncio zlib_ng ctypes dataclasses".split()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_run(tmp_path / "checkpoints")


# -- the package ---------------------------------------------------------------------------------


def test_importing_the_package_imports_nothing_slow() -> None:
    code = (  # coverage may be there before us
        "import sys; before = set(sys.modules); import ckptdoctor; "
        f"print([m for m in {SLOW} if m in set(sys.modules) - before])"
    )
    assert run(code=code).stdout == "[]\n"
    code = "import sys, ckptdoctor; print(sorted(m for m in sys.modules if 'ckptdoctor.' in m))"
    assert run(code=code).stdout == "['ckptdoctor.version']\n"  # a line, for __version__


def test_scanning_imports_neither_torch_nor_the_terminal(folder: Path) -> None:
    code = (
        "import sys, ckptdoctor; report = ckptdoctor.scan(sys.argv[1]); print(report.last_good);"
        "print([m for m in ('torch', 'rich', 'typer', 'jinja2') if m in sys.modules])"
    )
    outcome = run(folder, code=code)
    assert "checkpoint_epoch_9.pth" in outcome.stdout
    assert outcome.stdout.endswith("[]\n")
    assert outcome.stderr == ""


def test_every_public_name_is_there() -> None:
    assert sorted(ckptdoctor.__all__) == list(ckptdoctor.__all__)
    for name in ckptdoctor.__all__:
        assert getattr(ckptdoctor, name) is not None
    assert set(ckptdoctor.__all__) <= set(dir(ckptdoctor))
    with pytest.raises(AttributeError, match="no attribute 'scam'"):
        ckptdoctor.scam  # type: ignore[attr-defined]  # noqa: B018


def test_type_checkers_and_python_see_the_same_names() -> None:
    tree = ast.parse(Path(ckptdoctor.__file__).read_text(encoding="utf-8"))
    (checked,) = (
        node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name)
    )
    seen = {
        alias.name: str(node.module)
        for node in ast.walk(checked)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {*seen, "__version__"} == set(ckptdoctor.__all__)
    assert {name: f"ckptdoctor.{home}" for name, home in ckptdoctor._HOME_OF.items()} == seen


def test_every_error_can_be_caught_by_its_public_name() -> None:
    from ckptdoctor import errors

    assert set(errors.__all__) <= set(ckptdoctor.__all__)


# -- scan ----------------------------------------------------------------------------------------


def test_a_scan_answers_as_the_command_does(folder: Path) -> None:
    report = ckptdoctor.scan(folder)
    said = run("scan", folder, "--format", "json").json
    assert isinstance(report, ckptdoctor.Report)
    assert report.last_good is not None
    assert str(report.last_good.path) == said["last_good"]["path"]
    assert [c.verdict.value for c in report.checkpoints] == [
        c["verdict"] for c in said["checkpoints"]
    ]
    assert [f.code for f in report.findings] == [f["code"] for f in said["findings"]]
    assert report.ranking[0].report.path == report.last_good.path
    assert len(report.ranking) == len(report.checkpoints) == 5
    assert report.count(ckptdoctor.Verdict.CORRUPT) == 1
    assert report.worst() is ckptdoctor.Severity.ERROR
    assert report.crashes == ()


def test_paths_may_be_text_globs_or_several(folder: Path) -> None:
    assert len(ckptdoctor.scan(str(folder)).checkpoints) == 5
    assert len(ckptdoctor.scan(f"{folder}/*_epoch_1?.pth").checkpoints) == 2
    both = ckptdoctor.scan(folder / "checkpoint_epoch_8.pth", folder / "checkpoint_epoch_9.pth")
    assert len(both.checkpoints) == 2
    with pytest.raises(TypeError, match="list"):
        ckptdoctor.scan([folder])  # type: ignore[arg-type]


def test_without_a_path_it_looks_where_the_command_looks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CKPTDOCTOR_DIR", raising=False)
    monkeypatch.chdir(folder.parent)
    assert {c.path.parent for c in ckptdoctor.scan().checkpoints} == {Path("checkpoints")}
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    save(elsewhere / "a.pt", training_state(1))
    monkeypatch.setenv("CKPTDOCTOR_DIR", str(elsewhere))
    assert [c.path.name for c in ckptdoctor.scan().checkpoints] == ["a.pt"]


def test_nothing_to_examine_is_an_error_that_says_what_and_where(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ckptdoctor.NothingToExamineError) as caught:
        ckptdoctor.scan(tmp_path / "gone.pth", tmp_path / "empty")
    assert isinstance(caught.value, FileNotFoundError)
    assert isinstance(caught.value, ckptdoctor.CkptDoctorError)
    assert f"{tmp_path}/gone.pth: no such file or folder" in str(caught.value)
    assert f"{tmp_path}/empty: no checkpoint in it" in str(caught.value)


def test_a_missing_file_beside_good_ones_is_a_finding(folder: Path) -> None:
    report = ckptdoctor.scan(folder / "checkpoint_epoch_8.pth", folder / "gone.pth")
    gone = next(c for c in report.checkpoints if c.path.name == "gone.pth")
    assert gone.verdict is ckptdoctor.Verdict.UNREADABLE
    assert "No such file" in gone.findings[0].message


def test_an_empty_folder_beside_others_is_a_warning(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.warns(UserWarning, match="empty: no checkpoint in this folder") as caught:
        report = ckptdoctor.scan(folder, tmp_path / "empty")
    assert caught[0].filename == __file__
    assert len(report.checkpoints) == 5


def test_a_log_from_elsewhere_tells_the_scores(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "elsewhere" / "train.log"
    log.parent.mkdir()
    log.write_text("".join(f"Epoch {n}: IoU: {v}\n" for n, v in ((8, 0.9), (9, 0.1), (10, 0.2))))
    report = ckptdoctor.scan(folder, logs=[str(log)])
    assert report.last_good is not None
    assert report.last_good.epoch == 8
    with pytest.raises(FileNotFoundError):
        ckptdoctor.scan(folder, logs=[tmp_path / "gone.log"])


def test_details_are_kept_where_they_are_wanted(folder: Path) -> None:
    broken = folder / "checkpoint_epoch_11.pth"
    (kept,) = ckptdoctor.scan(broken, keep_details=True).checkpoints
    assert kept.checkpoint is not None
    assert kept.stats["model_state_dict.conv.weight"].nan == 12
    (plain,) = ckptdoctor.scan(broken).checkpoints
    assert plain.checkpoint is None
    assert plain.stats == {}


@pytest.mark.parametrize("jobs", [0, -1])
def test_a_scan_needs_a_thread(folder: Path, jobs: int) -> None:
    with pytest.raises(ckptdoctor.UsageError, match="at least one"):
        ckptdoctor.scan(folder, jobs=jobs)


def test_a_rule_that_fails_stands_in_the_report(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Rule):
        """Fails."""

        def check(self, case: Case) -> Any:
            raise ZeroDivisionError

    def with_broken(**given: Any) -> diagnose.Examination:
        return diagnose.Examination(rules=(Broken,), **given)

    monkeypatch.setattr(asking, "Examination", with_broken)
    report = ckptdoctor.scan(folder / "checkpoint_epoch_8.pth")
    assert [crash.rule for crash in report.crashes] == ["Broken"]
    assert "ZeroDivisionError" in report.crashes[0].error


# -- progress ------------------------------------------------------------------------------------


def test_progress_is_told_of_bytes_one_call_at_a_time(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    at_once = threading.Semaphore(1)

    def listen(done: int, expected: int) -> None:
        assert at_once.acquire(blocking=False)
        told.append((done, expected))
        at_once.release()

    ckptdoctor.scan(folder, progress=listen, jobs=4)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    done, expected = told[-1]
    assert 0 < done <= expected <= sum(path.stat().st_size for path in folder.iterdir())


def test_progress_can_end_the_scan(folder: Path) -> None:
    class EnoughError(Exception):
        pass

    def stop(done: int, expected: int) -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        ckptdoctor.scan(folder, progress=stop)
    assert no_thread_of_ours()


def test_progress_that_fails_is_not_taken_for_a_damaged_file(folder: Path) -> None:
    def fail(done: int, expected: int) -> None:
        raise OSError(errno.EPIPE, "Broken pipe")

    with pytest.raises(RuntimeError, match=r"progress failed: .*Broken pipe"):
        ckptdoctor.scan(folder, progress=fail)


# -- open_checkpoint -----------------------------------------------------------------------------


def test_a_checkpoint_is_described(folder: Path) -> None:
    checkpoint = ckptdoctor.open_checkpoint(str(folder / "checkpoint_epoch_9.pth"))
    assert isinstance(checkpoint, ckptdoctor.Checkpoint)
    assert checkpoint.scalars["epoch"] == 9
    weight = next(t for t in checkpoint.tensors if t.fqn.endswith("conv.weight"))
    assert (weight.dtype, weight.shape, weight.role) == ("float32", (4, 3), ckptdoctor.Role.MODEL)


def test_what_is_no_checkpoint_raises(folder: Path) -> None:
    with pytest.raises(ckptdoctor.UnknownFormatError, match="404 Not Found"):
        ckptdoctor.open_checkpoint(folder / "download.pth")
    with pytest.raises(FileNotFoundError):
        ckptdoctor.open_checkpoint(folder / "gone.pth")


# -- diff ----------------------------------------------------------------------------------------


def test_a_difference_tells_what_moved(folder: Path) -> None:
    before = torch_state()
    good, bad = folder / "checkpoint_epoch_9.pth", folder / "checkpoint_epoch_11.pth"
    found = ckptdoctor.diff(str(good), bad)
    assert isinstance(found, ckptdoctor.Difference)
    assert found.total().new_nan == 12
    assert {change.key: (change.before, change.after) for change in found.changes} == {
        "epoch": (9, 11)
    }
    assert [finding.code for finding in found.findings] == ["CD201"]
    assert found.layers()["model_state_dict.conv"].changed == 12
    assert torch_state() == before
    assert no_thread_of_ours()


def test_a_difference_takes_the_options_of_the_command(folder: Path) -> None:
    good = folder / "checkpoint_epoch_9.pth"
    wrapped = training_state(9)
    weights = wrapped.pop("model_state_dict")
    wrapped["model_state_dict"] = {f"student.{name}": value for name, value in weights.items()}
    other = save(folder / "wrapped.pth", wrapped)
    assert ckptdoctor.diff(good, other).tensors == ()
    assert len(ckptdoctor.diff(good, other, ignore_prefixes=["student."]).tensors) == 3
    assert len(ckptdoctor.diff(good, good, globs=["*conv*"]).tensors) == 1
    assert ckptdoctor.diff(good, good, exact_names=True).identical
    told: list[tuple[int, int]] = []
    ckptdoctor.diff(good, good, progress=lambda done, expected: told.append((done, expected)))
    assert told[-1][0] == told[-1][1] > 0


def test_several_runs_show_themselves_in_a_line_each(tmp_path: Path) -> None:
    for n in range(7):
        (tmp_path / f"r{n}").mkdir()
        for epoch in (1, 2):
            save(tmp_path / f"r{n}" / f"e_{epoch}.pth", training_state(epoch, fill=epoch / 10))
    report = ckptdoctor.scan(tmp_path)
    head, *lines, more = str(report).splitlines()
    assert head == "14 checkpoints: 14 healthy"
    good = report.runs[0].last_good
    assert good is not None
    assert lines[0] == f"last good of r0: {good.path}"
    assert [line.partition(":")[0] for line in lines] == [f"last good of r{n}" for n in range(5)]
    assert more == "… and 2 more runs"


def test_a_difference_shows_itself_in_two_lines(folder: Path) -> None:
    good, other = folder / "checkpoint_epoch_9.pth", folder / "checkpoint_epoch_10.pth"
    same = ckptdoctor.diff(good, good)
    assert repr(same) == f"<DiffReport: {good} to {good}; identical: 3 tensors>"
    changed = str(ckptdoctor.diff(good, other)).splitlines()
    assert changed[0] == f"{good} to {other}"
    assert changed[1].startswith("1 of 3 tensors changed, weights by ")
    bare = save(folder / "bare.pth", {"other": torch.ones(2)})
    assert str(ckptdoctor.diff(good, bare)).endswith("changed, 1 added, 3 removed")


def test_a_difference_needs_two_checkpoints(folder: Path) -> None:
    with pytest.raises(ckptdoctor.UnknownFormatError):
        ckptdoctor.diff(folder / "checkpoint_epoch_9.pth", folder / "download.pth")
    with pytest.raises(FileNotFoundError):
        ckptdoctor.diff(folder / "checkpoint_epoch_9.pth", folder / "gone.pth")


# -- at a prompt ---------------------------------------------------------------------------------


def test_a_report_shows_itself_in_two_lines(folder: Path) -> None:
    report = ckptdoctor.scan(folder)
    good = folder / "checkpoint_epoch_9.pth"
    assert str(report).splitlines() == [
        "5 checkpoints: 3 healthy, 1 corrupt, 1 unreadable",
        f"last good: {good}",
    ]
    counts = "5 checkpoints: 3 healthy, 1 corrupt, 1 unreadable"
    assert repr(report) == f"<ScanReport: {counts}; last good: {good}>"


def test_a_report_without_a_good_one_says_so(folder: Path) -> None:
    report = ckptdoctor.scan(folder / "checkpoint_epoch_11.pth")
    assert repr(report) == "<ScanReport: 1 checkpoint: 1 corrupt; none is fit to go on from>"


def test_a_hostile_name_cannot_move_the_cursor(tmp_path: Path) -> None:
    save(tmp_path / "a\x1b[2J\n.pth", training_state(1))
    assert "\x1b" not in repr(ckptdoctor.scan(tmp_path))
    assert "\n.pth" not in str(ckptdoctor.scan(tmp_path))


def test_a_report_has_a_table_for_a_notebook(folder: Path) -> None:
    html = ckptdoctor.scan(folder)._repr_html_()
    assert html.startswith("<div")
    assert "checkpoint_epoch_9.pth" in html


# -- in somebody's process -----------------------------------------------------------------------


_OTHERS: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _threads_of_others() -> None:
    """Workers that tests before this one share."""
    _OTHERS.clear()
    _OTHERS.update(threading.enumerate())


def no_thread_of_ours() -> bool:
    mine = {thread for thread in threading.enumerate() if thread.name.startswith("ckptdoctor")}
    return mine <= _OTHERS


def torch_state() -> tuple[object, ...]:
    return (
        torch.get_num_threads(),
        torch.get_num_interop_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.initial_seed(),
        torch.get_rng_state().sum().item(),
    )


def test_torch_is_as_it_was_and_no_thread_stays(folder: Path) -> None:
    before = torch_state()
    ckptdoctor.scan(folder, jobs=3)
    assert torch_state() == before
    assert no_thread_of_ours()


TORCH_FIRST = """
import sys, threading, torch, ckptdoctor
torch.set_num_threads(3)
torch.ones(300, 300) @ torch.ones(300, 300)
print(ckptdoctor.scan(sys.argv[1]))
print(torch.get_num_threads(), torch.load(sys.argv[2])["epoch"], threading.active_count())
"""
TORCH_LATER = """
import sys, threading, ckptdoctor
print(ckptdoctor.scan(sys.argv[1]))
import torch
torch.set_num_threads(3)
net = torch.nn.Linear(3, 4)
net(torch.ones(2, 3)).sum().backward()
print(torch.get_num_threads(), torch.load(sys.argv[2])["epoch"], threading.active_count())
assert net.weight.grad is not None
print(ckptdoctor.scan(sys.argv[1]))
"""


# With eager it is torch alone that is imported, and hardly anything that an order could disturb.
@pytest.mark.parametrize("backend", ["libtorch", pytest.param("eager", marks=pytest.mark.slow)])
@pytest.mark.parametrize("code", [TORCH_FIRST, TORCH_LATER], ids=["before", "after"])
@pytest.mark.one_in(2)
@pytest.mark.slow
def test_torch_may_be_imported_before_or_after(folder: Path, code: str, backend: str) -> None:
    good = folder / "checkpoint_epoch_9.pth"
    outcome = run(folder, good, code=code, env={"CKPTDOCTOR_BACKEND": backend})
    assert outcome.stderr == ""
    assert outcome.code == 0
    assert f"last good: {good}\n" in outcome.stdout
    assert "3 9 1\n" in outcome.stdout


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads by /proc")
@pytest.mark.slow
def test_no_thread_of_the_library_stays_either(folder: Path) -> None:
    code = (  # a thread that has ended takes a moment to be gone
        "import os, sys, time, ckptdoctor\n"
        "ckptdoctor.scan(sys.argv[1], jobs=4)\n"
        "deadline = time.monotonic() + 60\n"
        "while len(os.listdir('/proc/self/task')) > 1 and time.monotonic() < deadline:\n"
        "    time.sleep(0.01)\n"
        "print(len(os.listdir('/proc/self/task')))"
    )
    assert run(folder, code=code, env={"OMP_NUM_THREADS": "4"}).stdout == "1\n"


def test_it_works_from_a_thread(folder: Path) -> None:
    answers: list[ckptdoctor.Report] = []
    threads = [
        threading.Thread(target=lambda: answers.append(ckptdoctor.scan(folder))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 3
    assert answers[0] == answers[1] == answers[2]


def test_it_works_inside_a_running_event_loop(folder: Path) -> None:
    async def cell() -> tuple[ckptdoctor.Report, ckptdoctor.Report]:
        return ckptdoctor.scan(folder), await asyncio.to_thread(ckptdoctor.scan, folder)

    here, beside = asyncio.run(cell())
    assert here == beside


INTERRUPTED = """
import os, signal, sys, threading, time, ckptdoctor

def interrupt(done, expected):
    global seen
    seen = max(seen, done)
    if done > 4e8:  # in the middle of the first of five files
        if once.acquire(blocking=False):
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.02)  # on a busy machine the thread that is interrupted waits for its turn

seen, once = 0, threading.Lock()
try:
    ckptdoctor.scan(sys.argv[1], progress=interrupt)
except KeyboardInterrupt:
    print(seen < 20e9, threading.active_count())
print(len(ckptdoctor.scan(sys.argv[2]).checkpoints))
"""


@pytest.mark.slow
def test_an_interrupt_ends_it_at_once_and_it_can_be_called_again(
    folder: Path, tmp_path: Path
) -> None:
    sparse = tmp_path / "sparse"
    sparse.mkdir()
    make_sparse(sparse)
    outcome = run(sparse, folder, code=INTERRUPTED)
    assert outcome.stderr == ""
    assert outcome.stdout == "True 1\n5\n"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts files by /proc")
def test_no_file_stays_open(folder: Path) -> None:
    ckptdoctor.scan(folder)
    gc.collect()  # what other tests left open is not counted
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        ckptdoctor.scan(folder)
    assert len(os.listdir("/proc/self/fd")) == before
