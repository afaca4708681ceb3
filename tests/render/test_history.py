"""The metric over the epochs as text, as a plot of dots, as JSON, CSV and HTML."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.diagnose import judge_history
from ckptdoctor.histories import History, LogFacts, Point
from ckptdoctor.metadata import Mode, Source
from ckptdoctor.recovery.next_step import Asked
from ckptdoctor.render.console.braille_plot import plot_lines
from ckptdoctor.render.console.history import history_text
from ckptdoctor.render.console.screen import Screen
from ckptdoctor.render.html.history import history_html
from ckptdoctor.render.machine.history import history_csv, history_json
from ckptdoctor.report import Crash, findings_of
from ckptdoctor.runs.chronicle import chronicle
from ckptdoctor.runs.clock import course_of
from ckptdoctor.runs.metric import Choice
from ckptdoctor.runs.run import LogAside, Run
from ckptdoctor.survey import Chronicles, with_next
from tests.render.html.own_script import without_our_script
from tests.render.html.test_report import Page
from tests.render.outputs import ALL_HOSTILE, HOSTILE
from tests.runs.members import log
from tests.runs.trend.test_trend import STORY

PLAIN = Screen(width=80, colour=False)


def made(points: dict[int, float], name: str = "IoU", run: str = "a", **more: Any) -> Chronicles:
    """What ``chronicles`` would return for a log with these values."""
    reading = log({e: {name: v} for e, v in points.items()}, **more)
    choice = Choice(name=name, mode=Mode.MAX, in_logs=name)
    folder = Path("runs") / run
    history = chronicle(folder, course_of([]), choice, reading, (Path("train.log"),))
    reports, _ = judge_history([Run(name=run, folder=folder, choice=choice, history=history)])
    return Chronicles(runs=tuple(reports), findings=findings_of(reports))


def together(*found: Chronicles, notes: tuple[str, ...] = ()) -> Chronicles:
    """Several of them as one."""
    runs = tuple(run for one in found for run in one.runs)
    return Chronicles(runs=runs, findings=findings_of(runs), notes=notes)


def asked(*paths: str) -> Asked:
    return Asked(paths=tuple(map(Path, paths)))


def shown(found: Chronicles, screen: Screen, question: Asked) -> str:
    """What a person sees who asked this."""
    several = len(found.runs) > 1
    runs = tuple(with_next(run, question, several=several) for run in found.runs)
    return history_text(replace(found, runs=runs), screen)


def test_the_story_on_one_screen() -> None:
    text = shown(made(STORY), PLAIN, asked("my runs"))
    lines = text.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert lines[0] == "IoU of 11 epochs, 85 to 99, from train.log"
    assert "Best:      epoch 88, 0.6413, from the log" in lines
    assert "●" in text
    assert "▼" in text
    assert "Error:     CD402 IoU collapsed from 0.6413 at epoch 88 to 0.0022 at epoch 98" in lines
    assert "Warning:   CD401 IoU declined from 0.6413 at epoch 88 to 0.5742 at epoch 97" in lines
    assert lines[-1] == "Next:      ckptdoctor plan 'my runs'"


def test_quiet_has_no_plot_and_verbose_shows_what_could_not_be_read() -> None:
    facts = LogFacts(path=Path("a.log"), unread=2, examples=("a.log:3: {x",))
    found = made(STORY, logs=(facts,))
    quiet = shown(found, Screen(width=80, colour=False, verbosity=-1), asked())
    assert "┤" not in quiet
    assert "CD402" in quiet
    assert "2 lines could not be read (-v shows some)" in shown(found, PLAIN, asked())
    loud = shown(found, Screen(width=80, colour=False, verbosity=1), asked())
    assert "  a.log:3: {x" in loud.splitlines()


def test_an_earlier_attempt_is_said_and_drawn() -> None:
    points = {e: 0.5 + e / 1000 for e in range(80, 100)}
    found = made(points, superseded=frozenset(range(95, 100)), restarts=1)
    assert "epochs 95–99 are of an earlier attempt" in shown(found, PLAIN, asked())
    assert 'class="old"' in history_html(found)


def test_two_runs_are_told_apart() -> None:
    note = "fold_2: other.log was set aside: it tells other values"
    both = together(
        made(STORY, run="fold_1"), made({1: 0.5, 2: 0.6}, "dice", "fold_2"), notes=(note,)
    )
    text = shown(both, PLAIN, asked("runs"))
    lines = text.splitlines()
    first, second = lines.index("fold_1"), lines.index("fold_2")
    assert lines.index("Next:      ckptdoctor plan runs --run fold_1") in range(first, second)
    assert text.count("Next:") == 1  # nothing is wrong with the other
    assert text.count("┤") >= 4  # a plot each
    assert note in " ".join(text.split())
    content = json.loads(history_json(both))
    assert [run["metric"] for run in content["runs"]] == ["IoU", "dice"]
    assert [run["name"] for run in content["runs"]] == ["fold_1", "fold_2"]
    assert [run["path"] for run in content["runs"]] == ["runs/fold_1", "runs/fold_2"]
    assert {finding["subject"] for finding in content["findings"]} == {"fold_1"}
    assert content["notes"] == [note]
    rows = list(csv.DictReader(io.StringIO(history_csv(both))))
    assert [row["run"] for row in rows] == ["fold_1"] * len(STORY) + ["fold_2"] * 2
    html = history_html(both)
    assert html.count("<svg") == 4  # a wide and a narrow one each
    page = Page(html)
    assert "fold_1: IoU" in page.text
    assert "fold_2: dice" in page.text
    assert "CD402 metric collapsed in fold_1:" in page.text
    assert note in page.text


def test_of_many_runs_only_the_words_are_shown_unless_asked() -> None:
    many = together(*(made(STORY, run=f"fold_{n}") for n in range(9)))
    assert "┤" not in shown(many, PLAIN, asked())
    loud = shown(many, Screen(width=80, colour=False, verbosity=1), asked())
    assert loud.count("└") == 9


def test_logs_that_were_not_believed_are_in_the_json() -> None:
    (run,) = made(STORY).runs
    aside = LogAside(path=Path("runs/other.log"), reason="tells other values")
    found = Chronicles(runs=(replace(run, run=replace(run.run, aside=(aside,))),))
    (told,) = json.loads(history_json(found))["runs"]
    assert told["logs_aside"] == [{"path": "runs/other.log", "reason": "tells other values"}]


def test_json_has_the_keys_of_the_contract() -> None:
    def refuse(token: str) -> None:
        raise AssertionError(token)

    content = json.loads(history_json(made(STORY)), parse_constant=refuse)
    assert content["schema_version"] == 1
    assert content["metric"] == "IoU"
    assert content["points"][0] == {
        "epoch": 85,
        "step": None,
        "value": 0.6408,
        "source": "log",
        "kind": "score",
        "path": None,
    }
    assert content["points"][-1]["value"] == "NaN"
    assert content["best"]["epoch"] == 88
    assert content["decline"] == {"from": 89, "to": 97, "from_step": None, "to_step": None}
    assert content["collapse"] == {"epoch": 98, "step": None}
    assert {finding["code"] for finding in content["findings"]} >= {"CD401", "CD402"}
    sound = json.loads(history_json(made({1: 0.5, 2: 0.6})))
    assert sound["decline"] is sound["collapse"] is None
    empty = json.loads(history_json(Chronicles(crashes=(Crash(rule="R", path=Path(), error="e"),))))
    assert (empty["metric"], empty["points"], empty["best"]) == (None, [], None)
    assert empty["errors"][0]["rule"] == "R"


def test_csv_is_read_back() -> None:
    rows = list(csv.DictReader(io.StringIO(history_csv(made(STORY)))))
    assert len(rows) == len(STORY)
    assert rows[3]["value"] == "0.6413"
    assert math.isnan(float(rows[-1]["value"]))


def test_the_page_shows_the_curve_and_what_went_wrong() -> None:
    html = history_html(made(STORY))
    page = Page(html)
    for words in ("collapse", "decline", "best", "CD402 metric collapsed", "epochs 89 to 97"):
        assert words in page.text
    assert "<script" not in without_our_script(html)
    assert "http" not in html.replace("http-equiv", "")
    assert "No epoch of a metric is known here" in history_html(Chronicles())
    assert "<svg" not in history_html(made({1: math.nan}))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.one_in(3)
def test_names_from_a_file_are_neutralised(text: str) -> None:
    one = made(
        STORY,
        text or "x",
        logs=(
            LogFacts(
                path=Path(text.replace("\0", "") or "x"),
                names=(text,),
                rows=1,
                unread=1,
                examples=(text,),
            ),
        ),
    )
    found = together(one, made(STORY, run=text.replace("\0", "")), notes=(text,))
    text_shown = shown(found, Screen(width=80, colour=False, verbosity=1), asked(text or "x"))
    assert "\x1b" not in text_shown
    assert "\x07" not in text_shown
    html = history_html(found)
    assert "<script" not in without_our_script(html)
    assert "\x1b" not in html
    assert "\x1b" not in history_csv(found)
    json.loads(history_json(made(STORY, ALL_HOSTILE)))


def test_of_one_place_no_curve_is_drawn() -> None:
    one = Point(at=3, epoch=3, value=0.5, source=Source.LOG)
    history = History(metric="x", mode=Mode.MAX, points=(one,))
    assert plot_lines(history, 80, 12) == []
    points = (one, replace(one, at=4, epoch=4))
    assert len(plot_lines(replace(history, points=points), 80, 12)) == 12


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.dictionaries(st.integers(0, 10**6), st.floats(), min_size=1, max_size=40),
    st.integers(20, 200),
    st.integers(5, 30),
)
def test_any_curve_fits_its_columns(points: dict[int, float], width: int, height: int) -> None:
    history = History(
        metric="x",
        mode=Mode.MAX,
        points=tuple(
            Point(at=e, epoch=e, value=v, source=Source.LOG) for e, v in sorted(points.items())
        ),
    )
    lines = plot_lines(history, width, height)
    assert len(lines) in (0, height)
    assert all(len(line) <= max(width, 40) for line in lines)
