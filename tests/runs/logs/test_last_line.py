"""The last line of a log without a line end: which of its numbers may be cut."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.logs import read_logs
from ckptdoctor.runs.logs.last_line import without_cut_number
from tests.each import each

BEFORE = [f"Epoch {e}: loss 0.{e}123 val_acc 0.{e}413".encode() for e in range(1, 10)]


@each(
    ("last", "left"),
    [
        ("Epoch 10: loss 0.1234 val_acc 0", "Epoch 10: loss 0.1234 val_acc "),
        ("Epoch 10: loss 0.1234 val_acc 0.", "Epoch 10: loss 0.1234 val_acc "),
        ("Epoch 10: loss 0.1234 val_acc 0.0", "Epoch 10: loss 0.1234 val_acc "),
        ("Epoch 10: loss 0.12", "Epoch 10: loss "),
        ("Epoch 1", "Epoch "),  # of 10
        ("Epoch 10: loss 0.1234 val_acc 0.0012", "Epoch 10: loss 0.1234 val_acc 0.0012"),
        ("Epoch 10: loss 0.1234 val_acc nan", "Epoch 10: loss 0.1234 val_acc nan"),
        ("Epoch 10: loss 0.1234 val", "Epoch 10: loss 0.1234 val"),
        ("Epoch 10: loss 0.1234 val.", "Epoch 10: loss 0.1234 val."),
        ("", ""),
        (".", "."),
        ("best of all 0", "best of all 0"),  # nothing like it stands above
    ],
)
def test_a_number_with_fewer_digits_than_those_above_it_is_left_out(last: str, left: str) -> None:
    assert without_cut_number(last.encode(), BEFORE) == left.encode()


def test_one_line_above_with_as_few_digits_is_enough_to_believe_a_number() -> None:
    lines = [b"val_acc 0.6413", b"val_acc 0.64", b"val_acc 0.6512"]
    assert without_cut_number(b"val_acc 0.12", lines) == b"val_acc 0.12"
    assert without_cut_number(b"val_acc 0.1", lines) == b"val_acc "


def test_powers_and_whole_numbers() -> None:
    assert without_cut_number(b"loss 1.2e-0", [b"loss 1.4e-05"]) == b"loss "
    assert without_cut_number(b"loss 1.2e-05", [b"loss 1.4e-05"]) == b"loss 1.2e-05"
    assert without_cut_number(b"loss 1.2", [b"loss 1.4e-05"]) == b"loss "
    assert without_cut_number(b"right 98", [b"right 9821"]) == b"right "
    assert without_cut_number(b"right 9822", [b"right 9821"]) == b"right 9822"


def test_a_bar_that_is_being_drawn_is_held_against_what_it_drew_before() -> None:
    drawn = b"\r".join(b"Epoch 3: 10%% acc 0.5%d00" % n for n in range(5))
    assert without_cut_number(drawn + b"\rEpoch 3: 60% acc 0.5", []).endswith(b"60% acc ")


_TEXT = st.text("Epoch loss 0123456789.-+e\r", max_size=40).map(str.encode) | st.binary(max_size=40)


@given(_TEXT, st.lists(_TEXT, max_size=5))
def test_of_any_bytes_the_beginning_is_left(line: bytes, before: list[bytes]) -> None:
    assert line.startswith(without_cut_number(line, before))


SCORES = [round(0.3 + 0.021 * at, 4) for at in range(12)]


@each("end", ["\n", "\r\n"])
@each(
    ("name", "head", "line", "cut"),
    [
        ("train.log", "", "Epoch {e}: loss 0.5 val_acc {s:.4f}", "Epoch 13: loss 0.5 val_acc 0"),
        ("train.log", "", "Epoch {e}\nloss 0.5\nval_acc {s:.4f}", "Epoch 13\nloss 0.5\nval_acc 0."),
        ("train.log", "", "Epoch {e}: val_acc {p:.2f}%", "Epoch 13: val_acc 5"),
        ("log.csv", "epoch,loss,val_acc\n", "{e},0.5,{s:.4f}", "13,0.5,0"),
        ("log.csv", "epoch,loss,val_acc\n", "{e},0.5,{s:.4f}", "1"),
        ("train.log", "epoch | loss | val_acc\n", "{e} | 0.5 | {s:.4f}", "13 | 0.5 | 0.0"),
    ],
)
def test_a_log_that_was_cut_tells_what_stands_before_the_cut(
    tmp_path: Path, name: str, head: str, line: str, cut: str, end: str
) -> None:
    whole = "".join(
        line.format(e=e, s=score, p=score * 100) + "\n" for e, score in enumerate(SCORES, start=1)
    )
    path = tmp_path / name
    path.write_text((head + whole + cut).replace("\n", end), encoding="utf-8", newline="")
    reading = read_logs([path])
    found = [v["val_acc"] for v in reading.epochs.values() if "val_acc" in v]
    assert found == pytest.approx([s * (100 if "%" in line else 1) for s in SCORES], abs=1e-4)
    assert reading.restarts == 0


def test_what_is_whole_is_believed_without_a_line_end(tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    for last, wanted in (("0.0012", 0.0012), ("nan", math.nan)):
        lines = [f"Epoch {e}: val_acc {s:.4f}" for e, s in enumerate(SCORES, start=1)]
        path.write_text("\n".join([*lines, f"Epoch 13: val_acc {last}"]), encoding="utf-8")
        assert read_logs([path]).epochs[13]["val_acc"] == pytest.approx(wanted, nan_ok=True)
