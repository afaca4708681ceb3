"""What `history -v` says of every log: as what it was read, how much of it, believed or not."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.diagnose import judge_history
from ckptdoctor.histories import History, LogFacts, Point
from ckptdoctor.metadata import Mode, Source
from ckptdoctor.render.console.history import history_text
from ckptdoctor.render.console.screen import Screen
from ckptdoctor.render.wording import NOTHING
from ckptdoctor.runs.metric import Choice
from ckptdoctor.runs.run import Run
from ckptdoctor.survey import Chronicles

READ = LogFacts(
    path=Path("runs/train.log"),
    form="lines of text",
    encoding="utf-16",
    lines=120,
    rows=40,
    unread=2,
    examples=("train.log:7: {broken", "train.log:9: [broken"),
    names=("loss", "val_iou"),
)


def shown(*logs: LogFacts, verbosity: int = 1, width: int = 100) -> list[str]:
    """The lines that tell of the logs, below a run with two points."""
    points = tuple(Point(at=e, epoch=e, value=e / 9, source=Source.LOG) for e in (1, 2))
    history = History(
        metric="iou",
        mode=Mode.MAX,
        points=points,
        readings=logs,
        unread=sum(log.unread for log in logs),
    )
    run = Run(name="a", folder=Path("a"), choice=Choice(name="iou"), history=history)
    reports, _ = judge_history([run])
    screen = Screen(width=width, colour=False, verbosity=verbosity)
    return history_text(Chronicles(runs=tuple(reports)), screen).splitlines()


def test_form_encoding_lines_places_and_values() -> None:
    lines = shown(READ)
    at = lines.index("Log:       train.log: lines of text, utf-16, 120 lines")
    assert lines[at + 1] == "           40 places with loss, val_iou"
    assert lines[at + 2] == "           2 lines could not be read:"
    assert lines[at + 3 : at + 5] == ["  train.log:7: {broken", "  train.log:9: [broken"]
    assert not any("set aside" in line for line in lines)


def test_why_a_log_was_set_aside() -> None:
    aside = LogFacts(
        path=Path("b.log"), form="a table", rows=3, names=("x",), reason="is another's"
    )
    lines = shown(READ, aside)
    at = lines.index("Log:       b.log: a table")
    assert lines[at + 1] == "           set aside: it is another's"
    assert lines[at + 2] == "           3 places with x"


def test_a_log_that_gave_nothing_is_said() -> None:
    lines = shown(LogFacts(path=Path("c.log"), form="lines of text", lines=1))
    at = lines.index("Log:       c.log: lines of text, 1 line")
    assert lines[at + 1] == f"           set aside: it {NOTHING}"


def test_of_many_values_the_first_are_named_and_the_others_counted() -> None:
    many = LogFacts(path=Path("a.log"), rows=1, names=tuple(f"v{n}" for n in range(11)))
    (line,) = (line for line in shown(many) if "v0" in line)
    assert line.endswith("v6, v7 and 3 more")
    eight = LogFacts(path=Path("a.log"), rows=1, names=tuple(f"v{n}" for n in range(8)))
    assert not any("more" in line for line in shown(eight))


def test_unless_asked_only_the_lines_that_could_not_be_read_are_counted() -> None:
    lines = shown(READ, verbosity=0)
    assert "           2 lines could not be read (-v shows some)" in lines
    assert not any(line.startswith("Log:") for line in lines)


def test_names_of_a_log_are_neutralised() -> None:
    lines = shown(
        LogFacts(
            path=Path("a\x1b[31m.log"),
            rows=1,
            names=("x\x07",),
            reason="is \x1b[5m",
            examples=("\x1b[2J",),
        )
    )
    assert not {"\x1b", "\x07"} & {*"".join(lines)}
