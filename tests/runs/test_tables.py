"""CSV as loggers write it: by epoch, by step, by the number of the row."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.logs.documents import Unread
from ckptdoctor.runs.logs.headings import heading_of
from ckptdoctor.runs.logs.log_reading import Row
from ckptdoctor.runs.logs.tables import table_rows
from tests.each import each

Told = list[tuple[float | None, int | None, dict[str, float]]]


def parts(text: str) -> list[Row | Unread]:
    heading = heading_of(text.encode())
    assert heading is not None
    return list(table_rows(text.encode().split(b"\n"), heading))


def told(text: str) -> Told:
    """Epoch, step and values of each row; the values without the step."""
    steps = ("step", "Step", "global_step", "iter", "iteration")
    return [
        (row.epoch, row.step, {k: v for k, v in row.values.items() if k not in steps})
        for row in parts(text)
        if isinstance(row, Row)
    ]


@each(
    ("head", "is_watched", "says_data"),
    [
        ("epoch,loss", True, True),
        ("epoch,val_iou", True, True),
        ("epoch,train_iou", True, True),
        ("step,iou", True, False),  # a model may say so of its data
        ("step,Loss_total", True, True),
        ("epoch,speed", False, False),
    ],
)
def test_whether_a_table_tells_of_a_training(head: str, is_watched: bool, says_data: bool) -> None:
    heading = heading_of(f"{head}\n1,0.5\n".encode())
    assert heading is not None
    assert (heading.is_watched, heading.says_data) == (is_watched, says_data)
    named = heading_of(b"epoch,metric,value\n1,iou,0.5\n")  # a metric a row
    assert named is not None
    assert named.at_name is not None
    assert named.is_watched
    assert named.says_data


def written(names: Sequence[str], rows: Sequence[Sequence[object]], **how: object) -> str:
    """As the csv module of Python writes it, and so Keras, Lightning and pandas."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n", **how)  # type: ignore[arg-type]
    writer.writerows([names, *rows])
    return file.getvalue()


NAMES = ("epoch", "loss", "val_iou")
ROWS = [(1, 0.9, 0.1), (2, 0.5, 0.3), (3, math.nan, 0.2)]
WANTED: Told = [(1, None, {"loss": 0.9, "val_iou": 0.1}), (2, None, {"loss": 0.5, "val_iou": 0.3})]


@each("delimiter", [",", ";", "\t"])
@each("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_an_epoch_a_row(delimiter: str, quoting: int) -> None:
    found = told(written(NAMES, ROWS, delimiter=delimiter, quoting=quoting))
    assert found[:2] == WANTED
    assert math.isnan(found[2][2]["loss"])


def test_decimal_commas() -> None:
    text = "epoch;loss;val_iou\n1;0,9;0,1\n2;0,5;0,3\n3;1.234,5;-1,5e-3\n"
    assert told(text)[:2] == WANTED
    assert told(text)[2][2] == {"loss": 1234.5, "val_iou": -0.0015}


def test_padded_names_and_cells() -> None:
    text = "\n".join(
        ",".join(f"{cell:>20}" for cell in row) for row in [NAMES, *ROWS[:2], NAMES, ROWS[0]]
    )
    assert told(text) == [*WANTED, WANTED[0]]


@pytest.mark.parametrize("above", ["# made by a script\n# lr 0.1, loss bce\n", "\n\n", "#\n"])
def test_comments_above_and_between(above: str) -> None:
    assert told(f"{above}{written(NAMES, ROWS[:1])}# again\n\n2,0.5,0.3\n") == WANTED
    assert told("# epoch, loss, val_iou\n1, 0.9, 0.1\n2, 0.5, 0.3\n") == WANTED


def test_the_head_again_after_a_restart() -> None:
    found = parts(written(NAMES, ROWS[:2]) + written(NAMES, ROWS[:2]))
    assert all(isinstance(part, Row) for part in found)
    assert len(found) == 4


def test_another_head_after_a_restart() -> None:
    text = written(NAMES, ROWS[:2]) + "epoch,loss,val_loss,val_iou\n3,0.4,0.5,0.6\n"
    assert told(text)[2] == (3, None, {"loss": 0.4, "val_loss": 0.5, "val_iou": 0.6})


def test_a_step_a_row() -> None:
    text = "Step,Training Loss,Validation Loss\n500,0.9,0.8\n1000,0.7,0.6\n"
    assert told(text) == [
        (None, 500, {"Training Loss": 0.9, "Validation Loss": 0.8}),
        (None, 1000, {"Training Loss": 0.7, "Validation Loss": 0.6}),
    ]
    assert told("iteration\tloss\n10\t0.5\n") == [(None, 10, {"loss": 0.5})]


@pytest.mark.slow
def test_epoch_and_step_of_lightning(tmp_path: Path) -> None:
    """As Lightning's own logger writes it: training and validation in rows of their own."""
    loggers = pytest.importorskip("pytorch_lightning.loggers")
    logger = loggers.CSVLogger(str(tmp_path))
    for epoch in range(3):
        for step in range(4):
            logger.log_metrics({"train_loss": 1.0 - step / 10, "epoch": epoch}, epoch * 4 + step)
        logger.log_metrics({"val_iou": epoch / 10, "epoch": epoch}, epoch * 4 + 3)
    logger.save()
    (path,) = tmp_path.rglob("metrics.csv")
    found = told(path.read_text())
    scores = [(epoch, step, v["val_iou"]) for epoch, step, v in found if "val_iou" in v]
    assert scores == [(0, 3, 0.0), (1, 7, 0.1), (2, 11, 0.2)]
    assert [step for _, step, v in found if "train_loss" in v] == list(range(12))


def test_rows_without_an_epoch_belong_to_the_one_above() -> None:
    text = "epoch,step,loss,val_iou\n1,10,0.5,\n,20,0.4,\n2,30,0.3,0.6\n"
    assert [row[1] for row in told(text)] == [10, 20, 30]


@pytest.mark.parametrize("index", ["", "Unnamed: 0", "index"])
def test_the_index_of_pandas_is_the_epoch_as_it_stands(index: str) -> None:
    rows = [(at, 0.5, 0.6) for at in range(3)]
    assert [row[0] for row in told(written((index, "loss", "val_loss"), rows))] == [0, 1, 2]


def test_a_table_of_metrics_alone_is_counted_from_1() -> None:
    found = told("loss,val_loss,lr\n0.9,0.8,0.1\n0.7,0.6,0.1\n")
    assert [row[0] for row in found] == [1, 2]
    assert found[1][2] == {"loss": 0.7, "val_loss": 0.6, "lr": 0.1}


@each(
    "text",
    [
        "image,label\na.png,3\n",
        "id,prediction\n1,0.5\n",
        "step one, then loss\nwhatever\n",
        "name,iou\ncat,0.5\n",
        "image,width,height,loss_weight\na.png,3,4,1.0\n",
        "Epoch 1, loss 0.5, iou 0.3\nEpoch 2, loss 0.4, iou 0.4\n",
        "loss\n0.5\n",
        "",
        "\n\n",
        '"a","b\n',
    ],
)
def test_what_is_no_table_of_a_training(text: str) -> None:
    assert heading_of(text.encode()) is None


def test_a_row_that_is_broken_is_told_with_its_number() -> None:
    found = parts("epoch,iou\n1,0.5\nx,0.6\n2,0.7,9\n\n3\n4,0.8,\n")
    assert [(part.number, part.text) for part in found if isinstance(part, Unread)] == [
        (3, "x,0.6"),
        (4, "2,0.7,9"),
    ]
    assert [row.epoch for row in found if isinstance(row, Row)] == [1, 3, 4]


@pytest.mark.slow
def test_of_very_many_rows_those_that_say_something_stay() -> None:
    def row(at: int) -> str:
        loss = "nan" if at == 71_234 else f"{at % 97 / 100}"
        return f"{at // 20_000},{at},{loss},{0.5 if at % 20_000 == 10_001 else ''}"

    text = "epoch,step,loss,val_iou\n" + "\n".join(map(row, range(100_000)))
    found = told(text)
    assert len(found) < 20_000
    assert [step for _, step, v in found if "val_iou" in v] == list(range(10_001, 100_000, 20_000))
    assert [step for _, step, v in found if math.isnan(v.get("loss", 0))] == [71_234]
    last = {epoch: step for epoch, step, _ in found}
    assert last == {epoch: 20_000 * (epoch + 1) - 1 for epoch in range(5)}
    assert last[4] == 99_999
    alone = told("step,loss\n" + "\n".join(f"{at},{at % 97 / 100}" for at in range(100_000)))
    assert 10_000 < len(alone) < 60_000
    assert alone[-1][1] == 99_999


@given(st.lists(st.sampled_from(["epoch", "step", "loss", ",", ";", "\n", '"', "1", "nan", " "])))
def test_no_table_is_fatal(words: list[str]) -> None:
    raw = "".join(words).encode()
    heading = heading_of(raw)
    if heading is not None:
        for part in table_rows(raw.split(b"\n"), heading):
            assert isinstance(part, Row | Unread)


def test_a_table_in_long_form_has_a_metric_a_row() -> None:
    assert told("epoch,metric,value\n1,val iou,0.5\n1,loss,0.9\n2,val iou,nan\n") == [
        (1, None, {"val iou": 0.5}),
        (1, None, {"loss": 0.9}),
        (2, None, {"val iou": pytest.approx(math.nan, nan_ok=True)}),
    ]


def test_a_table_in_long_form_by_step_with_the_data_in_a_column() -> None:
    assert told("step;phase;name;value\n10;train;loss;0,5\n10;val;acc;0,6\n;;;\n") == [
        (None, 10, {"train loss": 0.5}),
        (None, 10, {"val acc": 0.6}),
    ]


def test_a_column_of_names_beside_columns_of_metrics_is_none_of_the_long_form() -> None:
    assert told("epoch,name,loss,score\n1,a,0.5,0.6\n") == [(1, None, {"loss": 0.5, "score": 0.6})]


@pytest.mark.slow
def test_of_a_very_long_table_in_long_form_every_nan_is_told() -> None:
    rows = "".join(
        f"{at},loss,{'nan' if at == 39_999 else at}\n{at},val_iou,0.5\n" for at in range(40_000)
    )
    found = [row for row in parts(f"step,tag,value\n{rows}") if isinstance(row, Row)]
    assert len(found) < 60_000
    assert any(math.isnan(row.values.get("loss", 0.0)) for row in found)


def test_a_cell_may_hold_what_a_program_prints_of_a_number() -> None:
    text = "epoch,loss,iou\n1,0.5,tensor(0.25)\n2,1.#QNAN,np.float64(nan)\n3,n/a (late),x\n"
    (_, _, first), (_, _, second), *rest = told(text)
    assert first == {"loss": 0.5, "iou": 0.25}
    assert all(map(math.isnan, second.values()))
    assert all(values == {} for *_, values in rest)
