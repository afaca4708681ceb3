"""The benchmark of the first tensor: its oracle, and a run of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.first_bad.faults import FAULTS, faulty_runs
from tests.benchmarks.first_bad.healthy import healthy_runs
from tests.benchmarks.first_bad.score import collapse_of, judge
from tests.benchmarks.first_bad.training import train


@pytest.mark.parametrize(
    ("scores", "at"),
    [
        ([0.3, 0.6, 0.8, 0.8], None),
        ([0.3, 0.8, 0.25, 0.25], 2),
        ([0.3, 0.8, 0.25, 0.8], None),
        ([0.8, 0.8, 0.8, 0.3], 3),
    ],
)
def test_a_collapse_is_what_never_comes_back(scores: list[float], at: int | None) -> None:
    assert collapse_of(scores) == at


def test_there_are_fifty_and_thirty_and_all_differ() -> None:
    runs = faulty_runs()
    assert len({run.name for run in runs}) == 50
    assert {run.kind for run in runs} == set(FAULTS)
    assert len({name for name, _ in healthy_runs()}) == 30
    again = [(run.tensor, run.onset) for run in faulty_runs()]
    assert again == [(run.tensor, run.onset) for run in runs]
    assert again != [(run.tensor, run.onset) for run in faulty_runs(seed=1)]


@pytest.mark.slow
def test_a_run_is_judged(tmp_path: Path) -> None:
    run = next(one for one in faulty_runs() if one.kind == "bit flip")
    outcome = judge(tmp_path / "run", run, train(tmp_path / "run", run.plan))
    assert outcome.is_right_tensor(outcome.first)
    assert outcome.warned == run.onset
