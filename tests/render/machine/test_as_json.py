"""JSON as Python's own encoder writes it."""

from __future__ import annotations

import enum
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.render.machine.as_json import dump, dump_line, scan_json
from ckptdoctor.render.machine.rank import rank_csv, rank_json
from ckptdoctor.render.text import printable
from tests.each import each
from tests.render.outputs import ODD_RUN, collapse, runs

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # lone surrogates stand in names that are no UTF-8
    | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Mode(enum.StrEnum):
    """A text that is more than one."""

    MAX = "max"


@given(PLAIN)
@pytest.mark.slow
def test_it_says_what_the_standard_library_says(value: Any) -> None:
    assert dump(value) == json.dumps(value, indent=2) + "\n"
    assert dump_line(value) == json.dumps(value) + "\n"


@each(
    ("value", "plain"),
    [
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        ({"a": (1, math.inf)}, {"a": [1, "Infinity"]}),
        ({1: 2, None: Mode.MAX}, {"1": 2, "None": "max"}),
        ({1: "first", "1": "last"}, {"1": "last"}),
        ([1e400, True, 2**70, -0.0], ["Infinity", True, 2**70, -0.0]),
        (1 + 2j, "(1+2j)"),
    ],
)
def test_any_value_becomes_one_that_parsers_take(value: Any, plain: Any) -> None:
    assert dump(value) == json.dumps(plain, indent=2, allow_nan=False) + "\n"
    assert json.loads(dump_line(value)) == plain


def test_runs_have_the_keys_of_the_contract() -> None:
    content = json.loads(scan_json(runs()))
    assert (content["last_good"], content["next"]) == (None, None)
    odd, plain = content["runs"]
    assert set(odd) == {
        *("path", "name", "last_good", "next", "checkpoints", "logs", "logs_aside"),
        *("metric", "mode", "findings", "ignored"),
    }
    assert (odd["name"], odd["path"]) == (ODD_RUN, f"runs/{ODD_RUN}")
    assert odd["next"] == "ckptdoctor plan runs"
    assert odd["logs_aside"] == [{"path": "runs/other.log", "reason": "tells other values"}]
    assert [finding["code"] for finding in odd["findings"]] == ["CD402"]
    assert plain["next"] is None
    assert plain["last_good"]["path"] == "runs/plain/epoch_3.pth"
    assert (plain["metric"], plain["mode"], plain["logs"]) == ("iou", "max", ["runs/plain.log"])
    rows = {row["path"]: row for row in content["checkpoints"]}
    assert plain["checkpoints"] == [f"runs/plain/epoch_{n}.pth" for n in (1, 2, 3)]
    for run in content["runs"]:
        assert {rows[path]["run"] for path in run["checkpoints"]} == {run["name"]}
    assert rows[f"runs/{ODD_RUN}/imagenet.pth"]["run"] is None
    assert rows["runs/plain/epoch_1.pth"]["restored_from"] is None
    assert rows[f"runs/{ODD_RUN}/best_model_clean.pth"]["restored_from"] == {
        "source": f"runs/{ODD_RUN}/epoch_3.pth",
        "scale": 0.75,
        "set_lr": None,
        "epoch": 3,
    }
    assert [finding["subject"] for finding in content["findings"]] == [ODD_RUN]
    assert content["notes"] == list(runs().notes)


def test_of_one_run_the_answer_stands_on_top() -> None:
    content = json.loads(scan_json(collapse()))
    (run,) = content["runs"]
    assert content["last_good"] == run["last_good"]
    assert content["next"] == run["next"] == "ckptdoctor plan checkpoints"
    assert content["notes"] == []


def test_rank_names_the_run_of_each_place() -> None:
    places = json.loads(rank_json(runs()))["ranking"]
    assert [place["run"] for place in places] == [ODD_RUN] * 5 + ["plain"] * 3 + [None]
    assert [place["rank"] for place in places] == [1, 2, 3, 4, 5, 1, 2, 3, 6]
    cells = [line.rpartition(",")[2] for line in rank_csv(runs()).splitlines()]
    assert cells == ["run", *[printable(ODD_RUN)] * 5, *["plain"] * 3, ""]
