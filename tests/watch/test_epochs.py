"""When an epoch is complete, and what is told of it: once, and soon enough."""

from __future__ import annotations

import math
from pathlib import Path

from ckptdoctor.histories import Clock, Position
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.logs import Row
from ckptdoctor.runs.wish import Wish
from ckptdoctor.watch.epochs import EpochFeed, SeenEpoch

TEXT, TABLE = Path("train.log"), Path("metrics.csv")
NAN = math.nan


class Run:
    """A feed with its clock."""

    def __init__(self, wish: Wish | None = None) -> None:
        self.feed = EpochFeed(wish or Wish())
        self.now = 1000.0

    def tell(self, *rows: Row, source: Path = TEXT) -> list[SeenEpoch]:
        """What comes of these rows at once."""
        found = list(self.feed.feed(rows, self.now, source))
        return found + list(self.feed.settle(self.now))

    def wait(self, seconds: float) -> list[SeenEpoch]:
        """What comes of waiting."""
        self.now += seconds
        return list(self.feed.settle(self.now))


def row(epoch: int, **values: float) -> Row:
    return Row(epoch=epoch, values=values)


def told(seen: list[SeenEpoch]) -> list[int]:
    return [one.at for one in seen if one.complete]


def alarms(seen: list[SeenEpoch]) -> list[tuple[str, Position]]:
    return [(alarm.kind.value, alarm.at) for one in seen for alarm in one.alarms]


def test_an_epoch_is_complete_when_the_next_begins() -> None:
    run = Run()
    assert run.tell(row(1, loss=0.5)) == []
    assert run.tell(row(1, iou=0.4)) == []
    (seen,) = run.tell(row(2, loss=0.4))
    assert (seen.at, seen.metric, seen.value) == (1, "iou", 0.4)
    assert seen.values == {"loss": 0.5, "iou": 0.4}
    assert (seen.alarms, seen.complete) == ((), True)
    assert run.feed.last_epoch == 2


def test_batches_in_brackets_above_the_first_epoch_are_no_attempt() -> None:
    run = Run()
    batches = [Row(epoch=at, values={"loss": 0.5}, in_words=False) for at in (50, 100, 150)]
    seen = run.tell(*batches, row(1, loss=0.5, iou=0.4), row(2, loss=0.4, iou=0.5))
    assert (told(seen), run.feed.last_epoch) == ([1], 2)


def test_a_rate_that_jumps_is_told_with_its_epoch() -> None:
    run = Run()
    seen = [
        one
        for at in range(1, 14)
        for one in run.tell(row(at, iou=0.5 + at / 100, lr=0.1 if at < 11 else 3.0))
    ]
    assert alarms(seen) == [("rate", 11)]


def test_or_when_its_metric_has_stood_for_a_while() -> None:
    run = Run()
    run.tell(row(1, loss=0.5, iou=0.4))
    assert run.wait(9.9) == []
    assert told(run.wait(0.1)) == [1]
    assert run.wait(100.0) == []


def test_a_loss_alone_waits_for_the_metric() -> None:
    run = Run()
    run.tell(row(1, loss=0.5, iou=0.4), row(2, loss=0.4))
    assert run.wait(1000.0) == []
    assert told(run.tell(row(2, iou=0.5))) == []
    assert told(run.wait(10.0)) == [2]


def test_nan_does_not_wait_and_is_told_once() -> None:
    run = Run()
    run.tell(row(1, loss=0.5, iou=0.4))
    seen = run.tell(row(2, loss=NAN))
    assert alarms(seen) == [("non_finite", 2)]
    assert told(seen) == [1]
    assert not seen[0].complete
    assert run.feed.holds_nan
    assert alarms(run.tell(row(2, loss=NAN, iou=0.3), row(3, loss=NAN))) == []
    assert run.feed.holds_nan
    run.tell(row(4, loss=0.5, lr=NAN))
    assert not run.feed.holds_nan, "a rate that was not set is no loss"


def test_a_collapse_is_told_with_its_epoch() -> None:
    run = Run()
    run.tell(*(row(epoch, loss=0.2, iou=0.64 + epoch / 1e4) for epoch in range(80, 98)))
    run.tell(row(98, loss=0.2, iou=0.0022))
    (seen,) = run.tell(row(99, loss=0.2))
    assert (seen.at, seen.value) == (98, 0.0022)
    assert alarms([seen]) == [("collapse", 98)]


def test_what_was_there_before_is_no_news() -> None:
    run = Run()
    values = [0.6, 0.61, 0.62, 0.63, 0.64, 0.65, 0.0]
    for _ in run.feed.feed([row(e, iou=v, loss=0.2) for e, v in enumerate(values)], run.now, TEXT):
        pass
    run.feed.begin(run.now)
    assert run.wait(60.0) == [], "the last epoch had collapsed when the watch began"
    assert told(run.tell(row(7, iou=0.0, loss=0.2), row(8, loss=0.2))) == [7]


def test_an_epoch_that_was_open_is_told_when_more_came() -> None:
    run = Run()
    list(run.feed.feed([row(1, iou=0.5, loss=0.3), row(2, loss=0.2)], run.now, TEXT))
    run.feed.begin(run.now)
    assert told(run.tell(row(2, iou=0.6), row(3, loss=0.1))) == [2]


def test_an_alarm_of_before_is_not_told_again() -> None:
    run = Run()
    first = [row(e, iou=0.6, loss=0.2) for e in range(6)]
    list(run.feed.feed([*first, row(6, iou=0.01, loss=NAN)], run.now, TEXT))
    run.feed.begin(run.now)
    seen = run.tell(row(6, extra=1.0), row(7, iou=0.01, loss=NAN), row(8, loss=NAN))
    assert alarms(seen) == []
    assert told(seen) == [6, 7]


def test_a_table_that_lags_behind_the_text() -> None:
    run = Run()
    run.tell(row(1, loss=0.5))
    assert run.tell(row(1, iou=0.4), source=TABLE) == []
    assert run.tell(row(2, loss=0.4)) == [], "the table may say more of the first epoch"
    assert told(run.tell(row(2, iou=0.5), source=TABLE)) == [1]
    assert run.tell(row(3, loss=0.3)) == []
    assert told(run.tell(row(3, iou=0.55), source=TABLE)) == [2]
    assert told(run.wait(10.0)) == [3]


def test_a_log_that_has_ended_holds_nothing_up_for_long() -> None:
    run = Run()
    run.tell(row(1, loss=0.5), source=TABLE)
    run.tell(row(1, iou=0.4), row(2, iou=0.5), row(3, iou=0.5))
    assert told(run.wait(10.0)) == [1, 2, 3]


def test_a_metric_that_never_comes_is_not_waited_for_without_an_end() -> None:
    run = Run()
    run.tell(row(1, iou=0.4), source=TABLE)
    run.tell(row(1, loss=0.5), row(2, loss=0.5), row(3, loss=0.4))
    assert told(run.wait(60.0)) == [1]
    assert told(run.wait(60.0)) == [2]


def test_late_values_of_a_complete_epoch_are_kept_and_no_news() -> None:
    run = Run()
    run.tell(row(1, iou=0.4, loss=0.3))
    assert told(run.wait(10.0)) == [1]
    assert run.tell(row(1, iou=0.45)) == []
    assert alarms(run.tell(row(1, val_loss=NAN))) == [("non_finite", 1)]
    assert run.wait(100.0) == []


def test_a_restart_begins_anew() -> None:
    run = Run()
    run.tell(*(row(e, iou=0.5 + e / 100, loss=0.2) for e in range(1, 8)), row(8, loss=NAN))
    seen = run.tell(row(5, iou=0.4, loss=0.25))
    assert told(seen) == [8], "what the first attempt left behind"
    assert told(run.tell(row(6, iou=0.42, loss=0.24))) == [5]
    seen = run.tell(row(7, iou=0.43, loss=0.24), row(8, loss=NAN))
    assert alarms(seen) == [("non_finite", 8)], "the same once more is an alarm once more"


def test_a_restart_that_both_logs_tell_of_is_one() -> None:
    run = Run()
    for epoch in range(1, 7):
        run.tell(row(epoch, loss=0.2 + epoch / 100))
        run.tell(row(epoch, iou=0.5 + epoch / 100), source=TABLE)
    run.wait(10.0)
    run.tell(row(3, loss=0.5), row(4, loss=0.5))
    seen = run.tell(row(3, iou=0.3), row(4, iou=0.31), source=TABLE)
    assert told(seen) == [3]
    (again,) = run.wait(10.0)
    assert (again.at, again.values) == (4, {"loss": 0.5, "iou": 0.31})


def test_a_line_that_speaks_of_the_epoch_before_is_no_restart() -> None:
    run = Run()
    run.tell(row(1, iou=0.4), row(2, iou=0.5), row(3, loss=0.1))
    assert run.tell(row(2, saved=1.0)) == []
    assert told(run.tell(row(4, loss=0.1))) == [3]


def test_a_log_that_is_read_again_says_nothing_new() -> None:
    run = Run()
    rows = [row(e, iou=0.5, loss=NAN if e == 3 else 0.1) for e in range(1, 6)]
    run.tell(*rows)
    assert run.tell(*rows) == []
    assert told(run.wait(10.0)) == [5]
    assert run.tell(*rows) == []
    assert run.tell(row(3), row(99)) == [], "nor does a row without a value"


def test_an_old_log_does_not_hide_the_attempt_of_today() -> None:
    run = Run()
    old = [row(e, iou=0.5 + e / 100, loss=0.3) for e in range(1, 9)]
    new = [row(e, iou=0.6 + e / 100, loss=0.2) for e in range(1, 4)]
    list(run.feed.feed(old, run.now, Path("old.log")))
    list(run.feed.feed(new, run.now, TEXT))
    run.feed.begin(run.now)
    run.wait(60.0)
    run.tell(row(4, iou=0.64, loss=0.2))
    assert told(run.tell(row(5, iou=0.65, loss=0.2))) == [4]
    assert told(run.tell(row(6, iou=0.66, loss=0.2))) == [5]


def test_the_metric_that_the_user_names() -> None:
    run = Run(Wish(metric="dist", mode=Mode.MIN))
    run.tell(*(row(e, dist=1.0 + e / 1000, iou=0.5) for e in range(1, 10)))
    run.tell(row(10, dist=50.0, iou=0.5), row(11, dist=50.0, iou=0.5))
    seen = run.tell(row(12, dist=50.0, iou=0.5))
    assert seen[0].metric == "dist"
    assert run.feed.last_epoch == 12


def test_a_better_metric_may_come_later() -> None:
    run = Run()
    assert told(run.tell(row(1, loss=0.5), row(2, loss=0.4))) == [1]
    run.tell(row(2, iou=0.6))
    assert run.tell(row(3, loss=0.4))[0].metric == "iou"


def test_nothing_was_heard() -> None:
    run = Run()
    assert (run.feed.last_epoch, run.feed.holds_nan) == (None, False)
    assert run.wait(100.0) == []
    run.feed.begin(run.now)


# -- logs that count steps alone -----------------------------------------------------------------


def step(at: int, **values: float) -> Row:
    return Row(step=at, values=values)


def test_a_log_of_steps_alone_is_followed_by_steps() -> None:
    run = Run()
    assert run.tell(step(100, val_iou=0.5)) == []
    (seen,) = run.tell(step(200, val_iou=0.6))
    assert (seen.at, seen.clock, seen.metric, seen.value) == (100, Clock.STEP, "val_iou", 0.5)
    assert run.feed.where == "step 200"
    nan = run.tell(step(300, val_iou=0.6, loss=NAN))
    assert [alarm.message for one in nan for alarm in one.alarms] == ["loss is NaN at step 300"]


def test_steps_of_two_ranks_that_lag_are_no_restart() -> None:
    run = Run()
    ranks = [(100, 0), (200, 0), (100, 1), (300, 0), (200, 1), (400, 0), (300, 1), (500, 0)]
    seen = [
        one for at, rank in ranks for one in run.tell(step(at, **{f"loss_{rank}": 0.5 + at / 9000}))
    ]
    seen += run.wait(100.0)
    assert sorted(told(seen)) == sorted(set(told(seen))), "no step is told twice"
    assert alarms(seen) == []


def test_steps_that_begin_again_are_another_attempt() -> None:
    run = Run()
    run.tell(*(step(at, val_iou=0.5 + at / 9000) for at in (100, 200, 300, 400)))
    again = run.tell(step(100, val_iou=0.1), step(200, val_iou=0.2))
    assert 100 in told(again)
    assert {one.at: one.value for one in again}[100] == 0.1


def test_from_the_first_epoch_that_is_named_on_epochs_count() -> None:
    run = Run()
    run.tell(step(100, loss=0.5), step(200, loss=0.4))
    first = run.tell(row(1, val_iou=0.5), step(300, loss=0.1), row(2, val_iou=0.6))
    assert told(first) == [1], "no step is told as an epoch"
    assert run.feed.where == "epoch 2"
    (seen,) = run.tell(row(3, val_iou=0.7))
    assert (seen.at, seen.clock, seen.values) == (2, Clock.EPOCH, {"val_iou": 0.6})


def test_a_fraction_of_an_epoch_is_of_that_epoch() -> None:
    run = Run()
    run.tell(Row(epoch=0.5, step=50, values={"loss": 0.5}), Row(epoch=1.0, step=100, values={}))
    (seen,) = run.tell(Row(epoch=1.5, step=150, values={"loss": 0.4}))
    assert (seen.at, seen.clock, seen.values) == (1, Clock.EPOCH, {"loss": 0.5})
