"""``ckptdoctor watch`` as a user runs it, beside a process that writes."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.builders import save
from tests.cli.support import run, training_state

PATIENCE_S = 60.0
TRICKLE = """
import os, sys, time
source, target, pieces = sys.argv[1], sys.argv[2], int(sys.argv[3])
data = open(source, "rb").read()
with open(target, "wb", buffering=0) as file:
    step = -(-len(data) // pieces)
    for at in range(0, len(data), step):
        file.write(data[at : at + step])
        time.sleep(0.02)
print(time.time(), flush=True)
"""


class Watch:
    """The command as another process; its lines come as they are written."""

    def __init__(self, *arguments: str | Path, **options: Any) -> None:
        clean = {n: v for n, v in os.environ.items() if n not in ("FORCE_COLOR", "CKPTDOCTOR_DIR")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ckptdoctor", "watch", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            env=clean,
            **options,
        )
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._threads = []
        if self.process.stdout is not None:
            self._threads.append(threading.Thread(target=self._pump, daemon=True))
            self._threads[0].start()

    def _pump(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def line(self, *, within_s: float = PATIENCE_S) -> str:
        """The next line."""
        return self._lines.get(timeout=within_s).decode().rstrip("\n")

    def event(self, *kinds: str) -> dict[str, Any]:
        """The next event of these kinds; of any without one."""
        while True:
            found: dict[str, Any] = json.loads(self.line())
            if not kinds or found["type"] in kinds:
                return found

    def silent(self, seconds: float) -> bool:
        """Whether nothing is written for so long."""
        try:
            self._lines.get(timeout=seconds)
        except queue.Empty:
            return True
        return False

    def end(self, number: int | None = None) -> tuple[int, str]:
        """Exit code and standard error, after a signal if there is one to be sent."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        text = self.process.stderr.read().decode() if self.process.stderr is not None else ""
        return code, text


@contextlib.contextmanager
def watching(*arguments: str | Path, **options: Any) -> Iterator[Watch]:
    """A watch that is ended whatever happens."""
    watch = Watch(*arguments, **options)
    try:
        yield watch
    finally:
        watch.process.kill()
        watch.process.wait()
        for thread in watch._threads:
            thread.join()
        for stream in (watch.process.stdout, watch.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoints"
    path.mkdir()
    save(path / "epoch_1.pth", training_state(1))
    return path


def broken(path: Path) -> Path:
    return save(path, training_state(2, fill=float("nan")))


FAST = ("-f", "jsonl", "--interval", "0.2")


@pytest.mark.slow
def test_a_checkpoint_written_slowly_is_told_once_it_is_complete(
    folder: Path, tmp_path: Path
) -> None:
    whole = save(tmp_path / "whole.pth", training_state(2, best=0.6))
    with watching(folder, *FAST) as watch:
        assert watch.event()["data"]["checkpoints"] == 1
        writer = subprocess.run(
            [sys.executable, "-c", TRICKLE, whole, folder / "epoch_2.pth", "150"],
            check=True,
            capture_output=True,
        )
        event = watch.event()
        assert (event["type"], event["data"]["verdict"]) == ("checkpoint", "healthy")
        assert event["path"] == str(folder / "epoch_2.pth")
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(float(writer.stdout)))
        assert event["time"] >= moment, "never while it is written"
        assert watch.silent(1.0)
        assert watch.end(signal.SIGINT)[0] == 130


def test_nan_alerts_and_ends_the_watch(folder: Path, tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    alert = f"cat > {told}"
    with watching(folder, *FAST, "--on-alert", alert, "--exit-on-alert") as watch:
        watch.event("start")
        broken(folder / "epoch_2.pth")
        event = watch.event()
        assert (event["code"], event["severity"], event["epoch"]) == ("CD201", "error", 2)
        assert watch.end()[0] == 1
    assert json.loads(told.read_text()) == event


@pytest.mark.slow
def test_what_was_there_before_is_no_alert(folder: Path, tmp_path: Path) -> None:
    broken(folder / "epoch_2.pth")
    told = tmp_path / "told.json"
    with watching(folder, *FAST, "--on-alert", f"cat > {told}", "--exit-on-alert") as watch:
        watch.event("start")
        assert watch.event("checkpoint")["known"] is True
        assert watch.silent(2.0)
        assert watch.process.poll() is None
    assert not told.exists()


def test_the_log_is_followed(folder: Path) -> None:
    log = folder.parent / "train.log"
    log.write_text("Epoch 1: Loss: 0.5 | IoU: 0.5\n")
    with watching(folder, *FAST) as watch:
        assert "train.log at epoch 1" in watch.event("start")["message"]
        with log.open("a") as file:
            file.write("Epoch 2: Loss: 0.4 | IoU: 0.55\nEpoch 3: Loss: nan | IoU: 0.5\n")
        found = [watch.event(), watch.event()]
        assert {(event["type"], event["epoch"]) for event in found} == {
            ("finding", 3),
            ("epoch", 2),
        }
        code, errors = watch.end(signal.SIGINT)
        assert (code, errors.strip()) == (130, "ckptdoctor: interrupted")


def test_once_exits_as_scan_does(folder: Path, tmp_path: Path) -> None:
    good = run("watch", folder, "--once")
    assert (good.code, good.stderr) == (0, "")
    assert "1 checkpoint, last good epoch_1.pth" in good.stdout
    broken(folder / "epoch_2.pth")
    told = tmp_path / "told.json"
    bad = run("watch", folder, "--once", "--on-alert", f"cat > {told}", "-q")
    assert bad.code == 1
    assert "epoch_2.pth is corrupt" in bad.stdout
    assert "watching" not in bad.stdout, "quiet"
    assert json.loads(told.read_text())["code"].startswith("CD")
    assert run("watch", folder, "--once", "--fail-on", "never").code == 0


def test_once_with_a_log_alone(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("".join(f"Epoch {e}: Loss: 0.5 | IoU: 0.5{e}\n" for e in range(6)))
    assert run("watch", tmp_path, "--once").code == 0
    with log.open("a") as file:
        file.write("Epoch 6: Loss: nan | IoU: 0.5\n")
    outcome = run("watch", tmp_path, "--once")
    assert outcome.code == 1
    assert outcome.stdout.count("CD404") == 1


@pytest.mark.parametrize("with_files", [True, False])
def test_once_tells_a_decline_to_those_who_want_warnings(
    folder: Path, tmp_path: Path, *, with_files: bool
) -> None:
    where = folder if with_files else tmp_path
    scores = [0.40, 0.60, 0.62, 0.63, 0.6413, 0.630, 0.615, 0.598, 0.58]
    lines = [f"Epoch {at}: Loss: 0.25 | IoU: {score}\n" for at, score in enumerate(scores, start=1)]
    (where / "train.log").write_text("".join(lines))
    outcome = run("watch", where, "--once", "--fail-on", "warning")
    assert (outcome.code, outcome.stdout.count("CD401")) == (1, 1)
    assert run("watch", where, "--once").code == 0
    (where / "train.log").write_text("".join(lines[:5]))
    assert run("watch", where, "--once", "--fail-on", "warning").code == 0


def test_once_with_nothing_to_look_at(tmp_path: Path) -> None:
    empty = run("watch", tmp_path, "--once")
    assert empty.code == 3
    assert "no checkpoint in it, and no log" in empty.stderr
    gone = run("watch", tmp_path / "gone")
    assert (gone.code, gone.stdout) == (3, "")
    assert "no such folder" in gone.stderr


def test_a_log_that_is_not_there_yet_is_no_reason_to_fail(folder: Path) -> None:
    outcome = run("watch", folder, "--once", "--log", folder / "later.log")
    assert (outcome.code, outcome.stderr) == (0, "")


def test_a_file_being_written_is_no_reason_for_cron_to_alert(folder: Path) -> None:
    path = save(folder / "epoch_2.pth", training_state(2))
    os.truncate(path, path.stat().st_size // 2)
    outcome = run("watch", folder, "--once", "-f", "jsonl")
    assert outcome.code == 0
    assert "epoch_2" not in outcome.stdout
    then = time.time() - 600
    os.utime(path, (then, then))
    assert run("watch", folder, "--once").code == 1


def test_it_ends_at_sigterm_and_at_once(folder: Path) -> None:
    with watching(folder, "--interval", "30") as watch:
        watch.line()
        assert watch.end(signal.SIGTERM)[0] in (-signal.SIGTERM, 143)


@pytest.mark.slow
def test_it_ends_when_nobody_reads_any_more(folder: Path) -> None:
    command = f"{sys.executable} -m ckptdoctor watch {folder} --interval 0.2 | head -1"
    head = subprocess.run(
        ["sh", "-c", command], capture_output=True, timeout=PATIENCE_S, check=True
    )
    assert head.stdout.count(b"\n") == 1
    assert head.stderr == b""


def save_until_it_ends(watch: Watch, folder: Path) -> None:
    """One broken file after another: what lies there when it starts to look is no alert."""
    for epoch in range(2, 40):
        time.sleep(1.5)
        if watch.process.poll() is not None:
            return
        broken(folder / f"epoch_{epoch}.pth")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_costs_lines_and_not_the_watch(folder: Path, tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    with (
        open("/dev/full", "wb", buffering=0) as full,
        watching(folder, *FAST, "--exit-on-alert", "--on-alert", f"cat > {told}", stdout=full) as w,
    ):
        save_until_it_ends(w, folder)
        code, errors = w.end()
    assert code == 1
    assert errors.count("the watch goes on") == 1
    assert json.loads(told.read_text())["code"] == "CD201"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_its_notes_as_well(folder: Path) -> None:
    with (
        open("/dev/full", "wb", buffering=0) as full,
        watching(folder, *FAST, "--exit-on-alert", stdout=full, stderr=full) as watch,
    ):
        save_until_it_ends(watch, folder)
        assert watch.end()[0] == 1


@pytest.mark.slow
def test_a_folder_that_is_removed_and_made_again(folder: Path) -> None:
    with watching(folder, *FAST) as watch:
        watch.event("start")
        shutil.rmtree(folder)
        assert "is gone" in watch.event("note")["message"]
        folder.mkdir()
        save(folder / "epoch_2.pth", training_state(2))
        assert "is back" in watch.event("note")["message"]
        assert watch.event()["epoch"] == 2


@pytest.mark.slow
def test_silence_is_noticed_and_what_the_process_does(folder: Path) -> None:
    log = folder.parent / "train.log"
    log.write_text("Epoch 1: Loss: 0.5 | IoU: 0.51\n")
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        options = ("--stall-least", "1", "--stall-factor", "1", "--pid", str(sleeper.pid))
        with watching(folder, *FAST, *options) as watch:
            watch.event("start")
            for epoch in range(2, 8):
                time.sleep(0.5)
                with log.open("a") as file:
                    file.write(f"Epoch {epoch}: Loss: 0.5 | IoU: 0.5{epoch}\n")
            event = watch.event("stall")
            assert (event["code"], event["severity"]) == ("CD409", "warning")
            assert f"process {sleeper.pid} sleeps" in event["message"]
            with log.open("a") as file:
                file.write("Epoch 8: Loss: 0.5 | IoU: 0.58\n")
            assert watch.event("resumed")["severity"] is None
            sleeper.kill()
            sleeper.wait()
            assert watch.event("note")["message"] == f"process {sleeper.pid} has ended"
    finally:
        sleeper.kill()
        sleeper.wait()


def test_it_does_not_take_its_own_lines_for_a_log(folder: Path) -> None:
    log = folder.parent / "train.log"
    log.write_text("Epoch 1: Loss: 0.5 | IoU: 0.5\n")
    own = folder.parent / "watch.log"
    with (
        own.open("wb") as file,
        watching(folder, "--interval", "0.2", stdout=file, stderr=file) as watch,
    ):
        while "watching" not in own.read_text():
            time.sleep(0.1)
        assert "log train.log" in own.read_text()
        assert "watch.log" not in own.read_text()
        watch.end(signal.SIGINT)
    appended = folder.parent / "events.jsonl"
    outcome = run("watch", folder, "--once", "-f", "jsonl", "-o", appended)
    again = run("watch", folder, "--once", "-f", "jsonl", "-o", appended)
    assert outcome.stdout == again.stdout == ""
    lines = appended.read_text().splitlines()
    assert [json.loads(line)["type"] for line in lines].count("start") == 2
    assert "events.jsonl" not in lines[-1]


@pytest.mark.slow
def test_it_takes_next_to_no_time_while_nothing_happens(folder: Path) -> None:
    for epoch in range(2, 30):
        save(folder / f"epoch_{epoch}.pth", training_state(epoch))
    (folder.parent / "train.log").write_text("Epoch 1: Loss: 0.5 | IoU: 0.5\n" * 1000)
    with watching(folder, "-f", "jsonl", "--interval", "1") as watch:
        watch.event("start")
        time.sleep(1.0)
        process = psutil.Process(watch.process.pid)
        before, began = process.cpu_times(), time.monotonic()
        time.sleep(10.0)
        after, took_s = process.cpu_times(), time.monotonic() - began
        share = (after.user + after.system - before.user - before.system) / took_s
        print(f"CPU of an idle watch, a look a second: {100 * share:.2f} %")
        assert share < 0.05


def test_an_alert_that_fails_is_a_note(folder: Path) -> None:
    broken(folder / "epoch_2.pth")
    outcome = run("watch", folder, "--once", "--on-alert", "exit 7")
    assert outcome.code == 1
    assert "--on-alert: it ended with 7" in outcome.stderr
    outcome = run("watch", folder, "--once", "--on-alert", "true", "-q")
    assert outcome.stderr == "", "a command may leave its standard input unread"


def test_in_a_terminal_it_is_a_line_an_event(folder: Path) -> None:
    broken(folder / "epoch_2.pth")
    outcome = run("watch", folder, "--once")
    start, *rest = outcome.stdout.splitlines()
    assert start[8:].startswith(f" · watching {folder}: 2 checkpoints")
    assert all(line.endswith("(known from before)") for line in rest)
    assert run("watch", folder, "--interval", "0").code == 2
