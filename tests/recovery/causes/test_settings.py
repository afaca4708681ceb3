"""Which settings differ, and which of them may be the cause of anything."""

from __future__ import annotations

import pytest

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.recovery.causes.settings import (
    Setting,
    adds_losses,
    changed,
    fresh_optimizer_flags,
    is_batch_size,
    is_fresh_optimizer,
    is_of_schedule,
    multiplies_gradients,
    number_in,
    planned_epochs,
    raised_by,
    same,
    sums_loss,
)
from ckptdoctor.recovery.command_line import CommandLine, parse_command
from tests.each import each

Stored = dict[str, Scalar]


def line(flags: str) -> CommandLine:
    return parse_command(f"python train.py {flags}")


def names(*found: Setting) -> list[tuple[object, ...]]:
    return [(one.name, one.before, one.after) for one in found]


def test_what_the_newest_checkpoint_stores_otherwise_has_changed() -> None:
    old: Stored = {"batch_size": 128, "lr": 0.1, "gone": 1, "Weight-Decay": 0.01}
    new: Stored = {"batch_size": 4, "lr": "0.1", "fresh": 1, "Weight-Decay": 0.02}
    assert names(*changed(old, new, None)) == [
        ("batch_size", 128, 4),
        ("weight_decay", 0.01, 0.02),
    ]
    assert changed({}, new, None) == ()
    assert changed(old, {}, None) == ()


def test_a_command_comes_before_what_is_stored() -> None:
    old: Stored = {"batch_size": 128, "amp": False, "lr": 0.1}
    assert names(*changed(old, {}, line("--batch-size 64 --amp --lr 0.1 --other 3"))) == [
        ("batch_size", 128, "64"),
        ("amp", False, True),
    ]
    assert names(*changed(old, {**old, "lr": 0.2}, line("--lr 0.3"))) == [("lr", 0.1, "0.3")]


@each("name", ["resume", "checkpoint_dir", "data_path", "seed", "run_name", "epochs", "max_epochs"])
def test_names_paths_and_lengths_cause_nothing(name: str) -> None:
    assert changed({name: 1}, {name: 2}, None) == ()


def test_values_are_the_same_as_numbers_or_as_texts() -> None:
    assert same(0.1, "0.10")
    assert same("adam", "adam")
    assert same(None, None)
    assert not same(1, True)  # a switch is no number
    assert not same(0.1, 0.2)
    assert not same("adam", "sgd")
    assert [number_in(one) for one in (True, None, "x", "1e3", 7)] == [None, None, None, 1e3, 7.0]


def test_a_setting_says_how_many_times_it_is_what_it_was() -> None:
    assert Setting(name="bs", before=4, after="128").times == 32.0
    for before, after in ((0, 1), (1, 0), (-1, 2), (2, -1), ("x", 1), (None, 1)):
        assert Setting(name="bs", before=before, after=after).times is None
    assert Setting(name="bs", before=128.0, after=4).in_words() == "bs 128 -> 4"
    long = Setting(name="x", before="a" * 100, after=0.10000001).in_words()
    assert long == f"x {'a' * 40} -> 0.1"


@pytest.mark.parametrize(
    ("asked", "yes", "no"),
    [
        (
            is_batch_size,
            "batch_size batchsize bs per_device_train_batch_size micro_batch_size batch",
            "eval_batch_size batch_norm nbs",
        ),
        (is_fresh_optimizer, "fresh_optimizer reset_optim no_load_optimizer", "optimizer fresh"),
        (is_of_schedule, "lr lr0 learning_rate scheduler warmup_epochs warm_up", "lr_decay alr"),
        (multiplies_gradients, "accum_steps grad_accum dice_weight aux_coef", "weight_decay"),
        (adds_losses, "deep_supervision n_aux_heads deep_heads", "heads n_heads"),
    ],
)
def test_what_a_name_speaks_of(asked: object, yes: str, no: str) -> None:
    assert callable(asked)
    assert [name for name in yes.split() if not asked(name)] == []
    assert [name for name in no.split() if asked(name)] == []


def test_a_switch_that_leaves_the_optimizer_unread_counts_where_it_is_on() -> None:
    found = fresh_optimizer_flags(line("--fresh-optimizer --reset-optim yes --lr 3"))
    assert [flag.name.replace("_", "-") for flag in found] == ["fresh-optimizer", "reset-optim"]
    assert fresh_optimizer_flags(line("--fresh-optimizer false --skip-optim 0")) == []


@each(
    ("stored", "flags", "summed"),
    [
        ({"sum_loss": True}, "", True),
        ({"sum_loss": False}, "", False),
        ({"sum_loss": "0"}, "", False),
        ({"loss_reduction": "sum"}, "", True),
        ({"loss_reduction": "mean"}, "", False),
        ({}, "--sum-loss", True),
        ({}, "--reduction sum", True),
        ({}, "--reduction mean", False),
        ({"sum_loss": True}, "--sum-loss false", False),
        ({"other": "sum"}, "", False),
    ],
)
def test_whether_the_loss_is_summed_over_the_batch(
    stored: dict[str, bool | str], flags: str, summed: bool
) -> None:
    assert sums_loss(stored, line(flags) if flags else None) is summed


def test_settings_that_may_raise_the_rate_are_named_as_they_are_typed() -> None:
    stored = {"gamma": 10, "lr_growth": 1.0, "factor": 0.5, "beta": 9}
    assert raised_by(stored, None) == ("--gamma 10",)
    assert raised_by(stored, line("--gamma 3 --lr-mult 2")) == ("--gamma 3", "--lr-mult 2")
    assert raised_by({}, None) == ()


def test_for_how_many_epochs_a_run_was_planned() -> None:
    assert planned_epochs({"max_epochs": 90}, None) == 90.0
    assert planned_epochs({"epochs": 90}, line("--epochs 120")) == 120.0
    assert planned_epochs({}, line("--num-epochs 30")) == 30.0
    assert planned_epochs({"epoch_size": 5}, line("--epochs-each 3")) is None
