"""The lines of a watch: one an event whatever a name holds, and JSON that any parser takes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ckptdoctor.finding import Finding, Severity
from ckptdoctor.render.console.screen import Screen
from ckptdoctor.render.events import event_json, event_text
from ckptdoctor.watch.events import Event, EventKind
from tests.each import each

NOON_S = 1_700_000_000.25
HOSTILE = "a\x1b[2Jb\nc\rd\u202ee[red]f\x9b\u2028g\udcff.pth"


def event(kind: EventKind = EventKind.NOTE, message: str = "so", **details: Any) -> Event:
    return Event(kind=kind, time_s=NOON_S, message=message, **details)


def text(one: Event, *, colour: bool = False) -> str:
    return event_text(one, Screen(width=80, colour=colour))


def parsed(one: Event) -> dict[str, Any]:
    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no JSON")

    written = event_json(one)
    assert written.endswith("\n")
    assert written.count("\n") == 1
    assert written.isascii()
    found: dict[str, Any] = json.loads(written, parse_constant=refuse)
    return found


@each(
    ("one", "words"),
    [
        (event(), "· so"),
        (event(EventKind.CHECKPOINT, "a.pth is healthy"), "✓ a.pth is healthy"),
        (event(EventKind.RESUMED), "✓ so"),
        (event(EventKind.FINDING, severity=Severity.ERROR, code="CD402"), "✗ CD402 so"),
        (event(EventKind.STALL, severity=Severity.WARNING, code="CD409"), "! CD409 so"),
        (event(EventKind.FINDING, severity=Severity.INFO, code="CD105"), "· CD105 so"),
        (
            event(EventKind.CHECKPOINT, "bad: CD201", severity=Severity.ERROR, code="CD201"),
            "✗ bad: CD201",
        ),
        (
            event(EventKind.FINDING, severity=Severity.ERROR, code="CD402", known=True),
            "✗ CD402 so (known from before)",
        ),
    ],
)
def test_a_line_is_time_mark_code_and_words(one: Event, words: str) -> None:
    clock, _, rest = text(one).partition(" ")
    assert rest == words + "\n"
    assert [len(part) for part in clock.split(":")] == [2, 2, 2]


def test_a_stack_stands_below() -> None:
    one = event(
        EventKind.STALL, severity=Severity.ERROR, code="CD409", data={"stack": "a (x.py:1)\nb\x1b"}
    )
    first, *below = text(one).splitlines()
    assert first.endswith("CD409 so")
    assert [line.strip() for line in below] == ["a (x.py:1)", "b\\x1b"]
    assert len(text(event(data={"stack": ""})).splitlines()) == 1
    assert len(text(event(data={"stack": 7})).splitlines()) == 1


def test_what_a_name_holds_draws_nothing() -> None:
    written = text(event(message=HOSTILE))
    assert written.count("\n") == 1
    assert written.rstrip("\n").isprintable()
    assert "[red]" in written
    assert "\x1b" in text(event(message=HOSTILE), colour=True), "our own colours"
    assert "\x1b[2J" not in text(event(message=HOSTILE), colour=True)


def test_a_long_message_is_cut() -> None:
    assert len(text(event(message="x" * 5000))) < 450
    assert len(parsed(event(message="x" * 5000))["message"]) == 5000


def test_the_object_of_an_event() -> None:
    finding = Finding(
        code="CD201",
        severity=Severity.ERROR,
        subject=HOSTILE,
        message="3 NaN",
        evidence={"nan": 3, "max": math.inf},
        remedy="restore",
    )
    one = event(
        EventKind.CHECKPOINT,
        HOSTILE,
        severity=Severity.ERROR,
        code="CD201",
        path=Path(HOSTILE),
        epoch=7,
        findings=(finding,),
        data={"value": math.nan, "low": -math.inf, "deep": {"x": [math.inf]}},
    )
    found = parsed(one)
    assert found["schema_version"] == 1
    assert found["type"] == "checkpoint"
    assert found["time"] == "2023-11-14T22:13:20.250Z"
    assert (found["severity"], found["code"], found["epoch"]) == ("error", "CD201", 7)
    assert found["known"] is False
    assert found["path"] == HOSTILE
    assert found["findings"][0]["subject"] == HOSTILE
    assert found["findings"][0]["evidence"]["max"] == "Infinity"
    assert found["data"] == {"value": "NaN", "low": "-Infinity", "deep": {"x": ["Infinity"]}}


def test_what_is_not_known_is_null() -> None:
    found = parsed(event())
    assert [found[name] for name in ("severity", "code", "path", "epoch")] == [None] * 4
    assert (found["findings"], found["data"]) == ([], {})


@each("kind", EventKind)
def test_every_kind_can_be_written(kind: EventKind) -> None:
    assert parsed(event(kind))["type"] == kind.value
    assert text(event(kind)).endswith(" so\n")


def test_on_a_terminal_a_long_line_is_broken_between_words_and_its_command_is_whole() -> None:
    command = "ckptdoctor restore --from " + "a" * 90
    one = event(
        EventKind.FINDING, " ".join(["word"] * 40), severity=Severity.ERROR, command=command
    )
    wide = event_text(one, Screen(width=60, colour=False), wraps=True).splitlines()
    assert " ".join(wide).split()[2:] == ["word"] * 39 + ["word:", *command.split()]
    assert wide[-1] == " " * 11 + command
    assert all(len(line) <= 60 and line.startswith(" " * 11) for line in wide[1:-1])
    assert len(event_text(one, Screen(width=60, colour=False)).splitlines()) == 1
