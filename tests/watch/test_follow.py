"""A log that grows, and everything that is done to logs meanwhile."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ckptdoctor.runs.logs import Row, compile_pattern
from ckptdoctor.watch import follow
from ckptdoctor.watch.follow import Followed, LogFollower


def line(epoch: int, iou: float = 0.5) -> str:
    return f"Epoch {epoch}: Loss: 0.25 | IoU: {iou}\n"


def add(path: Path, text: str) -> None:
    with path.open("a", newline="") as file:
        file.write(text)


def epochs(followed: Followed) -> list[float | None]:
    return [row.epoch for row in followed.rows]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "train.log"
    path.write_text(line(1) + line(2))
    return path


@pytest.fixture
def follower(log: Path) -> Iterator[LogFollower]:
    """One that has read the first two epochs."""
    one = LogFollower(log)
    assert epochs(one.poll()) == [1, 2]
    yield one
    one.close()


def test_what_was_there_is_read_and_is_no_growth(log: Path) -> None:
    follower = LogFollower(log)
    first = follower.poll()
    assert (epochs(first), first.grew, first.note) == ([1, 2], False, "")
    assert first.rows[1].values == {"Loss": 0.25, "IoU": 0.5}
    assert follower.poll() == Followed()
    follower.close()
    follower.close()  # twice does no harm


def test_what_is_added_is_read_once(log: Path, follower: LogFollower) -> None:
    add(log, line(3, 0.6))
    followed = follower.poll()
    assert followed.grew
    assert followed.rows == (Row(epoch=3, values={"Loss": 0.25, "IoU": 0.6}),)
    assert follower.poll() == Followed()


def test_half_a_line_waits_for_its_end(log: Path, follower: LogFollower) -> None:
    for piece in ("Epoch 3: Lo", "ss: 0.25 | IoU: 0.6", "4"):
        add(log, piece)
        followed = follower.poll()
        assert (followed.rows, followed.grew) == ((), True)
    add(log, "\n")
    assert follower.poll().rows[0].values["IoU"] == 0.64


def test_a_letter_of_several_bytes_may_be_cut(log: Path, follower: LogFollower) -> None:
    data = "Epoch 3: été Loss: 0.5\n".encode()
    for at in range(len(data)):
        with log.open("ab") as file:
            file.write(data[at : at + 1])
        followed = follower.poll()
    assert followed.rows[0].values["Loss"] == 0.5


def test_values_below_their_epoch_come_as_they_are_written(
    log: Path, follower: LogFollower
) -> None:
    add(log, "Epoch 3/10\n  step 10 loss: 0.9\n")
    assert follower.poll().rows[-1].values["loss"] == 0.9
    add(log, "  step 20 loss: 0.7\n")
    assert follower.poll().rows[-1].values["loss"] == 0.7, "the last of its kind stands"
    add(log, "  val IoU: 0.61\n")
    (row,) = follower.poll().rows
    assert (row.epoch, list(row.values.values())) == (3, [0.61])


def test_rotated_by_rename(log: Path, follower: LogFollower) -> None:
    add(log, line(3))
    add(log, "Epoch 4: Loss: 0.30")  # it was never ended
    log.rename(log.with_suffix(".log.1"))
    log.write_text(line(5) + line(6))
    followed = follower.poll()
    assert epochs(followed) == [3, 4, 5, 6]
    assert (followed.note, followed.grew) == ("train.log was rotated", True)
    add(log, line(7))
    assert epochs(follower.poll()) == [7]


def test_a_number_that_was_cut_as_the_log_was_rotated_is_not_believed(
    log: Path, follower: LogFollower
) -> None:
    add(log, "Epoch 3: Loss: 0.25 | IoU: 0")  # of 0.6, and no collapse
    log.rename(log.with_suffix(".log.1"))
    log.write_text(line(5))
    first, *_ = follower.poll().rows
    assert (first.epoch, first.values) == (3, {"Loss": 0.25})


def test_rotated_while_nobody_writes(log: Path, follower: LogFollower) -> None:
    add(log, line(3))
    log.rename(log.with_suffix(".log.1"))
    followed = follower.poll()
    assert (epochs(followed), followed.grew) == ([3], False)
    assert followed.note == "train.log is gone; waiting for it"
    assert follower.poll() == Followed()
    log.write_text(line(4))
    followed = follower.poll()
    assert (epochs(followed), followed.grew) == ([4], True)
    assert followed.note == "train.log is back"


def test_copied_and_truncated(log: Path, follower: LogFollower) -> None:
    os.truncate(log, 0)
    assert follower.poll().note == "train.log was truncated"
    add(log, line(3))
    assert epochs(follower.poll()) == [3]


def test_truncated_and_grown_beyond_where_it_was(log: Path, follower: LogFollower) -> None:
    os.truncate(log, 0)
    add(log, "".join(line(epoch) for epoch in range(30, 40)))
    followed = follower.poll()
    assert epochs(followed) == list(range(30, 40))
    assert followed.note == "train.log was truncated"


@pytest.mark.parametrize("which", ["beginning", "end"])
def test_one_that_only_begins_or_only_ends_as_it_did_is_another(which: str, log: Path) -> None:
    log.write_text("".join(line(epoch) for epoch in range(100, 120)))
    follower = LogFollower(log)
    assert epochs(follower.poll()) == list(range(100, 120))
    others = [*range(100, 110), *range(210, 225)] if which == "beginning" else [*range(200, 205)]
    text = "".join(line(epoch) for epoch in others)
    if which == "end":
        text = text.ljust(len(line(100)) * 10 - 1) + "\n"
        text += "".join(line(epoch) for epoch in range(110, 120)) + line(120)
    log.write_text(text)
    followed = follower.poll()
    follower.close()
    assert followed.note == "train.log was truncated"
    assert epochs(followed)[:5] == others[:5]


def test_deleted_and_made_anew_with_the_same_inode(log: Path, follower: LogFollower) -> None:
    log.unlink()
    assert "gone" in follower.poll().note
    log.write_text("".join(line(epoch) for epoch in range(30, 40)))
    assert epochs(follower.poll()) == list(range(30, 40))


def test_a_log_that_vanishes_and_returns_is_not_read_again(
    log: Path, follower: LogFollower
) -> None:
    elsewhere = log.with_name("elsewhere")
    log.rename(elsewhere)
    assert "gone" in follower.poll().note
    add(elsewhere, line(3))
    elsewhere.rename(log)
    followed = follower.poll()
    assert (epochs(followed), followed.note) == ([3], "train.log is back")


def test_a_log_that_is_fetched_anew_goes_on(log: Path, follower: LogFollower) -> None:
    fetched = log.with_name(".fetched")  # as rsync does: a copy, renamed over the old one
    fetched.write_text(log.read_text() + line(3))
    fetched.rename(log)
    followed = follower.poll()
    assert (epochs(followed), followed.note, followed.grew) == ([3], "", True)


def test_a_log_that_is_not_there_yet(tmp_path: Path) -> None:
    follower = LogFollower(tmp_path / "later.log")
    assert follower.poll() == Followed()
    follower.path.write_text(line(1))
    assert epochs(follower.poll()) == [1]
    follower.close()


def test_no_plain_file_is_no_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.log")
    assert LogFollower(tmp_path / "pipe.log").poll() == Followed()
    assert LogFollower(tmp_path).poll() == Followed()


def test_a_log_that_cannot_be_read_is_said_once(
    log: Path, follower: LogFollower, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(follow, "is_read_whole", refuse)
        add(log, line(3))
        assert follower.poll().note == "train.log cannot be read: Permission denied"
        assert follower.poll() == Followed()
    assert epochs(follower.poll()) == [3]


def test_a_disk_that_goes_away_while_it_is_read(
    log: Path, follower: LogFollower, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[[int, int, int], bytes] = os.pread

    def stale(fd: int, nbytes: int, offset: int) -> bytes:
        if nbytes > 4096:
            raise OSError(116, "Stale file handle")
        return real(fd, nbytes, offset)

    with monkeypatch.context() as patched:
        patched.setattr(follow, "pread", stale)
        add(log, line(3))
        assert follower.poll().rows == ()
    add(log, line(4))
    assert epochs(follower.poll()) == [3, 4]


def test_a_bar_draws_over_itself(log: Path, follower: LogFollower) -> None:
    add(log, "\rEpoch 3:  10%|#   | loss=0.9\rEpoch 3:  20%|##  | loss=0.8\rEpoch 3:  30%")
    (row,) = follower.poll().rows
    assert (row.epoch, row.values["loss"]) == (3, 0.8)
    add(log, "|### | loss=0.7\r")
    assert follower.poll().rows[-1].values["loss"] == 0.7
    add(log, "\n")
    assert follower.poll().rows == ()


def test_lines_that_end_as_on_windows(log: Path, follower: LogFollower) -> None:
    add(log, line(3).replace("\n", "\r\n"))
    assert follower.poll().rows[0].values["IoU"] == 0.5


def test_a_line_without_an_end_takes_no_memory_without_an_end(
    log: Path, follower: LogFollower
) -> None:
    add(log, "x" * (5 << 20))
    assert follower.poll().grew
    assert len(follower._rest) <= 1 << 20
    add(log, "\n" + line(3))
    assert epochs(follower.poll()) == [3]


def test_a_table_gives_the_epochs_that_changed(tmp_path: Path) -> None:
    table = tmp_path / "metrics.csv"
    table.write_text("epoch,loss,iou\n1,0.5,0.4\n2,0.4,0.5\n")
    follower = LogFollower(table)
    assert epochs(follower.poll()) == [1, 2]
    add(table, "3,0.3,0.6\n")
    followed = follower.poll()
    assert (epochs(followed), followed.grew) == ([3], True)
    table.write_text("epoch,loss,iou\n1,0.5,0.4\n2,0.4,0.55\n3,0.3,0.6\n4,0.2,0.7\n")
    assert epochs(follower.poll()) == [2, 4]


def test_a_state_that_is_written_anew(tmp_path: Path) -> None:
    state = tmp_path / "trainer_state.json"

    def write(count: int) -> None:
        entries = [{"epoch": e, "loss": 1 / e, "step": 10 * e} for e in range(1, count + 1)]
        state.write_text(json.dumps({"log_history": entries}, indent=1))

    write(2)
    follower = LogFollower(state)
    assert epochs(follower.poll()) == [1, 2]
    write(3)
    whole = state.read_text()
    state.write_text(whole[: len(whole) // 2])
    follower.poll()  # half written: nothing, or what can be read of it
    state.write_text(whole)
    assert 3 in epochs(follower.poll())


def test_a_table_that_takes_long_to_read_is_not_read_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "metrics.csv"
    table.write_text("epoch,loss\n1,0.5\n")
    times = iter([0.0, 0.0, 2.0, 10.0, 39.0, 41.0, 41.0, 41.1])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    follower = LogFollower(table)
    assert epochs(follower.poll()) == [1]  # from 0 to 2 seconds: not before the 40th again
    add(table, "2,0.4\n")
    for _ in range(2):
        assert follower.poll() == Followed(grew=True)
    assert epochs(follower.poll()) == [2]


def test_the_users_own_pattern(tmp_path: Path) -> None:
    log = tmp_path / "odd.log"
    log.write_text("E1;0.5\n")
    follower = LogFollower(log, compile_pattern(r"E(?P<epoch>\d+);(?P<iou>\S+)"))
    assert follower.poll().rows == (Row(epoch=1, values={"iou": 0.5}),)
    add(log, "E2;what\nE3;0.6\n")
    assert epochs(follower.poll()) == [3]
    follower.close()


def test_a_pattern_without_end_is_stopped_and_the_lines_behind_are_read(tmp_path: Path) -> None:
    told: list[str] = []
    log = tmp_path / "odd.log"
    log.write_text("E1;0.5\nE" + "1" * 40 + ";x\n")
    pattern = compile_pattern(r"^E(?P<epoch>(?:\d|11)+);(?P<iou>\d\S+)$", told.append)
    follower = LogFollower(log, pattern)
    assert follower.poll().rows == (Row(epoch=1, values={"iou": 0.5}),)
    add(log, "E3;0.6\n")
    assert epochs(follower.poll()) == [3]
    follower.close()
    (sentence,) = told
    assert sentence.startswith("odd.log: --log-pattern")
    assert "was stopped after 0.1 s at the line 'E1111" in sentence


def test_an_object_a_line(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"epoch": 1, "loss": 0.5}\n')
    follower = LogFollower(log)
    follower.poll()
    add(log, '{"epoch": 2, "loss": NaN}\n{"epoch": 3, "lo')
    rows = follower.poll().rows
    assert rows[-1].epoch == 2
    assert rows[-1].values["loss"] != rows[-1].values["loss"]
    follower.close()
