"""CSV: the rows a spreadsheet or a data frame gets, and that none of them is a formula."""

from __future__ import annotations

import csv
import io

import pytest

from ckptdoctor.render.machine.csv_table import CHECKPOINT_COLUMNS, scan_csv
from ckptdoctor.render.text import printable
from ckptdoctor.report import Report
from tests.render.outputs import CASES, ODD_RUN, collapse, hostile, runs
from tests.reports import metric, report


def rows(text: str) -> list[dict[str, str]]:
    read = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert tuple(read[0]) == CHECKPOINT_COLUMNS
    assert {len(row) for row in read} == {len(CHECKPOINT_COLUMNS)}
    return [dict(zip(read[0], row, strict=True)) for row in read[1:]]


def test_a_row_tells_what_the_table_tells() -> None:
    by_epoch = {row["epoch"]: row for row in rows(scan_csv(collapse()))}
    best, broken = by_epoch["88"], by_epoch["98"]
    assert (best["rank"], best["last_good"], best["verdict"]) == ("1", "yes", "healthy")
    assert (best["metric"], best["value"], best["mode"], best["kind"]) == (
        *("iou", "0.6413"),
        *("max", "score"),
    )
    assert (broken["nan"], broken["inf"], broken["errors"]) == ("12345", "1", "6")
    assert broken["codes"] == "CD201 CD301 CD405"
    assert broken["last_good"] == "no"
    assert broken["reason"].startswith("corrupt: CD201 432 of 432")
    assert by_epoch["101"]["value"] == "NaN"


def test_an_empty_report_has_a_header() -> None:
    assert rows(scan_csv(Report())) == []


@pytest.mark.parametrize("case", CASES)
def test_lines_end_as_rfc_4180_says(case: str) -> None:
    text = scan_csv(CASES[case]())
    assert text.endswith("\r\n")
    assert text.count("\n") == text.count("\r\n") == len(CASES[case]().checkpoints) + 1


def test_no_cell_is_a_formula() -> None:
    for row in rows(scan_csv(hostile())):
        for cell in row.values():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert any(row["path"].startswith("'=cmd") for row in rows(scan_csv(hostile())))


def test_figures_stay_figures() -> None:
    found = Report(checkpoints=(report("a.pth", 3, metric(-0.25, name="-x"), step=7),))
    (row,) = rows(scan_csv(found))
    assert (row["value"], row["metric"], row["global_step"]) == ("-0.25", "'-x", "7")
    assert (row["rank"], row["reason"]) == ("", "")


def test_every_row_names_its_run() -> None:
    found = rows(scan_csv(runs()))
    assert [row["run"] for row in found] == [printable(ODD_RUN)] * 5 + ["plain"] * 3 + [""]
    assert [row["path"] for row in found if row["last_good"] == "yes"] == [
        f"runs/{printable(ODD_RUN)}/epoch_3.pth",
        "runs/plain/epoch_3.pth",
    ]
    assert CHECKPOINT_COLUMNS[-3:] == ("run", "ignored", "lowered")  # what comes later stands last
