"""A rule of ours that crashes fails the test in which it does, whatever that test looks at."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ckptdoctor.diagnose import examine
from ckptdoctor.report import Report
from ckptdoctor.rules.weights import InfByDesign
from tests.builders import save
from tests.cli.support import run
from tests.crashes import look


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """Of a file, from a fixture that tests share; no line of a test is where the rule fails."""
    path = save(tmp_path_factory.mktemp("crash") / "a.pth", {"model": {"w": torch.ones(3)}})
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(InfByDesign, "check", operator.index)
        yield examine([path])


def test_a_crash_in_a_shared_fixture_fails_the_test_that_asked_for_it(report: Report) -> None:
    assert not report.checkpoints[0].findings
    with pytest.raises(AssertionError, match="TypeError: 'Case' object"):
        look()
    look()  # and no other


def test_a_command_that_ends_with_a_bug_fails_the_test_that_ran_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.cli.support.CAN_FORK", True)
    monkeypatch.setattr("tests.cli.support.run_forked", lambda *_, **__: (70, b"", b"a bug"))
    with pytest.raises(AssertionError, match="a bug"):
        run("scan", tmp_path)
