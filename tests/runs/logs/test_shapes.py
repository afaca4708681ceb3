"""What is asked of lines of one shape, and when that is given up."""

from __future__ import annotations

from ckptdoctor.runs.logs.shapes import Habit

HEAD, BELOW = b"Epoch    Train Loss    Val IoU", b"saved the best of 3 models"


def test_a_head_that_comes_with_every_epoch_is_known_each_time() -> None:
    habit = Habit(may_hold=True)
    assert all(habit.head_in(HEAD) is not None for _ in range(9))
    assert [habit.head_in(BELOW) for _ in range(2)] == [None, None]
    assert habit.head_in(HEAD) is not None
    assert habit.headless == 0


def test_lines_that_are_never_a_head_are_not_asked_any_more() -> None:
    habit = Habit(may_hold=True)
    assert [habit.head_in(BELOW) for _ in range(3)] == [None] * 3
    assert habit.head_in(HEAD) is None
    silent = Habit(may_hold=True)
    told = []
    for _ in range(5):
        told.append(silent.may_name)
        silent.unmarked += 1
    assert told == [True, True, True, False, False]
