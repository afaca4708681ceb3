"""The watch as a whole, with a clock of the test's own: nothing sleeps here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.diagnose import examine
from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.report import Crash, Report
from ckptdoctor.runs.wish import Wish
from ckptdoctor.shell import command_line
from ckptdoctor.survey import survey
from ckptdoctor.watch import watcher as watcher_module
from ckptdoctor.watch.events import Event, EventKind
from ckptdoctor.watch.process import ProcessState
from ckptdoctor.watch.telling import duration, of_checkpoint
from ckptdoctor.watch.watcher import Watcher, Watching
from tests.builders import save
from tests.postmortem.trained import ONSET, flip, run_of
from tests.reports import report, score

DAY_S = 1_700_000_000.0
STARTED: list[Watcher] = []


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    yield
    while STARTED:
        STARTED.pop().close()


class Desk:
    """A run on disk, and a watch over it whose clocks the test moves."""

    def __init__(self, root: Path, **how: Any) -> None:
        self.root = root
        self.folder = root / "checkpoints"
        self.folder.mkdir(exist_ok=True)
        self.log = root / "train.log"
        self.now = DAY_S
        self.how = how
        self.events: list[Event] = []

    def start(self) -> list[Event]:
        self.watcher = Watcher(
            Watching(
                **{"folder": self.folder, **self.how},
                clock=lambda: self.now,
                steady=lambda: self.now - DAY_S + 50,
            )
        )
        STARTED.append(self.watcher)
        return list(self.watcher.start())

    def look(self, after: float = 5.0, times: int = 1) -> list[Event]:
        """What so many looks give, the first of them after so many seconds."""
        found: list[Event] = []
        for _ in range(times):
            self.now += after
            found += self.watcher.poll()
        return found

    def save(self, epoch: int, fill: float = 0.5, name: str = "") -> Path:
        path = self.folder / (name or f"epoch_{epoch}.pth")
        save(path, {"epoch": epoch, "model": {"w": torch.full((64,), fill)}, "iou": 0.5})
        return self.touch(path)

    def say(self, *epochs: int, iou: float = 0.5, loss: float = 0.25) -> None:
        with self.log.open("a") as file:
            file.writelines(f"Epoch {e}: Loss: {loss} | IoU: {iou}\n" for e in epochs)
        self.touch(self.log)

    def touch(self, path: Path) -> Path:
        """Its time is that of the test's clock."""
        os.utime(path, (self.now, self.now))
        return path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def told(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(event.kind.value, event.code) for event in events]


def test_an_empty_folder(desk: Desk) -> None:
    (start,) = desk.start()
    assert start.kind is EventKind.START
    assert start.message == f"watching {desk.folder}: 0 checkpoints, no log yet"
    assert (start.time_s, start.severity) == (DAY_S, None)
    assert start.data["last_good"] is None
    assert not desk.watcher.found_anything
    assert desk.look(3600.0, times=3) == [], "nothing is usual yet, so nothing is a stall"
    desk.watcher.close()


def test_what_is_there_is_summed_up_and_known(desk: Desk) -> None:
    desk.save(1)
    good = desk.save(2, 0.6)
    desk.save(3, float("nan"))
    desk.say(1, 2, 3)
    start, *rest = desk.start()
    assert start.message == (
        f"watching {desk.folder}: 3 checkpoints, last good epoch_2.pth, log train.log at epoch 3"
    )
    assert start.data["last_good"] == str(good)
    assert start.data["corrupt"] == 1
    assert ("checkpoint", "CD201") in told(rest)
    assert all(event.known for event in rest)
    assert desk.watcher.found_anything
    assert desk.look() == []


def test_a_new_checkpoint_is_examined_once(desk: Desk) -> None:
    desk.save(1)
    desk.start()
    new = desk.save(2, 0.6)
    assert desk.look() == [], "it was just written"
    (event,) = desk.look()
    assert (event.kind, event.path, event.epoch) == (EventKind.CHECKPOINT, new, 2)
    assert event.message == "epoch_2.pth is healthy, iou 0.5"
    assert (event.severity, event.known, event.data["verdict"]) == (None, False, "healthy")
    assert desk.look(times=3) == []


def test_nan_in_a_new_checkpoint(desk: Desk) -> None:
    desk.save(1)
    desk.start()
    desk.save(2, float("nan"))
    (event,) = desk.look(times=2)
    assert (event.severity, event.code, event.known) == (Severity.ERROR, "CD201", False)
    assert event.message.startswith("epoch_2.pth is corrupt, iou 0.5: CD201 ")
    assert {finding.code for finding in event.findings} >= {"CD201"}


def test_a_file_that_is_being_written_is_not_looked_into(desk: Desk) -> None:
    desk.start()
    path = desk.save(1)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert desk.look(times=5) == [], "it has come to rest, and looks cut: the writer pauses"
    path.write_bytes(whole)
    events = desk.look(times=2)
    assert [event.message for event in events] == ["epoch_1.pth is healthy, iou 0.5"]


def test_a_file_that_stays_cut_is_told_after_a_minute(desk: Desk) -> None:
    desk.start()
    path = desk.save(1)
    os.truncate(path, path.stat().st_size // 2)
    assert desk.look(times=12) == []
    events = desk.look(times=2)
    assert told(events) == [("checkpoint", "CD102")]


def test_a_file_that_is_being_written_when_the_watch_begins(desk: Desk) -> None:
    path = desk.save(1)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    desk.touch(path)
    assert [event.kind for event in desk.start() if event.path] == []
    path.write_bytes(whole)
    desk.touch(path)
    assert told(desk.look(times=3)) == [("checkpoint", "")]


def test_a_file_that_may_be_being_written_is_said_to_be_left_out(desk: Desk) -> None:
    desk.save(1)
    path = desk.save(2)
    os.truncate(path, path.stat().st_size // 2)
    desk.touch(path)
    desk.start()
    notes = desk.watcher.not_judged
    assert len(notes) == 1
    assert path.name in notes[0]
    assert "not judged yet" in notes[0]


def test_an_old_file_that_is_cut_is_known(desk: Desk) -> None:
    path = desk.save(1)
    os.truncate(path, path.stat().st_size // 2)
    desk.touch(path)
    desk.now += 100
    assert ("checkpoint", "CD102") in told(desk.start())
    assert desk.look(times=30) == []


def test_a_file_that_is_deleted_before_it_is_looked_into(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.start()
    path = desk.save(1)
    desk.look()
    real = examine

    def deleted(*arguments: Any) -> Report:
        path.unlink()
        return real(*arguments)

    monkeypatch.setattr(watcher_module, "examine", deleted)
    assert desk.look() == [], "scripts that keep the last few files do that"
    assert desk.look(times=20) == []


def test_a_file_that_changes_while_the_watch_begins_is_new(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.save(1)
    real = survey

    def slow(*arguments: Any) -> Report:
        report = real(*arguments)
        desk.now += 30
        desk.save(1, float("nan"))
        return report

    monkeypatch.setattr(watcher_module, "survey", slow)
    desk.start()
    assert told(desk.look(times=2)) == [("checkpoint", "CD201")]


def test_a_jump_is_seen_against_the_last_good_one(desk: Desk) -> None:
    for epoch in range(1, 5):
        desk.save(epoch, 0.5 + epoch / 1000)
    desk.start()
    desk.save(5, 0.506)
    assert desk.look(times=2)[0].severity is None
    shutil.rmtree(desk.folder)
    desk.folder.mkdir()
    desk.save(6, 0.507)
    events = desk.look(times=2)
    assert [event.path for event in events] == [desk.folder / "epoch_6.pth"]


def test_what_follows_a_bad_one_is_held_against_the_last_good_one(desk: Desk) -> None:
    for epoch in range(1, 4):
        desk.save(epoch, 0.5 + epoch / 1000)
    desk.start()
    for epoch, fill, code in ((4, float("nan"), "CD201"), (5, 0.0, "CD206"), (6, 0.0, "CD206")):
        desk.save(epoch, fill)
        assert told(desk.look(times=2)) == [("checkpoint", code)], epoch


def test_epochs_are_told_as_the_log_grows(desk: Desk) -> None:
    desk.say(1, 2)
    start, *_ = desk.start()
    assert "log train.log at epoch 2" in start.message
    desk.say(3)
    assert desk.look() == []
    desk.say(4)
    (event,) = desk.look()
    assert (event.kind, event.epoch) == (EventKind.EPOCH, 3)
    assert event.message == "epoch 3: Loss 0.25, IoU 0.5"
    assert event.data == {"metric": "IoU", "value": 0.5, "values": {"Loss": 0.25, "IoU": 0.5}}


def test_nan_in_the_log_is_told_at_once(desk: Desk) -> None:
    desk.say(1, 2)
    desk.start()
    desk.say(3, loss=float("nan"))
    (event,) = desk.look()
    assert (event.kind, event.code, event.epoch) == (EventKind.FINDING, "CD404", 3)
    assert event.severity is Severity.ERROR
    assert event.message.startswith("Loss is NaN at epoch 3. Stop now")


def test_a_collapse_in_the_log(desk: Desk) -> None:
    for epoch in range(70, 98):
        desk.say(epoch, iou=0.6 + epoch / 2000)
    desk.start()
    desk.say(98, iou=0.0022)
    desk.say(99, iou=0.002)
    finding = next(e for e in desk.look() if e.kind is EventKind.FINDING)
    assert (finding.code, finding.epoch) == ("CD402", 98)
    assert finding.command == command_line("ckptdoctor", "plan", desk.folder)


def test_what_the_log_said_before_is_known_with_no_checkpoint_at_all(desk: Desk) -> None:
    desk.say(*range(1, 9))
    desk.say(9, loss=float("nan"))
    start, *rest = desk.start()
    assert "0 checkpoints" in start.message
    assert ("finding", "CD404") in told(rest)
    assert all(event.known for event in rest)
    assert desk.watcher.found_anything
    events = desk.look(times=5)
    assert [event for event in events if event.severity is not None] == []


def test_a_log_that_the_user_names_may_come_later(tmp_path: Path) -> None:
    later = tmp_path / "elsewhere" / "later.log"
    desk = Desk(tmp_path, wish=Wish(logs=(later,)))
    desk.save(1)
    desk.say(1, 2, 3)  # beside the checkpoints, and not what the user means
    start, *_ = desk.start()
    assert "log later.log" in start.message
    later.parent.mkdir()
    desk.log = later
    desk.say(7, 8)
    assert [event.epoch for event in desk.look()] == [7]


def test_logs_that_appear_are_found_and_what_the_watch_writes_is_not(tmp_path: Path) -> None:
    own = tmp_path / "watch.log"
    desk = Desk(tmp_path, is_own=lambda path: path == own)
    desk.start()
    own.write_text("12:00:00 · epoch 7: loss 0.5\n12:00:05 · epoch 8: loss 0.5\n")
    desk.say(1, 2)
    assert desk.look() == [], "they are looked for every half minute"
    assert [event.epoch for event in desk.look(30.0)] == [1]
    later = [event for event in desk.look(times=40) if event.kind is EventKind.EPOCH]
    assert [event.epoch for event in later] == [2]


def test_what_happens_to_the_log_is_a_note(desk: Desk) -> None:
    desk.say(1, 2)
    desk.start()
    desk.log.unlink()
    (event,) = desk.look()
    assert (event.kind, event.message) == (EventKind.NOTE, "train.log is gone; waiting for it")
    assert event.path == desk.log


def test_a_folder_that_vanishes_and_returns(desk: Desk) -> None:
    desk.save(1)
    desk.start()
    shutil.rmtree(desk.folder)
    (gone,) = desk.look()
    assert gone.message == f"{desk.folder} is gone; waiting for it"
    assert desk.look(times=3) == []
    desk.folder.mkdir()
    desk.save(2)
    (back,) = desk.look()
    assert back.message == f"{desk.folder} is back"
    assert [event.epoch for event in desk.look()] == [2]


def stalling(tmp_path: Path, **how: Any) -> Desk:
    """A run with a line every 20 seconds, that is watched for a while."""
    desk = Desk(tmp_path, **how)
    desk.say(1)
    desk.start()
    for epoch in range(2, 8):
        desk.now += 15
        desk.say(epoch)
        desk.look()
    return desk


def test_silence_is_told_once_and_its_end_as_well(tmp_path: Path) -> None:
    desk = stalling(tmp_path)
    quiet = [event for event in desk.look(times=12) if event.kind is not EventKind.EPOCH]
    assert quiet == [], "a minute is never too long"
    (event,) = desk.look()
    assert (event.kind, event.code) == (EventKind.STALL, "CD409")
    assert event.severity is Severity.WARNING
    assert event.message == (
        "nothing new for 65 s, where 20 s are usual; look at the data loader, the disk, a rank "
        "that waits"
    )
    assert event.data == {"silent_s": 65.0, "usual_s": 20.0, "nan_in_log": False}
    assert desk.look(times=100) == []
    desk.say(8)
    (event,) = [one for one in desk.look() if one.kind is not EventKind.EPOCH]
    assert event.kind is EventKind.RESUMED
    assert event.message == "something is written again, after 10 min"


def test_silence_after_nan_is_an_error(tmp_path: Path) -> None:
    desk = stalling(tmp_path)
    desk.say(8, loss=float("nan"))
    desk.look()
    event = next(e for e in desk.look(times=20) if e.kind is EventKind.STALL)
    assert (event.severity, event.epoch) == (Severity.ERROR, 8)
    assert "the log holds NaN: it will not recover" in event.message
    assert event.data["nan_in_log"] is True


def test_a_checkpoint_that_grows_is_a_sign_of_life(tmp_path: Path) -> None:
    desk = stalling(tmp_path)
    path = desk.folder / "big.pth"
    for _ in range(40):
        with path.open("ab") as file:
            file.write(bytes(10))
        assert EventKind.STALL not in [event.kind for event in desk.look()]


def test_a_log_that_says_nothing_of_epochs_is_a_sign_of_life_too(tmp_path: Path) -> None:
    desk = stalling(tmp_path)
    for _ in range(40):
        with desk.log.open("a") as file:
            file.write("still copying the data\n")
        assert EventKind.STALL not in [event.kind for event in desk.look()]


def test_the_pace_is_known_from_the_files(desk: Desk) -> None:
    for epoch in range(1, 7):
        desk.save(epoch, 0.5 + epoch / 1000)
        desk.now += 100
    desk.now += 150
    desk.start()  # the last file is 250 s old
    (event,) = desk.look(51.0, times=1)
    assert event.kind is EventKind.STALL
    assert event.data["usual_s"] == 100.0
    assert list(desk.watcher.finish()) == [], "it was said"


def test_a_single_look_tells_of_silence_as_well(desk: Desk) -> None:
    for epoch in range(1, 7):
        desk.save(epoch, 0.5 + epoch / 1000)
        desk.now += 100
    desk.now += 1000
    desk.start()
    assert told(list(desk.watcher.finish())) == [("stall", "CD409")]


def test_what_the_process_does_when_it_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = ProcessState(pid=7, alive=True, cpu_percent=99.0, message="it computes", stack="f ()")
    monkeypatch.setattr(watcher_module, "look_at", lambda _: state)
    monkeypatch.setattr(watcher_module, "has_ended", lambda _: False)
    desk = stalling(tmp_path, pid=7)
    event = next(e for e in desk.look(times=20) if e.kind is EventKind.STALL)
    assert event.message.endswith("; it computes")
    assert event.data["cpu_percent"] == 99.0
    assert event.data["stack"] == "f ()"
    assert (event.data["pid"], event.data["alive"]) == (7, True)


def test_a_process_that_ends_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[bool] = []
    monkeypatch.setattr(watcher_module, "has_ended", lambda _: bool(ended))
    desk = Desk(tmp_path, pid=7)
    desk.start()
    assert desk.look(times=2) == []
    ended.append(True)
    (event,) = desk.look(times=5)
    assert (event.kind, event.message) == (EventKind.NOTE, "process 7 has ended")


def test_a_bug_of_ours_is_a_note_and_the_watch_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.start()
    real = examine

    def crashing(found: Sequence[CheckpointFiles], *rest: Any) -> Report:
        crash = Crash(rule="CD201", path=found[0].path, error="Traceback ...")
        return Report(checkpoints=real(found).checkpoints, crashes=(crash,))

    monkeypatch.setattr(watcher_module, "examine", crashing)
    path = desk.save(1)
    note, event = desk.look(times=2)
    assert note.message == f"{path}: the rule CD201 failed; please report this"
    assert event.path == path


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (99.0, "99 s"), (100, "2 min"), (7200, "2.0 h")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_module_that_leaves_its_past_is_told_with_its_checkpoint(tmp_path: Path) -> None:
    made = run_of(tmp_path / "made", flip, log=False)
    desk = Desk(tmp_path)
    for epoch in range(ONSET):
        desk.touch(Path(shutil.copy(made / f"epoch_{epoch}.pth", desk.folder)))
    desk.start()
    desk.touch(Path(shutil.copy(made / f"epoch_{ONSET}.pth", desk.folder)))
    found = desk.look(times=4)
    assert [event.code for event in found if event.code == "CD413"] == ["CD413"]
    desk.touch(desk.folder / f"epoch_{ONSET}.pth")  # written again, as it was
    assert "CD413" not in {event.code for event in desk.look(times=4)}
    desk.touch(Path(shutil.copy(made / f"epoch_{ONSET + 1}.pth", desk.folder)))
    assert "CD413" not in {event.code for event in desk.look(times=4)}


def test_one_that_had_left_it_before_is_not_told_as_news(tmp_path: Path) -> None:
    made = run_of(tmp_path / "made", flip, log=False)
    desk = Desk(tmp_path)
    for epoch in range(ONSET + 1):
        desk.touch(Path(shutil.copy(made / f"epoch_{epoch}.pth", desk.folder)))
    start = desk.start()
    assert "CD413" in {event.code for event in start}
    assert desk.look() == []
    desk.touch(desk.folder / f"epoch_{ONSET}.pth")
    assert "CD413" not in {event.code for event in desk.look(times=4)}


def test_a_healthy_run_has_no_module_that_leaves_its_past(tmp_path: Path) -> None:
    made = run_of(tmp_path / "made", log=False)
    desk = Desk(tmp_path)
    desk.touch(Path(shutil.copy(made / "epoch_0.pth", desk.folder)))
    desk.start()
    for epoch in range(1, ONSET + 2):
        desk.touch(Path(shutil.copy(made / f"epoch_{epoch}.pth", desk.folder)))
        assert "CD413" not in {event.code for event in desk.look(times=4)}


def test_a_score_that_is_none_is_spelled_as_everywhere() -> None:
    told = of_checkpoint(report("a.pth", 3, score(float("nan"))), 0.0).message
    assert told == "a.pth is healthy, iou NaN"
