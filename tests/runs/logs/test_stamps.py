"""What loggers print in front of a line is none of what it says."""

from __future__ import annotations

from ckptdoctor.runs.logs.stamps import without_stamp
from tests.each import each


@each(
    "stamp",
    [
        "2020-01-01 10:00:00,123 [MainThread] INFO Trainer3D - ",
        "2024-05-01 10:01:00 (INFO): ",
        "05/01/2020 10:01:00 - INFO - __main__ -   ",
        "2020-05-01 10:00:00,123 - trainer - INFO -     ",
        "2020-05-01 10:00:00,123 some.package INFO: ",
        "[0501 10:00:00 @monitor.py:474] ",
        "[05/01 12:00:00 some.utils.events]:  ",
        "INFO:root:",
        "I0501 10:00:00.123456 12345 file.py:123] ",
        "2023-05-01 10:00:00.123 | INFO     | __main__:train:45 - ",
        "2020-05-01T10:01:00 | some.trainers.callbacks: ",
        "10:01:00 ",
    ],
)
@each("said", ["Validating...", "val loss: 0.5", "Epoch 3 - loss 0.5"])
def test_a_stamp_is_taken_off(stamp: str, said: str) -> None:
    assert without_stamp(f"{stamp}{said}".encode()) == said.encode()


@each(
    "line",
    [
        "Epoch 3 - loss 0.5",
        "Train: 3 [0/10] loss 0.5",
        "{'loss': 0.5}",
        "[3/10] loss 0.5",
        "3 0.5",
        "",
    ],
)
def test_a_line_without_one_stays_as_it_is(line: str) -> None:
    assert without_stamp(line.encode()) == line.encode()


def test_the_part_of_the_data_is_no_name_of_a_logger() -> None:
    assert without_stamp(b"10:01:00 INFO - Validation - loss: 0.5") == b"Validation - loss: 0.5"
