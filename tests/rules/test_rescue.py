"""Which option of ``restore`` rescues a checkpoint, and with which command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ckptdoctor.checkpoint import CallUse, GlobalUse, Role, StorageRef, TensorRecord, TensorStats
from ckptdoctor.finding import Severity
from ckptdoctor.rules import Case
from ckptdoctor.rules.rescue import Rescue, repair_command, rescue_command, rescue_option
from tests.cases import case, finding, measured, problem, record
from tests.each import each

PATH = Path("model.pth")
BAD, FINE = measured("net.w", nan=1), measured("net.w")
EMA = measured("ema.net.w", Role.EMA)
MEAN = measured("bn.running_mean", nan=2)
OWN_CLASS = GlobalUse(name="my.Net", count=1, offset=3, runs_code=False, allowed=False)


@pytest.mark.parametrize("option", ["--use-ema", "--reset-bn"])
def test_the_first_finding_that_names_an_option_of_restore_decides(option: str) -> None:
    named = replace(finding("CD201"), evidence={"rescue": option})
    other = replace(finding("CD103"), evidence={"rescue": "repair"})
    assert rescue_option([finding("CD301"), other, named]) == option
    assert rescue_option([finding("CD301"), other]) == ""
    command = f"ckptdoctor restore --from model.pth {option} --force"
    assert rescue_command(PATH, iter([other, named]), "--force") == command
    assert rescue_command(PATH, iter([other])) == ""


def test_a_finite_average_takes_the_place_of_broken_weights() -> None:
    found = Rescue.of(case(BAD, EMA))
    assert (found.option, found.ema_finite) == ("--use-ema", True)
    assert found.evidence == {"rescue": "--use-ema"}
    assert found.advice.endswith("restore --from model.pth --use-ema")


def test_statistics_that_alone_are_broken_are_reset() -> None:
    found = Rescue.of(case(FINE, MEAN))
    assert (found.option, found.ema_finite) == ("--reset-bn", None)
    assert found.advice.endswith("restore --from model.pth --reset-bn")
    below = measured("bn.running_var")  # from -1 to 1: no variance is below zero
    assert Rescue.of(case(FINE, below)).option == "--reset-bn"
    assert Rescue.of(case(BAD, MEAN)).option == ""
    assert Rescue.of(case(BAD, MEAN, EMA, averaged("ema.bn.running_mean"))).option == "--use-ema"


def test_sound_weights_and_what_is_meant_need_no_rescue() -> None:
    mask = measured("attn.mask", neginf=3)
    for sound in (case(FINE), case(FINE, EMA), case(FINE, mask, EMA)):
        assert Rescue.of(sound).option == ""


def averaged(fqn: str, **how: Any) -> tuple[TensorRecord, TensorStats]:
    return measured(fqn, Role.EMA, **how)


def stored(key: str, **how: Any) -> tuple[TensorRecord, TensorStats]:
    """Statistics whose bytes cannot be exchanged where they lie."""
    tensor, stats = measured(key, nan=1)
    ref = StorageRef(key=key, offset=64, nbytes=48, **how)
    return replace(tensor, storage=ref), stats


@each(
    "broken",
    [
        case(BAD, averaged("ema.net.w", nan=1)),
        case(BAD, measured("net.b"), EMA),  # of one weight there is no average
        case(BAD, averaged("ema.other")),
        case(BAD),
        case(BAD, EMA, problems=[problem("CD103", "net.w")]),
        case(BAD, EMA, problems=[problem("CD102", severity=Severity.WARNING)]),
        case(BAD, EMA, tensors=[record("lost", lost=True)]),
        case(BAD, EMA, calls=[CallUse(name="os.system", call="os.system('id')", offset=3)]),
        case(BAD, EMA, globals_=[OWN_CLASS, replace(OWN_CLASS, runs_code=True)]),
        case(FINE, measured("bn.running_mean", nan=1, dtype="float8_e5m2")),
        case(FINE, MEAN, measured("bn.running_var", dtype="int32")),
        case(FINE, stored("bn.running_mean", deflated_nbytes=9)),
    ],
)
def test_what_cannot_be_made_sound_is_promised_no_rescue(broken: Case) -> None:
    found = Rescue.of(broken)
    assert (found.option, found.evidence) == ("", {})
    assert "--" not in found.advice


def test_what_is_no_rescue_may_be_worth_a_word() -> None:
    """The user can take a finite average by hand, wherever restore cannot."""
    safe = replace(case(BAD, EMA).checkpoint, format="safetensors")
    assert Rescue.of(replace(case(BAD, EMA), checkpoint=safe)) == Rescue(
        advice=" The EMA in this file is finite.", ema_finite=True
    )
    assert Rescue.of(case(BAD, averaged("ema.net.w", nan=1))) == Rescue(ema_finite=False)
    lost = record("ema.net.b", role=Role.EMA, lost=True)
    assert Rescue.of(case(BAD, EMA, tensors=[lost])).ema_finite is False
    assert Rescue.of(case(BAD)) == Rescue()
    noted = case(BAD, EMA, problems=[problem("CD103", severity=Severity.INFO)])
    assert Rescue.of(noted).option == "--use-ema"


@pytest.mark.parametrize(("dtype", "option"), [("float32", "--use-ema"), ("float16", "")])
def test_within_an_object_of_a_class_only_bytes_of_one_kind_are_exchanged(
    dtype: str, option: str
) -> None:
    held = case(BAD, averaged("ema.net.w", dtype=dtype), globals_=[OWN_CLASS])
    assert Rescue.of(held).option == option
    safe = replace(OWN_CLASS, allowed=True)
    plain = case(BAD, averaged("ema.net.w", dtype=dtype), globals_=[safe])
    assert Rescue.of(plain).option == "--use-ema"


def flipped(file: str = "model.pth", **more: Any) -> Any:
    return replace(finding("CD103"), evidence={"flipped_bit": 3, "file": file, **more})


@pytest.mark.parametrize(
    ("evidence", "decided"),
    [
        ({"odds": 1e-9}, True),
        ({"odds": 0.5}, False),
        ({"odds": 0.5, "flipped_part": "exponent"}, True),
        ({"odds": 0.5, "flipped_part": "mantissa"}, False),
        ({}, True),
    ],
)
def test_a_repair_is_promised_where_no_other_damage_can_be_thought_of(
    evidence: Mapping[str, Any], decided: bool
) -> None:
    found = [flipped(**evidence)]
    assert repair_command(PATH, found) == "ckptdoctor repair model.pth"
    assert bool(repair_command(PATH, found, decided=True)) is decided


def test_a_wrong_bit_is_repaired_before_anything_is_replaced() -> None:
    rescue = replace(finding("CD201"), evidence={"rescue": "--use-ema"})
    command = rescue_command(PATH, [rescue, flipped()], "-o", "x.pth")
    assert command == "ckptdoctor repair model.pth -o x.pth"


def test_of_a_folder_the_file_with_the_wrong_bit_is_repaired() -> None:
    command = repair_command(Path("run"), [flipped("run/a.bin")], "-o", "x")
    assert command == "ckptdoctor repair run/a.bin"
    assert repair_command(PATH, [finding("CD103", flipped_bit=3), finding("CD103")]) == ""


def test_what_the_reader_says_to_repair_is_repaired() -> None:
    told = replace(finding("CD104"), remedy="One bit is wrong: ckptdoctor repair model.pth")
    assert repair_command(PATH, [told], "--force") == "ckptdoctor repair model.pth --force"
    assert repair_command(Path("other.pth"), [told]) == ""
