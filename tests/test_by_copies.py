"""Whoever reads the files, the report is the same to the byte.

In processes of their own, which have not imported torch: those alone are copied.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from ckptdoctor.by_copies import in_shares
from tests.bad_inputs.each_format import EACH_FORMAT
from tests.builders import save
from tests.cli.support import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there is a process copied")

SAME = """
import os, signal, sys
from pathlib import Path
from ckptdoctor import by_copies
from ckptdoctor.cache import memory
from ckptdoctor.executors.copy_of_us import can_copy
from ckptdoctor.measure import Examination
from ckptdoctor.render.machine.as_json import scan_json
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey

assert can_copy()
there = by_copies._there
def lost(*given):
    os.kill(os.getpid(), signal.SIGKILL)
def failing(*given):
    raise RuntimeError("a bug")
def report(folder, **how):
    return scan_json(survey(discover([folder]), Examination(**how)))
for folder in map(Path, sys.argv[1:]):
    here = report(folder)
    for work in (there, lost, failing):
        by_copies._there = work
        for copies in (1, 3):
            assert report(folder, copies=copies) == here, (folder, work, copies)
print("same")
"""


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """A run with damage, two runs beside one another, and a file of every format."""
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for epoch in range(40):
        state = {f"l{at}.weight": torch.full((8, 8), 1 + 0.1 * epoch + at) for at in range(4)}
        if epoch == 27:
            state["l2.weight"][3, 3] = float("nan")
        if epoch > 33:
            state = {name: 100 * one for name, one in state.items()}
        save(damaged / f"unet_{epoch}.pth", {"model_state_dict": state, "epoch": epoch})
    (damaged / "unet_3.pth").write_text("<html><body>404</body></html>")
    cut = damaged / "unet_9.pth"
    cut.write_bytes(cut.read_bytes()[:-1200])
    two = tmp_path / "two"
    for name in ("a", "b"):
        (two / name).mkdir(parents=True)
        for epoch in range(12):
            weights = {"w": torch.full((16,), 0.5 + epoch), name: torch.ones(3)}
            save(two / name / f"net_{epoch}.pth", {"model": weights, "epoch": epoch})
    each = tmp_path / "each"
    for sample in EACH_FORMAT:
        folder = each / sample.name.replace("/", "_")
        folder.mkdir(parents=True)
        (folder / "model_3.pth").write_bytes(sample.data)
    return [damaged, two, each]


def test_the_report_is_the_same_also_where_copies_are_lost(folders: list[Path]) -> None:
    told = run(*folders, code=SAME)
    assert (told.code, told.stdout) == (0, "same\n"), told.stderr


def test_shares_come_in_order_from_as_many_processes() -> None:
    found = in_shares(lambda share: (share, os.getpid()), 4)
    assert [share for share, _ in found] == [0, 1, 2, 3]
    assert found[0][1] == os.getpid()
    assert len({pid for _, pid in found}) == 4


@pytest.mark.parametrize("lost", [[1], [3], [1, 2, 3]])
def test_the_share_of_a_copy_that_ends_is_done_here(lost: list[int]) -> None:
    here = os.getpid()

    def work(share: int) -> tuple[int, bool]:
        if share in lost and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return share, os.getpid() == here

    assert in_shares(work, 4) == [(share, share in [0, *lost]) for share in range(4)]


def test_where_the_system_gives_no_process_all_is_done_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> int:
        raise OSError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(os, "fork", refuse)
    assert in_shares(lambda share: (share, os.getpid()), 3) == [
        (share, os.getpid()) for share in range(3)
    ]


MANY = 700


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many files that the command shares them."""
    folder = tmp_path_factory.mktemp("many") / "run"
    folder.mkdir()
    one = save(folder / "net_0.pth", {"model": {"w": torch.ones(600, 4)}, "epoch": 1})
    for number in range(1, MANY):
        shutil.copyfile(one, folder / f"net_{number}.pth")
    return folder


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "ckptdoctor", *map(str, arguments)]


COMMAND = """
import os, sys
from ckptdoctor.cache import memory
from ckptdoctor.__main__ import run
memory._SETTLED_NS = -10 ** 18
forked = []
os.register_at_fork(before=lambda: forked.append(1))
code = run(sys.argv[1:])
print(len(forked), "copies", file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.slow
def test_the_command_shares_many_files_and_remembers_all(many: Path, tmp_path: Path) -> None:
    env = {"CKPTDOCTOR_CACHE_DIR": str(tmp_path / "cache"), "CKPTDOCTOR_NO_CACHE": ""}
    first = run("scan", many, "--format", "json", env=env, code=COMMAND)
    alone = run("scan", many, "--format", "json", "--jobs", "1", "--no-cache", code=COMMAND)
    assert first.stdout == alone.stdout
    assert first.stderr != "0 copies\n"
    assert alone.stderr == "0 copies\n"
    again = run("rank", many, env=env, code=COMMAND)
    assert f"{MANY} of {MANY} files remembered" in again.stderr
    assert again.stderr.endswith("0 copies\n")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nobody_is_left_when_the_command_ends_early(many: Path, number: int) -> None:
    command = _command("scan", many, "--no-cache")
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        whole = psutil.Process(process.pid)
        copies: list[psutil.Process] = []
        while not copies and process.poll() is None:
            copies = whole.children()
            time.sleep(0.001)
        assert copies, "no copy was made"
        process.send_signal(number)
        process.wait(60)
    _, alive = psutil.wait_procs(copies, timeout=60)
    assert alive == []
