"""Which flag of a command warms the rate up, in which unit, and what it becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.metadata import Metadata
from ckptdoctor.recovery.command_line import parse_command
from ckptdoctor.recovery.warm_up import Facts, Unit, epoch_steps_of, unit_of, warm_up_of
from tests.each import each
from tests.reports import report


@each(
    ("name", "unit"),
    [
        ("warmup-epochs", Unit.EPOCHS),
        ("lr_warmup_epochs", Unit.EPOCHS),
        ("warm-up-epochs", Unit.EPOCHS),
        ("warmup_steps", Unit.STEPS),
        ("num-warmup-steps", Unit.STEPS),
        ("lr-warmup-iters", Unit.STEPS),
        ("warmup-updates", Unit.STEPS),
        ("warmup_ratio", Unit.RATIO),
        ("lr-warmup-fraction", Unit.RATIO),
        ("warmup", Unit.UNKNOWN),
        ("lr-warmup", Unit.UNKNOWN),
        ("warmup-lr", None),
        ("warmup-init-lr", None),
        ("warmup-bias-lr", None),
        ("warmup-momentum", None),
        ("ema-warmup-steps", None),
        ("epochs", None),
    ],
)
def test_the_unit_is_in_the_name(name: str, unit: Unit | None) -> None:
    assert unit_of(name) is unit


@each(
    ("flags", "value", "said"),
    [
        ("--warmup-epochs 2", "5", ""),
        ("--warmup-epochs 5", "", ""),
        ("--warmup-epochs 0", "5", ""),
        ("--warmup-steps 100", "2000", ""),
        ("--warmup_ratio 0.03 --num_train_epochs 20", "0.25", ""),
        ("--warmup_ratio 0.5 --epochs 20", "", ""),
        ("--warmup_ratio 0.03", "", "counts a share of all epochs is not known"),
        ("--lr-warmup 3", "", "does not say what it counts"),
        ("--warmup-epochs $N", "", "is no number"),
        ("--lr 0.1", "", "the script has no such flag"),
    ],
)
def test_what_it_becomes(flags: str, value: str, said: str) -> None:
    line = parse_command(f"python t.py {flags}")
    found = warm_up_of(line, 5, Facts(epoch_steps=400.0))
    assert (found.value, said in found.said) == (value, True)
    assert bool(found.said) is bool(said)


def test_steps_are_no_epochs_where_nothing_tells_how_many_there_are() -> None:
    found = warm_up_of(parse_command("python t.py --warmup-steps 100"), 5, Facts())
    assert found.value == ""
    assert "make it as long as 5 epochs" in found.said


def test_a_script_without_a_warm_up_would_not_load_the_schedule_of_one() -> None:
    line = parse_command("python t.py --warmup-epochs 0")
    found = warm_up_of(line, 5, Facts(resumes_schedule=True))
    assert found.value == ""
    assert "would not load the schedule" in found.said


def test_the_stored_arguments_know_a_flag() -> None:
    stored = Facts(arguments={"lr": 0.1, "warmup_epochs": 1, "use_warmup": True})
    found = warm_up_of(parse_command("python t.py --batch-size 4"), 5, stored)
    assert (found.name, found.value) == ("--warmup-epochs", "5")


def test_the_steps_of_an_epoch() -> None:
    def row(epoch: int, step: int | None) -> object:
        made = report(f"{epoch}.pth", epoch, None)
        return type(made)(
            path=Path(f"{epoch}.pth"),
            verdict=made.verdict,
            metadata=Metadata(epoch=epoch, global_step=step),
        )

    assert epoch_steps_of([row(2, 800), row(4, 1600)]) == 400.0  # type: ignore[list-item]
    assert epoch_steps_of([row(2, 800), row(4, None)]) is None  # type: ignore[list-item]


def test_a_switch_against_warming_up_is_left_out_unless_a_schedule_is_stored() -> None:
    line = parse_command("python t.py --lr 0.1 --no-warmup --warmup-epochs 2")
    found = warm_up_of(line, 5, Facts())
    assert (found.value, found.off and found.off.written) == ("5", "--no-warmup")
    stored = warm_up_of(line, 5, Facts(resumes_schedule=True))
    assert (stored.value, stored.off) == ("", None)
    assert "--no-warmup stays" in stored.said


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("python t.py --work_dir a --batch_size 4", "--resume_from"),
        ("python t.py --work-dir a --batch_size 4 --n-epochs 3", "--resume-from"),
        ("python t.py --lr 0.1", "--resume-from"),
    ],
)
def test_a_flag_is_spelled_as_most_others_are(command: str, flag: str) -> None:
    assert parse_command(command).spelled("resume_from") == flag
