"""A line without what is for the eye alone."""

from __future__ import annotations

from ckptdoctor.runs.logs.cleaning import Cleaning, without_colours
from tests.each import each


def cleaned(*lines: str) -> list[str | None]:
    cleaning = Cleaning()
    found = (cleaning.of(line.encode()) for line in lines)
    return [None if one is None else one.decode() for one in found]


@each(
    ("line", "reads"),
    [
        ("mIoU/mAcc 0.61/0.72", "mIoU: 0.61, mAcc: 0.72"),
        ("mIoU/mAcc: 0.61/0.72", "mIoU: 0.61, mAcc: 0.72"),
        ("mIoU/mAcc 0.61/0.72.", "mIoU: 0.61, mAcc: 0.72"),
        ("prec/recall/f1 0.6/0.7/0.65", "prec: 0.6, recall: 0.7, f1: 0.65"),
        ("[epoch][s/gs]: [0][50/50]", "epoch: 0, s: 50, gs: 50"),
        ("Step/Epoch [20/1][20/1000]", "Step: 20, Epoch: 1"),  # what is left over has no name
        ("train/val 0.61/0.72", "train/val 0.61/0.72"),  # of one score, on two parts of the data
        ("Train/Eval 0.61/0.72", "Train/Eval 0.61/0.72"),
        ("mIoU/mAcc/mDice 0.61/0.72", "mIoU/mAcc/mDice 0.61/0.72"),  # one number is missing
        ("3.2 it/s loss 0.5", "3.2 it/s loss 0.5"),
        ("epoch 1/10 loss 0.5", "epoch 1/10 loss 0.5"),
    ],
)
def test_several_names_before_several_numbers_have_each_its_own(line: str, reads: str) -> None:
    assert cleaned(line) == [reads]


def test_of_a_traceback_nothing_is_read() -> None:
    lines = ["loss 0.5", "Traceback (most recent call last):", '  File "train.py"', "\tx = loss 3"]
    assert cleaned(*lines, "ValueError: loss is 7", "loss 0.4") == [
        "loss 0.5",
        None,
        None,
        None,
        None,
        "loss 0.4",
    ]


def test_it_is_noted_whether_a_log_has_anything_to_clean() -> None:
    cleaning = Cleaning()
    for line in (b"loss 0.5", b"epoch 1/10 it/s", "a \u2713 0.5".encode()):
        cleaning.of(line)
        assert not cleaning.has_blanked
    cleaning.of(b"mIoU/mAcc 0.61/0.72")
    assert cleaning.has_blanked
    cleaning.of(b"loss 0.5")
    assert cleaning.has_blanked
    spaces = Cleaning()
    assert spaces.of("loss\u00a00.5".encode()) == b"loss 0.5"
    assert spaces.has_blanked


def test_colours_are_taken_out() -> None:
    assert without_colours(b"\x1b[1;32mloss\x1b[0m 0.5") == b"loss 0.5"
    assert cleaned("\x1b[32mTraceback (most") == [None]
