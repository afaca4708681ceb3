"""Averaged weights are held against those of the model that have their names."""

from __future__ import annotations

import pytest

from ckptdoctor.rules.averaged import tails, twins
from tests.cases import record


@pytest.mark.parametrize("wrapper", ["", "module.", "_orig_mod.module.", "_forward_module."])
def test_what_wraps_a_model_is_no_part_of_a_name(wrapper: str) -> None:
    assert list(tails(f"{wrapper}enc.conv.weight", 2)) == ["enc.conv.weight", "conv.weight"]
    assert list(tails(f"ema.{wrapper}conv.weight", 1)) == ["ema.conv.weight"]


def test_a_name_that_only_begins_like_a_wrapper_is_whole() -> None:
    assert list(tails("modules.weight", 9)) == ["modules.weight", "weight"]


def test_a_twin_has_the_same_name_and_the_same_shape() -> None:
    ema = [record("ema.enc.weight", (2, 3)), record("ema.enc.bias", (2,)), record("ema.n", ())]
    model = [record("module.enc.weight", (2, 3)), record("module.enc.bias", (3,))]
    pairs, alone = twins(ema, model)
    assert [(one.fqn, other.fqn) for one, other in pairs] == [
        ("ema.enc.weight", "module.enc.weight")
    ]
    assert alone == ["ema.enc.bias", "ema.n"]
