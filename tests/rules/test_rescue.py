"""Which option of ``restore`` rescues a checkpoint."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ckptdoctor.rules.rescue import rescue_option
from tests.cases import finding


@pytest.mark.parametrize("option", ["--use-ema", "--reset-bn"])
def test_the_first_finding_that_names_an_option_of_restore_decides(option: str) -> None:
    named = replace(finding("CD201"), evidence={"rescue": option})
    other = replace(finding("CD103"), evidence={"rescue": "repair"})
    assert rescue_option([finding("CD301"), other, named]) == option
    assert rescue_option([finding("CD301"), other]) == ""
