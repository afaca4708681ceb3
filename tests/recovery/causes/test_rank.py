"""Causes are told from what a run left behind, and the remedy follows from them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from ckptdoctor.formats import open_checkpoint
from ckptdoctor.histories import History
from ckptdoctor.recovery.causes.ahead import Ahead
from ckptdoctor.recovery.causes.cause import Cause, CauseKind, Sure
from ckptdoctor.recovery.causes.evidence import Evidence, Rates, has_momentum, is_adaptive
from ckptdoctor.recovery.causes.grown import Grown
from ckptdoctor.recovery.causes.rank import causes_of
from ckptdoctor.recovery.causes.remedies import from_rates
from ckptdoctor.recovery.causes.settings import Setting
from ckptdoctor.recovery.causes.trouble import Trouble, TroubleKind
from tests.builders import save
from tests.each import each
from tests.recovery.causes.dead_runs import dead_run, planned

NAN = math.nan
LEARNS = [0.2, 0.4, 0.5, 0.56, 0.6, 0.62, 0.63, 0.64, 0.645, 0.65]


def first(folder: Path, **request: Any) -> Cause:
    return planned(folder, **request).advice.causes[0]


def test_a_gamma_above_one_is_named_and_the_rate_goes_back_to_the_healthy_one(
    tmp_path: Path,
) -> None:
    run = dead_run(
        tmp_path / "run",
        [*LEARNS, 0.02, 0.01, 0.01, 0.01],
        schedule=lambda o: lr_scheduler.StepLR(o, 10, gamma=30),
    )
    advice = planned(run, command="python t.py --lr 0.1 --epochs 14").advice
    cause = advice.causes[0]
    assert (cause.kind, cause.sure) == (CauseKind.RATE_JUMPED, Sure.CLEAR)
    said = " ".join((*cause.evidence, *cause.todo))
    assert "from 0.1 to 3, times 30, at epoch 11" in said
    assert "gamma = 30" in said
    assert advice.factor * 3.0 < 0.1
    assert advice.warmup_epochs == 0, "the rate was healthy before"


def test_a_rate_that_rises_past_the_edge_gets_a_peak_below_it(tmp_path: Path) -> None:
    scores = [0.3, 0.5, 0.6, 0.62, NAN, NAN, NAN]
    run = dead_run(
        tmp_path / "run",
        scores,
        schedule=lambda o: lr_scheduler.OneCycleLR(o, 5.0, total_steps=20, pct_start=0.5),
    )
    advice = planned(run).advice
    assert advice.causes[0].kind is CauseKind.RATE_TOO_HIGH
    died_at = float((run / "train.log").read_text().splitlines()[4].rpartition(" ")[2])
    assert advice.factor * 5.0 < died_at, "the whole schedule stays below where it died"
    assert advice.factor * 5.0 > died_at / 10, "and is not as good as nothing"


@pytest.mark.parametrize("low", [0.1, 0.002])
def test_a_jump_after_which_it_got_worse_by_and_by_is_a_jump(tmp_path: Path, low: float) -> None:
    """Whether it stood, or had fallen as a cycle does: the rate that was too high came at once."""
    scores = [*LEARNS, 0.63, 0.6, 0.56, 0.5, 0.02, 0.02]
    before = [0.1 - (0.1 - low) * at / 9 for at in range(10)]
    run = dead_run(tmp_path / "run", scores, rates=[*before, *[1.0] * 6])
    advice = planned(run).advice
    assert advice.causes[0].kind is CauseKind.RATE_JUMPED
    assert "to 1, times" in advice.causes[0].evidence[0]
    assert "at epoch 11" in advice.causes[0].evidence[0]
    assert 0.01 < advice.factor * 1.0 < 0.1, "as healthy rates were, not as their lowest was"


def test_momentum_that_was_gathered_past_the_edge_is_forgotten(tmp_path: Path) -> None:
    rising = dead_run(
        tmp_path / "rising", [0.3, 0.5, 0.6, 0.62, NAN], rates=[0.1, 0.2, 0.3, 0.4, 0.5]
    )
    plan = planned(rising)
    assert plan.advice.causes[0].kind is CauseKind.RATE_TOO_HIGH
    assert "--reset-optimizer" in plan.options[0].command
    jumped = dead_run(tmp_path / "jumped", [*LEARNS, 0.02, 0.01], rates=[*[0.1] * 10, 3.0])
    plan = planned(jumped)
    assert plan.advice.causes[0].kind is CauseKind.RATE_JUMPED
    assert "--reset-optimizer" not in plan.options[0].command, "it was healthy before the jump"


@pytest.mark.parametrize(
    ("settings", "has"),
    [
        ({"dampening": 0, "momentum": 0.9}, True),
        ({"dampening": 0, "momentum": 0.0}, False),
        ({"betas.0": 0.9, "betas.1": 0.999}, False),
    ],
)
def test_adam_keeps_its_moments(settings: dict[str, float], *, has: bool) -> None:
    group = {f"optimizer.param_groups.0.{key}": value for key, value in settings.items()}
    assert has_momentum({"optimizer.param_groups.0.lr": 0.1, **group}) is has


def test_bad_news_that_comes_late_began_where_the_score_was_last_good(tmp_path: Path) -> None:
    scores = [0.3, 0.5, 0.36, 0.3, 0.28, 0.2, 0.01, 0.01]
    rates = [0.01, 0.02, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0]
    advice = planned(dead_run(tmp_path / "run", scores, rates=rates)).advice
    assert advice.causes[0].is_rate
    assert advice.factor * 1.0 < 0.2


def test_a_run_that_got_worse_for_epochs_was_over_the_edge_before(tmp_path: Path) -> None:
    rates = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.6]
    sudden = [0.3, 0.5, 0.6, 0.61, 0.62, 0.1, 0.1, 0.1]
    gradual = [0.3, 0.5, 0.66, 0.64, 0.62, 0.1, 0.1, 0.1]
    one = planned(dead_run(tmp_path / "sudden", sudden, rates=rates)).advice
    other = planned(dead_run(tmp_path / "gradual", gradual, rates=rates)).advice
    assert other.factor < one.factor


def test_a_fall_at_a_lower_rate_than_was_healthy_is_an_event(tmp_path: Path) -> None:
    run = dead_run(
        tmp_path / "run",
        [*LEARNS, NAN, NAN],
        schedule=lambda o: lr_scheduler.CosineAnnealingLR(o, 12),
    )
    plan = planned(run)
    cause = plan.advice.causes[0]
    assert cause.kind is CauseKind.BAD_BATCH
    assert not cause.is_rate
    assert any("guard.step" in todo for todo in cause.todo)
    assert any("ckptdoctor plan --scale-lr 1" in note for note in plan.notes)
    kept = planned(run, factor=1.0)
    assert kept.advice.factor == 1.0
    assert not any("--scale-lr" in note for note in kept.notes)
    assert "--scale-lr" not in kept.options[0].command


def test_a_run_that_got_worse_by_and_by_was_killed_by_no_single_batch(tmp_path: Path) -> None:
    scores = [*LEARNS, 0.6, 0.55, 0.5, 0.02, NAN]
    rates = [0.1 * 0.95**epoch for epoch in range(15)]
    run = dead_run(tmp_path / "run", scores, rates=rates)
    kinds = {cause.kind for cause in planned(run).advice.causes}
    assert CauseKind.BAD_BATCH not in kinds


def test_where_the_rate_is_the_cause_it_is_not_offered_to_keep_it(tmp_path: Path) -> None:
    run = dead_run(tmp_path / "run", [*LEARNS[:4], NAN], rates=[0.1, 0.2, 0.3, 0.4, 0.5])
    assert not any("--scale-lr" in one for one in planned(run).notes)


def test_the_norm_to_clip_at_is_twice_the_usual_one(tmp_path: Path) -> None:
    norms = [1.5, 1.4, 1.5, 1.6, 1.5, 400.0, NAN]
    scores = [0.3, 0.5, 0.6, 0.62, 0.63, 0.01, NAN]
    rates = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    run = dead_run(tmp_path / "run", scores, rates=rates, norms=norms)
    assert any("clip_grad_norm_(model.parameters(), 3)" in todo for todo in first(run).todo)
    mute = dead_run(tmp_path / "mute", scores, rates=rates)
    assert not any("clip" in todo for todo in first(mute).todo)


def test_smaller_batches_at_the_same_rate(tmp_path: Path) -> None:
    run = dead_run(
        tmp_path / "run",
        [*LEARNS, NAN, NAN],
        rates=[0.1],
        arguments=lambda epoch: {"batch_size": 128 if epoch <= 10 else 8, "lr": 0.1},
    )
    advice = planned(run).advice
    assert advice.causes[0].kind is CauseKind.BATCH_SIZE
    assert "batch_size 128 -> 8" in advice.causes[0].evidence[0]
    assert advice.factor <= 1 / 16
    told = planned(run, command="python t.py --batch_size 4 --lr 0.1").advice
    assert told.factor <= 1 / 32, "the command is newer than what the files store"


@pytest.mark.parametrize("larger", [256, 128])
def test_larger_batches_are_no_cause(tmp_path: Path, larger: int) -> None:
    run = dead_run(
        tmp_path / "run",
        [*LEARNS, NAN, NAN],
        rates=[0.1],
        arguments=lambda epoch: {"batch_size": 128 if epoch <= 10 else larger},
    )
    assert all(one.kind is not CauseKind.BATCH_SIZE for one in planned(run).advice.causes)


@pytest.mark.parametrize(
    ("setting", "is_cause"),
    [
        (Setting(name="batch_size", before=128, after=8), True),
        (Setting(name="batch_size", before=128, after=128), False),
        (Setting(name="batch_size", before=128, after="auto"), False),
        (Setting(name="workers", before=128, after=8), False),
        (Setting(name="weight_decay", before=0.1, after=0.01), False),
    ],
)
def test_what_became_smaller_and_is_no_batch_is_no_batch_size(
    setting: Setting, *, is_cause: bool
) -> None:
    known = replace(evidence(0.4, 0.4, 0.5, gradual=False, falls=True), settings=(setting,))
    kinds = [cause.kind for cause in causes_of(known)]
    assert (CauseKind.BATCH_SIZE in kinds) is is_cause


def test_how_far_the_evidence_goes_has_three_words_in_their_order() -> None:
    assert [sure.word for sure in sorted(Sure)] == ["possible", "likely", "clear"]


@pytest.mark.parametrize("dies", [True, False])
def test_larger_batches_of_a_summed_loss_are_one(tmp_path: Path, *, dies: bool) -> None:
    run = dead_run(
        tmp_path / "run",
        [*LEARNS, *([NAN, NAN] if dies else [0.649, 0.648])],
        rates=[0.1],
        arguments=lambda epoch: {"bs": 16 if epoch <= 10 else 256, "sum_loss": True},
    )
    advice = planned(run).advice
    assert advice.causes[0].kind is CauseKind.BATCH_SIZE
    assert "bs 16 -> 256" in advice.causes[0].evidence[0]
    assert advice.factor == 0.25, "one over the square root of 16"


def test_what_raises_the_rate_in_the_script_is_named(tmp_path: Path) -> None:
    run = dead_run(
        tmp_path / "run",
        [0.3, 0.5, 0.6, 0.62, NAN, NAN],
        schedule=lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1.0 + epoch),
    )
    told = first(run, command="python t.py --lr 0.1 --lr-growth 10 --decay-epochs 30").todo
    assert any("--lr-growth 10 of the script may" in todo for todo in told)
    assert not any("--decay-epochs" in todo for todo in told)


def test_a_schedule_that_is_stored_is_told_to_fall_in_file_and_command(tmp_path: Path) -> None:
    run = dead_run(
        tmp_path / "run",
        [*LEARNS, 0.02, 0.01, 0.01, 0.01],
        schedule=lambda o: lr_scheduler.StepLR(o, 10, gamma=30),
    )
    plan = planned(run, command="python t.py --lr 0.1 --lr-gamma 30 --epochs 40")
    option, start = plan.options[0], plan.options[-1]
    assert "--lr-decay" in option.command
    assert "--lr-gamma 30" not in option.command
    changed = {change.flag: change.after for change in option.changes}
    assert changed["scheduler.gamma"] == changed["--lr-gamma"] == f"{plan.advice.decay:g}"
    assert "--lr 0.1 " in start.command, "it was healthy until the schedule raised it"
    assert "--lr-gamma 30" not in start.command


def test_a_poisoned_average_beside_sound_weights_keeps_the_rate(tmp_path: Path) -> None:
    def poison(epoch: int, state: dict[str, Any]) -> None:
        weights = state["model"]["w"]
        state["ema"] = {"w": weights * (NAN if epoch > 8 else 1.0)}

    scores = [*LEARNS[:8], *[0.0] * 4]
    run = dead_run(tmp_path / "run", scores, rates=[0.1], poison=poison)
    advice = planned(run).advice
    assert advice.causes[0].kind is CauseKind.POISONED_STATE
    assert advice.factor == 1.0


@pytest.mark.parametrize(
    ("value", "kept"), [(NAN, True), (math.inf, False)], ids=["NaN", "an overflow"]
)
def test_moments_that_are_nan_before_the_weights_keep_the_rate(
    tmp_path: Path, value: float, *, kept: bool
) -> None:
    def poison(epoch: int, state: dict[str, Any]) -> None:
        if epoch == 10:
            buffer = state["optimizer"]["state"][0]["momentum_buffer"]
            state["optimizer"]["state"] = {0: {"momentum_buffer": buffer * value}}

    run = dead_run(tmp_path / "run", [*LEARNS, NAN, NAN], rates=[0.1], poison=poison)
    advice = planned(run).advice
    assert (advice.causes[0].kind is CauseKind.POISONED_MOMENTS) is kept
    assert (advice.factor == 1.0) is kept


def test_nan_weights_without_a_log_get_half_of_the_rate(tmp_path: Path) -> None:
    run = dead_run(tmp_path / "run", [*LEARNS[:4], NAN, NAN], rates=[0.1], log=False)
    advice = planned(run).advice
    assert advice.factor == 0.5
    assert "epoch 5 hold NaN" in " ".join(advice.causes[0].evidence)


def test_files_alone_tell_of_a_jump(tmp_path: Path) -> None:
    rates = [0.1] * 6 + [2.0] * 4
    run = dead_run(tmp_path / "run", [*LEARNS[:6], *[NAN] * 4], rates=rates, log=False)
    advice = planned(run).advice
    assert advice.causes[0].kind is CauseKind.RATE_JUMPED
    assert advice.factor * 2.0 < 0.1


def test_where_nothing_went_wrong_there_is_no_cause(tmp_path: Path) -> None:
    advice = planned(dead_run(tmp_path / "run", LEARNS, rates=[0.1])).advice
    assert advice.causes == ()
    assert advice.factor == 1.0


def test_a_fresh_optimizer_is_named(tmp_path: Path) -> None:
    run = dead_run(
        tmp_path / "run",
        [*LEARNS, 0.02, 0.01],
        rates=[*[0.02] * 10, 0.5],
        arguments=lambda epoch: {"fresh_optimizer": epoch > 10},
    )
    kinds = {cause.kind for cause in planned(run).advice.causes}
    assert {CauseKind.RATE_JUMPED, CauseKind.OPTIMIZER_LOST} <= kinds


def test_an_optimizer_that_a_switch_left_unread_is_loaded_this_time(tmp_path: Path) -> None:
    run = dead_run(
        tmp_path / "run",
        [*LEARNS, 0.02, 0.01],
        rates=[*[0.02] * 10, 0.5],
        arguments=lambda epoch: {"fresh_optimizer": epoch > 10},
    )
    command = "python t.py --lr 0.5 --resume run/checkpoint_epoch_10.pth --fresh-optimizer"
    plan = planned(run, command=command)
    assert plan.advice.factor == 1.0
    assert plan.advice.causes[0].kind is CauseKind.OPTIMIZER_LOST
    option = plan.options[0]
    assert "--fresh-optimizer" not in option.command
    assert "--scale-lr" not in option.command
    assert "--lr 0.5" in option.command, "the stored rate wins over it"
    assert "--fresh-optimizer" not in plan.options[-1].command, "nothing is resumed there"
    kept = planned(run, command=command.replace("--fresh-optimizer", "--fresh-data"))
    assert "--fresh-data" in kept.options[0].command


def test_what_builds_the_schedule_is_as_the_checkpoint_was_trained(tmp_path: Path) -> None:
    def arguments(epoch: int) -> dict[str, Any]:
        late = epoch > 10
        return {"reset_optimizer": late, "no_warmup": late, "lr": 0.5 if late else 0.02, "bs": 8}

    run = dead_run(
        tmp_path / "run", [*LEARNS, 0.02, 0.01], rates=[*[0.02] * 10, 0.5], arguments=arguments
    )
    command = "python t.py --lr 0.5 --no-warmup --reset-optimizer --bs 8 --resume run/none.pth"
    for option in planned(run, command=command).options:
        assert "--no-warmup" not in option.command
        assert "--reset-optimizer" not in option.command
        assert "--lr 0.02 " in option.command
        assert "--bs 8" in option.command


def evidence(well: float, bad: float, top: float, *, gradual: bool, falls: bool) -> Evidence:
    trouble = Trouble(
        kind=TroubleKind.COLLAPSE, at=9, began=9, well=8, gradual=gradual, said="the run collapsed"
    )
    rates = Rates(
        well=well,
        bad=bad,
        top_before=well,
        lowest_before=well / 4,
        ahead=Ahead(top=top, falls=falls),
    )
    return Evidence(history=History(), trouble=trouble, rates=rates)


@settings(max_examples=100)
@given(
    well=st.floats(1e-6, 10.0),
    rise=st.floats(1.0, 20.0),
    more=st.floats(1.0, 50.0),
    gradual=st.booleans(),
    falls=st.booleans(),
)
def test_the_planned_peak_stays_below_where_it_went_wrong(
    well: float, rise: float, more: float, *, gradual: bool, falls: bool
) -> None:
    bad = well * rise
    top = bad * more
    cause = causes_of(evidence(well, bad, top, gradual=gradual, falls=falls))[0]
    assert cause.is_rate
    remedy = cause.remedy
    assert remedy is not None
    assert 0.0 < remedy.low <= remedy.factor <= remedy.high <= 0.5
    assert remedy.factor * top < bad
    if gradual:
        assert remedy.factor * top < well


@pytest.mark.parametrize("gradual", [True, False])
@pytest.mark.parametrize("falls", [True, False])
def test_adam_degrades_long_before_it_falls(*, gradual: bool, falls: bool) -> None:
    known = evidence(0.4, 0.5, 2.0, gradual=gradual, falls=falls)
    sgd, adam = (
        causes_of(replace(known, is_adaptive=adaptive))[0].remedy for adaptive in (False, True)
    )
    assert sgd is not None
    assert adam is not None
    assert adam.factor < 0.75 * sgd.factor


@pytest.mark.parametrize(
    ("optimizer", "adaptive"),
    [
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), False),
        (lambda p: torch.optim.AdamW(p, lr=0.1), True),
        (lambda p: torch.optim.RMSprop(p, lr=0.1), True),
        (lambda p: torch.optim.NAdam(p, lr=0.1), True),
    ],
)
def test_the_kind_of_the_optimizer_is_told_from_its_groups(
    optimizer: Any, *, adaptive: bool, tmp_path: Path
) -> None:
    made = optimizer([torch.nn.Parameter(torch.ones(2))])
    path = tmp_path / "a.pth"
    save(path, {"model": {"w": torch.ones(2)}, "optimizer": made.state_dict()})
    assert is_adaptive(open_checkpoint(path).scalars) is adaptive


def test_where_the_training_loss_made_no_headway_the_rate_was_too_high_before(
    tmp_path: Path,
) -> None:
    rates = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.6]
    scores = [0.3, 0.5, 0.6, 0.61, 0.6, 0.1, 0.1, 0.1]
    falls = [0.9, 0.7, 0.6, 0.55, 0.53, 4.0, 4.0, 4.0]
    stalls = [0.9, 0.7, 0.6, 0.62, 0.66, 4.0, 4.0, 4.0]
    one = planned(dead_run(tmp_path / "falls", scores, rates=rates, losses=falls)).advice
    other = planned(dead_run(tmp_path / "stalls", scores, rates=rates, losses=stalls)).advice
    assert other.factor * 0.6 < 0.3 < one.factor * 0.6 * 2
    assert "training loss" in " ".join(other.reasons)
    assert "training loss" not in " ".join(one.reasons)


def test_a_loss_of_validation_is_no_training_loss(tmp_path: Path) -> None:
    rates = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.6]
    scores = [0.3, 0.5, 0.6, 0.61, 0.6, 0.1, 0.1, 0.1]
    run = dead_run(
        tmp_path / "run", scores, rates=rates, losses=[0.9, 0.7, 0.6, 0.62, 0.66, 4, 4, 4]
    )
    log = run / "train.log"
    log.write_text(log.read_text().replace("loss:", "val_loss:"))
    assert "training loss" not in " ".join(planned(run).advice.reasons)


def test_a_warm_up_from_nothing_that_died_at_once_went_too_high(tmp_path: Path) -> None:
    rates = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    scores = [0.3, NAN, NAN, NAN, NAN, NAN]
    advice = planned(dead_run(tmp_path / "run", scores, rates=rates)).advice
    assert advice.causes[0].kind is CauseKind.RATE_TOO_HIGH
    assert advice.factor * 1.0 < 0.2


@each(("ahead", "is_told"), [(1.0, True), (0.51, False), (0.5, False), (0.1, False), (None, False)])
def test_one_that_died_before_anything_was_well_went_too_high_only_where_its_rate_rises_on(
    ahead: float | None, *, is_told: bool
) -> None:
    known = evidence(0.4, 0.5, 1.0, gradual=False, falls=True)
    rates = Rates(bad=0.5, ahead=Ahead(top=ahead, falls=True))
    died = replace(known.trouble, well=None)
    kinds = {one.kind for one in causes_of(replace(known, trouble=died, rates=rates))}
    assert (CauseKind.RATE_TOO_HIGH in kinds) == is_told


def test_losses_that_a_resume_added_are_no_standstill() -> None:
    setting = Setting(name="accumulate", before=1, after=2)
    known = evidence(0.4, 0.5, 0.5, gradual=False, falls=True)
    stalled = replace(known, rates=replace(known.rates, headway=0.1))
    grown = replace(stalled, grown=Grown(setting=setting, times=2.0))
    remedies = [causes_of(one)[0].remedy for one in (stalled, grown)]
    assert [one is not None and one.factor * 0.5 < 0.1 for one in remedies] == [True, False]


@pytest.mark.parametrize("jumped", [True, False])
def test_where_it_went_wrong_at_no_known_rate_the_last_sound_one_counts(*, jumped: bool) -> None:
    known = evidence(0.4, 0.5, 0.5, gradual=False, falls=True)
    unknown = replace(known, rates=replace(known.rates, bad=None))
    remedy = from_rates(unknown, jumped=jumped)
    assert remedy is not None
    assert "well" in remedy.reason
    neither = replace(unknown, rates=replace(unknown.rates, well=None, top_before=None))
    assert from_rates(neither, jumped=jumped) is None


def test_a_script_without_a_warm_up_gets_one_from_the_stored_schedule(tmp_path: Path) -> None:
    def schedule(optimizer: Any) -> Any:
        return lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=40, pct_start=0.1)

    run = dead_run(tmp_path / "run", [*LEARNS, NAN, NAN], schedule=schedule)
    command = "python t.py --lr 0.1 --epochs 40 --resume run/checkpoint_epoch_10.pth"
    option = planned(run, command=command).options[0]
    assert "--warm-up 5" in option.command
    assert not any("warm-up" in one for one in option.warnings)
    short = planned(run, command=command.replace("40", "20")).options[0]
    assert "--warm-up 2" in short.command, "a fifth of what is left"
    known = planned(run, command=f"{command} --warmup-epochs 2").options[0]
    assert "--warm-up " not in known.command, "the script's own is lengthened"


def test_a_schedule_that_still_rises_gets_no_other_warm_up(tmp_path: Path) -> None:
    run = dead_run(
        tmp_path / "run",
        [0.3, 0.5, 0.6, 0.62, NAN, NAN],
        schedule=lambda o: lr_scheduler.OneCycleLR(o, 5.0, total_steps=20, pct_start=0.5),
    )
    option = planned(run, command="python t.py --lr 5 --epochs 20").options[0]
    assert "--warm-up" not in option.command
    assert any("the stored OneCycleLR still rises there" in one for one in option.warnings)


def test_a_schedule_without_a_place_for_a_warm_up_is_said(tmp_path: Path) -> None:
    run = dead_run(
        tmp_path / "run",
        [*LEARNS, NAN, NAN],
        schedule=lambda o: lr_scheduler.CosineAnnealingLR(o, 12),
    )
    option = planned(run, command="python t.py --lr 0.1 --epochs 12").options[0]
    assert any("the stored schedule has no place for one" in one for one in option.warnings)


@pytest.mark.parametrize(("up", "kind"), [(0.3, CauseKind.BAD_BATCH), (0.9, CauseKind.RATE_JUMPED)])
def test_a_rise_from_the_lowest_rate_of_a_cycle_is_no_jump(
    up: float, kind: CauseKind, tmp_path: Path
) -> None:
    falls = [0.02, 0.5, 1.0, 0.75, 0.75, 0.75, 0.6, 0.5, 0.25, 0.02]
    run = dead_run(tmp_path / "run", [*LEARNS, 0.02, 0.01], rates=[*falls, up, 1.0])
    assert first(run).kind is kind
