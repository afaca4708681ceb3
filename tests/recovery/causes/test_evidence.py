"""What the causes are told from: figures around the trouble, of runs of which all is known."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from ckptdoctor.layouts.describe import describe
from ckptdoctor.recovery.causes.evidence import Evidence, evidence_of
from ckptdoctor.recovery.causes.trouble import TroubleKind
from ckptdoctor.runs.discover import checkpoint_at, discover
from ckptdoctor.survey import survey
from tests.recovery.causes.dead_runs import dead_run

NAN = math.nan
FALLEN = [0.2, 0.4, 0.5, 0.56, 0.6, 0.62, 0.02, 0.01, 0.01]


def evidence(folder: Path) -> Evidence | None:
    (run,) = survey(discover([folder])).runs
    place = next(iter(run.ranking), None)
    return evidence_of(run, place, None, lambda path: describe(checkpoint_at(path)).scalars)


def decaying(since: int) -> Any:
    """A resume sets another weight decay, from an epoch on."""

    def poison(epoch: int, state: dict[str, Any]) -> None:
        state["optimizer"]["param_groups"][0]["weight_decay"] = 0.5 if epoch >= since else 0.01

    return poison


@pytest.mark.parametrize(("since", "told"), [(7, True), (8, True), (6, False), (3, False)])
def test_of_what_resumes_changed_only_what_lies_behind_the_sound_checkpoint_counts(
    since: int, told: bool, tmp_path: Path
) -> None:
    found = evidence(dead_run(tmp_path / "run", FALLEN, poison=decaying(since)))
    assert found is not None
    assert found.trouble.kind is not TroubleKind.RESUME
    assert [change.at for change in found.resumed] == ([since - 1] if told else [])


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"bs": 16, "sum_loss": True}, {"bs": 256, "sum_loss": True}, True),
        ({"bs": 256, "sum_loss": True}, {"bs": 16, "sum_loss": True}, False),
        ({"workers": 2, "sum_loss": True}, {"workers": 8, "sum_loss": True}, False),
        ({"bs": 16}, {"bs": 256}, False),
    ],
)
def test_of_a_run_that_does_well_larger_batches_of_a_summed_loss_are_told_and_nothing_else(
    before: dict[str, Any], after: dict[str, Any], told: bool, tmp_path: Path
) -> None:
    well = [0.2, 0.4, 0.5, 0.56, 0.6, 0.62, 0.63, 0.629, 0.628]  # the seventh is the best
    run = dead_run(
        tmp_path / "run", well, rates=[0.1], arguments=lambda epoch: before if epoch < 8 else after
    )
    found = evidence(run)
    assert (found is not None) is told
    assert found is None or found.trouble.kind is TroubleKind.SETTINGS


@pytest.mark.parametrize(
    ("norms", "usual"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 900.0, 900.0, 900.0], 3.5),
        ([NAN, 0.0, 3.0, 4.0, 5.0, math.inf, 9.0, 9.0, 9.0], 4.0),
        ([NAN, 0.0, 3.0, 4.0, NAN, NAN, 9.0, 9.0, 9.0], None),  # of two nothing is usual
        ([], None),
    ],
)
def test_the_usual_norm_is_that_of_gradients_while_all_was_well(
    norms: list[float], usual: float | None, tmp_path: Path
) -> None:
    found = evidence(dead_run(tmp_path / "run", FALLEN, norms=norms))
    assert found is not None
    assert found.usual_norm == usual


def moments(value: float, *, since: int, weights: bool = False) -> Any:
    def poison(epoch: int, state: dict[str, Any]) -> None:
        if epoch >= since:
            state["optimizer"]["state"][0]["momentum_buffer"][0, 0] = value
            if weights:
                state["model"]["w"][0, 0] = NAN

    return poison


@pytest.mark.parametrize(
    ("poison", "told"),
    [
        (moments(NAN, since=7), "checkpoint_epoch_07.pth"),
        (moments(math.inf, since=7), ""),
        (moments(NAN, since=7, weights=True), ""),
        (moments(NAN, since=99), ""),
    ],
)
def test_what_wrote_nan_into_the_moments_alone_is_told_by_its_first_file(
    poison: Any, told: str, tmp_path: Path
) -> None:
    scores = [*FALLEN[:7], NAN, NAN]
    found = evidence(dead_run(tmp_path / "run", scores, poison=poison))
    assert found is not None
    assert found.moments_first == told


def test_the_rates_around_the_trouble(tmp_path: Path) -> None:
    rates = [0.3, 0.2, 0.1, 0.15, 0.12, 0.11, 0.9, 0.8, 0.7]
    losses = [0.9, 0.8, 0.7, 0.6, 0.65, 0.66, 3.0, 3.0, 3.0]
    found = evidence(dead_run(tmp_path / "run", FALLEN, rates=rates, losses=losses))
    assert found is not None
    assert found.trouble.began == 7
    assert (found.rates.well, found.rates.bad) == (0.11, 0.9)
    assert found.rates.headway == 0.15  # the loss was lowest at epoch 4
    assert found.rates.lowest_before == 0.1
    assert found.rates.jump is not None
    assert (found.rates.jump.before, found.rates.jump.after) == (0.11, 0.9)


def test_a_jump_long_before_the_trouble_is_not_what_it_followed(tmp_path: Path) -> None:
    rates = [0.1, 0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    found = evidence(dead_run(tmp_path / "run", FALLEN, rates=rates))
    assert found is not None
    assert found.rates.jump is None
    assert found.rates.top_before == 0.9


def test_of_a_run_that_is_well_there_is_no_evidence(tmp_path: Path) -> None:
    assert evidence(dead_run(tmp_path / "run", FALLEN[:6])) is None
