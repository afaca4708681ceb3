"""What the JSON of ``history`` tells of every log, believed or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ckptdoctor.diagnose import judge_history
from ckptdoctor.histories import History, LogFacts, Point
from ckptdoctor.metadata import Mode, Source
from ckptdoctor.render.machine.history import history_json
from ckptdoctor.render.wording import NOTHING
from ckptdoctor.runs.metric import Choice
from ckptdoctor.runs.run import Run
from ckptdoctor.survey import Chronicles


def readings(*logs: LogFacts) -> list[dict[str, Any]]:
    history = History(
        metric="iou",
        mode=Mode.MAX,
        points=(Point(at=1, epoch=1, value=0.5, source=Source.LOG),),
        readings=logs,
        unread=sum(log.unread for log in logs),
    )
    run = Run(name="a", folder=Path("a"), choice=Choice(name="iou"), history=history)
    reports, _ = judge_history([run])
    content = json.loads(history_json(Chronicles(runs=tuple(reports))))
    assert content["log_readings"] == content["runs"][0]["log_readings"]
    assert content["unread_lines"] == history.unread
    found: list[dict[str, Any]] = content["log_readings"]
    return found


def test_all_that_is_known_of_a_log() -> None:
    log = LogFacts(
        path=Path("runs/train.log"),
        form="lines of text",
        encoding="utf-16",
        lines=120,
        rows=40,
        unread=2,
        examples=("train.log:7: {broken",),
        names=("loss", "val_iou"),
    )
    assert readings(log) == [
        {
            "path": "runs/train.log",
            "form": "lines of text",
            "encoding": "utf-16",
            "lines": 120,
            "rows": 40,
            "not_read": 2,
            "examples": ["train.log:7: {broken"],
            "values": ["loss", "val_iou"],
            "believed": True,
            "reason": None,
        }
    ]


def test_what_is_not_known_is_null() -> None:
    (found,) = readings(LogFacts(path=Path("events"), rows=3))
    assert (found["form"], found["encoding"], found["lines"]) == (None, None, None)


def test_a_log_that_was_set_aside_or_gave_nothing_is_not_believed_and_says_why() -> None:
    aside, empty = readings(
        LogFacts(path=Path("b.log"), rows=3, reason="tells other values"),
        LogFacts(path=Path("c.log")),
    )
    assert (aside["believed"], aside["reason"]) == (False, "tells other values")
    assert (empty["believed"], empty["reason"]) == (False, NOTHING)
