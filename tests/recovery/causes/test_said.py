"""What the user says was added is a cause, as far as log and files go along with that."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from torch.optim import lr_scheduler

from ckptdoctor.recovery.added import parse_added
from ckptdoctor.recovery.causes.cause import Cause, CauseKind, Sure
from tests.recovery.causes.dead_runs import dead_run, planned

NAN = math.nan
LEARNS = [0.2, 0.4, 0.5, 0.56, 0.6, 0.62, 0.63, 0.64, 0.645, 0.65]
DECLINES = [*LEARNS, 0.63, 0.61, 0.58, 0.54, 0.02, NAN]


def declined(folder: Path, **more: Any) -> Path:
    """A run that got worse by and by at a rate that only fell, and died."""
    return dead_run(
        folder, DECLINES, schedule=lambda o: lr_scheduler.CosineAnnealingLR(o, 30), **more
    )


def told(folder: Path, *added: str) -> dict[CauseKind, Cause]:
    return {one.kind: one for one in planned(folder, added=parse_added(added)).advice.causes}


def test_what_was_added_is_a_cause_with_the_rate_that_was_not_lowered_for_it(
    tmp_path: Path,
) -> None:
    run = declined(tmp_path / "run")
    assert set(told(run)) == {CauseKind.UNKNOWN}
    (cause,) = told(run, "deep-supervision").values()
    assert (cause.kind, cause.sure) == (CauseKind.ADDED, Sure.POSSIBLE)
    assert cause.evidence[0].startswith("you say that deep supervision was added")
    assert cause.evidence[1].endswith("still starts from 0.1")


@pytest.mark.parametrize(
    ("added", "words"),
    [
        (["augmentation"], "augmentation was added"),
        (["batch-size:0.25"], "0.25 of what it was"),
        (["augmentation", "deep-supervision"], ", and that deep supervision was added"),
    ],
)
def test_each_is_told_by_what_it_does(added: list[str], words: str, tmp_path: Path) -> None:
    assert words in told(declined(tmp_path / "run"), *added)[CauseKind.ADDED].evidence[0]


@pytest.mark.parametrize("added", ["ema", "batch-size:X4"])
def test_what_asks_for_no_lower_rate_is_none(added: str, tmp_path: Path) -> None:
    assert CauseKind.ADDED not in told(declined(tmp_path / "run"), added)


def test_a_rate_that_was_lowered_for_it_speaks_against_it(tmp_path: Path) -> None:
    def lower(epoch: int, state: dict[str, Any]) -> None:
        if epoch > 10:
            state["scheduler"]["base_lrs"] = [0.05]
            for group in state["optimizer"]["param_groups"]:
                group["initial_lr"] = 0.05

    run = declined(tmp_path / "run", poison=lower)
    assert CauseKind.ADDED not in told(run, "deep-supervision")


def test_without_a_stored_schedule_nothing_is_said_of_where_it_starts(tmp_path: Path) -> None:
    run = dead_run(tmp_path / "run", DECLINES, rates=[0.1])
    evidence = told(run, "deep-supervision")[CauseKind.ADDED].evidence
    assert "nothing tells of a rate that was lowered for it" in evidence


def test_causes_that_more_speaks_for_come_before_it(tmp_path: Path) -> None:
    run = dead_run(tmp_path / "run", [*LEARNS[:4], NAN], rates=[0.1, 0.2, 0.3, 0.4, 0.5])
    assert list(told(run, "deep-supervision")) == [CauseKind.RATE_TOO_HIGH, CauseKind.ADDED]


def test_it_poisons_no_average_beside_sound_weights(tmp_path: Path) -> None:
    def poison(epoch: int, state: dict[str, Any]) -> None:
        state["ema"] = {"w": state["model"]["w"] * (NAN if epoch > 8 else 1.0)}

    run = dead_run(tmp_path / "run", [*LEARNS[:8], *[0.0] * 4], rates=[0.1], poison=poison)
    assert set(told(run, "deep-supervision")) == {CauseKind.POISONED_STATE}


@pytest.mark.parametrize("rises", [True, False])
def test_where_no_cause_is_known_it_is_told_what_is_ruled_out(
    tmp_path: Path, *, rises: bool
) -> None:
    later = [0.5, 0.6, 0.7, 0.8] if rises else [0.38, 0.36, 0.34, 0.32]
    losses = [0.9 - 0.05 * epoch for epoch in range(10)] + [*later, 5.0, NAN]
    (cause,) = told(declined(tmp_path / "run", losses=losses)).values()
    assert cause.kind is CauseKind.UNKNOWN
    assert any("training loss rose" in one for one in cause.evidence) is rises
    assert any("rate was falling meanwhile" in one for one in cause.evidence)
