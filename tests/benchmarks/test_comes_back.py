"""The oracle of comes_back sees a death, the best file and a way back; the script is strict."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from tests.benchmarks.comes_back.case import Kind
from tests.benchmarks.comes_back.cases import CASES
from tests.benchmarks.comes_back.healthy import HEALTHY
from tests.benchmarks.comes_back.oracle import (
    Line,
    SavedFile,
    end_score,
    evaluate,
    noise,
    onset,
    read_log,
)
from tests.benchmarks.comes_back.play import LIVED, TWIN_DIED, Outcome
from tests.benchmarks.comes_back.table import cases_table, row, summary
from tests.benchmarks.comes_back.tasks import TASKS
from tests.benchmarks.comes_back.training import REFUSED, main

SMALL = "--task waves --batch-size 64 --epochs 2 --lr 0.05 --save-every 1"
SHAPES, WAVES = TASKS["shapes"], TASKS["waves"]
NAN = math.nan


def lines(*scores: float) -> list[Line]:
    return [Line(epoch=at, score=score, rate=0.1) for at, score in enumerate(scores, 1)]


@pytest.mark.parametrize(
    ("scores", "epoch"),
    [
        ((0.5, 0.8, 0.82, NAN, NAN), 4),
        ((0.5, 0.8, 0.82, 0.7, 0.3, 0.0), 4),
        ((0.5, 0.8, 0.82, 0.7, 0.3, 0.8), None),
        ((0.5, 0.8, 0.82, 0.81, 0.5), None),
        ((0.48, 0.3, 0.3, 0.3, 0.3), 2),
    ],
)
def test_a_death_begins_behind_the_last_good_epoch(
    scores: tuple[float, ...], epoch: int | None
) -> None:
    assert onset(SHAPES, lines(*scores), healthy=0.9) == epoch


def test_a_restart_that_is_dead_from_its_first_epoch_died_there() -> None:
    late = [Line(epoch=epoch, score=NAN, rate=0.1) for epoch in (9, 10, 11)]
    assert onset(SHAPES, late, healthy=0.9) == 9


def test_an_error_dies_upwards() -> None:
    assert onset(WAVES, lines(0.5, 0.1, 0.11, 0.4, 0.4), healthy=0.05) == 4
    assert onset(WAVES, lines(0.5, 0.1, 0.11, 0.09), healthy=0.05) is None


def test_the_end_is_the_median_of_three_and_a_nan_is_the_worst() -> None:
    assert end_score(SHAPES, lines(0.1, 0.9, NAN, 0.8)) == 0.8
    assert end_score(WAVES, lines(0.1, 0.9, NAN, 0.8)) == 0.9


def test_noise_is_what_a_healthy_run_does_nearby() -> None:
    assert noise(lines(*[0.5, 0.52] * 5), 5) == pytest.approx(0.03)
    assert noise(lines(*[0.5] * 10), 5) == 0.005


def outcome(**values: object) -> Outcome:
    one = Outcome(case=CASES[3], seed=0, died=9, healthy=0.9, best=0.85, within=0.02)
    one.exit, one.resumed = 0, SavedFile(path=Path("x.pt"), epoch=2, score=0.3)
    for name, value in values.items():
        setattr(one, name, value)
    return one


@pytest.mark.parametrize(
    ("epoch", "score", "right"),
    [(8, 0.85, True), (6, 0.84, True), (6, 0.8, False), (9, 0.9, False), (8, NAN, False)],
)
def test_the_right_file_is_the_best_before_the_death(epoch: int, score: float, right: bool) -> None:
    file = SavedFile(path=Path("x.pt"), epoch=epoch, score=score)
    assert outcome(resumed=file).is_right_file is right


@pytest.mark.parametrize(
    ("end", "code", "back"),
    [(0.9, 0, True), (0.891, 0, True), (0.88, 0, False), (NAN, 0, False), (0.9, 3, False)],
)
def test_back_is_a_hundredth_below_the_healthy_twin(end: float, code: int, back: bool) -> None:
    assert outcome(end=end, exit=code).is_back is back


def test_a_training_that_started_afresh_did_not_resume() -> None:
    assert outcome().is_strict
    assert not outcome(resumed=None, end=0.9).is_strict
    assert not outcome(resumed=None, end=0.9).is_back


def test_the_sums_count_each_kind_for_itself() -> None:
    sums = summary([outcome(end=0.9, alarm=1), outcome(end=0.2, alarm=3)], Kind.RATE)
    assert sums == ("rate", "2", "0 of 2", "2 of 2", "1 of 2", "1 of 2")
    assert summary([], Kind.EVENT)[1] == "0"
    for shows_nothing in (TWIN_DIED, LIVED):
        one = outcome(notes=[shows_nothing])
        assert summary([one], Kind.RATE)[1] == "0"
        assert one.case.name not in cases_table([one])
    assert row(outcome())[2] == "9"


def test_there_are_enough_cases_and_each_says_why() -> None:
    kinds = [one.kind for one in CASES]
    assert len(CASES) >= 30
    assert kinds.count(Kind.RATE) >= 10
    assert len({one.name for one in CASES}) == len(CASES)
    assert all(one.why.endswith(".") for one in CASES)
    assert sum(one.quick for one in CASES) == 4
    assert len(HEALTHY) == 30
    assert any("rare" in line for line in HEALTHY)


def test_the_cause_takes_the_place_of_what_was_there() -> None:
    cases = {one.name: one for one in CASES}
    assert "--gamma 30 --lr 0.1 --seed 1" in cases["gamma-rings"].arguments(1)
    fresh = cases["fresh-optimizer-shapes"].arguments(0)
    assert "--warmup-epochs 0 --lr 1.0 --fresh-optimizer --seed 0 --resume checkpoints/" in fresh


def test_the_script_resumes_what_is_whole_and_refuses_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(f"{SMALL} --save-dir a".split())
    again = f"{SMALL} --epochs 3 --resume a/checkpoint_epoch_001.pt --save-dir b"
    main(again.split())
    first, second = (read_log(Path(name, "train.log"), "val_loss") for name in "ab")
    assert [line.epoch for line in second] == [2, 3]
    assert second[0].score == pytest.approx(first[1].score, rel=1e-3)
    found = evaluate(Path("b"), WAVES, 0)
    assert {one.path.name: one.epoch for one in found}["last.pt"] == 3
    assert found[-1].score == pytest.approx(second[-1].score, abs=1e-4)
    state = torch.load("a/last.pt", weights_only=True)
    for key in ("optimizer", "scheduler", "epoch"):
        torch.save({name: value for name, value in state.items() if name != key}, "less.pt")
        with pytest.raises(SystemExit) as refused:
            main(f"{SMALL} --resume less.pt --save-dir c".split())
        assert refused.value.code == REFUSED
        assert f"without {key}" in capsys.readouterr().err


def test_a_file_that_holds_nan_or_nothing_is_worth_nothing(tmp_path: Path) -> None:
    main([*SMALL.split(), "--save-dir", str(tmp_path)])
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    next(iter(state["optimizer"]["state"].values()))["momentum_buffer"][:] = NAN
    torch.save(state, tmp_path / "last.pt")
    (tmp_path / "best.pt").write_bytes(b"PK")
    scores = {one.path.name: one.score for one in evaluate(tmp_path, WAVES, 0)}
    assert math.isnan(scores["last.pt"])
    assert math.isnan(scores["best.pt"])
    assert scores["checkpoint_epoch_001.pt"] > 0
