"""A resume that makes gradients larger takes SGD past the edge at a rate that was healthy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.recovery.causes.cause import CauseKind
from ckptdoctor.recovery.causes.grown import grown_of
from ckptdoctor.recovery.causes.settings import Setting
from ckptdoctor.recovery.causes.trouble import Trouble, TroubleKind
from ckptdoctor.recovery.lr_rules import Advice
from ckptdoctor.runs.run import Run
from tests.each import each
from tests.recovery.causes.dead_runs import dead_run, planned
from tests.runs.members import member

NAN = math.nan
SCORES = [0.2, 0.4, 0.5, 0.56, 0.6, 0.62, 0.02, 0.01, 0.01]
RISING = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.07]
UNEASY = [0.2, 0.4, 0.6, 0.45, 0.61, 0.5, 0.02, 0.01, 0.01]
"""From epoch 4 on, before the resume."""


def advised(
    folder: Path,
    name: str,
    times: float,
    *,
    scores: list[float] = SCORES,
    since: int = 7,
    **more: Any,
) -> Advice:
    run = dead_run(
        folder / f"{name}-{times}",
        scores,
        rates=RISING,
        arguments=lambda epoch: {name: times if epoch >= since else 1},
        **more,
    )
    return planned(run).advice


@pytest.mark.parametrize("name", ["accumulate", "grad_accum_steps", "aux_weight", "dice_coef"])
def test_what_multiplies_gradients_divides_the_rate(tmp_path: Path, name: str) -> None:
    advice = advised(tmp_path, name, 16)
    assert advice.causes[0].kind is CauseKind.GRADIENTS_GREW
    assert f"{name} 1 -> 16" in advice.causes[0].evidence[0]
    assert advice.factor == pytest.approx(1 / 16, rel=0.02)
    assert advice.low <= advice.factor <= advice.high
    assert (advice.low, advice.high) == pytest.approx((1 / 16, 1 / 4), rel=0.02)


def test_rates_that_were_seen_without_further_losses_do_not_hold_with_them(tmp_path: Path) -> None:
    least = advised(tmp_path, "deep_supervision", 16, scores=UNEASY).factor
    most = advised(tmp_path, "colour_jitter", 16, scores=UNEASY).factor
    assert least == pytest.approx(1 / 16, rel=0.05)
    assert most > 1.5 * least, "which is what those rates would allow"


def test_a_rate_at_which_further_losses_were_past_the_edge_is_known(tmp_path: Path) -> None:
    one = advised(tmp_path, "deep_supervision", 8)
    assert one.causes[0].kind is CauseKind.GRADIENTS_GREW
    assert one.factor == advised(tmp_path, "colour_jitter", 8).factor


@pytest.mark.parametrize("name", ["weight_decay", "loss_scale", "colour_jitter", "num_heads"])
def test_what_leaves_gradients_as_they_are_is_no_cause(tmp_path: Path, name: str) -> None:
    kinds = [cause.kind for cause in advised(tmp_path, name, 16).causes]
    assert CauseKind.GRADIENTS_GREW not in kinds


def test_a_smaller_gradient_is_no_cause(tmp_path: Path) -> None:
    kinds = [cause.kind for cause in advised(tmp_path, "accumulate", 0.25).causes]
    assert CauseKind.GRADIENTS_GREW not in kinds


def test_a_setting_with_which_all_was_well_for_epochs_is_no_cause(tmp_path: Path) -> None:
    kinds = [cause.kind for cause in advised(tmp_path, "accumulate", 16, since=3).causes]
    assert CauseKind.GRADIENTS_GREW not in kinds


def test_adam_divides_by_the_size_of_the_gradient(tmp_path: Path) -> None:
    adam = torch.optim.AdamW([torch.nn.Parameter(torch.rand(2))], lr=0.01).state_dict()

    def as_adam(_: int, state: dict[str, Any]) -> None:
        rate = state["optimizer"]["param_groups"][0]["lr"]
        state["optimizer"] = {**adam, "param_groups": [{**adam["param_groups"][0], "lr": rate}]}

    kinds = [c.kind for c in advised(tmp_path, "accumulate", 16, poison=as_adam).causes]
    assert CauseKind.GRADIENTS_GREW not in kinds


@each(
    ("well", "at", "is_cause"),
    [(3, 7, True), (4, 7, True), (5, 7, False), (3, 4, False), (None, 7, False), (3, None, False)],
)
def test_it_changed_behind_the_last_sound_place_and_before_the_death(
    well: int | None, at: int | None, is_cause: bool
) -> None:
    """Where either is not known, neither is whether the change lies between."""
    sgd: dict[str, Scalar] = {
        f"optimizer.param_groups.0.{name}": value
        for name, value in {"lr": 0.1, "momentum": 0.9, "dampening": 0, "nesterov": False}.items()
    }
    held = {epoch: {"args.accumulate": 16 if epoch > 4 else 1} | sgd for epoch in range(9)}
    members = tuple(member(f"e_{epoch}.pth", epoch=epoch) for epoch in held)
    of_path = {one.path: held[epoch] for epoch, one in enumerate(members)}
    found = grown_of(
        (Setting(name="accumulate", before=1, after=16),),
        Run(members=members, placed=len(members)),
        Trouble(kind=TroubleKind.FILES, at=at, began=None, well=well, gradual=False, said=""),
        sgd,
        of_path.get,
    )
    assert (found is not None) is is_cause
