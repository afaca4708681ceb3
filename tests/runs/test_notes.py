"""What was not understood is said once, and of which run where there are several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ckptdoctor.metadata import Mode
from ckptdoctor.runs.metric import Choice
from ckptdoctor.runs.notes import notes_of
from ckptdoctor.runs.run import Formed, LogAside, Run

LOG = Path("old.log")
ASIDE = LogAside(path=LOG, reason="contradicts the scores")
WIBBLES = Choice(name="train_loss", mode=Mode.MIN, unknown=("val_wibble", "a b", "c", "d"))


def test_of_several_runs_it_is_said_which() -> None:
    first, second = (Run(name=name, aside=(ASIDE,), choice=WIBBLES) for name in ("g", "d"))
    aside = "old.log was set aside: it contradicts the scores"
    unknown = "not understood: val_wibble, a b, c; try --metric val_wibble --mode max"
    assert notes_of(Formed(runs=(first,))) == (aside, unknown)
    assert notes_of(Formed(runs=(first,)), several=True) == (f"g: {aside}", f"g: {unknown}")
    assert notes_of(Formed(runs=(first, second))) == (
        *(f"g: {aside}", f"g: {unknown}"),
        *(f"d: {aside}", f"d: {unknown}"),
    )
    assert notes_of(Formed(runs=(first, second)), several=False) == (aside, unknown)


@pytest.mark.parametrize(
    ("name", "told"),
    [("", True), ("train_loss", True), ("train_iou", True), ("val_loss", True), ("val_iou", False)],
)
def test_a_score_that_is_understood_leaves_no_question(name: str, told: bool) -> None:
    run = Run(choice=replace(WIBBLES, name=name, unknown=("a b",)))
    notes = notes_of(Formed(runs=(run,)))
    assert notes == (("not understood: a b; try --metric 'a b' --mode max",) if told else ())


def test_of_a_log_without_a_value_one_thing_is_said() -> None:
    silent, other = Path("silent.log"), Path("other.log")
    first, second = notes_of(Formed(silent=(silent,), unmatched=(silent, other)))
    assert first.startswith("silent.log: no epoch with a value")
    assert second.startswith("other.log: no line of it fits")
