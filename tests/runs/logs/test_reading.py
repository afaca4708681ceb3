"""A log of any kind, and what is told of how it was read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ckptdoctor.errors import NothingToExamineError
from ckptdoctor.histories import LogFacts
from ckptdoctor.runs.logs import LogReading
from ckptdoctor.runs.logs.pattern import compile_pattern
from ckptdoctor.runs.logs.reading import is_read_whole, read_logs

VALUES = {1: {"val_iou": 0.5}, 2: {"val_iou": 0.6}}
STATE = {
    "log_history": [{"epoch": at, "step": 10 * at, **values} for at, values in VALUES.items()],
    "global_step": 20,
}
KINDS = {
    "train.log": "epoch 1 val_iou 0.5\nepoch 2 val_iou 0.6\n",
    "metrics.csv": "epoch,val_iou\n1,0.5\n2,0.6\n",
    "log.jsonl": '{"epoch": 1, "val_iou": 0.5}\n{"epoch": 2, "val_iou": 0.6}\n',
    "tagged.log": 'INFO {"epoch": 1, "val_iou": 0.5}\nINFO {"epoch": 2, "val_iou": 0.6}\n',
    "history.json": json.dumps([{"epoch": at} | values for at, values in VALUES.items()]),
    "trainer_state.json": json.dumps(STATE),
}


def read(folder: Path, name: str, text: str | bytes) -> LogReading:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_logs([folder / name])


def facts(reading: LogReading) -> LogFacts:
    (one,) = reading.logs
    return one


@pytest.mark.parametrize(
    ("name", "form", "lines"),
    [
        ("train.log", "lines of text", 2),
        ("metrics.csv", "a table", 0),
        ("log.jsonl", "JSON lines", 2),
        ("tagged.log", "JSON lines", 2),
    ],
)
def test_every_kind_of_log_says_the_same_and_what_it_is(
    name: str, form: str, lines: int, tmp_path: Path
) -> None:
    reading = read(tmp_path, name, KINDS[name])
    assert dict(reading.epochs) == VALUES
    told = facts(reading)
    assert (told.path, told.form, told.rows, told.unread) == (tmp_path / name, form, 2, 0)
    assert told.lines in (lines, 2, 3)
    assert "val_iou" in told.names


@pytest.mark.parametrize("name", ["history.json", "trainer_state.json"])
def test_so_does_a_document_that_says_what_it_is(name: str, tmp_path: Path) -> None:
    reading = read(tmp_path, name, KINDS[name])
    assert {at: values["val_iou"] for at, values in reading.epochs.items()} == {1: 0.5, 2: 0.6}
    assert facts(reading).form not in ("", "lines of text", "JSON lines", "a table")
    assert facts(reading).encoding == "utf-8"


def test_of_two_logs_the_later_value_stands_and_each_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(KINDS["train.log"])
    (tmp_path / "b.log").write_text("epoch 2 val_iou 0.7\nepoch 3 val_iou 0.8\n")
    reading = read_logs([tmp_path / "a.log", tmp_path / "b.log"])
    assert reading.epochs[2]["val_iou"] == 0.7
    assert [one.path.name for one in reading.logs] == ["a.log", "b.log"]


def test_lines_that_cannot_be_read_are_counted_and_named_by_their_number(tmp_path: Path) -> None:
    broken = '{"epoch": 1, "val_iou": 0.5}\n{"epoch": 2, \n\n{"epoch": 2, "val_iou": 0.6}\n'
    told = facts(read(tmp_path, "log.jsonl", broken))
    assert told.unread == 1
    assert told.examples == ('log.jsonl:2: {"epoch": 2,',)
    table = facts(read(tmp_path, "m.csv", "epoch,val_iou\n1,0.5\n2,0.6,7,8,9\n3,0.7\n"))
    assert [one.partition(": ")[0] for one in table.examples] == ["m.csv:3"]


def test_a_pattern_of_the_users_is_all_that_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("epoch,val_iou\n1,0.5\nE7 => 0.9\n")
    pattern = compile_pattern(r"E(?P<epoch>\d+) => (?P<val_iou>[\d.]+)")
    assert dict(read_logs([tmp_path / "m.csv"], pattern).epochs) == {7: {"val_iou": 0.9}}
    assert not is_read_whole(tmp_path / "m.csv", pattern)


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("train.log", False),
        ("log.jsonl", False),
        ("metrics.csv", True),
        ("history.json", True),
        ("trainer_state.json", True),
    ],
)
def test_what_is_read_whole_each_time(name: str, whole: bool, tmp_path: Path) -> None:
    (tmp_path / name).write_text(KINDS[name])
    assert is_read_whole(tmp_path / name) is whole
    assert is_read_whole(tmp_path / "events.out.tfevents.1.host")
    wide = tmp_path / "wide.log"
    wide.write_bytes(KINDS["train.log"].encode("utf-16"))
    assert is_read_whole(wide)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(NothingToExamineError, match="no such log file"):
        read_logs([tmp_path / "absent.log"])
    os.mkfifo(tmp_path / "pipe.log")
    with pytest.raises(NothingToExamineError):
        read_logs([tmp_path / "pipe.log"])
