"""How often to save: Young's interval, against the cost that it makes the least of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ckptdoctor.recovery.causes.trouble import trouble_of
from ckptdoctor.recovery.save_interval import best_interval_s, save_advice
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey
from tests.recovery.causes.dead_runs import dead_run, planned


@pytest.mark.parametrize(("between", "save"), [(36_000.0, 10.0), (3600.0, 2.0), (864_000.0, 120.0)])
def test_no_other_interval_costs_less(between: float, save: float) -> None:
    def cost(interval: float) -> float:
        """Share of the time that saving takes, and that a failure throws away."""
        return save / interval + interval / 2 / between

    best = best_interval_s(between, save)
    assert all(cost(best) <= cost(best * times) for times in (0.2, 0.5, 0.9, 1.1, 2.0, 5.0))


def run_of(folder: Path, minutes: int, keep: int) -> Path:
    """A run that died at epoch 20, with a file every so many epochs."""
    scores = [0.2 + 0.02 * epoch for epoch in range(1, 20)] + [0.0, 0.0]
    run = dead_run(folder, scores, rates=[0.1])
    start = datetime(2026, 3, 1, 8, 0, 0, tzinfo=UTC)
    lines = (run / "train.log").read_text().splitlines()
    stamped = [
        f"{start + timedelta(minutes=minutes * at):%Y-%m-%d %H:%M:%S} {line}\n"
        for at, line in enumerate(lines)
    ]
    (run / "train.log").write_text("".join(stamped))
    for path in run.glob("*.pth"):
        if int(path.stem[-2:]) % keep:
            path.unlink()
    return run


def advice_of(run: Path) -> str:
    report = survey(discover([run])).runs[0]
    return save_advice(report, trouble_of(report))


def test_a_run_that_saves_too_seldom_is_told(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", minutes=30, keep=5)
    note = advice_of(run)
    assert note.startswith("save every 4 min, not every 2.5 h")
    assert note in planned(run).notes


def test_one_that_saves_often_enough_or_has_no_times_is_not(tmp_path: Path) -> None:
    often = run_of(tmp_path / "often", minutes=1, keep=1)
    assert advice_of(often) == ""
    timeless = dead_run(tmp_path / "timeless", [0.2, 0.3, 0.4, 0.5, 0.55, 0.0, 0.0], rates=[0.1])
    assert advice_of(timeless) == ""
