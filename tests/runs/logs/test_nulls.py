"""JSON's null: NaN where all losses are gone at once, and not measured elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from ckptdoctor.runs.wish import Wish
from ckptdoctor.survey import chronicles
from tests.each import each

EPOCHS = range(20)
Rows = Iterable[Mapping[str, object]]


def usual(epoch: int) -> dict[str, float]:
    loss = round(2 / (epoch + 1), 4)
    return {"loss": loss, "val_loss": loss + 0.1, "val_acc": round(0.4 + 0.02 * epoch, 3)}


def codes(folder: Path, rows: Rows, name: str = "log.jsonl") -> set[str]:
    path = folder / name
    every = [{"epoch": at, **row} for at, row in enumerate(rows)]
    lines = "".join(json.dumps(row) + "\n" for row in every)
    path.write_text(json.dumps(every) if name.endswith(".json") else lines)
    return {one.code for one in chronicles([], Wish(logs=(path,))).findings}


@pytest.mark.parametrize("name", ["log.jsonl", "history.json"])
@pytest.mark.parametrize(
    "gone",
    [("loss", "val_loss", "val_acc"), ("loss", "val_loss")],
    ids=["all", "the losses alone"],
)
def test_where_every_loss_is_null_it_is_nan(
    gone: tuple[str, ...], name: str, tmp_path: Path
) -> None:
    bad = dict.fromkeys(gone)
    rows = [usual(epoch) if epoch < 15 else usual(epoch) | bad for epoch in EPOCHS]
    assert "CD404" in codes(tmp_path, rows, name)


def test_a_loss_that_is_null_in_every_second_step_is_not_measured(tmp_path: Path) -> None:
    rows = [usual(e) if e % 2 else {**usual(e), "loss": None, "val_loss": None} for e in EPOCHS]
    assert "CD404" not in codes(tmp_path, rows)


@each(
    "gone",
    [("val_acc",), ("val_loss", "val_acc")],  # validation now and then; and no longer at all
)
@each("when", ["at first", "in between", "at last"])
def test_what_is_null_beside_a_loss_is_not_measured(
    when: str, gone: tuple[str, ...], tmp_path: Path
) -> None:
    are = {"at first": lambda e: e < 4, "in between": lambda e: e % 5, "at last": lambda e: e > 9}
    rows = [{**usual(e), **(dict.fromkeys(gone) if are[when](e) else {})} for e in EPOCHS]
    assert "CD404" not in codes(tmp_path, rows)


def test_a_row_of_an_evaluation_has_no_loss_of_the_training(tmp_path: Path) -> None:
    """Rows of one schema: what a row does not have is null in it."""
    rows: list[Mapping[str, object]] = []
    for epoch in EPOCHS:
        train = {"loss": usual(epoch)["loss"], "val_acc": None}
        rows += [train, train, train, train, {"loss": None, "val_acc": usual(epoch)["val_acc"]}]
    assert "CD404" not in codes(tmp_path, rows)


def test_a_test_at_the_end_has_no_loss_of_the_training(tmp_path: Path) -> None:
    rows = [{**usual(epoch), "test_acc": None} for epoch in EPOCHS]
    end = {**dict.fromkeys(usual(0)), "test_acc": 0.8}
    assert "CD404" not in codes(tmp_path, [*rows, end])


def test_it_is_told_that_null_was_read_as_nan(tmp_path: Path) -> None:
    rows = [usual(e) if e < 15 else dict.fromkeys(usual(e)) for e in EPOCHS]
    codes(tmp_path, rows)
    (history,) = chronicles([], Wish(logs=(tmp_path / "log.jsonl",))).histories
    assert [log.form for log in history.readings] == ["JSON lines, null as NaN"]
    assert math.isnan(history.values[16]["loss"])
