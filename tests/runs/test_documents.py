"""Files that hold a log as a whole: what they say, and what is left of one that was cut off."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.logs import Row
from ckptdoctor.runs.logs.documents import DOCUMENTS, Part, Unread, document_of
from tests.each import each

nbformat: Any = importlib.import_module("nbformat")  # it has no types
NAN = math.nan
HISTORY = {
    "loss": [0.9, 0.7, 0.5, 0.4],
    "val_loss": [1.0, 0.8, 0.7, NAN],
    "val_accuracy": [0.3, 0.5, 0.6, 0.64],
}
EPOCHS = [{"epoch": e, "train_loss": 1 / e, "val_iou": 0.1 * e} for e in range(1, 6)]


def parts(text: str | bytes, name: str = "log.json") -> list[Part]:
    raw = text if isinstance(text, bytes) else text.encode()
    found = document_of(raw, Path(name))
    return list(found.read(raw, Path(name))) if found is not None else []


def told(text: str | bytes, name: str = "log.json") -> list[tuple[object, object, object]]:
    """Epoch, step and values of each row; the values without the step."""
    return [
        (row.epoch, row.step, {k: v for k, v in row.values.items() if k != "step"})
        for row in parts(text, name)
        if isinstance(row, Row)
    ]


def lines(text: str | bytes, name: str) -> list[bytes]:
    return [part for part in parts(text, name) if isinstance(part, bytes)]


# -- what a whole training left ------------------------------------------------------------------


@pytest.mark.parametrize("indent", [None, 2])
def test_the_history_of_keras_is_counted_from_1(indent: int | None) -> None:
    found = told(json.dumps(HISTORY, indent=indent))
    assert [epoch for epoch, _, _ in found] == [1, 2, 3, 4]
    assert found[2][2] == {"loss": 0.5, "val_loss": 0.7, "val_accuracy": 0.6}
    (_, _, last) = found[3]
    assert isinstance(last, dict)
    assert math.isnan(last["val_loss"])


def test_a_list_of_epochs_within_tells_them() -> None:
    found = told(json.dumps({"epoch": [10, 20], **{k: v[:2] for k, v in HISTORY.items()}}))
    assert [epoch for epoch, _, _ in found] == [10, 20]
    nested = {"train": {"loss": [4, 3, 2, 1]}, "val": {"epoch": [2, 4], "iou": [0.1, 0.2]}}
    assert told(json.dumps(nested)) == [
        (1, None, {"train/loss": 4}),
        (2, None, {"train/loss": 3, "val/iou": 0.1}),
        (3, None, {"train/loss": 2}),
        (4, None, {"train/loss": 1, "val/iou": 0.2}),
    ]
    by_step = {"step": [100, 200], "train_loss": [0.5, 0.4]}
    assert [step for _, step, _ in told(json.dumps(by_step))] == [100, 200]


def test_lists_of_batches_and_of_every_few_epochs_go_with_the_others() -> None:
    history = HISTORY | {"batch_loss": [float(n) for n in range(40)], "lr": [0.1, 0.2, 0.3]}
    found = parts(json.dumps(history))
    rows = [part for part in found if isinstance(part, Row)]
    assert [row.values["batch_loss"] for row in rows] == [9, 19, 29, 39]
    assert [part.text for part in found if isinstance(part, Unread)] == [
        "lr: 3 values, where other lists have 4"
    ]
    every_second = told(json.dumps({"train_loss": [4, 3, 2, 1], "val_iou": [0.1, 0.2]}))
    assert every_second[3][2] == {"train_loss": 1, "val_iou": 0.2}
    assert every_second[2][2] == {"train_loss": 2}


@each(
    "value",
    [
        EPOCHS,
        {"history": EPOCHS},
        {str(one["epoch"]): {**one, "epoch": one["epoch"]} for one in EPOCHS},
        {f"epoch_{one['epoch']}": {k: one[k] for k in list(one)[1:]} for one in EPOCHS},
        {"metrics": {"epochs": [{"metrics": {}, **one} for one in EPOCHS]}},
        {key: {str(at): one[key] for at, one in enumerate(EPOCHS)} for key in EPOCHS[0]},
        {key: [one[key] for one in EPOCHS] for key in EPOCHS[0]},
    ],
)
@each("indent", [None, 2])
def test_the_same_epochs_in_every_shape(value: object, indent: int | None) -> None:
    assert told(json.dumps(value, indent=indent)) == [
        (one["epoch"], None, {"train_loss": one["train_loss"], "val_iou": one["val_iou"]})
        for one in EPOCHS
    ]


def test_a_record_without_an_epoch_belongs_to_the_one_above_it() -> None:
    """As MMEngine writes them: the step of an evaluation is the epoch."""
    records = [
        {"epoch": 1, "step": 100, "loss": 0.9},
        {"val_iou": 0.5, "step": 1},
        {"epoch": 2, "step": 200, "loss": 0.8},
        {"val_iou": 0.6, "step": 250},
        {"val_dice": 0.7},
    ]
    assert told(json.dumps(records)) == [
        (1, 100, {"loss": 0.9}),
        (1, None, {"val_iou": 0.5}),
        (2, 200, {"loss": 0.8}),
        (2, 250, {"val_iou": 0.6}),
        (2, None, {"val_dice": 0.7}),
    ]


def test_what_is_no_record_among_records_is_told() -> None:
    found = parts(json.dumps([{"epoch": 1, "val_iou": 0.5}, "text", {"val_iou": 0.6, "epoch": 2}]))
    assert [type(one) for one in found] == [Row, Row, Unread]
    assert [one.text for one in found if isinstance(one, Unread)] == ["text"]
    first = parts(json.dumps([{"val_iou": 0.4}, {"epoch": 2, "val_iou": 0.5}]))
    assert [type(one) for one in first] == [Unread, Row]  # it is of no moment


def test_groups_give_their_name_to_what_is_in_them() -> None:
    value = {
        "train": [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.4}],
        "val": [{"epoch": 1, "loss": 0.6, "iou": 0.3}],
    }
    assert sorted(told(json.dumps(value)), key=str) == [
        (1, None, {"train/loss": 0.5}),
        (1, None, {"val/loss": 0.6, "val/iou": 0.3}),
        (2, None, {"train/loss": 0.4}),
    ]
    deep = {"1": {"train": {"loss": 0.5}, "val": {"iou": 0.3}}}
    assert told(json.dumps(deep)) == [(1, None, {"train/loss": 0.5, "val/iou": 0.3})]


def test_the_state_of_the_hugging_face_trainer() -> None:
    state = {
        "best_metric": 0.5,
        "epoch": 1.0,
        "global_step": 200,
        "log_history": [
            {"epoch": 0.5, "grad_norm": NAN, "loss": "0.0", "step": 100},
            {"epoch": 1.0, "eval_loss": 0.5, "step": 200},
            7,
            {"loss": 0.3},
        ],
    }
    found = parts(json.dumps(state, indent=2), "trainer_state.json")
    rows = [part for part in found if isinstance(part, Row)]
    assert [(row.epoch, row.step) for row in rows] == [(0.5, 100), (1.0, 200), (1.0, None)]
    assert rows[0].values["loss"] == 0
    assert math.isnan(rows[0].values["grad_norm"])
    assert [part.text for part in found if isinstance(part, Unread)] == ["7"]


def test_the_summary_of_weights_and_biases_is_one_row() -> None:
    summary = {
        "_runtime": 12.5,
        "_step": 400,
        "_timestamp": 1.7e9,
        "_wandb": {"runtime": 12},
        "epoch": 4,
        "val": {"iou": 0.61},
        "loss": "NaN",
    }
    (row,) = parts(json.dumps(summary, indent=1), "wandb-summary.json")
    assert isinstance(row, Row)
    assert (row.epoch, row.step, row.time_s) == (4, 400, 1.7e9)
    assert row.values["val/iou"] == 0.61
    assert math.isnan(row.values["loss"])
    assert set(row.values) == {"val/iou", "loss"}


@each(
    "value",
    [
        {"architectures": ["Net"], "layers": [3, 4, 6], "id2label": {"0": "cat", "1": "dog"}},
        {"epochs": 100, "lr": 0.1, "milestones": [30, 60]},
        {"metadata": {"total_size": 9}, "weight_map": {"a": "b.safetensors"}},
        [{"image_id": 1, "score": 0.9, "bbox": [1, 2, 3, 4]}, {"image_id": 2, "score": 0.8}],
        [{"text": "a", "label": 1}],
        {"schema_version": 1, "points": [{"epoch": 1, "loss": 0.5}]},
        {},
        [],
        [1, 2, 3],
        {"images": [{"id": 1}], "annotations": [{"id": 1, "area": 5.0}]},
    ],
)
def test_of_what_is_no_training_nothing_is_said(value: object) -> None:
    assert parts(json.dumps(value)) == []
    assert parts(json.dumps(value, indent=2)) == []


@each(
    "text",
    [
        '{"epoch": 1, "loss": 0.5}\n{"epoch": 2, "loss": 0.4}\n',
        '{"epoch": 1, "loss": 0.5}\n{"epo',
        '{"epoch": 1, "loss": 0.5}',
        '{"epoch": 1, "dice": [0.5, 0.4]}\n{"epoch": 2}\n',
        "{'loss': 0.5, 'epoch': 1.0}\n",
        "[2024-01-01 10:00:00] Epoch 1: loss 0.5\n",
        "[1/20] loss 0.5\n",
        "",
    ],
)
def test_lines_are_left_to_the_reader_of_lines(text: str) -> None:
    assert document_of(text.encode(), Path("log.json")) is None


# -- cut off -------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [EPOCHS, {"log_history": EPOCHS}])
def test_of_objects_that_are_cut_off_those_before_the_cut_are_read(value: object) -> None:
    text = json.dumps(value)
    whole = told(text)
    for at in range(40, len(text)):
        found = told(text[:at])
        assert len(found) >= text[:at].count("}")
        for mine, theirs in zip(found, whole, strict=False):
            assert mine[0] == theirs[0]
            assert set(mine[2].items()) <= set(theirs[2].items())  # type: ignore[attr-defined]


def test_of_a_history_that_is_cut_off_no_value_changes_its_epoch() -> None:
    history = {name: [round(n * 1.5, 1) for n in range(6)] for name in ("loss", "val_loss", "iou")}
    text = json.dumps(history)
    for at in range(20, len(text)):
        for epoch, _, values in told(text[:at]):
            assert set(values.values()) == {1.5 * (epoch - 1)}  # type: ignore[attr-defined,operator]


@pytest.mark.parametrize("text", ['{"loss": ' + "[" * 5000, "[" + '{"a":' * 5000, '{"loss" 3'])
def test_what_is_broken_or_too_deep_is_told(text: str) -> None:
    found = parts(text)
    assert all(isinstance(part, Unread) for part in found)


def test_something_behind_it_is_passed_over() -> None:
    assert len(told(json.dumps(EPOCHS) + "\ntrailing")) == 5


# -- notebooks -----------------------------------------------------------------------------------

FASTAI = """
<style>/* */</style>
<table border="1" class="dataframe">
  <thead>
    <tr style="text-align: left;">
      <th>epoch</th>
      <th>train_loss</th>
      <th>dice</th>
      <th>time</th>
    </tr>
  </thead>
  <tbody>
    <tr>
      <td>0</td>
      <td>0.512345</td>
      <td>0.601234</td>
      <td>00:12</td>
    </tr>
  </tbody>
</table>"""
TRAINER = """
    <div>
      <progress value='30' max='30' style='width:300px; height:20px;'></progress>
      [30/30 00:05, Epoch 2/2]
    </div>
    <table border="1" class="dataframe">
  <thead>
 <tr style="text-align: left;">
      <th>Epoch</th>
      <th>Training Loss</th>
      <th>Validation Loss</th>
    </tr>
  </thead>
  <tbody>
    <tr>
      <td>1</td>
      <td>No log</td>
      <td>0.693147</td>
    </tr>
  </tbody>
</table><p>"""


def notebook(outputs: Sequence[object]) -> str:
    cell = nbformat.v4.new_code_cell("train()", outputs=list(outputs))
    text = nbformat.v4.new_markdown_cell("Epoch 7: loss 0.1")
    return str(nbformat.writes(nbformat.v4.new_notebook(cells=[text, cell])))


def test_what_the_cells_of_a_notebook_printed() -> None:
    made = nbformat.v4.new_output
    text = notebook(
        [
            made("stream", name="stdout", text="Epoch 1: loss 0.5\nbar\rEpoch 2: loss 0.4\r\n"),
            made("execute_result", data={"text/plain": "{'loss': 0.3}"}),
            made("display_data", data={"text/html": FASTAI, "text/plain": "<HTML>"}),
            made("display_data", data={"text/html": TRAINER}),
            made("display_data", data={"image/png": "aGk=", "text/plain": "<Figure>"}),
        ]
    )
    assert [line for line in lines(text, "train.ipynb") if line] == [
        b"Epoch 1: loss 0.5",
        b"bar\rEpoch 2: loss 0.4",
        b"{'loss': 0.3}",
        b"| epoch | train_loss | dice | time |",
        b"|---|---|---|---|",
        b"| 0 | 0.512345 | 0.601234 | 00:12 |",
        b"| Epoch | Training Loss | Validation Loss |",
        b"|---|---|---|",
        b"| 1 | No log | 0.693147 |",
        b"<Figure>",
    ]
    assert b"Epoch 1: loss 0.5" in lines(text[:-300], "train.ipynb")


def test_a_notebook_of_version_3_has_its_cells_in_worksheets() -> None:
    old = nbformat.v4.new_output("stream", name="stdout", text="Epoch 1: loss 0.5\n")
    new = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=[old])])
    text = nbformat.v3.writes_json(nbformat.convert(new, 3))
    assert b"Epoch 1: loss 0.5" in lines(text, "train.ipynb")


# -- Kaggle --------------------------------------------------------------------------------------


def test_the_log_of_kaggle_is_what_was_printed() -> None:
    printed = [
        ("stdout", "Epoch 1: lo"),
        ("stderr", "warn"),
        ("stdout", "ss 0.5\nEpoch 2: loss 0.4\n"),
    ]
    texts = [json.dumps({"stream_name": s, "time": 1.5, "data": d}) for s, d in printed]
    wanted = [b"Epoch 1: loss 0.5", b"Epoch 2: loss 0.4", b"warn"]
    assert lines("[" + "\n,".join(texts) + "\n]", "kernel.log") == wanted
    assert lines("[" + ",\n".join(texts), "kernel.log") == wanted
    assert lines("," + "\n,".join(texts), "kernel.log") == wanted
    assert lines("[" + ",".join(texts) + "]", "kernel.log") == wanted
    assert lines(("[" + "\n,".join(texts))[:-5], "kernel.log") == [b"Epoch 1: lo", b"warn"]


# -- MLflow --------------------------------------------------------------------------------------


def test_a_metric_of_mlflow_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mlruns/0/abc/metrics/val/iou"
    text = "1700000000000 0.5 99\n1700000060000 nan 199\nbroken\n"
    assert told(text, str(path))[0] == (None, 99, {"val/iou": 0.5})
    assert [part.number for part in parts(text, str(path)) if isinstance(part, Unread)] == [3]
    by_epoch = "1700000000000 0.5 0\n1700000060000 0.6 1\n"
    assert told(by_epoch, str(path))[1] == (1, None, {"val/iou": 0.6})
    (tmp_path / "mlruns/0/abc/metrics").mkdir(parents=True)
    (tmp_path / "mlruns/0/abc/metrics/epoch").write_text("1 0 99\n1700000000000 1.0 199\n")
    assert told(text, str(path))[1][0] == 1
    assert document_of(text.encode(), tmp_path / "timings.txt") is None


# -- whatever it is ------------------------------------------------------------------------------

_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["epoch", "step", "loss", "val", "iou", "1", "2", "cells", "data"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(_JSON, st.integers(0, 400), st.sampled_from(["a.json", "a.ipynb", "metrics/loss"]))
def test_no_document_is_fatal(value: object, cut: int, name: str) -> None:
    text = json.dumps(value)[: cut if cut < 350 else None].encode()
    for document in DOCUMENTS:
        for part in document.read(text, Path("mlruns/metrics") / name):
            assert isinstance(part, Row | bytes | Unread)
