"""What training losses tell: whether it diverged, and whether anything had been learned."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ckptdoctor.recovery.causes.rank import causes_of
from ckptdoctor.recovery.option import Option
from ckptdoctor.recovery.plan import Plan
from tests.recovery.causes.dead_runs import dead_run, planned
from tests.recovery.causes.test_rank import evidence

NAN = math.nan
RATES = [0.1, 0.2, 0.4, 1.0, 1.2, 1.4, 1.6, 1.8]
SCORES = [0.4, 0.5, 0.55, 0.2, 0.2, 0.2, 0.2, 0.2]
FALLS = [1.3, 1.1, 0.9]
SANK = [*FALLS, 2.0, 1.6, 1.5, 1.6, 1.5]
DIVERGED = [*FALLS, 9.0, 1.6, 1.5, 1.6, 1.5]


def peak(folder: Path, losses: list[float], scores: list[float] = SCORES) -> float:
    run = dead_run(folder, scores, rates=RATES[: len(scores)], losses=losses)
    return planned(run).advice.factor * RATES[len(scores) - 1]


def test_where_sgd_sank_without_diverging_the_last_healthy_rate_counts(tmp_path: Path) -> None:
    assert peak(tmp_path / "sank", SANK) < 0.2 < peak(tmp_path / "diverged", DIVERGED)


@pytest.mark.parametrize(
    ("losses", "epochs"),
    [
        ([*FALLS, NAN, NAN, NAN, NAN, NAN], 8),
        ([*FALLS, 2.0, 4e3, 7e9, 3e13, NAN], 8),
        ([*FALLS, 2.0, 4e3, 7e5, 3e5, 6e5], 8),
        ([*FALLS, 2.0, 1.6], 5),
    ],
    ids=["NaN at once", "more and more", "and no further", "too short to tell"],
)
def test_where_no_later_loss_tells_it_counts_as_diverged(
    losses: list[float], epochs: int, tmp_path: Path
) -> None:
    scores = SCORES[:epochs]
    assert peak(tmp_path / "run", losses, scores) == pytest.approx(
        peak(tmp_path / "mute", [], scores)
    )


def test_adam_never_diverges_so_that_nothing_is_told_by_it() -> None:
    known = evidence(0.4, 0.5, 2.0, gradual=False, falls=True)
    adam = replace(known, is_adaptive=True)
    remedies = [causes_of(one)[0].remedy for one in (adam, replace(adam, sank=True))]
    assert remedies[0] == remedies[1]


def of_run(folder: Path, losses: list[float], scores: list[float], **request: Any) -> Plan:
    rates = [0.05, *RATES[3:]][: len(scores)]
    run = dead_run(folder, scores, rates=rates, losses=losses)
    return planned(run, **{"command": "python t.py --lr 1.0 --epochs 20", **request})


def lr_of(option: Option) -> float:
    """What a rate of 1 becomes."""
    words = option.command.split()
    return float(words[words.index("--lr") + 1])


def minds(plan: Plan) -> list[str]:
    return [one for one in plan.options[0].warnings if "C, a start afresh" in one]


def test_weights_that_had_learned_nothing_yet_may_be_worth_less_than_a_start_afresh(
    tmp_path: Path,
) -> None:
    scores = [0.3, 0.15, 0.15, 0.15, 0.15, 0.15]
    shaken = [13.0, 40.0, 1.8, 1.8, 1.8, 1.8]
    learned = [1.2, 40.0, 1.8, 1.8, 1.8, 1.8]
    (mind,) = minds(of_run(tmp_path / "shaken", shaken, scores))
    assert "costs 1 epoch," in mind
    again, *_, anew = of_run(tmp_path / "anew", shaken, scores).options
    assert lr_of(anew) * 1.8 <= 0.6 * 0.05 < lr_of(again) * 1.8, "new weights stood it even less"
    told = of_run(tmp_path / "told", shaken, scores, factor=0.3).options[-1]
    assert lr_of(told) == 0.3, "the user's word stands"
    assert not minds(of_run(tmp_path / "learned", learned, scores))
    nowhere = of_run(tmp_path / "nowhere", shaken, scores, command="python t.py --lr 1.0")
    assert not minds(nowhere), "how much an epoch is of the whole is not known"


def test_weights_trained_at_rates_above_those_planned_now_may_be_too(tmp_path: Path) -> None:
    run = dead_run(tmp_path / "run", SCORES, rates=RATES, losses=SANK)
    plan = planned(run, command="python t.py --lr 2.0 --epochs 20")
    (mind,) = minds(plan)
    assert "up to 0.4" in mind
    assert "costs 3 epochs" in mind
    assert plan.options[0].recommended
    short = planned(run, command="python t.py --lr 2.0 --epochs 8")
    assert not minds(short), "three of eight epochs are no small price"


def test_a_checkpoint_from_before_the_rate_rose_is_not_said_to_be_harmed(tmp_path: Path) -> None:
    best_first = [0.56, 0.53, 0.55, 0.2, 0.2, 0.2, 0.2, 0.2]
    run = dead_run(tmp_path / "run", best_first, rates=RATES, losses=SANK)
    plan = planned(run, command="python t.py --lr 2.0 --epochs 20")
    assert plan.options[0].epoch == 1
    assert not minds(plan)
