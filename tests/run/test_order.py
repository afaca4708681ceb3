"""The order of a run."""

from __future__ import annotations

from ckptdoctor.run.order import in_order
from tests.reports import report


def test_contents_come_before_names_and_numbers_before_strings() -> None:
    reports = [
        report("z_first.pth", 1),
        report("e10.pth", 10),
        report("e9.pth", 9),
        report("no_epoch_10.pth"),
        report("no_epoch_9.pth"),
        report("late_step.pth", 9, step=200),
    ]
    order = [r.path.name for r in in_order(reversed(reports))]
    assert order == [
        *("z_first.pth", "e9.pth", "late_step.pth", "e10.pth"),
        *("no_epoch_9.pth", "no_epoch_10.pth"),
    ]
