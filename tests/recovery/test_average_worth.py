"""When a mean is offered: at a rate that is still high, once the score only jumps about."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from ckptdoctor.recovery.average_choice import Averaging, choose_average
from ckptdoctor.recovery.average_worth import doubt_of, offer_average, worth_averaging
from ckptdoctor.recovery.next_step import Asked
from ckptdoctor.report import RunReport
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey
from tests.builders import save
from tests.cli.support import run as run_command

FLAT = [0.70 + 0.01 * (-1) ** epoch * (1 + epoch % 3) for epoch in range(16)]
RISING = [0.40 + 0.02 * epoch for epoch in range(16)]


def report(
    folder: Path, scores: Sequence[float], rates: Sequence[float] | None, *, log: bool = False
) -> RunReport:
    """A run with these scores and rates, stored in its files or told by its log."""
    lines = ["epoch,lr,val_acc"]
    for epoch, score in enumerate(scores, start=1):
        rate = None if rates is None else rates[epoch - 1]
        state = {
            "epoch": epoch,
            "model": {"layer.weight": torch.linspace(1, 2, 64) + 0.001 * epoch},
            "val_acc": score,
        }
        if rate is not None and not log:
            groups = [{"lr": rate, "params": [0]}]
            state["optimizer"] = {"state": {}, "param_groups": groups}
        lines.append(f"{epoch},{rate},{score}")
        save(folder / f"epoch_{epoch}.pth", state)
    if log:
        (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    (found,) = survey(discover([folder])).runs
    return found


def cosine(count: int, total: int) -> list[float]:
    return [0.05 * (1 + math.cos(math.pi * at / total)) for at in range(count)]


@pytest.mark.parametrize("log", [False, True])
def test_offered_at_a_constant_rate_and_a_score_that_jumps_about(log: bool, tmp_path: Path) -> None:
    offer = offer_average(report(tmp_path, FLAT, [0.1] * 16, log=log))
    assert offer is not None
    assert "the mean of the last 5 good checkpoints" in offer.reason
    assert "as high as it ever was" in offer.reason
    assert offer.command == "ckptdoctor restore --average 5"


def test_offered_in_the_middle_of_a_cosine(tmp_path: Path) -> None:
    said = worth_averaging(report(tmp_path, FLAT, cosine(16, 32)))
    assert "still 0.55 of its highest" in said
    assert said.endswith(":  ckptdoctor restore --average 5")


@pytest.mark.parametrize(
    ("scores", "rates"),
    [
        (FLAT, cosine(16, 16)),  # the end of a cosine
        (FLAT, [0.1] * 10 + [0.01] * 6),  # behind a step
        (RISING, [0.1] * 16),  # it still rises
        (FLAT, None),  # nobody knows the rate
        ([0.7] * 16, [0.1] * 16),  # nothing jumps about
        (FLAT[:4], [0.1] * 4),  # too few scores to tell
        (FLAT[:1], [0.1]),  # nothing to average
    ],
)
@pytest.mark.one_in(3)
def test_not_offered(scores: list[float], rates: list[float] | None, tmp_path: Path) -> None:
    assert worth_averaging(report(tmp_path, scores, rates)) == ""


def test_a_loss_that_no_longer_falls_counts_likewise(tmp_path: Path) -> None:
    for epoch, score in enumerate(FLAT, start=1):
        state = {
            "epoch": epoch,
            "model": {"layer.weight": torch.linspace(1, 2, 64) + 0.001 * epoch},
            "val_loss": score,
            "optimizer": {"state": {}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        }
        save(tmp_path / f"epoch_{epoch}.pth", state)
    (found,) = survey(discover([tmp_path])).runs
    assert "val_loss jumps about" in worth_averaging(found)


@pytest.mark.slow
def test_the_command_runs_as_it_is_printed(tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    folder.mkdir()
    asked = Asked(paths=(folder,))
    offer = offer_average(report(folder, FLAT, [0.1] * 16), asked, several=True)
    assert offer is not None
    done = run_command(*shlex.split(offer.command)[1:])
    assert done.code == 0, done.stderr
    assert (folder / "best_model_average.pth").exists()


@pytest.mark.parametrize(
    ("scores", "rates", "words"),
    [
        (RISING, [0.1] * 16, "still gets better"),
        (FLAT, cosine(16, 16), "down to 0.0096 of its highest"),
        (FLAT, [0.1] * 16, ""),
        (FLAT, None, ""),
    ],
)
@pytest.mark.one_in(4)
def test_a_doubt_is_said_of_a_mean_that_is_asked_for(
    scores: list[float], rates: list[float] | None, words: str, tmp_path: Path
) -> None:
    run = report(tmp_path, scores, rates)
    said = doubt_of(run, choose_average(run, Averaging(count=5)))
    assert (words in said) if words else not said
